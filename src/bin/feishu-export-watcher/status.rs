//! `status`: prints the content of the state file.

use std::io;
use std::path::Path;

use feishu_export_watcher::domain::{WallTime, with_causes};
use feishu_export_watcher::{StateFile, StatusQuery, StatusReport};
use jiff::tz::TimeZone;

use crate::args::StatusArguments;
use crate::messages::{after_printing, eprint_escaped, refuse};
use crate::status_output::{self, Format, Report, sort_by_attention};
use crate::terminal::Screen;
use crate::{config_file, exit};

/// Advice where the configuration that names the state file is invalid.
pub(crate) const OTHERWISE: &str = "fix this, or name the state file itself with --state-file";

/// Tickets that the table shows on a terminal without --limit.
const SHOWN: usize = 50;

/// Prints tickets and apps; returns the exit code.
pub(crate) fn status(arguments: StatusArguments) -> u8 {
    let StatusArguments { file, format, state: states, file_state: files, app: apps, label: labels, limit } =
        arguments;
    let Some(file) = config_file::find_state(file) else { return exit::CONFIG };
    let query = StatusQuery { states, files, apps, labels };
    let mut report = match feishu_export_watcher::status(&file, &query) {
        Ok(report) => report,
        Err(error) => return refuse(&error, OTHERWISE),
    };
    if !report.exists {
        eprint_escaped(&nothing_ran(&report.path, &file));
    }
    let printed = print(&mut report, format, limit);
    // After the table, where it is seen.
    if let Err(error) = &report.watcher {
        eprint_escaped(&format!("whether a watcher runs is unknown: {}", with_causes(error)));
    }
    after_printing(printed, exit::FINE)
}

/// The message where there is no state file, with what makes one.
pub(crate) fn nothing_ran(path: &Path, file: &StateFile) -> String {
    let next = config_file::command_to_run(file).map(|run| format!("; next:\n  {run}"));
    format!("nothing ran yet: there is no state file {}{}", path.display(), next.unwrap_or_default())
}

fn print(report: &mut StatusReport, format: Format, limit: Option<usize>) -> io::Result<()> {
    let (now, screen) = (WallTime::now(), Screen::from_stdout());
    if format == Format::Table {
        sort_by_attention(&mut report.tickets, now);
    }
    let limit = match limit {
        None if format == Format::Table && screen.is_terminal => SHOWN,
        // Programs and files get all.
        None | Some(0) => usize::MAX,
        Some(limit) => limit,
    };
    let shown = &report.tickets[..limit.min(report.tickets.len())];
    let printed = Report {
        tickets: shown,
        omitted: report.tickets.len() - shown.len(),
        summary: report.summary,
        files: report.files,
        apps: &report.apps,
        hooks: &report.hooks,
        is_watched: !matches!(report.watcher, Ok(None)),
        now,
        zone: TimeZone::system(),
        screen,
    };
    status_output::print(&mut io::stdout().lock(), format, &printed)
}
