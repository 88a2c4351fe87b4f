//! From the entries of `watchlist` to the files they stand for: patterns expanded, each file once.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use glob::{MatchOptions, Pattern};

use super::problem::{Problem, shown_path};
use super::settings::{WatchSource, WatchSourceKind};
use super::text_file;

/// As a shell does it: `*.toml` leaves hidden files alone, such as the lock files of editors.
pub(super) const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// Files and folders that a pattern, or the beginning of one, may match. More are no watch lists; to look at them
/// every few seconds would cost more than all polls.
const MATCHES_MAX: usize = 10_000;

/// ELOOP on Linux (errno(3)); the standard library has no stable name for it.
const TOO_MANY_LINKS: i32 = 40;

/// A watch list file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListFile {
    pub(super) path: Arc<Path>,
    /// Where links lead to.
    pub(super) canonical: PathBuf,
    /// The entry that names it in full; none where only a pattern matched.
    pub(super) named_by: Option<WatchSource>,
}

impl ListFile {
    fn new(path: &Path, named_by: Option<WatchSource>) -> Self {
        let canonical = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        Self { path: path.into(), canonical, named_by }
    }
}

/// What the sources stand for.
pub(super) struct Expanded {
    /// Every file, once each.
    pub(super) files: Vec<ListFile>,
    /// The patterns that could not be expanded, and why.
    pub(super) rejected: Vec<(String, Problem)>,
}

/// Why a pattern can't be expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PatternError {
    /// The folder before its first sign is not there: a mount that is late, or a folder that was moved away.
    Absent(String),
    /// There is something that can't be looked into.
    Unreadable(String),
}

/// What is made of a pattern that matches nothing, by pattern. One that is not here matches nothing by right if
/// its folder is there.
pub(super) type Absences = HashMap<String, Absence>;

/// How a pattern comes to match nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absence {
    /// Pending tickets were listed by its files: to take it for empty would remove them.
    Missed,
    /// SIGHUP confirmed that nothing is listed there.
    Confirmed,
}

/// The files of a pattern, or why it is rejected.
pub(super) fn expand_pattern(pattern: &str, absences: &Absences) -> Result<Vec<PathBuf>, String> {
    const UNTIL: &str = "or SIGHUP confirms that nothing is listed there";
    let rejected = |why: &str, until: &str| {
        Err(format!(
            "watch list {}: {why}; its pending tickets stay until {until}",
            shown_path(pattern.as_ref())
        ))
    };
    match (matches(pattern), absences.get(pattern)) {
        (Ok(paths), Some(Absence::Missed)) if paths.is_empty() => {
            rejected("matches no file any more", &format!("it does again, {UNTIL}"))
        }
        (Ok(paths), _) => Ok(paths),
        (Err(PatternError::Absent(_)), Some(Absence::Confirmed)) => Ok(Vec::new()),
        (Err(PatternError::Absent(why)), _) => rejected(&why, &format!("the folder is there, {UNTIL}")),
        (Err(PatternError::Unreadable(why)), _) => rejected(&why, "it can be read"),
    }
}

/// Every file that the sources stand for, once each. Files named in full come first, whatever the order
/// of the sources, so that in a conflict it is the file dropped into a folder that gives way.
pub(super) fn expand(config_path: &Arc<Path>, sources: &[WatchSource], absences: &Absences) -> Expanded {
    let (mut files, mut rejected) = (Vec::new(), Vec::new());
    for source in sources {
        if let WatchSourceKind::File(path) = &source.kind {
            files.push(ListFile::new(path, Some(source.clone())));
        }
    }
    for source in sources {
        if let WatchSourceKind::Glob(pattern) = &source.kind {
            match expand_pattern(pattern, absences) {
                Ok(paths) => files.extend(paths.iter().map(|path| ListFile::new(path, None))),
                Err(message) => {
                    let problem = Problem::error(config_path, Some(source.position), message);
                    rejected.push((pattern.clone(), problem));
                }
            }
        }
    }
    // What was reached before is left out, be it through a link.
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert(file.canonical.clone()));
    Expanded { files, rejected }
}

/// What a pattern matches, sorted. What can't be looked into is an error: to take it for empty would remove
/// every ticket in it. Below the first sign of the pattern, what is not there matches nothing.
///
/// Expanded by hand, one folder a component: the `glob` crate's own walk panics at names that are not
/// UTF-8 and passes over folders that may not be entered.
pub(super) fn matches(pattern: &str) -> Result<Vec<PathBuf>, PatternError> {
    let mut paths = vec![PathBuf::new()];
    let mut is_folder = true;
    for component in Path::new(pattern).components() {
        let mut next = Vec::new();
        for path in paths {
            next.extend(step(path, component, is_folder)?);
            if next.len() > MATCHES_MAX {
                return Err(PatternError::Unreadable(format!("matches more than {MATCHES_MAX} files")));
            }
        }
        paths = next;
        is_folder &= !is_pattern(&component.as_os_str().to_string_lossy());
    }
    paths.sort();
    Ok(paths)
}

/// The paths that one more component leads to. Whether `path` is the folder that the pattern names in full, which
/// has to be there.
fn step(path: PathBuf, component: Component<'_>, is_folder: bool) -> Result<Vec<PathBuf>, PatternError> {
    let text = component.as_os_str().to_string_lossy();
    if !is_pattern(&text) || !matches!(component, Component::Normal(_)) {
        let next = path.join(component);
        return match fs::symlink_metadata(&next) {
            Ok(_) => Ok(vec![next]),
            Err(error) => nothing(&next, &error, is_folder),
        };
    }
    let pattern = Pattern::new(&text).map_err(|error| PatternError::Unreadable(error.to_string()))?;
    let names = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) => return nothing(&path, &error, is_folder),
    };
    let mut found = Vec::new();
    for name in names {
        let name = name.map_err(|error| refused(&path, &error))?.file_name();
        // A name that is no text can't be meant by a pattern that is.
        if name.to_str().is_some_and(|name| pattern.matches_with(name, OPTIONS)) {
            found.push(path.join(name));
        }
        if found.len() > MATCHES_MAX {
            break;
        }
    }
    Ok(found)
}

/// What a path leads to that can't be looked at: nothing, if it is not there and does not have to be.
fn nothing(path: &Path, error: &io::Error, is_folder: bool) -> Result<Vec<PathBuf>, PatternError> {
    // A link that leads to itself leads nowhere.
    let is_endless = error.raw_os_error() == Some(TOO_MANY_LINKS);
    let is_absent = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    if !is_absent && !is_endless {
        return Err(refused(path, error));
    }
    if is_folder { Err(absent(path)) } else { Ok(Vec::new()) }
}

fn absent(path: &Path) -> PatternError {
    let why = match (path.metadata(), path.symlink_metadata()) {
        (Ok(_), _) => "is not a folder",
        (Err(_), Ok(_)) => "is a link to nothing",
        (Err(_), Err(_)) => "no such folder",
    };
    PatternError::Absent(format!("{}: {why}", shown_path(path)))
}

fn refused(path: &Path, error: &io::Error) -> PatternError {
    PatternError::Unreadable(format!("{}: {}", shown_path(path), text_file::describe(error)))
}

/// Whether a text holds any of the signs that make it a pattern.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn names(folder: &Path, pattern: &str) -> Vec<String> {
        let found = matches(folder.join(pattern).to_str().unwrap()).unwrap();
        found.iter().map(|path| path.strip_prefix(folder).unwrap().display().to_string()).collect()
    }

    /// A file dropped into a folder does not stop the service.
    #[test]
    fn no_name_in_a_folder_disturbs_the_others() {
        let folder = tempfile::tempdir().unwrap();
        for name in [&b"a.toml"[..], b"\xff.toml", b"\xff", b".hidden.toml", b"b.txt"] {
            fs::write(folder.path().join(OsStr::from_bytes(name)), "").unwrap();
        }
        std::os::unix::fs::symlink(".", folder.path().join("loop")).unwrap();
        assert_eq!(names(folder.path(), "*.toml"), ["a.toml"]);
        assert_eq!(names(folder.path(), "*/*.toml"), ["loop/a.toml"]);
        assert_eq!(names(folder.path(), "l??p/a.toml"), ["loop/a.toml"]);
    }

    /// A folder full of something else costs no more than it has to.
    #[test]
    fn a_flood_of_files_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let pattern = folder.path().join("*.toml");
        let pattern = pattern.to_str().unwrap();
        for number in 0..MATCHES_MAX {
            fs::write(folder.path().join(format!("{number}.toml")), "").unwrap();
        }
        assert_eq!(matches(pattern).unwrap().len(), MATCHES_MAX);
        fs::write(folder.path().join("more.toml"), "").unwrap();
        let many = PatternError::Unreadable("matches more than 10000 files".to_owned());
        assert_eq!(matches(pattern), Err(many));
    }

    /// The folder that a pattern names has to be there, and to be looked into; what is not there below it matches
    /// nothing.
    #[test]
    fn a_folder_is_never_taken_for_empty() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("empty")).unwrap();
        fs::write(at("file"), "").unwrap();
        std::os::unix::fs::symlink("self", at("self")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        for below in ["empty/*.toml", "*/*.toml", "*/deeper/*.toml", "f*/list.toml"] {
            assert!(names(folder.path(), below).is_empty(), "{below}");
        }
        for (pattern, expected) in [
            ("missing/*.toml", "missing: no such folder"),
            ("missing/deeper/*.toml", "missing: no such folder"),
            ("file/*.toml", "file: is not a folder"),
            ("self/*.toml", "self: is a link to nothing"),
            ("dangling/*.toml", "dangling: is a link to nothing"),
        ] {
            let Err(PatternError::Absent(why)) = matches(at(pattern).to_str().unwrap()) else {
                panic!("{pattern}")
            };
            assert_eq!(why, at(expected).display().to_string());
        }
        // Longer than any name may be: neither there nor absent.
        let unreadable = at(&"n".repeat(300)).join("*.toml");
        assert!(matches!(matches(unreadable.to_str().unwrap()), Err(PatternError::Unreadable(_))));
    }
}
