//! Pauses begin, last and end as the design has it.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

struct Line {
    start: Instant,
}

impl Line {
    fn new() -> Self {
        Self { start: Instant::now() }
    }

    fn at(&self, seconds: u32) -> Now {
        // 2026-11-22T10:00:00Z
        let wall = WallTime::from_millis(1_795_341_600_000) + seconds * SECOND;
        Now { at: self.start + seconds * SECOND, wall }
    }
}

fn waits(gate: &mut Gate, line: &Line, reason: PauseReason, count: usize) -> Vec<u64> {
    let mut now = line.at(0);
    gate.fault(reason, now.at, now);
    (0..count)
        .map(|_| {
            let next = gate.pause().unwrap().next.at;
            let waited = next - now.at;
            now = Now { at: next, wall: now.wall + waited };
            assert_eq!(gate.permit(next), Permit::Probe);
            gate.probe_sent();
            assert_eq!(gate.permit(next), Permit::Closed(None), "one probe at a time");
            assert!(!gate.fault(reason, next, now), "announced once");
            waited.as_secs()
        })
        .collect()
}

#[test]
fn a_broken_app_is_probed_ever_more_rarely() {
    let waits = waits(&mut Gate::default(), &Line::new(), PauseReason::CredentialsRejected, 10);
    assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
}

#[test]
fn a_used_up_quota_is_probed_once_an_hour_until_the_month_turns() {
    let (line, mut gate) = (Line::new(), Gate::default());
    assert_eq!(waits(&mut gate, &line, PauseReason::QuotaExhausted, 3), [3600, 3600, 3600]);
    assert_eq!(gate.pause().unwrap().until().unwrap().to_string(), "2026-12-01T00:00:00.000Z");

    let mut late = Gate::default();
    let (at, now) = (line.at(0).at, "2026-11-30T23:59:30Z".parse::<jiff::Timestamp>().unwrap());
    late.fault(PauseReason::QuotaExhausted, at, Now { at, wall: WallTime::from(now) });
    assert_eq!(late.pause().unwrap().next.at, at + 30 * SECOND);
}

#[test]
fn only_an_accepted_answer_sent_since_ends_a_fault() {
    let (line, mut gate) = (Line::new(), Gate::default());
    let before = line.at(0).at;
    assert!(gate.fault(PauseReason::ScopeMissing, before, line.at(1)));
    assert!(gate.accepted(before, line.at(2)).is_none(), "sent before the pause");
    assert_eq!(gate.accepted(line.at(3).at, line.at(3)).unwrap().reason, PauseReason::ScopeMissing);
    assert_eq!(gate.permit(line.at(3).at), Permit::Open);
    assert!(!gate.fault(PauseReason::ScopeMissing, line.at(2).at, line.at(4)), "a late answer is old news");
    assert!(!gate.throttled(None, line.at(2).at, line.at(4)));
    assert!(gate.fault(PauseReason::ScopeMissing, line.at(3).at, line.at(4)));
}

#[test]
fn a_fault_does_not_shorten_a_throttle() {
    let (line, mut gate) = (Line::new(), Gate::default());
    gate.throttled(Some(60 * SECOND), line.at(0).at, line.at(0));
    assert!(gate.fault(PauseReason::AppUnavailable, line.at(0).at, line.at(1)));
    assert_eq!(gate.permit(line.at(59).at), Permit::Closed(Some(line.at(60).at)));
    assert_eq!(gate.permit(line.at(60).at), Permit::Probe);
}

#[test]
fn many_late_faults_are_one() {
    let (line, mut gate) = (Line::new(), Gate::default());
    let before = line.at(0).at;
    assert!(gate.fault(PauseReason::ScopeMissing, before, line.at(1)));
    for _ in 0..30 {
        assert!(!gate.fault(PauseReason::ScopeMissing, before, line.at(2)));
        assert!(!gate.fault(PauseReason::IpNotAllowed, before, line.at(2)));
    }
    assert_eq!(gate.pause().unwrap().next.at, line.at(3).at);
    assert!(gate.fault(PauseReason::IpNotAllowed, line.at(3).at, line.at(3)), "a new reason is news");
}

#[test]
fn throttling_waits_as_named_at_most_ten_minutes() {
    let line = Line::new();
    for (reset, wait) in [(Some(52), 52), (Some(31_536_000), 600), (None, 60)] {
        let mut gate = Gate::default();
        assert!(gate.throttled(reset.map(Duration::from_secs), line.at(0).at, line.at(0)));
        assert_eq!(gate.pause().unwrap().next.at, line.at(wait).at);
        assert!(gate.expire(line.at(wait - 1).at).is_none());
        assert_eq!(gate.expire(line.at(wait).at).unwrap().reason, PauseReason::RateLimited);
    }
}

#[test]
fn throttling_without_a_time_doubles_until_an_answer_is_accepted() {
    let (line, mut gate) = (Line::new(), Gate::default());
    let waited = |gate: &mut Gate, now: Now| {
        gate.throttled(None, now.at, now);
        // Late answers of the same volley are no further offence.
        gate.throttled(None, now.at, now);
        let next = gate.pause().unwrap().next.at;
        gate.expire(next);
        (next - now.at).as_secs()
    };
    let growing: Vec<_> = (0..6).map(|round| waited(&mut gate, line.at(round * 1000))).collect();
    assert_eq!(growing, [60, 120, 240, 480, 600, 600]);
    gate.accepted(line.at(7000).at, line.at(7000));
    assert_eq!(waited(&mut gate, line.at(8000)), 60);
}

#[test]
fn a_throttled_probe_keeps_the_fault_and_waits_longer() {
    let (line, mut gate) = (Line::new(), Gate::default());
    gate.fault(PauseReason::QuotaExhausted, line.at(0).at, line.at(0));
    let probe = line.at(3600);
    gate.probe_sent();
    assert!(!gate.throttled(Some(90 * SECOND), probe.at, probe));
    assert_eq!(gate.pause().unwrap().reason, PauseReason::QuotaExhausted);
    assert_eq!(gate.permit(line.at(7199).at), Permit::Closed(Some(line.at(7200).at)));
    assert_eq!(gate.permit(line.at(7200).at), Permit::Probe);

    let mut broken = Gate::default();
    broken.fault(PauseReason::ScopeMissing, line.at(0).at, line.at(0));
    broken.probe_sent();
    broken.throttled(Some(SECOND), line.at(2).at, line.at(2));
    assert_eq!(broken.permit(line.at(2).at), Permit::Closed(Some(line.at(6).at)), "no storm of probes");
    broken.probe_sent();
    broken.throttled(Some(90 * SECOND), line.at(6).at, line.at(6));
    assert_eq!(broken.permit(line.at(6).at), Permit::Closed(Some(line.at(96).at)));
}

/// What is shown of a pause stays true when the wall clock moves.
#[test]
fn a_shown_pause_follows_the_wall_clock() {
    let (line, mut gate) = (Line::new(), Gate::default());
    gate.throttled(Some(60 * SECOND), line.at(0).at, line.at(0));
    let hour = 3600 * SECOND;
    let ahead = |now: Now| Now { wall: now.wall + hour, ..now };
    gate.clock_ahead(ahead(line.at(10)));
    let end = line.at(60).wall + hour;
    let shown = gate.pause().unwrap().trouble(Endpoint::Query, None);
    assert_eq!((shown.next, shown.until, shown.since), (Some(end), Some(end), line.at(0).wall));
    assert_eq!(gate.pause().unwrap().next.at, line.at(60).at, "the server counts on");
    gate.clock_set_back(hour);
    let shown = gate.pause().unwrap().trouble(Endpoint::Query, None);
    assert_eq!((shown.next, shown.until), (Some(line.at(60).wall), Some(line.at(60).wall)));

    let mut broken = Gate::default();
    broken.fault(PauseReason::ScopeMissing, line.at(0).at, line.at(0));
    broken.clock_ahead(ahead(line.at(1)));
    assert_eq!(broken.pause().unwrap().next.wall, line.at(2).wall + hour);
}

#[test]
fn trying_again_is_at_once_but_not_against_a_server_that_counts() {
    let (line, mut gate) = (Line::new(), Gate::default());
    gate.throttled(None, line.at(0).at, line.at(0));
    gate.try_again(line.at(1));
    assert_eq!(gate.permit(line.at(1).at), Permit::Closed(Some(line.at(60).at)));

    let mut gate = Gate::default();
    gate.fault(PauseReason::CredentialsRejected, line.at(2).at, line.at(2));
    gate.try_again(line.at(3));
    assert_eq!(gate.permit(line.at(3).at), Permit::Probe);
    gate.probe_sent();
    gate.fault(PauseReason::CredentialsRejected, line.at(3).at, line.at(3));
    assert_eq!(gate.pause().unwrap().next.at, line.at(5).at, "starts over at two seconds");
}

/// A throttle that goes on behind a fault is cut short neither by a hangup nor by a probe that was on its way.
#[test]
fn a_throttle_lasts_behind_a_fault() {
    let (line, mut gate) = (Line::new(), Gate::default());
    gate.throttled(Some(60 * SECOND), line.at(0).at, line.at(0));
    gate.fault(PauseReason::ScopeMissing, line.at(0).at, line.at(1));
    gate.try_again(line.at(2));
    assert_eq!(gate.permit(line.at(2).at), Permit::Closed(Some(line.at(60).at)));
    assert_eq!(gate.pause().unwrap().next.wall, line.at(60).wall);

    let mut probed = Gate::default();
    probed.fault(PauseReason::ScopeMissing, line.at(0).at, line.at(0));
    probed.probe_sent();
    // Another app with the same budget is throttled meanwhile.
    probed.throttled(Some(60 * SECOND), line.at(1).at, line.at(3));
    probed.fault(PauseReason::ScopeMissing, line.at(2).at, line.at(4));
    assert_eq!(probed.permit(line.at(4).at), Permit::Closed(Some(line.at(63).at)));
    probed.fault(PauseReason::IpNotAllowed, line.at(4).at, line.at(5));
    probed.try_again(line.at(6));
    assert_eq!(probed.permit(line.at(6).at), Permit::Closed(Some(line.at(63).at)));
    assert_eq!(probed.permit(line.at(63).at), Permit::Probe);
}

/// A throttle that was named behind a fault outlasts it: the server counts on, whatever the probe brought.
#[test]
fn a_throttle_lasts_when_the_fault_before_it_ends() {
    let (line, mut gate) = (Line::new(), Gate::default());
    gate.fault(PauseReason::ScopeMissing, line.at(0).at, line.at(1));
    gate.probe_sent();
    gate.throttled(Some(60 * SECOND), line.at(0).at, line.at(4));
    assert_eq!(gate.accepted(line.at(3).at, line.at(5)).unwrap().reason, PauseReason::ScopeMissing);
    let shown = gate.pause().unwrap().trouble(Endpoint::Query, None);
    assert_eq!((shown.pause(), shown.until), (Some(PauseReason::RateLimited), Some(line.at(64).wall)));
    gate.try_again(line.at(6));
    assert!(!gate.fault(PauseReason::ScopeMissing, line.at(2).at, line.at(7)), "a late answer is old news");
    assert_eq!(gate.permit(line.at(63).at), Permit::Closed(Some(line.at(64).at)));
    assert_eq!(gate.expire(line.at(64).at).unwrap().reason, PauseReason::RateLimited);
    assert_eq!(gate.permit(line.at(64).at), Permit::Open);

    let mut late = Gate::default();
    late.throttled(Some(60 * SECOND), line.at(0).at, line.at(0));
    late.fault(PauseReason::ScopeMissing, line.at(0).at, line.at(1));
    assert!(late.accepted(line.at(60).at, line.at(60)).is_some());
    assert_eq!(late.permit(line.at(60).at), Permit::Open, "the server has counted to the end");
}

/// A throttle without a named time lasts as long behind a fault as it would by itself, also after a hangup.
#[test]
fn a_throttle_without_a_time_lasts_behind_a_fault() {
    let (line, mut gate) = (Line::new(), Gate::default());
    gate.fault(PauseReason::ScopeMissing, line.at(0).at, line.at(1));
    gate.throttled(None, line.at(0).at, line.at(2));
    gate.try_again(line.at(2));
    assert_eq!(gate.permit(line.at(2).at), Permit::Probe, "sent before the fault: it names nothing");
    gate.probe_sent();
    gate.throttled(None, line.at(2).at, line.at(3));
    // Others with the same budget had polls in flight as well.
    gate.throttled(None, line.at(2).at, line.at(4));
    gate.try_again(line.at(5));
    assert_eq!(gate.permit(line.at(5).at), Permit::Closed(Some(line.at(63).at)));
    assert_eq!(gate.permit(line.at(63).at), Permit::Probe);
    gate.probe_sent();
    gate.throttled(None, line.at(63).at, line.at(64));
    gate.try_again(line.at(65));
    assert_eq!(gate.permit(line.at(65).at), Permit::Closed(Some(line.at(184).at)), "doubled");
    gate.accepted(line.at(184).at, line.at(184));
    gate.accepted(line.at(184).at, line.at(185));
    gate.throttled(None, line.at(200).at, line.at(200));
    assert_eq!(gate.pause().unwrap().next.at, line.at(260).at, "an accepted answer ends the doubling");
}
