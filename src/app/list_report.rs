//! What configuration and watch lists gave cause to say, in the log.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::{error, info, warn};

use crate::config::Problem;
use crate::domain::event;

/// Warnings about what was taken, and errors of files that were left out: each file once, its problems
/// after it.
pub(super) fn report_problems(problems: &[Problem], rejected: &BTreeSet<PathBuf>) {
    for file in rejected {
        error!(
            event = event::WATCHLIST_REJECTED,
            path = %file.display(),
            "{} is left out; what it listed before stays as it was",
            file.display()
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

/// The reading of the watch lists broke off: a defect of this program.
pub(super) fn report_broken_off() {
    error!(
        event = event::WATCHLIST_REJECTED,
        "the watch list could not be read: the reading broke off, please report this defect; the old one stays, and changes are no longer seen"
    );
}

/// The files are being looked at for suspiciously long; or that is over, after so long.
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

/// `watcher.toml` deserves a look.
pub(super) fn report_config(problems: &[Problem]) {
    for problem in problems {
        warn!(event = event::CONFIG_WARNING, path = %problem.path.display(), "{problem}");
    }
}
