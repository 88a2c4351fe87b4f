//! What a watch list changes about the tickets that are known: a pure comparison, applied by the engine.

use super::tickets::{TicketIndex, Tickets};
use crate::domain::{TicketState, WatchEntry, WatchList};

/// One difference between the watch list and what is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A ticket that was never seen.
    Add(WatchEntry),
    /// A ticket that is to be polled from the beginning: it was removed before, or its document's token
    /// was corrected.
    Restart(TicketIndex, WatchEntry),
    /// Words about a ticket changed, or an ended ticket is listed again; its state stays.
    Describe(TicketIndex, WatchEntry),
    /// A pending ticket left the list.
    Remove(TicketIndex),
    /// An ended ticket left the list; it is kept for a while.
    Unlist(TicketIndex),
}

/// Compares. What a rejected file listed last stays as it was.
#[must_use]
pub(super) fn changes(known: &Tickets, list: WatchList) -> Vec<Change> {
    let WatchList { entries, rejected } = list;
    let mut changes = Vec::new();
    let mut named = vec![false; known.places()];
    for entry in entries {
        let Some(index) = known.find(&entry.key) else {
            changes.push(Change::Add(entry));
            continue;
        };
        named[index.place()] = true;
        changes.extend(change_of(known, index, entry));
    }
    for (index, slot) in known.iter().filter(|(index, _)| !named[index.place()]) {
        let record = &slot.record;
        if record.unlisted_since.is_some() || rejected.iter().any(|file| **file == *record.source) {
            continue;
        }
        changes.push(if record.state == TicketState::Pending {
            Change::Remove(index)
        } else {
            Change::Unlist(index)
        });
    }
    changes
}

fn change_of(known: &Tickets, index: TicketIndex, entry: WatchEntry) -> Option<Change> {
    let record = &known.get(index)?.record;
    if record.state == TicketState::Removed || record.token != entry.token {
        return Some(Change::Restart(index, entry));
    }
    let same = record.label == entry.label
        && record.created_at == entry.created_at
        && record.source == entry.source
        && record.unlisted_since.is_none();
    (!same).then_some(Change::Describe(index, entry))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::domain::{AppName, TicketId, TicketKey, TicketRecord, WallTime};

    fn entry(ticket: &str, token: &str, file: &str) -> WatchEntry {
        let key = TicketKey { app: AppName::new("default"), ticket: TicketId::new(ticket) };
        WatchEntry { key, token: token.into(), label: None, created_at: None, source: Path::new(file).into() }
    }

    fn known(tickets: &[(&str, TicketState)]) -> Tickets {
        let mut known = Tickets::new(1);
        for (ticket, state) in tickets {
            let mut record = TicketRecord::new(entry(ticket, "doc", "a.toml"), WallTime::from_millis(1));
            record.state = *state;
            known.insert(record, Some(0), Duration::ZERO);
        }
        known
    }

    fn diff(known: &Tickets, entries: Vec<WatchEntry>, rejected: &[&str]) -> Vec<Change> {
        changes(known, WatchList { entries, rejected: rejected.iter().map(Into::into).collect() })
    }

    #[test]
    fn the_same_list_changes_nothing() {
        let known = known(&[("1", TicketState::Pending), ("2", TicketState::Completed)]);
        assert_eq!(diff(&known, vec![entry("1", "doc", "a.toml"), entry("2", "doc", "a.toml")], &[]), []);
    }

    #[test]
    fn what_leaves_the_list_is_removed_or_kept_for_a_while() {
        let known = known(&[("1", TicketState::Pending), ("2", TicketState::Failed)]);
        let changes = diff(&known, vec![entry("3", "doc", "a.toml")], &[]);
        let (one, two) = (index(&known, "1"), index(&known, "2"));
        assert_eq!(
            changes,
            [Change::Add(entry("3", "doc", "a.toml")), Change::Remove(one), Change::Unlist(two)]
        );
    }

    #[test]
    fn listed_again_or_corrected_starts_over() {
        let known =
            known(&[("1", TicketState::Removed), ("2", TicketState::Failed), ("3", TicketState::Pending)]);
        let list =
            vec![entry("1", "doc", "a.toml"), entry("2", "new", "a.toml"), entry("3", "new", "a.toml")];
        let restarts = list.iter().zip(["1", "2", "3"]);
        let expected: Vec<_> =
            restarts.map(|(entry, ticket)| Change::Restart(index(&known, ticket), entry.clone())).collect();
        assert_eq!(diff(&known, list, &[]), expected);
    }

    #[test]
    fn a_rejected_file_takes_nothing_away() {
        let known = known(&[("1", TicketState::Pending), ("2", TicketState::Completed)]);
        assert_eq!(diff(&known, vec![], &["a.toml"]), []);
        assert_eq!(diff(&known, vec![], &["b.toml"]).len(), 2);
    }

    fn index(known: &Tickets, ticket: &str) -> TicketIndex {
        known.find(&entry(ticket, "", "").key).unwrap()
    }
}
