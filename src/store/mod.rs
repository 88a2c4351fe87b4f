//! The state file: what is known about every ticket, kept through crashes and restarts.
//!
//! A SQLite database with a write-ahead log. One process may write it, and shows that by a lock on a
//! file beside it (`lock`). Within that process one thread has the connection (`writer`); the engine
//! talks to it through [`SqliteStore`] and is answered once its batch is durable. Others in the process and in
//! any other may read the file meanwhile ([`StoreReader`]). The one thing that
//! another process may write is a request ([`StoreRequests`]). A file that is not ours, not
//! sound or too new is refused before anything could change it (`connect`, `schema`).
//!
//! The log needs memory shared by all who use the file, so the file must lie on a disk of this machine
//! (sqlite.org/wal.html): two machines that mount one network share are not kept apart.

mod api;
mod cells;
mod connect;
mod error;
mod file;
mod lock;
mod reader;
mod retries;
mod rows;
mod schema;
mod sqlite;
#[cfg(test)]
mod testing;
mod troubles;
mod writer;

use std::path::Path;

pub use api::{
    Batch, CommitError, Known, Loaded, Release, ReleaseId, Retry, RetryId, Store, StoreReader, StoreRequests, Tally,
    TroubleRecord,
};
pub use error::StoreError;
pub use lock::Holder;
pub use retries::AT_ONCE as RETRIES_AT_ONCE;
pub use sqlite::SqliteStore;

/// The store that lies at `path`, for another process than its watcher's.
#[must_use]
pub fn store_at(path: &Path) -> impl StoreReader + StoreRequests + use<> {
    reader::SqliteReader::new(path)
}
