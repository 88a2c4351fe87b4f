//! The log: events of `tracing` become lines on standard output and in the log file.
//!
//! Each event becomes a [`record`], passes to one queue for each sink, and is written there by the
//! sink's own thread. Logging therefore never waits for a pipe, a terminal or a disk. The other half of
//! the bargain is `settle`: it tells when lines are safe, so that a verdict counts as announced only
//! after its line was written and, where there is a log file, synced.
//!
//! A sink that fails is tried again at each new line, at each `settle` and once a second; nothing but
//! less important lines past a bound is ever left out, and that is said. A standard output that is
//! closed for good (`run | head -1`) is given up where a log file carries the verdicts, which is said
//! there once. Without a log file it is not: verdicts stay unannounced, and the next start announces
//! them.
//!
//! This module knows nothing of the rest of the program, so that the demo can use it too.

pub mod columns;
mod filter;
mod format;
mod handle;
mod outlet;
mod queue;
mod record;
mod setup;
mod sink;
mod text;
mod writer;

#[cfg(test)]
mod tests;

pub use format::Format;
pub use handle::LogHandle;
pub use record::Record;
#[cfg(test)]
pub(crate) use setup::build;
pub use setup::{LogError, LogSetup, init};
pub use sink::Suspend;
pub use text::TextForm;
