//! A watch list is taken: compared with what is known, and every difference carried out. A long one comes in
//! parts, with turns of the loop in between, so that it holds up no poll.

use super::Engine;
use crate::crash_points::CrashPoint;
use crate::domain::{AppName, Kept, TicketRecord, TicketState, WatchEntry, WatchList};
use crate::engine::now::Now;
use crate::engine::reconcile::{Change, Comparison};
use crate::engine::report::{self, ListChanges};
use crate::engine::step;
use crate::engine::tickets::{Slot, TicketIndex};
use crate::feishu::ExportApi;
use crate::store::Store;

/// Places that are looked through in one turn for tickets that left the list.
const SWEEP: usize = 4096;

/// A watch list on its way in.
#[derive(Debug, Default)]
pub(super) struct Taking {
    comparison: Comparison,
    counted: ListChanges,
    /// Once the list is complete: tickets that stay as they were.
    kept: Option<Kept>,
}

impl Taking {
    /// Whether nothing of the list had to be left out.
    fn is_whole(&self) -> bool {
        self.kept.as_ref().is_none_or(|kept| !kept.all && kept.files.is_empty())
    }
}

impl<A: ExportApi, S: Store> Engine<A, S> {
    /// The list of the beginning, in one go: nothing is polled yet.
    pub(super) fn take_list(&mut self, list: WatchList, now: Now) {
        self.take_part(list.entries, now);
        self.end_list(Kept { files: list.rejected.into_iter().collect(), ..Kept::default() });
        while self.is_sweeping() {
            self.sweep(now);
        }
    }

    /// The next entries of a list that is coming in.
    pub(super) fn take_part(&mut self, entries: Vec<WatchEntry>, now: Now) {
        let mut taking = self.taking.take().unwrap_or_default();
        for entry in entries {
            if let Some(change) = taking.comparison.entry(&self.tickets, entry) {
                self.carry_out(change, &mut taking, now);
            }
        }
        self.taking = Some(taking);
        CrashPoint::ListPartTaken.pass();
    }

    /// The list is complete: what it did not name is looked for next.
    pub(super) fn end_list(&mut self, kept: Kept) {
        let taking = self.taking.get_or_insert_default();
        taking.counted.kept_files = kept.files.len();
        taking.kept = Some(kept);
    }

    /// Whether a complete list is being compared with what it does not name.
    pub(super) fn is_sweeping(&self) -> bool {
        self.taking.as_ref().is_some_and(|taking| taking.kept.is_some())
    }

    /// Looks through the next places for tickets that left the list.
    pub(super) fn sweep(&mut self, now: Now) {
        let Some(mut taking) = self.taking.take() else { return };
        let Some(kept) = &taking.kept else {
            self.taking = Some(taking);
            return;
        };
        match taking.comparison.unnamed(&self.tickets, kept, SWEEP) {
            Some(changes) => {
                changes.into_iter().for_each(|change| self.carry_out(change, &mut taking, now));
                self.taking = Some(taking);
            }
            None => self.list_taken(&taking, now),
        }
    }

    fn list_taken(&mut self, taking: &Taking, now: Now) {
        let mut counted = taking.counted;
        let listed = self.tickets.listed();
        counted.listed = listed.total();
        counted.pending = listed.of(TicketState::Pending);
        report::watchlist_loaded(&counted);
        self.meters.list_taken(taking.is_whole(), now.wall);
    }

    fn carry_out(&mut self, change: Change, taking: &mut Taking, now: Now) {
        match change {
            Change::Add(entry) => {
                taking.counted.added += 1;
                taking.comparison.name(self.add_ticket(entry, now));
            }
            Change::Restart(index, entry) => {
                taking.counted.restarted += 1;
                self.restart_ticket(index, entry, now);
            }
            Change::Remove(index) => {
                taking.counted.removed += 1;
                self.remove_ticket(index, now);
            }
            Change::Describe(index, entry) => self.alter(index, now, |slot| describe(slot, entry)),
            Change::Unlist(index) => {
                self.alter(index, now, |slot| slot.record.unlisted_since = Some(now.wall));
            }
        }
    }

    /// Forgets ended tickets that left the watch list long ago.
    pub(super) fn purge(&mut self, now: Now) {
        let keep = self.settings.keep;
        let over = |slot: &Slot| {
            let left = slot.record.unlisted_since.is_some_and(|since| since + keep <= now.wall);
            left && slot.record.state.is_final()
        };
        let old: Vec<_> =
            self.tickets.iter().filter(|(_, slot)| over(slot)).map(|(index, _)| index).collect();
        for index in old {
            if let Some(key) = self.tickets.forget(index) {
                self.unsaved.forgotten(index, key, now.at);
            }
        }
        self.purge_at = now.at + super::PURGE_EVERY;
    }

    pub(super) fn place_of(&self, name: &AppName) -> Option<usize> {
        self.apps.iter().position(|app| app.app.name == *name)
    }

    fn add_ticket(&mut self, entry: WatchEntry, now: Now) -> TicketIndex {
        let app = self.place_of(&entry.key.app);
        let mark = app.map(|place| self.apps[place].active(now.at)).unwrap_or_default();
        let index = self.tickets.insert(TicketRecord::new(entry, now.wall), app, mark);
        self.first_poll(index, now);
        index
    }

    /// A ticket of unknown age is due at once, since its file may be dying; one that is known to be
    /// fresh is first due after the initial interval.
    fn first_poll(&mut self, index: TicketIndex, now: Now) {
        let initial = self.settings.backoff.initial();
        let created = self.tickets.get(index).and_then(|slot| slot.record.created_at);
        let age = created.map_or(initial, |created| now.wall.since(created));
        let wait = initial.saturating_sub(age);
        self.alter(index, now, |slot| slot.record.next_poll_at = Some(now.wall + wait));
        self.enqueue(index, now.at + wait);
    }

    pub(super) fn restart_ticket(&mut self, index: TicketIndex, entry: WatchEntry, now: Now) {
        let active = self.active_of(index, now);
        let stamp = self.tickets.next_stamp();
        self.alter(index, now, |slot| {
            let first_seen_at = slot.record.first_seen_at;
            slot.record = TicketRecord { first_seen_at, ..TicketRecord::new(entry, now.wall) };
            slot.stamp = stamp;
            slot.clock_mark = active;
            slot.strange_at = None;
        });
        self.first_poll(index, now);
    }

    fn remove_ticket(&mut self, index: TicketIndex, now: Now) {
        let stamp = self.tickets.next_stamp();
        self.alter(index, now, |slot| {
            step::remove(&mut slot.record, now.wall);
            slot.record.unlisted_since = Some(now.wall);
            slot.stamp = stamp;
        });
        self.decided(index, now);
    }

    pub(super) fn alter(&mut self, index: TicketIndex, now: Now, change: impl FnOnce(&mut Slot)) {
        self.tickets.change(index, change);
        self.unsaved.changed(index, now.at);
    }
}

fn describe(slot: &mut Slot, entry: WatchEntry) {
    slot.record.label = entry.label;
    slot.record.created_at = entry.created_at;
    slot.record.request = entry.request;
    slot.record.source = entry.source;
    slot.record.unlisted_since = None;
}
