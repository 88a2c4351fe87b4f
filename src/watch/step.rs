//! What becomes of a ticket after a poll: a pure function of ticket, answer and time.
//!
//! Only two things end a ticket at once: a final answer, and a code listed as permanent (promise 2).
//! Trouble of the call never does; answers that can't be understood do when nothing else comes.

use std::time::Duration;

use crate::domain::{Artefact, ErrorKind, Failure, TicketRecord, TicketState, WallTime};
use crate::feishu::{Answer, Pace, Verdict};

/// How long the exported file lives after the job's end (download exported file, 2024-06-14).
pub const ARTEFACT_LIFE: Duration = Duration::from_secs(600);

/// An answer that can't be understood fails a ticket after this many in a row …
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
}

/// Takes what a poll brought into the ticket and says when to ask again.
pub(super) fn after_poll(ticket: &mut TicketRecord, poll: &EndedPoll<'_>, give_up_after: Duration) -> Next {
    ticket.polls = ticket.polls.saturating_add(1);
    ticket.last_polled_at = Some(poll.sent);
    ticket.job_status = poll.answer.detail.job_status.or(ticket.job_status);
    if ticket.progress.watched.is_some() || is_answer(&poll.answer.verdict) {
        ticket.progress.watched = Some(poll.watched);
    }
    match &poll.answer.verdict {
        Verdict::Completed(artefact) => complete(ticket, artefact, poll.now),
        Verdict::Failed(kind) => {
            finish(ticket, TicketState::Failed, Some(failure(*kind, poll.answer)), poll.now)
        }
        Verdict::Pending => running(ticket, poll, give_up_after),
        Verdict::Unclear(kind) => unclear(ticket, *kind, poll, give_up_after),
        Verdict::Retry { kind, pace } => {
            ticket.error = Some(failure(*kind, poll.answer));
            again(ticket, *pace)
        }
        Verdict::Postponed => postponed(ticket, poll, give_up_after),
        Verdict::Throttled { .. } => {
            ticket.error = Some(failure(ErrorKind::Throttled, poll.answer));
            Next::AtOnce
        }
        Verdict::TokenRejected => {
            ticket.error = Some(failure(ErrorKind::TokenRejected, poll.answer));
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

/// Whether the server said something about the job, as opposed to about the call or the app.
fn is_answer(verdict: &Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Pending
            | Verdict::Postponed
            | Verdict::Completed(_)
            | Verdict::Failed(_)
            | Verdict::Unclear(_)
    )
}

fn running(ticket: &mut TicketRecord, poll: &EndedPoll<'_>, give_up_after: Duration) -> Next {
    ticket.progress.last_running_at = Some(poll.sent);
    ticket.progress.unclear = 0;
    ticket.error = None;
    if poll.watched >= give_up_after {
        return finish(ticket, TicketState::TimedOut, None, poll.now);
    }
    again(ticket, Pace::Usual)
}

fn unclear(
    ticket: &mut TicketRecord,
    kind: ErrorKind,
    poll: &EndedPoll<'_>,
    give_up_after: Duration,
) -> Next {
    if ticket.progress.unclear == 0 {
        ticket.progress.unclear_since = poll.watched;
    }
    ticket.progress.unclear = ticket.progress.unclear.saturating_add(1);
    let lasting = poll.watched.saturating_sub(ticket.progress.unclear_since) >= UNCLEAR_FOR;
    let error = Some(failure(kind, poll.answer));
    if ticket.progress.unclear >= UNCLEAR_ANSWERS && lasting {
        return finish(ticket, TicketState::Failed, error, poll.now);
    }
    if poll.watched >= give_up_after {
        return finish(ticket, TicketState::TimedOut, error, poll.now);
    }
    ticket.error = error;
    again(ticket, Pace::Usual)
}

/// The server answers, and nothing but its data moving back would help: bounded like a job that runs.
fn postponed(ticket: &mut TicketRecord, poll: &EndedPoll<'_>, give_up_after: Duration) -> Next {
    let error = Some(failure(ErrorKind::ServerError, poll.answer));
    if poll.watched >= give_up_after {
        return finish(ticket, TicketState::TimedOut, error, poll.now);
    }
    ticket.error = error;
    again(ticket, Pace::Slow)
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
    let created = ticket.created_at.map(|created| created.min(ticket.first_seen_at));
    ticket.progress.last_running_at.or(created).map(|alive| alive + ARTEFACT_LIFE)
}

fn finish(ticket: &mut TicketRecord, state: TicketState, error: Option<Box<Failure>>, now: WallTime) -> Next {
    ticket.state = state;
    ticket.error = error;
    ticket.finished_at = Some(now);
    ticket.next_poll_at = None;
    ticket.announced = false;
    Next::Final
}

fn failure(kind: ErrorKind, answer: &Answer) -> Box<Failure> {
    let detail = &answer.detail;
    Box::new(Failure {
        kind,
        code: detail.code,
        job_status: detail.job_status,
        http_status: detail.http_status,
        message: detail.message.clone(),
        log_id: detail.log_id.clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::domain::{AppName, DocumentToken, PauseReason, TicketId, TicketKey, WatchEntry};
    use crate::feishu::Detail;

    const GIVE_UP: Duration = Duration::from_secs(7200);
    const MINUTE: Duration = Duration::from_secs(60);

    fn seconds(count: i64) -> WallTime {
        WallTime::from_millis(1_800_000_000_000 + count * 1000)
    }

    fn ticket() -> TicketRecord {
        let key = TicketKey { app: AppName::new("default"), ticket: TicketId::new("1") };
        let source = Path::new("list.toml").into();
        TicketRecord::new(
            WatchEntry {
                key,
                token: DocumentToken::parse("doc").unwrap(),
                label: None,
                created_at: None,
                source,
            },
            seconds(0),
        )
    }

    fn answer(verdict: Verdict) -> Answer {
        Answer { verdict, detail: Detail::default() }
    }

    fn poll(ticket: &mut TicketRecord, verdict: Verdict, watched: Duration) -> Next {
        let answer = answer(verdict);
        let poll = EndedPoll { answer: &answer, sent: seconds(10), now: seconds(11), watched };
        after_poll(ticket, &poll, GIVE_UP)
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
        created.created_at = Some(seconds(-30));
        poll(&mut created, completed(), Duration::ZERO);
        assert_eq!(created.download_by, Some(seconds(570)));

        let mut created_ahead = ticket();
        created_ahead.created_at = Some(seconds(5));
        poll(&mut created_ahead, completed(), Duration::ZERO);
        assert_eq!(created_ahead.download_by, Some(seconds(600)), "no later than first seen");

        let mut running = ticket();
        running.created_at = Some(seconds(-30));
        poll(&mut running, Verdict::Pending, Duration::ZERO);
        poll(&mut running, completed(), Duration::ZERO);
        assert_eq!(
            running.download_by,
            Some(seconds(610)),
            "the last poll that saw it running was sent at 10"
        );
    }
}
