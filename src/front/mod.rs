//! The front doors: what wires the rooms together, one file a door.

pub(crate) mod check;
mod list_report;
mod reload;
pub(crate) mod run;
pub(crate) mod status;
