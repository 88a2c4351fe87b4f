//! Which tickets a person has to look after, and what to do.

use super::{Availability, FileState, TicketRecord, TicketState, WallTime};

/// Advice about a ticket that was given up, …
const TIMED_OUT: &str = "export again, or split the document";

/// … and about a document.
const TIMED_OUT_DOCUMENT: &str =
    "`feishu-export-watcher retry --failed` has it exported again; if it repeats, split the document";

impl TicketRecord {
    /// What is wrong with the ticket or its file, in a word, and what to do; none where nothing is, or where it passes by
    /// itself.
    #[must_use]
    pub fn attention(&self, now: WallTime) -> Option<(&'static str, &'static str)> {
        let may_be_gone = || matches!(Availability::new(self, now), Availability::Passed(_));
        let file = self.file_state();
        match (self.state, self.error.as_deref().or(self.file_error())) {
            (TicketState::Failed, Some(error)) => Some((error.kind.as_str(), self.hint(error))),
            (TicketState::TimedOut, _) if self.export.is_some() => Some(("timed_out", TIMED_OUT_DOCUMENT)),
            (TicketState::TimedOut, _) => Some(("timed_out", TIMED_OUT)),
            (TicketState::Completed, Some(error))
                if file.is_some_and(FileState::is_lost)
                    || file == Some(FileState::Waiting) && error.kind.is_of_disk() =>
            {
                Some((error.kind.as_str(), self.hint(error)))
            }
            (TicketState::Completed, _) if file.is_none() && may_be_gone() => {
                Some(("may be gone", Availability::hint(self)))
            }
            _ => None,
        }
    }
}
