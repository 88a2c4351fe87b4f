//! The thread that owns the database connection. Whatever is queued when it turns to its queue becomes
//! one transaction; nobody is answered before that transaction is durable.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::oneshot;

use super::admission::Host;
use super::door::Door;
use super::lock::Lock;
use super::{Batch, Loaded, Retry, RetryId, StoreError, connect, file, pauses, retries, rows};

/// Batches that share a transaction at most; bounds how long the first of them waits.
const GROUP_MAX: usize = 64;

/// Failures in a row after which the connection is given up and the file opened anew: descriptors into
/// a volume that was away and came back stay broken for ever.
const FAILURES_BEFORE_REOPEN: u32 = 3;

/// What the thread is asked to do.
pub(super) enum Job {
    Load(oneshot::Sender<Result<Loaded, StoreError>>),
    Commit(Commit),
    Retries(RetryId, oneshot::Sender<Result<Vec<Retry>, StoreError>>),
    Ping(oneshot::Sender<()>),
    /// Answered once the file is closed and the lock is free.
    Close(oneshot::Sender<()>),
    #[cfg(test)]
    Run(Box<dyn FnOnce(&mut Writer) + Send>),
}

/// A batch and who waits for it. The one who waits keeps the batch, too, lest a panic here lose it.
pub(super) struct Commit {
    pub(super) batch: Arc<Batch>,
    pub(super) reply: oneshot::Sender<Result<(), StoreError>>,
}

impl Commit {
    fn answer(self, result: Result<(), StoreError>) {
        // Let go of first, so that the other side gets its batch back without copying it.
        drop(self.batch);
        let _ = self.reply.send(result);
    }
}

/// State of the thread. The order of the fields matters: they are dropped in it. Readers of this process are
/// sent away before the file is closed, and it has to be closed before the next daemon may lock it.
pub(super) struct Writer {
    readers: Host,
    pub(super) connection: Option<Connection>,
    path: PathBuf,
    inode: Option<u64>,
    /// What the file says of a clean stop; unknown until loaded.
    clean: Option<bool>,
    failures: u32,
    _lock: Lock,
}

impl Writer {
    pub(super) fn new(path: PathBuf, lock: Lock, readers: Host) -> Result<Self, StoreError> {
        let door = Door::pass(&path)?;
        let connection = Some(connect::open(&path)?);
        drop(door);
        let inode = file::inode(&path)?;
        readers.admit();
        Ok(Self { readers, connection, path, inode, clean: None, failures: 0, _lock: lock })
    }

    /// The number of the file that is written, wherever it is moved to.
    pub(super) fn inode(&self) -> Option<u64> {
        self.inode
    }

    /// Works until told to close, or until nobody is left who could ask for anything.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| jobs.recv().ok()) {
            match job {
                Job::Load(reply) => drop(reply.send(self.load())),
                Job::Commit(first) => {
                    let mut group = vec![first];
                    next = gather(jobs, &mut group);
                    self.commit_group(group);
                }
                // Nobody waits any more where an answer can't be sent.
                Job::Retries(since, reply) => drop(reply.send(self.retries(since))),
                Job::Ping(reply) => drop(reply.send(())),
                Job::Close(reply) => {
                    self.close();
                    drop(self);
                    let _ = reply.send(());
                    return;
                }
                #[cfg(test)]
                Job::Run(act) => act(&mut self),
            }
        }
        self.close();
    }

    /// The mark of a process at work is durable before anything of it is seen.
    fn load(&mut self) -> Result<Loaded, StoreError> {
        let path = self.path.clone();
        let failed = || StoreError::sqlite("write", &path);
        let connection = self.connection()?;
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed())?;
        let loaded = rows::load(&transaction, &path)?;
        rows::set_clean(&transaction, false).map_err(failed())?;
        // Those of the process before this one.
        pauses::write(&transaction, &[]).map_err(failed())?;
        transaction.commit().map_err(failed())?;
        self.clean = Some(false);
        Ok(loaded)
    }

    /// Never opens the file anew: that is for commits, which say when it fails.
    fn retries(&self, since: RetryId) -> Result<Vec<Retry>, StoreError> {
        let path = &self.path;
        let connection =
            self.connection.as_ref().ok_or_else(|| StoreError::NotOpen { path: path.clone() })?;
        retries::read(connection, since, retries::AT_ONCE).map_err(StoreError::reading(path))
    }

    fn commit_group(&mut self, group: Vec<Commit>) {
        if group.len() > 1 {
            let batches: Vec<_> = group.iter().map(|commit| commit.batch.as_ref()).collect();
            if self.commit(&batches).is_ok() {
                group.into_iter().for_each(|commit| commit.answer(Ok(())));
                return;
            }
        }
        // A single one; or together they failed, and each gets its own try and its own error.
        for commit in group {
            let result = self.commit(&[commit.batch.as_ref()]);
            commit.answer(result);
        }
    }

    fn commit(&mut self, batches: &[&Batch]) -> Result<(), StoreError> {
        let result = self.write(batches);
        match &result {
            Ok(()) => self.failures = 0,
            Err(error) => self.note_failure(error),
        }
        result
    }

    /// On an error nothing of the batches is in the file, or at least nothing that a repeat would not
    /// put there again: should a sync fail whose data reached the disk all the same, a crash right after
    /// it would leave them committed, and to write a record twice is to write it once.
    fn write(&mut self, batches: &[&Batch]) -> Result<(), StoreError> {
        let path = self.path.clone();
        let clean = batches.last().is_some_and(|batch| batch.clean_stop);
        let changed = self.clean != Some(clean);
        write_all(self.connection()?, batches, changed.then_some(clean))
            .map_err(StoreError::sqlite("write", &path))?;
        self.clean = Some(clean);
        if clean {
            // Before the answer, after which the process may end at any moment.
            self.close();
        }
        Ok(())
    }

    /// Full and busy disks mend themselves, and SQLite has taken the transaction back. The same
    /// connection then writes the failed transaction's place in the log again, which is what makes a
    /// repeat after a failed sync safe; it is given up only if it keeps failing.
    fn note_failure(&mut self, error: &StoreError) {
        let StoreError::Sqlite { source, .. } = error else { return };
        let passing = [ErrorCode::DiskFull, ErrorCode::DatabaseBusy, ErrorCode::DatabaseLocked];
        if source.sqlite_error_code().is_some_and(|code| passing.contains(&code)) {
            return;
        }
        self.failures += 1;
        if self.failures >= FAILURES_BEFORE_REOPEN {
            self.failures = 0;
            self.readers.turn_away();
            self.connection = None;
        }
    }

    fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        // Commits to a file that has no name any more would be gone with this process.
        if file::inode(&self.path)? != self.inode {
            return Err(StoreError::Moved { path: self.path.clone() });
        }
        if self.connection.is_none() {
            if !self.readers.is_alone() {
                // Told to leave already; the next commit will not meet them.
                return Err(StoreError::NotOpen { path: self.path.clone() });
            }
            let _door = Door::pass(&self.path)?;
            self.connection = Some(connect::reopen(&self.path)?);
            self.readers.admit();
        }
        self.connection.as_mut().ok_or(StoreError::Gone)
    }

    /// Moves the log into the database and closes it, whereupon SQLite deletes the log. A later commit
    /// would open it again. What goes wrong here is nobody's loss: all is durable in the log, and the
    /// next one to open the file finds it there.
    fn close(&mut self) {
        self.readers.turn_away();
        if let Some(connection) = self.connection.take() {
            // Waits for readers, which closing does not; TRUNCATE leaves an empty log even if one stays.
            let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()));
            let _ = connection.close();
        }
    }
}

fn write_all(connection: &mut Connection, batches: &[&Batch], clean: Option<bool>) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for batch in batches {
        rows::write(&transaction, batch)?;
    }
    if let Some(clean) = clean {
        rows::set_clean(&transaction, clean)?;
    }
    transaction.commit()
}

/// Adds the commits that wait in the queue to the group; returns the first job that is none.
fn gather(jobs: &Receiver<Job>, group: &mut Vec<Commit>) -> Option<Job> {
    while group.len() < GROUP_MAX {
        match jobs.try_recv() {
            Ok(Job::Commit(commit)) => group.push(commit),
            Ok(other) => return Some(other),
            Err(_) => break,
        }
    }
    None
}
