//! What stays as it was although a watch list does not name it, because not all of the list could be read.

use std::collections::HashSet;
use std::path::PathBuf;

use super::TicketRecord;

/// Tickets that stay as they are. By default none.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Whatever it is: more of the list may follow in a moment.
    pub all: bool,
    /// Those that these files listed when they were last taken, by a process before this one maybe.
    pub files: HashSet<PathBuf>,
}

impl Kept {
    /// Whether the ticket stays.
    #[must_use]
    pub fn keeps(&self, ticket: &TicketRecord) -> bool {
        self.all || self.files.contains(&*ticket.source)
    }
}
