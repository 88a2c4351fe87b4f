//! The state file: what is known about every ticket, kept through crashes and restarts.

mod api;
mod error;
mod file;
mod lock;

pub use api::{Batch, CommitError, Loaded, Release, Store};
pub use error::StoreError;
