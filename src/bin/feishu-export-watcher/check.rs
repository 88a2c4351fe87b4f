//! `check`: prints the front door's report, and with `--online` what the API answered.

use std::io::{self, Write};
use std::path::Path;

use feishu_export_watcher::domain::{WallTime, escape};
use feishu_export_watcher::{CheckReport, Finding, OnlinePlan, OnlineReport};

use crate::args::CheckArguments;
use crate::messages::{after_printing, eprint_escaped, fail};
use crate::{config_file, exit};

/// Checks; returns the exit code.
pub(crate) fn check(arguments: CheckArguments) -> u8 {
    let Some(config) = config_file::find(arguments.config) else { return exit::CONFIG };
    let report = feishu_export_watcher::check(&config, !arguments.no_secrets, WallTime::now());
    let code = show(&report);
    match &report.online {
        Some(plan) if arguments.online && code == exit::FINE => ask(plan),
        None if arguments.online => {
            eprint_escaped("nothing was asked online; correct the errors above first");
            code
        }
        _ => code,
    }
}

/// Checks that configuration, its secrets only if `secrets`; returns the exit code.
pub(crate) fn check_file(config: &Path, secrets: bool) -> u8 {
    show(&feishu_export_watcher::check(config, secrets, WallTime::now()))
}

/// Prints the report; returns the exit code.
fn show(report: &CheckReport) -> u8 {
    let code = if report.is_fine() { exit::FINE } else { exit::CONFIG };
    after_printing(print(report, &mut io::stdout().lock()), code)
}

/// Asks online and prints the answers; returns the exit code.
fn ask(plan: &OnlinePlan) -> u8 {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, exit::UNEXPECTED),
    };
    let asked = runtime.block_on(plan.ask());
    // A name that is still being looked up, or a secret on a mount that hangs, is not waited for.
    runtime.shutdown_background();
    match asked {
        Ok(report) => after_printing(print_online(&report, &mut io::stdout().lock()), code_of(&report)),
        Err(error) => fail(&error, error.class() as u8),
    }
}

/// What needs a fix comes before what may pass.
fn code_of(report: &OnlineReport) -> u8 {
    match (report.count(Finding::Wrong), report.count(Finding::Passing)) {
        (0, 0) => exit::FINE,
        (0, _) => exit::UNAVAILABLE,
        _ => exit::CONFIG,
    }
}

/// Prints the answers.
fn print_online(report: &OnlineReport, out: &mut impl Write) -> io::Result<()> {
    report.rows.iter().try_for_each(|row| writeln!(out, "{}", escape(&row.text)))?;
    match (report.count(Finding::Wrong), report.count(Finding::Passing)) {
        (0, 0) => writeln!(out, "online: fine"),
        (wrong, passing) => writeln!(out, "online: in trouble (to fix: {wrong}, may pass: {passing})"),
    }
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
