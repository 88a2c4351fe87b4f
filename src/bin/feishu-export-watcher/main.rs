//! The program: arguments, log, signals, progress bar and exit codes around the library's front doors.

// They panic where nobody can be told; `tell` does not.
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod args;
mod batch;
mod check;
mod config_file;
mod core_dump;
mod exit;
mod explain;
#[cfg(test)]
mod generated;
mod health;
mod progress;
mod retry;
mod run;
mod signals;
mod status;
mod status_output;
mod terminal;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use feishu_export_watcher::domain::{escape_except, with_causes};

use crate::args::{Arguments, Command};

fn main() -> ExitCode {
    // Before anything is read that is a secret.
    core_dump::forbid();
    let code = match Arguments::parse().command {
        Command::Run(arguments) => run::run(arguments),
        Command::Check(arguments) => check::check(arguments),
        Command::Status(arguments) => status::status(arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Retry(arguments) => retry::retry(arguments),
        Command::Health(arguments) => health::health(arguments),
    };
    ExitCode::from(code)
}

/// An error and its causes, on stderr.
fn complain(error: &dyn std::error::Error) {
    tell(&format!("error: {}", with_causes(error)));
}

/// Standard output can't be written, and why; returns the exit code.
fn complain_of_stdout(error: &io::Error) -> u8 {
    tell(&format!("error: failed to write to standard output: {error}"));
    exit::UNEXPECTED
}

/// A line on stderr. What the terminal could take for more than text is taken out; if nobody can be told,
/// the exit code still says it.
fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{}", escape_except(text, &['\n']));
}
