//! What configuration and watch lists gave cause to say, in the log.

use std::path::Path;

use tracing::{error, warn};

use crate::config::Problem;
use crate::domain::event;

/// Warnings about what was taken, and errors of files that were left out: each file once, its problems
/// after it.
pub(super) fn report_problems(problems: &[Problem], rejected: &[impl AsRef<Path>]) {
    for file in rejected {
        let file = file.as_ref();
        let found = problems.iter().filter(|problem| *problem.path == *file).count();
        error!(
            event = event::WATCHLIST_REJECTED,
            path = %file.display(),
            problems = found,
            "{} is left out (problems: {found}); what it listed before stays as it was",
            file.display()
        );
    }
    for problem in problems {
        let is_list = rejected.iter().any(|file| *problem.path == *file.as_ref());
        if problem.is_error() || is_list {
            error!(event = event::WATCHLIST_REJECTED, path = %problem.path.display(), "{problem}");
        } else {
            warn!(event = event::WATCHLIST_WARNING, path = %problem.path.display(), "{problem}");
        }
    }
}

/// A whole watch list was refused.
pub(super) fn report_refusal(problems: &[Problem]) {
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    error!(
        event = event::WATCHLIST_REJECTED,
        problems = errors,
        "the watch list is refused (problems: {errors}); the old one stays in force"
    );
    report_problems(problems, &[] as &[&Path]);
}

/// The reading of the watch lists broke off: a defect of this program.
pub(super) fn report_broken_off(error: &tokio::task::JoinError) {
    error!(
        event = event::WATCHLIST_REJECTED,
        error.message = %error,
        "the watch list could not be read: the reading broke off, please report this defect; the old one stays"
    );
}

/// `watcher.toml` deserves a look.
pub(super) fn report_config(problems: &[Problem]) {
    for problem in problems {
        warn!(event = event::CONFIG_WARNING, path = %problem.path.display(), "{problem}");
    }
}
