//! `check`: every problem of configuration, watch lists and secrets that shows without sending
//! anything or touching a file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use super::writable::{trouble_with_log, trouble_with_state};
use crate::config::{Config, Problem, check_secrets, load_all};
use crate::domain::{ARTEFACT_LIFE, App, BudgetKey, TicketRecord, TicketState, WallTime, WatchList};
use crate::feishu::{Connection, NetworkSettings};
use crate::store::{StoreError, StoreReader as _, store_at};

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct CheckReport {
    /// Everything that is wrong or deserves a look, in the order of the files.
    pub problems: Vec<Problem>,
    /// More that deserves a look, of no one place.
    pub notes: Vec<String>,
    /// The configuration and its tickets, if they can be taken.
    pub accepted: Option<(Config, WatchList)>,
    /// How the host of each app is reached, in the order of the configuration; empty if the environment does not allow
    /// it.
    pub connections: Vec<Connection>,
}

impl CheckReport {
    /// Whether nothing is wrong. A run could begin with a bad file that only a pattern matched, or without the folder of a
    /// pattern, and go on without it; `check` reports it.
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
        Err(error) => return CheckReport { problems: error.0, ..CheckReport::default() },
    };
    if secrets {
        loaded.problems.extend(check_secrets(&loaded.config));
    }
    let apps = &loaded.config.apps;
    let connections = match NetworkSettings::from_env(apps) {
        Ok(network) => apps.iter().map(|app| network.connection(app)).collect(),
        Err(error) => {
            let place = Path::new("environment").into();
            loaded.problems.push(Problem::error(&place, None, error.to_string()));
            Vec::new()
        }
    };
    let known = store_at(&loaded.config.state.path).known();
    let obstacles = obstacles(&loaded.config, known.as_ref().err());
    let known = known.ok().flatten().unwrap_or_default().tickets;
    let pending = known.iter().filter(|ticket| ticket.state == TicketState::Pending);
    let files = pending.map(|ticket| ticket.source.to_path_buf()).collect();
    let recalled = loaded.list_watcher.recall(&loaded.config, || Some(files));
    loaded.problems.extend(recalled.problems);
    let mut notes = slow_sweeps(&loaded.config, &loaded.watch_list, &known);
    if loaded.watch_list.entries.is_empty() && recalled.rejected_patterns == 0 {
        notes.push("no ticket is listed; pending ones in the state file would be removed".to_owned());
    }
    notes.extend(obstacles.iter().map(|why| format!("a run would end at once: {why}")));
    let accepted = Some((loaded.config, loaded.watch_list));
    CheckReport { problems: loaded.problems, notes, accepted, connections }
}

/// What would end a run before it begins.
fn obstacles(config: &Config, unreadable: Option<&StoreError>) -> Vec<String> {
    let state = match unreadable {
        None => trouble_with_state(&config.state.path),
        Some(error) => Some(error.to_string()),
    };
    state.into_iter().chain(config.log.file.as_deref().and_then(trouble_with_log)).collect()
}

/// Warns where asking once about every open ticket takes longer than an exported file lives: some files will be gone
/// before they are found. Apps that share a budget wait for each other.
fn slow_sweeps(config: &Config, list: &WatchList, known: &[TicketRecord]) -> Vec<String> {
    // Tickets that need no more polls, with their documents' tokens. Those that a run would begin anew are open.
    let ended = known.iter().filter(|it| it.state.is_final() && it.state != TicketState::Removed);
    let ended: HashMap<_, _> = ended.map(|ticket| (&ticket.key, &ticket.token)).collect();
    let mut open: BTreeMap<BudgetKey, (Vec<&App>, usize)> = BTreeMap::new();
    for app in &config.apps {
        let (apps, total) = open.entry(app.budget_key()).or_default();
        apps.push(app);
        let listed = list.entries.iter().filter(|entry| entry.key.app == app.name);
        *total += listed.filter(|entry| ended.get(&entry.key) != Some(&&entry.token)).count();
    }
    open.into_values().filter_map(|(apps, tickets)| slow_sweep(&apps, tickets)).collect()
}

fn slow_sweep(apps: &[&App], open: usize) -> Option<String> {
    let sweep = apps.first()?.rate_limit.time_for(open);
    let names: Vec<_> = apps.iter().map(|app| app.name.as_str()).collect();
    let minutes = |span: Duration| span.as_secs().div_ceil(60);
    (sweep > ARTEFACT_LIFE).then(|| {
        format!(
            "app {} has {open} open tickets: one sweep takes {} min, but an exported file lives only {} min; spread \
             the exports, or some files will be gone before they are found",
            names.join(" with "),
            minutes(sweep),
            minutes(ARTEFACT_LIFE)
        )
    })
}
