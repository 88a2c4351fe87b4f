//! Files that would be used for two things: what the watcher writes must be nothing that it, or anybody,
//! reads for something else.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::problem::{Problem, shown_path};
use super::secrets::find_file;
use super::settings::{Config, StateConfig, WatchSourceKind};
use super::sources::{self, OPTIONS};
use crate::domain::{Credentials, SecretSource};

/// What the state file has beside it while it is in use.
const BESIDE_STATE: [&str; 5] = ["", "-wal", "-shm", ".lock", ".new"];

/// Links that are followed from one to the next; Linux follows as many.
const LINKS_MAX: usize = 40;

/// A state file and what it has beside it.
fn beside_state(path: &Path) -> [PathBuf; BESIDE_STATE.len()] {
    BESIDE_STATE.map(|suffix| beside(path, suffix))
}

/// One problem for each file that is written and each other use it has.
pub(super) fn find(config: &Config) -> Vec<Problem> {
    let state = beside_state(&config.state.path);
    let log = config.log.file.as_deref();
    let mut clashes = Vec::new();
    if let Some(file) = log.filter(|file| state.iter().any(|path| path == file)) {
        clashes.push(("[log] file", file, "the state file"));
    }
    for (name, use_of) in read_files(config) {
        clashes.extend(log.filter(|file| *file == name).map(|file| ("[log] file", file, use_of)));
        clashes.extend(
            state.iter().filter(|path| **path == name).map(|path| ("[state] path", path.as_path(), use_of)),
        );
    }
    for pattern in patterns(config) {
        let of_state = state.iter().filter(|path| pattern.matches_path_with(path, OPTIONS));
        clashes.extend(of_state.map(|path| ("[state] path", path.as_path(), "a watch list")));
        clashes.extend(
            log.filter(|file| pattern.matches_path_with(file, OPTIONS))
                .map(|file| ("[log] file", file, "a watch list")),
        );
    }
    // A list may name a file thousands of times.
    let mut said = HashSet::new();
    clashes.retain(|clash| said.insert(*clash));
    let problem = |(key, path, use_of): (&str, &Path, &str)| {
        let message = format!("{key}: {} is {use_of}, too; give each a file of its own", shown_path(path));
        Problem::error(&config.path, None, message)
    };
    clashes.into_iter().map(problem).collect()
}

/// What [`find`] finds, by what lies on the disk: links, and several names of one file. For those who are about to
/// run: on a mount that hangs, to look takes as long as to read.
pub(super) fn find_on_disk(config: &Config) -> Vec<Problem> {
    let state = state_files(&config.state.path);
    let mut others: Vec<_> = read_files(config).into_iter().chain(read_by_pattern(config)).collect();
    others.extend(credentials(config).filter_map(find_file_of).map(|path| (path, "a secret")));
    let mut clashes = Vec::new();
    if let Some(file) = &config.log.file {
        let log = Place::of(file);
        let of_state = state.iter().map(|path| (path, "the state file, or belongs to it"));
        let other = of_state.chain(others.iter().map(|(path, use_of)| (path, *use_of)));
        clashes.extend(
            other.filter(|(path, _)| log.is(&Place::of(path))).map(|found| ("[log] file", file, found)),
        );
    }
    // Watch lists are looked at when they are opened, and this configuration has been read.
    let secrets = others.iter().filter(|(_, use_of)| *use_of == "a secret");
    for (path, use_of) in secrets {
        let place = Place::of(path);
        let same = state.iter().filter(|state| place.is(&Place::of(state)));
        clashes.extend(same.map(|state| ("[state] path", state, (path, *use_of))));
    }
    // One file may have thousands of names.
    let mut said = HashSet::new();
    clashes.retain(|(key, path, (_, use_of))| said.insert((*key, *path, *use_of)));
    let problem = |(key, path, (other, use_of)): (&str, &PathBuf, (&PathBuf, &str))| {
        let message = format!(
            "{key}: {} is the same file as {}, which is {use_of}; give each a file of its own",
            shown_path(path),
            shown_path(other)
        );
        Problem::error(&config.path, None, message)
    };
    clashes.into_iter().map(problem).collect()
}

impl StateConfig {
    /// Whether a path leads to the state file, or to what belongs to it, be that there or not. Looks at the disk.
    #[must_use]
    pub fn is_at(&self, path: &Path) -> bool {
        let place = Place::of(path);
        state_files(&self.path).iter().any(|state| place.is(&Place::of(state)))
    }
}

/// The state file and what belongs to it; that lies beside the file itself, not beside a link to it.
pub(super) fn state_files(path: &Path) -> [PathBuf; BESIDE_STATE.len()] {
    beside_state(&resolve(path))
}

/// A file, which need not exist yet, by whatever name.
struct Place {
    path: PathBuf,
    id: Option<(u64, u64)>,
}

impl Place {
    fn of(path: &Path) -> Self {
        Self { path: resolve(path), id: path.metadata().ok().as_ref().map(id) }
    }

    fn is(&self, other: &Self) -> bool {
        self.path == other.path || (self.id.is_some() && self.id == other.id)
    }
}

fn id(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Where links lead to, also if nothing is there yet.
fn resolve(path: &Path) -> PathBuf {
    let mut path = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        if let Ok(real) = path.canonicalize() {
            return real;
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { break };
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
        match fs::read_link(&path) {
            Ok(target) => path = folder.join(target),
            Err(_) => return folder.join(name),
        }
    }
    path
}

/// Files that are read, and what each is for.
fn read_files(config: &Config) -> Vec<(PathBuf, &'static str)> {
    let mut files = vec![(config.path.to_path_buf(), "this configuration")];
    for source in &config.watchlist {
        if let WatchSourceKind::File(path) = &source.kind {
            files.push((path.clone(), "a watch list"));
        }
    }
    for source in credentials(config) {
        if let SecretSource::File(path) = source {
            files.push((path.clone(), "a secret"));
        }
    }
    for file in config.apps.iter().filter_map(|app| app.ca_file.as_ref()) {
        files.push((file.path.clone(), "a file of certificates"));
    }
    files
}

fn credentials(config: &Config) -> impl Iterator<Item = &SecretSource> {
    config.apps.iter().map(|app| {
        let (Credentials::AppSecret(source) | Credentials::AccessToken(source)) = &app.credentials;
        source
    })
}

/// Where systemd has put a credential.
fn find_file_of(source: &SecretSource) -> Option<PathBuf> {
    match source {
        SecretSource::Credential(_) => find_file(source).ok().flatten(),
        _ => None,
    }
}

/// What the patterns match now. What can't be looked into is reported by whoever reads it.
fn read_by_pattern(config: &Config) -> impl Iterator<Item = (PathBuf, &'static str)> {
    let matched = config.watchlist.iter().filter_map(|source| match &source.kind {
        WatchSourceKind::Glob(pattern) => sources::matches(pattern).ok(),
        WatchSourceKind::File(_) => None,
    });
    matched.flatten().map(|path| (path, "a watch list"))
}

fn patterns(config: &Config) -> impl Iterator<Item = glob::Pattern> {
    config.watchlist.iter().filter_map(|source| match &source.kind {
        WatchSourceKind::Glob(pattern) => glob::Pattern::new(pattern).ok(),
        WatchSourceKind::File(_) => None,
    })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::watcher;

    const APP: &str = "[apps.a]\nbase_url = \"https://open.feishu.cn\"\napp_id = \"cli_a\"\napp_secret = { file = \"secret\" }\n";

    fn problems(settings: &str) -> Vec<String> {
        let text = format!("watchlist = [\"list.toml\", \"d/*.toml\"]\n{settings}\n{APP}");
        let path = std::path::Path::new("/etc/w/watcher.toml").into();
        watcher::check(&path, &text).problems.iter().map(ToString::to_string).collect()
    }

    /// Promise: nor by a link or another name, whether or not the file is there yet.
    #[test]
    fn no_file_serves_twice_by_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let text = format!("watchlist = [\"list.toml\", \"d/*.toml\"]\n[log]\nfile = \"log.jsonl\"\n{APP}");
        let config = || watcher::check(&at("watcher.toml").into(), &text).config.unwrap();
        let found = || super::find_on_disk(&config()).iter().map(ToString::to_string).collect::<Vec<_>>();
        std::fs::create_dir(at("d")).unwrap();
        for name in ["watcher.toml", "list.toml", "d/x.toml", "secret", "state.db.lock"] {
            std::fs::write(at(name), "").unwrap();
        }
        assert!(found().is_empty());
        for (target, use_of) in [
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
            let [only] = &found()[..] else { panic!("{target}: {:?}", found()) };
            assert!(only.contains("[log] file: ") && only.contains(&format!("which is {use_of};")), "{only}");
            std::fs::remove_file(at("log.jsonl")).unwrap();
            std::fs::remove_file(at("link")).unwrap();
            if at(target).exists() {
                std::fs::hard_link(at(target), at("log.jsonl")).unwrap();
                assert_eq!(found().len(), 1, "{target}");
                std::fs::remove_file(at("log.jsonl")).unwrap();
            }
        }
        std::fs::remove_file(at("secret")).unwrap();
        symlink("state.db", at("secret")).unwrap();
        assert!(found()[0].contains("[state] path: "), "{:?}", found());
    }

    /// What the watcher writes is nothing that has another use.
    #[test]
    fn no_file_serves_twice() {
        for (settings, expected) in [
            ("[log]\nfile = \"list.toml\"", "[log] file: /etc/w/list.toml is a watch list"),
            ("[log]\nfile = \"d/x.toml\"", "[log] file: /etc/w/d/x.toml is a watch list"),
            ("[log]\nfile = \"state.db\"", "[log] file: /etc/w/state.db is the state file"),
            ("[log]\nfile = \"state.db-wal\"", "[log] file: /etc/w/state.db-wal is the state file"),
            ("[log]\nfile = \"watcher.toml\"", "[log] file: /etc/w/watcher.toml is this configuration"),
            ("[state]\npath = \"d/state.toml\"", "[state] path: /etc/w/d/state.toml is a watch list"),
            ("[state]\npath = \"secret\"", "[state] path: /etc/w/secret is a secret"),
            ("[state]\npath = \"list.toml\"", "[state] path: /etc/w/list.toml is a watch list"),
        ] {
            let found = problems(settings);
            assert!(found.iter().any(|problem| problem.contains(expected)), "{settings}: {found:?}");
        }
        assert!(problems("[log]\nfile = \"events.jsonl\"").is_empty());
    }

    /// Promise: however often a file names what it must not, and by however many names, that is said once.
    #[test]
    fn a_flood_of_clashes_is_said_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (names, paths) =
            ("\"log\", \"?og\", ".repeat(500), "\"d/../log\", \"d/../d/../log\", ".repeat(500));
        std::fs::create_dir(at("d")).unwrap();
        std::fs::write(at("log"), "").unwrap();
        let text = |list: &str| format!("watchlist = [{list}]\n[log]\nfile = \"log\"\n{APP}");
        let by_name = watcher::check(&at("watcher.toml").into(), &text(&names));
        assert_eq!(by_name.problems.len(), 1, "{:?}", by_name.problems);
        let by_path = watcher::check(&at("watcher.toml").into(), &text(&paths));
        assert_eq!(super::find_on_disk(&by_path.config.unwrap()).len(), 1);
    }
}
