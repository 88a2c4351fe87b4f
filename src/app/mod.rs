//! The front doors, which wire the rooms together, one file a door.

pub(crate) mod add;
pub(crate) mod check;
pub(crate) mod check_online;
pub(crate) mod error;
pub(crate) mod hook_test;
pub(crate) mod hooks;
pub(crate) mod init;
mod known_app;
mod list_report;
pub(crate) mod live_list;
pub(crate) mod retry;
pub(crate) mod retry_hook;
pub(crate) mod run;
mod sample_event;
pub(crate) mod state_file;
pub(crate) mod status;
mod undelivered;
mod writable;
