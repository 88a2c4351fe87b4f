//! The watch list while the watcher runs: looked at every few seconds and whenever somebody asks, handed to
//! the engine where it changed.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::warn;

use super::list_report::{report_broken_off, report_config, report_problems};
use super::run::ReloadRequest;
use crate::config::{Config, Haste, ListNews, Lookout, check_secrets};
use crate::domain::{WallTime, event};
use crate::watch::Command;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// `watcher.toml` is read again only to see whether it changed; this much of it is looked at.
const CONFIG_MAX: u64 = 1 << 20;

/// Follows the watch lists of one configuration.
pub(super) struct LiveList {
    config: Arc<Config>,
    /// None once a look broke off.
    eyes: Option<Eyes>,
}

/// What the looking remembers from one time to the next.
struct Eyes {
    lookout: Lookout,
    /// What `watcher.toml` held when it was last said to have changed, or at the start.
    config_text: Option<Vec<u8>>,
}

impl LiveList {
    pub(super) fn new(config: Arc<Config>, lookout: Lookout) -> Self {
        let config_text = content(&config.path);
        Self { config, eyes: Some(Eyes { lookout, config_text }) }
    }

    /// Looks until nobody can ask any more or the engine is gone.
    pub(super) async fn follow(
        mut self,
        mut requests: mpsc::Receiver<ReloadRequest>,
        engine: mpsc::Sender<Command>,
    ) {
        let mut ticks = interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        // After a mount that hung, or a sleep of the whole machine, one look is enough.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                request = requests.recv() => {
                    let Some(request) = request else { return };
                    self.look_at_secrets();
                    self.look(Haste::AtOnce, &engine).await;
                    let _ = engine.send(Command::TryAgain).await;
                    let _ = engine.send(Command::Answer(request)).await;
                }
                _ = ticks.tick() => self.look(Haste::WhenQuiet, &engine).await,
                () = engine.closed() => return,
            }
        }
    }

    /// An access token in use hides for up to two hours that the secret behind it is gone. Nobody waits for
    /// this: a secret may lie on a mount of its own that hangs.
    fn look_at_secrets(&self) {
        let config = Arc::clone(&self.config);
        drop(tokio::task::spawn_blocking(move || report_config(&check_secrets(&config))));
    }

    /// Looks once, off the threads that poll: files may lie on a mount that is slow, or hangs.
    async fn look(&mut self, haste: Haste, engine: &mpsc::Sender<Command>) {
        let Some(mut eyes) = self.eyes.take() else { return };
        let (config, engine) = (Arc::clone(&self.config), engine.clone());
        let looking = tokio::task::spawn_blocking(move || {
            eyes.look_at_config(&config.path);
            if let Some(news) = eyes.lookout.look(&config, haste, WallTime::now()) {
                hand_over(news, &engine);
            }
            eyes
        });
        self.eyes = looking.await.inspect_err(report_broken_off).ok();
    }
}

impl Eyes {
    /// A changed `watcher.toml` is only said: to apply it takes a restart.
    fn look_at_config(&mut self, path: &Path) {
        let now = content(path);
        if now != self.config_text {
            report_change(path);
            self.config_text = now;
        }
    }
}

/// Says what is wrong and hands the rest to the engine, in parts that it takes between polls.
fn hand_over(news: ListNews, engine: &mpsc::Sender<Command>) {
    report_problems(&news.problems, &news.rejected);
    // Only an engine that is ending takes no more.
    let mut listens = true;
    news.lists.give(|part| {
        listens = engine.blocking_send(Command::ListPart(part)).is_ok();
        listens
    });
    if listens {
        let _ = engine.blocking_send(Command::ListEnd { kept: news.kept });
    }
}

/// The file's bytes; none while it can't be read, or is no regular file.
fn content(path: &Path) -> Option<Vec<u8>> {
    let file = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let mut bytes = Vec::with_capacity(usize::try_from(file.len().min(CONFIG_MAX)).unwrap_or(0));
    std::fs::File::open(path).ok()?.take(CONFIG_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn report_change(path: &Path) {
    warn!(
        event = event::CONFIG_CHANGED,
        path = %path.display(),
        "{} has changed; a restart is needed to apply it",
        path.display()
    );
}
