//! Opening the state file for use. In this order: look at it without leaving a trace, and only once
//! it is known to be sound and ours, open it for writing.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::StoreError;
use super::file::{self, FILE_MODE};
use super::schema;
use crate::crash_points::CrashPoint;

/// How long SQLite waits for another process's lock: a reader that checkpoints, a person's shell. Below
/// the 8 s that a stop may take.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a visitor waits for the watcher's commit, be it one of thousands of rows on a slow disk.
const VISIT_TIMEOUT: Duration = Duration::from_secs(10);

/// The write-ahead log is cut to this many bytes once it was moved into the database, so that one
/// large import does not keep its space for ever.
const WAL_KEEP: i64 = 16 << 20;

/// Distinct statements of [`super::rows`], and some room.
const STATEMENTS: usize = 16;

/// Bytes of a write-ahead log's header, which says nothing by itself (sqlite.org/walformat.html, section 2.1).
pub(super) const LOG_HEADER: u64 = 32;

/// Bytes in SQLite's smallest page (sqlite.org/fileformat.html, section 1.3.2).
const PAGE_MIN: u64 = 512;

/// A way to open the file that writes nothing, neither to it nor beside it (sqlite.org/uri.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadOnly {
    /// The main file alone, without locks: right only while nobody uses it and no log is left.
    Immutable,
    /// Together with its write-ahead log. `readonly_shm` keeps SQLite from creating or changing the
    /// -shm file, which has to be there; if no process has it in use, SQLite ignores what is in it and
    /// builds its index of the log in memory (sqlite.org/wal.html, "Read-Only Databases").
    WithLog,
}

/// Opens the database at `path`, creating it where there is none. The caller holds the lock and the door.
///
/// # Errors
/// Everything that makes the file unusable. It and its folder are then as they were.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    match file::length(path)? {
        None | Some(0) => create(path)?,
        Some(_) => examine(path)?,
    }
    let mut connection = connect(path)?;
    schema::migrate(&mut connection, path)?;
    Ok(connection)
}

/// Opens a database that [`open`] has accepted before, to replace a connection that stays broken. The caller
/// holds the door.
pub(super) fn reopen(path: &Path) -> Result<Connection, StoreError> {
    // Not `open`: if the volume went away, a new file in the empty folder below is the last thing wanted.
    let connection = connect(path)?;
    match schema::recognise(&connection, path)? {
        schema::Found::Ours(schema::VERSION) => Ok(connection),
        _ => Err(StoreError::not_a_state_file(path, "its schema changed while in use")),
    }
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
    distrust(&connection).map_err(StoreError::reading(path))?;
    Ok(connection)
}

/// Opens the database a second time in the process that writes it, for reading.
///
/// Without `readonly_shm`: that would count for the writer's connection, too. The last of a process's
/// connections moves the log into the database and deletes it; this one leaves that to the writer, whose
/// turn it is to say what is durable.
pub(super) fn beside_writer(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(StoreError::sqlite("open", path))?;
    let configure = || {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        distrust(&connection)
    };
    configure().map_err(StoreError::reading(path))?;
    Ok(connection)
}

/// Opens the database to write a request into it, from another process than the watcher's. The caller holds the
/// door. `alone` says whether no watcher has the file in use.
///
/// # Errors
/// [`StoreError::NotOpened`] for a file of an earlier version: to upgrade it is the watcher's affair.
pub(super) fn visit(path: &Path, alone: bool) -> Result<Connection, StoreError> {
    if alone {
        examine(path)?;
        rewrite_log(path)?;
    }
    let connection = open_for_writing(path)?;
    let configure = || {
        connection.busy_timeout(VISIT_TIMEOUT)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        if alone {
            return Ok(());
        }
        // The log is the watcher's: it says when it is moved into the file.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))
    };
    configure().map_err(StoreError::sqlite("open", path))?;
    match schema::recognise(&connection, path)? {
        schema::Found::Ours(schema::VERSION) => Ok(connection),
        _ => Err(StoreError::NotOpened { path: path.to_path_buf() }),
    }
}

fn uri(path: &Path, how: ReadOnly) -> String {
    const RESERVED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'?');
    let parameters = match how {
        ReadOnly::Immutable => "immutable=1",
        ReadOnly::WithLog => "readonly_shm=1",
    };
    let path = percent_encode(path.as_os_str().as_bytes(), RESERVED);
    // The empty authority keeps a path that begins with two slashes from being taken for a host.
    format!("file://{path}?mode=ro&{parameters}")
}

fn examine(path: &Path) -> Result<(), StoreError> {
    let mut shm = None;
    let how = match log_length(path)? {
        0..=LOG_HEADER => ReadOnly::Immutable,
        _ => {
            shm = BorrowedShm::create_if_missing(path)?;
            ReadOnly::WithLog
        }
    };
    let connection = read_only(path, how)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(StoreError::sqlite("open", path))?;
    schema::recognise(&connection, path)?;
    schema::check(&connection, path)?;
    if let Some(shm) = shm {
        shm.keep();
    }
    Ok(())
}

/// Bytes in the write-ahead log.
///
/// # Errors
/// A rollback journal is beside the file. This program leaves none, and SQLite can't look past it
/// without changing the file.
pub(super) fn log_length(path: &Path) -> Result<u64, StoreError> {
    if file::length(&file::beside(path, "-journal"))?.unwrap_or(0) > 0 {
        let reason = "another program's unfinished transaction lies beside it, in its -journal file";
        return Err(StoreError::not_a_state_file(path, reason));
    }
    Ok(file::length(&file::beside(path, "-wal"))?.unwrap_or(0))
}

/// Whether somebody has the database open, or left what was not moved into it.
pub(super) fn has_log(path: &Path) -> Result<bool, StoreError> {
    Ok(file::length(&file::beside(path, "-wal"))?.is_some())
}

/// An empty -shm file, by which SQLite can read a left log without writing; see [`ReadOnly::WithLog`].
/// Removed again if the database is refused. If it is accepted, it stays: a reader may have it open by
/// now, and readers are protected from the writer by locks on this very file.
struct BorrowedShm(Option<PathBuf>);

impl BorrowedShm {
    fn create_if_missing(path: &Path) -> Result<Option<Self>, StoreError> {
        let shm = file::beside(path, "-shm");
        match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&shm) {
            Ok(_) => Ok(Some(Self(Some(shm)))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(StoreError::io("create", &shm)(error)),
        }
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for BorrowedShm {
    fn drop(&mut self) {
        if let Some(shm) = self.0.take() {
            let _ = fs::remove_file(shm);
        }
    }
}

/// Puts a new database in place, whole: it is made under another name and then renamed, so that no
/// crash leaves half of one.
fn create(path: &Path) -> Result<(), StoreError> {
    if log_length(path)? > 0 {
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
    // What a crash of an earlier attempt left. Nobody else uses this name: the lock is held.
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

fn connect(path: &Path) -> Result<Connection, StoreError> {
    rewrite_log(path)?;
    let connection = open_for_writing(path)?;
    configure(&connection).map_err(StoreError::sqlite("open", path))?;
    Ok(connection)
}

/// Never creates the file. The path is absolute, so SQLite can't take it for a URI.
fn open_for_writing(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(StoreError::sqlite("open", path))?;
    distrust(&connection).map_err(StoreError::sqlite("open", path))?;
    Ok(connection)
}

/// The file may be damaged: no functions from its schema, and cells are checked as pages are read
/// (sqlite.org/security.html).
fn distrust(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Readers and the writer do not wait for each other, and a commit is one sync.
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| {
        let mode: String = row.get(0)?;
        if mode == "wal" { Ok(()) } else { Err(rusqlite::Error::InvalidQuery) }
    })?;
    // In WAL mode only FULL syncs the log at every commit (sqlite.org/pragma.html#pragma_synchronous).
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update_and_check(None, "journal_size_limit", WAL_KEEP, |_| Ok(()))
}

/// Makes a log that an earlier connection left truly durable, by writing its bytes again.
///
/// After a sync that failed, Linux keeps the unsynced pages in memory but counts them as written. The
/// connection that saw the failure is safe: it takes the transaction back, and a repeat writes the same
/// place of the log anew. A later connection, though, finds the complete transaction in the log and
/// appends behind it, and its own syncs no longer reach those pages: a power cut would tear a hole into
/// the log, and everything behind the hole would be lost.
fn rewrite_log(path: &Path) -> Result<(), StoreError> {
    let wal = file::beside(path, "-wal");
    if file::length(&wal)?.unwrap_or(0) == 0 {
        return Ok(());
    }
    let rewrite = || {
        let log = OpenOptions::new().read(true).write(true).open(&wal)?;
        let mut piece = vec![0; 1 << 20];
        let mut at = 0;
        loop {
            let read = log.read_at(&mut piece, at)?;
            if read == 0 {
                return log.sync_all();
            }
            log.write_all_at(&piece[..read], at)?;
            at += read as u64;
        }
    };
    rewrite().map_err(StoreError::io("make durable", &wal))
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

    /// Promise: a log that is written again is the same log.
    #[test]
    fn the_log_keeps_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let bytes: Vec<u8> = (0..(3 << 20) + 17).map(|at: u32| (at % 251) as u8).collect();
        fs::write(file::beside(&path, "-wal"), &bytes).unwrap();
        rewrite_log(&path).unwrap();
        assert!(fs::read(file::beside(&path, "-wal")).unwrap() == bytes);
    }
}
