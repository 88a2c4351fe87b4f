//! `run`: watch, as a service or until done.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch as watched};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::list_report::{report_config, report_problems};
use super::live_list::{LiveList, files_of_pending};
use crate::config::{Config, ConfigError, ListWatcher, Loaded, PollConfig, Problem, Recalled, check_secrets};
use crate::deliver;
use crate::domain::WatchList;
use crate::engine::{
    Clock, Controls, Meters, OutboxLink, Outcome, Settings, Setup, Snapshot, WatchError, watch,
    watcher_stopped,
};
use crate::feishu::{ClientError, HttpExportApi};
use crate::log::LogHandle;
use crate::store::{EventId, LOG, Outbox as _, SqliteStore, StoreError, StoreReader};

/// Commands to the engine that may wait: a list and a word to try again for each reload.
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
    /// End after this long, whatever is pending.
    pub deadline: Option<Duration>,
}

/// Somebody wants a reload, and hears when it is done.
pub type ReloadRequest = oneshot::Sender<()>;

/// What connects a run with the process around it.
pub struct Hooks {
    /// Cancelled to stop.
    pub stop: CancellationToken,
    /// A message for each reload that is wanted; answered once it is done.
    pub reload: mpsc::Receiver<ReloadRequest>,
    /// Where the engine shows itself.
    pub view: watched::Sender<Snapshot>,
    /// The log, which announces the verdicts.
    pub log: LogHandle,
    /// Where the watcher notes what it does.
    pub meters: Meters,
}

/// Why a run could not begin.
#[derive(Debug, Error)]
pub enum RunError {
    /// The state file can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No watch list could be read, and the state file knows nothing to go on with either.
    #[error(transparent)]
    NothingListed(ConfigError),
    /// There is no way to send requests.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The task that opens the state file broke off.
    #[error("the state file could not be opened: its task broke off")]
    Opening(#[source] tokio::task::JoinError),
}

impl From<WatchError> for RunError {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::Store(error) => Self::Store(error),
        }
    }
}

/// A watcher whose configuration is checked, whose lock is held and whose state file is open. It has sent
/// nothing yet.
#[derive(Debug)]
pub struct Watcher {
    config: Config,
    list: WatchList,
    problems: Vec<Problem>,
    list_watcher: ListWatcher,
    recalled: Recalled,
    api: HttpExportApi,
    store: SqliteStore,
}

impl Watcher {
    /// Opens the state file of a loaded configuration. Where a pattern for watch lists matches nothing, it goes on with
    /// what the state file knows of it: a mount that is late must not end a service for good. A batch
    /// (`until_done`) goes on with pending tickets only.
    ///
    /// # Errors
    /// The state file or the client can't be set up, or there is [nothing to go on with](RunError::NothingListed).
    pub async fn open(loaded: Loaded, until_done: bool) -> Result<Self, RunError> {
        let api = HttpExportApi::new(&loaded.config.apps, loaded.config.poll.request_timeout)?;
        let open = tokio::task::spawn_blocking(move || Self::open_with(api, loaded, until_done));
        open.await.map_err(RunError::Opening)?
    }

    fn open_with(api: HttpExportApi, loaded: Loaded, until_done: bool) -> Result<Self, RunError> {
        let Loaded { config, watch_list: list, mut problems, mut list_watcher } = loaded;
        // The lock first: a second watcher must not get as far as to say anything about tickets.
        let store = SqliteStore::open(&config.state.path)?;
        let state = store.reader();
        let mut recalled = list_watcher.recall(&config, || files_of_pending(&*state).ok());
        problems.append(&mut recalled.problems);
        let is_listed = !list.entries.is_empty() || !recalled.files.is_empty();
        if recalled.rejected_patterns > 0 && !is_listed && (until_done || state.counts()?.is_empty()) {
            return Err(RunError::NothingListed(ConfigError(problems)));
        }
        Ok(Self { config, list, problems, list_watcher, recalled, api, store })
    }

    /// What the state file says, for others in this process; also while it runs.
    #[must_use]
    pub fn reader(&self) -> Arc<dyn StoreReader> {
        self.store.reader()
    }

    /// Watches the tickets until stopped, or as the options say.
    ///
    /// # Errors
    /// The state file can't be read. Nothing has been sent then.
    pub async fn run(self, options: RunOptions, hooks: Hooks) -> Result<Outcome, RunError> {
        let Self { config, mut list, problems, list_watcher, recalled, api, store } = self;
        let config = Arc::new(config);
        report_found(&config, problems, &list, recalled.rejected_patterns, &hooks.meters);
        list.rejected.extend(recalled.files);
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let setup = Setup {
            apps: config.apps.clone(),
            list,
            settings: settings(&config, options),
            clock: Clock::system(),
        };
        let live = LiveList::new(config, list_watcher, store.reader(), commands, hooks.meters.clone());
        let reloads = tokio::spawn(live.follow(hooks.reload));
        let (durable, woken) = watched::channel(EventId::default());
        let (progress, announced) = watched::channel(EventId::default());
        let announcing = deliver::log::announce(store.clone(), hooks.log.sinks(), woken, progress);
        let announcing = AbortOnDropHandle::new(tokio::spawn(announcing));
        let controls = Controls {
            stop: hooks.stop,
            commands: receiver,
            view: hooks.view,
            outbox: OutboxLink { durable, announced },
            meters: hooks.meters,
        };
        let mut outcome = watch(api, store.clone(), setup, controls).await;
        reloads.abort();
        if let Ok(outcome) = &mut outcome {
            announce_rest(announcing, &store, outcome).await;
        }
        // What had to be written is written; a disk that hangs must not hold up the end.
        let _ = tokio::time::timeout(CLOSE_WITHIN, store.close()).await;
        Ok(outcome?)
    }
}

/// Gives the log its time for the last verdicts, and notes how many are left.
async fn announce_rest(announcing: AbortOnDropHandle<()>, store: &SqliteStore, outcome: &mut Outcome) {
    // Whatever is not announced by then is announced by the next start.
    let _ = tokio::time::timeout(ANNOUNCE_WITHIN, announcing).await;
    if let Ok(Ok(left)) = tokio::time::timeout(CLOSE_WITHIN, store.count(LOG)).await {
        outcome.unannounced = left;
    }
    watcher_stopped(outcome);
}

/// What the reading of configuration, lists and secrets gave cause to say.
fn report_found(
    config: &Arc<Config>,
    problems: Vec<Problem>,
    list: &WatchList,
    rejected_patterns: usize,
    meters: &Meters,
) {
    // An error there of a configuration that was accepted is one of a pattern for watch lists.
    let (of_config, of_lists): (Vec<_>, Vec<_>) =
        problems.into_iter().partition(|problem| *problem.path == *config.path && !problem.is_error());
    report_config(&of_config);
    let looked_at = Arc::clone(config);
    // Nobody waits for it: a secret may lie on a mount that hangs.
    drop(tokio::task::spawn_blocking(move || report_open_secrets(&looked_at)));
    meters.lists_read(
        list.rejected.len() + rejected_patterns,
        of_lists.iter().filter(|problem| problem.is_error()).count(),
    );
    report_problems(&of_lists, &list.rejected.iter().cloned().collect());
}

/// Secrets that others can read. One that can't be read at all pauses its app, which says so itself.
fn report_open_secrets(config: &Config) {
    let mut problems = check_secrets(config);
    problems.retain(|problem| !problem.is_error());
    report_config(&problems);
}

fn settings(config: &Config, options: RunOptions) -> Settings {
    let PollConfig { backoff, give_up_after, request_timeout, max_in_flight } = config.poll.clone();
    Settings {
        backoff,
        give_up_after,
        request_timeout,
        max_in_flight,
        keep: config.state.keep,
        until_done: options.until_done,
        deadline: options.deadline,
        // Processes that start together must not poll in step.
        seed: fastrand::u64(..),
    }
}
