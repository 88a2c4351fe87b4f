//! What one answer means. The types only; who decides is [`judge`](super::judge).

use std::time::Duration;

use crate::domain::{Artefact, ErrorKind, PauseReason};

/// What one poll's answer means. How long to wait after it is decided by the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The job runs.
    Pending,
    /// The job is done and names its file.
    Completed(Box<Artefact>),
    /// The job, or the document, is past help.
    Failed(ErrorKind),
    /// The answer can't be understood: fails the ticket only if it keeps coming.
    Unclear(ErrorKind),
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
