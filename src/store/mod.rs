//! The state file: what is known about every ticket, kept through crashes and restarts.

mod api;
mod cells;
mod error;
mod file;
mod lock;
mod rows;
mod schema;
#[cfg(test)]
mod testing;

pub use api::{Batch, CommitError, Loaded, Release, Store};
pub use error::StoreError;
