//! Sees which watch lists changed since they were loaded, by scanning them again and again.
//!
//! A scan compares names, sizes, inodes and times. It asks no kernel for notifications: editors that rename, files
//! dropped into a folder, links that are swapped and mounts over a network all look alike to it. Changes are loaded
//! when two scans in a row saw the same. When to scan is the caller's choice.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use glob::Pattern;

use super::apps::NamedApp;
use super::clashes::state_files;
use super::problem::Problem;
use super::settings::{Config, WatchSource, WatchSourceKind};
use super::sources::{self, Absence, Absences, OPTIONS, PatternError};
use super::watch_list::{self, Lists, Terms};
use crate::domain::{Kept, WallTime};

/// After so many scans, lists that keep changing are loaded all the same: a script may drop a file every few seconds.
const PATIENCE: u32 = 3;

/// Whether a reload waits for files that change right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadMode {
    /// Changes are loaded once two scans in a row saw the same.
    WhenQuiet,
    /// Everything is loaded and reported, changed or not.
    AtOnce,
}

/// Watch lists that were loaded anew.
#[derive(Debug)]
pub struct ListNews {
    /// What they say.
    pub lists: Lists,
    /// Tickets that stay as they were although the lists do not name them.
    pub kept: Kept,
    /// What is wrong or deserves a look and was not reported before.
    pub problems: Vec<Problem>,
    /// How many files and patterns are left out now because they can't be taken.
    pub left_out: usize,
    /// Files that are bad and were not before.
    pub rejected: BTreeSet<PathBuf>,
}

/// What the tickets that were pending say of the patterns at a start.
#[derive(Debug, Default)]
pub struct Recalled {
    /// Files of rejected patterns that pending tickets come from; these stay.
    pub files: Vec<PathBuf>,
    /// What is wrong and was not reported when the lists were read.
    pub problems: Vec<Problem>,
    /// How many patterns are rejected.
    pub rejected_patterns: usize,
}

/// Scans the watch lists of a configuration.
#[derive(Debug)]
pub struct ListWatcher {
    /// What each file was like when it was loaded.
    loaded: Marks,
    /// What each file was like at the last scan.
    seen: Marks,
    /// How many scans in a row saw news that were still changing.
    restless: u32,
    /// How many loads in a row found files changing, so that they are to be loaded again.
    partial: u32,
    /// Patterns that match nothing.
    absences: Absences,
    /// Bad files, and what is wrong, as far as it is reported.
    rejected: BTreeSet<PathBuf>,
    reported: HashSet<String>,
}

impl ListWatcher {
    /// Begins with lists that were read after a scan found `marks`.
    pub(super) fn new(marks: Marks, lists: &Lists) -> Self {
        Self {
            loaded: marks.clone(),
            seen: marks,
            restless: 0,
            partial: 0,
            absences: Absences::default(),
            rejected: lists.rejected.iter().cloned().collect(),
            reported: lists.problems.iter().map(Problem::to_string).collect(),
        }
    }

    /// Rejects the patterns of the start that match nothing, or can't be expanded, as far as pending tickets come
    /// from their files; `pending` names those files, and none means that they are unknown. Blocks as long as
    /// the files do.
    pub fn recall(
        &mut self,
        config: &Config,
        pending: impl FnOnce() -> Option<HashSet<PathBuf>>,
    ) -> Recalled {
        let mut recalled = Recalled::default();
        let is_matched =
            |pattern| sources::expand_pattern(pattern, &self.absences).is_ok_and(|paths| !paths.is_empty());
        let unmatched: Vec<_> = patterns(config).filter(|(pattern, _)| !is_matched(pattern)).collect();
        if unmatched.is_empty() {
            return recalled;
        }
        let pending = pending().unwrap_or_default();
        for (pattern, source) in unmatched {
            let files: Vec<_> = matching(&pending, pattern).cloned().collect();
            if !files.is_empty() {
                self.absences.insert(pattern.to_owned(), Absence::Missed);
            }
            let Err(message) = sources::expand_pattern(pattern, &self.absences) else { continue };
            self.loaded.hide(&message, files.iter().cloned().chain([pattern.into()]));
            recalled.files.extend(files);
            recalled.rejected_patterns += 1;
            let problem = Problem::error(&config.path, Some(source.position), message);
            if self.reported.insert(problem.to_string()) {
                recalled.problems.push(problem);
            }
        }
        self.seen = self.loaded.clone();
        recalled
    }

    /// Scans; blocks as long as the files do. None where there is nothing to load. `pending` names the files that
    /// pending tickets come from, and is asked where a pattern matches nothing any more; none means that they are
    /// unknown.
    pub fn scan(
        &mut self,
        config: &Config,
        mode: ReloadMode,
        now: WallTime,
        pending: impl FnOnce() -> Option<HashSet<PathBuf>>,
    ) -> Option<ListNews> {
        self.judge_absences(config, mode, pending);
        let marks = Marks::take(&config.watchlist, &self.loaded, &self.absences);
        let is_quiet = mode == ReloadMode::AtOnce || marks == self.seen;
        let before = std::mem::replace(&mut self.seen, marks);
        let has_news = mode == ReloadMode::AtOnce || self.partial > 0 || self.seen != self.loaded;
        self.restless = if has_news && !is_quiet { self.restless + 1 } else { 0 };
        if !has_news || !(is_quiet || self.restless >= PATIENCE) {
            return None;
        }
        let apps: Vec<_> = config.apps.iter().map(NamedApp::new).collect();
        let terms = Terms {
            config_path: &config.path,
            sources: &config.watchlist,
            absences: &self.absences,
            apps: Some(&apps),
            state_files: state_files(&config.state.path).into(),
            now,
        };
        let lists = watch_list::read(&terms);
        let mut changing =
            self.seen.other_than(&Marks::take(&config.watchlist, &self.loaded, &self.absences));
        if !is_quiet {
            changing.extend(self.seen.other_than(&before));
        }
        self.partial = if changing.is_empty() { 0 } else { self.partial + 1 };
        self.restless = 0;
        self.loaded = self.seen.clone();
        Some(self.news(lists, mode, changing))
    }

    /// Which patterns that match nothing are missed. SIGHUP confirms them all.
    fn judge_absences(
        &mut self,
        config: &Config,
        mode: ReloadMode,
        pending: impl FnOnce() -> Option<HashSet<PathBuf>>,
    ) {
        let mut emptied = Vec::new();
        for (pattern, _) in patterns(config) {
            match sources::matches(pattern) {
                Ok(paths) if !paths.is_empty() => drop(self.absences.remove(pattern)),
                Ok(_) | Err(PatternError::Absent(_)) if mode == ReloadMode::AtOnce => {
                    self.absences.insert(pattern.to_owned(), Absence::Confirmed);
                }
                Ok(_) if !self.absences.contains_key(pattern) => {
                    emptied.extend(self.loaded.matching(pattern).next().map(|_| pattern));
                }
                _ => {}
            }
        }
        if emptied.is_empty() {
            return;
        }
        let pending = pending();
        let is_missed = |pattern: &&str| {
            pending.as_ref().is_none_or(|pending| matching(pending, pattern).next().is_some())
        };
        let missed = emptied.into_iter().filter(is_missed);
        self.absences.extend(missed.map(|pattern| (pattern.to_owned(), Absence::Missed)));
    }

    /// What is new in lists that were just read.
    fn news(&mut self, mut lists: Lists, mode: ReloadMode, changing: HashSet<PathBuf>) -> ListNews {
        let is_new = |is_known: bool| mode == ReloadMode::AtOnce || !is_known;
        let mut problems = std::mem::take(&mut lists.problems);
        let lines = problems.iter().map(Problem::to_string).collect();
        let reported = std::mem::replace(&mut self.reported, lines);
        problems.retain(|problem| is_new(reported.contains(&problem.to_string())));
        let bad: BTreeSet<_> = lists.rejected.iter().cloned().collect();
        let before = std::mem::replace(&mut self.rejected, bad);
        let rejected = self.rejected.iter().filter(|file| is_new(before.contains(*file))).cloned().collect();
        let mut files = changing;
        files.extend(self.rejected.iter().cloned());
        for pattern in &lists.rejected_patterns {
            let listed = self.loaded.matching(pattern).filter(|path| path.as_path() != Path::new(pattern));
            files.extend(listed.cloned());
        }
        let left_out = self.rejected.len() + lists.rejected_patterns.len();
        // A ticket may be on its way from one file to another; lists that never rest must not hold back removals for ever.
        let all = (1..=PATIENCE).contains(&self.partial);
        ListNews { lists, kept: Kept { all, files }, problems, left_out, rejected }
    }
}

/// What files look like from outside, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks(BTreeMap<PathBuf, Mark>);

/// What one file looks like from outside, or why that is unknown: device, inode, size, and the times of its last
/// modification and of its last change, which permissions count as. Links are followed, so that one that is swapped shows.
type Mark = Result<(u64, u64, u64, [i64; 4]), String>;

impl Marks {
    /// Looks at every file that the sources stand for. Where a pattern can't be expanded, the files that it
    /// matched in `known` are still there, but hidden.
    pub(super) fn take(sources: &[WatchSource], known: &Self, absences: &Absences) -> Self {
        let mut marks = Self::default();
        for source in sources {
            match &source.kind {
                WatchSourceKind::File(path) => marks.add(path.clone()),
                WatchSourceKind::Glob(pattern) => match sources::expand_pattern(pattern, absences) {
                    Ok(paths) => paths.into_iter().for_each(|path| marks.add(path)),
                    Err(message) => {
                        marks.hide(&message, known.matching(pattern).cloned().chain([pattern.into()]));
                    }
                },
            }
        }
        marks
    }

    fn add(&mut self, path: PathBuf) {
        let mark = fs::metadata(&path).map(|found| {
            let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
            (found.dev(), found.ino(), found.size(), times)
        });
        self.0.insert(path, mark.map_err(|error| error.to_string()));
    }

    /// The files that are not the same in both.
    fn other_than(&self, other: &Self) -> HashSet<PathBuf> {
        let paths = self.0.keys().chain(other.0.keys());
        paths.filter(|path| self.0.get(*path) != other.0.get(*path)).cloned().collect()
    }

    fn hide(&mut self, reason: &str, paths: impl Iterator<Item = PathBuf>) {
        self.0.extend(paths.map(|path| (path, Err(reason.to_owned()))));
    }

    fn matching(&self, pattern: &str) -> impl Iterator<Item = &PathBuf> {
        matching(self.0.keys(), pattern)
    }
}

/// The patterns of a configuration, and where it names them.
fn patterns(config: &Config) -> impl Iterator<Item = (&str, &WatchSource)> {
    config.watchlist.iter().filter_map(|source| match &source.kind {
        WatchSourceKind::Glob(pattern) => Some((pattern.as_str(), source)),
        WatchSourceKind::File(_) => None,
    })
}

/// Those of the paths that a pattern matches.
fn matching<'p>(
    paths: impl IntoIterator<Item = &'p PathBuf>,
    pattern: &str,
) -> impl Iterator<Item = &'p PathBuf> {
    let pattern = Pattern::new(pattern).ok();
    let is_match = move |path: &Path| pattern.as_ref().is_some_and(|it| it.matches_path_with(path, OPTIONS));
    paths.into_iter().filter(move |path| is_match(path))
}

#[cfg(test)]
mod tests;
