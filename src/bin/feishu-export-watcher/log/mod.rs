//! The log: events of `tracing` become lines on standard output and in the log file.

pub(crate) mod harmless;
mod json;
mod record;
mod text;
