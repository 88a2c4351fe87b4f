//! A watch list is taken: compared with what is known, and every difference carried out.

use super::Engine;
use crate::domain::{AppName, TicketRecord, TicketState, WatchEntry, WatchList};
use crate::feishu::ExportApi;
use crate::store::Store;
use crate::watch::announce::Announcer;
use crate::watch::now::Now;
use crate::watch::reconcile::{Change, changes};
use crate::watch::report::{self, ListChanges};
use crate::watch::step;
use crate::watch::tickets::{Slot, TicketIndex};

impl<A: ExportApi, S: Store, L: Announcer> Engine<A, S, L> {
    pub(super) fn take_list(&mut self, list: WatchList, now: Now) {
        let mut counted = ListChanges::default();
        for change in changes(&self.tickets, list) {
            match change {
                Change::Add(entry) => {
                    counted.added += 1;
                    self.add_ticket(entry, now);
                }
                Change::Restart(index, entry) => {
                    counted.restarted += 1;
                    self.restart_ticket(index, entry, now);
                }
                Change::Remove(index) => {
                    counted.removed += 1;
                    self.remove_ticket(index, now);
                }
                Change::Describe(index, entry) => self.alter(index, now, |slot| describe(slot, entry)),
                Change::Unlist(index) => {
                    self.alter(index, now, |slot| slot.record.unlisted_since = Some(now.wall));
                }
            }
        }
        counted.listed = self.tickets.listed().total();
        counted.pending = self.tickets.listed().of(TicketState::Pending);
        report::watchlist_loaded(&counted);
    }

    /// Forgets ended tickets that left the watch list long ago.
    pub(super) fn purge(&mut self, now: Now) {
        let keep = self.settings.keep;
        let over = |slot: &Slot| {
            let left = slot.record.unlisted_since.is_some_and(|since| since + keep <= now.wall);
            left && slot.record.state.is_final() && slot.record.announced
        };
        let old: Vec<_> =
            self.tickets.iter().filter(|(_, slot)| over(slot)).map(|(index, _)| index).collect();
        for index in old {
            if let Some(key) = self.tickets.forget(index) {
                self.ledger.forgotten(index, key, now.at);
            }
        }
        self.purge_at = now.at + super::PURGE_EVERY;
    }

    pub(super) fn place_of(&self, name: &AppName) -> Option<usize> {
        self.apps.iter().position(|app| app.app.name == *name)
    }

    fn add_ticket(&mut self, entry: WatchEntry, now: Now) {
        let app = self.place_of(&entry.key.app);
        let mark = app.map(|place| self.apps[place].active(now.at)).unwrap_or_default();
        let index = self.tickets.insert(TicketRecord::new(entry, now.wall), app, mark);
        self.first_poll(index, now);
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

    fn restart_ticket(&mut self, index: TicketIndex, entry: WatchEntry, now: Now) {
        let active = self.active_of(index, now);
        let stamp = self.tickets.next_stamp();
        self.alter(index, now, |slot| {
            let first_seen_at = slot.record.first_seen_at;
            slot.record = TicketRecord { first_seen_at, ..TicketRecord::new(entry, now.wall) };
            slot.stamp = stamp;
            slot.clock_mark = active;
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
        self.ledger.decided(index, now.at);
    }

    fn alter(&mut self, index: TicketIndex, now: Now, change: impl FnOnce(&mut Slot)) {
        self.tickets.change(index, change);
        self.ledger.changed(index, now.at);
    }
}

fn describe(slot: &mut Slot, entry: WatchEntry) {
    slot.record.label = entry.label;
    slot.record.created_at = entry.created_at;
    slot.record.source = entry.source;
    slot.record.unlisted_since = None;
}
