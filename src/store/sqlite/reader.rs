//! Reading the state file beside the watcher's writer or without being the watcher: while it runs, after it stopped,
//! after it died, from a read-only mount. Takes no lock and changes nothing of what is known.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use super::connect::{self, ReadOnly};
use super::schema;
use super::{deliveries, file, history, listing, lock, retries, tickets, troubles};
use crate::domain::{EntryKey, FileState, HookName, HookStatus, TicketRecord, TicketState};
use crate::store::{
    HistoryRow, Holder, Known, Listed, Listing, RetryId, StoreError, StoreErrorKind, StoreReader,
    StoreRequests,
};

/// The action that failed, for errors.
pub(super) const READ: &str = "read the state file";
pub(super) const WRITE: &str = "write the state file";

/// How long a reading is tried that collides with a watcher's start or stop; each takes milliseconds.
const TRY_FOR: Duration = Duration::from_secs(1);
const TRY_EVERY: Duration = Duration::from_millis(50);

/// The schema version that brought the table of apps in trouble.
const FIRST_WITH_TROUBLES: i64 = 4;

/// The schema version that brought the columns of files.
const FIRST_WITH_FILES: i64 = 6;

/// The schema version that brought the tables of hooks and histories.
const FIRST_WITH_HOOKS: i64 = 8;

/// Bytes of a write-ahead log's header, which says nothing by itself (sqlite.org/walformat.html, section 2.1).
const LOG_HEADER: u64 = 32;

/// Takes something from one snapshot of a database of this schema version.
type Take<'a, T> = &'a dyn Fn(&Connection, i64) -> Result<T, StoreErrorKind>;

/// Reads a state file.
#[derive(Debug)]
pub(super) struct SqliteReader {
    pub(super) path: Arc<Path>,
    /// Whether the writer is in this process. SQLite alone opens the file there: to open and close it in any other way,
    /// as one without a log, would drop the locks that SQLite holds (sqlite.org/howtocorrupt.html, 2.2).
    pub(super) beside_writer: bool,
}

impl SqliteReader {
    fn read<T>(&self, take: Take<'_, T>) -> Result<Option<T>, StoreError> {
        let path = &self.path;
        let read = if self.beside_writer { read_by(path, ReadOnly::WithLog, take) } else { read(path, take) };
        read.map_err(|kind| kind.at(READ, path))
    }
}

impl StoreReader for SqliteReader {
    fn known(&self) -> Result<Option<Known>, StoreError> {
        self.read(&|connection, version| {
            let tickets = tickets::page(connection, None, usize::MAX)?;
            let has_troubles = version >= FIRST_WITH_TROUBLES;
            let troubles = if has_troubles { troubles::read(connection)? } else { Vec::new() };
            Ok(Known { tickets, troubles })
        })
    }

    fn counts(&self) -> Result<Vec<(TicketState, usize)>, StoreError> {
        let counts = self.read(&|connection, _| Ok(tickets::counts(connection)?))?;
        Ok(counts.unwrap_or_default())
    }

    fn file_counts(&self) -> Result<Vec<(FileState, usize)>, StoreError> {
        let counts = self.read(&|connection, version| {
            let has_files = version >= FIRST_WITH_FILES;
            Ok(if has_files { tickets::file_counts(connection)? } else { Vec::new() })
        })?;
        Ok(counts.unwrap_or_default())
    }

    fn tickets_after(&self, after: Option<&EntryKey>, limit: usize) -> Result<Vec<TicketRecord>, StoreError> {
        let page = self.read(&|connection, _| tickets::page(connection, after, limit))?;
        Ok(page.unwrap_or_default())
    }

    fn hooks(&self) -> Result<Vec<HookStatus>, StoreError> {
        let hooks = self.read(&|connection, version| {
            let has_hooks = version >= FIRST_WITH_HOOKS;
            Ok(if has_hooks { deliveries::all_status(connection)? } else { Vec::new() })
        })?;
        Ok(hooks.unwrap_or_default())
    }

    fn history(&self, key: &EntryKey) -> Result<Vec<HistoryRow>, StoreError> {
        let rows = self.read(&|connection, version| {
            let has_history = version >= FIRST_WITH_HOOKS;
            Ok(if has_history { history::read(connection, key)? } else { Vec::new() })
        })?;
        Ok(rows.unwrap_or_default())
    }

    fn list(&self, listings: &[Listing]) -> Result<Vec<Listed>, StoreError> {
        let listed = self.read(&|connection, version| match version {
            schema::VERSION => listing::read(connection, listings),
            // A query that sorts and selects by columns can't do without them.
            _ => Err(StoreErrorKind::NotOpened),
        })?;
        Ok(listed.unwrap_or_else(|| vec![Listed::default(); listings.len()]))
    }

    fn ticket(&self, key: &EntryKey) -> Result<Option<TicketRecord>, StoreError> {
        let which = "WHERE app = ? AND ticket = ?";
        let key = (key.app.as_str(), key.id.as_str());
        let found = self.read(&|connection, _| tickets::select(connection, which, key))?;
        Ok(found.and_then(|mut found| found.pop()))
    }

    fn holder(&self) -> Result<Option<Holder>, StoreError> {
        lock::holder(&self.path).map_err(|kind| kind.at(READ, &self.path))
    }
}

impl StoreRequests for SqliteReader {
    fn ask_to_retry(&self, keys: &[EntryKey]) -> Result<RetryId, StoreError> {
        ask(&self.path, keys).map_err(|kind| kind.at(WRITE, &self.path))
    }

    fn send_again(&self, hook: &HookName) -> Result<usize, StoreError> {
        let sent = leave(&self.path, |connection| deliveries::send_again(connection, hook));
        sent.map_err(|kind| kind.at(WRITE, &self.path))
    }

    fn is_waiting(&self, retry: RetryId) -> Result<bool, StoreError> {
        let waiting = self.read(&|connection, _| Ok(retries::is_waiting(connection, retry)?))?;
        Ok(waiting.unwrap_or(false))
    }
}

/// Leaves requests for these tickets, and returns the last of them.
///
/// # Errors
/// As [`leave`].
pub(super) fn ask(path: &Path, keys: &[EntryKey]) -> Result<RetryId, StoreErrorKind> {
    leave(path, |connection| retries::write(connection, keys))
}

/// Writes something beside the watcher, in a transaction of its own.
///
/// # Errors
/// [`StoreErrorKind::NotOpened`] if no watcher of this version has used the file; or it can't be written.
fn leave<T>(
    path: &Path,
    write: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, StoreErrorKind> {
    let path = file::find(path)?.ok_or(StoreErrorKind::NotOpened)?;
    let mut connection = connect::open_for_writing(&path)?;
    // To upgrade a file of an earlier version is the watcher's affair.
    if schema::recognise(&connection)? != schema::VERSION {
        return Err(StoreErrorKind::NotOpened);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let written = write(&transaction)?;
    transaction.commit()?;
    Ok(written)
}

/// Reads something from one snapshot of the file, given its schema version; none where there is no state yet: no
/// file, an empty one, or a database without tables.
///
/// # Errors
/// The file can't be read, or not truthfully: a log without an index where none can be made.
pub(super) fn read<T>(path: &Path, take: Take<'_, T>) -> Result<Option<T>, StoreErrorKind> {
    let Some(path) = file::find(path)? else { return Ok(None) };
    let until = Instant::now() + TRY_FOR;
    loop {
        match read_once(&path, take) {
            Err(StoreErrorKind::Unsettled | StoreErrorKind::Failed { .. }) if Instant::now() < until => {
                thread::sleep(TRY_EVERY);
            }
            result => return result,
        }
    }
}

fn read_once<T>(path: &Path, take: Take<'_, T>) -> Result<Option<T>, StoreErrorKind> {
    let before = file::fingerprint(path);
    let [length, log_length, _] = before.map(|file| file.map_or(0, |(_, length, ..)| length));
    if length == 0 {
        return Ok(None);
    }
    // Without a log it was closed in good order, or nothing was committed since the log was last emptied. To read it
    // all the same as one with a log would create one.
    let how = if log_length > LOG_HEADER { ReadOnly::WithLog } else { ReadOnly::Immutable };
    let result = read_by(path, how, take);
    // Without locks a writer goes unnoticed, and pages from before and after its work make nonsense,
    // whether that showed as an error or not. A process that opens the file creates its log, and one that
    // closes it after writing has changed it.
    if how == ReadOnly::Immutable && file::fingerprint(path) != before {
        return Err(StoreErrorKind::Unsettled);
    }
    result
}

fn read_by<T>(path: &Path, how: ReadOnly, take: Take<'_, T>) -> Result<Option<T>, StoreErrorKind> {
    let connection = connect::read_only(path, how)?;
    // One snapshot for the look at the version and for the rows.
    let snapshot = connection.unchecked_transaction()?;
    match schema::recognise(&snapshot)? {
        0 => Ok(None),
        version => take(&snapshot, version).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;
    use std::io::Write as _;
    use std::time::SystemTime;

    use super::super::testing::{self, read_only};
    use super::*;
    use crate::store::{SqliteStore, Store as _};

    fn names(path: &Path) -> Vec<String> {
        let known = read_only(path).unwrap().unwrap();
        known.tickets.iter().map(|ticket| ticket.entry.key.id.as_str().to_owned()).collect()
    }

    /// A store in use: one ticket in the file itself, a second one only in the log.
    async fn running(path: &Path) -> SqliteStore {
        let store = SqliteStore::open(path).unwrap();
        store.commit(testing::batch([testing::full("a")])).await.unwrap();
        store.close().await;
        let store = SqliteStore::open(path).unwrap();
        store.commit(testing::batch([testing::full("b")])).await.unwrap();
        store
    }

    /// Promise: no state yet is no error.
    #[test]
    fn no_state_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        assert!(read_only(&folder.path().join("no/such/state.db")).unwrap().is_none());
        assert!(read_only(&path).unwrap().is_none());
        fs::write(&path, "").unwrap();
        assert!(read_only(&path).unwrap().is_none());
        Connection::open(&path).unwrap().execute_batch("PRAGMA journal_mode = WAL; VACUUM").unwrap();
        assert!(fs::metadata(&path).unwrap().len() > 0);
        assert!(read_only(&path).unwrap().is_none());
    }

    /// Promise: running, stopped or crashed, the last commit is seen, and nothing is left or changed.
    #[tokio::test]
    async fn reading_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("odd %41?#.db");
        let store = running(&path).await;
        let (crashed, after_crash) = testing::crash(&path, &["", "-wal", "-shm"]);
        for (folder, path) in [(folder.path(), &path), (crashed.path(), &after_crash)] {
            let before = testing::contents(folder);
            assert_eq!(names(path), ["a", "b"]);
            let after = testing::contents(folder);
            assert!(before.keys().eq(after.keys()));
            // A reader makes the index of a log, so it says nothing.
            let is_index = |path: &Path| path.extension().is_some_and(|extension| extension == "db-shm");
            assert!(before.iter().all(|(path, bytes)| is_index(path) || after[path] == *bytes));
        }
        store.close().await;
        let before = testing::contents(folder.path());
        assert_eq!(before.len(), 1);
        assert_eq!(names(&path), ["a", "b"]);
        assert!(testing::contents(folder.path()) == before);
    }

    /// Promise: a log that was cut down to its header, or less, or hardly more, holds up no reader
    /// and not the next watcher.
    #[tokio::test]
    async fn a_log_of_hardly_anything_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = running(&folder.path().join("state.db")).await;
        for length in [0, 1, 31, 32, 33, 100] {
            for suffixes in [&["", "-wal", "-shm"][..], &["", "-wal"]] {
                let (_crashed, path) = testing::crash(store.path(), suffixes);
                let log = fs::OpenOptions::new().write(true).open(file::beside(&path, "-wal")).unwrap();
                log.set_len(length).unwrap();
                assert_eq!(names(&path), ["a"], "{length} {suffixes:?}");
                let opened = SqliteStore::open(&path).unwrap();
                assert_eq!(opened.load().await.unwrap().tickets.len(), 1, "{length} {suffixes:?}");
                opened.close().await;
                assert_eq!(names(&path), ["a"]);
            }
        }
    }

    /// Promise: what only the log holds is read also where its index is gone.
    #[tokio::test]
    async fn a_log_without_its_index_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let store = running(&folder.path().join("state.db")).await;
        let (_crashed, path) = testing::crash(store.path(), &["", "-wal"]);
        assert_eq!(names(&path), ["a", "b"]);
        SqliteStore::open(&path).unwrap().close().await;
        assert_eq!(names(&path), ["a", "b"]);
    }

    /// Promise: what was read without locks beside a process that wrote is read once more.
    #[tokio::test]
    async fn a_file_that_changes_meanwhile_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        SqliteStore::open(&path).unwrap().close().await;
        // Times are coarser than a test.
        fs::File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let readings = Cell::new(0);
        let read = read(&path, &|_, _| {
            readings.set(readings.get() + 1);
            if readings.get() == 1 { ask(&path, &[testing::fresh("a").entry.key]).map(drop) } else { Ok(()) }
        });
        assert!(read.unwrap().is_some() && readings.get() == 2, "{readings:?}");
    }

    const OTHER_PROCESS: &str = "store::sqlite::reader::tests::read_until_done";

    /// Promise: whatever a watcher does meanwhile (commit, stop, start), a reading sees everything that
    /// was committed before it began.
    #[tokio::test]
    async fn a_reading_never_misses_a_commit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let mut committed = fs::File::create(folder.path().join("committed")).unwrap();
        let reader = testing::rerun(OTHER_PROCESS, folder.path()).spawn().unwrap();
        for start in 0..15 {
            let store = SqliteStore::open(&path).unwrap();
            for at in 0..15 {
                let ticket = testing::full(&format!("{start} {at}"));
                store.commit(testing::batch([ticket])).await.unwrap();
                committed.write_all(b".").unwrap();
            }
            store.close().await;
        }
        fs::write(folder.path().join("done"), "").unwrap();
        let output = reader.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(read_only(&path).unwrap().unwrap().tickets.len(), 15 * 15);
    }

    /// In a process of its own, because SQLite shares the -shm file among a process's connections.
    #[test]
    fn read_until_done() {
        let Some(folder) = testing::folder_of_rerun() else { return };
        while !folder.join("done").exists() {
            let before = fs::metadata(folder.join("committed")).unwrap().len();
            let seen = read_only(&folder.join("state.db")).unwrap().unwrap_or_default().tickets.len() as u64;
            assert!(seen >= before, "{seen} seen of {before}");
        }
    }

    const READ_ONLY: &str = "store::sqlite::reader::tests::below_a_read_only_mount";

    /// Promise: a read-only mount will do, while the watcher runs and after it stopped or died.
    #[tokio::test]
    async fn a_read_only_mount_will_do() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).join("state.db");
        let running_store = running(&at("running")).await;
        running(&at("stopped")).await.close().await;
        for (name, suffixes) in [("crashed", &["", "-wal", "-shm"][..]), ("unrecovered", &["", "-wal"])] {
            let (copy, _) = testing::crash(&at("running"), suffixes);
            fs::rename(copy.path(), folder.path().join(name)).unwrap();
        }
        let mount = r#"mount --bind "$1" "$1"; mount -o remount,bind,ro "$1""#;
        testing::run_mounted(READ_ONLY, mount, folder.path());
        running_store.close().await;
    }

    #[test]
    fn below_a_read_only_mount() {
        let Some(folder) = testing::folder_of_rerun() else { return };
        assert!(fs::write(folder.join("probe"), "").is_err(), "not read-only");
        for name in ["running", "stopped", "crashed"] {
            assert_eq!(names(&folder.join(name).join("state.db")), ["a", "b"], "{name}");
        }
        let unrecovered = read_only(&folder.join("unrecovered/state.db"));
        assert!(unrecovered.is_err(), "an error rather than old data");
        assert!(SqliteStore::open(&folder.join("stopped/state.db")).is_err());
    }
}
