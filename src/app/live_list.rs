//! The watch list while the watcher runs: scanned every few seconds and at SIGHUP, handed to the engine where it
//! changed.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, mpsc as channel};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::list_report::{
    report_broken_off, report_config_changed, report_lists, report_secrets, report_slow_scan,
};
use crate::config::{Config, ListNews, ListWatcher, ReloadMode, read_again};
use crate::domain::{Kept, TicketState, WallTime};
use crate::engine::{Command, Meters};
use crate::http::RejectedLists;
use crate::store::{StoreError, StoreReader};

/// How often the files are scanned.
const SCAN_EVERY: Duration = Duration::from_secs(5);

/// A scan that takes longer is reported: a mount may hang, and changes are not seen meanwhile.
const SLOW_AFTER: Duration = Duration::from_secs(30);

/// A request for a reload, answered when that is done.
pub type ReloadRequest = oneshot::Sender<()>;

/// Follows the watch lists of one configuration.
pub(super) struct LiveList {
    config: Arc<Config>,
    /// To the thread that scans, with where the end of a scan is reported; none once the thread broke off.
    orders: Option<channel::Sender<(ReloadMode, oneshot::Sender<()>)>>,
    engine: mpsc::Sender<Command>,
}

impl LiveList {
    /// Sets up a thread for all scans: files may lie on a mount that is slow, or hangs, and one thread leaves
    /// one allocator's worth of memory behind.
    pub(super) fn new(mut scanner: ListScanner) -> Self {
        let (config, engine) = (Arc::clone(&scanner.config), scanner.engine.clone());
        let (orders, received) = channel::channel::<(_, oneshot::Sender<()>)>();
        scanner.config_seen = read_again(&config);
        scanner.config_reported.clone_from(&scanner.config_seen);
        let scans = move || {
            for (mode, done) in received {
                scanner.scan(mode);
                let _ = done.send(());
            }
        };
        // Without a thread the first scan is never done, which is reported.
        drop(thread::Builder::new().name("watch-lists".to_owned()).spawn(scans));
        Self { config, orders: Some(orders), engine }
    }

    /// Scans until no reload can be requested any more or the engine is gone.
    pub(super) async fn follow(mut self, mut requests: mpsc::Receiver<ReloadRequest>) {
        let mut ticks = interval_at(Instant::now() + SCAN_EVERY, SCAN_EVERY);
        // After a mount that hung, or a sleep of the whole machine, one scan is enough.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                request = requests.recv() => {
                    let Some(request) = request else { return };
                    // An access token in use hides for up to two hours that the secret behind it is gone.
                    report_secrets(&self.config, |_| true);
                    // Before the scan, which may hang.
                    let _ = self.engine.send(Command::TryAgain).await;
                    self.scan(ReloadMode::AtOnce).await;
                    let _ = self.engine.send(Command::Answer(request)).await;
                }
                _ = ticks.tick() => self.scan(ReloadMode::WhenQuiet).await,
                () = self.engine.closed() => return,
            }
        }
    }

    async fn scan(&mut self, mode: ReloadMode) {
        let Some(orders) = &self.orders else { return };
        let (done, mut over) = oneshot::channel();
        let began = Instant::now();
        // To a thread that is gone nothing is sent, and `done` with it.
        let _ = orders.send((mode, done));
        let ended = tokio::select! {
            ended = &mut over => ended,
            () = tokio::time::sleep(SLOW_AFTER) => {
                report_slow_scan(None);
                let ended = over.await;
                report_slow_scan(Some(began.elapsed()));
                ended
            }
        };
        if ended.is_err() {
            report_broken_off();
            self.orders = None;
            // A part of a list may have been handed over.
            let kept = Kept { all: true, ..Kept::default() };
            let _ = self.engine.send(Command::ListEnd { kept }).await;
        }
    }
}

/// Scans, and remembers from one time to the next.
pub(super) struct ListScanner {
    pub(super) config: Arc<Config>,
    pub(super) list_watcher: ListWatcher,
    pub(super) state: Arc<dyn StoreReader>,
    pub(super) engine: mpsc::Sender<Command>,
    pub(super) meters: Meters,
    /// Where the page sees what is left out.
    pub(super) page: watch::Sender<RejectedLists>,
    /// The content of `watcher.toml` when a change of it was last reported, or at the start.
    pub(super) config_reported: Option<Vec<u8>>,
    /// Its content at the last scan.
    pub(super) config_seen: Option<Vec<u8>>,
}

impl ListScanner {
    fn scan(&mut self, mode: ReloadMode) {
        self.check_config(mode);
        let pending = || files_of_pending(&*self.state).ok();
        if let Some(news) = self.list_watcher.scan(&self.config, mode, WallTime::now(), pending) {
            report_lists(&news.problems, &news.rejected, news.left_out, &self.meters, &self.page);
            hand_over(news, &self.engine);
        }
        self.meters.lists_scanned(WallTime::now());
    }

    /// A changed `watcher.toml` is only reported, once it is at rest: to apply it takes a restart.
    fn check_config(&mut self, mode: ReloadMode) {
        let now = read_again(&self.config);
        let is_quiet = mode == ReloadMode::AtOnce || now == self.config_seen;
        if now.is_some() && now != self.config_reported && is_quiet {
            report_config_changed(&self.config.path);
            self.config_reported.clone_from(&now);
        }
        self.config_seen = now;
    }
}

/// Tickets that are read from the state file at a time.
const PAGE: usize = 1000;

/// The files that listed the tickets which are pending by the state file.
pub(super) fn files_of_pending(state: &dyn StoreReader) -> Result<HashSet<PathBuf>, StoreError> {
    let mut files = HashSet::new();
    let mut page = state.tickets_after(None, PAGE)?;
    while let Some(last) = page.last() {
        let pending = page.iter().filter(|ticket| ticket.state == TicketState::Pending);
        files.extend(pending.map(|ticket| ticket.entry.source.to_path_buf()));
        page = state.tickets_after(Some(&last.entry.key), PAGE)?;
    }
    Ok(files)
}

/// Hands the lists to the engine, in parts that it takes between polls.
fn hand_over(news: ListNews, engine: &mpsc::Sender<Command>) {
    // Only an engine that is ending takes no more.
    if news.lists.into_chunks().all(|chunk| engine.blocking_send(Command::ListPart(chunk)).is_ok()) {
        let _ = engine.blocking_send(Command::ListEnd { kept: news.kept });
    }
}
