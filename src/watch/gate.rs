//! Whether an app, or one endpoint of it, may be asked: open, or paused for a reason. Pure.
//!
//! Answers come late: thirty polls may be in flight when the first is throttled. An answer to a request
//! that was sent before the pause began says nothing new; only what was sent since counts, to prolong
//! the pause or to end it.

use std::time::Duration;

use tokio::time::Instant;

use super::now::Now;
use super::snapshot::PauseView;
use crate::domain::{AppName, Endpoint, PauseEnd, PauseReason, WallTime};
use crate::store::PauseRecord;

/// A throttled app waits this long when the server names no time; doubled each time.
const THROTTLE_FIRST: Duration = Duration::from_secs(60);

/// The longest wait after a throttled answer, whatever the server names.
const THROTTLE_MAX: Duration = Duration::from_secs(600);

/// A broken app is probed after this long; doubled each time.
const PROBE_FIRST: Duration = Duration::from_secs(2);

/// A broken app is probed at least this often.
const PROBE_MAX: Duration = Duration::from_secs(300);

/// An app whose quota is used up is probed this often.
const QUOTA_PROBE: Duration = Duration::from_secs(3600);

/// Whether requests may be sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate {
    pause: Option<Pause>,
    /// Throttled answers without a named time, in a row: each doubles the wait.
    throttles: u32,
    /// What was sent before this belongs to a pause that is over.
    open_since: Option<Instant>,
}

/// A pause in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    /// Why.
    pub reason: PauseReason,
    /// Since when, on the monotonic clock.
    pub since: Instant,
    /// The same as `since`, for people.
    pub since_wall: WallTime,
    /// When it ends by itself, or when the next probe is sent.
    pub next: Instant,
    /// The same as `next`, for people.
    pub next_wall: WallTime,
    /// When it ends, if that can be known.
    pub until: Option<WallTime>,
    /// How long the wait before the next probe is.
    wait: Duration,
    /// A probe is on its way.
    probing: bool,
}

impl Pause {
    /// As the state file keeps it.
    #[must_use]
    pub(super) fn record(&self, app: &AppName, endpoint: Endpoint) -> PauseRecord {
        let PauseView { reason, since, until, next } = self.view();
        PauseRecord { app: app.clone(), endpoint, reason, since, until, next }
    }

    /// As it is shown.
    #[must_use]
    pub(super) const fn view(&self) -> PauseView {
        PauseView { reason: self.reason, since: self.since_wall, until: self.until, next: self.next_wall }
    }
}

/// What may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// Anything.
    Open,
    /// One request, to find out whether the trouble is over.
    Probe,
    /// Nothing before that moment; none while a probe is on its way.
    Closed(Option<Instant>),
}

impl Gate {
    /// The pause in force.
    #[must_use]
    pub(super) const fn pause(&self) -> Option<&Pause> {
        self.pause.as_ref()
    }

    /// What may be sent at `now`.
    #[must_use]
    pub(super) fn passage(&self, now: Instant) -> Passage {
        match &self.pause {
            None => Passage::Open,
            Some(pause) if pause.probing => Passage::Closed(None),
            Some(pause) if now < pause.next => Passage::Closed(Some(pause.next)),
            // A pause that time ends is lifted by `expire`; until then nothing passes.
            Some(pause) if pause.reason.ended_by() == PauseEnd::Time => Passage::Closed(Some(pause.next)),
            Some(_) => Passage::Probe,
        }
    }

    /// A probe was sent.
    pub(super) fn probe_sent(&mut self) {
        if let Some(pause) = &mut self.pause {
            pause.probing = true;
        }
    }

    /// A probe brought neither an accepted answer nor a fault: the next one waits longer.
    pub(super) fn probe_lost(&mut self, now: Now) {
        if let Some(pause) = self.pause.filter(|pause| pause.probing) {
            self.pause = Some(prolonged(pause, now));
        }
    }

    /// A probe did not have to be sent after all, or prepared the way for one: the next may follow at once.
    pub(super) fn probe_prepared(&mut self) {
        if let Some(pause) = &mut self.pause {
            pause.probing = false;
        }
    }

    /// A request sent at `sent` was throttled. Says whether a pause began.
    pub(super) fn throttled(&mut self, reset: Option<Duration>, sent: Instant, now: Now) -> bool {
        let named = reset.map(|reset| reset.min(THROTTLE_MAX));
        if self.pause.is_none() && self.is_over(sent) {
            return false;
        }
        match &mut self.pause {
            None => {
                let wait = named.unwrap_or_else(|| self.next_throttle());
                self.begin(PauseReason::RateLimited, wait, now);
                true
            }
            Some(pause) => {
                // A throttled probe was no use: the next one waits longer.
                if pause.probing && sent >= pause.since {
                    *pause = prolonged(*pause, now);
                }
                // A late answer can name a later end, but is no new offence.
                let end = now.at + named.unwrap_or(Duration::ZERO);
                if end > pause.next {
                    pause.next = end;
                    pause.next_wall = now.wall + (end - now.at);
                    let timed = pause.reason.ended_by() == PauseEnd::Time;
                    pause.until = timed.then_some(pause.next_wall).or(pause.until);
                }
                false
            }
        }
    }

    /// A request sent at `sent` failed by the app's fault. Says whether a pause began, or its reason changed.
    pub(super) fn fault(&mut self, reason: PauseReason, sent: Instant, now: Now) -> bool {
        match self.pause {
            Some(pause) if pause.reason == reason => {
                if sent >= pause.since {
                    self.pause = Some(prolonged(pause, now));
                }
                false
            }
            // Sent before the pause began: the reason in force is the newer one.
            Some(pause) if pause.reason.ended_by() != PauseEnd::Time && sent < pause.since => false,
            None if self.is_over(sent) => false,
            // The server still counts: a fault found meanwhile must not shorten the wait.
            Some(pause) => {
                let timed = pause.reason.ended_by() == PauseEnd::Time;
                // Two faults that take turns are no reason to begin anew each time.
                let wait = if timed {
                    first_wait(reason, now)
                } else {
                    first_wait(reason, now).max(prolonged(pause, now).wait)
                };
                self.begin(reason, wait, now);
                if pause.next > now.at + wait {
                    self.wait_until(pause.next, now);
                }
                true
            }
            None => {
                self.begin(reason, first_wait(reason, now), now);
                true
            }
        }
    }

    /// A request sent at `sent` was accepted. Returns the pause that this ended.
    pub(super) fn accepted(&mut self, sent: Instant) -> Option<Pause> {
        match self.pause {
            None => {
                self.throttles = 0;
                None
            }
            Some(pause) if sent >= pause.since && pause.reason.ended_by() != PauseEnd::Time => {
                self.pause = None;
                self.open_since = Some(sent);
                Some(pause)
            }
            Some(_) => None,
        }
    }

    /// Lifts a pause whose time is over, and returns it.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Pause> {
        let over =
            self.pause.filter(|pause| pause.reason.ended_by() == PauseEnd::Time && pause.next <= now)?;
        self.pause = None;
        self.open_since = Some(now);
        Some(over)
    }

    /// Somebody may have mended the app: the next probe may be sent at once. A pause that only time
    /// ends goes on, because the server counts on.
    pub(super) fn try_again(&mut self, now: Now) {
        if let Some(pause) = self.pause.as_mut().filter(|pause| pause.reason.ended_by() != PauseEnd::Time) {
            pause.next = now.at;
            pause.next_wall = now.wall;
            pause.wait = first_wait(pause.reason, now) / 2;
        }
    }

    /// The wall clock was set back: what people are told of the pause follows. The turn of a month stays.
    pub(super) fn clock_set_back(&mut self, by: Duration) {
        if let Some(pause) = &mut self.pause {
            pause.next_wall = pause.next_wall - by;
            pause.since_wall = pause.since_wall - by;
            if pause.reason.ended_by() == PauseEnd::Time {
                pause.until = pause.until.map(|until| until - by);
            }
        }
    }

    /// The wall clock is ahead of where it was: a quota that ends with the month may be there again, and what
    /// people are told of the pause follows.
    pub(super) fn clock_ahead(&mut self, now: Now) {
        let Some(pause) = &mut self.pause else { return };
        let is_new_month = pause.until.is_some_and(|until| until <= now.wall);
        if pause.reason.ended_by() == PauseEnd::Quota && is_new_month {
            pause.next = now.at;
        }
        pause.next_wall = now.wall + pause.next.saturating_duration_since(now.at);
        if pause.reason.ended_by() == PauseEnd::Time {
            pause.until = Some(pause.next_wall);
        }
    }

    fn begin(&mut self, reason: PauseReason, wait: Duration, now: Now) {
        let until = match reason.ended_by() {
            PauseEnd::Time => Some(now.wall + wait),
            PauseEnd::Quota => Some(now.wall.next_month()),
            PauseEnd::Repair => None,
        };
        self.pause = Some(Pause {
            reason,
            since: now.at,
            since_wall: now.wall,
            next: now.at + wait,
            next_wall: now.wall + wait,
            until,
            wait,
            probing: false,
        });
    }

    /// Whether a request sent then belongs to a pause that is over: its answer is old news.
    fn is_over(&self, sent: Instant) -> bool {
        self.open_since.is_some_and(|since| sent < since)
    }

    fn wait_until(&mut self, next: Instant, now: Now) {
        if let Some(pause) = &mut self.pause {
            pause.next = next;
            pause.next_wall = now.wall + (next - now.at);
        }
    }

    fn next_throttle(&mut self) -> Duration {
        let wait = THROTTLE_FIRST.saturating_mul(1 << self.throttles.min(8)).min(THROTTLE_MAX);
        self.throttles = self.throttles.saturating_add(1);
        wait
    }
}

fn first_wait(reason: PauseReason, now: Now) -> Duration {
    match reason.ended_by() {
        // The month may turn before the hour is over.
        PauseEnd::Quota => QUOTA_PROBE.min(now.wall.next_month().since(now.wall)).max(PROBE_FIRST),
        PauseEnd::Time | PauseEnd::Repair => PROBE_FIRST,
    }
}

fn prolonged(pause: Pause, now: Now) -> Pause {
    let wait = match pause.reason.ended_by() {
        PauseEnd::Quota => first_wait(pause.reason, now),
        PauseEnd::Time | PauseEnd::Repair => (pause.wait * 2).clamp(PROBE_FIRST, PROBE_MAX),
    };
    let until = match pause.reason.ended_by() {
        PauseEnd::Quota => Some(now.wall.next_month()),
        PauseEnd::Time | PauseEnd::Repair => pause.until,
    };
    Pause { next: now.at + wait, next_wall: now.wall + wait, until, wait, probing: false, ..pause }
}

#[cfg(test)]
mod tests {
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
                let next = gate.pause().unwrap().next;
                let waited = next - now.at;
                now = Now { at: next, wall: now.wall + waited };
                assert_eq!(gate.passage(next), Passage::Probe);
                gate.probe_sent();
                assert_eq!(gate.passage(next), Passage::Closed(None), "one probe at a time");
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
        assert_eq!(gate.pause().unwrap().until.unwrap().to_string(), "2026-12-01T00:00:00.000Z");

        let mut late = Gate::default();
        let (at, now) = (line.at(0).at, "2026-11-30T23:59:30Z".parse::<jiff::Timestamp>().unwrap());
        late.fault(PauseReason::QuotaExhausted, at, Now { at, wall: WallTime::from(now) });
        assert_eq!(late.pause().unwrap().next, at + 30 * SECOND);
    }

    #[test]
    fn only_an_accepted_answer_sent_since_ends_a_fault() {
        let (line, mut gate) = (Line::new(), Gate::default());
        let before = line.at(0).at;
        assert!(gate.fault(PauseReason::ScopeMissing, before, line.at(1)));
        assert!(gate.accepted(before).is_none(), "sent before the pause");
        assert_eq!(gate.accepted(line.at(3).at).unwrap().reason, PauseReason::ScopeMissing);
        assert_eq!(gate.passage(line.at(3).at), Passage::Open);
        assert!(
            !gate.fault(PauseReason::ScopeMissing, line.at(2).at, line.at(4)),
            "a late answer is old news"
        );
        assert!(!gate.throttled(None, line.at(2).at, line.at(4)));
        assert!(gate.fault(PauseReason::ScopeMissing, line.at(3).at, line.at(4)));
    }

    #[test]
    fn a_fault_does_not_shorten_a_throttle() {
        let (line, mut gate) = (Line::new(), Gate::default());
        gate.throttled(Some(60 * SECOND), line.at(0).at, line.at(0));
        assert!(gate.fault(PauseReason::AppUnavailable, line.at(0).at, line.at(1)));
        assert_eq!(gate.passage(line.at(59).at), Passage::Closed(Some(line.at(60).at)));
        assert_eq!(gate.passage(line.at(60).at), Passage::Probe);
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
        assert_eq!(gate.pause().unwrap().next, line.at(3).at);
        assert!(gate.fault(PauseReason::IpNotAllowed, line.at(3).at, line.at(3)), "a new reason is news");
    }

    #[test]
    fn throttling_waits_as_named_at_most_ten_minutes() {
        let line = Line::new();
        for (reset, wait) in [(Some(52), 52), (Some(31_536_000), 600), (None, 60)] {
            let mut gate = Gate::default();
            assert!(gate.throttled(reset.map(Duration::from_secs), line.at(0).at, line.at(0)));
            assert_eq!(gate.pause().unwrap().next, line.at(wait).at);
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
            let next = gate.pause().unwrap().next;
            gate.expire(next);
            (next - now.at).as_secs()
        };
        let growing: Vec<_> = (0..6).map(|round| waited(&mut gate, line.at(round * 1000))).collect();
        assert_eq!(growing, [60, 120, 240, 480, 600, 600]);
        gate.accepted(line.at(7000).at);
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
        assert_eq!(gate.passage(line.at(7199).at), Passage::Closed(Some(line.at(7200).at)));
        assert_eq!(gate.passage(line.at(7200).at), Passage::Probe);

        let mut broken = Gate::default();
        broken.fault(PauseReason::ScopeMissing, line.at(0).at, line.at(0));
        broken.probe_sent();
        broken.throttled(None, line.at(2).at, line.at(2));
        assert_eq!(broken.passage(line.at(2).at), Passage::Closed(Some(line.at(6).at)), "no storm of probes");
        broken.probe_sent();
        broken.throttled(Some(90 * SECOND), line.at(6).at, line.at(6));
        assert_eq!(broken.passage(line.at(6).at), Passage::Closed(Some(line.at(96).at)));
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
        let shown = gate.pause().unwrap().view();
        assert_eq!((shown.next, shown.until, shown.since), (end, Some(end), line.at(0).wall));
        assert_eq!(gate.pause().unwrap().next, line.at(60).at, "the server counts on");
        gate.clock_set_back(hour);
        let shown = gate.pause().unwrap().view();
        assert_eq!((shown.next, shown.until), (line.at(60).wall, Some(line.at(60).wall)));

        let mut broken = Gate::default();
        broken.fault(PauseReason::ScopeMissing, line.at(0).at, line.at(0));
        broken.clock_ahead(ahead(line.at(1)));
        assert_eq!(broken.pause().unwrap().view().next, line.at(2).wall + hour);
    }

    #[test]
    fn trying_again_is_at_once_but_not_against_a_server_that_counts() {
        let (line, mut gate) = (Line::new(), Gate::default());
        gate.throttled(None, line.at(0).at, line.at(0));
        gate.try_again(line.at(1));
        assert_eq!(gate.passage(line.at(1).at), Passage::Closed(Some(line.at(60).at)));
        gate.fault(PauseReason::CredentialsRejected, line.at(2).at, line.at(2));
        gate.try_again(line.at(3));
        assert_eq!(gate.passage(line.at(3).at), Passage::Probe);
        gate.probe_sent();
        gate.fault(PauseReason::CredentialsRejected, line.at(3).at, line.at(3));
        assert_eq!(gate.pause().unwrap().next, line.at(5).at, "starts over at two seconds");
    }
}
