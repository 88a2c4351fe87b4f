//! The program: arguments, log, signals, progress bar and exit codes around the library's front doors.

mod args;
mod check;
mod exit;
mod log;
mod progress;
mod run;
mod signals;
mod status;
mod status_output;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};

fn main() -> ExitCode {
    let code = match Arguments::parse().command {
        Command::Run(arguments) => run::run(arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Status(arguments) => status::status(&arguments),
    };
    ExitCode::from(code)
}

/// An error and its causes, on stderr. What the terminal could take for more than text is taken out.
fn complain(error: &dyn std::error::Error) {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let text = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    eprintln!("error: {}", log::harmless::harmless_but(&text, &['\n']));
}
