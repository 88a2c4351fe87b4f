//! Reports of configuration, watch lists and secrets in the log.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::config::{Config, Problem, check_secrets};
use crate::domain::event;
use crate::engine::Meters;
use crate::http::RejectedLists;

/// Warnings about accepted files, and errors of files that were left out: each file once, its problems
/// after it. `left_out` counts those files and the patterns that could not be expanded. `page` shows the same errors for
/// as long as they last.
pub(super) fn report_lists(
    problems: &[Problem],
    rejected: &BTreeSet<PathBuf>,
    left_out: usize,
    meters: &Meters,
    page: &watch::Sender<RejectedLists>,
) {
    let errors = problems.iter().filter(|problem| problem.is_error());
    page.send_replace(
        rejected.iter().map(|file| left_out_line(file)).chain(errors.map(Problem::to_string)).collect(),
    );
    meters.lists_read(left_out, problems.iter().filter(|problem| problem.is_error()).count());
    for file in rejected {
        error!(
            event = event::WATCHLIST_REJECTED,
            path = %file.display(),
            "{}",
            left_out_line(file)
        );
    }
    for problem in problems {
        let is_list = rejected.contains(&*problem.path);
        if problem.is_error() || is_list {
            error!(event = event::WATCHLIST_REJECTED, path = %problem.path.display(), "{problem}");
        } else {
            warn!(event = event::WATCHLIST_WARNING, path = %problem.path.display(), "{problem}");
        }
    }
}

fn left_out_line(file: &Path) -> String {
    format!("{} is left out; what it listed before stays as it was", file.display())
}

/// The reading of the watch lists broke off: a defect of this program.
pub(super) fn report_broken_off() {
    error!(
        event = event::WATCHLIST_REJECTED,
        "the watch list could not be read: the reading broke off, please report this defect; the old one stays, and changes are no longer seen"
    );
}

/// A scan takes suspiciously long; or it is over, after so long.
pub(super) fn report_slow_scan(took: Option<Duration>) {
    match took {
        None => warn!(
            event = event::WATCHLIST_WARNING,
            "the watch lists can't be read for half a minute now: a mount may hang; changes are not seen until \
             it answers"
        ),
        Some(took) => info!(
            event = event::WATCHLIST_WARNING,
            "the watch lists are read again; it took {:.0} s",
            took.as_secs_f64()
        ),
    }
}

/// `watcher.toml` changed on disk.
pub(super) fn report_config_changed(path: &Path) {
    warn!(
        event = event::CONFIG_CHANGED,
        path = %path.display(),
        "{} has changed; a restart is needed to apply it",
        path.display()
    );
}

/// Problems of `watcher.toml` or of secrets.
pub(super) fn report_config(problems: &[Problem]) {
    for problem in problems {
        warn!(event = event::CONFIG_WARNING, path = %problem.path.display(), "{problem}");
    }
}

/// The problems of secrets that are `wanted`. Not waited for: a secret may lie on a mount of its own that hangs.
pub(super) fn report_secrets(config: &Arc<Config>, wanted: fn(&Problem) -> bool) {
    let config = Arc::clone(config);
    drop(tokio::task::spawn_blocking(move || {
        let mut problems = check_secrets(&config);
        problems.retain(wanted);
        report_config(&problems);
    }));
}
