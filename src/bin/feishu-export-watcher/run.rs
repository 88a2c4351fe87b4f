//! `run`: the watcher at work, and the summary of a batch.

use std::io::{self, BufWriter, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use feishu_export_watcher::domain::words::grouped;
use feishu_export_watcher::domain::{
    App, Credentials, PauseReason, SecretSource, TicketState, Trouble, WallTime, files_in_words,
};
use feishu_export_watcher::log::{LogHandle, TextForm};
use feishu_export_watcher::service;
use feishu_export_watcher::{
    CommandError, Connections, End, Outcome, RunOptions, Snapshot, Undelivered, Watcher, load, set_up_log,
};
use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::args::RunArguments;
use crate::batch::print_batch;
use crate::config_file::{command, is_found};
use crate::messages::{eprint_escaped, fail, refuse};
use crate::progress::Progress;
use crate::signals::Signals;
use crate::status_output::Report;
use crate::terminal::Screen;
use crate::{config_file, exit};

/// Lines that are still on their way at the end may take this long.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Threads for what blocks, files above all. One writes for many transfers; without a limit each transfer that is
/// faster than the scheduler adds some, with a stack each. There are more than the transfers of two apps can be, for names
/// are resolved there as well: a folder that hangs must not hold up polls.
const BLOCKING_THREADS: usize = 128;

/// Runs until done or stopped; returns the exit code.
pub(crate) fn run(arguments: RunArguments) -> u8 {
    let RunArguments { config, until_done, deadline, log_level } = arguments;
    let check = command("check", config.config.as_deref());
    let advice = format!("nothing was started; correct this and check again with `{check}`");
    let Some(config) = config_file::find(config) else { return exit::CONFIG };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, exit::UNEXPECTED),
    };
    let options = RunOptions { until_done, deadline, ..RunOptions::default() };
    // An empty variable counts as none.
    let level = log_level.filter(|level| !level.is_empty());
    let ended = runtime.block_on(watch_all(config, options, level));
    let code = ended.unwrap_or_else(|error| refuse(&error, &advice));
    // A thread that hangs in the file system must not hold up the end.
    runtime.shutdown_timeout(LAST_WORDS);
    code
}

/// The exit code of a run that began, or was stopped before.
async fn watch_all(config: PathBuf, options: RunOptions, level: Option<String>) -> Result<u8, CommandError> {
    // Before anything that takes time: a reload that comes too early must not kill.
    let mut signals = match Signals::install() {
        Ok(signals) => signals,
        Err(error) => return Ok(fail(&error, exit::UNEXPECTED)),
    };
    let code_of_stop = if options.until_done { exit::PENDING } else { exit::FINE };
    let loaded = tokio::select! {
        loaded = load(config) => loaded?,
        // Lists may lie on a mount that hangs.
        () = signals.stopped() => return Ok(code_of_stop),
    };
    let Screen { is_terminal, colour, width: columns } = Screen::from_stdout();
    // The time zone may be anything that `TZ` names, so it is looked up only where it is shown.
    let text = || TextForm { colour, columns, zone: TimeZone::system() };
    let log = set_up_log(&loaded.config, level, is_terminal, text)?;
    let (config, state) = (loaded.config.path.clone(), loaded.config.state.path.clone());
    let apps = loaded.config.apps.clone();
    let watcher = tokio::select! {
        opened = Watcher::open(loaded, options) => opened?,
        // So may the state file, and a large one is examined for damage.
        () = signals.stopped() => return Ok(code_of_stop),
    };
    let ended = watch_with(watcher, options, signals, &log).await;
    let flushed = log.flush(LAST_WORDS).await;
    let outcome = ended?;
    if options.until_done {
        summarise(&outcome, &config, &state, &apps);
    }
    print_losses(&outcome, flushed, &state);
    Ok(exit::from_outcome(&outcome, options.until_done))
}

async fn watch_with(
    watcher: Watcher,
    options: RunOptions,
    signals: Signals,
    log: &LogHandle,
) -> Result<Outcome, CommandError> {
    let stop = CancellationToken::new();
    let (reload, requests) = mpsc::channel(1);
    let (view, seen) = watch::channel(Snapshot::default());
    let (hooks, hooks_seen) = watch::channel(Vec::new());
    let (notices, notifying) = service::start(seen.clone(), stop.clone());
    let listening = tokio::spawn(signals.pass_on(stop.clone(), reload, log.clone(), notices));
    let bar = (options.until_done && io::stderr().is_terminal()).then(Progress::new);
    let drawing = bar.map(|bar| {
        if io::stdout().is_terminal() {
            log.set_suspend(Some(bar.suspend()));
        }
        tokio::spawn(bar.follow(seen, hooks_seen))
    });
    let connections = Connections { stop, reload: requests, view, hooks, log: log.clone() };
    let outcome = watcher.run(connections).await;
    listening.abort();
    if let Some(drawing) = drawing {
        // Engine and hooks are gone, so the bar ends by itself; its panic must not be that of the run.
        let _ = drawing.await;
        log.set_suspend(None);
    }
    // It ends with the engine, after its last message.
    let _ = notifying.await;
    outcome
}

/// Prints what could not be written at the end.
fn print_losses(outcome: &Outcome, flushed: io::Result<()>, state: &Path) {
    let (verdicts, state) = (outcome.unannounced, state.display());
    let message = match flushed {
        _ if !outcome.saved => format!("the state file {state} could not be written at the end"),
        _ if verdicts == 0 => return,
        Err(error) => {
            format!(
                "{verdicts} verdicts could not be logged in time ({error}); the next start announces them"
            )
        }
        Ok(()) => format!(
            "the log did not confirm {verdicts} verdicts in time, which stay in the state file {state}; the next start announces them"
        ),
    };
    eprint_escaped(&format!("error: {message}"));
}

/// The summary of a batch, for people.
fn summarise(outcome: &Outcome, config: &Path, state: &Path, apps: &[App]) {
    use TicketState::{Completed, Failed, Pending, TimedOut};
    let doubtful = match outcome.doubtful {
        0 => String::new(),
        1 => " (1 file may be gone)".to_owned(),
        more => format!(" ({} files may be gone)", grouped(more)),
    };
    let [completed, failed, timed_out, pending] =
        [Completed, Failed, TimedOut, Pending].map(|state| outcome.listed.of(state));
    let files = files_in_words(&outcome.files).map(|files| format!("; files {files}")).unwrap_or_default();
    let state = state.display();
    eprint_escaped(&format!(
        "{completed} completed{doubtful}, {failed} failed, {timed_out} timed out, {pending} pending{files}; state file {state}"
    ));
    print_tickets(outcome, config);
    match outcome.end {
        End::Deadline => eprint_escaped("the deadline passed; run again to go on"),
        End::Stopped if exit::is_open(outcome) => eprint_escaped("stopped; run again to go on"),
        _ if outcome.listed.total() == 0 => {
            let add = command("add URL --format pdf", (!is_found(config)).then_some(config));
            eprint_escaped(&format!("nothing is listed; add documents:\n  {add}"));
        }
        _ => {}
    }
    print_troubled(outcome, apps);
    print_undelivered(outcome);
}

/// Prints what hooks have not taken, which is no failure of the batch.
fn print_undelivered(outcome: &Outcome) {
    outcome.undelivered.iter().for_each(|undelivered| eprint_escaped(&undelivered_in_words(undelivered)));
}

/// "hook archive: 3 events wait; they go out with the next run".
fn undelivered_in_words(Undelivered { hook, events, .. }: &Undelivered) -> String {
    let (wait, go) = if *events == 1 { ("event waits", "it goes") } else { ("events wait", "they go") };
    format!("hook {hook}: {} {wait}; {go} out with the next run", grouped(*events))
}

/// Prints the apps in trouble, with what to do before the batch is run again.
fn print_troubled(outcome: &Outcome, apps: &[App]) {
    for (name, trouble) in &outcome.troubled {
        let source = apps.iter().find(|app| app.name == *name).and_then(|app| secret_of(app, trouble));
        let source = source.map(|source| format!("\n  its secret or token: {source}"));
        let (summary, source) = (trouble.summary_for_next_run(), source.unwrap_or_default());
        eprint_escaped(&format!("app {name} {summary}{source}"));
    }
}

/// Where the secret or token lies that is to be replaced.
fn secret_of<'a>(app: &'a App, trouble: &Trouble) -> Option<&'a SecretSource> {
    use PauseReason::{CredentialsRejected, SecretUnreadable, TokenTypeUnsupported, UserAuthorizationNeeded};
    let (Credentials::AppSecret(source) | Credentials::AccessToken(source)) = &app.credentials;
    let reason = trouble.pause()?;
    let is_of_secret = [CredentialsRejected, SecretUnreadable, TokenTypeUnsupported, UserAuthorizationNeeded]
        .contains(&reason);
    is_of_secret.then_some(source)
}

/// Prints the tickets that failed, or whose files are lost or may be, with advice.
fn print_tickets(outcome: &Outcome, config: &Path) {
    let report = Report {
        tickets: &outcome.named,
        omitted: (outcome.unsuccessful() + outcome.doubtful).saturating_sub(outcome.named.len()),
        summary: outcome.listed,
        files: outcome.files,
        apps: &[],
        hooks: &[],
        is_watched: false,
        now: WallTime::now(),
        zone: TimeZone::UTC,
        screen: Screen::from_stderr(),
    };
    // Where stderr can't be written, the exit code shows the result as well.
    let _ = print_batch(&mut BufWriter::new(io::stderr()), &report, &command("status", Some(config)));
}

#[cfg(test)]
mod tests {
    use feishu_export_watcher::domain::HookName;

    use super::*;

    /// Promise: a batch says what its hooks have not taken, and when that goes out.
    #[test]
    fn what_hooks_have_not_taken_is_said() {
        let said = |events| undelivered_in_words(&Undelivered { hook: HookName::new("archive"), events });
        assert_eq!(said(1), "hook archive: 1 event waits; it goes out with the next run");
        assert_eq!(said(1_204), "hook archive: 1,204 events wait; they go out with the next run");
    }
}
