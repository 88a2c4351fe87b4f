//!
//! What happens to a ticket ([`step`]), an app ([`gate`], [`access`]), a watch list ([`reconcile`]) and
//! to what is not yet safe ([`ledger`]) is decided by plain functions that are given the time. The
//! changes state, so nothing here is locked.

mod access;
mod announce;
mod app_state;
mod gate;
mod ledger;
mod now;
mod outcome;
mod reconcile;
mod report;
mod snapshot;
mod step;
mod tickets;

pub use announce::Announcer;
pub use now::{Clock, Now};
pub use outcome::{End, Outcome, WatchError};
pub use snapshot::{AppView, Snapshot};
pub use step::ARTEFACT_LIFE;
pub use tickets::Counts;
