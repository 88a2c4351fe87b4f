//! The state file in SQLite.
//!
//! A database with a write-ahead log. One process may write it, and shows that by a lock on a file beside it (`lock`).
//! Within that process one thread has the connection (`writer`); the engine talks to it through [`SqliteStore`] and is
//! answered once its batch is durable. A file that is not ours, not sound or too new is refused before anything could
//! change it (`reader`, `schema`).
//!
//! The log needs memory shared by all processes that use the file, so the file must lie on a disk of this machine
//! (sqlite.org/wal.html): two machines that mount one network share are not kept apart.

mod answer;
mod cells;
mod connect;
mod deliveries;
mod file;
mod history;
mod listing;
mod lock;
mod migrate;
mod outbox;
mod reader;
mod retries;
mod rows;
mod schema;
#[cfg(test)]
pub(super) mod testing;
mod tickets;
mod troubles;
mod writer;

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;

use self::lock::Lock;
use self::reader::{READ, SqliteReader, WRITE};
use self::writer::{Job, Writer};
use super::{
    Batch, CommitError, Deliveries, Delivery, EventId, Loaded, Outbox, OutboxRow, Retry, RetryId, Settled,
    Store, StoreError, StoreErrorKind, StoreReader, StoreRequests,
};
use crate::domain::{HookName, HookStatus, WallTime};

/// The state file, a SQLite database.
///
/// A handle; clones share one file, one lock and one thread, which end with the last of them or with
/// [`SqliteStore::close`]. A commit whose future is dropped is carried out all the same.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    jobs: mpsc::Sender<Job>,
    path: Arc<Path>,
    id: Arc<str>,
}

impl SqliteStore {
    /// Opens the state file at `path`; file and folder are created where there are none. Blocks while
    /// the file is looked through for damage.
    ///
    /// # Errors
    /// [`StoreErrorKind::InUse`] if another watcher has it. Any other means that the file can't be used; it
    /// is then as it was.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::start(path).map_err(|kind| kind.at("open the state file", path))
    }

    fn start(path: &Path) -> Result<Self, StoreErrorKind> {
        let path = file::locate(path)?;
        // Before the first look: what another daemon is writing would be judged wrongly, and two that
        // find no file would both create one.
        let lock = Lock::take(&path)?;
        let writer = Writer::new(path.clone(), lock)?;
        let id = rows::id(&writer.connection)?;
        let path: Arc<Path> = path.into();
        let (jobs, queue) = mpsc::channel();
        let thread = thread::Builder::new().name("state-writer".to_owned());
        let started = thread.spawn(move || writer.run(&queue));
        started.map_err(StoreErrorKind::io("start the writer of"))?;
        Ok(Self { jobs, path, id })
    }

    /// The id of this state file: 16 hexadecimal digits in lower case, drawn when the file was made or brought up to
    /// the version that has it. A copy of the file has the same.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A reader for this process.
    #[must_use]
    pub fn reader(&self) -> Arc<dyn StoreReader> {
        Arc::new(SqliteReader { path: Arc::clone(&self.path), beside_writer: true })
    }

    /// Ends the thread after what is queued: moves the write-ahead log into the file, closes it and
    /// frees the lock. Other handles find the store [gone](StoreErrorKind::Gone) from then on.
    pub async fn close(self) {
        let (closed, is_closed) = oneshot::channel::<()>();
        let _ = self.jobs.send(Box::new(move |writer| writer.close(closed)));
        // Nothing is sent: the sender is dropped with file and lock, or at once where the thread is gone already.
        let _ = is_closed.await;
    }

    /// Has the writer's thread do something. Where it is gone the reply is dropped with the job.
    async fn ask<T: Send + 'static>(
        &self,
        action: &'static str,
        act: impl FnOnce(&mut Writer) -> Result<T, StoreErrorKind> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let _ = self.jobs.send(Box::new(move |writer| drop(reply.send(act(writer)))));
        answer.await.unwrap_or(Err(StoreErrorKind::Gone)).map_err(|kind| kind.at(action, &self.path))
    }
}

impl Store for SqliteStore {
    async fn load(&self) -> Result<Loaded, StoreError> {
        self.ask(WRITE, Writer::load).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), Box<CommitError>> {
        // Kept here, too, lest a panic there lose it.
        let batch = Arc::new(batch);
        let copy = Arc::clone(&batch);
        let written = self.ask(WRITE, move |writer| writer.commit(copy)).await;
        written.map_err(|error| Box::new(CommitError { batch: Arc::unwrap_or_clone(batch), error }))
    }

    async fn retries(&self, since: RetryId) -> Result<Vec<Retry>, StoreError> {
        self.ask(READ, move |writer| writer.retries(since)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.ask(READ, |_| Ok(())).await
    }
}

impl Outbox for SqliteStore {
    async fn rows(
        &self,
        consumer: &'static str,
        after: EventId,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        self.ask(READ, move |writer| Ok(outbox::read(&writer.connection, consumer, after, limit)?)).await
    }

    async fn remove(&self, consumer: &'static str, upto: EventId) -> Result<(), StoreError> {
        self.ask(WRITE, move |writer| Ok(outbox::remove(&writer.connection, consumer, upto)?)).await
    }

    async fn count(&self, consumer: &'static str) -> Result<usize, StoreError> {
        self.ask(READ, move |writer| Ok(outbox::count(&writer.connection, consumer)?)).await
    }
}

impl Deliveries for SqliteStore {
    async fn keep_hooks(&self, hooks: Vec<HookName>) -> Result<Vec<(HookName, usize)>, StoreError> {
        self.ask(WRITE, move |writer| writer.change(|connection| deliveries::keep(connection, &hooks))).await
    }

    async fn due(&self, hook: &HookName, now: WallTime, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        let hook = hook.clone();
        self.ask(READ, move |writer| Ok(deliveries::due(&writer.connection, &hook, now, limit)?)).await
    }

    async fn next_due(&self, hook: &HookName) -> Result<Option<WallTime>, StoreError> {
        let hook = hook.clone();
        self.ask(READ, move |writer| Ok(deliveries::next_due(&writer.connection, &hook)?)).await
    }

    async fn settle(&self, hook: &HookName, tries: Vec<Settled>) -> Result<(), StoreError> {
        let hook = hook.clone();
        let settle = move |connection: &Connection| deliveries::settle(connection, &hook, &tries);
        self.ask(WRITE, |writer| writer.change(settle)).await
    }

    async fn end(&self, hook: &HookName) -> Result<(), StoreError> {
        let hook = hook.clone();
        self.ask(WRITE, |writer| writer.change(move |connection| deliveries::end(connection, &hook))).await
    }

    async fn hook_status(&self, hook: &HookName) -> Result<HookStatus, StoreError> {
        let hook = hook.clone();
        self.ask(READ, move |writer| Ok(deliveries::status(&writer.connection, &hook)?)).await
    }
}

/// The store that lies at `path`, for another process than its watcher's.
#[must_use]
pub fn store_at(path: &Path) -> impl StoreReader + StoreRequests + use<> {
    SqliteReader { path: path.into(), beside_writer: false }
}

#[cfg(test)]
mod tests;
