//! `run`: watch, as a service or until done.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch as watched};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::error::CommandError;
use super::hooks::HookReceivers;
use super::list_report::{report_config, report_lists, report_secrets};
use super::live_list::{ListScanner, LiveList, ReloadRequest, files_of_pending};
use super::undelivered::{deliver_rest, hooks_within};
use crate::config::{Config, ConfigError, Loaded, LogFormat, PollConfig, Problem, Recalled, load_all};
use crate::deliver;
use crate::domain::{Hook, HookStatus, WallTime, WatchList};
use crate::engine::{
    Clock, Controls, DownloadSettings, HookEvents, Meters, OutboxLink, Outcome, Settings, Setup, Snapshot,
    Undelivered, watch, watcher_stopped,
};
use crate::feishu::HttpExportApi;
use crate::files::LocalFolder;
use crate::http::{RejectedLists, Server, Views};
use crate::log::{self, Format, LogError, LogHandle, LogSetup, TextForm};
use crate::store::{EventId, LOG, Outbox as _, SqliteStore};

/// `idle_timeout` where nothing is downloaded.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Commands to the engine that may wait: a list and a command to try again for each reload.
const COMMANDS: usize = 4;

/// The last verdicts may take this long to be announced; a log that stalls must not hold up a shutdown.
const ANNOUNCE_WITHIN: Duration = Duration::from_secs(4);

/// Closing the state file may take this long.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// How a run is to go.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// End when no ticket is pending.
    pub until_done: bool,
    /// End after this long, with tickets pending or not.
    pub deadline: Option<Duration>,
    /// How long a document waits before its export is created a second time; none for a minute. The demo,
    /// which is to be short, waits less.
    pub repeat_after: Option<Duration>,
}

/// The connections of a run to the process around it.
pub struct Connections {
    /// Cancelled to stop.
    pub stop: CancellationToken,
    /// A message for each reload that is wanted; answered once it is done.
    pub reload: mpsc::Receiver<ReloadRequest>,
    /// Where the engine shows itself.
    pub view: watched::Sender<Snapshot>,
    /// Where the hooks show themselves.
    pub hooks: watched::Sender<Vec<HookStatus>>,
    /// The log, which announces the verdicts.
    pub log: LogHandle,
}

impl Connections {
    /// Has the server answer from what engine and hooks show.
    fn serve(
        &self,
        server: Server,
        lists: watched::Receiver<RejectedLists>,
        store: &SqliteStore,
        meters: Meters,
    ) -> AbortOnDropHandle<()> {
        let (log, engine, hooks) = (self.log.clone(), self.view.subscribe(), self.hooks.subscribe());
        let views = Views { engine, lists, hooks };
        server.start(views, store.reader(), self.stop.clone(), meters, move || log.waiting())
    }
}

/// Reads and checks the configuration at `path` and its watch lists, on a thread of its own: they may lie on a mount that
/// hangs.
///
/// # Errors
/// The configuration or a watch list is invalid.
pub async fn load(path: PathBuf) -> Result<Loaded, CommandError> {
    Ok(tokio::task::spawn_blocking(move || load_all(&path, WallTime::now())).await??)
}

/// Sets up the log of the process as the configuration has it, with another level if one is given. Standard output gets
/// text of the form of `terminal`, if it is one, unless the configuration names a format.
///
/// # Errors
/// The level can't be understood, the log file can't be opened, or a log was set up before.
pub fn set_up_log(
    config: &Config,
    level: Option<String>,
    is_terminal: bool,
    text: impl FnOnce() -> TextForm,
) -> Result<LogHandle, CommandError> {
    let is_text = match config.log.format {
        LogFormat::Auto => is_terminal,
        format => format == LogFormat::Text,
    };
    let format = if is_text { Format::Text(text()) } else { Format::Json };
    let level = level.unwrap_or_else(|| config.log.level.clone());
    let setup = LogSetup::new(format, level, config.log.file.clone()).map_err(LogError::Thread)?;
    Ok(log::init(setup)?)
}

/// A watcher whose configuration is checked, whose lock is held, whose state file is open and whose server has its port.
/// It has sent nothing yet.
pub struct Watcher {
    options: RunOptions,
    loaded: Loaded,
    recalled: Recalled,
    api: HttpExportApi,
    store: SqliteStore,
    files: Option<LocalFolder>,
    hooks: HookReceivers,
    meters: Meters,
    server: Option<Server>,
}

impl Watcher {
    /// Opens the state file of a loaded configuration. Where a pattern for watch lists matches nothing, it goes on with
    /// its tickets in the state file: a mount that is late must not end a service for good. A batch goes on with
    /// pending tickets only.
    ///
    /// # Errors
    /// The state file, the client or the server can't be set up, or nothing is listed to go on with.
    pub async fn open(loaded: Loaded, options: RunOptions) -> Result<Self, CommandError> {
        let mut watcher = tokio::task::spawn_blocking(move || Self::open_state(loaded, options)).await??;
        // After the lock, so that of two watchers the second reports the first and not its port.
        if let Some(wanted) = watcher.loaded.config.server {
            watcher.server = Some(Server::bind(wanted.listen).await?);
        }
        Ok(watcher)
    }

    fn open_state(mut loaded: Loaded, options: RunOptions) -> Result<Self, CommandError> {
        let Loaded { config, watch_list, problems, list_watcher } = &mut loaded;
        let idle_timeout = config.download.as_ref().map_or(IDLE_TIMEOUT, |download| download.idle_timeout);
        let api = HttpExportApi::new(&config.apps, config.poll.request_timeout, idle_timeout)?;
        // The lock first: a second watcher must not get as far as to report anything about tickets.
        let store = SqliteStore::open(&config.state.path)?;
        let state = store.reader();
        let mut recalled = list_watcher.recall(config, || files_of_pending(&*state).ok());
        problems.append(&mut recalled.problems);
        let is_listed = !watch_list.entries.is_empty() || !recalled.files.is_empty();
        if recalled.rejected_patterns > 0 && !is_listed && (options.until_done || state.counts()?.is_empty())
        {
            return Err(ConfigError(loaded.problems).into());
        }
        let files = config
            .download
            .as_ref()
            .map(|it| LocalFolder::open(&it.folder, it.name.clone(), it.mode, store.id()));
        let files = files.transpose()?;
        let (hooks, meters) = (HookReceivers::new(&config.hooks)?, Meters::new()?);
        Ok(Self { options, loaded, recalled, api, store, files, hooks, meters, server: None })
    }

    /// Watches the tickets until stopped, or as the options say.
    ///
    /// # Errors
    /// The state file can't be read. Nothing has been sent then.
    pub async fn run(self, connections: Connections) -> Result<Outcome, CommandError> {
        let Self { options, loaded, recalled, api, store, files, hooks, meters, server } = self;
        let Loaded { config, watch_list: mut list, problems, list_watcher } = loaded;
        let config = Arc::new(config);
        let (page, left_out) = watched::channel(RejectedLists::new());
        let began = Instant::now();
        let _serving = server.map(|server| connections.serve(server, left_out, &store, meters.clone()));
        report_found(&config, problems, &list, recalled.rejected_patterns, &meters, &page);
        list.rejected.extend(recalled.files);
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let settings = settings(&config, options);
        let setup = Setup { apps: config.apps.clone(), list, settings, clock: Clock::system() };
        let scanner = ListScanner {
            config,
            list_watcher,
            state: store.reader(),
            engine: commands,
            meters: meters.clone(),
            page,
            config_reported: None,
            config_seen: None,
        };
        let reloads = tokio::spawn(LiveList::new(scanner).follow(connections.reload));
        let (deliveries, woken) = watched::channel(EventId::default());
        let hooks = hooks.start(store.clone(), store.id(), woken, connections.hooks, &connections.stop).await;
        let (stop, view) = (connections.stop.clone(), connections.view.clone());
        let (durable, woken) = watched::channel(EventId::default());
        let (progress, announced) = watched::channel(EventId::default());
        let announce = deliver::log::announce(store.clone(), connections.log.sinks(), woken, progress);
        let announcing = AbortOnDropHandle::new(tokio::spawn(announce));
        let controls = Controls {
            stop: connections.stop,
            commands: receiver,
            view: connections.view,
            outbox: OutboxLink { durable, announced, deliveries },
            meters,
        };
        let mut outcome = watch(api, store.clone(), files, setup, controls).await;
        reloads.abort();
        if let Ok(outcome) = &mut outcome {
            let within = hooks_within(options.deadline, &outcome.end, began.elapsed());
            let hooks = deliver_rest(hooks, &store, within, &stop, &view);
            end_consumers(outcome, hooks, announce_rest(announcing, &store)).await;
        }
        // Everything that had to be written is written; a disk that hangs must not hold up the end.
        let _ = tokio::time::timeout(CLOSE_WITHIN, store.close()).await;
        Ok(outcome?)
    }
}

/// Waits for hooks and log to end, notes what they leave, and logs the end.
async fn end_consumers(
    outcome: &mut Outcome,
    hooks: impl Future<Output = Vec<Undelivered>>,
    log: impl Future<Output = Option<usize>>,
) {
    let (undelivered, unannounced) = tokio::join!(hooks, log);
    outcome.undelivered = undelivered;
    outcome.unannounced = unannounced.unwrap_or(outcome.unannounced);
    watcher_stopped(outcome);
}

/// Gives the log its time for the last verdicts, and says how many are left, if that can be known.
async fn announce_rest(announcing: AbortOnDropHandle<()>, store: &SqliteStore) -> Option<usize> {
    // What is not announced by then is announced by the next start.
    let rest = async {
        let _ = announcing.await;
        store.count(LOG).await
    };
    tokio::time::timeout(ANNOUNCE_WITHIN, rest).await.ok()?.ok()
}

/// Reports what was found in configuration, lists and secrets.
fn report_found(
    config: &Arc<Config>,
    problems: Vec<Problem>,
    list: &WatchList,
    rejected_patterns: usize,
    meters: &Meters,
    page: &watched::Sender<RejectedLists>,
) {
    // An error there of a configuration that was accepted is one of a pattern for watch lists.
    let (of_config, of_lists): (Vec<_>, Vec<_>) =
        problems.into_iter().partition(|problem| *problem.path == *config.path && !problem.is_error());
    report_config(&of_config);
    // Those that others can read. One that can't be read at all pauses its app, which is reported as well.
    report_secrets(config, |problem| !problem.is_error());
    let rejected = list.rejected.iter().cloned().collect();
    report_lists(&of_lists, &rejected, list.rejected.len() + rejected_patterns, meters, page);
}

fn hook_events(hook: &Hook) -> HookEvents {
    HookEvents { name: hook.name.clone(), events: hook.events.clone() }
}

fn settings(config: &Config, options: RunOptions) -> Settings {
    let PollConfig { backoff, give_up_after, request_timeout, max_in_flight } = config.poll.clone();
    Settings {
        backoff,
        give_up_after,
        request_timeout,
        max_in_flight,
        download: config
            .download
            .as_ref()
            .map(|it| DownloadSettings { max_in_flight: it.max_in_flight, idle_timeout: it.idle_timeout }),
        repeat_after: options.repeat_after,
        hooks: config.hooks.iter().map(hook_events).collect(),
        keep: config.state.keep,
        until_done: options.until_done,
        deadline: options.deadline,
        // Processes that start together must not poll in step.
        seed: fastrand::u64(..),
    }
}
