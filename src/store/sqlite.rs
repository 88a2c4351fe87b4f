//! The state file in SQLite.
//!
//! A database with a write-ahead log. One process may write it, and shows that by a lock on a file beside it (`lock`).
//! Within that process one thread has the connection (`writer`); the engine talks to it through [`SqliteStore`] and is
//! answered once its batch is durable. A file that is not ours, not sound or too new is refused before anything could
//! change it (`reader`, `schema`).
//!
//! The log needs memory shared by all who use the file, so the file must lie on a disk of this machine
//! (sqlite.org/wal.html): two machines that mount one network share are not kept apart.

mod cells;
mod connect;
mod file;
mod lock;
mod reader;
mod retries;
mod rows;
mod schema;
#[cfg(test)]
mod testing;
mod troubles;
mod writer;

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::sync::oneshot;

use self::lock::Lock;
use self::reader::SqliteReader;
use self::writer::{Job, Writer};
use super::{Batch, CommitError, Loaded, Retry, RetryId, Store, StoreError, StoreReader, StoreRequests};

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
    pub fn reader(&self) -> Arc<dyn StoreReader> {
        Arc::new(SqliteReader::beside_writer(&self.path))
    }

    /// Ends the thread after what is queued: moves the write-ahead log into the file, closes it and
    /// frees the lock. Other handles find the store [gone](StoreError::Gone) from then on.
    pub async fn close(self) {
        // An error says that the thread is gone already, and file and lock with it.
        let _ = self.ask(Job::Close).await;
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(job(reply)).map_err(|_| StoreError::Gone)?;
        answer.await.map_err(|_| StoreError::Gone)
    }
}

impl Store for SqliteStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        self.ask(Job::Load).await?
    }

    async fn commit(&self, batch: Batch) -> Result<(), Box<CommitError>> {
        let batch = Arc::new(batch);
        let asked = self.ask(|reply| Job::Commit(Arc::clone(&batch), reply)).await;
        let failed = |error| Box::new(CommitError { batch: Arc::unwrap_or_clone(batch), error });
        asked.flatten().map_err(failed)
    }

    async fn retries(&self, since: RetryId) -> Result<Vec<Retry>, StoreError> {
        self.ask(|reply| Job::Retries(since, reply)).await?
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.ask(Job::Ping).await
    }
}

/// The store that lies at `path`, for another process than its watcher's.
#[must_use]
pub fn store_at(path: &Path) -> impl StoreReader + StoreRequests + use<> {
    SqliteReader::new(path)
}

#[cfg(test)]
mod tests;
