//! Files that would be used for two things: what the watcher writes must be nothing that it, or anybody,
//! reads for something else.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::problem::{Problem, shown_path};
use super::settings::{Config, WatchSourceKind};
use super::sources::OPTIONS;
use crate::domain::{Credentials, SecretSource};

/// What the state file has beside it while it is in use.
const BESIDE_STATE: [&str; 6] = ["", "-wal", "-shm", ".lock", ".door", ".new"];

/// A state file and what it has beside it.
pub(super) fn beside_state(path: &Path) -> [PathBuf; BESIDE_STATE.len()] {
    BESIDE_STATE.map(|suffix| beside(path, suffix))
}

/// One problem for each file that is written and has another use as well.
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
    let problem = |(key, path, use_of): (&str, &Path, &str)| {
        let message = format!("{key}: {} is {use_of}, too; give each a file of its own", shown_path(path));
        Problem::error(&config.path, None, message)
    };
    clashes.into_iter().map(problem).collect()
}

/// Files that are read, and what each is for.
fn read_files(config: &Config) -> Vec<(PathBuf, &'static str)> {
    let mut files = vec![(config.path.to_path_buf(), "this configuration")];
    for source in &config.watchlist {
        if let WatchSourceKind::File(path) = &source.kind {
            files.push((path.clone(), "a watch list"));
        }
    }
    for app in &config.apps {
        let (Credentials::AppSecret(source) | Credentials::AccessToken(source)) = &app.credentials;
        if let SecretSource::File(path) = source {
            files.push((path.clone(), "a secret"));
        }
    }
    files
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
    use super::super::watcher;

    const APP: &str = "[apps.a]\nbase_url = \"https://open.feishu.cn\"\napp_id = \"cli_a\"\napp_secret = { file = \"secret\" }\n";

    fn problems(settings: &str) -> Vec<String> {
        let text = format!("watchlist = [\"list.toml\", \"d/*.toml\"]\n{settings}\n{APP}");
        let path = std::path::Path::new("/etc/w/watcher.toml").into();
        watcher::check(&path, &text).problems.iter().map(ToString::to_string).collect()
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
}
