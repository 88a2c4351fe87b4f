//! `check`: what the front door found, printed.

use std::io::{self, Write};
use std::path::Path;

use feishu_export_watcher::CheckReport;
use feishu_export_watcher::config::{Config, WatchSourceKind};
use feishu_export_watcher::domain::{Credentials, WallTime, WatchList, escape};
use feishu_export_watcher::feishu::Connection;

use crate::args::CheckArguments;
use crate::messages::after_printing;
use crate::{config_file, exit};

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
        let rows = paths(config).into_iter().chain(apps(config, list, &report.connections));
        rows.into_iter().try_for_each(|row| writeln!(out, "{}", escape(&row)))?;
    }
    let errors = report.problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = report.problems.len() - errors + report.notes.len();
    match (errors, warnings) {
        (0, 0) => writeln!(out, "valid"),
        (0, warnings) => writeln!(out, "valid (warnings: {warnings})"),
        (errors, warnings) => writeln!(out, "invalid (errors: {errors}, warnings: {warnings})"),
    }
}

/// The paths as they are understood.
fn paths(config: &Config) -> Vec<String> {
    let mut rows = vec![
        format!("configuration  {}", config.path.display()),
        format!("state file     {}", with_folder(&config.state.path)),
    ];
    rows.extend(config.log.file.as_deref().map(|file| format!("log file       {}", with_folder(file))));
    rows.extend(config.server.map(|server| format!("server         {}", server.listen)));
    rows.extend(config.watchlist.iter().map(|source| match &source.kind {
        WatchSourceKind::File(path) => format!("watch list     {}", path.display()),
        WatchSourceKind::Glob(pattern) => format!("watch list     {pattern}"),
    }));
    rows
}

/// The path of a file that a run makes, with its folder if need be.
fn with_folder(path: &Path) -> String {
    let absent = path.parent().filter(|folder| folder.symlink_metadata().is_err());
    let note = absent.map(|folder| format!(" ({} does not exist yet; it will be created)", folder.display()));
    format!("{}{}", path.display(), note.unwrap_or_default())
}

/// Each app with how its host is reached.
fn apps(config: &Config, list: &WatchList, connections: &[Connection]) -> Vec<String> {
    let mut rows = Vec::new();
    for (index, app) in config.apps.iter().enumerate() {
        let (Credentials::AppSecret(source) | Credentials::AccessToken(source)) = &app.credentials;
        let tickets = list.entries.iter().filter(|entry| entry.key.app == app.name).count();
        let plural = if tickets == 1 { "" } else { "s" };
        let (name, url, id) = (app.name.as_str(), &app.base_url, &app.app_id);
        rows.push(format!("app {name:<10} {url} as {id}, {source}, {tickets} ticket{plural}"));
        if let Some(Connection { proxy, trust_store }) = connections.get(index) {
            rows.push(format!("  proxy        {proxy}"));
            rows.push(format!("  trust store  {trust_store}"));
        }
    }
    rows
}
