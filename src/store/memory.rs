//! A store in memory for tests of the engine: no disk, no thread, and failures on demand.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Batch, CommitError, Loaded, Release, Store, StoreError};
use crate::domain::{TicketKey, TicketRecord};

/// The store. Clones share what they hold, as two processes share a file: a clone that is kept aside
/// serves as the "disk" for the next run.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryStore(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    tickets: BTreeMap<TicketKey, TicketRecord>,
    released: Vec<Release>,
    clean: bool,
    failing: bool,
    batches: Vec<Batch>,
}

impl Default for Inner {
    fn default() -> Self {
        let (tickets, released, batches) = Default::default();
        Self { tickets, released, clean: true, failing: false, batches }
    }
}

impl MemoryStore {
    /// A store that knows this from an earlier run.
    pub(crate) fn with(loaded: Loaded) -> Self {
        let tickets = loaded.tickets.into_iter().map(|ticket| (ticket.key.clone(), ticket)).collect();
        let Loaded { released, clean, .. } = loaded;
        Self(Arc::new(Mutex::new(Inner { tickets, released, clean, ..Inner::default() })))
    }

    /// From now on commits fail as on a full disk, or succeed again.
    pub(crate) fn fail_commits(&self, failing: bool) {
        self.inner().failing = failing;
    }

    /// Every batch that was committed, in order.
    pub(crate) fn batches(&self) -> Vec<Batch> {
        self.inner().batches.clone()
    }

    /// Every ticket as it would be loaded, ordered by key.
    pub(crate) fn tickets(&self) -> Vec<TicketRecord> {
        self.inner().tickets.values().cloned().collect()
    }

    /// One ticket as it would be loaded.
    pub(crate) fn ticket(&self, key: &TicketKey) -> Option<TicketRecord> {
        self.inner().tickets.get(key).cloned()
    }

    /// Whether the last process ended in good order.
    pub(crate) fn is_clean(&self) -> bool {
        self.inner().clean
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn apply(&mut self, batch: Batch) {
        for ticket in &batch.tickets {
            self.tickets.insert(ticket.key.clone(), ticket.clone());
        }
        for key in &batch.forgotten {
            self.tickets.remove(key);
        }
        if let Some(before) = batch.released_before {
            self.released.retain(|release| release.at >= before);
        }
        self.released.extend(batch.released.iter().cloned());
        self.clean = batch.clean_stop;
        self.batches.push(batch);
    }
}

impl Store for MemoryStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        let mut inner = self.inner();
        let clean = std::mem::replace(&mut inner.clean, false);
        let tickets = inner.tickets.values().cloned().collect();
        Ok(Loaded { tickets, released: inner.released.clone(), clean })
    }

    async fn commit(&self, batch: Batch) -> Result<(), Box<CommitError>> {
        let mut inner = self.inner();
        if inner.failing {
            let error = StoreError::Io {
                action: "write",
                path: PathBuf::from("memory"),
                source: io::Error::from(io::ErrorKind::StorageFull),
            };
            return Err(Box::new(CommitError { batch, error }));
        }
        inner.apply(batch);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    /// Promise: the engine's tests see what the state file would do: keep, replace, forget, prune, fail.
    #[tokio::test]
    async fn it_keeps_what_the_file_would_keep() {
        let store = MemoryStore::with(Loaded {
            tickets: vec![testing::fresh("a"), testing::fresh("b")],
            released: vec![testing::release(1)],
            clean: true,
        });
        assert!(store.load().await.unwrap().clean);
        assert!(!store.is_clean());
        store.fail_commits(true);
        let batch = Batch {
            tickets: vec![testing::full("a")],
            forgotten: vec![testing::fresh("b").key],
            released: vec![testing::release(2)],
            released_before: Some(testing::release(2).at),
            clean_stop: true,
        };
        let refused = store.commit(batch).await.unwrap_err();
        assert!(store.batches().is_empty());
        store.fail_commits(false);
        store.commit(refused.batch).await.unwrap();
        assert_eq!(store.tickets(), vec![testing::full("a")]);
        assert_eq!(store.ticket(&testing::fresh("b").key), None);
        assert_eq!(store.batches().len(), 1);
        let loaded = store.load().await.unwrap();
        assert!(loaded.clean);
        assert_eq!(loaded.released, vec![testing::release(2)]);
    }
}
