//! The log: events of `tracing` and verdicts of the outbox become lines on standard output and in the log file.
//!
//! Each event becomes a record, passes to one queue for each sink, and is written there by the
//! sink's own thread. Logging therefore never waits for a pipe, a terminal or a disk. A verdict goes through
//! [`SinkHandle::write_synced`], which answers when its line is written and, in a log file, synced.
//!
//! The log keeps nothing over a failure but the lines that wait, and of these only so many; what is left out is counted
//! and reported. A verdict that can't be written is answered with the error, and its sender hands it over
//! again. A standard output that is closed for good (`run | head -1`) is given up where a log file has the verdicts,
//! which is reported there once. Without a log file it is not: verdicts stay in the outbox for the next start.

pub mod columns;
mod filter;
mod format;
mod handle;
mod queue;
mod record;
mod setup;
mod sink;
mod text;
mod verdict;
mod writer;

#[cfg(test)]
mod tests;

pub use format::Format;
pub use handle::LogHandle;
pub use queue::SinkHandle;
#[cfg(test)]
pub(crate) use setup::build;
pub use setup::{LogError, LogSetup, init};
pub use sink::Suspend;
pub use text::TextForm;
pub use verdict::Verdict;
