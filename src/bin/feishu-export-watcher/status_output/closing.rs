//! The part below the tickets in the form for people: how many more there are, advice about failures,
//! and every app with its counts and its trouble.

use std::io::{self, Write};

use feishu_export_watcher::AppReport;
use feishu_export_watcher::domain::words::grouped;
use feishu_export_watcher::domain::{Counts, FileCounts, FileState, TicketState, escape, files_in_words};

use super::columns::{GAP, width, write_padded};
use super::report::Report;
use super::style;

/// Columns of indentation below a heading or an app.
pub(super) const INDENT: usize = 2;

/// How many of the tickets asked for are not shown, and how many were not asked for.
pub(super) fn print_rest(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    if report.omitted > 0 {
        let dim = report.style(style::DIM);
        writeln!(out, "{dim}… and {} more (--limit 0 shows all){dim:#}", grouped(report.omitted))?;
    }
    let (asked, all) = (report.tickets.len() + report.omitted, report.summary.total());
    if asked < all {
        let verb = if asked == 1 { "matches" } else { "match" };
        writeln!(out, "{} of {} tickets {verb}", grouped(asked), grouped(all))?;
    }
    Ok(())
}

/// Advice about the failures among the tickets that are shown, and about files that may be gone, each kind once,
/// in the order in which they come up.
pub(crate) fn print_advice(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    let mut advice: Vec<(&str, &str)> = Vec::new();
    for found in report.tickets.iter().filter_map(|ticket| ticket.attention(report.now)) {
        if !advice.contains(&found) {
            advice.push(found);
        }
    }
    let Some(widest) = advice.iter().map(|(name, _)| width(name)).max() else { return Ok(()) };
    let head = report.style(style::HEAD);
    writeln!(out, "\n{head}What to do{head:#}")?;
    for (name, hint) in advice {
        write!(out, "{:INDENT$}", "")?;
        write_padded(out, name, report.style(style::BAD), widest + GAP)?;
        print_wrapped(out, hint, INDENT + widest + GAP, report.screen.width)?;
    }
    Ok(())
}

/// Every app that was asked for, and their sum if they are several.
pub(super) fn print_apps(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    let names: Vec<_> = report.apps.iter().map(|app| escape(app.name.as_str())).collect();
    let widest = names.iter().map(|name| width(name)).max().unwrap_or_default();
    for (name, app) in names.iter().zip(report.apps) {
        write_padded(out, name, report.style(style::HEAD), widest + GAP)?;
        print_app(out, app, report, widest + GAP)?;
    }
    if report.apps.len() > 1 {
        let sum: Counts = report.apps.iter().map(|app| app.counts).sum();
        let files = FileCounts::from_fn(|state| report.apps.iter().map(|app| app.files[state]).sum());
        writeln!(out, "{:indent$}{}", "", counts(&sum, &files), indent = widest + GAP)?;
    }
    let has_files = |app: &AppReport| app.files[FileState::Waiting] > 0;
    let is_open = |app: &AppReport| app.counts.of(TicketState::Pending) > 0 || has_files(app);
    let pending = report.apps.iter().any(is_open);
    if pending && !report.is_watched {
        let warning = report.style(style::WARNING);
        let or_fetched = if report.apps.iter().any(has_files) { " or fetched" } else { "" };
        writeln!(out, "{warning}no watcher runs: nothing is polled{or_fetched}{warning:#}")?;
    }
    Ok(())
}

/// "2 completed, 1 failed; files 1 waiting, 1 expired".
fn counts(tickets: &Counts, files: &FileCounts) -> String {
    let files = files_in_words(files).map(|files| format!("; files {files}")).unwrap_or_default();
    format!("{tickets}{files}")
}

/// The rest of an app's line, in which `taken` columns are taken, and advice if it is in trouble.
fn print_app(out: &mut impl Write, app: &AppReport, report: &Report<'_>, taken: usize) -> io::Result<()> {
    let counts = counts(&app.counts, &app.files);
    let mut taken = taken + width(&counts);
    write!(out, "{counts}")?;
    if app.is_configured == Some(false) {
        const MISSING: &str = "not in watcher.toml";
        let warning = report.style(style::WARNING);
        write!(out, "; {warning}{MISSING}{warning:#}")?;
        taken += GAP + MISSING.len();
    }
    let Some(trouble) = &app.trouble else { return writeln!(out) };
    let urgency = report.style(if trouble.urgency() <= 1 { style::BAD } else { style::WARNING });
    let words = trouble.summary(report.now, Some(&report.zone));
    if report.screen.width.is_none_or(|screen| taken + GAP + width(&words) <= screen) {
        writeln!(out, "; {urgency}{words}{urgency:#}")?;
    } else {
        write!(out, "\n{:INDENT$}{urgency}", "")?;
        print_wrapped(out, &words, INDENT, report.screen.width)?;
        write!(out, "{urgency:#}")?;
    }
    write!(out, "{:INDENT$}", "")?;
    print_wrapped(out, &trouble.hint(), INDENT, report.screen.width)
}

/// The rest of a line in which `indent` columns are taken, with further lines as far in where it is too long.
pub(super) fn print_wrapped(
    out: &mut impl Write,
    text: &str,
    indent: usize,
    screen: Option<usize>,
) -> io::Result<()> {
    // On a screen too narrow for that, the terminal's own way is no worse.
    let Some(columns) = screen.filter(|columns| *columns >= indent + 20) else {
        return writeln!(out, "{text}");
    };
    let spaces = " ".repeat(indent);
    let options = textwrap::Options::new(columns).initial_indent(&spaces).subsequent_indent(&spaces);
    writeln!(out, "{}", textwrap::fill(text, options).trim_start())
}

#[cfg(test)]
mod tests {
    use feishu_export_watcher::domain::PauseReason;

    use feishu_export_watcher::domain::TicketRecord;

    use super::super::fixtures::{self, app_reports, ended, pause, tickets};
    use super::*;

    fn apps(apps: &[AppReport], width: Option<usize>) -> String {
        let mut report = Report { apps, ..fixtures::report(&[]) };
        report.screen.width = width;
        let mut out = Vec::new();
        print_apps(&mut out, &report).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Promise: every app shows how many tickets it has, why it is paused, for how long, and advice.
    #[test]
    fn pauses_are_in_words() {
        let [mut default, mut lark] = app_reports();
        default.counts = [(TicketState::Pending, 1204)].into_iter().collect();
        default.trouble = Some(pause(PauseReason::RateLimited));
        lark.trouble = Some(pause(PauseReason::ScopeMissing));
        lark.is_configured = Some(false);
        assert_eq!(
            apps(&[default.clone(), lark.clone()], None),
            "\
default  1,204 pending; paused until 10:00 (38 s): rate limit
  another process spends from the same budget, or rate_limit is set too high; polling goes on by itself
lark     1 failed; not in watcher.toml; paused for 30 s, tried again in 38 s: API scope not granted
  in Developer Console > Permissions & Scopes add docs:document:export or drive:export:readonly, then publish a version under Version Management & Release; it is tried again by itself, at once after SIGHUP
         1,204 pending, 1 failed
"
        );
        assert_eq!(
            apps(&[lark], Some(50)),
            "\
lark  1 failed; not in watcher.toml
  paused for 30 s, tried again in 38 s: API scope
  not granted
  in Developer Console > Permissions & Scopes add
  docs:document:export or drive:export:readonly,
  then publish a version under Version Management
  & Release; it is tried again by itself, at once
  after SIGHUP
"
        );
    }

    #[test]
    fn an_absent_watcher_is_said() {
        let apps = app_reports();
        let report = Report { apps: &apps[..1], is_watched: false, ..fixtures::report(&[]) };
        let mut out = Vec::new();
        print_apps(&mut out, &report).unwrap();
        let expected = "default  2 pending, 1 completed\nno watcher runs: nothing is polled\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    /// Promise: advice is given once, for any number of tickets, and only for failures.
    #[test]
    fn advice_is_given_once() {
        let [completed, failed, troubled, _] = tickets();
        let late = ended("9", TicketState::TimedOut, -5.0);
        let bare = TicketRecord { error: None, ..failed.clone() };
        let doubtful = TicketRecord { download_by: Some(fixtures::after(-5.0)), ..completed.clone() };
        let tickets = [
            failed.clone(),
            completed,
            failed,
            troubled,
            late.clone(),
            late,
            bare,
            doubtful.clone(),
            doubtful,
        ];
        let mut out = Vec::new();
        print_advice(&mut out, &fixtures::report(&tickets)).unwrap();
        let [mut document, ..] = fixtures::documents();
        document.state = TicketState::TimedOut;
        print_advice(&mut out, &fixtures::report(&[document])).unwrap();
        let expected = "
What to do
  document_deleted  restore the document, then export again
  timed_out         export again, or split the document
  may be gone       download the file at once; if it is gone, export the document again

What to do
  timed_out  `feishu-export-watcher retry --failed` has it exported again; if it repeats, split the document
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
