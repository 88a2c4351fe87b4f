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
use crate::store::{Batch, Loaded, RETRIES_AT_ONCE, Retry, RetryId, StoreError};

/// What the thread is asked to do.
pub(super) enum Job {
    Load(oneshot::Sender<Result<Loaded, StoreError>>),
    /// The one who waits keeps the batch, too, lest a panic here lose it.
    Commit(Arc<Batch>, oneshot::Sender<Result<(), StoreError>>),
    Retries(RetryId, oneshot::Sender<Result<Vec<Retry>, StoreError>>),
    Ping(oneshot::Sender<()>),
    /// Answered once the file is closed and the lock is free.
    Close(oneshot::Sender<()>),
    #[cfg(test)]
    Run(Box<dyn FnOnce(&mut Writer) + Send>),
}

/// State of the thread. The order of the fields matters: they are dropped in it, and the file has to be closed
/// before the next daemon may lock it.
pub(super) struct Writer {
    pub(super) connection: Connection,
    path: PathBuf,
    /// The file that was opened. SQLite goes on with it wherever it is moved.
    file: FileId,
    /// What the file says of a clean stop; unknown until loaded.
    clean: Option<bool>,
    _lock: Lock,
}

impl Writer {
    /// Opens the file, once it is known to be sound and ours; else it is left as it was.
    pub(super) fn new(path: PathBuf, lock: Lock) -> Result<Self, StoreError> {
        reader::read(&path, |connection, _| schema::check(connection, &path))?;
        let connection = connect::open(&path)?;
        let file = file::id(&path)?.ok_or_else(|| StoreError::Moved { path: path.clone() })?;
        Ok(Self { connection, path, file, clean: None, _lock: lock })
    }

    /// Works until told to close, or until nobody is left who could ask for anything.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            // Where an answer can't be sent, its receiver is gone.
            match job {
                Job::Load(reply) => drop(reply.send(self.load())),
                Job::Commit(batch, reply) => {
                    let result = self.commit(&batch);
                    // Let go of first, so that the other side gets its batch back without copying it.
                    drop(batch);
                    let _ = reply.send(result);
                }
                Job::Retries(since, reply) => drop(reply.send(self.retries(since))),
                Job::Ping(reply) => drop(reply.send(())),
                Job::Close(reply) => {
                    self.empty_log();
                    drop(self);
                    let _ = reply.send(());
                    return;
                }
                #[cfg(test)]
                Job::Run(act) => act(&mut self),
            }
        }
    }

    /// The mark of a process at work is durable before anything of it is seen.
    fn load(&mut self) -> Result<Loaded, StoreError> {
        let path = &self.path;
        let failed = || StoreError::sqlite("write", path);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed())?;
        let loaded = rows::load(&transaction, path)?;
        rows::set_clean(&transaction, false).map_err(failed())?;
        // Those of the process before this one.
        troubles::write(&transaction, &[]).map_err(failed())?;
        transaction.commit().map_err(failed())?;
        CrashPoint::StateLoaded.pass();
        self.clean = Some(false);
        Ok(loaded)
    }

    /// Asked for every second, so that a moved file is noticed where there is nothing to commit as well.
    fn retries(&self, since: RetryId) -> Result<Vec<Retry>, StoreError> {
        self.refuse_other_file()?;
        retries::read(&self.connection, since, RETRIES_AT_ONCE).map_err(StoreError::reading(&self.path))
    }

    /// On an error nothing of the batch is in the file, or nothing that a repeat would not put there again:
    /// SQLite has taken the transaction back, and the same connection writes its place in the log anew.
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.refuse_other_file()?;
        let clean = (self.clean != Some(batch.clean_stop)).then_some(batch.clean_stop);
        write(&mut self.connection, batch, clean).map_err(StoreError::sqlite("write", &self.path))?;
        self.clean = Some(batch.clean_stop);
        Ok(())
    }

    /// Moves the log into the database. To close the file does that, too, but not while somebody reads. What goes wrong
    /// here is nobody's loss: the next start finds the log.
    fn empty_log(&self) {
        if self.refuse_other_file().is_ok() {
            let _ = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()));
        }
    }

    /// The next start would not find what is committed to a file that no longer lies at its path.
    fn refuse_other_file(&self) -> Result<(), StoreError> {
        if file::id(&self.path)? == Some(self.file) {
            Ok(())
        } else {
            Err(StoreError::Moved { path: self.path.clone() })
        }
    }
}

fn write(connection: &mut Connection, batch: &Batch, clean: Option<bool>) -> rusqlite::Result<()> {
    CrashPoint::BatchDue.pass();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    rows::write(&transaction, batch)?;
    if let Some(clean) = clean {
        rows::set_clean(&transaction, clean)?;
    }
    CrashPoint::RowsWritten.pass();
    transaction.commit()?;
    CrashPoint::Committed.pass();
    Ok(())
}
