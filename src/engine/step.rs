//! What becomes of a ticket after a poll: a pure function of ticket, answer and time.
//!
//! Only two things end a ticket at once: a final answer, and a code listed as permanent (promise 2).
//! Trouble of the call never does; answers that are no result do when nothing else comes, and refusals when the
//! app is not to blame. Which of these count is decided in [`judging`](super::judging).

use std::time::Duration;

use super::judging::is_refused;
use crate::domain::{ARTEFACT_LIFE, Artefact, ErrorKind, Failure, TicketRecord, TicketState, WallTime};
use crate::feishu::{Answer, Pace, Strange, Verdict};

/// Answers that are no result and count against the ticket fail it after this many …
pub(super) const UNCLEAR_ANSWERS: u32 = 10;

/// … over at least this long.
pub(super) const UNCLEAR_FOR: Duration = Duration::from_secs(300);

/// A poll that ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct EndedPoll<'a> {
    /// What came of it.
    pub answer: &'a Answer,
    /// When it was sent.
    pub sent: WallTime,
    /// When it ended.
    pub now: WallTime,
    /// How long the ticket has been watched since its first answer, this one included; pauses and the
    /// time the daemon was down left out.
    pub watched: Duration,
    /// How long a running job is watched.
    pub give_up_after: Duration,
    /// Whether a strange answer counts against the ticket.
    pub counts: bool,
    /// Whether the app is known to be the one that creates its jobs.
    pub proven: bool,
}

/// When to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Never: the ticket is final.
    Final,
    /// As soon as its app may: the wait, if any, is the app's.
    AtOnce,
    /// After the backoff's interval for this attempt, in the pace the server wants.
    After {
        /// Which step of the backoff.
        attempt: u32,
        /// How soon at the earliest.
        pace: Pace,
    },
    /// When the app's other tickets leave room, and not before [`REFUSED_WAIT`](super::judging::REFUSED_WAIT) is over.
    LastInLine,
}

/// Takes what a poll brought into the ticket and says when to ask again.
pub(super) fn after_poll(ticket: &mut TicketRecord, poll: &EndedPoll<'_>) -> Next {
    ticket.polls = ticket.polls.saturating_add(1);
    ticket.last_polled_at = Some(poll.sent);
    ticket.job_status = poll.answer.detail.job_status.or(ticket.job_status);
    if ticket.progress.watched.is_some() || is_answer(poll) {
        ticket.progress.watched = Some(poll.watched);
    }
    after_answer(ticket, poll)
}

/// The same where the answer is about an export that has no ticket yet.
pub(super) fn after_refusal(ticket: &mut TicketRecord, call: &EndedPoll<'_>) -> Next {
    if ticket.progress.watched.is_some() || is_answer(call) {
        ticket.progress.watched = Some(call.watched);
    }
    if matches!(call.answer.verdict, Verdict::AppFault(_)) {
        // A document that draws the fault itself comes up ever more rarely.
        ticket.progress.attempt = ticket.progress.attempt.saturating_add(1);
    }
    after_answer(ticket, call)
}

fn after_answer(ticket: &mut TicketRecord, poll: &EndedPoll<'_>) -> Next {
    match &poll.answer.verdict {
        Verdict::Completed(artefact) => complete(ticket, artefact, poll.now),
        Verdict::Failed(kind) => {
            finish(ticket, TicketState::Failed, Some(failure(*kind, poll.answer)), poll.now)
        }
        Verdict::Refused => refused(ticket, poll),
        Verdict::Pending => running(ticket, poll),
        Verdict::Unclear(kind) => unclear(ticket, *kind, poll),
        Verdict::Strange(strange) if poll.counts => unclear(ticket, strange.kind(), poll),
        Verdict::Strange(Strange::NoStatus) => wait_on(ticket, ErrorKind::MalformedAnswer, Pace::Usual, poll),
        Verdict::Strange(strange) => trouble(ticket, strange.kind(), poll.answer, Pace::Usual),
        Verdict::Retry { kind, pace } => trouble(ticket, *kind, poll.answer, *pace),
        Verdict::Postponed => wait_on(ticket, ErrorKind::ServerError, Pace::Slow, poll),
        Verdict::Throttled { .. } => {
            note_trouble(ticket, ErrorKind::Throttled, poll.answer);
            Next::AtOnce
        }
        Verdict::TokenRejected => {
            note_trouble(ticket, ErrorKind::TokenRejected, poll.answer);
            Next::AtOnce
        }
        // The app's fault leaves no mark on the ticket (promise 3).
        Verdict::AppFault(_) => Next::AtOnce,
    }
}

/// Ends a ticket that left the watch list.
pub(super) fn remove(ticket: &mut TicketRecord, now: WallTime) {
    let trouble = ticket.error.take();
    finish(ticket, TicketState::Removed, trouble, now);
}

/// Whether the answer is about the job, as opposed to the call or the app.
const fn is_answer(poll: &EndedPoll<'_>) -> bool {
    match poll.answer.verdict {
        Verdict::Retry { .. } | Verdict::Throttled { .. } | Verdict::TokenRejected | Verdict::AppFault(_) => {
            false
        }
        Verdict::Strange(Strange::Page) => poll.counts,
        // While the app may be to blame the ticket's time does not run.
        Verdict::Refused => poll.proven,
        _ => true,
    }
}

fn running(ticket: &mut TicketRecord, poll: &EndedPoll<'_>) -> Next {
    ticket.progress.last_running_at = Some(poll.sent);
    ticket.progress.unclear = 0;
    ticket.error = None;
    if poll.watched >= poll.give_up_after {
        return finish(ticket, TicketState::TimedOut, None, poll.now);
    }
    again(ticket, Pace::Usual)
}

fn unclear(ticket: &mut TicketRecord, kind: ErrorKind, poll: &EndedPoll<'_>) -> Next {
    if ticket.progress.unclear == 0 {
        ticket.progress.unclear_since = poll.watched;
    }
    ticket.progress.unclear = ticket.progress.unclear.saturating_add(1);
    let lasting = poll.watched.saturating_sub(ticket.progress.unclear_since) >= UNCLEAR_FOR;
    if ticket.progress.unclear >= UNCLEAR_ANSWERS && lasting {
        return finish(ticket, TicketState::Failed, Some(failure(kind, poll.answer)), poll.now);
    }
    wait_on(ticket, kind, Pace::Usual, poll)
}

/// An answer that leaves open how the job is doing: bounded like a job that runs.
fn wait_on(ticket: &mut TicketRecord, kind: ErrorKind, pace: Pace, poll: &EndedPoll<'_>) -> Next {
    let error = Some(failure(kind, poll.answer));
    if poll.watched >= poll.give_up_after {
        return finish(ticket, TicketState::TimedOut, error, poll.now);
    }
    if is_refused(ticket) {
        return Next::LastInLine;
    }
    ticket.error = error;
    again(ticket, pace)
}

fn refused(ticket: &mut TicketRecord, poll: &EndedPoll<'_>) -> Next {
    ticket.error = Some(failure(ErrorKind::NoPermission, poll.answer));
    if poll.proven { fail_refused(ticket, poll.now) } else { Next::LastInLine }
}

/// The app is not to blame for the refusal: it is the ticket's verdict.
pub(super) fn fail_refused(ticket: &mut TicketRecord, now: WallTime) -> Next {
    let error = ticket.error.take();
    finish(ticket, TicketState::Failed, error, now)
}

fn trouble(ticket: &mut TicketRecord, kind: ErrorKind, answer: &Answer, pace: Pace) -> Next {
    note_trouble(ticket, kind, answer);
    if is_refused(ticket) { Next::LastInLine } else { again(ticket, pace) }
}

/// A refusal stays noted: it is what the ticket fails for in the end.
fn note_trouble(ticket: &mut TicketRecord, kind: ErrorKind, answer: &Answer) {
    if !is_refused(ticket) {
        ticket.error = Some(failure(kind, answer));
    }
}

fn again(ticket: &mut TicketRecord, pace: Pace) -> Next {
    let attempt = ticket.progress.attempt;
    ticket.progress.attempt = attempt.saturating_add(1);
    Next::After { attempt, pace }
}

fn complete(ticket: &mut TicketRecord, artefact: &Artefact, now: WallTime) -> Next {
    ticket.artefact = Some(Box::new(artefact.clone()));
    ticket.download_by = download_by(ticket);
    finish(ticket, TicketState::Completed, None, now)
}

/// Until when the artefact is sure to live: the job can't have ended before it was last seen running,
/// nor before it was created. A creation time later than the ticket's first sight can't be true.
fn download_by(ticket: &TicketRecord) -> Option<WallTime> {
    let created = ticket.entry.created_at.map(|created| created.min(ticket.first_seen_at));
    ticket.progress.last_running_at.or(created).map(|alive| alive + ARTEFACT_LIFE)
}

pub(super) fn finish(
    ticket: &mut TicketRecord,
    state: TicketState,
    error: Option<Box<Failure>>,
    now: WallTime,
) -> Next {
    ticket.state = state;
    ticket.error = error;
    ticket.finished_at = Some(now);
    ticket.next_poll_at = None;
    Next::Final
}

fn failure(kind: ErrorKind, answer: &Answer) -> Box<Failure> {
    Box::new(answer.failure(kind))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::domain::{AppName, DocumentToken, EntryId, EntryKey, PauseReason, WatchEntry};
    use crate::feishu::Detail;

    const GIVE_UP: Duration = Duration::from_secs(7200);
    const MINUTE: Duration = Duration::from_secs(60);

    fn seconds(count: i64) -> WallTime {
        WallTime::from_millis(1_800_000_000_000 + count * 1000)
    }

    fn ticket() -> TicketRecord {
        let key = EntryKey { app: AppName::new("default"), id: EntryId::new("1") };
        let source = Path::new("list.toml").into();
        TicketRecord::new(
            WatchEntry {
                key,
                token: DocumentToken::parse("doc").unwrap(),
                label: None,
                created_at: None,
                request: None,
                download: true,
                source,
            },
            seconds(0),
        )
    }

    fn answer(verdict: Verdict) -> Answer {
        let code = matches!(verdict, Verdict::Refused).then_some(1_069_902);
        Answer { verdict, detail: Detail { code, ..Detail::default() } }
    }

    fn poll(ticket: &mut TicketRecord, verdict: Verdict, watched: Duration) -> Next {
        poll_as(ticket, verdict, watched, false, false)
    }

    fn poll_as(
        ticket: &mut TicketRecord,
        verdict: Verdict,
        watched: Duration,
        counts: bool,
        proven: bool,
    ) -> Next {
        let answer = answer(verdict);
        let poll = EndedPoll {
            answer: &answer,
            sent: seconds(10),
            now: seconds(11),
            watched,
            give_up_after: GIVE_UP,
            counts,
            proven,
        };
        after_poll(ticket, &poll)
    }

    fn trouble() -> Verdict {
        Verdict::Retry { kind: ErrorKind::Network, pace: Pace::Usual }
    }

    fn completed() -> Verdict {
        Verdict::Completed(Box::new(Artefact { file_token: "box".into(), ..Artefact::default() }))
    }

    /// Promise 2: whatever the call's trouble, and however long, the ticket stays pending.
    #[test]
    fn trouble_never_decides() {
        let verdicts = [
            trouble(),
            Verdict::Retry { kind: ErrorKind::ServerError, pace: Pace::Slow },
            Verdict::Throttled { reset: None },
            Verdict::TokenRejected,
            Verdict::AppFault(PauseReason::ScopeMissing),
        ];
        let mut ticket = ticket();
        for round in 0..1000u32 {
            for verdict in &verdicts {
                assert_ne!(poll(&mut ticket, verdict.clone(), round * MINUTE), Next::Final);
            }
        }
        assert_eq!(ticket.state, TicketState::Pending);
        assert_eq!(ticket.polls, 5000);
        assert_eq!(ticket.progress.watched, None, "no answer, no clock");
    }

    /// Promise 2: what does not count against the ticket never decides it, however often and long it comes, and what
    /// is not the API's JSON does not even start its clock.
    #[test]
    fn strange_answers_that_do_not_count_never_fail_a_ticket() {
        for strange in [Strange::Page, Strange::UnlistedCode] {
            let mut ticket = ticket();
            for round in 0..1000u32 {
                let next = poll(&mut ticket, Verdict::Strange(strange), round * MINUTE);
                assert_ne!(next, Next::Final, "{strange:?}");
            }
            assert_eq!(ticket.error.as_ref().unwrap().kind, strange.kind());
            assert_eq!(ticket.progress.watched.is_some(), strange == Strange::UnlistedCode);
        }
    }

    #[test]
    fn strange_answers_that_count_fail_the_ticket_after_ten_over_five_minutes() {
        for strange in [Strange::Page, Strange::UnlistedCode, Strange::NoStatus] {
            let strange_poll = |ticket: &mut TicketRecord, round: u32| {
                poll_as(ticket, Verdict::Strange(strange), round * MINUTE, true, true)
            };
            let mut ticket = ticket();
            for round in 0..9 {
                assert_ne!(strange_poll(&mut ticket, round), Next::Final, "{strange:?}");
                poll(&mut ticket, Verdict::Strange(Strange::Page), round * MINUTE);
            }
            assert_eq!(strange_poll(&mut ticket, 9), Next::Final);
            assert_eq!(ticket.error.unwrap().kind, strange.kind());
        }
    }

    /// Code 0 without a `job_status` is waited on, as the platform's own command line does, but not for ever.
    #[test]
    fn an_answer_without_a_status_is_bounded_by_give_up_after_alone() {
        let mut ticket = ticket();
        let no_status = || Verdict::Strange(Strange::NoStatus);
        for round in 0..100 {
            assert_ne!(poll(&mut ticket, no_status(), round * MINUTE), Next::Final);
        }
        assert_eq!(poll(&mut ticket, no_status(), GIVE_UP), Next::Final);
        assert_eq!(ticket.state, TicketState::TimedOut);
    }

    #[test]
    fn a_refusal_waits_until_the_app_is_proven() {
        let mut ticket = ticket();
        assert_eq!(poll(&mut ticket, Verdict::Refused, GIVE_UP), Next::LastInLine);
        assert_eq!(poll(&mut ticket, trouble(), GIVE_UP), Next::LastInLine);
        assert!(is_refused(&ticket), "trouble does not take the refusal away");
        assert_eq!(poll_as(&mut ticket, Verdict::Refused, GIVE_UP, false, true), Next::Final);
        assert_eq!(ticket.error.unwrap().kind, ErrorKind::NoPermission);
    }

    #[test]
    fn the_apps_wait_costs_the_ticket_no_attempt() {
        let mut ticket = ticket();
        for verdict in [Verdict::Throttled { reset: None }, Verdict::TokenRejected] {
            assert_eq!(poll(&mut ticket, verdict, MINUTE), Next::AtOnce);
        }
        assert_eq!(poll(&mut ticket, Verdict::AppFault(PauseReason::IpNotAllowed), MINUTE), Next::AtOnce);
        assert_eq!(ticket.progress.attempt, 0);
        assert_eq!(poll(&mut ticket, trouble(), MINUTE), Next::After { attempt: 0, pace: Pace::Usual });
        assert_eq!(
            poll(&mut ticket, Verdict::Pending, MINUTE),
            Next::After { attempt: 1, pace: Pace::Usual }
        );
    }

    #[test]
    fn unclear_answers_fail_after_ten_in_a_row_over_five_minutes() {
        let fast = |ticket: &mut TicketRecord, watched| {
            poll(ticket, Verdict::Unclear(ErrorKind::NoFileToken), watched)
        };
        let mut ticket = ticket();
        for _ in 0..50 {
            assert_ne!(fast(&mut ticket, MINUTE), Next::Final, "many, but at one moment");
        }
        assert_eq!(fast(&mut ticket, MINUTE + UNCLEAR_FOR), Next::Final);
        assert_eq!(ticket.state, TicketState::Failed);
        assert_eq!(ticket.error.unwrap().kind, ErrorKind::NoFileToken);
    }

    #[test]
    fn nine_unclear_answers_are_not_enough_and_a_clear_one_starts_anew() {
        let unclear = || Verdict::Unclear(ErrorKind::MalformedAnswer);
        let mut ticket = ticket();
        for round in 0..9u32 {
            assert_ne!(poll(&mut ticket, unclear(), round * MINUTE), Next::Final);
        }
        poll(&mut ticket, trouble(), 9 * MINUTE);
        poll(&mut ticket, Verdict::Pending, 9 * MINUTE);
        for round in 10..19u32 {
            assert_ne!(poll(&mut ticket, unclear(), round * MINUTE), Next::Final);
        }
        assert_eq!(poll(&mut ticket, unclear(), 19 * MINUTE), Next::Final);
    }

    #[test]
    fn giving_up_needs_an_answer() {
        let mut ticket = ticket();
        poll(&mut ticket, Verdict::Pending, Duration::ZERO);
        assert_ne!(poll(&mut ticket, trouble(), 10 * GIVE_UP), Next::Final);
        assert_eq!(poll(&mut ticket, Verdict::Pending, GIVE_UP), Next::Final);
        assert_eq!(ticket.state, TicketState::TimedOut);
    }

    #[test]
    fn a_document_that_moved_away_is_waited_for_but_not_for_ever() {
        let mut ticket = ticket();
        assert_eq!(
            poll(&mut ticket, Verdict::Postponed, Duration::ZERO),
            Next::After { attempt: 0, pace: Pace::Slow }
        );
        assert_eq!(poll(&mut ticket, Verdict::Postponed, GIVE_UP), Next::Final);
        assert_eq!(ticket.state, TicketState::TimedOut);
        assert_eq!(ticket.error.unwrap().kind, ErrorKind::ServerError);
    }

    #[test]
    fn an_answer_after_the_time_is_still_taken() {
        let mut ticket = ticket();
        assert_eq!(poll(&mut ticket, completed(), 2 * GIVE_UP), Next::Final);
        assert_eq!(ticket.state, TicketState::Completed);
    }

    #[test]
    fn download_by_is_sure_or_absent() {
        let mut unknown = ticket();
        poll(&mut unknown, completed(), Duration::ZERO);
        assert_eq!(unknown.download_by, None);

        let mut created = ticket();
        created.entry.created_at = Some(seconds(-30));
        poll(&mut created, completed(), Duration::ZERO);
        assert_eq!(created.download_by, Some(seconds(570)));

        let mut created_ahead = ticket();
        created_ahead.entry.created_at = Some(seconds(5));
        poll(&mut created_ahead, completed(), Duration::ZERO);
        assert_eq!(created_ahead.download_by, Some(seconds(600)), "no later than first seen");

        let mut running = ticket();
        running.entry.created_at = Some(seconds(-30));
        poll(&mut running, Verdict::Pending, Duration::ZERO);
        poll(&mut running, completed(), Duration::ZERO);
        assert_eq!(
            running.download_by,
            Some(seconds(610)),
            "the last poll that saw it running was sent at 10"
        );
    }
}
