//! The thread that owns the database connection. A batch is one transaction, and is answered once that is durable.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::file::{self, FileId};
use super::lock::Lock;
use super::{connect, reader, retries, rows, schema, troubles};
use crate::crash_points::CrashPoint;
use crate::store::{Batch, Loaded, RETRIES_AT_ONCE, Retry, RetryId, StoreErrorKind};

/// A step for the thread.
pub(super) type Job = Box<dyn FnOnce(&mut Writer) + Send>;

/// State of the thread. The order of the fields matters: they are dropped in it, and the file has to be closed
/// before the next daemon may lock it.
pub(super) struct Writer {
    pub(super) connection: Connection,
    path: PathBuf,
    /// The file that was opened. SQLite goes on with it wherever it is moved.
    file: FileId,
    _lock: Lock,
    /// Set to end the thread; dropped after file and lock.
    closed: Option<oneshot::Sender<()>>,
}

impl Writer {
    /// Opens the file, once it is known to be sound and ours; else it is left as it was.
    pub(super) fn new(path: PathBuf, lock: Lock) -> Result<Self, StoreErrorKind> {
        reader::read(&path, &|connection, _| schema::check(connection))?;
        let connection = connect::open(&path)?;
        let file = file::id(&path)?.ok_or(StoreErrorKind::Moved)?;
        Ok(Self { connection, path, file, _lock: lock, closed: None })
    }

    /// Works until it is [closed](Self::close), or no handle is left.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        while self.closed.is_none()
            && let Ok(job) = jobs.recv()
        {
            job(&mut self);
        }
    }

    /// The mark of a process at work is durable before anything of it is seen.
    pub(super) fn load(&mut self) -> Result<Loaded, StoreErrorKind> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let loaded = rows::load(&transaction)?;
        rows::set_clean(&transaction, false)?;
        // Those of the process before this one.
        troubles::write(&transaction, &[])?;
        transaction.commit()?;
        CrashPoint::StateLoaded.pass();
        Ok(loaded)
    }

    /// Asked for every second, so that a moved file is noticed where there is nothing to commit as well.
    pub(super) fn retries(&self, since: RetryId) -> Result<Vec<Retry>, StoreErrorKind> {
        self.refuse_other_file()?;
        Ok(retries::read(&self.connection, since, RETRIES_AT_ONCE)?)
    }

    /// Drops the batch before it answers, so that it is handed back without a copy. On an error nothing of it is in the
    /// file, or nothing that a repeat would not put there again:
    /// SQLite has taken the transaction back, and the same connection writes its place in the log anew.
    pub(super) fn commit(&mut self, batch: Arc<Batch>) -> Result<(), StoreErrorKind> {
        self.refuse_other_file()?;
        CrashPoint::BatchDue.pass();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        rows::write(&transaction, &batch)?;
        rows::set_clean(&transaction, batch.clean_stop)?;
        CrashPoint::RowsWritten.pass();
        transaction.commit()?;
        CrashPoint::Committed.pass();
        Ok(())
    }

    /// Changes rows outside of a batch, all of them or none.
    pub(super) fn change<T>(
        &mut self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreErrorKind> {
        self.refuse_other_file()?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let changed = change(&transaction)?;
        transaction.commit()?;
        Ok(changed)
    }

    /// Moves the log into the database and ends the thread. To close the file moves the log, too, but not while
    /// another process reads. What goes wrong here loses nothing: the next start finds the log.
    pub(super) fn close(&mut self, closed: oneshot::Sender<()>) {
        if self.refuse_other_file().is_ok() {
            let _ = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()));
        }
        self.closed = Some(closed);
    }

    /// The next start would not find what is committed to a file that no longer lies at its path.
    fn refuse_other_file(&self) -> Result<(), StoreErrorKind> {
        if file::id(&self.path)? == Some(self.file) { Ok(()) } else { Err(StoreErrorKind::Moved) }
    }
}
