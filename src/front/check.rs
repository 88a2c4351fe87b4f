//! `check`: everything that can be said about configuration, watch lists and secrets without sending
//! anything or touching a file.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use crate::config::{Config, Problem, check_secrets, load_all};
use crate::domain::{App, TicketKey, WallTime, WatchList};
use crate::store::read_only;
use crate::watch::ARTEFACT_LIFE;

/// What a check found.
#[derive(Clone, Debug)]
pub struct CheckReport {
    /// Everything that is wrong or deserves a look, in the order of the files.
    pub problems: Vec<Problem>,
    /// More that deserves a look, of no one place.
    pub notes: Vec<String>,
    /// The configuration and its tickets, if they can be taken.
    pub accepted: Option<(Config, WatchList)>,
}

impl CheckReport {
    /// Whether nothing is wrong. A run could begin with a bad file that only a pattern matched, and go on
    /// without it; whoever checks wants to know.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.accepted.is_some() && !self.problems.iter().any(Problem::is_error)
    }
}

/// Checks everything that the configuration at `path` leads to; its secrets only if `secrets`.
#[must_use]
pub fn check(path: &Path, secrets: bool, now: WallTime) -> CheckReport {
    let mut loaded = match load_all(path, now) {
        Ok(loaded) => loaded,
        Err(error) => return CheckReport { problems: error.0, notes: Vec::new(), accepted: None },
    };
    if secrets {
        loaded.problems.extend(check_secrets(&loaded.config));
    }
    let notes =
        loaded.config.apps.iter().filter_map(|app| slow_sweep(app, &loaded.config, &loaded.watch_list));
    let notes = notes.collect();
    CheckReport { problems: loaded.problems, notes, accepted: Some((loaded.config, loaded.watch_list)) }
}

/// Says so if asking once about every open ticket of the app takes longer than an exported file lives:
/// some files will be gone before they are found.
fn slow_sweep(app: &App, config: &Config, list: &WatchList) -> Option<String> {
    let ended = ended(config);
    let open =
        list.entries.iter().filter(|entry| entry.key.app == app.name && !ended.contains(&entry.key)).count();
    let windows = open as f64 / f64::from(app.rate_limit.requests.get());
    let sweep = app.rate_limit.per.mul_f64(windows);
    (sweep > ARTEFACT_LIFE).then(|| {
        format!(
            "app {} has {open} open tickets: one sweep takes {}, but an exported file lives only {}; spread the exports, \
             or some files will be gone before they are found",
            app.name,
            minutes(sweep),
            minutes(ARTEFACT_LIFE)
        )
    })
}

/// Tickets that need no more polls, as far as a state file can be read. Without one all are open.
fn ended(config: &Config) -> HashSet<TicketKey> {
    let known = read_only(&config.state.path).ok().flatten().unwrap_or_default();
    known.into_iter().filter(|ticket| ticket.state.is_final()).map(|ticket| ticket.key).collect()
}

fn minutes(span: Duration) -> String {
    format!("{} min", span.as_secs().div_ceil(60))
}
