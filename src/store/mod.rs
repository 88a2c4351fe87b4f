//! The state file: what is known about every ticket, kept through crashes and restarts.
//!
//! Four traits say what is asked of it: [`Store`] by the engine, [`Outbox`] by consumers of verdicts, [`StoreReader`] by
//! those that show it, and
//! [`StoreRequests`] by another process that wants something of the watcher. `sqlite` carries them out.

mod api;
mod error;
mod sqlite;
#[cfg(test)]
pub(crate) mod tests;

pub use api::{
    Batch, CONSUMERS, CommitError, EventId, Holder, Known, LOG, Loaded, Outbox, OutboxRow, RETRIES_AT_ONCE,
    Release, ReleaseId, Retry, RetryId, Store, StoreReader, StoreRequests, Tally, TroubleRecord,
};
pub use error::{FailureCause, StoreError, StoreErrorKind};
pub use sqlite::{SqliteStore, store_at};
