//! Replays the committed inputs of a fuzz target, so that a stable compiler holds them to the same properties.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// Hands every file of the target's corpus, and of its regressions, to `check`, which panics where a property
/// does not hold; then names those that it panicked at.
pub(crate) fn replay(target: &str, check: fn(&[u8])) {
    let corpus = files("corpus", target);
    assert!(!corpus.is_empty(), "fuzz/corpus/{target} holds no input");
    let inputs = corpus.into_iter().chain(files("regressions", target));
    let is_bad = |path: &PathBuf| {
        let bytes = fs::read(path).unwrap();
        catch_unwind(|| check(&bytes)).is_err()
    };
    let bad: Vec<_> = inputs.filter(is_bad).collect();
    assert!(bad.is_empty(), "a property does not hold, as is said above, for {bad:#?}");
}

fn files(kind: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kind).join(target);
    let entries = fs::read_dir(&folder);
    let mut files: Vec<_> = entries.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
