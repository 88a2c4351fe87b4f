//! What one answer means. The types only; [`classify_query`](super::classify_query) and the like decide.

use std::time::Duration;

use crate::domain::{Artefact, ErrorKind, PauseReason};

/// What an answer means that is not about the access token. How long to wait after it is decided by the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The job runs.
    Pending,
    /// The job is done and names its file.
    Completed(Box<Artefact>),
    /// The job failed, or the document can't be exported: waiting does not help.
    Failed(ErrorKind),
    /// The app may not read the document, or another app created the job (1069902). Which of them it is follows
    /// from what the app's other tickets get.
    Refused,
    /// A proper answer (code 0 with a `job_status`) that is not a result: fails the ticket only if it keeps coming.
    Unclear(ErrorKind),
    /// Not an answer that the API documents. It counts against the ticket only while the same endpoint answers
    /// properly for others.
    Strange(Strange),
    /// Trouble of this call that says nothing about the job.
    Retry {
        /// `network` or `server_error`.
        kind: ErrorKind,
        /// How soon to ask again.
        pace: Pace,
    },
    /// The document's data is elsewhere for now, and the server asks to come back in minutes (600, hybrid
    /// deployments; create export task, error codes). An answer, hence bounded by `give_up_after`.
    Postponed,
    /// Too many requests, for the whole app.
    Throttled {
        /// How long the server wants to be left alone, if it said so.
        reset: Option<Duration>,
    },
    /// The access token was refused.
    TokenRejected,
    /// The app's fault, never the ticket's.
    AppFault(PauseReason),
}

/// What makes an answer a strange one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strange {
    /// It is not the API's JSON: a page of something in between, an empty body.
    Page,
    /// An envelope with a code that is not listed.
    UnlistedCode,
    /// An envelope with code 0 that names no `job_status`, no ticket or no document where one is asked for, or comes in
    /// place of a file. The platform's own command line waits on.
    NoStatus,
}

impl Strange {
    /// The kind of trouble it shows as with its ticket.
    #[must_use]
    pub const fn kind(self) -> ErrorKind {
        match self {
            Self::Page | Self::NoStatus => ErrorKind::MalformedAnswer,
            Self::UnlistedCode => ErrorKind::UnknownCode,
        }
    }
}

/// How soon to ask again after trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As the backoff has it.
    Usual,
    /// No sooner than the longest interval: the platform asks callers to slow down.
    Slow,
    /// No sooner than the server named (`Retry-After`), at most the longest interval.
    After(Duration),
}
