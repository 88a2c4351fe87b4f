//! `retry`: ended tickets are polled again, ended exports made again, and files fetched. Chooses them by the content of the state
//! file, and leaves the request there; the watcher carries it out, now or at its next start.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use strum::Display;

use super::error::CommandError;
use super::known_app::check_app;
use super::state_file::{Found, StateFile};
use crate::domain::{AppName, ErrorKind, FileState, Link, Object, TicketRecord, TicketState, near_miss};
use crate::store::{Holder, StoreReader as _, StoreRequests as _, store_at};

/// A watcher takes requests up within a second; a slow disk, or a hundred thousand of them, may need more.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Which tickets are to be polled, and documents exported, again.
#[derive(Clone, Debug, Default)]
pub struct RetrySelection {
    /// What goes by these names: a ticket, also that of a document; a label; a document's link in any spelling, or its
    /// token.
    pub names: Vec<String>,
    /// All that failed or timed out, or whose file could not be saved.
    pub failed: bool,
    /// Of those, only the ones with this kind of error, the file's where that is what failed.
    pub kind: Option<ErrorKind>,
    /// Only this app's.
    pub app: Option<String>,
}

/// The tickets and documents that a selection chooses.
#[derive(Debug)]
pub struct RetryPlan {
    /// The records, in the order in which they were named, else of app and entry.
    pub tickets: Vec<TicketRecord>,
    /// Those that were named and are pending already.
    pub pending: Vec<TicketRecord>,
    /// Those that would have been chosen, but left the watch list, or their app `watcher.toml`.
    pub unlisted: usize,
    /// Whether there is a state file at all.
    pub exists: bool,
    /// The state file.
    pub path: PathBuf,
}

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryOutcome {
    /// The watcher that runs has taken it up.
    TakenUp,
    /// A watcher runs and has not taken it up within seconds; the request stands.
    NotYet(Holder),
    /// No watcher runs; the next one takes it up when it starts.
    AtNextStart,
}

/// Chooses the tickets and documents from a state file. Writes nothing.
///
/// # Errors
/// The `watcher.toml` that names the file is invalid, or the file can't be read; a name or an app is unknown, or
/// what it stands for can't be retried.
pub fn plan_retry(file: &StateFile, selection: &RetrySelection) -> Result<RetryPlan, CommandError> {
    let Found { path, configured, known } = file.read()?;
    let (exists, configured) = (known.is_some(), configured.as_deref());
    let known = known.unwrap_or_default().tickets;
    if let Some(app) = &selection.app {
        let names = known.iter().map(|ticket| &ticket.entry.key.app).chain(configured.into_iter().flatten());
        check_app(app, names)?;
    }
    let mut plan = RetryPlan { tickets: Vec::new(), pending: Vec::new(), unlisted: 0, exists, path };
    for name in &selection.names {
        plan.choose(&find(name, selection.app.as_deref(), &known)?, configured)?;
    }
    if selection.failed {
        let failed: Vec<_> = known.into_iter().filter(|ticket| is_failed(ticket, selection)).collect();
        plan.unlisted = failed.len();
        plan.tickets = failed.into_iter().filter(|ticket| obstacle(ticket, configured).is_none()).collect();
        plan.unlisted -= plan.tickets.len();
    }
    Ok(plan)
}

fn is_failed(ticket: &TicketRecord, selection: &RetrySelection) -> bool {
    let is_lost = ticket.file_state().is_some_and(FileState::is_lost);
    let error = if is_lost { ticket.file_error() } else { ticket.error.as_deref() };
    let kind = error.map(|error| error.kind);
    (is_lost || matches!(ticket.state, TicketState::Failed | TicketState::TimedOut))
        && is_of(ticket, selection.app.as_deref())
        && (selection.kind.is_none() || selection.kind == kind)
}

fn is_of(ticket: &TicketRecord, app: Option<&str>) -> bool {
    app.is_none_or(|app| ticket.entry.key.app.as_str() == app)
}

/// The reason for which the watcher does not take it up, if there is one.
fn obstacle(ticket: &TicketRecord, configured: Option<&[AppName]>) -> Option<String> {
    let (subject, app) = (ticket.entry.in_words(), &ticket.entry.key.app);
    if configured.is_some_and(|apps| !apps.contains(app)) {
        return Some(format!("{subject} is of app {app}, which is not in watcher.toml"));
    }
    if ticket.unlisted_since.is_some() {
        let done = if ticket.export.is_some() { "exported" } else { "polled" };
        return Some(format!("{subject} left the watch list; list it again to have it {done}"));
    }
    let is_waiting = ticket.file_state() == Some(FileState::Waiting);
    is_waiting.then(|| format!("{subject} is completed, and its file is being fetched"))
}

/// Everything of that name and of that app, at least one. Entries that lead to one export have its ticket in common, and
/// those of several apps may have the same one.
fn find<'t>(
    name: &str,
    app: Option<&str>,
    known: &'t [TicketRecord],
) -> Result<Vec<&'t TicketRecord>, CommandError> {
    let Some((what, called)) = called(name, known) else {
        return Err(CommandError::Usage(unknown(name, app, known)));
    };
    let of_app: Vec<_> = called.iter().copied().filter(|ticket| is_of(ticket, app)).collect();
    let apps: BTreeSet<_> = called.iter().map(|ticket| ticket.entry.key.app.as_str()).collect();
    let is_ambiguous = what == Name::Ticket && app.is_none() && apps.len() > 1;
    let apps = apps.into_iter().collect::<Vec<_>>().join(", ");
    let message = match app {
        Some(app) if of_app.is_empty() => {
            format!("{what} {name} is of app {apps}, not of {app}")
        }
        _ if is_ambiguous => format!("{what} {name} is known of the apps {apps}; say which with --app"),
        _ => return Ok(of_app),
    };
    Err(CommandError::Usage(message))
}

/// What a name is. Where it could be several, the first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Display)]
#[strum(serialize_all = "snake_case")]
enum Name {
    Ticket,
    Label,
    Document,
}

/// What the name is, and everything that bears it: a label may stand at several entries, and a document may be exported in
/// several formats.
fn called<'t>(name: &str, known: &'t [TicketRecord]) -> Option<(Name, Vec<&'t TicketRecord>)> {
    let link = Link::parse(name).ok();
    let what = |record: &TicketRecord| match record {
        _ if record.ticket() == Some(name) => Some(Name::Ticket),
        _ if record.entry.label.as_deref() == Some(name) => Some(Name::Label),
        _ => is_document(record, name, link.as_ref()).then_some(Name::Document),
    };
    let named: Vec<_> = known.iter().filter_map(|record| Some((what(record)?, record))).collect();
    let first = named.iter().map(|(what, _)| *what).min()?;
    let called = named.into_iter().filter(|(what, _)| *what == first);
    Some((first, called.map(|(_, record)| record).collect()))
}

/// Whether it is the document of that link or token, or a wiki node that leads to it. The sheet that a link opens is
/// another one only where one is exported.
fn is_document(record: &TicketRecord, name: &str, link: Option<&Link>) -> bool {
    let (Some(export), entry) = (record.export.as_deref(), &record.entry) else { return false };
    let is_linked = |link: &Link| {
        let kind = link.kind.as_str();
        let listed = entry.request.as_deref().and_then(|request| request.doc_type.as_deref());
        let is_object = |it: &Object| *it.doc_type == *kind && it.token == link.token;
        let is_other = |part: &str| record.sub_id().is_some_and(|exported| exported != part);
        (listed == Some(kind) && entry.token == link.token || export.object.as_ref().is_some_and(is_object))
            && !link.sub_id.as_deref().is_some_and(is_other)
    };
    entry.url() == Some(name) || entry.token.as_str() == name || link.is_some_and(is_linked)
}

/// The message about a name that nothing has.
fn unknown(name: &str, app: Option<&str>, known: &[TicketRecord]) -> String {
    if name.contains("://") {
        return match Link::parse(name) {
            Ok(link) => format!("no document of the link {link} is known; `status` shows those that are"),
            // It may hold a secret.
            Err(error) => format!("the link names no document: {error}"),
        };
    }
    let of_app = known.iter().filter(|ticket| is_of(ticket, app));
    let names = of_app.flat_map(|ticket| ticket.ticket().into_iter().chain(ticket.entry.label.as_deref()));
    match near_miss(name, names) {
        Some(near) => format!("unknown ticket or label {name}; did you mean {near}?"),
        None => format!("unknown ticket or label {name}; `status` shows those that are known"),
    }
}

impl RetryPlan {
    /// Adds what one name stands for. What can't be retried is an error only where nothing of that name can.
    fn choose(
        &mut self,
        named: &[&TicketRecord],
        configured: Option<&[AppName]>,
    ) -> Result<(), CommandError> {
        let mut obstacles = Vec::new();
        for &ticket in named {
            let obstacle = obstacle(ticket, configured).filter(|_| ticket.state != TicketState::Pending);
            let chosen =
                if ticket.state == TicketState::Pending { &mut self.pending } else { &mut self.tickets };
            if let Some(obstacle) = obstacle {
                obstacles.push(obstacle);
            } else if !chosen.iter().any(|chosen| chosen.entry.key == ticket.entry.key) {
                chosen.push(ticket.clone());
            }
        }
        let is_refused = obstacles.len() == named.len();
        obstacles.into_iter().next().filter(|_| is_refused).map_or(Ok(()), |it| Err(CommandError::Usage(it)))
    }

    /// Leaves the request in the state file, durably, and waits a few seconds whether a watcher takes it up.
    ///
    /// # Errors
    /// The state file can't be written.
    pub fn submit(&self) -> Result<RetryOutcome, CommandError> {
        let keys: Vec<_> = self.tickets.iter().map(|ticket| ticket.entry.key.clone()).collect();
        let store = store_at(&self.path);
        let last = store.ask_to_retry(&keys)?;
        let until = Instant::now() + TAKEN_WITHIN;
        while store.is_waiting(last)? {
            match store.holder()? {
                None => return Ok(RetryOutcome::AtNextStart),
                Some(holder) if Instant::now() >= until => return Ok(RetryOutcome::NotYet(holder)),
                Some(_) => thread::sleep(LOOK_EVERY),
            }
        }
        Ok(RetryOutcome::TakenUp)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::domain::{
        DocumentToken, EntryId, EntryKey, ExportRequest, Failure, FileRecord, TicketId, WallTime, WatchEntry,
    };
    use crate::store::{Batch, SqliteStore, Store as _};

    fn ticket(app: &str, ticket: &str, state: TicketState, kind: ErrorKind) -> TicketRecord {
        let key = EntryKey { app: AppName::new(app), id: EntryId::new(ticket) };
        let source = Path::new("list.toml").into();
        let entry = WatchEntry {
            key,
            token: DocumentToken::parse("doc").unwrap(),
            label: None,
            created_at: None,
            request: None,
            download: true,
            source,
        };
        let error = Some(Box::new(Failure::new(kind)));
        TicketRecord { state, error, ..TicketRecord::new(entry, WallTime::from_millis(1)) }
    }

    async fn place() -> (tempfile::TempDir, StateFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watcher.toml");
        let app = |name: &str, host: &str| {
            format!(
                "[apps.{name}]\nbase_url = \"https://{host}\"\napp_id = \"cli_{name}\"\napp_secret = {{ env = \"A\" }}\n"
            )
        };
        let (feishu, lark) = (app("default", "open.feishu.cn"), app("lark", "open.larksuite.com"));
        let text = format!("watchlist = [\"list.toml\"]\n{feishu}{lark}");
        fs::write(&path, text).unwrap();
        let store = SqliteStore::open(&folder.path().join("state.db")).unwrap();
        let mut unlisted = ticket("default", "5", TicketState::Failed, ErrorKind::ExportTimeout);
        unlisted.unlisted_since = Some(WallTime::from_millis(2));
        let tickets = vec![
            ticket("default", "1001", TicketState::Failed, ErrorKind::ExportTimeout),
            ticket("default", "1002", TicketState::Failed, ErrorKind::DocumentDeleted),
            ticket("default", "1003", TicketState::Pending, ErrorKind::Network),
            ticket("lark", "1001", TicketState::TimedOut, ErrorKind::Network),
            ticket("lark", "1004", TicketState::Completed, ErrorKind::Network),
            ticket("former", "1005", TicketState::Failed, ErrorKind::Network),
            unlisted,
        ];
        store.commit(Batch { tickets, ..Batch::default() }).await.unwrap();
        store.close().await;
        (folder, StateFile::FromConfig(path))
    }

    fn chosen(file: &StateFile, selection: &RetrySelection) -> Vec<String> {
        let name = |ticket: &TicketRecord| format!("{}/{}", ticket.entry.key.app, ticket.entry.key.id);
        plan_retry(file, selection).unwrap().tickets.iter().map(name).collect()
    }

    /// Promise: exactly the selected tickets are chosen.
    #[tokio::test]
    async fn tickets_are_chosen_as_asked() {
        let (_folder, config) = place().await;
        let failed = RetrySelection { failed: true, ..RetrySelection::default() };
        assert_eq!(chosen(&config, &failed), ["default/1001", "default/1002", "lark/1001"]);
        assert_eq!(plan_retry(&config, &failed).unwrap().unlisted, 2);
        let kind = RetrySelection { kind: Some(ErrorKind::DocumentDeleted), ..failed.clone() };
        assert_eq!(chosen(&config, &kind), ["default/1002"]);
        let app = RetrySelection { app: Some("lark".into()), ..failed };
        assert_eq!(chosen(&config, &app), ["lark/1001"]);
        let named = |tickets: &[&str], app: Option<&str>| RetrySelection {
            names: tickets.iter().map(|&ticket| ticket.to_owned()).collect(),
            app: app.map(str::to_owned),
            ..RetrySelection::default()
        };
        assert_eq!(chosen(&config, &named(&["1004", "1002", "1004"], None)), ["lark/1004", "default/1002"]);
        assert_eq!(chosen(&config, &named(&["1001"], Some("default"))), ["default/1001"]);
        let plan = plan_retry(&config, &named(&["1003"], None)).unwrap();
        assert!(plan.tickets.is_empty() && plan.pending.len() == 1);

        for (selection, message) in [
            (named(&["1001"], None), "ticket 1001 is known of the apps default, lark; say which with --app"),
            (named(&["1003x"], None), "unknown ticket or label 1003x; did you mean 1003?"),
            (named(&["77777"], None), "unknown ticket or label 77777; `status` shows those that are known"),
            (named(&["1002"], Some("lark")), "ticket 1002 is of app default, not of lark"),
            (named(&["1006"], Some("lark")), "unknown ticket or label 1006; did you mean 1001?"),
            (named(&["1005"], None), "ticket 1005 is of app former, which is not in watcher.toml"),
            (named(&["5"], None), "ticket 5 left the watch list; list it again to have it polled"),
            (named(&["1001"], Some("defualt")), "unknown app `defualt`; did you mean `default`?"),
        ] {
            assert_eq!(plan_retry(&config, &selection).unwrap_err().to_string(), message);
        }
    }

    /// Promise: a document is found by its ticket, its label, and every spelling of its link; a label stands for all that
    /// bear it.
    #[test]
    fn documents_are_found_by_their_names() {
        let document = |doc_type: &str, token: &str, format: &str, sub_id: Option<&str>| {
            let mut record = ticket("default", "1", TicketState::Failed, ErrorKind::ServerError);
            record.entry.token = DocumentToken::parse(token).unwrap();
            record.entry.key.id = EntryId::from_export(doc_type, &record.entry.token, format, sub_id);
            record.entry.request = Some(Box::new(ExportRequest {
                doc_type: Some(doc_type.into()),
                file_extension: Some(format.into()),
                sub_id: sub_id.map(Into::into),
                url: None,
            }));
            TicketRecord::new(record.entry, record.first_seen_at)
        };
        let mut known = [
            document("docx", "doxcnA", "pdf", None),
            document("docx", "doxcnA", "docx", None),
            document("wiki", "wikcnB", "csv", Some("0b1e2f")),
            ticket("default", "7001", TicketState::Failed, ErrorKind::ServerError),
        ];
        (known[0].entry.label, known[3].entry.label) = (Some("weekly".into()), Some("weekly".into()));
        known[1].export.as_mut().unwrap().ticket = Some(TicketId::new("7002"));
        let (doc_type, token) = ("sheet".into(), DocumentToken::parse("shtcnC").unwrap());
        known[2].export.as_mut().unwrap().object = Some(Object { doc_type, token });
        for (name, found) in [
            ("7001", &[3][..]),
            ("7002", &[1]),
            ("weekly", &[0, 3]),
            ("doxcnA", &[0, 1]),
            ("https://acme.feishu.cn/docx/doxcnA?from=copy#part", &[0, 1]),
            ("https://acme.feishu.cn/docs/doxcnA", &[]),
            ("https://acme.feishu.cn/wiki/wikcnB", &[2]),
            ("https://acme.feishu.cn/sheets/shtcnC?sheet=0b1e2f", &[2]),
            ("https://acme.feishu.cn/sheets/shtcnC?sheet=other", &[]),
            ("https://acme.feishu.cn/drive/folder/doxcnA", &[]),
            ("docx/doxcnA/pdf", &[]),
        ] {
            let places: Vec<_> = match find(name, None, &known) {
                Ok(records) => {
                    records.iter().map(|it| known.iter().position(|one| one == *it).unwrap()).collect()
                }
                Err(_) => Vec::new(),
            };
            assert_eq!(places, found, "{name}");
        }
        let refused = find("https://user:secret@acme.feishu.cn/docx/a", None, &known).unwrap_err();
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }

    /// Promise: a file that could not be saved is retried with its ticket, by its own kind of error; one that is still
    /// being fetched is left in peace.
    #[test]
    fn lost_files_are_retried() {
        let failed = RetrySelection { failed: true, ..RetrySelection::default() };
        let of_kind = |kind| RetrySelection { kind: Some(kind), ..failed.clone() };
        for (state, is_chosen, obstacle_ends) in [
            (FileState::Waiting, false, Some("its file is being fetched")),
            (FileState::Saved, false, None),
            (FileState::Failed, true, None),
            (FileState::Expired, true, None),
        ] {
            let mut ticket = ticket("default", "1", TicketState::Completed, ErrorKind::Network);
            let error = Some(Box::new(Failure::new(ErrorKind::WrongContent)));
            ticket.file = Some(Box::new(FileRecord { state, error, ..FileRecord::new() }));
            assert_eq!(is_failed(&ticket, &failed), is_chosen, "{state}");
            assert_eq!(is_failed(&ticket, &of_kind(ErrorKind::WrongContent)), is_chosen, "{state}");
            assert!(!is_failed(&ticket, &of_kind(ErrorKind::Network)), "{state}");
            let said = obstacle(&ticket, None);
            assert_eq!(said.is_some(), obstacle_ends.is_some(), "{state}");
            assert!(said.unwrap_or_default().ends_with(obstacle_ends.unwrap_or_default()));
        }
    }

    /// Promise: without a watcher the request waits for its next start. Without a configuration every app counts.
    #[tokio::test]
    async fn a_request_stands_until_the_next_start() {
        let (folder, _) = place().await;
        let path = folder.path().join("state.db");
        let selection = RetrySelection { failed: true, ..RetrySelection::default() };
        let plan = plan_retry(&StateFile::At(path.clone()), &selection).unwrap();
        assert_eq!(plan.submit().unwrap(), RetryOutcome::AtNextStart);
        let store = SqliteStore::open(&path).unwrap();
        assert_eq!(store.load().await.unwrap().retries.len(), 4);
    }
}
