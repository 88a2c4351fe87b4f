//! What stays as it was although a watch list does not name it, because not all of the list could be read.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;

use super::{TicketKey, TicketRecord};

/// Tickets that stay as they are. By default none.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Whatever it is: more of the list may follow in a moment.
    pub all: bool,
    /// Those that these files listed when they were last taken, by a process before this one maybe.
    pub files: HashSet<PathBuf>,
    /// Those that were listed by what was good in these files last; other files may have listed them, too.
    pub keys: Vec<Arc<TicketKeys>>,
}

impl Kept {
    /// Whether the ticket stays.
    #[must_use]
    pub fn keeps(&self, ticket: &TicketRecord) -> bool {
        self.all
            || self.files.contains(&*ticket.source)
            || self.keys.iter().any(|keys| keys.contains(&ticket.key))
    }
}

/// Keys of many tickets in little room: eight bytes each, as hashes that nobody outside can aim at. That any
/// of a hundred thousand is taken for another has odds of one in some billions.
#[derive(Clone, Debug, Default)]
pub struct TicketKeys {
    hasher: RandomState,
    hashes: Vec<u64>,
    is_sorted: bool,
}

impl TicketKeys {
    /// Adds a key.
    pub fn add(&mut self, key: &TicketKey) {
        self.hashes.push(self.hasher.hash_one(key));
        self.is_sorted = false;
    }

    /// Makes the set as small, and as quick to look into, as can be.
    #[must_use]
    pub fn packed(mut self) -> Self {
        self.hashes.sort_unstable();
        self.hashes.dedup();
        self.hashes.shrink_to_fit();
        self.is_sorted = true;
        self
    }

    /// Whether the key was added.
    #[must_use]
    pub fn contains(&self, key: &TicketKey) -> bool {
        let hash = self.hasher.hash_one(key);
        if self.is_sorted { self.hashes.binary_search(&hash).is_ok() } else { self.hashes.contains(&hash) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AppName, TicketId};

    fn key(app: &str, ticket: usize) -> TicketKey {
        TicketKey { app: AppName::new(app), ticket: TicketId::new(&ticket.to_string()) }
    }

    #[test]
    fn keys_are_found_before_and_after_packing() {
        let mut keys = TicketKeys::default();
        (0..1000).chain(0..1000).for_each(|ticket| keys.add(&key("a", ticket)));
        assert!(keys.contains(&key("a", 999)) && !keys.contains(&key("b", 999)));
        let keys = keys.packed();
        assert_eq!(keys.hashes.len(), 1000);
        assert!((0..1000).all(|ticket| keys.contains(&key("a", ticket))));
        assert!((1000..2000).all(|ticket| !keys.contains(&key("a", ticket))));
    }
}
