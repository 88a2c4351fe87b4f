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
use crate::store::{Batch, EventId, OutboxRow, Release, RetryId};

/// Poll counters and due times wait at most this long for company.
pub(super) const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Rows of a batch at most: a first list of a hundred thousand tickets, or one that lost as many, must neither
/// be copied at once nor hold up a verdict.
const ROWS_MAX: usize = 4096;

/// A write that failed is tried again after this long.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What is written at once, on its way into the state file.
#[derive(Clone, Debug)]
struct Decided {
    /// The ticket, whose row goes into the same batch.
    index: TicketIndex,
    /// What it is.
    what: What,
}

/// What waits for the row of a ticket to be durable.
#[derive(Clone, Debug)]
enum What {
    /// A verdict, with what its consumers get.
    Verdict(OutboxRow),
    /// The final name of a whole body.
    Body,
    /// A create that is about to be sent.
    Create(FlightId),
    /// A ticket that a create brought: nothing waits for it, but it must not be lost.
    Ticket,
}

impl Decided {
    const fn row(&self) -> Option<&OutboxRow> {
        if let What::Verdict(row) = &self.what { Some(row) } else { None }
    }
}

/// What became durable with a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Durable {
    /// The last verdict.
    pub last: Option<EventId>,
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
    /// Verdicts to be written, in the order in which they were found.
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
    pub(super) fn decided(&mut self, index: TicketIndex, row: OutboxRow, now: Instant) {
        self.write_at_once(index, What::Verdict(row), now);
    }

    fn write_at_once(&mut self, index: TicketIndex, what: What, now: Instant) {
        self.changed(index, now);
        self.decided.push(Decided { index, what });
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

    /// The next verdicts, in their order. The row of a ticket shows its last one, which must not be without its row of
    /// the outbox: where one of these tickets has got another verdict since, all go together.
    fn next_verdicts(&mut self) -> Vec<Decided> {
        let (next, later) = self.decided.split_at(self.decided.len().min(ROWS_MAX));
        let next: BTreeSet<_> = next.iter().map(|verdict| verdict.index).collect();
        if later.iter().any(|verdict| next.contains(&verdict.index)) {
            return std::mem::take(&mut self.decided);
        }
        self.decided.drain(..self.decided.len().min(ROWS_MAX)).collect()
    }

    fn next_rows(&mut self, verdicts: &[Decided]) -> Vec<TicketIndex> {
        let decided = verdicts.iter().map(|verdict| verdict.index);
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
            match what {
                What::Verdict(row) => durable.last = Some(row.id),
                What::Body => durable.bodies.push(index),
                What::Create(flight) => durable.creates.push(flight),
                What::Ticket => {}
            }
        }
        durable
    }

    /// The batch was not written: everything in it waits for the next. Says whether that is news.
    pub(super) fn commit_failed(&mut self, batch: Batch, tickets: &Tickets, now: Instant) -> bool {
        let verdicts = self.committing.take().unwrap_or_default();
        // They were decided before anything that was decided meanwhile.
        self.dirty.extend(verdicts.iter().map(|verdict| verdict.index));
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
mod tests {
    use std::path::Path;

    use super::*;
    use crate::domain::{AppName, DocumentToken, EntryId, TicketRecord, TicketState, WatchEntry};

    fn known() -> (Tickets, TicketIndex) {
        let mut tickets = Tickets::new(1);
        let index = insert(&mut tickets, "1");
        (tickets, index)
    }

    fn insert(tickets: &mut Tickets, ticket: &str) -> TicketIndex {
        let key = EntryKey { app: AppName::new("a"), id: EntryId::new(ticket) };
        let source = Path::new("l").into();
        let entry = WatchEntry {
            key,
            token: DocumentToken::parse("doc").unwrap(),
            label: None,
            created_at: None,
            request: None,
            download: true,
            source,
        };
        tickets.insert(TicketRecord::new(entry, WallTime::from_millis(1)), Some(0), Duration::ZERO)
    }

    fn row(id: i64) -> OutboxRow {
        OutboxRow { id: EventId(id), payload: "{}".into() }
    }

    fn decide(unsaved: &mut Unsaved, tickets: &mut Tickets, index: TicketIndex, id: i64) {
        tickets.change(index, |slot| slot.record.state = TicketState::Failed);
        unsaved.decided(index, row(id), Instant::now());
    }

    fn next(unsaved: &mut Unsaved, tickets: &Tickets) -> Batch {
        unsaved.start_commit(tickets, WallTime::from_millis(1), Instant::now())
    }

    #[test]
    fn counters_wait_for_company_and_verdicts_do_not() {
        let (start, (_, index)) = (Instant::now(), known());
        let mut unsaved = Unsaved::default();
        assert_eq!(unsaved.commit_due(), None);
        unsaved.changed(index, start);
        assert_eq!(unsaved.commit_due(), Some(start + FLUSH_EVERY));
        unsaved.decided(index, row(1), start + FLUSH_EVERY / 2);
        assert_eq!(unsaved.commit_due(), Some(start));
    }

    /// Promise 4: nothing is announced that is not committed, and a failed commit loses nothing, not even one whose
    /// task broke off.
    #[test]
    fn a_verdict_is_held_back_until_it_is_durable() {
        let (start, (mut tickets, index)) = (Instant::now(), known());
        let mut unsaved = Unsaved::default();
        decide(&mut unsaved, &mut tickets, index, 1);
        let batch = next(&mut unsaved, &tickets);
        assert_eq!((batch.tickets.len(), &*batch.outbox), (1, &[row(1)][..]));
        assert!(unsaved.commit_failed(batch, &tickets, start), "the first failure is news");
        assert_eq!(unsaved.commit_due(), Some(start + TRY_AGAIN));
        let batch = next(&mut unsaved, &tickets);
        assert!(!unsaved.commit_failed(batch, &tickets, start), "the second is not");
        drop(next(&mut unsaved, &tickets));
        unsaved.commit_lost(&tickets, start);
        let batch = next(&mut unsaved, &tickets);
        assert_eq!((batch.tickets.len(), &*batch.outbox), (1, &[row(1)][..]));
        assert_eq!(unsaved.committed().last, Some(EventId(1)));
        assert!(unsaved.works() && !unsaved.works());
        assert!(unsaved.is_written() && next(&mut unsaved, &tickets).outbox.is_empty());
    }

    #[test]
    fn verdicts_go_before_counters_in_the_order_in_which_they_came() {
        let start = Instant::now();
        let mut tickets = Tickets::new(1);
        let all: Vec<_> =
            (0..ROWS_MAX + 10).map(|number| insert(&mut tickets, &number.to_string())).collect();
        let mut unsaved = Unsaved::default();
        for index in &all {
            unsaved.changed(*index, start);
        }
        decide(&mut unsaved, &mut tickets, all[ROWS_MAX + 5], 1);
        decide(&mut unsaved, &mut tickets, all[3], 2);
        let batch = next(&mut unsaved, &tickets);
        let first: Vec<_> = batch.tickets[..2].iter().map(|row| row.entry.key.id.to_string()).collect();
        assert_eq!(first, [(ROWS_MAX + 5).to_string(), "3".to_owned()]);
        assert_eq!((batch.tickets.len(), batch.outbox), (ROWS_MAX, vec![row(1), row(2)]));
        assert_eq!(unsaved.committed().last, Some(EventId(2)));
        assert!(unsaved.commit_due().is_some() && !unsaved.is_written(), "the rest waits for the next batch");
        assert_eq!(next(&mut unsaved, &tickets).tickets.len(), 10);
        assert!(unsaved.is_written());
    }

    /// Promise 4: a ticket is never durable with a verdict whose row of the outbox is not.
    #[test]
    fn a_ticket_goes_with_the_last_of_its_verdicts() {
        let mut tickets = Tickets::new(1);
        let mut unsaved = Unsaved::default();
        let all: Vec<_> = (0..2 * ROWS_MAX).map(|number| insert(&mut tickets, &number.to_string())).collect();
        for (index, id) in all.iter().zip(1..) {
            decide(&mut unsaved, &mut tickets, *index, id);
        }
        let batch = next(&mut unsaved, &tickets);
        assert_eq!((batch.tickets.len(), batch.outbox.len()), (ROWS_MAX, ROWS_MAX));
        unsaved.commit_failed(batch, &tickets, Instant::now());
        // It was listed anew since.
        decide(&mut unsaved, &mut tickets, all[0], 10_000);
        let batch = next(&mut unsaved, &tickets);
        assert_eq!((batch.tickets.len(), batch.outbox.len()), (2 * ROWS_MAX, 2 * ROWS_MAX + 1));
        assert_eq!(unsaved.committed().last, Some(EventId(10_000)));
    }

    /// Promise 6: a request leaves the state file with the last row that it changed: a crash before that finds it
    /// there. A commit that fails takes it along to the next.
    #[test]
    fn a_request_goes_with_the_last_of_the_rows() {
        let start = Instant::now();
        let mut tickets = Tickets::new(1);
        let mut unsaved = Unsaved::default();
        for number in 0..=ROWS_MAX {
            unsaved.changed(insert(&mut tickets, &number.to_string()), start);
        }
        unsaved.retried(RetryId(7), start);
        let next = |unsaved: &mut Unsaved| unsaved.start_commit(&tickets, WallTime::from_millis(1), start);
        assert_eq!(next(&mut unsaved).retried, None, "a row is left");
        unsaved.committed();
        let last = next(&mut unsaved);
        assert_eq!((last.tickets.len(), last.retried), (1, Some(RetryId(7))));
        unsaved.commit_failed(last, &tickets, start);
        assert_eq!(next(&mut unsaved).retried, Some(RetryId(7)));
        unsaved.committed();
        unsaved.retried(RetryId(8), start);
        assert_eq!(next(&mut unsaved).retried, Some(RetryId(8)));
    }

    /// Promise 4: a ticket that is no longer kept leaves the file only after its verdict has a row of the outbox, however
    /// many verdicts wait before it.
    #[test]
    fn a_forgotten_ticket_waits_for_its_verdict() {
        let start = Instant::now();
        let mut tickets = Tickets::new(1);
        let mut unsaved = Unsaved::default();
        for number in 0..=ROWS_MAX {
            let index = insert(&mut tickets, &number.to_string());
            decide(&mut unsaved, &mut tickets, index, number as i64);
            let key = tickets.get(index).unwrap().record.entry.key.clone();
            unsaved.forgotten(index, key, start);
        }
        let next = |unsaved: &mut Unsaved| {
            let batch = unsaved.start_commit(&tickets, WallTime::from_millis(1), start);
            unsaved.committed();
            (batch.outbox.len(), batch.forgotten.len())
        };
        assert_eq!(next(&mut unsaved), (ROWS_MAX, 0));
        assert!(!unsaved.is_written() && unsaved.commit_due().is_some());
        assert_eq!(next(&mut unsaved), (1, ROWS_MAX + 1));
        assert!(unsaved.is_written());
    }

    #[test]
    fn old_releases_are_not_piled_up() {
        let (start, (tickets, _)) = (Instant::now(), known());
        let release = |millis| Release {
            id: EventId(millis),
            budget: "h/a".into(),
            endpoint: crate::domain::Endpoint::Query,
            at: WallTime::from_millis(millis),
        };
        let mut unsaved = Unsaved::default();
        unsaved.released(release(1), start);
        unsaved.released(release(100), start);
        assert_eq!(unsaved.start_commit(&tickets, WallTime::from_millis(50), start).released, [release(100)]);
    }
}
