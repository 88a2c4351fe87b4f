//! Opening the state file: for writing, for reading, and as a new one.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use url::Url;

use super::file::{self, FILE_MODE};
use super::migrate;
use crate::crash_points::CrashPoint;
use crate::store::StoreErrorKind;

/// How long SQLite waits for another process's lock: a commit of thousands of rows on a slow disk, a person's shell.
/// Below the 8 s that a stop may take.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The write-ahead log is cut to this many bytes once it was moved into the database, so that one
/// large import does not keep its space for ever.
const WAL_KEEP: i64 = 16 << 20;

/// Distinct statements of [`super::rows`] and of consumers, and some room.
const STATEMENTS: usize = 48;

/// Bytes in SQLite's smallest page (sqlite.org/fileformat.html, section 1.3.2).
const PAGE_MIN: u64 = 512;

/// A way to open the file that writes nothing to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadOnly {
    /// The main file alone, without locks, and nothing is created beside it: right only while no process uses it and no
    /// log is left (sqlite.org/uri.html).
    Immutable,
    /// Together with its write-ahead log. SQLite keeps its index of the log in the -shm file, or in memory where the
    /// folder can't be written (sqlite.org/wal.html, "Read-Only Databases").
    WithLog,
}

/// Opens the database at `path`, creating it where there is none. The caller holds the lock, and knows that what
/// lies there is sound and ours.
pub(super) fn open(path: &Path) -> Result<Connection, StoreErrorKind> {
    if file::length(path)? == 0 {
        create(path)?;
    }
    let mut connection = open_for_writing(path)?;
    configure(&connection)?;
    migrate::migrate(&mut connection)?;
    Ok(connection)
}

/// Opens the database for reading only.
pub(super) fn read_only(path: &Path, how: ReadOnly) -> Result<Connection, StoreErrorKind> {
    // SQLite takes what is shorter than its smallest page for an empty database.
    if (1..PAGE_MIN).contains(&file::length(path)?) {
        return Err(StoreErrorKind::NotAStateFile("it is shorter than any database".to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    Ok(match how {
        ReadOnly::WithLog => connect(path, flags)?,
        ReadOnly::Immutable => connect(immutable_uri(path).as_ref(), flags | OpenFlags::SQLITE_OPEN_URI)?,
    })
}

/// The path is absolute: links are resolved.
fn immutable_uri(path: &Path) -> String {
    let uri = Url::from_file_path(path).map(|uri| format!("{uri}?immutable=1"));
    uri.unwrap_or_default()
}

/// Puts a new database in place, whole: it is made in memory, written under another name and then renamed, so that no
/// crash leaves half of one.
fn create(path: &Path) -> Result<(), StoreErrorKind> {
    if file::length(&file::beside(path, "-wal"))? > 0 {
        // SQLite would throw the log away, and with it whatever the missing file's owner still hopes for.
        let reason = "it is missing or empty, yet its -wal file is not";
        return Err(StoreErrorKind::NotAStateFile(reason.to_owned()));
    }
    let mut database = Connection::open_in_memory()?;
    migrate::migrate(&mut database)?;
    let new = file::beside(path, ".new");
    // What a crash of an earlier attempt left. No other process uses this name: the lock is held.
    let _ = fs::remove_file(&new);
    let made = write_synced(&new, &database.serialize("main")?).and_then(|()| {
        CrashPoint::FileBuilt.pass();
        fs::rename(&new, path).and_then(|()| file::sync_folder(path))
    });
    made.map_err(|error| {
        let _ = fs::remove_file(&new);
        StoreErrorKind::io("create")(error)
    })
}

/// SQLite would create the file readable for all; -wal and -shm take its mode (sqlite.org/src/file/src/os_unix.c,
/// findCreateFileMode).
fn write_synced(new: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(new)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Never creates the file.
pub(super) fn open_for_writing(path: &Path) -> rusqlite::Result<Connection> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// The file may be damaged: no functions from its schema, and cells are checked as pages are read
/// (sqlite.org/security.html). In WAL mode only FULL, which is 2, syncs the log at every commit
/// (sqlite.org/pragma.html#pragma_synchronous).
fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection
        .execute_batch("PRAGMA trusted_schema = 0; PRAGMA cell_size_check = 1; PRAGMA synchronous = 2")?;
    Ok(connection)
}

fn configure(connection: &Connection) -> Result<(), StoreErrorKind> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Readers and the writer do not wait for each other, and a commit is one sync.
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        let reason = io::Error::other("its file system does not support SQLite's write-ahead log");
        return Err(StoreErrorKind::io("open")(reason));
    }
    Ok(connection.pragma_update_and_check(None, "journal_size_limit", WAL_KEEP, |_| Ok(()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: any path that the system allows can be opened.
    #[test]
    fn a_uri_keeps_the_path() {
        assert_eq!(
            immutable_uri(Path::new("/a b/50%?#é.db")),
            "file:///a%20b/50%25%3F%23%C3%A9.db?immutable=1"
        );
    }
}
