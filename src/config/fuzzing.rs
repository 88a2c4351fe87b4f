//! The door for [`crate::fuzzing`]: files as bytes, on the way that they take from a disk, up to the checked types.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::pieces::PIECE;
use super::{Config, Problem, text_file, watch_list, watcher};
use crate::domain::{AppName, WallTime, WatchEntry};

/// What came of a `watcher.toml`.
pub(crate) struct ConfigReading {
    pub(crate) config: Option<Config>,
    pub(crate) state_path: Option<PathBuf>,
    pub(crate) problems: Vec<Problem>,
    /// Everything that was read, to compare two readings by.
    pub(crate) all: String,
}

/// Reads a `watcher.toml` that lies at `path`.
pub(crate) fn read_config(path: &Arc<Path>, bytes: &[u8]) -> ConfigReading {
    let reading = watcher::take(path, text_file::decode(bytes.to_vec()));
    let all = format!("{reading:?}");
    ConfigReading { config: reading.config, state_path: reading.state_path, problems: reading.problems, all }
}

/// What came of a watch list.
pub(crate) struct ListReading {
    /// What it hands out.
    pub(crate) entries: Vec<WatchEntry>,
    pub(crate) is_rejected: bool,
    pub(crate) problems: Vec<Problem>,
    /// Whether the tickets that it is said to name are those that it hands out.
    pub(crate) names_what_it_gives: bool,
}

/// Reads a watch list as the only one, in pieces of `piece` bytes or as the program does.
pub(crate) fn read_list(
    bytes: &[u8],
    apps: Option<&[AppName]>,
    now: WallTime,
    piece: Option<usize>,
) -> ListReading {
    let path: Arc<Path> = Path::new("/etc/list.toml").into();
    let mut lists = watch_list::check_in_pieces(&path, bytes, apps, now, piece.unwrap_or(PIECE));
    let problems = std::mem::take(&mut lists.problems);
    let named = lists.keys.remove(&*path);
    let is_rejected = lists.rejected.iter().any(|rejected| **rejected == *path);
    let entries = lists.into_list().entries;
    let is_named = |entry: &WatchEntry| named.as_ref().is_some_and(|named| named.contains(&entry.key));
    let names_what_it_gives = named.is_some() != is_rejected && entries.iter().all(is_named);
    ListReading { entries, is_rejected, problems, names_what_it_gives }
}
