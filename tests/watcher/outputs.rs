//! Short ways to look at what a command printed and at what it left in its folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::Bench;

/// Standard output as text.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Standard error as text.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Every file below a folder with its bytes.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

/// A copy of the state file with its log, for a look that changes nothing: to open them moves the log into the file.
/// It is sound, or the test fails.
pub(crate) fn copy_of_state(bench: &Bench) -> (TempDir, Connection) {
    let copy = tempfile::tempdir().unwrap();
    for file in ["state.db", "state.db-wal"] {
        if bench.path(file).exists() {
            fs::copy(bench.path(file), copy.path().join(file)).unwrap();
        }
    }
    let connection = Connection::open(copy.path().join("state.db")).unwrap();
    let verdict: String = connection.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok", "the state file is damaged");
    (copy, connection)
}

/// The JSON objects of a text, one a line; anything else is an error.
pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(parse).collect()
}

/// The same configuration with some text in place of another.
pub(crate) fn reconfigure(bench: &Bench, old: &str, new: &str) {
    let text = bench.read("watcher.toml");
    assert!(text.contains(old), "no {old:?} in\n{text}");
    bench.write("watcher.toml", &text.replace(old, new));
}
