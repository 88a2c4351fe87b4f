//! The thread that owns the database connection. Whatever is queued when it turns to its queue becomes
//! one transaction; nobody is answered before that transaction is durable.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::oneshot;

use super::admission::Host;
use super::door::Door;
use super::lock::Lock;
use super::open_files::{Change, OpenFiles};
use super::{Batch, Loaded, Retry, RetryId, StoreError, connect, file, retries, rows, troubles};
use crate::crash_points::CrashPoint;

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
    files: OpenFiles,
    /// What the file says of a clean stop; unknown until loaded.
    clean: Option<bool>,
    failures: u32,
    /// The log was lost and saved, which no answer has said yet.
    log_was_saved: bool,
    _lock: Lock,
}

impl Writer {
    pub(super) fn new(path: PathBuf, lock: Lock, readers: Host) -> Result<Self, StoreError> {
        let door = Door::pass(&path)?;
        let connection = Some(connect::open(&path)?);
        let mut files = OpenFiles::of(&path)?;
        files.opened()?;
        drop(door);
        readers.admit(&files);
        let (clean, failures, log_was_saved) = (None, 0, false);
        Ok(Self { readers, connection, path, files, clean, failures, log_was_saved, _lock: lock })
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
        troubles::write(&transaction, &[]).map_err(failed())?;
        transaction.commit().map_err(failed())?;
        CrashPoint::StateLoaded.pass();
        self.clean = Some(false);
        self.files.accept();
        Ok(loaded)
    }

    /// Never opens a broken file anew: that is for commits, which say when it fails. But a watcher that has
    /// nothing to commit notices here that its log is lost.
    fn retries(&mut self, since: RetryId) -> Result<Vec<Retry>, StoreError> {
        self.see_to_files()?;
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
        self.connection()?;
        if self.log_was_saved && !clean {
            // Members of a group are tried one by one before any of them is answered.
            self.log_was_saved = batches.len() > 1;
            return Err(StoreError::LogLost { path, saved: true, source: None });
        }
        let changed = self.clean != Some(clean);
        write_all(self.connection()?, batches, changed.then_some(clean))
            .map_err(StoreError::sqlite("write", &path))?;
        self.clean = Some(clean);
        self.files.accept();
        // They may have been lost meanwhile.
        self.see_to_files()?;
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
            self.files.closed();
        }
    }

    fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        self.see_to_files()?;
        if self.connection.is_none() {
            if !self.readers.is_alone() {
                // Told to leave already; the next commit will not meet them.
                return Err(StoreError::NotOpen { path: self.path.clone() });
            }
            let door = Door::pass(&self.path)?;
            self.open_anew(&door)?;
        }
        self.connection.as_mut().ok_or(StoreError::Gone)
    }

    fn open_anew(&mut self, _door: &Door) -> Result<(), StoreError> {
        let connection = connect::reopen(&self.path)?;
        self.files.opened()?;
        self.connection = Some(connection);
        self.readers.admit(&self.files);
        Ok(())
    }

    /// Commits to files that have no name any more would be gone with this process.
    fn see_to_files(&mut self) -> Result<(), StoreError> {
        let path = self.path.clone();
        let seen = match self.files.look()? {
            Change::None => {
                if self.connection.is_some() {
                    self.readers.admit(&self.files);
                }
                Ok(())
            }
            Change::Moved => Err(StoreError::Moved { path }),
            Change::Shorter => self.accept_shorter(),
            Change::LogLost { savable: false } => {
                Err(StoreError::LogLost { path, saved: false, source: None })
            }
            Change::LogLost { savable: true } => self.save_log(),
        };
        // What the file at the path says, if it is another one.
        seen.inspect_err(|_| self.clean = None)
    }

    /// Somebody may have had SQLite give back space that was free.
    fn accept_shorter(&mut self) -> Result<(), StoreError> {
        let length = file::length(&self.path)?.unwrap_or(0);
        let number = |name| {
            let connection = self.connection.as_ref()?;
            connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).ok()
        };
        let whole = || u64::try_from(number("page_count")?.checked_mul(number("page_size")?)?).ok();
        if length == 0 || whole() != Some(length) {
            return Err(StoreError::Shorter { path: self.path.clone() });
        }
        self.files.accept();
        Ok(())
    }

    /// SQLite still has the log that lost its name: moves it into the database and begins another. Nobody else
    /// begins one meanwhile: watchers are kept out by the lock, visitors by the door.
    fn save_log(&mut self) -> Result<(), StoreError> {
        let lost = |source| StoreError::LogLost { path: self.path.clone(), saved: false, source };
        self.readers.turn_away();
        let door = Door::pass(&self.path)?;
        let is_savable = self.readers.is_alone() && self.files.look()? == Change::LogLost { savable: true };
        let Some(connection) = self.connection.as_ref().filter(|_| is_savable) else {
            return Err(lost(None));
        };
        let is_saved = empty_log(connection);
        self.files.accept();
        if !is_saved.map_err(|error| lost(Some(error)))? {
            return Err(lost(None));
        }
        self.connection = None;
        self.files.closed();
        self.log_was_saved = true;
        self.open_anew(&door)
    }

    /// Moves the log into the database and closes it, whereupon SQLite deletes the log. A later commit
    /// would open it again. What goes wrong here is nobody's loss: all is durable in the log, and the
    /// next one to open the file finds it there.
    fn close(&mut self) {
        self.readers.turn_away();
        let Some(connection) = self.connection.take() else { return };
        let change = self.files.look();
        self.files.closed();
        // What others put in the place of a file is neither written nor deleted.
        let keep_off = matches!(change, Ok(Change::Shorter | Change::LogLost { savable: false }));
        if !keep_off {
            // Waits for readers, which closing does not; TRUNCATE leaves an empty log even if one stays.
            let _ = empty_log(&connection);
        }
        if keep_off || matches!(change, Ok(Change::Moved)) {
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
        let _ = connection.close();
    }
}

/// Moves the whole log into the database; false if somebody who reads or writes stood in the way.
fn empty_log(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| Ok(row.get::<_, i64>(0)? == 0))
}

fn write_all(connection: &mut Connection, batches: &[&Batch], clean: Option<bool>) -> rusqlite::Result<()> {
    CrashPoint::BatchDue.pass();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for batch in batches {
        rows::write(&transaction, batch)?;
    }
    if let Some(clean) = clean {
        rows::set_clean(&transaction, clean)?;
    }
    CrashPoint::RowsWritten.pass();
    transaction.commit()?;
    CrashPoint::Committed.pass();
    Ok(())
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
