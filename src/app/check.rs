//! `check`: every problem of configuration, watch lists and secrets that shows without sending
//! anything or touching a file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use super::check_online::OnlinePlan;
use super::writable::{trouble_with_downloads, trouble_with_log, trouble_with_state};
use crate::config::{
    Config, Loaded, Problem, WatchSourceKind, check_hook_programs, check_secrets, find_program, load_all,
};
use crate::domain::words::grouped;
use crate::domain::{
    ARTEFACT_LIFE, App, BudgetKey, Credentials, Hook, HookTarget, Tenant, TicketRecord, TicketState,
    WallTime, WatchList, escape,
};
use crate::feishu::{Connection, NetworkSettings};
use crate::store::{StoreError, StoreReader as _, store_at};

/// The findings of a check.
#[derive(Clone, Debug, Default)]
pub struct CheckReport {
    /// All errors and warnings, in the order of the files.
    pub problems: Vec<Problem>,
    /// More warnings, of no one place.
    pub notes: Vec<String>,
    /// The paths as they are understood, then each app with how its host is reached, as far as the environment allows
    /// it; empty where the configuration is invalid.
    pub rows: Vec<String>,
    /// What the API can be asked besides; none unless all is fine.
    pub online: Option<OnlinePlan>,
}

impl CheckReport {
    /// Whether there is no error. A run could begin with a bad file that only a pattern matched, or without the folder of a
    /// pattern, and go on without it; `check` reports it.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        !self.problems.iter().any(Problem::is_error)
    }
}

/// Checks everything that the configuration at `path` leads to; its secrets only if `secrets`.
#[must_use]
pub fn check(path: &Path, secrets: bool, now: WallTime) -> CheckReport {
    let Loaded { config, watch_list, mut problems, mut list_watcher } = match load_all(path, now) {
        Ok(loaded) => loaded,
        Err(error) => return CheckReport { problems: error.0, ..CheckReport::default() },
    };
    problems.extend(check_hook_programs(&config));
    if secrets {
        problems.extend(check_secrets(&config));
    }
    let network = NetworkSettings::from_env(&config.apps, &config.hooks).map_err(|error| {
        problems.push(Problem::error(&Path::new("environment").into(), None, error.to_string()));
    });
    let known = store_at(&config.state.path).known();
    let state = known.as_ref().err().map(StoreError::to_string);
    let state = state.or_else(|| trouble_with_state(&config.state.path));
    let log = config.log.file.as_deref().and_then(trouble_with_log);
    let downloads = config.download.as_ref().and_then(|download| trouble_with_downloads(&download.folder));
    let known = known.ok().flatten().unwrap_or_default().tickets;
    let pending = known.iter().filter(|ticket| ticket.state == TicketState::Pending);
    let files = pending.map(|ticket| ticket.entry.source.to_path_buf()).collect();
    let recalled = list_watcher.recall(&config, || Some(files));
    problems.extend(recalled.problems);
    let mut notes = slow_sweeps(&config, &watch_list, &known);
    notes.extend(config.hooks.iter().filter(|_| config.download.is_none()).filter_map(without_files));
    let is_empty = watch_list.entries.is_empty() && recalled.rejected_patterns == 0;
    let is_pending = |ticket: &TicketRecord| ticket.state == TicketState::Pending;
    let removes = is_empty && known.iter().any(is_pending);
    if removes {
        notes.push("nothing is listed; what is pending in the state file would be removed".to_owned());
    }
    let troubles = state.into_iter().chain(log).chain(downloads);
    notes.extend(troubles.map(|why| format!("a run would end at once: {why}")));
    let apps = config.apps.iter().flat_map(|app| app_rows(app, &watch_list, network.as_ref().ok()));
    let empty = (is_empty && !removes).then(|| "nothing is listed yet".to_owned());
    let hooks = config.hooks.iter().flat_map(|hook| hook_rows(hook, network.as_ref().ok()));
    let rows = paths(&config).into_iter().chain(apps).chain(hooks).chain(empty).collect();
    let report = CheckReport { problems, notes, rows, online: None };
    let online = report.is_fine().then(|| OnlinePlan::new(&config, &watch_list));
    CheckReport { online, ..report }
}

/// The paths as they are understood.
fn paths(config: &Config) -> Vec<String> {
    let mut rows = vec![
        format!("configuration  {}", config.path.display()),
        format!("state file     {}", with_folder(&config.state.path, config.state.path.parent())),
    ];
    let log = config.log.file.as_deref();
    rows.extend(log.map(|file| format!("log file       {}", with_folder(file, file.parent()))));
    let downloads = config.download.as_ref().map(|download| download.folder.as_path());
    rows.extend(downloads.map(|folder| format!("downloads      {}", with_folder(folder, Some(folder)))));
    rows.extend(config.server.map(|server| format!("server         {}", server.listen)));
    rows.extend(config.watchlist.iter().map(|source| match &source.kind {
        WatchSourceKind::File(path) => format!("watch list     {}", path.display()),
        WatchSourceKind::Glob(pattern) => format!("watch list     {pattern}"),
    }));
    rows
}

/// The path of what a run makes, with its folder if that has to be made, too.
fn with_folder(path: &Path, folder: Option<&Path>) -> String {
    let absent = folder.filter(|folder| folder.symlink_metadata().is_err());
    let name = |folder: &Path| if folder == path { String::new() } else { format!("{} ", folder.display()) };
    let note = absent.map(|folder| format!(" ({}does not exist yet; it will be created)", name(folder)));
    format!("{}{}", path.display(), note.unwrap_or_default())
}

/// Warns of a hook that takes events of files where no file is saved.
fn without_files(hook: &Hook) -> Option<String> {
    let event = hook.events.iter().find(|event| event.starts_with("file."))?;
    Some(format!("hook {} takes {event}, but no file is saved without [download]", hook.name))
}

/// A hook and what it takes, without what may be a secret, and how its receiver is reached.
fn hook_rows(hook: &Hook, network: Option<&NetworkSettings>) -> Vec<String> {
    let (name, events) = (hook.name.as_str(), hook.events.join(", "));
    let webhook = match &hook.target {
        HookTarget::Command(words) => {
            let program = words.first().map(String::as_str).unwrap_or_default();
            let found =
                find_program(program).map(|path| format!(" ({})", path.display())).unwrap_or_default();
            return vec![format!("hook {name:<9} {}{found}, takes {events}", escape(program))];
        }
        HookTarget::Webhook(webhook) => webhook,
    };
    let (scheme, host) = (webhook.url.scheme(), webhook.host());
    let secret = webhook.secret.as_ref().map_or_else(|| "not signed".to_owned(), ToString::to_string);
    let row = format!("hook {name:<9} {scheme}://{host} (path not shown), {secret}, takes {events}");
    let connection = network.map(|network| network.webhook_connection(webhook));
    [row].into_iter().chain(connection.into_iter().flat_map(connection_rows)).collect()
}

fn connection_rows(Connection { proxy, trust_store }: Connection) -> [String; 2] {
    [format!("  proxy        {proxy}"), format!("  trust store  {trust_store}")]
}

/// An app, and how its host is reached.
fn app_rows(app: &App, list: &WatchList, network: Option<&NetworkSettings>) -> Vec<String> {
    let (Credentials::AppSecret(source) | Credentials::AccessToken(source)) = &app.credentials;
    let listed = list.entries.iter().filter(|entry| entry.key.app == app.name);
    let listed = listed_in_words(listed.map(|entry| entry.key.id.is_document()));
    let (name, url, id) = (app.name.as_str(), &app.base_url, &app.app_id);
    let mut rows = vec![format!("app {name:<10} {url} as {id}, {source}, {listed}")];
    let tenant = app.tenant.as_deref();
    rows.extend(tenant.map(|Tenant { name, monthly_calls }| {
        format!("  tenant       {name}, calls a month: {monthly_calls}")
    }));
    let connection = network.map(|network| network.connection(app));
    rows.extend(connection.into_iter().flat_map(connection_rows));
    rows
}

/// "3 tickets, 12 documents", of which one that is zero is left out, or "nothing listed"; by whether each is a document.
fn listed_in_words(listed: impl Iterator<Item = bool>) -> String {
    let (documents, tickets): (Vec<_>, Vec<_>) = listed.partition(|is_document| *is_document);
    let words = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{} {what}s", grouped(count)),
    };
    match (tickets.len(), documents.len()) {
        (0, 0) => "nothing listed".to_owned(),
        (tickets, 0) => words(tickets, "ticket"),
        (0, documents) => words(documents, "document"),
        (tickets, documents) => format!("{}, {}", words(tickets, "ticket"), words(documents, "document")),
    }
}

/// Warns where asking once about every open ticket takes longer than an exported file lives: some files will be gone
/// before they are found. Apps that share a budget wait for each other. Of documents, no more are exported at a time than
/// can be asked about.
fn slow_sweeps(config: &Config, list: &WatchList, known: &[TicketRecord]) -> Vec<String> {
    // Tickets that need no more polls, with their documents' tokens. Those that a run would begin anew are open.
    let ended = known.iter().filter(|it| it.state.is_final() && it.state != TicketState::Removed);
    let ended: HashMap<_, _> = ended.map(|ticket| (&ticket.entry.key, &ticket.entry.token)).collect();
    let mut open: BTreeMap<BudgetKey, (Vec<&App>, usize)> = BTreeMap::new();
    for app in &config.apps {
        let (apps, total) = open.entry(app.budget_key()).or_default();
        apps.push(app);
        let listed = list.entries.iter().filter(|it| it.key.app == app.name && !it.key.id.is_document());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_and_documents_are_counted_apart() {
        for (tickets, documents, words) in [
            (0, 0, "nothing listed"),
            (1, 0, "1 ticket"),
            (0, 1, "1 document"),
            (3, 1200, "3 tickets, 1,200 documents"),
        ] {
            let listed = [true].repeat(documents).into_iter().chain([false].repeat(tickets));
            assert_eq!(listed_in_words(listed), words);
        }
    }
}
