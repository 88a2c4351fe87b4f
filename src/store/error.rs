//! What can go wrong with the state file.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

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
        /// Who holds it, as the lock file says ("process 4711").
        holder: String,
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
    /// SQLite said no.
    #[error("failed to {action} the state file {}", path.display())]
    Sqlite {
        /// What was being done ("write").
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The writer thread is gone.
    #[error("the state file's writer has stopped")]
    Gone,
}
