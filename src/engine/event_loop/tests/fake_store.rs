//! A state file in memory, which can fail, hang, and forget as a test wants it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::fake_deliveries::Events;
use super::fakes::SECOND;
use crate::domain::*;
use crate::store::*;

/// A state file in memory.
#[derive(Clone, Default)]
pub(super) struct FakeStore(Arc<Mutex<Memory>>);

#[derive(Default)]
pub(super) struct Memory {
    pub(super) rows: HashMap<EntryKey, TicketRecord>,
    pub(super) released: Vec<Release>,
    /// By budget.
    pub(super) tallies: HashMap<String, Tally>,
    pub(super) proven: Vec<BudgetKey>,
    pub(super) troubles: Vec<TroubleRecord>,
    pub(super) retries: Vec<Retry>,
    /// What waits to be announced.
    pub(super) outbox: BTreeMap<EventId, OutboxRow>,
    /// Every verdict that was ever written to the outbox, by entry, state and moment.
    verdicts: HashSet<(String, String, String)>,
    /// Verdicts that a row had and the outbox never did.
    pub(super) lost: Vec<String>,
    /// What waits for hooks, and histories.
    pub(super) events: Events,
    pub(super) dirty: bool,
    pub(super) fails: bool,
    /// The file was moved away.
    pub(super) moved: bool,
    /// How long the next commits take, after which each of them fails.
    pub(super) slow: Vec<Duration>,
    /// How long the next commits take that go well.
    pub(super) late: Vec<Duration>,
    /// Commits that have begun and not ended.
    pub(super) under_way: usize,
    /// When the first batch was made since the last one that is durable, if there is one.
    pub(super) unwritten_since: Option<Instant>,
    /// Commits are durable and are reported as failed.
    pub(super) lies: bool,
    /// Who opened it last: what an earlier process still has under way is lost with it.
    lives: usize,
    pub(super) commits: usize,
    /// When the batches that were written with a pending row of each ticket were made.
    pub(super) pending: HashMap<String, Vec<Instant>>,
    /// Pings are not answered any more.
    pub(super) hangs: bool,
}

impl FakeStore {
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Memory) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    pub(super) fn row(&self, ticket: &str) -> TicketRecord {
        self.with(|kept| kept.rows.values().find(|row| row.entry.key.id.as_str() == ticket).cloned().unwrap())
    }

    pub(super) fn state_of(&self, ticket: &str) -> TicketState {
        self.row(ticket).state
    }

    /// How many verdicts wait to be announced.
    pub(super) fn unannounced(&self) -> usize {
        self.with(|kept| kept.outbox.len())
    }
}

impl Memory {
    /// The entries under which a row's verdicts may be announced: its own, and those that share its export.
    fn announced_as<'a>(&'a self, row: &'a TicketRecord, batch: &'a Batch) -> impl Iterator<Item = String> {
        let object = object_of(row);
        let shares = move |other: &&TicketRecord| object.is_some() && object_of(other) == object;
        let others = self.rows.values().chain(&*batch.tickets).filter(shares);
        [row].into_iter().chain(others).map(|row| row.entry.key.id.to_string())
    }

    /// Promise 4: a ticket's row shows no verdict, and no outcome of its file, that is not in the outbox by then, or was.
    fn take_verdicts(&mut self, batch: &Batch) {
        self.lost.extend(without_event(batch));
        for row in &batch.outbox {
            let verdict: serde_json::Value = serde_json::from_str(&row.payload).unwrap();
            let text = |name: &str| verdict[name].as_str().unwrap_or_default().to_owned();
            let state = if verdict.get("file.state").is_some() { "file.state" } else { "state" };
            // Documents have their entries' ids for labels.
            let id =
                Some(text("label")).filter(|label| label.contains('/')).unwrap_or_else(|| text("ticket"));
            self.verdicts.insert((id, text(state), text("finished_at")));
            self.outbox.entry(row.id).or_insert_with(|| row.clone());
        }
        for row in batch.tickets.iter().filter(|row| row.state.is_final()) {
            let at = row.finished_at.map(|at| at.to_string()).unwrap_or_default();
            let file = row.file_state().filter(|state| *state != FileState::Waiting);
            for state in
                [Some(row.state.to_string()), file.map(|state| state.to_string())].into_iter().flatten()
            {
                let is_known = |id: String| self.verdicts.contains(&(id, state.clone(), at.clone()));
                if !self.announced_as(row, batch).any(is_known) {
                    self.lost.push(format!("{:?} {state} {at}", row.entry.key));
                }
            }
        }
    }
}

/// Verdicts of a batch that are no events in it as well, with the same fields for hooks.
fn without_event(batch: &Batch) -> impl Iterator<Item = String> {
    let is_event = |row: &&OutboxRow| {
        let verdict: serde_json::Value = serde_json::from_str(&row.payload).unwrap();
        // The suite for stores has others.
        let Some(at) = verdict["timestamp"].as_str().map(|at| at.parse().unwrap()) else { return true };
        let is_same = |event: &EventRow| event.event == verdict["event"] && event.at == at;
        let is_delivered = |event: &EventRow| event.hooks.is_empty() || event.payload == row.payload;
        batch.events.iter().any(|event| is_same(event) && is_delivered(event))
    };
    batch.outbox.iter().filter(move |row| !is_event(row)).map(|row| format!("no event of {}", row.payload))
}

fn object_of(row: &TicketRecord) -> Option<&Object> {
    row.export.as_deref()?.object.as_ref()
}

/// A commit that has begun. One that is given up has ended as well.
struct UnderWay<'a>(&'a FakeStore);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.with(|kept| kept.under_way -= 1);
    }
}

pub(super) fn moved() -> StoreError {
    StoreErrorKind::Moved.at("write the state file", Path::new("state.db"))
}

impl Store for FakeStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        Ok(self.with(|kept| {
            kept.lives += 1;
            let clean = !std::mem::replace(&mut kept.dirty, true);
            let mut tickets: Vec<_> = kept.rows.values().cloned().collect();
            tickets.sort_by(|a, b| a.entry.key.cmp(&b.entry.key));
            let tallies = kept.tallies.values().cloned().collect();
            let (released, retries, proven) =
                (kept.released.clone(), kept.retries.clone(), kept.proven.clone());
            Loaded {
                tickets,
                released,
                tallies,
                proven,
                retries,
                unannounced: kept.outbox.len(),
                last_event: kept.outbox.keys().last().copied().unwrap_or_default(),
                last_hook_event: kept.events.last(),
                clean,
            }
        }))
    }

    async fn commit(&self, batch: Batch) -> Result<(), Box<CommitError>> {
        let made = Instant::now();
        let (slow, late, life) = self.with(|kept| (kept.slow.pop(), kept.late.pop(), kept.lives));
        self.with(|kept| {
            kept.under_way += 1;
            kept.unwritten_since.get_or_insert(made);
        });
        let under_way = UnderWay(self);
        tokio::time::sleep(slow.or(late).unwrap_or(SECOND / 100)).await;
        drop(under_way);
        self.with(|kept| {
            let failed = |batch| {
                let (cause, step, source) = (FailureCause::Full, None, "disk full".into());
                let kind = StoreErrorKind::Failed { cause, step, source };
                let error = kind.at("write the state file", Path::new("state.db"));
                Err(Box::new(CommitError { batch, error }))
            };
            if kept.moved {
                return Err(Box::new(CommitError { batch, error: moved() }));
            }
            if kept.fails || slow.is_some() || kept.lives != life {
                return failed(batch);
            }
            let unknown = kept.lies.then(|| batch.clone());
            kept.commits += 1;
            kept.unwritten_since = None;
            for row in batch.tickets.iter().filter(|row| row.state == TicketState::Pending) {
                kept.pending.entry(row.entry.key.id.to_string()).or_default().push(made);
            }
            kept.take_verdicts(&batch);
            kept.rows.retain(|key, _| !batch.forgotten.contains(key));
            kept.events.histories.retain(|key, _| !batch.forgotten.contains(key));
            kept.rows.extend(batch.tickets.into_iter().map(|record| (record.entry.key.clone(), record)));
            kept.events.take(&batch.events, |key| kept.rows.contains_key(key));
            kept.released.retain(|old| batch.released_before.is_none_or(|before| old.at >= before));
            kept.released.retain(|old| batch.released.iter().all(|new| new.id != old.id));
            kept.released.extend(batch.released);
            kept.tallies
                .extend(batch.tallies.into_iter().map(|tally| (tally.budget.as_str().to_owned(), tally)));
            kept.proven.retain(|old| !batch.proven.contains(old));
            kept.proven.extend(batch.proven);
            kept.troubles = batch.troubles.unwrap_or_else(|| std::mem::take(&mut kept.troubles));
            kept.retries.retain(|retry| batch.retried.is_none_or(|last| retry.id > last));
            kept.dirty = !batch.clean_stop;
            unknown.map_or(Ok(()), failed)
        })
    }

    async fn retries(&self, since: RetryId) -> Result<Vec<Retry>, StoreError> {
        self.with(|kept| {
            let after = kept.retries.iter().filter(|retry| retry.id > since).cloned();
            if kept.moved { Err(moved()) } else { Ok(after.collect()) }
        })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        if self.with(|kept| kept.hangs) {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

impl Outbox for FakeStore {
    async fn rows(&self, _: &str, after: EventId, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
        Ok(self.with(|kept| {
            let later = kept.outbox.values().filter(|row| row.id > after);
            later.take(limit).cloned().collect()
        }))
    }

    async fn remove(&self, _: &str, upto: EventId) -> Result<(), StoreError> {
        self.with(|kept| {
            if kept.fails {
                return Err(moved());
            }
            kept.outbox.retain(|id, _| *id > upto);
            Ok(())
        })
    }

    async fn count(&self, _: &str) -> Result<usize, StoreError> {
        Ok(self.unannounced())
    }
}

/// Promise: the stand-in does what every store has to do.
#[tokio::test(start_paused = true)]
async fn the_store_in_memory_conforms() {
    tests::keeps_what_it_is_given(&FakeStore::default()).await;
    tests::notices_a_commit_after_a_clean_stop(&FakeStore::default()).await;
    tests::keeps_verdicts_until_they_are_taken(&FakeStore::default()).await;
    tests::keeps_events_until_hooks_took_them(&FakeStore::default()).await;
    tests::keeps_the_rows_of_its_hooks(&FakeStore::default()).await;
}
