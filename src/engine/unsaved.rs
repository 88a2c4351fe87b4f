//! What is known but not yet in the state file. Pure bookkeeping; the engine does the writing.
//!
//! The order is the promise: a verdict is committed, together with its row of the outbox, and then announced from
//! there. A crash after either leaves a state from which the next start goes on.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::event::FlightId;
use super::tickets::{TicketIndex, Tickets};
use crate::domain::{EntryKey, WallTime};
use crate::store::{Batch, EventId, EventRow, OutboxRow, Release, RetryId};

/// Poll counters and due times wait at most this long for company.
pub(super) const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Rows of a batch at most: a first list of a hundred thousand tickets, or one that lost as many, must neither
/// be copied at once nor hold up a verdict.
const ROWS_MAX: usize = 4096;

/// Events of apps that wait for the state file at most: apps may be in and out of trouble for as long as it can't be written.
const APP_EVENTS_MAX: usize = 1000;

/// A write that failed is tried again after this long.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What is written at once, on its way into the state file.
#[derive(Clone, Debug)]
struct Decided {
    /// The ticket, whose row goes into the same batch; none for what happened to an app.
    index: Option<TicketIndex>,
    /// What it is.
    what: What,
}

/// What waits for the row of a ticket to be durable.
#[derive(Clone, Debug)]
enum What {
    /// A verdict, with what the log gets, and hooks.
    Verdict(OutboxRow, EventRow),
    /// An event that is no verdict.
    Event(EventRow),
    /// The final name of a whole body.
    Body,
    /// A create that is about to be sent.
    Create(FlightId),
    /// A ticket that a create brought: nothing waits for it, but it must not be lost.
    Ticket,
}

impl Decided {
    const fn row(&self) -> Option<&OutboxRow> {
        if let What::Verdict(row, _) = &self.what { Some(row) } else { None }
    }

    const fn event(&self) -> Option<&EventRow> {
        if let What::Verdict(_, event) | What::Event(event) = &self.what { Some(event) } else { None }
    }
}

/// What became durable with a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Durable {
    /// The last verdict.
    pub last: Option<EventId>,
    /// The last event that a hook takes.
    pub last_for_hooks: Option<EventId>,
    /// Tickets whose bodies may get their final names.
    pub bodies: Vec<TicketIndex>,
    /// Creates that may be sent.
    pub creates: Vec<FlightId>,
}

/// What is not yet in the state file.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    /// Tickets to be written.
    dirty: BTreeSet<TicketIndex>,
    /// Verdicts and events to be written, in the order in which they were found.
    decided: Vec<Decided>,
    dirty_since: Option<Instant>,
    forgotten: Vec<EntryKey>,
    released: Vec<Release>,
    /// Retries up to this one were carried out. Removed from the state file with the last of the rows that are
    /// to be written: a crash before that must find them there.
    retried: Option<RetryId>,
    /// Verdicts in the batch that is being written.
    committing: Option<Vec<Decided>>,
    not_before: Option<Instant>,
    failing: bool,
}

impl Unsaved {
    /// A ticket changed; its row is written with the next batch.
    pub(super) fn changed(&mut self, index: TicketIndex, now: Instant) {
        self.dirty.insert(index);
        self.dirty_since.get_or_insert(now);
    }

    /// Whether the ticket changed since its row was written.
    pub(super) fn is_dirty(&self, index: TicketIndex) -> bool {
        self.dirty.contains(&index)
    }

    /// A ticket got its verdict, which is written at once.
    pub(super) fn decided(&mut self, index: TicketIndex, row: OutboxRow, event: EventRow, now: Instant) {
        self.write_at_once(index, What::Verdict(row, event), now);
    }

    /// Something else happened to a ticket, which is written at once.
    pub(super) fn happened(&mut self, index: TicketIndex, event: EventRow, now: Instant) {
        self.write_at_once(index, What::Event(event), now);
    }

    /// Something happened to an app, which is written at once. What is too much to be kept is dropped.
    pub(super) fn app_event(&mut self, event: EventRow, now: Instant) {
        let waiting = self.decided.iter().filter(|decided| decided.index.is_none()).count();
        if waiting < APP_EVENTS_MAX {
            self.decided.push(Decided { index: None, what: What::Event(event) });
            self.dirty_since.get_or_insert(now);
        }
    }

    fn write_at_once(&mut self, index: TicketIndex, what: What, now: Instant) {
        self.changed(index, now);
        self.decided.push(Decided { index: Some(index), what });
    }

    /// A create is about to be sent: that is written first.
    pub(super) fn create_waits(&mut self, index: TicketIndex, flight: FlightId, now: Instant) {
        self.write_at_once(index, What::Create(flight), now);
    }

    /// A create brought a ticket, which is written at once.
    pub(super) fn ticket_came(&mut self, index: TicketIndex, now: Instant) {
        self.write_at_once(index, What::Ticket, now);
    }

    /// The body of a ticket's file is whole, and its final name is chosen: that is written at once.
    pub(super) fn body_came(&mut self, index: TicketIndex, now: Instant) {
        self.write_at_once(index, What::Body, now);
    }

    /// A ticket is no longer kept.
    pub(super) fn forgotten(&mut self, index: TicketIndex, key: EntryKey, now: Instant) {
        self.dirty.remove(&index);
        self.forgotten.push(key);
        self.dirty_since.get_or_insert(now);
    }

    /// A request ended.
    pub(super) fn released(&mut self, release: Release, now: Instant) {
        self.released.push(release);
        self.dirty_since.get_or_insert(now);
    }

    /// A retry was carried out, or came to nothing.
    pub(super) fn retried(&mut self, retry: RetryId, now: Instant) {
        self.retried = Some(retry);
        self.dirty_since.get_or_insert(now);
    }

    /// Something that is written with every batch changed.
    pub(super) fn touched(&mut self, now: Instant) {
        self.dirty_since.get_or_insert(now);
    }

    /// When the next batch is due; none while one is being written or there is nothing to write.
    #[must_use]
    pub(super) fn commit_due(&self) -> Option<Instant> {
        if self.committing.is_some() {
            return None;
        }
        let since = self.dirty_since?;
        let wanted = if self.decided.is_empty() { since + FLUSH_EVERY } else { since };
        Some(self.not_before.map_or(wanted, |earliest| wanted.max(earliest)))
    }

    /// Puts the next batch together and counts it as being written: verdicts first, then whatever has room.
    pub(super) fn start_commit(
        &mut self,
        tickets: &Tickets,
        released_before: WallTime,
        now: Instant,
    ) -> Batch {
        let mut batch = Batch { released_before: Some(released_before), ..Batch::default() };
        let verdicts = self.next_verdicts();
        batch.outbox = verdicts.iter().filter_map(Decided::row).cloned().collect();
        batch.events = verdicts.iter().filter_map(Decided::event).cloned().collect();
        let rows = self.next_rows(&verdicts).into_iter().filter_map(|index| tickets.get(index));
        batch.tickets = rows.map(|slot| slot.record.clone()).collect();
        // A row goes from the file only with the last of the verdicts, its own among them.
        if self.decided.is_empty() {
            batch.forgotten = std::mem::take(&mut self.forgotten);
        }
        // While the disk is full these pile up; what no budget remembers need not be written at all.
        batch.released = std::mem::take(&mut self.released);
        batch.released.retain(|release| release.at >= released_before);
        batch.retried = self.retried.take_if(|_| self.dirty.is_empty());
        self.committing = Some(verdicts);
        self.dirty_since = (!self.is_written()).then_some(now);
        batch
    }

    /// The next verdicts and events, in their order. The row of a ticket shows its last one, which must not be without its
    /// rows for log and hooks: where one of these tickets has got another verdict since, all go together.
    fn next_verdicts(&mut self) -> Vec<Decided> {
        let (next, later) = self.decided.split_at(self.decided.len().min(ROWS_MAX));
        let next: BTreeSet<_> = next.iter().filter_map(|verdict| verdict.index).collect();
        if later.iter().filter_map(|verdict| verdict.index).any(|index| next.contains(&index)) {
            return std::mem::take(&mut self.decided);
        }
        self.decided.drain(..self.decided.len().min(ROWS_MAX)).collect()
    }

    fn next_rows(&mut self, verdicts: &[Decided]) -> Vec<TicketIndex> {
        let decided = verdicts.iter().filter_map(|verdict| verdict.index);
        // A ticket with two verdicts is written once.
        let mut rows: Vec<_> = decided.filter(|index| self.dirty.remove(index)).collect();
        while rows.len() < ROWS_MAX
            && self.decided.is_empty()
            && let Some(index) = self.dirty.pop_first()
        {
            rows.push(index);
        }
        rows
    }

    /// The batch is durable: its verdicts may be announced now, its bodies be placed and its creates sent.
    pub(super) fn committed(&mut self) -> Durable {
        self.not_before = None;
        let mut durable = Durable::default();
        for Decided { index, what } in self.committing.take().into_iter().flatten() {
            if let What::Verdict(_, event) | What::Event(event) = &what
                && !event.hooks.is_empty()
            {
                durable.last_for_hooks = Some(event.id);
            }
            match what {
                What::Verdict(row, _) => durable.last = Some(row.id),
                What::Body => durable.bodies.extend(index),
                What::Create(flight) => durable.creates.push(flight),
                What::Ticket | What::Event(_) => {}
            }
        }
        durable
    }

    /// The batch was not written: everything in it waits for the next. Says whether that is news.
    pub(super) fn commit_failed(&mut self, batch: Batch, tickets: &Tickets, now: Instant) -> bool {
        let verdicts = self.committing.take().unwrap_or_default();
        // They were decided before anything that was decided meanwhile.
        self.dirty.extend(verdicts.iter().filter_map(|verdict| verdict.index));
        self.decided.splice(..0, verdicts);
        self.dirty.extend(batch.tickets.iter().filter_map(|record| tickets.find(&record.entry.key)));
        self.forgotten.extend(batch.forgotten);
        self.released.extend(batch.released);
        self.retried = self.retried.max(batch.retried);
        self.dirty_since.get_or_insert(now);
        self.not_before = Some(now + TRY_AGAIN);
        !std::mem::replace(&mut self.failing, true)
    }

    /// Writing works. Says whether that is news.
    pub(super) fn works(&mut self) -> bool {
        std::mem::take(&mut self.failing)
    }

    /// Whether writing fails just now.
    #[must_use]
    pub(super) const fn is_failing(&self) -> bool {
        self.failing
    }

    /// Whether nothing is left for another batch.
    pub(super) fn is_written(&self) -> bool {
        self.dirty.is_empty() && self.decided.is_empty()
    }

    /// The writing broke off and the batch is gone: every ticket is written again.
    pub(super) fn commit_lost(&mut self, tickets: &Tickets, now: Instant) {
        self.commit_failed(Batch::default(), tickets, now);
        self.dirty.extend(tickets.iter().map(|(index, _)| index));
    }
}

#[cfg(test)]
mod tests;
