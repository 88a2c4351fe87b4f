//! A reload: the watch lists are read and checked first, and handed to the engine only if they are good.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::warn;

use super::list_report::{report_broken_off, report_config, report_problems, report_refusal};
use super::run::ReloadRequest;
use crate::config::{Config, check_secrets, read_watch_list};
use crate::domain::{WallTime, WatchList, event};
use crate::watch::Command;

/// `watcher.toml` is read again only to see whether it changed; this much of it is looked at.
const CONFIG_MAX: u64 = 1 << 20;

/// Answers every request for a reload until nobody can ask any more or the engine is gone.
pub(super) async fn serve(
    config: Arc<Config>,
    as_started: Option<Vec<u8>>,
    mut requests: mpsc::Receiver<ReloadRequest>,
    engine: mpsc::Sender<Command>,
) {
    let mut seen = as_started;
    while let Some(request) = requests.recv().await {
        let reading = Arc::clone(&config);
        // Files may lie on a slow mount; the engine goes on meanwhile.
        let read = tokio::task::spawn_blocking(move || (read_list(&reading), content(&reading.path)));
        let looked_at = Arc::clone(&config);
        // An access token in use hides for up to two hours that the secret behind it is gone. Nobody waits
        // for this: a secret may lie on a mount that hangs.
        drop(tokio::task::spawn_blocking(move || report_config(&check_secrets(&looked_at))));
        // Should the reading ever break off, the list stays, and paused apps are still tried again.
        let (list, now) = read.await.unwrap_or_else(|error| {
            report_broken_off(&error);
            (None, seen.clone())
        });
        if now != seen {
            report_change(&config.path);
            seen = now;
        }
        if let Some(list) = list
            && engine.send(Command::TakeList(list)).await.is_err()
        {
            return;
        }
        if engine.send(Command::TryAgain).await.is_err()
            || engine.send(Command::Answer(request)).await.is_err()
        {
            return;
        }
    }
}

fn read_list(config: &Config) -> Option<WatchList> {
    match read_watch_list(config, WallTime::now()) {
        Ok((list, problems)) => {
            report_problems(&problems, &list.rejected);
            Some(list)
        }
        Err(error) => {
            report_refusal(&error.0);
            None
        }
    }
}

/// The file's bytes; none while it can't be read, or is no regular file.
pub(super) fn content(path: &Path) -> Option<Vec<u8>> {
    use std::io::Read;
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
