//! The front doors: `watcher.toml` alone, the watch lists alone, or both in one report.

use std::path::Path;
use std::sync::Arc;

use super::problem::{ConfigError, Problem};
use super::settings::Config;
use super::watch_list::{self, ListReading};
use super::watcher::{self, Reading};
use crate::domain::{WallTime, WatchList};

/// `watcher.toml` and its watch lists, all in order.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What `watcher.toml` says.
    pub config: Config,
    /// The tickets, and the files that had to be left out.
    pub watch_list: WatchList,
    /// What deserves a look: warnings, and the errors of files that were left out.
    pub problems: Vec<Problem>,
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

/// Reads and checks all watch lists. Returns the tickets with all that deserves a look: warnings, and the errors
/// of files that a pattern matched, which are left out and named in [`WatchList::rejected`].
///
/// # Errors
/// Lists every problem if a file that is named in full is bad or contradicts an earlier one, or if a
/// pattern's folder can't be listed. The list is then to be left as it was.
pub fn read_watch_list(config: &Config, now: WallTime) -> Result<(WatchList, Vec<Problem>), ConfigError> {
    let apps: Vec<_> = config.apps.iter().map(|app| app.name.clone()).collect();
    let reading = watch_list::read(&config.path, &config.watchlist, Some(&apps), now);
    match reading.is_fatal {
        false => Ok((reading.list, reading.problems)),
        true => Err(ConfigError(reading.problems)),
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
    let lists = watch_list::read(&path, &sources, app_names.as_deref(), now);
    let ListReading { list, problems: list_problems, is_fatal } = lists;
    problems.extend(list_problems);
    match config {
        Some(config) if !is_fatal => Ok(Loaded { config, watch_list: list, problems }),
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
