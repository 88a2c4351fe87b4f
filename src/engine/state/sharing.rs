//! Entries that lead to one object in one format share one export. One entry leads: it is polled, fetched and announced. The
//! others show the same, with every batch that is written, and their histories say the same. Where the leader leaves the list, the next entry takes over.

use super::State;
use crate::domain::{FileState, TicketState};
use crate::engine::export_step::follow;
use crate::engine::flight::Call;
use crate::engine::hook_events::Happening;
use crate::engine::now::Now;
use crate::engine::shares::Export;
use crate::engine::step;
use crate::engine::tickets::{Slot, TicketIndex};

impl State {
    /// What the entry exports is known: it leads, unless a listed entry does already.
    pub(super) fn join(&mut self, index: TicketIndex, now: Now) {
        let leads_or_alone = self.tickets.get(index).filter(|slot| slot.leader.is_none());
        let Some(export) = leads_or_alone.and_then(|slot| Export::from_record(&slot.record)) else { return };
        let leads = |leader: &TicketIndex| {
            let is_listed = |slot: &Slot| slot.record.unlisted_since.is_none();
            *leader != index && self.tickets.get(*leader).is_some_and(is_listed)
        };
        match self.shares.leader(&export).filter(leads) {
            None => self.lead(export, index),
            Some(leader) => {
                self.shares.follow(leader, index);
                self.show_same(leader, index, now);
            }
        }
    }

    fn lead(&mut self, export: Export, index: TicketIndex) {
        self.shares.lead(export, index);
        for follower in self.shares.followers(index).to_vec() {
            self.tickets.change(follower, |slot| slot.leader = Some(index));
        }
    }

    /// Puts the entries of the state file together: of several with one export the one leads that is furthest. One that left
    /// the list joins only where the others show what became of its own ticket.
    pub(super) fn restore_shares(&mut self, now: Now) {
        let progress = |slot: &Slot| {
            let record = &slot.record;
            let generation = record.export.as_deref().map(|export| export.generation);
            let has_outcome = record.file_state().is_some_and(|state| state != FileState::Waiting);
            (record.unlisted_since.is_none(), generation, record.state.is_final(), has_outcome)
        };
        let documents = self.tickets.iter().filter(|(_, slot)| slot.record.export.is_some());
        let mut documents: Vec<_> = documents.map(|(index, slot)| (progress(slot), index)).collect();
        documents.sort_by_key(|(progress, _)| std::cmp::Reverse(*progress));
        for (_, index) in documents {
            if self.shows_the_same(index) {
                self.join(index, now);
            }
        }
    }

    fn shows_the_same(&self, index: TicketIndex) -> bool {
        let Some(slot) = self.tickets.get(index) else { return false };
        let leader = Export::from_record(&slot.record).and_then(|export| self.shares.leader(&export));
        let leader = leader.and_then(|leader| self.tickets.get(leader));
        let is_same =
            |leader: &Slot| leader.record.state.is_final() && leader.record.ticket() == slot.record.ticket();
        slot.record.unlisted_since.is_none() || leader.is_some_and(is_same)
    }

    /// The export that it leads begins anew: those that followed it and left the list since do not wait for that.
    pub(super) fn leave_behind(&mut self, index: TicketIndex, now: Now) {
        let is_gone = |follower: &TicketIndex| {
            self.tickets.get(*follower).is_some_and(|slot| slot.record.unlisted_since.is_some())
        };
        let gone: Vec<_> = self.shares.followers(index).iter().copied().filter(is_gone).collect();
        for follower in gone {
            self.shares.leave(index, follower);
            self.leave_pending(follower, now);
        }
    }

    /// An entry that left the list after its export ended, which begins anew for others.
    fn leave_pending(&mut self, index: TicketIndex, now: Now) {
        self.alter(index, now, |slot| {
            slot.leader = None;
            (slot.record.file, slot.file) = (None, None);
            step::remove(&mut slot.record, now.wall);
        });
        self.decided(index, now);
    }

    /// The export of an entry that left the list is to begin anew: a listed one that follows it takes over, if there is one.
    pub(super) fn hand_on(&mut self, index: TicketIndex, now: Now) -> Option<TicketIndex> {
        let slot = self.tickets.get(index).filter(|slot| slot.record.unlisted_since.is_some())?;
        let export = Export::from_record(&slot.record)?;
        let next = self.listed_follower(index)?;
        self.show_same(index, next, now);
        self.lead(export, next);
        self.take_over(index, next, now);
        self.leave_pending(index, now);
        Some(next)
    }

    fn listed_follower(&self, index: TicketIndex) -> Option<TicketIndex> {
        let is_listed = |follower: &TicketIndex| {
            self.tickets.get(*follower).is_some_and(|slot| slot.record.unlisted_since.is_none())
        };
        self.shares.followers(index).iter().copied().find(is_listed)
    }

    /// Has those that share an export show what its leader shows, where that changed.
    pub(super) fn show_shared(&mut self, now: Now) {
        let changed = self.shares.shared().filter(|(leader, _)| self.file.unsaved.is_dirty(*leader));
        let pairs: Vec<_> = changed
            .flat_map(|(leader, followers)| followers.iter().map(move |follower| (leader, *follower)))
            .collect();
        pairs.into_iter().for_each(|(leader, follower)| self.show_same(leader, follower, now));
    }

    /// What happened to the leader happened to those that share its export.
    pub(super) fn note_for_followers(&mut self, leader: TicketIndex, what: Happening, now: Now) {
        for follower in self.shares.followers(leader) {
            if let Some(slot) = self.tickets.get(*follower) {
                self.file.also(*follower, &slot.record.entry.key, what, now);
            }
        }
    }

    fn show_same(&mut self, leader: TicketIndex, follower: TicketIndex, now: Now) {
        let Some(record) = self.tickets.get(leader).map(|slot| slot.record.clone()) else { return };
        self.alter(follower, now, |slot| {
            follow(&mut slot.record, &record);
            slot.leader = Some(leader);
        });
    }

    /// The entry is about to leave: it shares no export with others any more. If it leads, the next entry takes over, with
    /// what is on its way.
    pub(super) fn part(&mut self, index: TicketIndex, now: Now) {
        let Some(slot) = self.tickets.get(index) else { return };
        if let Some(leader) = slot.leader {
            self.shares.leave(leader, index);
            self.tickets.change(index, |slot| slot.leader = None);
            return;
        }
        let next = self.listed_follower(index).or_else(|| self.shares.followers(index).first().copied());
        if let Some((next, export)) = next.zip(Export::from_record(&slot.record)) {
            self.show_same(index, next, now);
            self.lead(export, next);
            self.take_over(index, next, now);
        }
    }

    fn take_over(&mut self, before: TicketIndex, next: TicketIndex, now: Now) {
        let active = self.active_of(next, now);
        let is_asking = self.tickets.get(before).is_some_and(|slot| slot.is_asking);
        let stamp = self.tickets.next_stamp();
        self.tickets.change(next, |slot| {
            (slot.leader, slot.stamp, slot.clock_mark, slot.is_asking) = (None, stamp, active, is_asking);
        });
        for flight in self.flights.values_mut() {
            if let Call::Create(poll) = &mut flight.call
                && poll.index == before
            {
                (poll.index, poll.stamp) = (next, stamp);
            }
        }
        self.tickets.change(before, |slot| {
            slot.is_asking = false;
            slot.record.export.as_deref_mut().map(|export| export.is_creating = false)
        });
        // Before the row that had all this says no more of it.
        self.file.unsaved.ticket_came(next, now.at);
        self.enqueue_when_due(next, now);
    }

    /// Puts the entry in line for the moment that its record names.
    pub(super) fn enqueue_when_due(&mut self, index: TicketIndex, now: Now) {
        let Some(slot) = self.tickets.get(index) else { return };
        if slot.record.state == TicketState::Pending && !slot.is_asking {
            let due = self.due_of(&slot.record, now);
            self.enqueue(index, due);
        }
    }
}
