//! The state file: everything that is known about every ticket, kept through crashes and restarts.
//!
//! It is used through four traits: the engine writes through [`Store`], consumers take verdicts from the [`Outbox`],
//! `status` and `/status` read through [`StoreReader`], and `retry` leaves requests by [`StoreRequests`]. `sqlite`
//! implements all four.

mod api;
mod error;
mod sqlite;
#[cfg(test)]
pub(crate) mod tests;

pub use api::{
    Batch, CONSUMERS, CommitError, DUE_MAX, Deliveries, Delivery, EventId, EventRow, Fate, HistoryRow, Known,
    LOG, Loaded, Outbox, OutboxRow, RETRIES_AT_ONCE, Release, Retry, RetryId, Settled, Store, StoreReader,
    StoreRequests, Tally, TroubleRecord,
};
pub use error::{FailureCause, Holder, StoreError, StoreErrorKind};
pub use sqlite::{SqliteStore, store_at};
