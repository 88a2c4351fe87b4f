//! What becomes of an export between its tickets: the pure decisions. What an answer means that refuses it is decided in
//! [`step`](super::step), like any other.

use std::time::Duration;

use super::step::finish;
use crate::domain::{
    ErrorKind, ExportRecord, Failure, FileState, Progress, TicketId, TicketRecord, TicketState, WallTime,
};
use crate::feishu::Verdict;

/// An export is made again after so many times the first wait, once each.
const AGAIN_AFTER: [u32; 3] = [1, 5, 20];

/// A create whose answer was lost is sent again after the first wait, doubling up to so many times as long.
const LOST_WAIT_MAX: u32 = 10;

/// The longest of all waits before a create.
pub(super) fn longest_wait(first: Duration) -> Duration {
    first.saturating_mul(AGAIN_AFTER[2])
}

/// How long after a create, the nth in a row whose answer was lost, the next is sent; `first` is after the first of them.
pub(super) fn lost_wait(lost: u32, first: Duration) -> Duration {
    let times = 1_u32.checked_shl(lost.saturating_sub(1)).unwrap_or(u32::MAX);
    first.saturating_mul(times.clamp(1, LOST_WAIT_MAX))
}

/// Takes a ticket that a create brought. The job can't have ended before the create was sent.
pub(super) fn take_ticket(record: &mut TicketRecord, ticket: TicketId, sent: WallTime) {
    record.error = None;
    record.job_status = None;
    record.progress = Progress { last_running_at: Some(sent), ..Progress::default() };
    if let Some(export) = record.export.as_deref_mut() {
        export.ticket = Some(ticket);
        export.generation = export.generation.saturating_add(1);
        (export.is_creating, export.lost) = (false, 0);
    }
}

/// Notes that the answer to a create was lost, and returns how long to wait before the next.
pub(super) fn lose_answer(record: &mut TicketRecord, error: Failure, first: Duration) -> Duration {
    record.error = Some(Box::new(error));
    let Some(export) = record.export.as_deref_mut() else { return Duration::ZERO };
    export.lost = export.lost.saturating_add(1);
    lost_wait(export.lost, first)
}

/// What a create ran into whose answer was lost.
pub(super) const fn lost_kind(verdict: &Verdict) -> ErrorKind {
    match verdict {
        Verdict::Retry { kind, .. } => *kind,
        Verdict::Throttled { .. } => ErrorKind::Throttled,
        _ => ErrorKind::MalformedAnswer,
    }
}

/// Whether, and after how long, a listed export that just ended is to be made again. It is pending then. `first` is the
/// wait before the second generation.
pub(super) fn again(record: &mut TicketRecord, first: Duration) -> Option<(ErrorKind, Duration)> {
    let kind = repeatable(record)?;
    let export = record.export.as_deref_mut().filter(|_| record.unlisted_since.is_none())?;
    let wait = first.saturating_mul(*AGAIN_AFTER.get(export.repeats as usize)?);
    export.repeats += 1;
    let error = record.error.take().or_else(|| record.file.as_deref_mut()?.error.take());
    start_over(record);
    record.error = error;
    Some((kind, wait))
}

/// Whether what the export came to is put right by making it again, and it was not made too often.
pub(super) fn may_help(record: &TicketRecord) -> bool {
    let repeats = record.export.as_deref().map(|export| export.repeats as usize);
    repeatable(record).is_some() && repeats.is_some_and(|repeats| repeats < AGAIN_AFTER.len())
}

/// What a new export may put right: the server's trouble, a copy that was being made, a file that is gone.
fn repeatable(record: &TicketRecord) -> Option<ErrorKind> {
    if record.file_state() == Some(FileState::Expired) {
        return Some(ErrorKind::Expired);
    }
    // What failed without a ticket was refused: the same create would be refused again.
    record.ticket()?;
    let kind = record.error.as_deref().filter(|_| record.state == TicketState::Failed)?.kind;
    let helps = [ErrorKind::InternalError, ErrorKind::ExportTimeout, ErrorKind::CopyInProgress];
    helps.contains(&kind).then_some(kind)
}

/// The export waits for a ticket again. What is known of the document and of earlier generations stays.
pub(super) fn start_over(record: &mut TicketRecord) {
    record.state = TicketState::Pending;
    (record.artefact, record.file, record.error) = (None, None, None);
    (record.job_status, record.finished_at, record.download_by) = (None, None, None);
    record.progress = Progress::default();
    if let Some(export) = record.export.as_deref_mut() {
        export.ticket = None;
    }
}

/// Fails an export that can't be created, for a reason on this side.
pub(super) fn refuse(record: &mut TicketRecord, kind: ErrorKind, message: String, now: WallTime) {
    let failure = Failure { message: Some(message.into()), ..Failure::new(kind) };
    finish(record, TicketState::Failed, Some(Box::new(failure)), now);
}

/// Has an entry show the export that it shares.
pub(super) fn follow(follower: &mut TicketRecord, leader: &TicketRecord) {
    let (entry, first_seen_at) = (follower.entry.clone(), follower.first_seen_at);
    let unlisted_since = follower.unlisted_since;
    *follower = TicketRecord { entry, first_seen_at, unlisted_since, ..leader.clone() };
}

/// The export of an entry that is made again because a person asks for it. Object and generations stay.
pub(super) fn renewed(export: &ExportRecord) -> ExportRecord {
    let ExportRecord { object, generation, calls, .. } = export.clone();
    ExportRecord { object, generation, calls, ..ExportRecord::default() }
}
