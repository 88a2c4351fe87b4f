//! Every known ticket, by key and by slot, with counts that are always right.
//!
//! A waiting ticket is a slot here and an entry in its app's queue: a hundred thousand of them are a
//! few dozen megabytes and no task.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::file_step::FileMemory;
use super::judging::{is_refused, is_unasked};
use crate::domain::{Counts, EntryKey, FileCounts, FileState, TicketRecord, TicketState};

/// The place of a ticket, stable for its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TicketIndex(u32);

/// A ticket and what the engine needs besides.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// What is known.
    pub record: TicketRecord,
    /// The app's place; none if the configuration no longer has the app.
    pub app: Option<usize>,
    /// Names this turn of the ticket's life: queue entries and answers with another stamp are void.
    pub stamp: u64,
    /// The reading of the app's clock when `watched` was last brought up to date.
    pub clock_mark: Duration,
    /// Sending of the last request that was answered strangely, if no proper answer came since.
    pub strange_at: Option<Instant>,
    /// What is remembered of its file while that waits.
    pub file: Option<Box<FileMemory>>,
    /// Its place in the watch list, by which exports are created.
    pub position: u32,
    /// A request for its export is on its way, or about to be.
    pub is_asking: bool,
    /// The entry whose export it shares: that one is attended to, and this one shows the same.
    pub leader: Option<TicketIndex>,
}

/// What a pending entry waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// What a wiki node leads to.
    Resolve,
    /// A ticket.
    Create,
    /// The end of the job.
    Poll,
}

impl Slot {
    /// What it waits for; none if it is final, or shares the export of another.
    #[must_use]
    pub(super) fn stage(&self) -> Option<Stage> {
        if self.record.state != TicketState::Pending || self.leader.is_some() {
            return None;
        }
        Some(match self.record.export.as_deref() {
            Some(export) if export.object.is_none() => Stage::Resolve,
            Some(export) if export.ticket.is_none() => Stage::Create,
            _ => Stage::Poll,
        })
    }

    /// Whether an artefact of it may be to come, or to be fetched: a ticket is open or on its way, or its file is not
    /// saved. A job whose ticket was lost is nothing to be attended to.
    #[must_use]
    fn is_open(&self) -> bool {
        match self.stage() {
            Some(Stage::Poll) => true,
            Some(Stage::Create) => self.is_asking,
            Some(Stage::Resolve) => false,
            None => self.leader.is_none() && self.record.file_state() == Some(FileState::Waiting),
        }
    }

    /// Whether its artefact is to be downloaded.
    #[must_use]
    pub(super) fn is_to_fetch(&self) -> bool {
        self.record.file.as_deref().is_some_and(|file| file.state == FileState::Waiting && !file.is_whole())
    }
}

/// All tickets.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    slots: Vec<Option<Slot>>,
    free: Vec<TicketIndex>,
    by_key: HashMap<EntryKey, TicketIndex>,
    listed: Counts,
    listed_files: FileCounts,
    listed_documents: usize,
    listed_created: usize,
    by_app: Vec<AppCounts>,
    stamps: u64,
}

impl Tickets {
    /// None yet, for that many apps.
    #[must_use]
    pub(super) fn new(apps: usize) -> Self {
        Self { by_app: vec![AppCounts::default(); apps], ..Self::default() }
    }

    /// The slot at `index`; none if the ticket was forgotten.
    #[must_use]
    pub(super) fn get(&self, index: TicketIndex) -> Option<&Slot> {
        self.slots.get(index.place())?.as_ref()
    }

    /// Where the ticket of that key is.
    #[must_use]
    pub(super) fn find(&self, key: &EntryKey) -> Option<TicketIndex> {
        self.by_key.get(key).copied()
    }

    /// Takes in a ticket whose key is not known yet.
    pub(super) fn insert(
        &mut self,
        record: TicketRecord,
        app: Option<usize>,
        clock_mark: Duration,
    ) -> TicketIndex {
        let slot = Slot {
            record,
            app,
            stamp: self.next_stamp(),
            clock_mark,
            strange_at: None,
            file: None,
            position: u32::MAX,
            is_asking: false,
            leader: None,
        };
        self.count(&slot, Counts::add, 1);
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            TicketIndex(u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX))
        });
        self.by_key.insert(slot.record.entry.key.clone(), index);
        self.slots[index.place()] = Some(slot);
        index
    }

    /// Changes a ticket in place; the counts follow.
    pub(super) fn change<T>(&mut self, index: TicketIndex, change: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        let mut slot = self.slots.get_mut(index.place())?.take()?;
        self.count(&slot, Counts::remove, -1);
        let result = change(&mut slot);
        self.count(&slot, Counts::add, 1);
        self.slots[index.place()] = Some(slot);
        Some(result)
    }

    /// A stamp that no turn of any ticket's life had before, not even one in the same place.
    pub(super) fn next_stamp(&mut self) -> u64 {
        self.stamps += 1;
        self.stamps
    }

    /// Drops a ticket for good.
    pub(super) fn forget(&mut self, index: TicketIndex) -> Option<EntryKey> {
        let slot = self.slots.get_mut(index.place())?.take()?;
        self.count(&slot, Counts::remove, -1);
        self.by_key.remove(&slot.record.entry.key);
        self.free.push(index);
        Some(slot.record.entry.key)
    }

    /// Every ticket, in the order of the places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TicketIndex, &Slot)> {
        let slots = (0u32..).zip(&self.slots);
        slots.filter_map(|(place, slot)| Some((TicketIndex(place), slot.as_ref()?)))
    }

    /// Counts of the tickets that a watch list names.
    #[must_use]
    pub(super) const fn listed(&self) -> Counts {
        self.listed
    }

    /// Counts of the files of tickets that a watch list names.
    #[must_use]
    pub(super) const fn listed_files(&self) -> FileCounts {
        self.listed_files
    }

    /// How many documents a watch list names, and for how many of them there is a ticket.
    #[must_use]
    pub(super) const fn listed_documents(&self) -> (usize, usize) {
        (self.listed_documents, self.listed_created)
    }

    /// Counts of all tickets of the app at that place, listed or not.
    #[must_use]
    pub(super) fn of_app(&self, app: usize) -> AppCounts {
        self.by_app.get(app).copied().unwrap_or_default()
    }

    fn count(&mut self, slot: &Slot, change: fn(&mut Counts, TicketState), by: isize) {
        if slot.record.unlisted_since.is_none() {
            change(&mut self.listed, slot.record.state);
            count_file(&mut self.listed_files, slot, by);
            if slot.record.export.is_some() {
                self.listed_documents = self.listed_documents.saturating_add_signed(by);
                let created = if slot.record.is_uncreated() { 0 } else { by };
                self.listed_created = self.listed_created.saturating_add_signed(created);
            }
        }
        let Some(counts) = slot.app.and_then(|app| self.by_app.get_mut(app)) else { return };
        change(&mut counts.known, slot.record.state);
        count_file(&mut counts.files, slot, by);
        let stage = slot.stage();
        let add = |count: &mut usize, is_one: bool| {
            *count = count.saturating_add_signed(if is_one { by } else { 0 });
        };
        add(&mut counts.unresolved, stage == Some(Stage::Resolve));
        add(&mut counts.uncreated, stage == Some(Stage::Create));
        add(&mut counts.open, slot.is_open());
        if stage != Some(Stage::Poll) {
            return;
        }
        counts.polled = counts.polled.saturating_add_signed(by);
        if is_refused(&slot.record) {
            counts.refused = counts.refused.saturating_add_signed(by);
        } else if is_unasked(&slot.record) {
            counts.unasked = counts.unasked.saturating_add_signed(by);
        }
    }
}

fn count_file(files: &mut FileCounts, slot: &Slot, by: isize) {
    if let Some(state) = slot.record.file_state() {
        files[state] = files[state].saturating_add_signed(by);
    }
}

/// The tickets of one app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AppCounts {
    /// All, by state.
    pub known: Counts,
    /// All files, by state.
    pub files: FileCounts,
    /// Pending ones that have a ticket.
    pub polled: usize,
    /// Pending ones whose wiki node was not resolved yet.
    pub unresolved: usize,
    /// Pending ones whose export is to be created.
    pub uncreated: usize,
    /// Those of which an artefact may be to come, or is to be fetched.
    pub open: usize,
    /// Polled ones about which no answer has come yet.
    pub unasked: usize,
    /// Polled ones whose last answer was a refusal.
    pub refused: usize,
}

impl AppCounts {
    /// The pending ones.
    pub(super) const fn pending(&self) -> usize {
        self.known.of(TicketState::Pending)
    }

    /// Whether tickets or files of the app are to be attended to.
    pub(super) fn is_open(&self) -> bool {
        self.pending() > 0 || self.waiting() > 0
    }

    /// Files that are to come.
    pub(super) fn waiting(&self) -> usize {
        self.files[FileState::Waiting]
    }
}

impl TicketIndex {
    /// The place as a number, for sets of flags.
    #[must_use]
    pub(super) const fn place(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::domain::{AppName, DocumentToken, EntryId, TicketId, WallTime, WatchEntry};

    fn key(number: u32) -> EntryKey {
        EntryKey { app: AppName::new("default"), id: EntryId::new(&number.to_string()) }
    }

    fn insert(tickets: &mut Tickets, number: u32) -> TicketIndex {
        let token = DocumentToken::parse("doc").unwrap();
        let source = Path::new("list.toml").into();
        let entry = WatchEntry {
            key: key(number),
            token,
            label: None,
            created_at: None,
            request: None,
            download: true,
            source,
        };
        tickets.insert(TicketRecord::new(entry, WallTime::from_millis(1)), Some(0), Duration::ZERO)
    }

    /// Promise: the bar's counts of documents follow every change; tickets and what left the list do not count.
    #[test]
    fn documents_are_counted() {
        let mut tickets = Tickets::new(1);
        insert(&mut tickets, 1);
        let mut document = tickets.get(TicketIndex(0)).unwrap().record.clone();
        document.entry.key.id = EntryId::new("docx/doc/pdf");
        let document = TicketRecord::new(document.entry, WallTime::from_millis(1));
        let index = tickets.insert(document, Some(0), Duration::ZERO);
        assert_eq!(tickets.listed_documents(), (1, 0));
        tickets.change(index, |slot| slot.record.export.as_mut().unwrap().ticket = Some(TicketId::new("7")));
        assert_eq!(tickets.listed_documents(), (1, 1));
        tickets.change(index, |slot| slot.record.unlisted_since = Some(WallTime::from_millis(2)));
        assert_eq!(tickets.listed_documents(), (0, 0));
    }

    /// Every ticket is found under its own key, however many came and went, and those that went are not.
    #[test]
    fn a_ticket_is_found_by_its_key() {
        let mut tickets = Tickets::new(1);
        let mut indices: Vec<_> = (0..5000).map(|number| insert(&mut tickets, number)).collect();
        for number in (0..5000).step_by(3) {
            assert_eq!(tickets.forget(indices[number as usize]), Some(key(number)));
        }
        for number in (0..5000).step_by(6) {
            indices[number as usize] = insert(&mut tickets, number);
        }
        for number in 0..5000_u32 {
            let known = !number.is_multiple_of(3) || number.is_multiple_of(6);
            assert_eq!(tickets.find(&key(number)), known.then_some(indices[number as usize]), "{number}");
        }
        assert_eq!(tickets.slots.len(), 5000);
        assert_eq!(tickets.of_app(0).pending(), tickets.iter().count());
    }
}
