//! `[state]`: where the state file lies and how long it remembers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::durations::Bounds;
use super::section::Section;
use super::watcher::DAY;

pub(super) const KEYS: &[&str] = &["path", "keep"];
pub(super) const KEEP: Bounds =
    Bounds { least: Duration::ZERO, most: DAY.saturating_mul(3650), words: "from 0s to 3650d" };

/// What could be made of `[state]`, the defaults filled in.
pub(super) struct StateReading {
    pub(super) path: Option<PathBuf>,
    pub(super) keep: Option<Duration>,
}

/// Reads the section. Relative paths start at `folder`.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> StateReading {
    section.finish();
    StateReading {
        path: section.required("path", "a path").and_then(|field| field.path(folder)),
        keep: section.required("keep", "a duration").and_then(|field| field.duration(KEEP)),
    }
}
