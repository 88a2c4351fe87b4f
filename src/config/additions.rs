//! Documents that are to be added to a watch list, checked as its entries are: against `watcher.toml` and everything
//! that is listed already. How entries are written, and the writing itself, lie elsewhere.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glob::Pattern;

use super::apps::NamedApp;
use super::clashes::{self, canonical, state_files};
use super::load::load;
use super::problem::{ConfigError, Problem};
use super::settings::{Config, WatchSourceKind};
use super::sources::{self, Absences, ListFile, OPTIONS};
use super::text_file::{self, Refusal};
use super::watch_list::{self, ListReader, Offered, SIZE_MAX, Terms};
use crate::domain::WallTime;

const CLOSED: &str = "its documents stand in brackets, as in `document = [ … ]`, and none can be added behind them; put \
    each below a line [[document]] of its own";

/// A valid `watcher.toml` whose watch lists can be added to.
#[derive(Debug)]
pub struct Additions {
    config: Config,
    apps: Vec<NamedApp>,
    absences: Absences,
}

/// A watch list as it is now, and the entries that it is to get.
#[derive(Debug)]
pub struct Draft<'a> {
    reader: ListReader<'a>,
    apps: &'a [NamedApp],
    now: WallTime,
    list: Arc<Path>,
    found: Option<Vec<u8>>,
    /// Entries of all lists as they are now.
    present: usize,
}

/// What became of an entry that was offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It can be appended.
    Taken,
    /// The same export is listed in this file.
    Listed(PathBuf),
    /// The same export was offered before.
    Repeated,
    /// It has errors: what is wrong, and what would be accepted.
    Wrong(Vec<String>),
}

impl Additions {
    /// Reads and checks the `watcher.toml` at `path`.
    ///
    /// # Errors
    /// It is invalid, or uses one file for two things.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let (config, _) = load(path)?;
        let clashes = clashes::find(&config);
        if !clashes.is_empty() {
            return Err(ConfigError(clashes));
        }
        let apps = config.apps.iter().map(NamedApp::new).collect();
        Ok(Self { config, apps, absences: Absences::default() })
    }

    /// What `watcher.toml` says.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The watch lists that `watcher.toml` names in full, each once, with links followed.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for source in &self.config.watchlist {
            let WatchSourceKind::File(path) = &source.kind else { continue };
            let path = canonical(path);
            if !files.contains(&path) {
                files.push(path);
            }
        }
        files
    }

    /// The file at an absolute path with links followed, which may not be there yet; none where no entry of
    /// `watchlist` reads it.
    #[must_use]
    pub fn find(&self, path: &Path) -> Option<PathBuf> {
        let file = canonical(path);
        let is_read = |kind: &WatchSourceKind| match kind {
            WatchSourceKind::File(listed) => canonical(listed) == file,
            WatchSourceKind::Glob(pattern) => {
                let matched = sources::matches(pattern).unwrap_or_default();
                would_match(pattern, path) || matched.iter().any(|matched| canonical(matched) == file)
            }
        };
        self.config.watchlist.iter().any(|source| is_read(&source.kind)).then_some(file)
    }

    /// Reads all watch lists, to have documents added to `list`, a path with links followed that one of them may have
    /// or get. Bad files but this one are left out.
    ///
    /// # Errors
    /// The list can't be read or has errors.
    pub fn draft(&self, list: &Path, now: WallTime) -> Result<Draft<'_>, ConfigError> {
        let list: Arc<Path> = list.into();
        let found = read(&list).map_err(|refusal| ConfigError(vec![refusal.into_problem(&list)]))?;
        let terms = Terms {
            config_path: &self.config.path,
            sources: &self.config.watchlist,
            absences: &self.absences,
            apps: Some(&self.apps),
            state_files: state_files(&self.config.state.path).into(),
            now,
        };
        let is_list = |path: &Path| canonical(path) == *list;
        let text_of = |file: &ListFile| match is_list(&file.path) {
            true => text_file::to_text(found.clone().unwrap_or_default()),
            false => text_file::read(&file.path, SIZE_MAX as u64),
        };
        let mut reader = watch_list::read_with(&terms, text_of);
        if reader.lists.rejected.iter().any(|path| is_list(path)) {
            // A file that can't be read is reported where it is named.
            reader.lists.problems.retain(|it| it.path == self.config.path || is_list(&it.path));
            return Err(ConfigError(reader.lists.problems));
        }
        let present = reader.count();
        Ok(Draft { reader, apps: &self.apps, now, list, found, present })
    }
}

/// Whether a file of that path would be read by a pattern, once it is there.
fn would_match(pattern: &str, path: &Path) -> bool {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return false;
    };
    let pattern = Path::new(pattern);
    let last = pattern.file_name().and_then(|last| last.to_str());
    let above = pattern.parent().and_then(Path::to_str).unwrap_or_default();
    let is_named =
        last.and_then(|last| Pattern::new(last).ok()).is_some_and(|last| last.matches_with(name, OPTIONS));
    let folder = canonical(folder);
    // One that is named in full may be missing.
    let is_folder = || {
        let matched = sources::matches(above).unwrap_or_default();
        canonical(Path::new(above)) == folder || matched.iter().any(|matched| canonical(matched) == folder)
    };
    is_named && is_folder()
}

/// The content of the file; none where there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Refusal> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => text_file::read_bytes(path, SIZE_MAX as u64).map(Some),
    }
}

impl Draft<'_> {
    /// The list's content; none where there is no such file.
    #[must_use]
    pub fn found(&self) -> Option<&[u8]> {
        self.found.as_deref()
    }

    /// Checks one entry, the text of a `[[document]]`.
    ///
    /// # Errors
    /// The lists have more entries than they may.
    pub fn offer(&mut self, entry: &str) -> Result<Offer, ConfigError> {
        let offered = self.reader.offer(&self.list, entry);
        Ok(match offered.map_err(|refusal| ConfigError(vec![refusal.into_problem(&self.list)]))? {
            Offered::Taken => Offer::Taken,
            Offered::Known(number) if number >= self.present => Offer::Repeated,
            Offered::Known(number) => Offer::Listed(self.reader.source(number).unwrap_or(&self.list).into()),
            Offered::Wrong(problems) => {
                let errors = problems.into_iter().filter(Problem::is_error);
                Offer::Wrong(errors.map(|problem| problem.message).collect())
            }
        })
    }

    /// The list's content with more text behind it.
    ///
    /// # Errors
    /// It would be no valid list, or the lists would be too large.
    pub fn append(self, more: &str) -> Result<Vec<u8>, ConfigError> {
        let refuse = |refusal: Refusal| ConfigError(vec![refusal.into_problem(&self.list)]);
        self.reader.refuse_too_large(more.len()).map_err(refuse)?;
        let whole = [self.found.as_deref().unwrap_or_default(), more.as_bytes()].concat();
        let text = text_file::to_text(whole.clone()).map_err(refuse)?;
        let mut alone = ListReader::new(Some(self.apps), self.now);
        let problems = alone.add(&self.list, &text).map_err(refuse)?;
        if problems.iter().any(Problem::is_error) {
            // Every entry is valid, and so is the text before them.
            return Err(refuse(Refusal::new(CLOSED)));
        }
        Ok(whole)
    }
}
