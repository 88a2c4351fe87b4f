//! What is known but not yet safe: tickets to be written, verdicts to be announced. Pure bookkeeping;
//! the engine does the writing.
//!
//! The order is the promise: a verdict is committed, then logged, then marked as announced. A crash
//! after any of these steps leaves a state from which the next start takes the next step.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::tickets::{TicketIndex, Tickets};
use crate::domain::{TicketKey, TicketRecord, WallTime};
use crate::store::{Batch, Release, RetryId};

/// Poll counters and due times wait at most this long for company.
pub(super) const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Rows of a batch at most: a first list of a hundred thousand tickets, or one that lost as many, must neither
/// be copied at once nor hold up a verdict.
const ROWS_MAX: usize = 4096;

/// A write that failed is tried again after this long.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// A verdict on its way into state file and log.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    /// The ticket …
    pub index: TicketIndex,
    /// … and its stamp when it got the verdict: a later one makes the mark void.
    pub stamp: u64,
    /// What is announced. A copy, since the ticket may be listed anew meanwhile.
    pub record: TicketRecord,
}

/// What is not yet safe.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    /// Tickets to be written.
    dirty: BTreeSet<TicketIndex>,
    /// Those of them that got their verdict, in the order in which they got it.
    decided: Vec<TicketIndex>,
    dirty_since: Option<Instant>,
    forgotten: Vec<TicketKey>,
    released: Vec<Release>,
    /// Retries up to this one were carried out. Removed from the state file with the last of the rows that are
    /// to be written: a crash before that must find them there.
    retried: Option<RetryId>,
    /// Verdicts in the batch that is being written.
    committing: Option<Vec<Verdict>>,
    /// Verdicts that were logged and wait for the log's word that the lines are safe.
    logged: Vec<Verdict>,
    /// Verdicts about whose lines the log is being asked.
    settling: Option<Vec<Verdict>>,
    not_before: Option<Instant>,
    settle_not_before: Option<Instant>,
    failing: bool,
}

impl Unsaved {
    /// A ticket changed; its row is written with the next batch.
    pub(super) fn changed(&mut self, index: TicketIndex, now: Instant) {
        self.dirty.insert(index);
        self.dirty_since.get_or_insert(now);
    }

    /// A ticket got its verdict; its row is written at once.
    pub(super) fn decided(&mut self, index: TicketIndex, now: Instant) {
        self.changed(index, now);
        self.decided.push(index);
    }

    /// A ticket is no longer kept.
    pub(super) fn forgotten(&mut self, index: TicketIndex, key: TicketKey, now: Instant) {
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
        let mut verdicts = Vec::new();
        for index in self.next_rows() {
            let Some(slot) = tickets.get(index) else { continue };
            if slot.record.state.is_final() && !slot.record.announced {
                verdicts.push(Verdict { index, stamp: slot.stamp, record: slot.record.clone() });
            }
            batch.tickets.push(slot.record.clone());
        }
        batch.forgotten = std::mem::take(&mut self.forgotten);
        // While the disk is full these pile up; what no budget remembers need not be written at all.
        batch.released = std::mem::take(&mut self.released);
        batch.released.retain(|release| release.at >= released_before);
        batch.retried = self.retried.take_if(|_| self.dirty.is_empty());
        self.committing = Some(verdicts);
        self.dirty_since = (!self.dirty.is_empty()).then_some(now);
        batch
    }

    fn next_rows(&mut self) -> Vec<TicketIndex> {
        let decided = self.decided.drain(..self.decided.len().min(ROWS_MAX));
        // A ticket that was decided twice, as when it was listed anew in between, is written once.
        let mut rows: Vec<_> = decided.filter(|index| self.dirty.remove(index)).collect();
        while rows.len() < ROWS_MAX
            && let Some(index) = self.dirty.pop_first()
        {
            rows.push(index);
        }
        rows
    }

    /// The batch is durable: its verdicts may be announced now.
    pub(super) fn committed(&mut self) -> Vec<Verdict> {
        self.not_before = None;
        self.committing.take().unwrap_or_default()
    }

    /// The batch was not written: everything in it waits for the next. Says whether that is news.
    pub(super) fn commit_failed(&mut self, batch: Batch, tickets: &Tickets, now: Instant) -> bool {
        let verdicts = self.committing.take().unwrap_or_default();
        // They were decided before anything that was decided meanwhile.
        self.decided.splice(..0, verdicts.iter().map(|verdict| verdict.index));
        self.dirty.extend(batch.tickets.iter().filter_map(|record| tickets.find(&record.key)));
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

    /// Verdicts were logged.
    pub(super) fn logged(&mut self, verdicts: Vec<Verdict>) {
        self.logged.extend(verdicts);
    }

    /// When the log is to be asked whether the lines are safe; none while it is being asked or nothing
    /// waits for it.
    #[must_use]
    pub(super) fn settle_due(&self, now: Instant) -> Option<Instant> {
        let idle = self.settling.is_none() && !self.logged.is_empty();
        idle.then(|| self.settle_not_before.map_or(now, |earliest| earliest.max(now)))
    }

    /// The log is being asked about all lines so far.
    pub(super) fn start_settle(&mut self) {
        self.settling = Some(std::mem::take(&mut self.logged));
    }

    /// The log answered: these lines are safe, so their tickets may be marked.
    pub(super) fn settled(&mut self) -> Vec<Verdict> {
        self.settle_not_before = None;
        self.settling.take().unwrap_or_default()
    }

    /// The log could not write: ask again later.
    pub(super) fn settle_failed(&mut self, now: Instant) {
        self.logged.extend(self.settling.take().unwrap_or_default());
        self.settle_not_before = Some(now + TRY_AGAIN);
    }

    /// Verdicts that are not yet committed and safely logged, as far as they are in the books.
    #[must_use]
    pub(super) fn unannounced(&self) -> usize {
        let count = |verdicts: &Option<Vec<Verdict>>| verdicts.as_ref().map_or(0, Vec::len);
        count(&self.committing) + self.logged.len() + count(&self.settling)
    }

    /// Whether every verdict is committed and safely logged. Counters and marks may still wait.
    #[must_use]
    pub(super) fn is_announced(&self) -> bool {
        self.decided.is_empty()
            && self.committing.is_none()
            && self.logged.is_empty()
            && self.settling.is_none()
    }

    /// Whether nothing is left for another batch.
    pub(super) fn is_written(&self) -> bool {
        self.dirty.is_empty()
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
    use crate::domain::{AppName, DocumentToken, TicketId, TicketState, WatchEntry};
    use crate::store::ReleaseId;

    fn known() -> (Tickets, TicketIndex) {
        let mut tickets = Tickets::new(1);
        let index = insert(&mut tickets, "1");
        (tickets, index)
    }

    fn insert(tickets: &mut Tickets, ticket: &str) -> TicketIndex {
        let key = TicketKey { app: AppName::new("a"), ticket: TicketId::new(ticket) };
        let source = Path::new("l").into();
        let entry = WatchEntry {
            key,
            token: DocumentToken::parse("doc").unwrap(),
            label: None,
            created_at: None,
            request: None,
            source,
        };
        tickets.insert(TicketRecord::new(entry, WallTime::from_millis(1)), Some(0), Duration::ZERO)
    }

    fn decide(tickets: &mut Tickets, index: TicketIndex) {
        tickets.change(index, |slot| slot.record.state = TicketState::Failed);
    }

    #[test]
    fn counters_wait_for_company_and_verdicts_do_not() {
        let (start, (_, index)) = (Instant::now(), known());
        let mut unsaved = Unsaved::default();
        assert_eq!(unsaved.commit_due(), None);
        unsaved.changed(index, start);
        assert_eq!(unsaved.commit_due(), Some(start + FLUSH_EVERY));
        unsaved.decided(index, start + FLUSH_EVERY / 2);
        assert_eq!(unsaved.commit_due(), Some(start));
    }

    /// Promise 4: nothing is announced that is not committed, and a failed commit loses nothing.
    #[test]
    fn a_verdict_is_held_back_until_it_is_durable() {
        let (start, (mut tickets, index)) = (Instant::now(), known());
        let mut unsaved = Unsaved::default();
        decide(&mut tickets, index);
        unsaved.decided(index, start);
        let batch = unsaved.start_commit(&tickets, WallTime::from_millis(1), start);
        assert_eq!(batch.tickets.len(), 1);
        assert!(unsaved.commit_failed(batch, &tickets, start), "the first failure is news");
        assert_eq!(unsaved.commit_due(), Some(start + TRY_AGAIN));
        let batch = unsaved.start_commit(&tickets, WallTime::from_millis(1), start);
        assert!(!unsaved.commit_failed(batch, &tickets, start), "the second is not");
        unsaved.start_commit(&tickets, WallTime::from_millis(1), start);
        assert_eq!(unsaved.committed().len(), 1);
        assert!(unsaved.works() && !unsaved.works());
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
        for index in [all[ROWS_MAX + 5], all[3]] {
            decide(&mut tickets, index);
            unsaved.decided(index, start);
        }
        let batch = unsaved.start_commit(&tickets, WallTime::from_millis(1), start);
        let first: Vec<_> = batch.tickets[..2].iter().map(|row| row.key.ticket.to_string()).collect();
        assert_eq!(first, [(ROWS_MAX + 5).to_string(), "3".to_owned()]);
        assert_eq!(batch.tickets.len(), ROWS_MAX);
        assert_eq!(unsaved.committed().len(), 2);
        assert!(unsaved.commit_due().is_some() && !unsaved.is_written(), "the rest waits for the next batch");
        assert_eq!(unsaved.start_commit(&tickets, WallTime::from_millis(1), start).tickets.len(), 10);
        assert!(unsaved.is_written());
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

    #[test]
    fn what_is_announced_is_not_announced_again() {
        let (start, (mut tickets, index)) = (Instant::now(), known());
        decide(&mut tickets, index);
        tickets.change(index, |slot| slot.record.announced = true);
        let mut unsaved = Unsaved::default();
        unsaved.changed(index, start);
        assert_eq!(unsaved.start_commit(&tickets, WallTime::from_millis(1), start).tickets.len(), 1);
        assert!(unsaved.committed().is_empty());
    }

    #[test]
    fn the_log_is_asked_again_until_the_lines_are_safe() {
        let (start, (mut tickets, index)) = (Instant::now(), known());
        decide(&mut tickets, index);
        let mut unsaved = Unsaved::default();
        unsaved.decided(index, start);
        unsaved.start_commit(&tickets, WallTime::from_millis(1), start);
        let verdicts = unsaved.committed();
        unsaved.logged(verdicts);
        assert_eq!(unsaved.settle_due(start), Some(start));
        unsaved.start_settle();
        assert_eq!(unsaved.settle_due(start), None);
        assert!(!unsaved.is_announced());
        unsaved.settle_failed(start);
        assert_eq!(unsaved.settle_due(start), Some(start + TRY_AGAIN));
        unsaved.start_settle();
        assert_eq!(unsaved.settled().len(), 1);
        assert!(unsaved.is_announced());
    }

    #[test]
    fn old_releases_are_not_piled_up() {
        let (start, (tickets, _)) = (Instant::now(), known());
        let release = |millis| Release {
            id: ReleaseId(millis),
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
