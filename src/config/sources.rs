//! From the entries of `watchlist` to the files they stand for: patterns laid out, each file once.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glob::MatchOptions;

use super::problem::{Problem, shown_path};
use super::settings::{WatchSource, WatchSourceKind};
use super::text_file;

/// As a shell does it: `*.toml` leaves hidden files alone, such as the lock files of editors.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// A watch list file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListFile {
    pub(super) path: Arc<Path>,
    /// The entry that names it in full; none where only a pattern matched.
    pub(super) named_by: Option<WatchSource>,
}

/// Every file that the sources stand for, once each. Files named in full come first, whatever the order
/// of the sources, so that in a conflict it is the file dropped into a folder that gives way.
pub(super) fn expand(config_path: &Arc<Path>, sources: &[WatchSource]) -> (Vec<ListFile>, Vec<Problem>) {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for source in sources {
        if let WatchSourceKind::File(path) = &source.kind {
            files.push(ListFile { path: path.as_path().into(), named_by: Some(source.clone()) });
        }
    }
    for source in sources {
        if let WatchSourceKind::Glob(pattern) = &source.kind {
            match matches(pattern) {
                Ok(paths) => {
                    files.extend(
                        paths.iter().map(|path| ListFile { path: path.as_path().into(), named_by: None }),
                    );
                }
                Err(message) => problems.push(Problem::error(config_path, Some(source.position), message)),
            }
        }
    }
    (each_once(files), problems)
}

/// What a pattern matches, sorted. A folder that can't be listed is an error: to take it for empty would
/// remove every ticket in it.
fn matches(pattern: &str) -> Result<Vec<PathBuf>, String> {
    let paths = glob::glob_with(pattern, OPTIONS).map_err(|error| error.to_string())?;
    let mut paths = paths
        .map(|path| {
            path.map_err(|error| {
                format!("{}: {}", shown_path(error.path()), text_file::describe(error.error()))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}

/// Leaves out what leads to a file that was reached before, be it through a link.
fn each_once(files: Vec<ListFile>) -> Vec<ListFile> {
    let mut seen = HashSet::new();
    let is_new =
        |file: &ListFile| seen.insert(file.path.canonicalize().unwrap_or_else(|_| file.path.to_path_buf()));
    files.into_iter().filter(is_new).collect()
}
