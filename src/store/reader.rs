//! Reading the state file without being the watcher: while it runs, after it stopped, after it died,
//! from a read-only mount. Takes no lock, writes nothing, creates nothing.

use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::connect::{self, LOG_HEADER, ReadOnly};
use super::file::{self, Fingerprint};
use super::schema::{self, Found};
use super::{Known, StoreError, rows, troubles};

/// How often a reading is tried that collides with a watcher's start or stop; each takes milliseconds.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// The schema version that brought the table of apps in trouble.
const FIRST_WITH_TROUBLES: i64 = 4;

/// How long SQLite itself waits within one reading.
const BUSY_TIMEOUT: Duration = Duration::from_millis(500);

/// Reads every ticket, and the apps in trouble, from the state file at `path`, as last committed; none where there is
/// no state yet: no file, an empty one, or a database without tables. Blocks, at most
/// a few seconds.
///
/// For another process than the watcher's: within one process SQLite opens the -shm file once for all,
/// and a store that is opened during a reading could not write until it has opened the file anew.
///
/// # Errors
/// The file can't be read, or not truthfully: [`StoreError::Unrecovered`] rather than old data.
pub fn read_only(path: &Path) -> Result<Option<Known>, StoreError> {
    read(path, |connection, version| {
        let tickets = rows::tickets(connection, path)?;
        let troubles = if version < FIRST_WITH_TROUBLES {
            Vec::new()
        } else {
            troubles::read(connection).map_err(StoreError::reading(path))?
        };
        Ok(Known { tickets, troubles })
    })
}

/// Reads something from one snapshot of the file, whose schema version is told; none where there is no
/// state yet. As [`read_only`].
pub(super) fn read<T>(
    path: &Path,
    take: impl Fn(&Connection, i64) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let Some(path) = file::find(path)? else { return Ok(None) };
    let mut tries = 1;
    loop {
        match read_once(&path, &take) {
            Err(Trouble::Passing(_)) if tries < TRIES => {
                tries += 1;
                thread::sleep(PAUSE);
            }
            result => return result.map_err(Trouble::into_error),
        }
    }
}

/// What stood in the way of one reading.
enum Trouble {
    /// A watcher that is just starting or stopping may be the reason.
    Passing(StoreError),
    Lasting(StoreError),
}

impl Trouble {
    fn into_error(self) -> StoreError {
        match self {
            Self::Passing(error) | Self::Lasting(error) => error,
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        let StoreError::Sqlite { source, .. } = &error else { return Self::Lasting(error) };
        match source.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::FileLockingProtocolFailed,
            ) => Self::Passing(error),
            _ => Self::Lasting(error),
        }
    }
}

fn read_once<T>(
    path: &Path,
    take: impl Fn(&Connection, i64) -> Result<T, StoreError>,
) -> Result<Option<T>, Trouble> {
    let Some(before) = file::fingerprint(path)? else { return Ok(None) };
    connect::log_length(path)?; // Refuses a rollback journal.
    let how = way_to_read(path, &before)?;
    let result = read_by(path, how, take);
    // Without locks a writer goes unnoticed, and pages from before and after its work make nonsense,
    // whether that showed as an error or not. Whoever opens the file creates its log, and whoever closes
    // it after writing has changed it.
    if how == ReadOnly::Immutable && file::fingerprint(path)?.as_ref() != Some(&before) {
        return Err(Trouble::Passing(StoreError::Unsettled { path: path.to_path_buf() }));
    }
    Ok(result?)
}

fn way_to_read(path: &Path, found: &Fingerprint) -> Result<ReadOnly, Trouble> {
    match (found.wal, found.shm) {
        // A header says nothing by itself, and SQLite would try for ever to read a log that is no more than that
        // without writing to the -shm file (wal.c, walBeginShmUnreliable).
        (Some(1..=LOG_HEADER), _) => Ok(ReadOnly::Immutable),
        (Some(_), true) => Ok(ReadOnly::WithLog),
        // Closed in good order, or nothing was committed since the log was last emptied.
        (None | Some(0), _) => Ok(ReadOnly::Immutable),
        // A starting watcher creates the log a moment before the -shm file. Otherwise somebody took
        // that away, and SQLite could read the log only by making a new one.
        (Some(_), false) => Err(Trouble::Passing(StoreError::Unrecovered { path: path.to_path_buf() })),
    }
}

fn read_by<T>(
    path: &Path,
    how: ReadOnly,
    take: impl Fn(&Connection, i64) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let connection = connect::read_only(path, how)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(StoreError::sqlite("open", path))?;
    // One snapshot for the look at the version and for the rows.
    let snapshot = connection.unchecked_transaction().map_err(StoreError::reading(path))?;
    match schema::recognise(&snapshot, path)? {
        Found::Empty => Ok(None),
        Found::Ours(version) => take(&snapshot, version).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::super::{Batch, SqliteStore, Store as _, testing};
    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let known = read_only(path).unwrap().unwrap();
        known.tickets.iter().map(|ticket| ticket.key.ticket.as_str().to_owned()).collect()
    }

    /// A store in use: one ticket in the file itself, a second one only in the log.
    async fn running(path: &Path) -> SqliteStore {
        let store = SqliteStore::open(path).unwrap();
        store.load().await.unwrap();
        let first = Batch { clean_stop: true, ..testing::batch([testing::full("a")]) };
        store.commit(first).await.unwrap();
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
            assert!(
                before
                    .iter()
                    .all(|(path, bytes)| path.ends_with("odd %41?#.db-shm") || after[path] == *bytes)
            );
        }
        store.close().await;
        let before = testing::contents(folder.path());
        assert_eq!(before.len(), 1);
        assert_eq!(names(&path), ["a", "b"]);
        assert!(testing::contents(folder.path()) == before);
    }

    /// Promise: a log that was cut down to its header, or less, or hardly more, holds up nobody: neither who reads
    /// nor the next watcher.
    #[tokio::test]
    async fn a_log_of_hardly_anything_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = running(&folder.path().join("state.db")).await;
        for length in [0, 1, 31, 32, 33, 100] {
            for suffixes in [&["", "-wal", "-shm"][..], &["", "-wal"]] {
                let (_crashed, path) = testing::crash(store.path(), suffixes);
                let log = fs::OpenOptions::new().write(true).open(file::beside(&path, "-wal")).unwrap();
                log.set_len(length).unwrap();
                if suffixes.len() == 3 || length <= LOG_HEADER {
                    assert_eq!(names(&path), ["a"], "{length} {suffixes:?}");
                }
                let opened = SqliteStore::open(&path).unwrap();
                assert_eq!(opened.load().await.unwrap().tickets.len(), 1, "{length} {suffixes:?}");
                opened.close().await;
                assert_eq!(names(&path), ["a"]);
            }
        }
    }

    /// Promise: an error rather than old data, and what to do about it.
    #[tokio::test]
    async fn a_log_that_cant_be_read_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let store = running(&folder.path().join("state.db")).await;
        let (_crashed, path) = testing::crash(store.path(), &["", "-wal"]);
        let error = read_only(&path).unwrap_err();
        assert!(error.to_string().contains("start the watcher once"), "{error}");
        SqliteStore::open(&path).unwrap().close().await;
        assert_eq!(names(&path), ["a", "b"]);
    }

    const OTHER_PROCESS: &str = "store::reader::tests::read_until_done";

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

    const READ_ONLY: &str = "store::reader::tests::below_a_read_only_mount";

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
        assert!(matches!(unrecovered, Err(StoreError::Unrecovered { .. })), "{unrecovered:?}");
        assert!(SqliteStore::open(&folder.join("stopped/state.db")).is_err());
    }
}
