//! Sees which watch lists changed since their content was taken, by looking again and again.
//!
//! A look compares names, sizes and times, and only where these differ contents. It asks no kernel for
//! notifications: editors that rename, files dropped into a folder, links that are swapped and mounts over
//! a network all look alike to it. A file that changes is left alone until it has been quiet for a look.
//! When to look is the caller's choice.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use glob::Pattern;

use super::problem::Problem;
use super::settings::{Config, WatchSource, WatchSourceKind};
use super::sources::{self, OPTIONS};
use super::watch_list::{self, Lists};
use crate::domain::WallTime;

/// Whether a file that changes right now is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
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
    /// Files whose tickets stay as they were: bad ones, and those that still change.
    pub kept: HashSet<PathBuf>,
    /// What is wrong or deserves a look and was not said before.
    pub problems: Vec<Problem>,
    /// Files that are bad and were not, or not with this content, said to be before.
    pub rejected: BTreeSet<PathBuf>,
}

/// Keeps an eye on the watch lists of a configuration.
#[derive(Debug)]
pub struct Lookout {
    /// What each file was like when its content was taken.
    taken: Marks,
    /// What each file was like at the last look.
    seen: Marks,
    /// What was taken.
    contents: HashMap<PathBuf, u64>,
    /// Times may be coarser than changes: what was just taken is read once more at the next look.
    unproven: bool,
    /// Bad files, and what is wrong, as far as it is said.
    rejected: BTreeSet<PathBuf>,
    said: HashSet<String>,
}

impl Lookout {
    /// Begins with lists that were read after a look at `marks`.
    pub(super) fn new(marks: Marks, lists: &Lists) -> Self {
        Self {
            taken: marks.clone(),
            seen: marks,
            contents: lists.contents.clone(),
            unproven: true,
            rejected: lists.rejected.iter().cloned().collect(),
            said: lists.problems.iter().map(Problem::to_string).collect(),
        }
    }

    /// Looks; blocks as long as the files do. None where there is nothing new.
    pub fn look(&mut self, config: &Config, haste: Haste, now: WallTime) -> Option<ListNews> {
        let marks = Marks::take(&config.watchlist, &self.taken);
        let before = std::mem::replace(&mut self.seen, marks);
        let restless = match haste {
            Haste::AtOnce => HashSet::new(),
            Haste::WhenQuiet => {
                self.changed_since(&self.taken).intersection(&self.changed_since(&before)).cloned().collect()
            }
        };
        let has_news = self.changed_since(&self.taken).len() > restless.len();
        if haste == Haste::WhenQuiet && !has_news && !self.unproven {
            return None;
        }
        let apps: Vec<_> = config.apps.iter().map(|app| app.name.clone()).collect();
        let mut lists = watch_list::read(&config.path, &config.watchlist, Some(&apps), now, |path| {
            restless.contains(path)
        });
        for path in &restless {
            lists
                .contents
                .extend(self.contents.get_key_value(path).map(|(path, hash)| (path.clone(), *hash)));
        }
        self.take_marks(&restless);
        self.unproven = haste == Haste::AtOnce || lists.contents != self.contents;
        if !self.unproven {
            return None;
        }
        Some(self.news(lists, restless, haste))
    }

    /// Files that are not as they were at `earlier`, those that came or went included.
    fn changed_since(&self, earlier: &Marks) -> HashSet<PathBuf> {
        let paths = self.seen.0.keys().chain(earlier.0.keys());
        paths.filter(|path| self.seen.0.get(*path) != earlier.0.get(*path)).cloned().collect()
    }

    fn take_marks(&mut self, restless: &HashSet<PathBuf>) {
        let old = std::mem::replace(&mut self.taken, self.seen.clone());
        for path in restless {
            self.taken.0.remove(path);
            self.taken.0.extend(old.0.get_key_value(path).map(|(path, mark)| (path.clone(), mark.clone())));
        }
    }

    fn news(&mut self, mut lists: Lists, restless: HashSet<PathBuf>, haste: Haste) -> ListNews {
        let found = std::mem::take(&mut lists.problems);
        let lines = found.iter().map(Problem::to_string).collect();
        let said = std::mem::replace(&mut self.said, lines);
        let is_new = |problem: &Problem| haste == Haste::AtOnce || !said.contains(&problem.to_string());
        let problems: Vec<_> = found.into_iter().filter(is_new).collect();
        let rejected = std::mem::replace(&mut self.rejected, lists.rejected.iter().cloned().collect());
        let contents = std::mem::replace(&mut self.contents, std::mem::take(&mut lists.contents));
        let is_news = |file: &&PathBuf| {
            let same = rejected.contains(*file) && contents.get(*file) == self.contents.get(*file);
            haste == Haste::AtOnce || !same
        };
        let rejected = self.rejected.iter().filter(is_news).cloned().collect();
        let mut kept = restless;
        kept.extend(self.rejected.iter().cloned());
        for pattern in &lists.lost {
            kept.extend(self.taken.matching(pattern).map(Path::to_path_buf));
        }
        ListNews { lists, kept, problems, rejected }
    }
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
    pub(super) fn take(sources: &[WatchSource], known: &Self) -> Self {
        let mut marks = BTreeMap::new();
        for source in sources {
            match &source.kind {
                WatchSourceKind::File(path) => drop(marks.insert(path.clone(), Mark::of(path))),
                WatchSourceKind::Glob(pattern) => match sources::matches(pattern) {
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

    fn matching(&self, pattern: &str) -> impl Iterator<Item = &Path> {
        let pattern = Pattern::new(pattern).ok();
        let paths = self.0.keys().map(PathBuf::as_path);
        paths.filter(move |path| {
            pattern.as_ref().is_some_and(|pattern| pattern.matches_path_with(path, OPTIONS))
        })
    }
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
