//! Opening the state file: for writing, for reading, and as a new one.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use rusqlite::{Connection, OpenFlags};

use super::file::{self, FILE_MODE};
use super::schema;
use crate::crash_points::CrashPoint;
use crate::store::StoreError;

/// How long SQLite waits for another process's lock: a commit of thousands of rows on a slow disk, a person's shell.
/// Below the 8 s that a stop may take.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The write-ahead log is cut to this many bytes once it was moved into the database, so that one
/// large import does not keep its space for ever.
const WAL_KEEP: i64 = 16 << 20;

/// Distinct statements of [`super::rows`], and some room.
const STATEMENTS: usize = 16;

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
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    if file::length(path)?.unwrap_or(0) == 0 {
        create(path)?;
    }
    let mut connection = open_for_writing(path)?;
    configure(&connection).map_err(StoreError::sqlite("open", path))?;
    schema::migrate(&mut connection, path)?;
    Ok(connection)
}

/// Opens the database for reading only.
pub(super) fn read_only(path: &Path, how: ReadOnly) -> Result<Connection, StoreError> {
    // SQLite takes what is shorter than its smallest page for an empty database.
    if file::length(path)?.is_some_and(|length| length < PAGE_MIN) {
        return Err(StoreError::not_a_state_file(path, "it is shorter than any database"));
    }
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(uri(path, how), flags).map_err(StoreError::sqlite("open", path))?;
    prepare(&connection).map_err(StoreError::reading(path))?;
    Ok(connection)
}

/// Opens the database to write a request into it, from another process than the watcher's.
///
/// # Errors
/// [`StoreError::NotOpened`] for a file of an earlier version: to upgrade it is the watcher's affair.
pub(super) fn open_for_request(path: &Path) -> Result<Connection, StoreError> {
    let connection = open_for_writing(path)?;
    match schema::recognise(&connection, path)? {
        schema::Found::Ours(schema::VERSION) => Ok(connection),
        _ => Err(StoreError::NotOpened { path: path.to_path_buf() }),
    }
}

fn uri(path: &Path, how: ReadOnly) -> String {
    const RESERVED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'?');
    let parameters = match how {
        ReadOnly::Immutable => "mode=ro&immutable=1",
        ReadOnly::WithLog => "mode=ro",
    };
    let path = percent_encode(path.as_os_str().as_bytes(), RESERVED);
    // The empty authority keeps a path that begins with two slashes from being taken for a host.
    format!("file://{path}?{parameters}")
}

/// Puts a new database in place, whole: it is made under another name and then renamed, so that no
/// crash leaves half of one.
fn create(path: &Path) -> Result<(), StoreError> {
    if file::length(&file::beside(path, "-wal"))?.unwrap_or(0) > 0 {
        // SQLite would throw the log away, and with it whatever the missing file's owner still hopes for.
        let reason = "it is missing or empty, yet its -wal file is not";
        return Err(StoreError::not_a_state_file(path, reason));
    }
    let new = file::beside(path, ".new");
    let made = build(&new).and_then(|()| {
        CrashPoint::FileBuilt.pass();
        fs::rename(&new, path).map_err(StoreError::io("create", path))
    });
    if made.is_err() {
        remove_database(&new)?;
    }
    made?;
    path.parent().map_or(Ok(()), file::sync_folder)
}

fn build(new: &Path) -> Result<(), StoreError> {
    // What a crash of an earlier attempt left. No other process uses this name: the lock is held.
    remove_database(new)?;
    // Created here, because SQLite would create it readable for all; -wal and -shm take its mode
    // (sqlite.org/src/file/src/os_unix.c, findCreateFileMode).
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(new)
        .map_err(StoreError::io("create", new))?;
    let mut connection = open_for_writing(new)?;
    // The steps go through a rollback journal, so that they are in the file itself and not in a log
    // that the renaming would leave behind. Only then the file is marked as one with a log.
    schema::migrate(&mut connection, new)?;
    configure(&connection).map_err(StoreError::sqlite("create", new))?;
    connection.close().map_err(|(_, error)| StoreError::sqlite("create", new)(error))
}

fn remove_database(path: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let path = file::beside(path, suffix);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove", &path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Never creates the file. The path is absolute, so SQLite can't take it for a URI.
fn open_for_writing(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(StoreError::sqlite("open", path))?;
    // In WAL mode only FULL syncs the log at every commit (sqlite.org/pragma.html#pragma_synchronous).
    let prepared = prepare(&connection).and_then(|()| connection.pragma_update(None, "synchronous", "FULL"));
    prepared.map_err(StoreError::sqlite("open", path))?;
    Ok(connection)
}

/// The file may be damaged: no functions from its schema, and cells are checked as pages are read
/// (sqlite.org/security.html).
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Readers and the writer do not wait for each other, and a commit is one sync.
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| {
        let mode: String = row.get(0)?;
        if mode == "wal" { Ok(()) } else { Err(rusqlite::Error::InvalidQuery) }
    })?;
    connection.pragma_update_and_check(None, "journal_size_limit", WAL_KEEP, |_| Ok(()))
}

#[cfg(test)]
mod refused;

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: any path that the system allows can be opened.
    #[test]
    fn a_uri_keeps_the_path() {
        assert_eq!(
            uri(Path::new("/a b/50%?#é.db"), ReadOnly::Immutable),
            "file:///a%20b/50%25%3F%23%C3%A9.db?mode=ro&immutable=1"
        );
    }
}
