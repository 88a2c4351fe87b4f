//! The engine: one loop that owns every ticket, and the pure decisions it makes.
//!
//! What happens to a ticket (`step`), an app (`gate`, `access`), a watch list (`reconcile`) and
//! to what is not yet safe (`unsaved`) is decided by plain functions that are given the time. The
//! `event_loop` turns every wake-up into a call of one of them and carries out what they say; it alone
//! changes state, so nothing here is locked. What it does is counted and timed in `meters`.

mod access;
mod active_clock;
mod app_budget;
mod app_signal;
mod app_state;
mod clock_step;
mod event_loop;
mod gate;
mod health;
#[cfg(feature = "hold-up")]
mod hold_up;
mod judging;
mod meters;
mod now;
mod outcome;
mod reconcile;
mod report;
mod snapshot;
mod step;
mod tickets;
mod unsaved;
mod verdicts;
mod waiting_line;

pub use event_loop::{Command, Controls, Settings, Setup, watch};
pub use meters::{METRICS_NAMESPACE, Meters};
pub use now::{Clock, Now};
pub use outcome::{End, NAMED_MAX, Outcome, WatchError};
pub use report::watcher_stopped;
pub use snapshot::{AppView, Snapshot};
pub use verdicts::OutboxLink;
