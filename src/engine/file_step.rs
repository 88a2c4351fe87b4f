//! What becomes of a waiting file after a transfer: a pure function of file, transfer and time.
//!
//! A file is lost only if the server says that it can't be had, or that it is gone, or once it is surely gone. All other
//! trouble is met by another transfer.

use tokio::time::Instant;

use crate::domain::{ErrorKind, Failure, FileRecord, FileState, Sha256, with_causes};
use crate::feishu::{Answer, Pace, Verdict};
use crate::files::{Body, FileError};

/// Wrong content that comes so often alike is what the server has.
const ALIKE: u32 = 3;

/// What is remembered of a waiting file between its transfers, and not kept over a restart.
#[derive(Clone, Debug)]
pub(super) struct FileMemory {
    /// Until when the artefact is sure to live, if that is known.
    pub alive_until: Option<Instant>,
    /// From when on it is surely gone.
    pub over_at: Instant,
    /// A transfer is under way.
    pub in_flight: bool,
    /// Transfers that failed; the step of the backoff.
    pub attempt: u32,
    /// The last answer said that the artefact does not exist.
    said_gone: bool,
    /// How often wrong content came alike.
    wrong_alike: u32,
    /// The last body of a size other than the query's, and how often it came.
    odd: Option<(Sha256, u32)>,
}

impl FileMemory {
    /// A file of which nothing was fetched.
    pub(super) const fn new(alive_until: Option<Instant>, over_at: Instant) -> Self {
        Self {
            alive_until,
            over_at,
            in_flight: false,
            attempt: 0,
            said_gone: false,
            wrong_alike: 0,
            odd: None,
        }
    }
}

/// When to fetch the file again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextFetch {
    /// Never: the file is lost.
    Never,
    /// As soon as the app may.
    AtOnce,
    /// After the backoff's interval for this attempt, in the pace that the server wants.
    After {
        /// Which step of the backoff.
        attempt: u32,
        /// How soon at the earliest.
        pace: Pace,
    },
}

/// The moment at which a transfer ended, as far as it matters to the artefact.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The artefact may be gone: `download_by` is past.
    pub is_late: bool,
    /// The artefact is surely gone.
    pub is_over: bool,
}

/// An answer came in place of the file.
pub(super) fn after_answer(
    file: &mut FileRecord,
    memory: &mut FileMemory,
    answer: &Answer,
    moment: Moment,
) -> NextFetch {
    let said_gone = std::mem::replace(&mut memory.said_gone, false);
    let (kind, pace) = match answer.verdict {
        // The app's fault leaves no mark on the file (promise 3). The next probe takes another one.
        Verdict::AppFault(_) => {
            file.error = None;
            return if moment.is_over { expire(file) } else { again(memory, Pace::Usual) };
        }
        Verdict::Throttled { .. } => return at_once(file, ErrorKind::Throttled, answer, moment),
        Verdict::TokenRejected => return at_once(file, ErrorKind::TokenRejected, answer, moment),
        Verdict::Failed(_) | Verdict::Refused if moment.is_late => {
            return lost(file, FileState::Expired, failure(ErrorKind::Expired, answer));
        }
        Verdict::Failed(ErrorKind::Expired) => {
            if said_gone {
                return lost(file, FileState::Expired, failure(ErrorKind::Expired, answer));
            }
            memory.said_gone = true;
            (ErrorKind::Expired, Pace::Usual)
        }
        Verdict::Failed(kind) => return lost(file, FileState::Failed, failure(kind, answer)),
        Verdict::Refused => {
            return lost(file, FileState::Failed, failure(ErrorKind::NoPermission, answer));
        }
        Verdict::Unclear(kind) => {
            memory.wrong_alike = if came_before(file, kind, answer) { memory.wrong_alike + 1 } else { 1 };
            if memory.wrong_alike >= ALIKE {
                return lost(file, FileState::Failed, failure(kind, answer));
            }
            (kind, Pace::Usual)
        }
        Verdict::Strange(strange) => (strange.kind(), Pace::Usual),
        Verdict::Retry { kind, pace } => (kind, pace),
        Verdict::Postponed | Verdict::Pending | Verdict::Completed(_) => (ErrorKind::ServerError, Pace::Slow),
    };
    trouble(file, memory, failure(kind, answer), pace, moment)
}

/// The body could not be written.
pub(super) fn after_disk_error(
    file: &mut FileRecord,
    memory: &mut FileMemory,
    error: &FileError,
    moment: Moment,
) -> NextFetch {
    trouble(file, memory, disk_failure(error), Pace::Usual, moment)
}

/// The whole body came. None if it is to be saved.
///
/// The query's size is a hint: a body that differs is fetched again, but not once it came three times alike, and not if
/// no other can be had any more.
pub(super) fn after_body(
    file: &mut FileRecord,
    memory: &mut FileMemory,
    body: &Body,
    named: Option<u64>,
    moment: Moment,
) -> Option<NextFetch> {
    (file.error, memory.said_gone) = (None, false);
    if let Some(named) = named.filter(|named| *named > 0 && *named != body.size) {
        let hash = body.placement.sha256;
        let before = memory.odd.filter(|(odd, _)| *odd == hash).map_or(0, |(_, times)| times);
        memory.odd = Some((hash, before + 1));
        let message = format!("{} bytes came, the query named {named}", body.size);
        let warning = Failure { message: Some(message.into()), ..Failure::new(ErrorKind::WrongContent) };
        file.error = Some(Box::new(warning));
        if before + 1 < ALIKE && !moment.is_over {
            return Some(again(memory, Pace::Usual));
        }
    }
    let placement = &body.placement;
    file.path = Some(placement.path.clone().into());
    file.temporary = Some(placement.temporary.clone().into());
    file.size = Some(body.size);
    file.sha256 = Some(placement.sha256);
    None
}

/// The artefact is surely gone.
pub(super) fn expire(file: &mut FileRecord) -> NextFetch {
    let last = file.error.take();
    let trouble = last.as_deref().filter(|last| last.kind != ErrorKind::Expired).map(|last| {
        let message = last.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
        format!("the last trouble was {}{message}", last.kind)
    });
    let message = trouble.map(Into::into).or_else(|| last.as_deref()?.message.clone());
    let failure = last.map_or_else(|| Failure::new(ErrorKind::Expired), |last| *last);
    lost(file, FileState::Expired, Box::new(Failure { kind: ErrorKind::Expired, message, ..failure }))
}

/// What a disk said.
pub(super) fn disk_failure(error: &FileError) -> Box<Failure> {
    Box::new(Failure { message: Some(with_causes(error).into()), ..Failure::new(error.kind) })
}

/// The app waits, and the file keeps its place.
fn at_once(file: &mut FileRecord, kind: ErrorKind, answer: &Answer, moment: Moment) -> NextFetch {
    file.error = Some(failure(kind, answer));
    if moment.is_over { expire(file) } else { NextFetch::AtOnce }
}

fn trouble(
    file: &mut FileRecord,
    memory: &mut FileMemory,
    error: Box<Failure>,
    pace: Pace,
    moment: Moment,
) -> NextFetch {
    file.error = Some(error);
    if moment.is_over { expire(file) } else { again(memory, pace) }
}

fn again(memory: &mut FileMemory, pace: Pace) -> NextFetch {
    let attempt = memory.attempt;
    memory.attempt = attempt.saturating_add(1);
    NextFetch::After { attempt, pace }
}

fn lost(file: &mut FileRecord, state: FileState, error: Box<Failure>) -> NextFetch {
    (file.state, file.error) = (state, Some(error));
    NextFetch::Never
}

fn came_before(file: &FileRecord, kind: ErrorKind, answer: &Answer) -> bool {
    file.error.as_deref().is_some_and(|last| last.kind == kind && last.message == answer.detail.message)
}

fn failure(kind: ErrorKind, answer: &Answer) -> Box<Failure> {
    Box::new(answer.failure(kind))
}

#[cfg(test)]
mod tests;
