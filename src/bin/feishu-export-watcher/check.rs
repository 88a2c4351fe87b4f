//! `check`: prints the front door's report.

use std::io::{self, Write};
use std::path::Path;

use feishu_export_watcher::CheckReport;
use feishu_export_watcher::domain::{WallTime, escape};

use crate::args::CheckArguments;
use crate::messages::after_printing;
use crate::{config_file, exit};

/// Checks; returns the exit code.
pub(crate) fn check(arguments: CheckArguments) -> u8 {
    let Some(config) = config_file::find(arguments.config) else { return exit::CONFIG };
    check_file(&config, !arguments.no_secrets)
}

/// Checks that configuration, its secrets only if `secrets`; returns the exit code.
pub(crate) fn check_file(config: &Path, secrets: bool) -> u8 {
    let report = feishu_export_watcher::check(config, secrets, WallTime::now());
    let code = if report.is_fine() { exit::FINE } else { exit::CONFIG };
    after_printing(print(&report, &mut io::stdout().lock()), code)
}

/// Prints the report.
fn print(report: &CheckReport, out: &mut impl Write) -> io::Result<()> {
    for problem in &report.problems {
        writeln!(out, "{problem}")?;
    }
    for note in &report.notes {
        writeln!(out, "warning: {note}")?;
    }
    report.rows.iter().try_for_each(|row| writeln!(out, "{}", escape(row)))?;
    let errors = report.problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = report.problems.len() - errors + report.notes.len();
    match (errors, warnings) {
        (0, 0) => writeln!(out, "valid"),
        (0, warnings) => writeln!(out, "valid (warnings: {warnings})"),
        (errors, warnings) => writeln!(out, "invalid (errors: {errors}, warnings: {warnings})"),
    }
}
