//! A ticket: one export job at the remote, what the watch list says of it and what is known about it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrayvec::ArrayString;
use smol_str::SmolStr;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use super::{AppName, Failure, FileRecord, FileState, WallTime};

/// Characters in a document token at most. All known ones have 27, which is what the platform documents (query export
/// task, parameter `token`); 28 were reported.
pub const DOCUMENT_TOKEN_MAX: usize = 64;

/// The id of an export job. Opaque text: the usual 19 digits overflow a double.
///
/// Texts of up to 23 bytes lie in the value itself. So do those of [`DocumentToken`]: of a hundred thousand tickets,
/// each with a few texts of its own on the heap, much of what is freed around them could not be given back.
#[derive(Clone, Debug, derive_more::Display, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(SmolStr);

impl TicketId {
    /// Takes the id as it stands.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The token of a source document, at most [`DOCUMENT_TOKEN_MAX`] bytes.
#[derive(Clone, Copy, Debug, derive_more::Display, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentToken(ArrayString<DOCUMENT_TOKEN_MAX>);

impl DocumentToken {
    /// Takes the token as it stands; none if it has more than [`DOCUMENT_TOKEN_MAX`] bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        ArrayString::from(text).ok().map(Self)
    }

    /// The token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The kind of a document that is a node of a wiki.
pub const WIKI: &str = "wiki";

/// What an entry of a watch list is known by within its app: a ticket, or the export of a document as
/// `type/token/format`, with `/sub_id` behind it for a sheet or table. A ticket has no slash.
#[derive(Clone, Debug, derive_more::Display, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(SmolStr);

impl EntryId {
    /// Takes the id as it stands.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The id of an export that the watcher starts.
    #[must_use]
    pub fn from_export(doc_type: &str, token: &DocumentToken, format: &str, sub_id: Option<&str>) -> Self {
        let sub_id = sub_id.map(|sub_id| format!("/{sub_id}")).unwrap_or_default();
        Self(format!("{doc_type}/{token}/{format}{sub_id}").into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names a document, whose export the watcher starts.
    #[must_use]
    pub fn is_document(&self) -> bool {
        self.0.contains('/')
    }

    /// "ticket 6933…", "document doxcn… as pdf", "document shtcn… as csv of 0b1e2f"; the document by `name` where that
    /// is given, else by its token. Not escaped.
    #[must_use]
    pub fn in_words(&self, name: Option<&str>) -> String {
        match self.0.splitn(4, '/').collect::<Vec<_>>()[..] {
            [_, token, format] => format!("document {} as {format}", name.unwrap_or(token)),
            [_, token, format, part] => {
                format!("document {} as {format} of {part}", name.unwrap_or(token))
            }
            _ => format!("ticket {self}"),
        }
    }
}

/// What an entry of a watch list is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKey {
    /// The app that creates the job, or created it.
    pub app: AppName,
    /// The ticket, or the export.
    pub id: EntryId,
}

/// What the export is created with, or was, as far as the watch list says. For a document kind and format are there;
/// for a ticket the remote is never asked with any of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportRequest {
    /// The source document's kind: `docx`, `sheet` …; `wiki` for a node of a wiki that leads to one.
    pub doc_type: Option<Box<str>>,
    /// The format: `pdf`, `csv` …
    pub file_extension: Option<Box<str>>,
    /// The sheet or table, for csv.
    pub sub_id: Option<Box<str>>,
    /// The document's link, as it is listed.
    pub url: Option<Box<str>>,
}

/// What an export is made of: kind and token of a document, as the create endpoint takes them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    /// `docx`, `sheet` …; `wiki` only where a permission is asked for.
    pub doc_type: Box<str>,
    /// The document.
    pub token: DocumentToken,
}

/// How far an export is that the watcher starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportRecord {
    /// What is exported; none before a wiki node was resolved.
    pub object: Option<Object>,
    /// The ticket of the last generation; none while one is still to be created.
    pub ticket: Option<TicketId>,
    /// Tickets received so far.
    pub generation: u32,
    /// A create may be on its way, and its answer is not known.
    pub is_creating: bool,
    /// Creates in a row whose answers were lost.
    pub lost: u32,
    /// Generations whose failure, or lost file, had the export made again.
    pub repeats: u32,
    /// Calls that its endpoints accepted and the monthly quota counts, those of earlier generations included.
    pub calls: u32,
}

/// One entry of a watch list, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchEntry {
    /// App and job.
    pub key: EntryKey,
    /// The source document.
    pub token: DocumentToken,
    /// A word of the user's, carried into log and state.
    pub label: Option<SmolStr>,
    /// When the job was created, if the watch list says so.
    pub created_at: Option<WallTime>,
    /// What the export was created with; none if the watch list says nothing of it.
    pub request: Option<Box<ExportRequest>>,
    /// Whether its file is to be downloaded, where the configuration says that files are.
    pub download: bool,
    /// The file that lists it.
    pub source: Arc<Path>,
}

impl WatchEntry {
    /// The ticket, or the document by its label, link or token: what every message calls it. Not escaped.
    #[must_use]
    pub fn in_words(&self) -> String {
        self.key.id.in_words(self.label.as_deref().or(self.url()))
    }

    /// The document's link, if it is listed by one.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.request.as_deref().and_then(|request| request.url.as_deref())
    }

    /// The document by its link, else its token; none for a ticket.
    #[must_use]
    pub fn document(&self) -> Option<&str> {
        self.key.id.is_document().then(|| self.url().unwrap_or(self.token.as_str()))
    }
}

/// Everything that is to be watched.
#[derive(Clone, Debug, Default)]
pub struct WatchList {
    /// The tickets, each key once, in the order of the files.
    pub entries: Vec<WatchEntry>,
    /// Files that could not be taken, or not be found: what they last listed stays as it was.
    pub rejected: Vec<PathBuf>,
}

/// Tickets that stay as they are although the watch list does not name them, because not all of it could be read. By
/// default none.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Whatever it is: more of the list may follow in a moment.
    pub all: bool,
    /// Those that these files listed when they were last taken, by a process before this one maybe.
    pub files: HashSet<PathBuf>,
}

impl Kept {
    /// Whether the ticket stays.
    #[must_use]
    pub fn keeps(&self, ticket: &TicketRecord) -> bool {
        self.all || self.files.contains(&*ticket.entry.source)
    }
}

/// Where a ticket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum TicketState {
    /// Still polled.
    Pending,
    /// The file token is known.
    Completed,
    /// The job failed, or can't be followed.
    Failed,
    /// `give_up_after` passed and the job was still running.
    TimedOut,
    /// It left the watch list while pending.
    Removed,
}

impl TicketState {
    /// Every state, in the order in which people see them.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The name in log, state file and status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether nothing more will happen to the ticket by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending)
    }
}

/// The exported file as the answer describes it. Only the file token is sure to be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Artefact {
    /// What the download needs; never empty.
    pub file_token: Box<str>,
    /// Name, usually without extension.
    pub file_name: Option<Box<str>>,
    /// `docx`, `pdf`, `xlsx`, `csv` or whatever the server says.
    pub file_extension: Option<Box<str>>,
    /// The source document's kind, the answer's `type`.
    pub doc_type: Option<Box<str>>,
    /// Size in bytes; a negative one counts as unknown.
    pub file_size: Option<u64>,
}

/// What a pending ticket remembers between polls, and a restart must not forget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Steps taken on the backoff table.
    pub attempt: u32,
    /// Time spent watching since the first answered poll, less pauses and the time the daemon was down.
    pub watched: Option<Duration>,
    /// Answers in a row that could not be understood.
    pub unclear: u32,
    /// `watched` at the first of them.
    pub unclear_since: Duration,
    /// Sending of the last poll that was answered "running".
    pub last_running_at: Option<WallTime>,
}

/// All that is known about a ticket: a row of the state file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketRecord {
    /// The entry of the watch list that named it last.
    pub entry: WatchEntry,
    /// The export, where the watcher starts it; none for a ticket that the watch list names.
    pub export: Option<Box<ExportRecord>>,
    /// Where it stands.
    pub state: TicketState,
    /// The file, once completed.
    pub artefact: Option<Box<Artefact>>,
    /// The file on disk, where it is to be downloaded; none before the ticket is completed.
    pub file: Option<Box<FileRecord>>,
    /// The last `job_status` the server named.
    pub job_status: Option<i64>,
    /// Polls sent and ended, whatever came of them.
    pub polls: u32,
    /// When the watch list first named it.
    pub first_seen_at: WallTime,
    /// Sending of the last poll.
    pub last_polled_at: Option<WallTime>,
    /// When the next poll is due; none once final.
    pub next_poll_at: Option<WallTime>,
    /// When it became final.
    pub finished_at: Option<WallTime>,
    /// Until when the artefact is sure to live.
    pub download_by: Option<WallTime>,
    /// Why it failed; while pending, the last trouble.
    pub error: Option<Box<Failure>>,
    /// Since when no watch list names it.
    pub unlisted_since: Option<WallTime>,
    /// Memory for the schedule.
    pub progress: Progress,
}

impl TicketRecord {
    /// A ticket that was never polled, or an export that was never created.
    #[must_use]
    pub fn new(entry: WatchEntry, now: WallTime) -> Self {
        let export = entry.key.id.is_document().then(|| Box::new(ExportRecord::new(&entry)));
        Self {
            entry,
            export,
            state: TicketState::Pending,
            artefact: None,
            file: None,
            job_status: None,
            polls: 0,
            first_seen_at: now,
            last_polled_at: None,
            next_poll_at: None,
            finished_at: None,
            download_by: None,
            error: None,
            unlisted_since: None,
            progress: Progress::default(),
        }
    }

    /// The ticket; none while one is still to be created.
    #[must_use]
    pub fn ticket(&self) -> Option<&str> {
        match &self.export {
            Some(export) => export.ticket.as_ref().map(TicketId::as_str),
            None => Some(self.entry.key.id.as_str()),
        }
    }

    /// The token that the ticket is asked about with: that of the document behind a wiki node, once it is known.
    #[must_use]
    pub fn object_token(&self) -> DocumentToken {
        let object = self.export.as_deref().and_then(|export| export.object.as_ref());
        object.map_or(self.entry.token, |object| object.token)
    }

    /// The source document's kind: as the answer says, else as a wiki node leads to, else as the watch list says.
    #[must_use]
    pub fn doc_type(&self) -> Option<&str> {
        let answered = self.artefact.as_deref().and_then(|file| file.doc_type.as_deref());
        let object = || Some(&*self.export.as_deref()?.object.as_ref()?.doc_type);
        let listed = || self.entry.request.as_deref()?.doc_type.as_deref();
        answered.or_else(object).or_else(listed)
    }

    /// Tickets that its export got so far; none for a ticket that the watch list names.
    #[must_use]
    pub fn generation(&self) -> Option<u32> {
        self.export.as_deref().map(|export| export.generation)
    }

    /// Whether it is a document whose export got no ticket, or lost it.
    #[must_use]
    pub fn is_uncreated(&self) -> bool {
        self.ticket().is_none()
    }

    /// What to do about its failure, or its file's.
    #[must_use]
    pub fn hint(&self, failure: &Failure) -> &'static str {
        if self.export.is_some() { failure.hint_for_document() } else { failure.hint() }
    }

    /// The format: as the answer says, else as the watch list does.
    #[must_use]
    pub fn file_extension(&self) -> Option<&str> {
        let listed = || self.entry.request.as_deref().and_then(|request| request.file_extension.as_deref());
        self.artefact.as_deref().and_then(|file| file.file_extension.as_deref()).or_else(listed)
    }

    /// Where its file stands; none where it is not downloaded.
    #[must_use]
    pub fn file_state(&self) -> Option<FileState> {
        self.file.as_deref().map(|file| file.state)
    }

    /// What its file ran into: why it can't be saved; while it waits, the last trouble.
    #[must_use]
    pub fn file_error(&self) -> Option<&Failure> {
        self.file.as_deref().and_then(|file| file.error.as_deref())
    }

    /// The sheet or table, if the watch list says which.
    #[must_use]
    pub fn sub_id(&self) -> Option<&str> {
        self.entry.request.as_deref().and_then(|request| request.sub_id.as_deref())
    }
}

impl ExportRecord {
    /// An export of which nothing happened yet. What a wiki node leads to is not known; any other document is what is
    /// exported.
    #[must_use]
    pub fn new(entry: &WatchEntry) -> Self {
        let doc_type = entry.request.as_deref().and_then(|request| request.doc_type.clone());
        let object = doc_type.filter(|doc_type| **doc_type != *WIKI);
        Self { object: object.map(|doc_type| Object { doc_type, token: entry.token }), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_names_are_what_scripts_rely_on() {
        let names: Vec<_> = TicketState::ALL.iter().map(|state| state.as_str()).collect();
        assert_eq!(names, ["pending", "completed", "failed", "timed_out", "removed"]);
        for state in TicketState::ALL {
            assert_eq!(state.as_str().parse(), Ok(*state));
        }
    }

    /// Promise: no message calls an entry's id a ticket: a document goes by its label, its link or its token.
    #[test]
    fn entries_are_in_words() {
        let (token, url) = (DocumentToken::parse("shtcn").unwrap(), "https://acme.feishu.cn/sheets/shtcn");
        let csv = EntryId::from_export("sheet", &token, "csv", Some("0b1e2f"));
        for (id, label, url, words) in [
            (EntryId::new("6933"), Some("weekly"), None, "ticket 6933"),
            (csv.clone(), None, None, "document shtcn as csv of 0b1e2f"),
            (csv.clone(), None, Some(url), "document https://acme.feishu.cn/sheets/shtcn as csv of 0b1e2f"),
            (csv, Some("weekly"), Some(url), "document weekly as csv of 0b1e2f"),
            (EntryId::from_export("sheet", &token, "xlsx", None), None, None, "document shtcn as xlsx"),
        ] {
            let request = ExportRequest { url: url.map(Into::into), ..ExportRequest::default() };
            let entry = WatchEntry {
                key: EntryKey { app: AppName::new("default"), id },
                token,
                label: label.map(Into::into),
                created_at: None,
                request: Some(Box::new(request)),
                download: true,
                source: Path::new("list.toml").into(),
            };
            assert_eq!(entry.in_words(), words);
        }
    }

    #[test]
    fn a_hundred_thousand_records_stay_small() {
        assert!(size_of::<TicketRecord>() <= 320, "{}", size_of::<TicketRecord>());
    }
}
