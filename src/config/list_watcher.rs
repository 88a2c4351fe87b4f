//! Sees which watch lists changed since their content was taken, by looking again and again.
//!
//! A look compares names, sizes and times, and only where these differ contents. It asks no kernel for
//! notifications: editors that rename, files dropped into a folder, links that are swapped and mounts over
//! a network all look alike to it. A file that changes is left alone until it has been quiet for a look; if it
//! never is, it is taken as soon as it is good. When to look is the caller's choice.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glob::Pattern;

use super::load::state_files;
use super::problem::Problem;
use super::settings::{Config, WatchSource, WatchSourceKind};
use super::sources::{self, Absence, Absences, Lost, OPTIONS};
use super::text_file;
use super::watch_list::{self, Lists, Terms, Treatment};
use crate::domain::{Kept, TicketKeys, WallTime};

/// A file that has not been at rest for so many looks is taken as it is, if it is good. A ticket that waits for
/// longer may lose its file.
const PATIENCE: u32 = 3;

/// Whether a file that changes right now is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadMode {
    /// It is left as it was until it has been quiet for a look.
    WhenQuiet,
    /// Somebody says that now is the moment. Everything is taken and said, changed or not.
    AtOnce,
}

/// Watch lists with something new in them.
#[derive(Debug)]
pub struct ListNews {
    /// What they say.
    pub lists: Lists,
    /// Tickets that stay as they were although the lists do not name them: those of bad files, and of files
    /// that still change.
    pub kept: Kept,
    /// What is wrong or deserves a look and was not said before.
    pub problems: Vec<Problem>,
    /// How many files and patterns are left out now because they can't be taken.
    pub left_out: usize,
    /// Files that are bad and were not, or not with this content, said to be before.
    pub rejected: BTreeSet<PathBuf>,
}

/// What the tickets that were pending say of the patterns at a start.
#[derive(Debug, Default)]
pub struct Recalled {
    /// Files of rejected patterns that pending tickets come from; these stay.
    pub files: Vec<PathBuf>,
    /// What is wrong and was not said when the lists were read.
    pub problems: Vec<Problem>,
    /// How many patterns are rejected.
    pub lost: usize,
}

/// Keeps an eye on the watch lists of a configuration.
#[derive(Debug)]
pub struct ListWatcher {
    /// What each file was like when its content was taken.
    taken: Marks,
    /// What each file was like at the last look.
    seen: Marks,
    /// What was taken.
    contents: HashMap<PathBuf, u64>,
    /// The tickets of each file when it was last good and at rest.
    keys: HashMap<PathBuf, Arc<TicketKeys>>,
    /// Files that change, and for how many looks in a row.
    restless: HashMap<PathBuf, u32>,
    /// Times may be coarser than changes: what was just taken is read once more at the next look.
    unproven: bool,
    unsettled: Unsettled,
    /// Patterns that match nothing.
    absences: Absences,
    /// Bad files, and what is wrong, as far as it is said.
    rejected: BTreeSet<PathBuf>,
    unreadable: BTreeSet<PathBuf>,
    said: HashSet<String>,
}

impl ListWatcher {
    /// Begins with lists that were read after a look at `marks`.
    pub(super) fn new(marks: Marks, lists: &mut Lists) -> Self {
        let mut list_watcher = Self {
            taken: marks.clone(),
            seen: marks,
            contents: lists.contents.clone(),
            keys: HashMap::new(),
            restless: HashMap::new(),
            unproven: true,
            unsettled: Unsettled::default(),
            absences: Absences::default(),
            rejected: lists.rejected.iter().cloned().collect(),
            unreadable: lists.unreadable.clone(),
            said: lists.problems.iter().map(Problem::to_string).collect(),
        };
        list_watcher.take_keys(lists);
        list_watcher
    }

    /// Rejects the patterns of the start that match nothing, or can't be laid out, as far as pending tickets come
    /// from their files; `pending` names those files, and none means that it can't be told. Blocks as long as
    /// the files do.
    pub fn recall(
        &mut self,
        config: &Config,
        pending: impl FnOnce() -> Option<HashSet<PathBuf>>,
    ) -> Recalled {
        let mut recalled = Recalled::default();
        let is_matched =
            |pattern| sources::lay_out(pattern, &self.absences).is_ok_and(|paths| !paths.is_empty());
        let unmatched: Vec<_> = patterns(config).filter(|(pattern, _)| !is_matched(pattern)).collect();
        if unmatched.is_empty() {
            return recalled;
        }
        let pending = pending().unwrap_or_default();
        for (pattern, source) in unmatched {
            let files: Vec<_> = matching(pending.iter().map(PathBuf::as_path), pattern).collect();
            if !files.is_empty() {
                self.absences.insert(pattern.to_owned(), Absence::Missed);
            }
            let Err(message) = sources::lay_out(pattern, &self.absences) else { continue };
            self.contents.insert(pattern.into(), watch_list::hash(&message));
            let hidden = files.iter().copied().chain([Path::new(pattern)]);
            self.taken.0.extend(hidden.map(|path| (path.to_path_buf(), Mark::Hidden(message.clone()))));
            recalled.files.extend(files.into_iter().map(Path::to_path_buf));
            recalled.lost += 1;
            let problem = Problem::error(&config.path, Some(source.position), message);
            if self.said.insert(problem.to_string()) {
                recalled.problems.push(problem);
            }
        }
        self.seen = self.taken.clone();
        recalled
    }

    /// Looks; blocks as long as the files do. None where there is nothing new. `pending` names the files that
    /// pending tickets come from, and is asked where a pattern matches nothing any more; none means that it can't be
    /// told.
    pub fn scan(
        &mut self,
        config: &Config,
        mode: ReloadMode,
        now: WallTime,
        pending: impl FnOnce() -> Option<HashSet<PathBuf>>,
    ) -> Option<ListNews> {
        self.judge_absences(config, mode, pending);
        let marks = Marks::take(&config.watchlist, &self.taken, &self.absences);
        let before = std::mem::replace(&mut self.seen, marks);
        let changed = self.changed_since(&self.taken);
        match mode {
            ReloadMode::AtOnce => self.restless.clear(),
            ReloadMode::WhenQuiet => self.count_restless(&changed, &before),
        }
        let waits = |path: &&PathBuf| self.treatment(path) == Treatment::Leave;
        let has_news = changed.iter().any(|path| !waits(&path))
            || (self.unsettled.some && self.restless.is_empty())
            || self.unreadable.iter().any(|path| text_file::is_readable(path));
        if mode == ReloadMode::WhenQuiet && !has_news && !self.unproven {
            return None;
        }
        let apps: Vec<_> = config.apps.iter().map(|app| app.name.clone()).collect();
        let terms = Terms {
            config_path: &config.path,
            sources: &config.watchlist,
            absences: &self.absences,
            apps: Some(&apps),
            state_files: state_files(config),
            now,
        };
        let lists = watch_list::read(&terms, |path| self.treatment(path));
        self.news(lists, mode)
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
                Ok(_) | Err(Lost::Absent(_)) if mode == ReloadMode::AtOnce => {
                    self.absences.insert(pattern.to_owned(), Absence::Confirmed);
                }
                Ok(_) if !self.absences.contains_key(pattern) => {
                    emptied.extend(self.taken.matching(pattern).next().map(|_| pattern));
                }
                _ => {}
            }
        }
        if emptied.is_empty() {
            return;
        }
        let pending = pending();
        let is_missed = |pattern: &&str| {
            pending.as_ref().is_none_or(|pending| {
                matching(pending.iter().map(PathBuf::as_path), pattern).next().is_some()
            })
        };
        let missed = emptied.into_iter().filter(is_missed);
        self.absences.extend(missed.map(|pattern| (pattern.to_owned(), Absence::Missed)));
    }

    /// Files that are not as they were at `earlier`, those that came or went included.
    fn changed_since(&self, earlier: &Marks) -> HashSet<PathBuf> {
        let paths = self.seen.0.keys().chain(earlier.0.keys());
        paths.filter(|path| self.seen.0.get(*path) != earlier.0.get(*path)).cloned().collect()
    }

    /// A file is restless that changed since it was taken and changed again since the last look.
    fn count_restless(&mut self, changed: &HashSet<PathBuf>, before: &Marks) {
        let just_now = self.changed_since(before);
        let counted = std::mem::take(&mut self.restless);
        let looks = |path: &PathBuf| counted.get(path).map_or(1, |looks| looks.saturating_add(1));
        self.restless = changed.intersection(&just_now).map(|path| (path.clone(), looks(path))).collect();
    }

    fn treatment(&self, path: &Path) -> Treatment {
        match self.restless.get(path) {
            None => Treatment::Take,
            Some(..PATIENCE) => Treatment::Leave,
            Some(_) => Treatment::IfGood,
        }
    }

    /// What is new in lists that were just read.
    fn news(&mut self, mut lists: Lists, mode: ReloadMode) -> Option<ListNews> {
        let left = self.left(&lists.unfinished);
        self.take_marks(&left);
        self.take_keys(&mut lists);
        self.unreadable = std::mem::take(&mut lists.unreadable);
        self.contents.retain(|path, _| !left.contains(path));
        self.unproven = mode == ReloadMode::AtOnce || lists.contents != self.contents;
        // In a moment more is known of a file that has only just begun to change. But others may begin without
        // end, as in a folder into which a file is dropped every few seconds.
        let has_begun = left.iter().any(|path| !lists.unfinished.contains(path));
        let all = has_begun && self.unsettled.all_for < PATIENCE;
        let all_for = if all { self.unsettled.all_for + 1 } else { 0 };
        let now = Unsettled { all, all_for, some: !left.is_empty() || !self.restless.is_empty() };
        let before = std::mem::replace(&mut self.unsettled, now);
        let settled = (before.all && !now.all) || (before.some && !now.some);
        let never_at_rest = lists.unfinished.iter().map(|path| never_at_rest(path)).collect::<Vec<_>>();
        let is_said = never_at_rest.iter().all(|problem| self.said.contains(&problem.to_string()));
        if !self.unproven && !settled && is_said {
            return None;
        }
        lists.problems.extend(never_at_rest);
        let problems = self.unsaid(&mut lists, mode);
        let rejected = self.newly_rejected(&mut lists, &left, mode);
        let kept = self.kept(&lists, left, all);
        let left_out = self.rejected.len() + lists.lost.len();
        Some(ListNews { lists, kept, left_out, problems, rejected })
    }

    /// Files that changed and were not taken.
    fn left(&self, unfinished: &HashSet<PathBuf>) -> HashSet<PathBuf> {
        let waiting = self.restless.keys().filter(|path| self.treatment(path) == Treatment::Leave);
        waiting.chain(unfinished).cloned().collect()
    }

    fn take_marks(&mut self, left: &HashSet<PathBuf>) {
        let old = std::mem::replace(&mut self.taken, self.seen.clone());
        for path in left {
            self.taken.0.remove(path);
            self.taken.0.extend(old.0.get_key_value(path).map(|(path, mark)| (path.clone(), mark.clone())));
        }
    }

    /// What a restless file says may be half of what it will: better than nothing, and no more.
    fn take_keys(&mut self, lists: &mut Lists) {
        let (seen, restless) = (&self.seen, &self.restless);
        self.keys.retain(|path, _| {
            seen.0.contains_key(path) || restless.contains_key(path) || seen.is_hidden(path)
        });
        for (path, keys) in std::mem::take(&mut lists.keys) {
            if !self.restless.contains_key(&path) || !self.keys.contains_key(&path) {
                self.keys.insert(path, keys.into());
            }
        }
    }

    /// Problems that were not said before.
    fn unsaid(&mut self, lists: &mut Lists, mode: ReloadMode) -> Vec<Problem> {
        let found = std::mem::take(&mut lists.problems);
        let mut lines: HashSet<_> = found.iter().map(Problem::to_string).collect();
        // Those of files that were not read stand as they did.
        lines.extend(self.said.iter().filter(|_| !self.restless.is_empty()).cloned());
        let said = std::mem::replace(&mut self.said, lines);
        let is_new = |problem: &Problem| mode == ReloadMode::AtOnce || !said.contains(&problem.to_string());
        found.into_iter().filter(is_new).collect()
    }

    /// Files that are bad now and were not, or with another content.
    fn newly_rejected(
        &mut self,
        lists: &mut Lists,
        left: &HashSet<PathBuf>,
        mode: ReloadMode,
    ) -> BTreeSet<PathBuf> {
        let still = self.rejected.intersection(&left.iter().cloned().collect()).cloned().collect::<Vec<_>>();
        let rejected = lists.rejected.iter().cloned().chain(still).collect();
        let rejected = std::mem::replace(&mut self.rejected, rejected);
        let contents = std::mem::replace(&mut self.contents, std::mem::take(&mut lists.contents));
        let is_news = |file: &&PathBuf| {
            let same = rejected.contains(*file) && contents.get(*file) == self.contents.get(*file);
            mode == ReloadMode::AtOnce || !same
        };
        lists.rejected.iter().filter(is_news).cloned().collect()
    }

    fn kept(&self, lists: &Lists, left: HashSet<PathBuf>, all: bool) -> Kept {
        let mut files = left;
        files.extend(self.rejected.iter().cloned());
        for pattern in &lists.lost {
            let listed = self.taken.matching(pattern).filter(|path| *path != Path::new(pattern));
            files.extend(listed.map(Path::to_path_buf));
        }
        let restless = self.restless.keys().filter(|path| !files.contains(*path));
        let keys = files.iter().chain(restless).filter_map(|path| self.keys.get(path)).cloned().collect();
        Kept { all, files, keys }
    }
}

fn never_at_rest(path: &Path) -> Problem {
    let message = "keeps changing and is not complete; what it listed before stays as it was; write lists under \
                   another name and rename them once they are complete";
    Problem::warning(&path.into(), None, message)
}

/// What the last lists that were read left open.
#[derive(Clone, Copy, Debug, Default)]
struct Unsettled {
    /// Whether every ticket was kept that they did not name.
    all: bool,
    /// For how many readings in a row that was so.
    all_for: u32,
    /// Whether a file changed, so that it was left as it was, or its old tickets were kept beside the new.
    some: bool,
}

/// What files look like from outside, by path.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks(BTreeMap<PathBuf, Mark>);

/// What one file looks like from outside; links are followed, so that one that is swapped shows.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mark {
    File {
        device: u64,
        inode: u64,
        size: u64,
        modified: (i64, i64),
        changed: (i64, i64),
    },
    /// It can't be looked at, for this reason.
    Hidden(String),
}

impl Marks {
    /// Looks at every file that the sources stand for. Where a pattern can't be laid out, the files that it
    /// matched in `known` are still there, but hidden.
    pub(super) fn take(sources: &[WatchSource], known: &Self, absences: &Absences) -> Self {
        let mut marks = BTreeMap::new();
        for source in sources {
            match &source.kind {
                WatchSourceKind::File(path) => drop(marks.insert(path.clone(), Mark::of(path))),
                WatchSourceKind::Glob(pattern) => match sources::lay_out(pattern, absences) {
                    Ok(paths) => marks.extend(paths.into_iter().map(|path| {
                        let mark = Mark::of(&path);
                        (path, mark)
                    })),
                    Err(message) => {
                        let hidden = || Mark::Hidden(message.clone());
                        let lost = known.matching(pattern).map(|path| (path.to_path_buf(), hidden()));
                        marks.extend(lost.chain([(PathBuf::from(pattern), hidden())]));
                    }
                },
            }
        }
        Self(marks)
    }

    /// Whether a file can't be seen just now because its folder can't be.
    fn is_hidden(&self, path: &Path) -> bool {
        let of_pattern = |(at, mark): (&PathBuf, &Mark)| {
            let lost = matches!(mark, Mark::Hidden(_)).then(|| Pattern::new(at.to_str()?).ok()).flatten();
            lost.is_some_and(|pattern| pattern.matches_path_with(path, OPTIONS))
        };
        self.0.iter().any(of_pattern)
    }

    fn matching(&self, pattern: &str) -> impl Iterator<Item = &Path> {
        matching(self.0.keys().map(PathBuf::as_path), pattern)
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
fn matching<'p>(paths: impl Iterator<Item = &'p Path>, pattern: &str) -> impl Iterator<Item = &'p Path> {
    let pattern = Pattern::new(pattern).ok();
    paths.filter(move |path| pattern.as_ref().is_some_and(|pattern| pattern.matches_path_with(path, OPTIONS)))
}

impl Mark {
    fn of(path: &Path) -> Self {
        match fs::metadata(path) {
            Ok(found) => Self::File {
                device: found.dev(),
                inode: found.ino(),
                size: found.size(),
                modified: (found.mtime(), found.mtime_nsec()),
                changed: (found.ctime(), found.ctime_nsec()),
            },
            Err(error) => Self::Hidden(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
