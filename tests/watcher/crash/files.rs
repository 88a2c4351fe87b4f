//! The files of a crash test: whatever process died at whatever step, each is whole under its name, there once, and
//! announced as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::memory::Announcement;
use crate::harness::Bench;
use crate::saved::{assert_row_saved, files_below, hash, hash_of, is_temporary};

/// A file as its line in the log says it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Saved {
    ticket: String,
    path: PathBuf,
    sha256: String,
}

/// What lay in the folder and what was announced, so far.
#[derive(Default)]
pub(super) struct Files {
    /// Each file with its ticket.
    there: BTreeMap<PathBuf, String>,
    on_stdout: BTreeSet<Saved>,
    in_log_file: BTreeSet<Saved>,
}

impl Files {
    /// After each death. What is there was there before or is new, whole, and the only file of its ticket. What was
    /// announced was in the outbox by then, and is there; what is gone from the outbox was announced.
    pub(super) fn judge(
        &mut self,
        bench: &Bench,
        outbox: &[Announcement],
        stdout: &[Value],
        log_file: &[Value],
    ) {
        self.look(bench);
        let committed: BTreeSet<_> = outbox.iter().filter_map(|row| saved(&row.payload)).collect();
        let announced = stdout.iter().chain(log_file).filter_map(saved);
        for file in announced {
            assert!(committed.contains(&file), "announced and not in the state file: {file:?}");
            assert_eq!(self.there.get(&file.path), Some(&file.ticket), "announced and not there: {file:?}");
        }
        self.on_stdout.extend(stdout.iter().filter_map(saved));
        self.in_log_file.extend(log_file.iter().filter_map(saved));
        for file in outbox.iter().filter(|row| row.is_taken).filter_map(|row| saved(&row.payload)) {
            assert!(self.is_announced(&file), "gone from the outbox, and never announced: {file:?}");
        }
    }

    fn is_announced(&self, file: &Saved) -> bool {
        self.on_stdout.contains(file) && self.in_log_file.contains(file)
    }

    /// Reads what is new.
    fn look(&mut self, bench: &Bench) {
        let folder = bench.path("exports");
        let mut found = files_below(&folder);
        found.retain(|path| !is_temporary(path));
        let found: BTreeSet<_> = found.into_iter().map(|path| folder.join(path)).collect();
        for path in self.there.keys() {
            assert!(found.contains(path), "gone: {}", path.display());
        }
        for path in found {
            if !self.there.contains_key(&path) {
                let ticket = ticket_of(bench, &path);
                let other = self.there.iter().find(|(_, it)| **it == ticket);
                assert!(other.is_none(), "twice: {} and {other:?}", path.display());
                self.there.insert(path, ticket);
            }
        }
    }

    /// At the end, when nothing is pending: each completed ticket has its file, nothing else is left, and each was
    /// announced.
    pub(super) fn conclude(&self, bench: &Bench, outbox: &[Announcement]) {
        let rows = bench.tickets();
        let completed: Vec<_> = rows.iter().filter(|row| row["state"] == "completed").collect();
        completed.iter().for_each(|row| assert_row_saved(bench, row));
        let left = files_below(&bench.path("exports"));
        assert_eq!((left.len(), self.there.len()), (completed.len(), completed.len()), "{left:?}");
        let ever: BTreeSet<_> = outbox.iter().filter_map(|row| saved(&row.payload)).collect();
        assert_eq!(ever.len(), completed.len(), "one outcome a file");
        for file in &ever {
            assert!(self.is_announced(file), "never announced: {file:?}");
        }
        println!("{} files", self.there.len());
    }
}

/// The file of such a line; none if it says something else.
fn saved(line: &Value) -> Option<Saved> {
    let text = |field: &str| line[field].as_str().map(str::to_owned);
    (line["event"] == "file.saved").then(|| Saved {
        ticket: text("ticket").unwrap(),
        path: text("file.path").unwrap().into(),
        sha256: text("file.sha256").unwrap(),
    })
}

/// The ticket that a whole file names after the first bytes of its format; a file that is not whole fails the test.
fn ticket_of(bench: &Bench, path: &Path) -> String {
    let content = fs::read(path).unwrap();
    let named = [&b"PK\x03\x04"[..], b"%PDF-1.7\n"].iter().find_map(|start| content.strip_prefix(*start));
    let line = named.unwrap_or(&content).split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(line).into_owned();
    let ticket = first.split(',').next().unwrap_or_default().to_owned();
    assert!(bench.sim.jobs().iter().any(|job| *job.ticket == ticket), "{}: {first}", path.display());
    assert_eq!(hash([&content]), hash_of(&bench.sim.file_of(&ticket)), "not whole: {}", path.display());
    ticket
}
