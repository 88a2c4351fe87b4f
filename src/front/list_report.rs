//! What configuration and watch lists gave cause to say, in the log.

use std::collections::BTreeSet;
use std::path::PathBuf;

use tracing::{error, warn};

use crate::config::Problem;
use crate::domain::event;

/// Warnings about what was taken, and errors of files that were left out: each file once, its problems
/// after it.
pub(super) fn report_problems(problems: &[Problem], rejected: &BTreeSet<PathBuf>) {
    for file in rejected {
        let found = problems.iter().filter(|problem| *problem.path == **file).count();
        error!(
            event = event::WATCHLIST_REJECTED,
            path = %file.display(),
            problems = found,
            "{} is left out (problems: {found}); what it listed before stays as it was",
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
pub(super) fn report_broken_off(error: &tokio::task::JoinError) {
    error!(
        event = event::WATCHLIST_REJECTED,
        error.message = %error,
        "the watch list could not be read: the reading broke off, please report this defect; the old one stays, and changes are no longer seen"
    );
}

/// `watcher.toml` deserves a look.
pub(super) fn report_config(problems: &[Problem]) {
    for problem in problems {
        warn!(event = event::CONFIG_WARNING, path = %problem.path.display(), "{problem}");
    }
}
