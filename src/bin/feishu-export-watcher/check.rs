//! `check`: what the front door found, printed.

use std::io::{self, Write};
use std::iter;
use std::path::Path;

use feishu_export_watcher::CheckReport;
use feishu_export_watcher::config::{Config, WatchSourceKind};
use feishu_export_watcher::domain::{Credentials, WallTime, WatchList};
use feishu_export_watcher::feishu::Connection;

use crate::args::CheckArguments;
use crate::messages::after_printing;
use crate::{config_file, exit};
use feishu_export_watcher::domain::escape;

/// Checks; returns the exit code.
pub(crate) fn check(arguments: CheckArguments) -> u8 {
    let Some(config) = config_file::find(arguments.config) else { return exit::CONFIG };
    let report = feishu_export_watcher::check(&config, !arguments.no_secrets, WallTime::now());
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
    if let Some((config, list)) = &report.accepted {
        print_paths(config, out)?;
        print_apps(config, list, &report.connections, out)?;
    }
    let errors = report.problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = report.problems.len() - errors + report.notes.len();
    match (errors, warnings) {
        (0, 0) => writeln!(out, "in order"),
        (0, warnings) => writeln!(out, "in order (warnings: {warnings})"),
        (errors, warnings) => writeln!(out, "not in order (errors: {errors}, warnings: {warnings})"),
    }
}

/// The path of a file that a run makes, with its folder if need be.
fn made(path: &Path) -> String {
    let absent = path.parent().filter(|folder| folder.symlink_metadata().is_err());
    let note = absent.map(|folder| format!(" ({} does not exist yet; it will be created)", folder.display()));
    format!("{}{}", path.display(), note.unwrap_or_default())
}

fn print_paths(config: &Config, out: &mut impl Write) -> io::Result<()> {
    let mut row = |text: String| writeln!(out, "{}", escape(&text));
    row(format!("configuration  {}", config.path.display()))?;
    row(format!("state file     {}", made(&config.state.path)))?;
    if let Some(file) = &config.log.file {
        row(format!("log file       {}", made(file)))?;
    }
    if let Some(server) = &config.server {
        row(format!("server         {}", server.listen))?;
    }
    for source in &config.watchlist {
        match &source.kind {
            WatchSourceKind::File(path) => row(format!("watch list     {}", path.display()))?,
            WatchSourceKind::Glob(pattern) => row(format!("watch list     {pattern}"))?,
        }
    }
    Ok(())
}

fn print_apps(
    config: &Config,
    list: &WatchList,
    connections: &[Connection],
    out: &mut impl Write,
) -> io::Result<()> {
    let mut row = |text: String| writeln!(out, "{}", escape(&text));
    let connections = connections.iter().map(Some).chain(iter::repeat(None));
    for (app, connection) in config.apps.iter().zip(connections) {
        let (Credentials::AppSecret(source) | Credentials::AccessToken(source)) = &app.credentials;
        let tickets = list.entries.iter().filter(|entry| entry.key.app == app.name).count();
        row(format!(
            "app {:<10} {} as {}, {source}, {tickets} {}",
            app.name.as_str(),
            app.base_url,
            app.app_id,
            if tickets == 1 { "ticket" } else { "tickets" }
        ))?;
        if let Some(connection) = connection {
            row(format!("  proxy        {}", connection.proxy))?;
            row(format!("  trust store  {}", connection.trust_store))?;
        }
    }
    Ok(())
}
