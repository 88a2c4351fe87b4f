//! `add`: documents appended to a watch list, all of them or none. The present text stays byte for byte, and the new one
//! takes its place in one step. Asks nothing and prints nothing.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use super::error::{CommandError, ErrorClass};
use super::known_app::check_app;
use crate::config::{Additions, Config, ConfigError, Draft, Offer, WatchSourceKind};
use crate::domain::{Format, WallTime};
use crate::files::{NewFiles, sync_folder};
use crate::store::{Holder, StoreReader as _, store_at};

/// Permissions of a new list, as far as the umask leaves them.
const MODE: u32 = 0o644;

/// Keys of an entry that a message begins with, and the options that they come from.
const OPTIONS: [(&str, &str); 3] =
    [("`format`", "--format"), ("`sub_id`", "--sub-id"), ("`label`", "--label")];

/// Documents that are to be exported in one format.
#[derive(Clone, Debug)]
pub struct AddRequest {
    /// Their links.
    pub links: Vec<String>,
    /// The format of their files.
    pub format: Format,
    /// The sheet or table; without it the one that each link opens. For csv alone.
    pub sub_id: Option<String>,
    /// The app that exports them; may be left out where there is one.
    pub app: Option<String>,
    /// The label of all of them.
    pub label: Option<String>,
}

/// What was added.
#[derive(Clone, Debug)]
pub struct AddReport {
    /// The list, with links followed.
    pub list: PathBuf,
    /// How many documents it has more.
    pub added: usize,
    /// Links, by their number in the request, of exports that this file lists already.
    pub listed: Vec<(usize, PathBuf)>,
    /// Links, by their number in the request, that are given twice.
    pub repeated: Vec<usize>,
    /// Whether files are saved.
    pub saves: bool,
    /// The watcher that runs and takes them up.
    pub watcher: Option<Holder>,
}

/// Why nothing was added, or not for sure.
#[derive(Debug, Error)]
pub enum AddError {
    /// The configuration or the list is invalid, or an option asks for what is not there.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Links, by their number in the request, that can't be listed, each with what is wrong and what would be accepted.
    #[error("{} of the links can't be listed", .0.len())]
    Links(Vec<(usize, String)>),
    /// The list can't be read, or not be replaced.
    #[error("nothing was added: a new list can't be put in the place of {}{}", .0.display(), rights(.1))]
    Write(PathBuf, #[source] io::Error),
    /// All was added, but the list has its new content only until the power fails.
    #[error("the documents were added to {}, but a power cut may undo it: its folder can't be synced", .0.display())]
    Unsynced(PathBuf, #[source] io::Error),
    /// An entry can't be written as TOML: a defect of this program.
    #[error("nothing was added: an entry can't be written as TOML")]
    Entry(#[from] toml::ser::Error),
}

/// What the user lacks, where that is why.
fn rights(error: &io::Error) -> &'static str {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    match error.kind() {
        PermissionDenied | ReadOnlyFilesystem => ", which takes the right to make files in its folder",
        _ => "",
    }
}

impl AddError {
    /// The class of the error.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Command(error) => error.class(),
            Self::Links(_) => ErrorClass::Config,
            Self::Write(..) | Self::Unsynced(..) | Self::Entry(_) => ErrorClass::Unexpected,
        }
    }
}

impl From<ConfigError> for AddError {
    fn from(error: ConfigError) -> Self {
        Self::Command(error.into())
    }
}

/// Appends documents to the watch list `to`, an absolute path, else to the one that the `watcher.toml` at `config` names in
/// full. Of processes that do so at the same time, one waits for the other.
///
/// # Errors
/// Nothing was added, because of the configuration, the list, a link, or the disk; only with [`AddError::Unsynced`] all
/// was, and may be gone after a power cut.
pub fn add(
    config: &Path,
    to: Option<&Path>,
    request: &AddRequest,
    now: WallTime,
) -> Result<AddReport, AddError> {
    let lists = Additions::load(config)?;
    let app = request.app.as_deref();
    check_choice_of_app(lists.config(), app)?;
    let list = choose(&lists, to)?;
    let failed = |error| AddError::Write(list.clone(), error);
    let folder = list.parent().unwrap_or(&list);
    let lock = lock(folder).map_err(failed)?;
    let before = look(&list).map_err(failed)?;
    let mut draft = lists.draft(&list, now)?;
    let mut report = AddReport {
        list: list.clone(),
        added: 0,
        listed: Vec::new(),
        repeated: Vec::new(),
        saves: lists.config().download.is_some(),
        watcher: store_at(&lists.config().state.path).holder().ok().flatten(),
    };
    let text = offer(&mut draft, request, &mut report)?;
    if report.added > 0 {
        let content = draft.append(&text)?;
        write(&list, folder, &content, before.as_ref())?;
    }
    drop(lock);
    Ok(report)
}

/// The text that is to be appended; every link is offered, so that all that are wrong come out at once.
fn offer(draft: &mut Draft<'_>, request: &AddRequest, report: &mut AddReport) -> Result<String, AddError> {
    let mut text = draft.found().map(separator).unwrap_or_default().to_owned();
    let mut wrong = Vec::new();
    for (number, link) in request.links.iter().enumerate() {
        let entry = entry(link.trim(), request)?;
        match draft.offer(&entry)? {
            Offer::Taken => {
                text += if report.added > 0 { "\n" } else { "" };
                text += &entry;
                report.added += 1;
            }
            Offer::Listed(file) => report.listed.push((number, file)),
            Offer::Repeated => report.repeated.push(number),
            Offer::Wrong(messages) => wrong.push((number, in_words_of_options(&messages))),
        }
    }
    if wrong.is_empty() { Ok(text) } else { Err(AddError::Links(wrong)) }
}

/// An app is named if and only if there is a choice, or it is the only one.
fn check_choice_of_app(config: &Config, app: Option<&str>) -> Result<(), CommandError> {
    let names = config.apps.iter().map(|app| &app.name);
    match app {
        Some(app) => check_app(app, names),
        None if config.apps.len() == 1 => Ok(()),
        None => {
            let names: Vec<_> = names.take(10).map(|name| name.as_str()).collect();
            let names = names.join(", ");
            Err(CommandError::Usage(format!(
                "watcher.toml has several apps; say with --app which one exports the documents: {names}"
            )))
        }
    }
}

/// The list that is meant.
fn choose(lists: &Additions, to: Option<&Path>) -> Result<PathBuf, CommandError> {
    let usage = |message: String| Err(CommandError::Usage(message));
    let list = match (to, &lists.files()[..]) {
        (Some(to), _) => match lists.find(to) {
            Some(list) => list,
            None => {
                let (to, rows) = (to.display(), sources(lists.config()));
                return usage(format!(
                    "watcher.toml reads no watch list\n  {to}\nbut\n{rows}\nname one of these with --to, or add the file \
                     to `watchlist` in watcher.toml"
                ));
            }
        },
        (None, [only]) => only.clone(),
        (None, files) => {
            let number = if files.is_empty() { "no watch list" } else { "several watch lists" };
            let rows = sources(lists.config());
            return usage(format!(
                "watcher.toml names {number} in full; say with --to FILE which one is meant, or which new file that a \
                 pattern matches\n{rows}"
            ));
        }
    };
    match list.parent().filter(|folder| !folder.is_dir()) {
        Some(folder) => {
            usage(format!("there is no folder\n  {}\nfor the watch list; make it first", folder.display()))
        }
        None => Ok(list),
    }
}

fn sources(config: &Config) -> String {
    let row = |kind: &WatchSourceKind| match kind {
        WatchSourceKind::File(path) => format!("  {}", path.display()),
        WatchSourceKind::Glob(pattern) => format!("  {pattern}"),
    };
    config.watchlist.iter().map(|source| row(&source.kind)).collect::<Vec<_>>().join("\n")
}

/// Waits for other processes that add to a list of this folder. The folder, since the list is replaced by another file.
fn lock(folder: &Path) -> io::Result<File> {
    let folder = File::open(folder)?;
    // Where a file system has no locks, none of two that add at the same time waits.
    let _ = folder.lock();
    Ok(folder)
}

/// What a present text lacks before an entry can follow: the end of its last line, and a blank one.
fn separator(present: &[u8]) -> &'static str {
    match present.last() {
        None => "",
        Some(b'\n') => "\n",
        Some(_) => "\n\n",
    }
}

/// An entry of a watch list.
#[derive(Serialize)]
struct Document<'r> {
    url: &'r str,
    format: &'r str,
    sub_id: Option<&'r str>,
    app: Option<&'r str>,
    label: Option<&'r str>,
}

/// A watch list of one entry.
#[derive(Serialize)]
struct List<'r> {
    document: [Document<'r>; 1],
}

fn entry(url: &str, request: &AddRequest) -> Result<String, toml::ser::Error> {
    let AddRequest { format, sub_id, app, label, .. } = request;
    let [sub_id, app, label] = [sub_id, app, label].map(Option::as_deref);
    toml::to_string(&List { document: [Document { url, format: format.as_str(), sub_id, app, label }] })
}

/// What is wrong with an entry, in the words of the command line.
fn in_words_of_options(messages: &[String]) -> String {
    let translated = |message: &String| {
        let message = message.strip_prefix("`url`: ").unwrap_or(message);
        let found = OPTIONS.iter().find_map(|(key, option)| Some((option, message.strip_prefix(key)?)));
        found.map_or_else(|| message.to_owned(), |(option, rest)| format!("{option}{rest}"))
    };
    messages.iter().map(translated).collect::<Vec<_>>().join("; ")
}

/// What lies at the path; nothing where nothing does.
fn look(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// Puts the content in the place of what was there `before`, durably.
fn write(list: &Path, folder: &Path, content: &[u8], before: Option<&Metadata>) -> Result<(), AddError> {
    let failed = |error| AddError::Write(list.to_path_buf(), error);
    let temporary = folder.join(format!(".feishu-export-add-{:016x}.tmp", fastrand::u64(..)));
    let mut files = NewFiles::default();
    match before {
        Some(before) => {
            files.write_like(&temporary, content, before).map_err(failed)?;
            files.replace(&temporary, list).map_err(failed)?;
        }
        None => {
            files.write(&temporary, content, MODE).map_err(failed)?;
            files.rename(&temporary, list).map_err(failed)?;
        }
    }
    files.keep();
    sync_folder(folder).map_err(|error| AddError::Unsynced(list.to_path_buf(), error))
}
