//! `status`: what the state file knows, printed.

use std::io;
use std::path::Path;

use feishu_export_watcher::config::{ConfigError, Problem};
use feishu_export_watcher::domain::{WallTime, with_causes};
use feishu_export_watcher::{StatusError, StatusQuery, StatusReport, WatcherPresence};
use jiff::tz::TimeZone;

use crate::args::StatusArguments;
use crate::status_output::{self, Format, Report, sort_by_attention};
use crate::terminal::Screen;
use crate::{complain, complain_of_stdout, config_file, exit, tell};

/// Tickets that the table shows on a terminal unless told otherwise.
const SHOWN: usize = 50;

/// Prints what is known; returns the exit code. A configuration that is not in order is said but is no failure:
/// what was asked for could be told.
pub(crate) fn status(mut arguments: StatusArguments) -> u8 {
    let Some(config) = config_file::find(std::mem::take(&mut arguments.config)) else { return exit::CONFIG };
    let query = StatusQuery {
        states: arguments.state.clone(),
        apps: arguments.app.clone(),
        labels: arguments.label.clone(),
    };
    let mut report = match feishu_export_watcher::status(&config, &query) {
        Ok(report) => report,
        Err(error) => return refuse(&error),
    };
    if !report.exists {
        tell(&format!("no state yet: {}", report.path.display()));
    }
    let printed = print(&mut report, &arguments);
    // After the table, where they are seen.
    tell_doubts(&report, &config);
    match printed {
        Ok(()) => exit::FINE,
        // `status | head` is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit::FINE,
        Err(error) => complain_of_stdout(&error),
    }
}

/// Why nothing can be shown, and its exit code.
fn refuse(error: &StatusError) -> u8 {
    match error {
        StatusError::Config(error) => refuse_config(error),
        StatusError::Store(error) => {
            complain(error);
            exit::of_store(error)
        }
        StatusError::UnknownApp(_) => {
            complain(error);
            exit::USAGE
        }
    }
}

/// What is wrong, though it did not stand in the way.
fn tell_doubts(report: &StatusReport, config: &Path) {
    tell_broken_config(&report.problems, config, &report.path);
    if let WatcherPresence::Unknown(error) = &report.watcher {
        tell(&format!("whether a watcher runs can't be told: {}", with_causes(error)));
    }
}

fn print(report: &mut StatusReport, arguments: &StatusArguments) -> io::Result<()> {
    let (now, screen, summary) = (WallTime::now(), Screen::of_stdout(), report.summary().into());
    if arguments.format == Format::Table {
        sort_by_attention(&mut report.tickets, now);
    }
    if !arguments.app.is_empty() {
        report.apps.retain(|app| arguments.app.iter().any(|name| name == app.name.as_str()));
    }
    let shown = &report.tickets[..limit(arguments, screen).min(report.tickets.len())];
    let printed = Report {
        tickets: shown,
        omitted: report.tickets.len() - shown.len(),
        summary,
        apps: &report.apps,
        is_watched: !matches!(report.watcher, WatcherPresence::Absent),
        now,
        zone: TimeZone::system(),
        screen,
    };
    status_output::print(&mut io::stdout().lock(), arguments.format, &printed)
}

/// How many tickets to show. Programs lose none by surprise, and neither does who looks at a file later.
fn limit(arguments: &StatusArguments, screen: Screen) -> usize {
    match arguments.limit {
        Some(0) => usize::MAX,
        Some(limit) => limit,
        None if arguments.format == Format::Table && screen.is_terminal => SHOWN,
        None => usize::MAX,
    }
}

/// It is not known which state file is meant; returns the exit code.
pub(crate) fn refuse_config(error: &ConfigError) -> u8 {
    tell(&error.to_string());
    tell("where the state file lies can't be told for sure; mend this and try again");
    exit::CONFIG
}

/// Says what is wrong with a `watcher.toml` whose state file was used all the same.
pub(crate) fn tell_broken_config(problems: &[Problem], config: &Path, state: &Path) {
    for problem in problems {
        tell(&problem.to_string());
    }
    if !problems.is_empty() {
        let (config, state) = (config.display(), state.display());
        tell(&format!("{config} is not in order; its state file is used all the same: {state}"));
    }
}
