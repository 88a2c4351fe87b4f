//! What is refused before anything could change it, and that it stays as it was.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;

use super::super::{file, migrate, rows, testing};
use crate::store::{SqliteStore, StoreErrorKind};

/// A store's file as a clean stop leaves it, with 200 tickets.
fn sound(path: &Path) {
    let mut connection = Connection::open(path).unwrap();
    migrate::migrate(&mut connection).unwrap();
    let tickets = (0..200).map(|at| testing::full(&format!("t{at}")));
    let transaction = connection.transaction().unwrap();
    rows::write(&transaction, &testing::batch(tickets)).unwrap();
    transaction.commit().unwrap();
}

fn damage(path: &Path, at: usize, bytes: &[u8]) {
    let mut content = fs::read(path).unwrap();
    content[at..at + bytes.len()].copy_from_slice(bytes);
    fs::write(path, content).unwrap();
}

fn foreign_in_use(path: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("notes.db");
    let notes = Connection::open(&original).unwrap();
    notes.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE notes (a)").unwrap();
    fs::copy(&original, path).unwrap();
    fs::copy(file::beside(&original, "-wal"), file::beside(path, "-wal")).unwrap();
}

/// Promise: a file that is no sound state file of a known version is refused and left as it was, to the byte,
/// and nothing is left beside it.
#[test]
fn what_is_refused_is_left_untouched() {
    type Make = fn(&Path);
    let cases: BTreeMap<&str, (Make, &str)> = BTreeMap::from([
        ("a folder", ((|path| fs::create_dir(path).unwrap()) as Make, "it is a folder")),
        ("a text", (|path| fs::write(path, "tickets:\n".repeat(500)).unwrap(), "not a database")),
        ("a text of one page", (|path| fs::write(path, "x".repeat(600)).unwrap(), "not a database")),
        ("a short text", (|path| fs::write(path, "x").unwrap(), "shorter than")),
        ("zeros", (|path| fs::write(path, [0; 8192]).unwrap(), "not a database")),
        (
            "another program's",
            (
                |path| Connection::open(path).unwrap().execute_batch("CREATE TABLE notes (a)").unwrap(),
                "another program",
            ),
        ),
        ("another program's, in use", (foreign_in_use, "another program")),
        (
            "newer",
            (
                |path| {
                    sound(path);
                    Connection::open(path).unwrap().pragma_update(None, "user_version", 99).unwrap();
                },
                "schema 99",
            ),
        ),
        (
            "cut short",
            (
                |path| {
                    sound(path);
                    OpenOptions::new().write(true).open(path).unwrap().set_len(20_000).unwrap();
                },
                "malformed",
            ),
        ),
        (
            "a damaged page",
            (
                |path| {
                    sound(path);
                    damage(path, 3 * 4096, &[0xff; 512]);
                },
                "",
            ),
        ),
        (
            "a log without its database",
            (|path| fs::write(file::beside(path, "-wal"), "log").unwrap(), "its -wal file is not"),
        ),
    ]);
    for (name, (make, reason)) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        make(&path);
        // A reader makes the index of a log, so it says nothing.
        let contents = || {
            let mut contents = testing::contents(folder.path());
            contents.remove(&file::beside(&path, "-shm"));
            contents
        };
        let before = contents();
        let error = SqliteStore::open(&path).expect_err(name).to_string();
        assert!(error.contains(reason) && error.contains("untouched"), "{name}: {error}");
        assert!(contents() == before, "{name}: changed");
        let read = testing::read_only(&path);
        assert!(read.is_err() || ["a damaged page", "a log without its database"].contains(&name), "{name}");
        assert!(contents() == before, "{name}: changed by reading");
    }
}

/// Promise: a named pipe in the place of the file does not hang the start.
#[test]
fn a_pipe_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let refused = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(refused.kind, StoreErrorKind::NotAStateFile(_)), "{refused}");
}
