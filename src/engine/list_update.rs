//! What a watch list changes about the tickets that are known: a pure update, applied by the engine.

use super::report::ListChanges;
use super::tickets::{Slot, TicketIndex, Tickets};
use crate::domain::{Kept, TicketState, WatchEntry};

/// One difference between the watch list and what is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A ticket that was never seen.
    Add(WatchEntry),
    /// A ticket that is to be polled from the beginning: it was removed before, or its document's token
    /// was corrected.
    Restart(TicketIndex, WatchEntry),
    /// The description of a ticket changed, or an ended ticket is listed again; its state stays.
    Describe(TicketIndex, WatchEntry),
    /// A pending ticket left the list.
    Remove(TicketIndex),
    /// An ended ticket left the list; it is kept for a while.
    Unlist(TicketIndex),
}

/// A watch list that is coming in: compared entry by entry, so that a long one can be applied in chunks, and its
/// removals once all of it was seen.
#[derive(Debug, Default)]
pub(super) struct ListUpdate {
    /// By place: whether the list named the ticket there.
    named: Vec<bool>,
    /// How many entries the list has named.
    pub position: u32,
    /// What the list changed so far.
    pub counted: ListChanges,
}

impl ListUpdate {
    /// What an entry changes, if anything. A ticket that this adds must be [named](Self::name) once it has its place.
    #[must_use]
    pub(super) fn entry(&mut self, known: &Tickets, entry: WatchEntry) -> Option<Change> {
        let Some(index) = known.find(&entry.key) else { return Some(Change::Add(entry)) };
        self.name(index);
        change_of(known, index, entry)
    }

    /// The list names the ticket at `index`.
    pub(super) fn name(&mut self, index: TicketIndex) {
        if self.named.len() <= index.place() {
            self.named.resize(index.place() + 1, false);
        }
        self.named[index.place()] = true;
        self.position += 1;
    }

    /// What becomes of the tickets that the list, now complete, did not name. What is `kept` stays as it was.
    #[must_use]
    pub(super) fn unnamed(&self, known: &Tickets, kept: &Kept) -> Vec<Change> {
        let is_named = |index: TicketIndex| self.named.get(index.place()).copied().unwrap_or(false);
        let stays = |slot: &Slot| slot.record.unlisted_since.is_some() || kept.keeps(&slot.record);
        let gone = known.iter().filter(|(index, slot)| !is_named(*index) && !stays(slot));
        let change = |(index, slot): (TicketIndex, &Slot)| match slot.record.state {
            TicketState::Pending => Change::Remove(index),
            _ => Change::Unlist(index),
        };
        gone.map(change).collect()
    }
}

fn change_of(known: &Tickets, index: TicketIndex, entry: WatchEntry) -> Option<Change> {
    let record = &known.get(index)?.record;
    if record.state == TicketState::Removed || record.entry.token != entry.token {
        return Some(Change::Restart(index, entry));
    }
    let same = record.unlisted_since.is_none() && record.entry == entry;
    (!same).then_some(Change::Describe(index, entry))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use super::*;
    use crate::domain::{AppName, DocumentToken, EntryId, EntryKey, ExportRequest, TicketRecord, WallTime};

    fn entry(ticket: &str, token: &str, file: &str) -> WatchEntry {
        let key = EntryKey { app: AppName::new("default"), id: EntryId::new(ticket) };
        WatchEntry {
            key,
            token: DocumentToken::parse(token).unwrap(),
            label: None,
            created_at: None,
            request: None,
            download: true,
            source: Path::new(file).into(),
        }
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
        let kept = Kept { files: rejected.iter().map(PathBuf::from).collect(), ..Kept::default() };
        let mut update = ListUpdate::default();
        let mut changes: Vec<_> =
            entries.into_iter().filter_map(|entry| update.entry(known, entry)).collect();
        changes.extend(update.unnamed(known, &kept));
        changes
    }

    #[test]
    fn the_same_list_changes_nothing() {
        let known = known(&[("1", TicketState::Pending), ("2", TicketState::Completed)]);
        assert_eq!(diff(&known, vec![entry("1", "doc", "a.toml"), entry("2", "doc", "a.toml")], &[]), []);
    }

    /// The description of a ticket may change without a new poll.
    #[test]
    fn words_about_a_ticket_are_taken() {
        let known = known(&[("1", TicketState::Pending)]);
        let request = ExportRequest { sub_id: Some("0b1e2f".into()), ..ExportRequest::default() };
        let described = WatchEntry { request: Some(Box::new(request)), ..entry("1", "doc", "a.toml") };
        let expected = [Change::Describe(index(&known, "1"), described.clone())];
        assert_eq!(diff(&known, vec![described], &[]), expected);
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

    /// A ticket that was added while the list came in is named by it, also in a place that was free.
    #[test]
    fn what_a_part_added_stays() {
        let mut known = known(&[("1", TicketState::Completed), ("2", TicketState::Pending)]);
        let mut update = ListUpdate::default();
        assert_eq!(update.entry(&known, entry("2", "doc", "a.toml")), None);
        known.forget(index(&known, "1"));
        for ticket in ["3", "4"] {
            let Some(Change::Add(entry)) = update.entry(&known, entry(ticket, "doc", "a.toml")) else {
                panic!("not new")
            };
            update.name(known.insert(
                TicketRecord::new(entry, WallTime::from_millis(1)),
                Some(0),
                Duration::ZERO,
            ));
        }
        assert_eq!(update.unnamed(&known, &Kept::default()), []);
    }

    fn index(known: &Tickets, ticket: &str) -> TicketIndex {
        known.find(&entry(ticket, "", "").key).unwrap()
    }
}
