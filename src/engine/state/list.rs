//! A watch list is compared with what is known, and every difference applied. A long one comes in chunks, with turns of
//! the loop in between, so that it holds up no poll.

use std::time::Duration;

use super::State;
use crate::crash_points::CrashPoint;
use crate::domain::{AppName, FileState, Kept, TicketRecord, WatchEntry, WatchList};
use crate::engine::export_step::lost_wait;
use crate::engine::list_update::{Change, ListUpdate};
use crate::engine::now::Now;
use crate::engine::report::{self, ListChanges};
use crate::engine::shares::Export;
use crate::engine::step;
use crate::engine::tickets::{Slot, Stage, TicketIndex};

/// Tickets that are no longer kept are forgotten this often.
const PURGE_EVERY: Duration = Duration::from_secs(3600);

impl State {
    /// The list of the beginning, in one go: nothing is polled yet.
    pub(super) fn apply_list(&mut self, list: WatchList, now: Now) {
        self.apply_chunk(list.entries, now);
        self.end_list(&Kept { files: list.rejected.into_iter().collect(), ..Kept::default() }, now);
    }

    /// Applies the next entries of a list that is coming in.
    pub(super) fn apply_chunk(&mut self, entries: Vec<WatchEntry>, now: Now) {
        let mut update = self.list_update.take().unwrap_or_default();
        for entry in entries {
            let (position, known) = (update.position, self.tickets.find(&entry.key));
            if let Some(index) = known {
                self.move_in_list(index, position, now);
            }
            if let Some(change) = update.entry(&self.tickets, entry) {
                self.apply_change(change, &mut update, now);
            }
        }
        self.list_update = Some(update);
        CrashPoint::ListPartTaken.pass();
    }

    /// The list is complete: what it did not name leaves.
    pub(super) fn end_list(&mut self, kept: &Kept, now: Now) {
        let mut update = self.list_update.take().unwrap_or_default();
        for change in update.unnamed(&self.tickets, kept) {
            self.apply_change(change, &mut update, now);
        }
        let counted = ListChanges { kept_files: kept.files.len(), ..update.counted };
        report::watchlist_loaded(counted, &self.tickets.listed());
        let is_whole = !kept.all && kept.files.is_empty();
        self.meters.list_taken(is_whole, now.wall);
    }

    fn apply_change(&mut self, change: Change, update: &mut ListUpdate, now: Now) {
        match change {
            Change::Add(entry) => {
                update.counted.added += 1;
                let index = self.add_ticket(entry, update.position, now);
                update.name(index);
            }
            Change::Restart(index, entry) => {
                update.counted.restarted += 1;
                self.restart_ticket(index, entry, now);
            }
            Change::Remove(index) => {
                update.counted.removed += 1;
                self.remove_ticket(index, now);
            }
            Change::Describe(index, entry) => self.describe(index, entry, now),
            Change::Unlist(index) => {
                self.alter(index, now, |slot| slot.record.unlisted_since = Some(now.wall));
            }
        }
    }

    fn describe(&mut self, index: TicketIndex, entry: WatchEntry, now: Now) {
        let mut was_away = false;
        self.alter(index, now, |slot| {
            // A whole body gets its name all the same.
            if !entry.download && slot.is_to_fetch() {
                (slot.record.file, slot.file) = (None, None);
            }
            slot.record.entry = entry;
            was_away = slot.record.unlisted_since.take().is_some();
        });
        self.join(index, now);
        // Its artefact may have been lost while no list named it.
        if was_away && self.tickets.get(index).is_some_and(|slot| slot.leader.is_none()) {
            self.export_again(index, now);
        }
    }

    /// Forgets ended tickets that left the watch list long ago.
    pub(super) fn purge(&mut self, now: Now) {
        let keep = self.settings.keep;
        let over = |slot: &Slot| {
            let left = slot.record.unlisted_since.is_some_and(|since| since + keep <= now.wall);
            let is_done = slot.record.file_state() != Some(FileState::Waiting) && !slot.is_asking;
            left && slot.record.state.is_final() && is_done
        };
        let old: Vec<_> =
            self.tickets.iter().filter(|(_, slot)| over(slot)).map(|(index, _)| index).collect();
        for index in old {
            self.part(index, now);
            if let Some(export) = self.tickets.get(index).and_then(|slot| Export::from_record(&slot.record)) {
                self.shares.forget(&export, index);
            }
            if let Some(key) = self.tickets.forget(index) {
                self.file.unsaved.forgotten(index, key, now.at);
            }
        }
        self.timers.purge_at = now.at + PURGE_EVERY;
    }

    pub(super) fn place_of(&self, name: &AppName) -> Option<usize> {
        self.apps.iter().position(|app| app.app.name == *name)
    }

    fn add_ticket(&mut self, entry: WatchEntry, position: u32, now: Now) -> TicketIndex {
        let app = self.place_of(&entry.key.app);
        let mark = app.map(|place| self.apps[place].active(now.at)).unwrap_or_default();
        let index = self.tickets.insert(TicketRecord::new(entry, now.wall), app, mark);
        self.tickets.change(index, |slot| slot.position = position);
        self.join(index, now);
        self.first_poll(index, now);
        index
    }

    /// A ticket of unknown age is due at once, since its file may be dying; one that is known to be
    /// fresh is first due after the initial interval.
    fn first_poll(&mut self, index: TicketIndex, now: Now) {
        if self.tickets.get(index).is_none_or(|slot| slot.leader.is_some()) {
            return;
        }
        let initial = self.settings.backoff.initial();
        let Some(record) = self.tickets.get(index).map(|slot| &slot.record) else { return };
        let age = record.entry.created_at.map_or(initial, |created| now.wall.since(created));
        // Where the answer to its last create was lost, that wait is not cut short by a list that changes.
        let lost = record.export.as_deref().filter(|export| export.is_creating).map(|export| export.lost);
        let wait = match lost {
            Some(lost) => lost_wait(lost, self.settings.repeat_after()),
            None => initial.saturating_sub(age),
        };
        self.alter(index, now, |slot| {
            slot.record.next_poll_at = Some(now.wall + wait).filter(|_| !slot.is_asking);
        });
        self.enqueue(index, now.at + wait);
    }

    /// Exports are created in the order of the list. What else an entry waits for goes by time.
    fn move_in_list(&mut self, index: TicketIndex, position: u32, now: Now) {
        if self.tickets.get(index).is_none_or(|slot| slot.position == position) {
            return;
        }
        let stamp = self.tickets.next_stamp();
        let moves = self.tickets.change(index, |slot| {
            slot.position = position;
            let waits = matches!(slot.stage(), Some(Stage::Resolve | Stage::Create)) && !slot.is_asking;
            slot.stamp = if waits { stamp } else { slot.stamp };
            waits
        });
        if moves == Some(true) {
            self.enqueue_when_due(index, now);
        }
    }

    /// The entry is attended to from the beginning. Of a document all that is known of its export stays, with the ticket if
    /// there is one.
    pub(super) fn restart_ticket(&mut self, index: TicketIndex, entry: WatchEntry, now: Now) {
        let active = self.active_of(index, now);
        let stamp = self.tickets.next_stamp();
        self.discard_body(index);
        self.alter(index, now, |slot| {
            let first_seen_at = slot.record.first_seen_at;
            let export = slot.record.export.take();
            let last_running_at = slot.record.progress.last_running_at.filter(|_| export.is_some());
            slot.record = TicketRecord { first_seen_at, ..TicketRecord::new(entry, now.wall) };
            slot.record.export = export.or(slot.record.export.take());
            slot.record.progress.last_running_at = last_running_at;
            slot.stamp = stamp;
            slot.clock_mark = active;
            slot.strange_at = None;
            slot.file = None;
        });
        self.leave_behind(index, now);
        self.join(index, now);
        self.first_poll(index, now);
    }

    fn remove_ticket(&mut self, index: TicketIndex, now: Now) {
        self.part(index, now);
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
        self.file.unsaved.changed(index, now.at);
    }
}
