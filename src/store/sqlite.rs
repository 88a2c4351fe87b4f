//! The state file as the engine holds it: a handle to the thread that writes.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::sync::oneshot;

use super::lock::Lock;
use super::own_reader::StateReader;
use super::writer::{Commit, Job, Writer};
use super::{Batch, CommitError, Loaded, Retry, RetryId, Store, StoreError, file};

/// The state file, a SQLite database.
///
/// A handle; clones share one file, one lock and one thread, which end with the last of them or with
/// [`SqliteStore::close`]. A commit whose future is dropped is carried out all the same.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    jobs: mpsc::Sender<Job>,
    path: Arc<Path>,
}

impl SqliteStore {
    /// Opens the state file at `path`; file and folder are created where there are none. Blocks while
    /// the file is looked through for damage.
    ///
    /// # Errors
    /// [`StoreError::Held`] if another watcher has it. Any other means that the file can't be used; it
    /// is then as it was.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let path = file::locate(path)?;
        // Before the first look: what another daemon is writing would be judged wrongly, and two that
        // find no file would both create one.
        let lock = Lock::take(&path)?;
        let writer = Writer::new(path.clone(), lock)?;
        let path: Arc<Path> = path.into();
        let (jobs, queue) = mpsc::channel();
        thread::Builder::new()
            .name("state-writer".to_owned())
            .spawn(move || writer.run(&queue))
            .map_err(StoreError::io("start the writer of", &path))?;
        Ok(Self { jobs, path })
    }

    /// Where the file really lies, links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A reader for this process.
    #[must_use]
    pub fn reader(&self) -> StateReader {
        StateReader::new(Arc::clone(&self.path))
    }

    /// Ends the thread after what is queued: moves the write-ahead log into the file, closes it and
    /// frees the lock. Other handles find the store [gone](StoreError::Gone) from then on.
    pub async fn close(self) {
        let (reply, closed) = oneshot::channel();
        if self.jobs.send(Job::Close(reply)).is_ok() {
            // An error says that the thread is gone already, and file and lock with it.
            let _ = closed.await;
        }
    }

    async fn ask_to_commit(&self, batch: Arc<Batch>) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Commit(Commit { batch, reply })).map_err(|_| StoreError::Gone)?;
        answer.await.unwrap_or(Err(StoreError::Gone))
    }
}

impl Store for SqliteStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Load(reply)).map_err(|_| StoreError::Gone)?;
        answer.await.unwrap_or(Err(StoreError::Gone))
    }

    async fn commit(&self, batch: Batch) -> Result<(), Box<CommitError>> {
        let batch = Arc::new(batch);
        match self.ask_to_commit(Arc::clone(&batch)).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let batch = Arc::try_unwrap(batch).unwrap_or_else(|shared| (*shared).clone());
                Err(Box::new(CommitError { batch, error }))
            }
        }
    }

    async fn retries(&self, since: RetryId) -> Result<Vec<Retry>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Retries(since, reply)).map_err(|_| StoreError::Gone)?;
        answer.await.unwrap_or(Err(StoreError::Gone))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Ping(reply)).map_err(|_| StoreError::Gone)?;
        answer.await.map_err(|_| StoreError::Gone)
    }
}

#[cfg(test)]
mod tests;
