//! The program: arguments, log, signals, progress bar and exit codes around the library's front doors.

// They panic where the stream is closed; `messages` does not.
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod add;
mod args;
mod batch;
mod check;
mod config_file;
mod core_dump;
mod exit;
mod explain;
mod health;
mod hook;
mod init;
mod input;
mod messages;
mod progress;
mod retry;
mod retry_hook;
mod run;
mod signals;
mod status;
mod status_output;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command, HookCommand};

fn main() -> ExitCode {
    // Before anything is read that is a secret.
    core_dump::forbid();
    let code = match Arguments::parse().command {
        Command::Run(arguments) => run::run(arguments),
        Command::Init(arguments) => init::init(arguments),
        Command::Add(arguments) => add::add(arguments),
        Command::Check(arguments) => check::check(arguments),
        Command::Status(arguments) => status::status(arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Retry(arguments) => retry::retry(arguments),
        Command::Hook(HookCommand::Test(arguments)) => hook::test(arguments),
        Command::Health(arguments) => health::health(arguments),
    };
    ExitCode::from(code)
}
