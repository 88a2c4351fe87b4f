//! The state file: everything that is known about every ticket, kept through crashes and restarts.
//!
//! It is used through five traits: the engine writes through [`Store`], the log takes verdicts from the [`Outbox`], hooks
//! take events by [`Deliveries`], `status`, `/status` and the page read through [`StoreReader`], and `retry` leaves requests by
//! [`StoreRequests`]. `sqlite` implements all five.

mod api;
mod error;
mod listing;
mod sqlite;
#[cfg(test)]
pub(crate) mod tests;

pub use api::{
    Batch, CONSUMERS, CommitError, DUE_MAX, Deliveries, Delivery, EventId, EventRow, Fate, HISTORY_MAX,
    HistoryRow, Known, LOG, Loaded, Outbox, OutboxRow, RETRIES_AT_ONCE, Release, Retry, RetryId, Settled,
    Store, StoreReader, StoreRequests, Tally, TroubleRecord,
};
pub use error::{FailureCause, Holder, StoreError, StoreErrorKind};
pub use listing::{Filter, Listed, Listing, Order};
pub use sqlite::{SqliteStore, store_at};
