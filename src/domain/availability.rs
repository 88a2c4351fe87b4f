//! How long an exported file lives, and whether it can still be downloaded. Pure: `now` is an argument.

use std::time::Duration;

use super::{TicketRecord, TicketState, WallTime};

/// How long the exported file lives after the job's end (download exported file, 2024-06-14).
pub const ARTEFACT_LIFE: Duration = Duration::from_secs(600);

/// Whether the file of a completed ticket can still be downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// Until then at least.
    Sure(WallTime),
    /// It may be gone: it was sure to be there only until then.
    Passed(WallTime),
    /// Nothing says when the job ended, so it may be there for ten minutes or for a moment.
    Unknown,
    /// It is gone since then: the job had ended by the time of the answer that said so.
    Over(WallTime),
}

impl Availability {
    /// What is known at `now` about the file of a completed ticket.
    #[must_use]
    pub fn new(ticket: &TicketRecord, now: WallTime) -> Self {
        let over = ticket.finished_at.map(|finished| finished + ARTEFACT_LIFE);
        match (ticket.download_by, over) {
            (Some(until), _) if until > now => Self::Sure(until),
            (_, Some(over)) if over <= now => Self::Over(over),
            (Some(until), _) => Self::Passed(until),
            (None, _) => Self::Unknown,
        }
    }

    /// What to do about the ticket's file where it may be gone, as part of a line.
    #[must_use]
    pub fn hint(ticket: &TicketRecord) -> &'static str {
        if ticket.export.is_some() {
            "download the file at once; if it is gone, retry the document"
        } else {
            "download the file at once; if it is gone, export the document again"
        }
    }

    /// Whether the ticket is completed and the time is over in which its file is sure to be there. A file that is
    /// downloaded says itself what became of it.
    #[must_use]
    pub fn is_doubtful(ticket: &TicketRecord, now: WallTime) -> bool {
        let file = Self::new(ticket, now);
        ticket.state == TicketState::Completed
            && ticket.file.is_none()
            && matches!(file, Self::Passed(_) | Self::Over(_))
    }
}
