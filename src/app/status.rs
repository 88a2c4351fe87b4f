//! `status`: the content of the state file, also while the watcher runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::CommandError;
use super::known_app::check_app;
use super::state_file::{Found, StateFile};
use crate::domain::{AppName, Counts, FileCounts, FileState, HookStatus, TicketRecord, TicketState, Trouble};
use crate::store::{Holder, Known, StoreError, StoreReader as _, TroubleRecord, store_at};

/// A selection of tickets. An empty field leaves nothing out.
#[derive(Clone, Debug, Default)]
pub struct StatusQuery {
    /// In one of these states.
    pub states: Vec<TicketState>,
    /// With a file in one of these states.
    pub files: Vec<FileState>,
    /// Of one of these apps.
    pub apps: Vec<String>,
    /// With a label that holds one of these strings, in upper or lower case.
    pub labels: Vec<String>,
}

/// The known tickets and apps.
#[derive(Debug)]
pub struct StatusReport {
    /// The state file.
    pub path: PathBuf,
    /// Whether there is one at all.
    pub exists: bool,
    /// The watcher that writes the state file, as far as the lock can be asked. Without one no ticket is polled, and
    /// moments to come that the file names are outdated.
    pub watcher: Result<Option<Holder>, StoreError>,
    /// All tickets by state, chosen or not.
    pub summary: Counts,
    /// All their files by state.
    pub files: FileCounts,
    /// The apps asked for, by name; every app that is known if none was named.
    pub apps: Vec<AppReport>,
    /// The hooks that the state file knows, by name.
    pub hooks: Vec<HookStatus>,
    /// The tickets asked for, in the order of app and ticket.
    pub tickets: Vec<TicketRecord>,
}

/// A known app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppReport {
    /// Its name.
    pub name: AppName,
    /// All its tickets by state.
    pub counts: Counts,
    /// Their files by state.
    pub files: FileCounts,
    /// Whether `watcher.toml` has it; none where that is not read.
    pub is_configured: Option<bool>,
    /// Its trouble, as far as is known; none where no watcher runs.
    pub trouble: Option<Trouble>,
}

/// Reads a state file. Takes no lock for long, writes nothing.
///
/// # Errors
/// The `watcher.toml` that names the file is invalid, the file can't be read, or an app that was asked for is known
/// neither to `watcher.toml` nor to the state file.
pub fn status(file: &StateFile, query: &StatusQuery) -> Result<StatusReport, CommandError> {
    let Found { path, configured, known } = file.read()?;
    let exists = known.is_some();
    let Known { mut tickets, troubles } = known.unwrap_or_default();
    let store = store_at(&path);
    let (watcher, hooks) = (store.holder(), store.hooks()?);
    // Troubles that a former watcher wrote are outdated.
    let troubles = if matches!(watcher, Ok(None)) { Vec::new() } else { troubles };
    let mut apps = apps(&tickets, configured.as_deref(), &troubles);
    for name in &query.apps {
        check_app(name, apps.iter().map(|app| &app.name))?;
    }
    let summary = apps.iter().map(|app| app.counts).sum();
    let files = FileCounts::from_fn(|state| apps.iter().map(|app| app.files[state]).sum());
    apps.retain(|app| is_of(&app.name, query));
    tickets.retain(|ticket| is_asked_for(ticket, query));
    tickets.sort_by(|one, other| one.entry.key.cmp(&other.entry.key));
    Ok(StatusReport { path, exists, watcher, summary, files, apps, hooks, tickets })
}

/// Every app that has a ticket, is configured or is in trouble.
fn apps(
    tickets: &[TicketRecord],
    configured: Option<&[AppName]>,
    troubles: &[TroubleRecord],
) -> Vec<AppReport> {
    let named = configured.into_iter().flatten().chain(troubles.iter().map(|record| &record.app));
    let mut counts: BTreeMap<_, (Counts, FileCounts)> =
        named.map(|name| (name, Default::default())).collect();
    for ticket in tickets {
        let (counts, files) = counts.entry(&ticket.entry.key.app).or_default();
        counts.add(ticket.state);
        if let Some(state) = ticket.file_state() {
            files[state] += 1;
        }
    }
    let report = |(name, (counts, files)): (&AppName, (Counts, FileCounts))| AppReport {
        name: name.clone(),
        counts,
        files,
        is_configured: configured.map(|configured| configured.contains(name)),
        trouble: troubles.iter().find(|record| record.app == *name).map(|record| record.trouble.clone()),
    };
    counts.into_iter().map(report).collect()
}

fn is_asked_for(ticket: &TicketRecord, query: &StatusQuery) -> bool {
    let StatusQuery { states, files, labels, .. } = query;
    let label_fits = |label: &str| {
        let label = in_lower_case(label);
        labels.iter().any(|text| label.contains(&in_lower_case(text)))
    };
    (states.is_empty() || states.contains(&ticket.state))
        && (files.is_empty() || ticket.file_state().is_some_and(|state| files.contains(&state)))
        && is_of(&ticket.entry.key.app, query)
        && (labels.is_empty() || ticket.entry.label.as_deref().is_some_and(label_fits))
}

fn is_of(app: &AppName, query: &StatusQuery) -> bool {
    query.apps.is_empty() || query.apps.iter().any(|name| name == app.as_str())
}

/// Letter by letter: the library's own way makes the same letter another one at the end of a Greek word.
fn in_lower_case(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::domain::{DocumentToken, Endpoint, EntryId, EntryKey, PauseReason, WallTime, WatchEntry};

    fn ticket(app: &str, state: TicketState) -> TicketRecord {
        let entry = WatchEntry {
            key: EntryKey { app: AppName::new(app), id: EntryId::new("1") },
            token: DocumentToken::parse("doxcn").unwrap(),
            label: None,
            created_at: None,
            request: None,
            download: true,
            source: Path::new("l").into(),
        };
        TicketRecord { state, ..TicketRecord::new(entry, WallTime::from_millis(1)) }
    }

    /// Promise: a string is looked for anywhere in the label, in upper or lower case, and no character has a meaning.
    #[test]
    fn labels_hold_a_text() {
        for (text, label, expected) in [
            ("report", "Weekly REPORT 7", true),
            ("周报", "团队周报 第四季度", true),
            ("ÄRGER", "kein ärger", true),
            ("ΣΑΣ", "ΣΑΣΑ σας", true),
            ("report 8", "weekly report 7", false),
            ("week*", "weekly report", false),
            ("week*", "week* report", true),
        ] {
            let query = StatusQuery { labels: vec![text.to_owned()], ..StatusQuery::default() };
            let mut labelled = ticket("a", TicketState::Pending);
            labelled.entry.label = Some(label.into());
            assert_eq!(is_asked_for(&labelled, &query), expected, "{text} {label}");
            assert!(!is_asked_for(&ticket("a", TicketState::Pending), &query));
        }
    }

    fn trouble(app: &str) -> TroubleRecord {
        let at = WallTime::from_millis(1);
        let trouble = Trouble::from_pause(Endpoint::Token, PauseReason::ScopeMissing, at, None, at);
        TroubleRecord { app: AppName::new(app), trouble }
    }

    /// Promise: an app is there once if configuration, tickets or troubles name it, with all its tickets and its trouble.
    #[test]
    fn apps_come_from_everywhere() {
        use TicketState::{Failed, Pending};
        let mut tickets = [ticket("old", Pending), ticket("old", Failed), ticket("new", Pending)];
        tickets[2].file = Some(Box::default());
        let troubles = [trouble("idle"), trouble("new")];
        let configured = ["new", "idle"].map(AppName::new);
        let found = apps(&tickets, Some(&configured), &troubles);
        let names: Vec<_> = found.iter().map(|app| (app.name.as_str(), app.is_configured)).collect();
        assert_eq!(names, [("idle", Some(true)), ("new", Some(true)), ("old", Some(false))]);
        let troubled: Vec<_> = found.iter().map(|app| app.trouble.is_some()).collect();
        assert_eq!(troubled, [true, true, false]);
        assert_eq!((found[2].counts.of(Pending), found[2].counts.of(Failed)), (1, 1));
        assert_eq!([&found[2], &found[1]].map(|app| app.files[FileState::Waiting]), [0, 1]);
        let waiting = StatusQuery { files: vec![FileState::Waiting], ..StatusQuery::default() };
        assert_eq!(tickets.each_ref().map(|it| is_asked_for(it, &waiting)), [false, false, true]);
        let unknown = apps(&tickets, None, &[]);
        assert!(unknown.len() == 2 && unknown.iter().all(|app| app.is_configured.is_none()));
    }
}
