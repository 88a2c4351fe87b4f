//! What `status` prints: tickets and apps for people and as JSON, or tickets as JSON lines or CSV for programs.
//!
//! Which tickets, and in which order, is the caller's choice; for people there is [`sort_by_attention`]. Rows are
//! written as they are formed, so that a hundred thousand tickets need no second copy in memory. A reader that goes away early shows
//! as an `io::Error` like any other; the caller knows what that means to it.

mod attention;
pub(crate) mod cells;
pub(crate) mod closing;
pub(crate) mod columns;
mod csv;
mod json;
pub(crate) mod style;
mod table;

#[cfg(test)]
pub(crate) mod fixtures;

use std::io::{self, BufWriter, Write};

use anstyle::Style;
use clap::ValueEnum;
use feishu_export_watcher::AppReport;
use feishu_export_watcher::domain::{Counts, TicketRecord, WallTime};
use jiff::tz::TimeZone;

use crate::terminal::Screen;

pub(crate) use attention::sort_by_attention;

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

/// What is to be printed.
pub(crate) struct Report<'a> {
    /// The tickets to show, filtered and sorted.
    pub(crate) tickets: &'a [TicketRecord],
    /// How many more were asked for.
    pub(crate) omitted: usize,
    /// Counts over all tickets, shown or not.
    pub(crate) summary: Counts,
    /// The apps that were asked for, by name.
    pub(crate) apps: &'a [AppReport],
    /// Whether a watcher runs, so that times to come hold.
    pub(crate) is_watched: bool,
    /// The present moment.
    pub(crate) now: WallTime,
    /// The time zone of people.
    pub(crate) zone: TimeZone,
    /// What people look at.
    pub(crate) screen: Screen,
}

impl Report<'_> {
    /// The style, or none where the screen shows no colours.
    pub(crate) const fn style(&self, style: Style) -> Style {
        if self.screen.colour { style } else { style::PLAIN }
    }
}

/// Prints the report.
///
/// # Errors
/// Whatever `out` says. What was printed until then is cut anywhere.
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
