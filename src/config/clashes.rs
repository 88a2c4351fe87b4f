//! Files that would be used for two things: what the watcher writes must be nothing that it reads for something else.
//! Files are compared by canonical path, when a run or a check loads its configuration. Saved files are named by
//! titles, so none of them lies where the name of a file has a meaning.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::problem::{Problem, shown_path};
use super::secrets::find_file;
use super::settings::{Config, WatchSource, WatchSourceKind};
use super::sources::{self, OPTIONS};
use crate::domain::Credentials;

/// What the state file has beside it while it is in use.
const BESIDE_STATE: [&str; 5] = ["", "-wal", "-shm", ".lock", ".new"];

/// Links that are followed from one to the next; Linux follows as many.
const LINKS_MAX: usize = 40;

/// A file and one use of it.
struct Use {
    named: PathBuf,
    canonical: PathBuf,
    what: &'static str,
}

impl Use {
    fn new(named: PathBuf, what: &'static str) -> Self {
        Self { canonical: canonical(&named), named, what }
    }
}

/// One problem for each file that is written and each other use it has.
pub(super) fn find(config: &Config) -> Vec<Problem> {
    let belongs = "the state file, or belongs to it";
    let state = state_files(&config.state.path).map(|path| Use::new(path, belongs));
    let log = config.log.file.as_ref().map(|path| Use::new(path.clone(), "the log file"));
    let read = read_files(config);
    let of_log = |log| state.iter().chain(&read).map(move |other| ("[log] file", log, other));
    let of_state = |state| read.iter().map(move |other| ("[state] path", state, other));
    // One file may have thousands of names.
    let mut reported = HashSet::new();
    let pairs = log.iter().flat_map(of_log).chain(state.iter().flat_map(of_state));
    let clashes = pairs
        .filter(|(_, file, other)| file.canonical == other.canonical)
        .filter(|(key, file, other)| reported.insert((*key, &file.named, other.what)));
    let clashes = clashes.map(|(key, file, other)| clash(config, key, file, other));
    clashes.chain(clash_of_downloads(config, &state[0], log.as_ref())).collect()
}

/// A problem if a saved file could be taken for a watch list, or get the name of the log file or of one beside the state
/// file while that is away.
fn clash_of_downloads(config: &Config, state: &Use, log: Option<&Use>) -> Option<Problem> {
    let download = config.download.as_ref()?;
    let folder = canonical(&download.folder);
    // All saved files lie so many names below the folder.
    let depth = download.name.folders() + 1;
    let is_there = |file: &Use| file.canonical.ancestors().nth(depth) == Some(&folder);
    let is_read = |source: &WatchSource| {
        let WatchSourceKind::Glob(pattern) = &source.kind else { return false };
        let above = Path::new(pattern).ancestors().nth(depth).and_then(Path::to_str).unwrap_or_default();
        matched(above, [download.folder.clone()]).iter().any(|path| canonical(path) == folder)
    };
    let what = if config.watchlist.iter().any(is_read) {
        "a pattern of `watchlist` would read them"
    } else if is_there(state) {
        "the state file lies"
    } else if log.is_some_and(is_there) {
        "the log file lies"
    } else {
        return None;
    };
    let name = shown_path(&download.folder);
    let message = format!(
        "[download] folder: files would be saved below {name} where {what}; give them a folder of their own"
    );
    Some(Problem::error(&config.path, None, message))
}

fn clash(config: &Config, key: &str, file: &Use, other: &Use) -> Problem {
    let (name, what) = (shown_path(&file.named), other.what);
    let what = match shown_path(&other.named) {
        other_name if other_name == name => what.to_owned(),
        other_name => format!("the same file as {other_name}, which is {what}"),
    };
    Problem::error(&config.path, None, format!("{key}: {name} is {what}; give each a file of its own"))
}

/// The state file and what belongs to it; that lies beside the file itself, not beside a link to it.
pub(super) fn state_files(path: &Path) -> [PathBuf; BESIDE_STATE.len()] {
    let path = OsString::from(canonical(path));
    BESIDE_STATE.map(|suffix| {
        let mut name = path.clone();
        name.push(suffix);
        name.into()
    })
}

/// Where links lead to, also if nothing is there yet.
pub(super) fn canonical(path: &Path) -> PathBuf {
    follow(path, LINKS_MAX)
}

fn follow(path: &Path, links: usize) -> PathBuf {
    if let Ok(canonical) = path.canonicalize() {
        return canonical;
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return path.to_path_buf() };
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    match fs::read_link(path) {
        Ok(target) if links > 0 => follow(&folder.join(target), links - 1),
        _ => folder.join(name),
    }
}

/// Files that are read, and what each is for.
fn read_files(config: &Config) -> Vec<Use> {
    let mut files = vec![Use::new(config.path.to_path_buf(), "this configuration")];
    for source in &config.watchlist {
        let paths = match &source.kind {
            WatchSourceKind::File(path) => vec![path.clone()],
            WatchSourceKind::Glob(pattern) => matched(pattern, written(config)),
        };
        files.extend(paths.into_iter().map(|path| Use::new(path, "a watch list")));
    }
    for app in &config.apps {
        let (Credentials::AppSecret(source) | Credentials::AccessToken(source)) = &app.credentials;
        let secret = find_file(source).ok().flatten();
        files.extend(secret.map(|path| Use::new(path, "a secret")));
        let ca_file = app.ca_file.as_ref().map(|file| file.path.clone());
        files.extend(ca_file.map(|path| Use::new(path, "a file of certificates")));
    }
    files
}

fn written(config: &Config) -> impl Iterator<Item = PathBuf> {
    config.log.file.clone().into_iter().chain(state_files(&config.state.path))
}

/// What a pattern matches, and what of `written` it will match once that is there.
fn matched(pattern: &str, written: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut paths = sources::matches(pattern).unwrap_or_default();
    if let Ok(pattern) = glob::Pattern::new(pattern) {
        paths.extend(written.into_iter().filter(|path| pattern.matches_path_with(path, OPTIONS)));
    }
    paths
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::watcher;

    const APP: &str = "[apps.a]\nbase_url = \"https://open.feishu.cn\"\napp_id = \"cli_a\"\napp_secret = { file = \"secret\" }\n";

    /// What is found in the configuration of a folder that holds a file for each use.
    fn find(folder: &tempfile::TempDir, settings: &str) -> Vec<String> {
        let text = format!("watchlist = [\"list.toml\", \"d/*.toml\"]\n{settings}\n{APP}");
        let config = watcher::check(&folder.path().join("watcher.toml").into(), &text).config.unwrap();
        let strip =
            |problem: &super::Problem| problem.message.replace(&format!("{}/", folder.path().display()), "");
        super::find(&config).iter().map(strip).collect()
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("d")).unwrap();
        for name in ["watcher.toml", "list.toml", "d/x.toml", "secret", "state.db.lock"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        folder
    }

    /// Promise: what the watcher writes is nothing that has another use, whether or not the file is there yet.
    #[test]
    fn no_file_serves_twice() {
        let folder = folder();
        for (settings, expected) in [
            ("[log]\nfile = \"list.toml\"", "[log] file: list.toml is a watch list;"),
            ("[log]\nfile = \"d/x.toml\"", "[log] file: d/x.toml is a watch list;"),
            ("[log]\nfile = \"d/new.toml\"", "[log] file: d/new.toml is a watch list;"),
            ("[log]\nfile = \"state.db\"", "[log] file: state.db is the state file, or belongs to it;"),
            (
                "[log]\nfile = \"state.db-wal\"",
                "[log] file: state.db-wal is the state file, or belongs to it;",
            ),
            ("[log]\nfile = \"watcher.toml\"", "[log] file: watcher.toml is this configuration;"),
            ("[state]\npath = \"d/state.toml\"", "[state] path: d/state.toml is a watch list;"),
            ("[state]\npath = \"secret\"", "[state] path: secret is a secret;"),
            ("[state]\npath = \"list.toml\"", "[state] path: list.toml is a watch list;"),
        ] {
            let found = find(&folder, settings);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{settings}: {found:?}");
        }
        assert_eq!(find(&folder, "[log]\nfile = \"events.jsonl\""), [""; 0]);
    }

    /// Promise: nor by a link, whether or not the file is there yet.
    #[test]
    fn no_file_serves_twice_by_another_name() {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        for (target, what) in [
            ("list.toml", "a watch list"),
            ("d/x.toml", "a watch list"),
            ("secret", "a secret"),
            ("watcher.toml", "this configuration"),
            ("state.db.lock", "the state file, or belongs to it"),
            ("state.db", "the state file, or belongs to it"),
            ("state.db-wal", "the state file, or belongs to it"),
        ] {
            symlink(at("d").join("..").join(target), at("link")).unwrap();
            symlink("link", at("log.jsonl")).unwrap();
            let found = find(&folder, "[log]\nfile = \"log.jsonl\"");
            let expected = format!(
                "[log] file: log.jsonl is the same file as {target}, which is {what}; give each a file of its own"
            );
            assert_eq!(found, [expected]);
            std::fs::remove_file(at("log.jsonl")).unwrap();
            std::fs::remove_file(at("link")).unwrap();
        }
        std::fs::remove_file(at("secret")).unwrap();
        symlink("state.db", at("secret")).unwrap();
        assert!(find(&folder, "")[0].starts_with("[state] path: state.db is the same file as secret, "));
    }

    /// Promise: no title makes a saved file a watch list, or one that belongs to the state file or is the log.
    #[test]
    fn saved_files_have_a_folder_of_their_own() {
        let folder = folder();
        symlink(folder.path().join("d"), folder.path().join("link")).unwrap();
        let deep = "[state]\npath = \"deep/s.db\"\n";
        let log = "[state]\npath = \"deep/s.db\"\n[log]\nfile = \"out/events.jsonl\"\n";
        let list = "a pattern of `watchlist` would read them";
        let flat = "{file_name}";
        for (settings, into, name, expected) in [
            ("", "exports", flat, None),
            ("", "d/exports", flat, None),
            ("", "d", flat, Some(list)),
            ("", "d/", flat, Some(list)),
            ("", "link", flat, Some(list)),
            ("", ".", "{label}/{file_name}", Some(list)),
            ("", "d", "{label}/{file_name}", None),
            ("", ".", "{app}/{label}/{file_name}", None),
            ("", ".", flat, Some("the state file lies")),
            (deep, ".", flat, None),
            (deep, "deep", flat, Some("the state file lies")),
            (log, "out", flat, Some("the log file lies")),
        ] {
            let section = format!("{settings}[download]\nfolder = \"{into}\"\nname = \"{name}\"");
            let found = find(&folder, &section);
            match expected {
                Some(what) => {
                    assert!(found.len() == 1 && found[0].contains(&format!(" where {what};")), "{found:?}")
                }
                None => assert_eq!(found, [""; 0], "{section}"),
            }
        }
    }

    /// Promise: however often a file names what it must not, and by however many names, that is reported once.
    #[test]
    fn a_flood_of_clashes_is_reported_once() {
        let folder = folder();
        let text = format!(
            "watchlist = [{}]\n[log]\nfile = \"list.toml\"\n{APP}",
            "\"list.toml\", \"?ist.toml\", \"d/../list.toml\", ".repeat(500)
        );
        let config = watcher::check(&folder.path().join("watcher.toml").into(), &text).config.unwrap();
        assert_eq!(super::find(&config).len(), 1);
    }
}
