//! The front doors: `watcher.toml` alone, or together with its watch lists in one report.

use std::path::Path;
use std::sync::Arc;

use super::lookout::{Lookout, Marks};
use super::problem::{ConfigError, Problem};
use super::settings::Config;
use super::watch_list;
use super::watcher::{self, Reading};
use crate::domain::{WallTime, WatchList};

/// `watcher.toml` and its watch lists, all in order.
#[derive(Debug)]
pub struct Loaded {
    /// What `watcher.toml` says.
    pub config: Config,
    /// The tickets, and the files that had to be left out.
    pub watch_list: WatchList,
    /// What deserves a look: warnings, and the errors of files that were left out.
    pub problems: Vec<Problem>,
    /// Who sees what changes in the lists from here on.
    pub lookout: Lookout,
}

/// Reads and checks `watcher.toml`, without its watch lists and secrets. Returns it with its warnings.
///
/// # Errors
/// Lists everything that is wrong with the file, warnings included.
pub fn load(path: &Path) -> Result<(Config, Vec<Problem>), ConfigError> {
    let reading = watcher::read(&resolve(path)?);
    match reading.config {
        Some(config) => Ok((config, reading.problems)),
        None => Err(ConfigError(reading.problems)),
    }
}

/// Reads and checks `watcher.toml` and its watch lists in one go. Errors in the first do not hide those in the
/// others, as long as it can be told where they lie.
///
/// # Errors
/// Lists everything that is wrong, warnings included.
pub fn load_all(path: &Path, now: WallTime) -> Result<Loaded, ConfigError> {
    let path = resolve(path)?;
    let Reading { config, sources, app_names, mut problems } = watcher::read(&path);
    // The look first: what changes while the files are read shows as changed at the next one.
    let marks = Marks::take(&sources, &Marks::default());
    let mut lists = watch_list::read(&path, &sources, app_names.as_deref(), now, |_| false);
    let lookout = Lookout::new(marks, &lists);
    problems.append(&mut lists.problems);
    match config {
        Some(config) if !lists.is_fatal => {
            Ok(Loaded { config, watch_list: lists.into_list(), problems, lookout })
        }
        _ => Err(ConfigError(problems)),
    }
}

/// Absolute, so that what the state file remembers of a watch list does not depend on where the program
/// was started. Links stay as they are: a mounted folder may swap what they lead to.
fn resolve(path: &Path) -> Result<Arc<Path>, ConfigError> {
    let absolute = std::path::absolute(path).map_err(|error| {
        ConfigError(vec![Problem::error(&path.into(), None, format!("no path to a file: {error}"))])
    })?;
    Ok(absolute.into())
}
