//! The engine: a loop, the state that it alone changes, and the pure decisions.
//!
//! `event_loop` waits, hands each wake-up to `state` as an event and performs the effects that come back. What happens
//! to a ticket (`step`), an app (`gate`, `access`, `health`), a watch list (`list_update`) and to what is not yet
//! written (`unsaved`) is decided by plain functions that take the time as an argument. What the engine does is counted
//! and timed in `meters`, and reported to the log in `report`.

mod access;
mod active_clock;
mod app_budget;
mod app_signal;
mod app_state;
mod clock_step;
mod download_line;
mod event;
mod event_loop;
mod export_line;
mod export_step;
mod file_step;
mod flight;
mod gate;
mod health;
#[cfg(feature = "hold-up")]
mod hold_up;
mod hook_events;
mod judging;
mod list_update;
mod lost_creates;
mod meters;
mod now;
mod outcome;
mod report;
mod setup;
mod shares;
mod snapshot;
mod state;
mod state_file;
mod step;
mod tenant_calls;
mod tickets;
mod transfer;
mod unsaved;
mod waiting_line;

pub use event_loop::watch;
pub use meters::{METRICS_NAMESPACE, MINUTES, Meters, Minute};
pub use now::{Clock, Now};
pub use outcome::{End, NAMED_MAX, Outcome, Undelivered};
pub use report::watcher_stopped;
pub use setup::{Command, Controls, DownloadSettings, HookEvents, OutboxLink, Settings, Setup};
pub use snapshot::{AppView, Snapshot};
