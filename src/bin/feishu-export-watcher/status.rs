//! `status`: what the state file knows, printed.

use std::io;

use feishu_export_watcher::StatusReport;
use feishu_export_watcher::config::load;
use feishu_export_watcher::domain::WallTime;

use crate::args::StatusArguments;
use crate::status_output::{self, Format, Report};
use crate::{complain, exit, tell};

/// Prints what is known; returns the exit code.
pub(crate) fn status(arguments: &StatusArguments) -> u8 {
    let config = match load(&arguments.config) {
        Ok((config, _)) => config,
        Err(error) => {
            tell(&error.to_string());
            return exit::CONFIG;
        }
    };
    let report = match feishu_export_watcher::status(&config, &arguments.state) {
        Ok(report) => report,
        Err(error) => {
            complain(&error);
            return exit::of_store(&error);
        }
    };
    if !report.exists {
        tell(&format!("no state yet: {}", config.state.path.display()));
    }
    match print(&report, arguments.format) {
        Ok(()) => exit::FINE,
        // `status | head` is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit::FINE,
        Err(error) => {
            complain(&error);
            exit::UNEXPECTED
        }
    }
}

fn print(report: &StatusReport, format: Format) -> io::Result<()> {
    let printed = Report { tickets: &report.tickets, summary: report.summary.into(), now: WallTime::now() };
    status_output::print(&mut io::stdout().lock(), format, &printed)
}
