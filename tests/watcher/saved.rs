//! What a watcher saved, held against what the simulator has.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use export_simulator::{Endpoint, ExportFile, Job, Request, Scenario, Target};
use ring::digest::{Context, SHA256};
use serde_json::Value;

use crate::harness::{Bench, PATIENCE};

/// The section that every test of downloads begins with; keys may follow.
pub(crate) const DOWNLOAD: &str = "[download]\nfolder = \"exports\"\n";

/// A bench whose files go to `exports`; `keys` are added to the section.
pub(crate) fn bench_with_downloads(keys: &str) -> Bench {
    let bench = Bench::with(Scenario::default());
    bench.configure(&format!("{DOWNLOAD}{keys}"));
    bench
}

/// Done from the beginning, with a title of its own: it is saved as `T-<ticket>.docx`.
pub(crate) fn done(ticket: &str) -> Job {
    let job = Job::new(ticket, format!("doc{ticket}")).succeeds_after(Duration::ZERO);
    Job { file_name: format!("T-{ticket}"), ..job }
}

/// Where [`done`] is saved.
pub(crate) fn path_of(ticket: &str) -> String {
    format!("exports/T-{ticket}.docx")
}

/// The downloads of a ticket's file, for faults and holds.
pub(crate) fn download_of(ticket: &str) -> Target {
    Target::download_of(ticket)
}

/// SHA-256 in hexadecimal.
pub(crate) fn hash(pieces: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    let mut context = Context::new(&SHA256);
    pieces.into_iter().for_each(|piece| context.update(piece.as_ref()));
    context.finish().as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The same of a whole file of the simulator.
pub(crate) fn hash_of(file: &ExportFile) -> String {
    hash(file.pieces())
}

/// Promises 5 and 6: `status` calls the ticket's file saved, and what lies at its path is what the simulator has. Returns
/// the row's `file`.
pub(crate) fn assert_saved(bench: &Bench, ticket: &str) -> Value {
    let row = bench.ticket(ticket);
    assert_row_saved(bench, &row);
    row["file"].clone()
}

/// The same for several.
pub(crate) fn assert_all_saved(bench: &Bench, tickets: &[&str]) {
    tickets.iter().for_each(|ticket| drop(assert_saved(bench, ticket)));
}

/// The same for a row of `status`.
pub(crate) fn assert_row_saved(bench: &Bench, row: &Value) {
    assert_eq!((&row["state"], &row["file"]["state"]), (&"completed".into(), &"saved".into()), "{row:#}");
    let right = bench.sim.file_of(row["ticket"].as_str().unwrap());
    let path = row["file"]["path"].as_str().unwrap();
    let content = fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}\n{row:#}"));
    assert_eq!(content.len() as u64, right.size(), "{path}");
    assert_eq!(hash([&content]), hash_of(&right), "{path} has another content");
    assert_eq!(
        (&row["file"]["size"], &row["file"]["sha256"]),
        (&right.size().into(), &hash([content]).into())
    );
    assert!(row["file"]["saved_at"].is_string(), "{row:#}");
}

/// Every file below a folder, as paths from there; none if it is missing.
pub(crate) fn files_below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(&below).into_iter().flatten().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                found.insert(entry.path().strip_prefix(folder).unwrap().to_path_buf());
            }
        }
    }
    found
}

/// Promise 6: `exports` holds these files and nothing else, no temporary one either.
pub(crate) fn assert_exports(bench: &Bench, expected: &[&str]) {
    let expected: BTreeSet<_> = expected.iter().map(PathBuf::from).collect();
    assert_eq!(files_below(&bench.path("exports")), expected);
}

/// Whether a name is one of those that files have before they are whole.
pub(crate) fn is_temporary(path: &Path) -> bool {
    path.file_name().unwrap().to_string_lossy().starts_with(".feishu-export-")
}

/// Waits until so many bytes of bodies lie in temporary files below `exports`.
pub(crate) fn wait_for_temporary(bench: &Bench, files: usize) {
    let until = Instant::now() + PATIENCE;
    let folder = bench.path("exports");
    while files_below(&folder).iter().filter(|path| is_temporary(path)).count() < files {
        assert!(Instant::now() < until, "waited in vain for {files} temporary files");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until so many downloads of the ticket's file were answered.
pub(crate) fn wait_for_downloads(bench: &Bench, ticket: &str, count: usize) {
    let answered = |request: &&Request| request.answered_at.is_some();
    let waited = bench
        .sim
        .wait_until(PATIENCE, |journal| journal.downloads_of(ticket).filter(answered).count() >= count);
    assert!(waited, "waited in vain for {count} downloads of {ticket}");
}

/// How many downloads were sent.
pub(crate) fn downloads(bench: &Bench) -> usize {
    bench.sim.count(Endpoint::Download)
}
