//! What can go wrong with the state file.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

use super::Holder;

/// The state file can't be used as it should.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file system said no.
    #[error("failed to {action} {}", path.display())]
    Io {
        /// What was being done ("create the folder").
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another daemon holds the lock.
    #[error("the state file {} is held by another watcher ({holder}); stop it first, or give this one its own [state] path", path.display())]
    Held {
        /// The state file.
        path: PathBuf,
        /// Who holds it.
        holder: Holder,
    },
    /// What lies there is not this program's database, or is damaged.
    #[error("{} is not a sound state file ({reason}); it is left untouched, move it away or restore a copy", path.display())]
    NotAStateFile {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A newer version of the program wrote it.
    #[error("{} was written by a newer version (schema {found}, this one knows up to {known}); it is left untouched, run the newer version", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The file's schema version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// No watcher of this version has brought the file up to date yet.
    #[error("no watcher of this version has run with {} in this folder yet; start it once, it brings the file up to date", path.display())]
    NotOpened {
        /// The file.
        path: PathBuf,
    },
    /// A watcher kept starting or stopping while the file was read.
    #[error("{} kept changing while it was read; try again", path.display())]
    Unsettled {
        /// The file.
        path: PathBuf,
    },
    /// Another file lies at the path than the one that was opened, or none.
    #[error("the state file {} was moved or replaced while in use; put it back beside its -wal file, then start the watcher again", path.display())]
    Moved {
        /// Where it was.
        path: PathBuf,
    },
    /// SQLite said no.
    #[error("failed to {action} the state file {}{}", path.display(), advice(source))]
    Sqlite {
        /// What was being done ("write").
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The writer thread is gone.
    #[error("the state file's writer has stopped; start the watcher again")]
    Gone,
}

impl StoreError {
    /// Whether a later try on the same store may succeed, as on a disk that is full or fails. What is no file of
    /// the store any more, or is damaged, can at best be helped by a new process.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Io { .. } | Self::Unsettled { .. } => true,
            Self::Sqlite { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(
                    ErrorCode::DiskFull
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::ReadOnly
                        | ErrorCode::CannotOpen
                        | ErrorCode::DatabaseBusy
                        | ErrorCode::DatabaseLocked
                        | ErrorCode::FileLockingProtocolFailed
                        | ErrorCode::OutOfMemory
                )
            ),
            _ => false,
        }
    }

    /// For `map_err` on calls to the file system.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    /// For `map_err` on calls to SQLite.
    pub(super) fn sqlite(action: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Sqlite { action, path, source }
    }

    /// For `map_err` on what is read before the file is trusted: damage is told apart from trouble with
    /// the disk, because a restart does not mend it.
    pub(super) fn reading(path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        move |source| {
            let damaged = match source.sqlite_error_code() {
                Some(code) => matches!(code, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt),
                // Not from SQLite itself: a value that fits no field, or a row that should be there.
                None => true,
            };
            if damaged {
                Self::NotAStateFile { path, reason: source.to_string() }
            } else {
                Self::Sqlite { action: "read", path, source }
            }
        }
    }

    pub(super) fn not_a_state_file(path: &Path, reason: impl Into<String>) -> Self {
        Self::NotAStateFile { path: path.to_path_buf(), reason: reason.into() }
    }
}

/// What an operator can do about SQLite's answer (sqlite.org/rescode.html).
fn advice(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "; free some space on its disk",
        Some(ErrorCode::SystemIoFailure) => "; look at its disk (space, quota, the kernel's log)",
        Some(ErrorCode::ReadOnly) => "; make the file and its folder writable for the watcher's user",
        Some(ErrorCode::CannotOpen) => "; check that the file is there and the watcher's user may use it",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "; another program holds it open for writing, close that"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "; it is damaged, restore a copy",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: an error says what, where and what to do next, and keeps its cause as a source.
    #[test]
    fn a_full_disk_says_what_where_and_what_next() {
        use std::error::Error as _;
        let full = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(13), None);
        let error = StoreError::sqlite("write", Path::new("/s/state.db"))(full);
        assert_eq!(
            error.to_string(),
            "failed to write the state file /s/state.db; free some space on its disk"
        );
        assert!(error.source().is_some());
    }

    /// Promise: what time or an operator can mend is tried again; what only a new process can help is not.
    #[test]
    fn trouble_with_the_disk_may_pass() {
        let sqlite = |code| {
            let source = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            StoreError::sqlite("write", Path::new("state.db"))(source)
        };
        // SQLITE_FULL, SQLITE_IOERR_FSYNC, SQLITE_READONLY, SQLITE_BUSY
        for code in [13, 1034, 8, 5] {
            assert!(sqlite(code).may_pass(), "{code}");
        }
        // SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_ERROR (as for a table that is gone)
        for code in [11, 26, 1] {
            assert!(!sqlite(code).may_pass(), "{code}");
        }
        assert!(!StoreError::Moved { path: PathBuf::new() }.may_pass() && !StoreError::Gone.may_pass());
    }
}
