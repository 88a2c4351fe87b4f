//! Replays the inputs that are kept for the fuzz targets, so that a stable compiler holds the library to the same
//! properties (`fuzz/README.md`).

#![expect(clippy::unwrap_used, reason = "an input that can't be read is a failed test")]

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a library for the fuzzer")]
mod checks;

/// Hands every kept input of a target to its check, which panics where a property does not hold, and names those that
/// it panicked at. The inputs in `good` must be accepted, so that the properties of what is accepted are looked at.
fn replay(target: &str, check: fn(&[u8]) -> bool, good: &[&str]) {
    let corpus = files("corpus", target);
    assert!(!corpus.is_empty(), "fuzz/corpus/{target} holds no input");
    let is_bad = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap();
        let bytes = fs::read(path).unwrap();
        !catch_unwind(|| check(&bytes)).is_ok_and(|is_accepted| is_accepted || !good.contains(&name))
    };
    let bad: Vec<_> = corpus.into_iter().chain(files("regressions", target)).filter(is_bad).collect();
    assert!(bad.is_empty(), "refused, or a property does not hold, as is said above: {bad:#?}");
}

fn files(kind: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kind).join(target);
    let entries = fs::read_dir(&folder);
    let mut files: Vec<_> = entries.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Promise: a `watcher.toml` of any bytes is refused at a place, without a word of its secrets, or within bounds.
#[test]
fn config_inputs_replay() {
    let good =
        ["smallest", "every_key", "least_of_everything", "env_and_credential", "byte_order_mark", "tenants"];
    replay("config", checks::config, &good);
}

/// Promise: a watch list of any bytes is refused at a place, or taken within bounds.
#[test]
fn watch_list_inputs_replay() {
    let tickets = ["many", "inline_array", "label_200_characters", "same_twice", "ticket_without_download"];
    let documents =
        ["documents", "documents_and_tickets", "document_at_lark", "document_inline", "document_twice"];
    let good = [tickets, documents].concat();
    replay("watch_list", checks::watch_list, &good);
}

/// Promises 2 and 7: whatever a server answers, only what is listed fails a ticket, and no secret is repeated.
#[test]
fn answer_inputs_replay() {
    replay("answer", checks::answer, &["job_0_with_a_file", "created", "a_node"]);
}

/// Promise: a duration, directives or a pattern of any text is refused, or means what it says.
#[test]
fn words_inputs_replay() {
    replay("words", checks::words, &["duration_2h_30m_8a"]);
}
