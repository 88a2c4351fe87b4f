//! The output of `status`: tickets and apps for people and as JSON, or tickets as JSON lines or CSV for programs.
//!
//! Which tickets, and in which order, is the caller's choice; for people there is [`sort_by_attention`]. Rows are
//! written as they are formed, so that a hundred thousand tickets need no second copy in memory. A reader that goes away early shows
//! as an `io::Error` like any other; the caller judges it.

mod attention;
pub(crate) mod cells;
pub(crate) mod closing;
pub(crate) mod columns;
mod csv;
mod hooks;
mod json;
mod report;
pub(crate) mod style;
mod table;

#[cfg(test)]
pub(crate) mod fixtures;

use std::io::{self, BufWriter, Write};

use clap::ValueEnum;

pub(crate) use attention::sort_by_attention;
pub(crate) use report::Report;

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One JSON object
    Json,
    /// One JSON object a ticket
    Jsonl,
    /// For spreadsheets
    Csv,
}

/// Prints the report.
///
/// # Errors
/// Those of `out`. The output until then is cut anywhere.
pub(crate) fn print(out: &mut dyn Write, format: Format, report: &Report<'_>) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    match format {
        Format::Table => table::print(&mut out, report)?,
        Format::Json => json::print(&mut out, report)?,
        Format::Jsonl => json::print_lines(&mut out, report)?,
        Format::Csv => csv::print(&mut out, report)?,
    }
    out.flush()
}
