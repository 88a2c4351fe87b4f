//! `run`: the watcher at work, and the summary of a batch.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use feishu_export_watcher::config::{Config, ConfigError, Loaded, LogFormat, ServerConfig, load_all};
use feishu_export_watcher::domain::words::grouped;
use feishu_export_watcher::domain::{TicketState, WallTime};
use feishu_export_watcher::engine::{End, Meters, Outcome, Snapshot};
use feishu_export_watcher::http::Server;
use feishu_export_watcher::log::{Format, LogError, LogHandle, LogSetup, TextForm};
use feishu_export_watcher::service;
use feishu_export_watcher::{Hooks, RunError, RunOptions, Watcher};
use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::args::RunArguments;
use crate::batch::print_batch;
use crate::messages::{eprint_escaped, fail};
use crate::progress::Progress;
use crate::signals::Signals;
use crate::status_output::Report;
use crate::terminal::Screen;
use crate::{config_file, exit};

/// Lines that are still on their way at the end may take this long.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs until done or stopped; returns the exit code.
pub(crate) fn run(arguments: RunArguments) -> u8 {
    let RunArguments { config, until_done, deadline, log_level } = arguments;
    let check = command("check", config.config.as_deref());
    let Some(config) = config_file::find(config) else { return exit::CONFIG };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, exit::UNEXPECTED),
    };
    let options = RunOptions { until_done, deadline };
    let code = runtime.block_on(watch_all(config, &check, options, log_level)).unwrap_or_else(|code| code);
    // A thread that hangs in the file system must not hold up the end.
    runtime.shutdown_timeout(LAST_WORDS);
    code
}

/// The exit code, in either case; an error was printed on stderr.
async fn watch_all(
    config: PathBuf,
    check: &str,
    options: RunOptions,
    level: Option<String>,
) -> Result<u8, u8> {
    // Before anything that takes time: a reload that comes too early must not kill.
    let mut signals = Signals::install().map_err(|error| fail(&error, exit::UNEXPECTED))?;
    let code_of_stop = if options.until_done { exit::PENDING } else { exit::FINE };
    let loaded = tokio::select! {
        loaded = load(config, check) => loaded?,
        // Lists may lie on a mount that hangs.
        () = signals.stopped() => return Ok(code_of_stop),
    };
    let log =
        set_up_log(&loaded.config, level).map_err(|error| fail(&error, exit::from_log_error(&error)))?;
    let config = loaded.config.clone();
    let watcher = tokio::select! {
        opened = Watcher::open(loaded, options.until_done) => opened.map_err(|error| refuse(&error, check))?,
        // So may the state file, and a large one is looked through for damage.
        () = signals.stopped() => return Ok(code_of_stop),
    };
    // After the lock, so that of two watchers the second reports the first and not its port.
    let meters = Meters::new().map_err(|error| fail(&error, exit::UNEXPECTED))?;
    let server = listen(config.server).await?;
    let ended = watch_with(watcher, server, options, signals, &log, meters).await;
    let flushed = log.flush(LAST_WORDS).await;
    let outcome = ended.map_err(|error| refuse(&error, check))?;
    if options.until_done {
        summarise(&outcome, &config);
    }
    print_losses(&outcome, flushed.err(), &config);
    Ok(exit::from_outcome(&outcome, options.until_done))
}

async fn listen(wanted: Option<ServerConfig>) -> Result<Option<Server>, u8> {
    let Some(wanted) = wanted else { return Ok(None) };
    Server::bind(wanted.listen).await.map(Some).map_err(|error| fail(&error, exit::UNEXPECTED))
}

/// What is wrong with configuration or lists, so that nothing was started; returns the exit code.
fn refuse_config(error: &ConfigError, check: &str) -> u8 {
    eprint_escaped(&error.to_string());
    eprint_escaped(&format!("nothing was started; correct this and check again with `{check}`"));
    exit::CONFIG
}

/// Why nothing was started, and its exit code.
fn refuse(error: &RunError, check: &str) -> u8 {
    if let RunError::NothingListed(error) = error {
        return refuse_config(error, check);
    }
    fail(error, exit::from_run_error(error))
}

async fn load(config: PathBuf, check: &str) -> Result<Loaded, u8> {
    match tokio::task::spawn_blocking(move || load_all(&config, WallTime::now())).await {
        Ok(loaded) => loaded.map_err(|error| refuse_config(&error, check)),
        Err(error) => Err(fail(&error, exit::UNEXPECTED)),
    }
}

async fn watch_with(
    watcher: Watcher,
    server: Option<Server>,
    options: RunOptions,
    signals: Signals,
    log: &LogHandle,
    meters: Meters,
) -> Result<Outcome, RunError> {
    let stop = CancellationToken::new();
    let (reload, requests) = mpsc::channel(1);
    let (view, seen) = watch::channel(Snapshot::default());
    let _serving = server.map(|server| {
        let log = log.clone();
        server.start(seen.clone(), watcher.reader(), stop.clone(), meters.clone(), move || log.waiting())
    });
    let (notices, notifying) = service::start(seen.clone(), stop.clone());
    let listening = tokio::spawn(signals.pass_on(stop.clone(), reload, log.clone(), notices));
    let bar = (options.until_done && io::stderr().is_terminal()).then(Progress::new);
    let drawing = bar.map(|bar| {
        if io::stdout().is_terminal() {
            log.set_suspend(Some(bar.suspend()));
        }
        tokio::spawn(bar.follow(seen))
    });
    let hooks = Hooks { stop, reload: requests, view, log: log.clone(), meters };
    let outcome = watcher.run(options, hooks).await;
    listening.abort();
    if let Some(drawing) = drawing {
        // The engine is gone, so the bar ends by itself; its panic must not be that of the run.
        let _ = drawing.await;
        log.set_suspend(None);
    }
    // It ends with the engine, after its last message.
    let _ = notifying.await;
    outcome
}

fn set_up_log(config: &Config, level: Option<String>) -> Result<LogHandle, LogError> {
    let Screen { is_terminal, colour, width: columns } = Screen::from_stdout();
    let is_text = match config.log.format {
        LogFormat::Auto => is_terminal,
        format => format == LogFormat::Text,
    };
    // The time zone may be anything that `TZ` names, so it is looked up only where it is shown.
    let text = || Format::Text(TextForm { colour, columns, zone: TimeZone::system() });
    let format = if is_text { text() } else { Format::Json };
    // An empty variable counts as none.
    let directives = level.filter(|level| !level.is_empty()).unwrap_or_else(|| config.log.level.clone());
    let setup = LogSetup::new(format, directives, config.log.file.clone()).map_err(LogError::Thread)?;
    feishu_export_watcher::log::init(setup)
}

/// What could not be written at the end.
fn print_losses(outcome: &Outcome, unflushed: Option<impl Display>, config: &Config) {
    if !outcome.saved {
        let state = config.state.path.display();
        eprint_escaped(&format!("error: the state file {state} could not be written at the end"));
    } else if outcome.unannounced > 0 {
        let why = unflushed.map(|error| format!(" ({error})")).unwrap_or_default();
        let verdicts = outcome.unannounced;
        eprint_escaped(&format!(
            "error: {verdicts} verdicts could not be logged in time{why}; the next start announces them"
        ));
    }
}

/// The summary of a batch, for people.
fn summarise(outcome: &Outcome, config: &Config) {
    use TicketState::{Completed, Failed, Pending, TimedOut};
    let doubtful = match outcome.doubtful {
        0 => String::new(),
        1 => " (1 file may be gone)".to_owned(),
        more => format!(" ({} files may be gone)", grouped(more)),
    };
    let [completed, failed, timed_out, pending] =
        [Completed, Failed, TimedOut, Pending].map(|state| outcome.listed.of(state));
    let state = config.state.path.display();
    eprint_escaped(&format!(
        "{completed} completed{doubtful}, {failed} failed, {timed_out} timed out, {pending} pending; state file {state}"
    ));
    print_tickets(outcome, &config.path);
    if outcome.end == End::Deadline {
        eprint_escaped("the deadline passed; run again to go on");
    }
    for (app, trouble) in &outcome.troubled {
        eprint_escaped(&format!("app {app} {}", trouble.summary_and_hint()));
    }
}

/// Which tickets failed or may have lost their files, and what to do.
fn print_tickets(outcome: &Outcome, config: &Path) {
    let report = Report {
        tickets: &outcome.named,
        omitted: (outcome.unsuccessful() + outcome.doubtful).saturating_sub(outcome.named.len()),
        summary: outcome.listed,
        apps: &[],
        is_watched: false,
        now: WallTime::now(),
        zone: TimeZone::UTC,
        screen: Screen::from_stderr(),
    };
    let mut text = Vec::new();
    // Memory takes whatever is written; where stderr does not, the exit code says it as well.
    let _ = print_batch(&mut text, &report, &command("status", Some(config)));
    let _ = io::stderr().write_all(&text);
}

/// A command of this program on that configuration, as a shell takes it.
fn command(name: &str, config: Option<&Path>) -> String {
    let option = config.map(|path| {
        let path = path.to_string_lossy();
        let is_plain = path.chars().all(|it| it.is_alphanumeric() || "/._-+,@%".contains(it));
        if is_plain {
            format!(" --config {path}")
        } else {
            format!(" --config '{}'", path.replace('\'', r"'\''"))
        }
    });
    format!("feishu-export-watcher {name}{}", option.unwrap_or_default())
}
