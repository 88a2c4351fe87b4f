//! The front doors: `watcher.toml` alone, or together with its watch lists in one report.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::clashes;
use super::list_watcher::{ListWatcher, Marks};
use super::problem::{ConfigError, Problem};
use super::settings::Config;
use super::shipped;
use super::sources::Absences;
use super::text_file;
use super::watch_list::{self, Terms};
use super::watcher::{self, WatcherFile};
use crate::domain::{WallTime, WatchList};

/// A valid `watcher.toml` and its watch lists.
#[derive(Debug)]
pub struct Loaded {
    /// What `watcher.toml` says.
    pub config: Config,
    /// The tickets, and the files that had to be left out.
    pub watch_list: WatchList,
    /// What deserves a look: warnings, and the errors of files and patterns that were left out.
    pub problems: Vec<Problem>,
    /// Sees which lists change from here on.
    pub list_watcher: ListWatcher,
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

/// The part of a `watcher.toml`, which may be invalid elsewhere, that a probe needs.
#[derive(Clone, Debug)]
pub struct ServerAddress {
    /// The file, an absolute path.
    pub path: Arc<Path>,
    /// What `[server] listen` says; none where the file has no such section.
    pub listen: Option<SocketAddr>,
    /// Everything that is wrong with the file; empty if it is valid, warnings or not.
    pub problems: Vec<Problem>,
}

/// Reads of `watcher.toml` what is needed to ask the watcher how it is. A mistake in the rest of the file does not
/// stand in the way: the watcher that runs was started by a better one.
///
/// # Errors
/// Lists everything that is wrong with the file, where it names no address and is invalid.
pub fn read_server_address(path: &Path) -> Result<ServerAddress, ConfigError> {
    let path = resolve(path)?;
    let WatcherFile { config, listen, problems, .. } = watcher::read(&path);
    if config.is_none() && listen.is_none() {
        return Err(ConfigError(problems));
    }
    let problems = if config.is_some() { Vec::new() } else { problems };
    Ok(ServerAddress { path, listen, problems })
}

/// Reads and checks `watcher.toml` and its watch lists in one go. Errors in the first do not hide those in the
/// others, as long as the first says where they lie.
///
/// # Errors
/// Lists everything that is wrong, warnings included.
pub fn load_all(path: &Path, now: WallTime) -> Result<Loaded, ConfigError> {
    let path = resolve(path)?;
    let WatcherFile { config, sources, named_apps, mut problems, .. } = watcher::read(&path);
    // The marks first: what changes while the files are read shows as changed at the next one.
    let absences = Absences::default();
    let marks = Marks::take(&sources, &Marks::default(), &absences);
    let terms = Terms {
        config_path: &path,
        sources: &sources,
        absences: &absences,
        apps: named_apps.as_deref(),
        state_files: config
            .as_ref()
            .map_or(Vec::new(), |config| clashes::state_files(&config.state.path).into()),
        now,
    };
    let mut lists = watch_list::read(&terms);
    let list_watcher = ListWatcher::new(marks, &lists);
    problems.append(&mut lists.problems);
    let clashes = config.as_ref().map(clashes::find).unwrap_or_default();
    let is_usable = !lists.is_fatal && clashes.is_empty();
    problems.extend(clashes);
    match config {
        Some(config) if is_usable => {
            let watch_list = lists.into_list();
            problems.extend(shipped::find_entries(&config, &watch_list.entries));
            Ok(Loaded { config, watch_list, problems, list_watcher })
        }
        _ => Err(ConfigError(problems)),
    }
}

/// What lies at the path of `watcher.toml` now, to see whether it changed; none while it can't be read.
#[must_use]
pub fn read_again(config: &Config) -> Option<Vec<u8>> {
    text_file::read_bytes(&config.path, watcher::SIZE_MAX).ok()
}

/// Absolute, so that what the state file remembers of a watch list does not depend on where the program
/// was started. Links stay as they are: a mounted folder may swap what they lead to.
fn resolve(path: &Path) -> Result<Arc<Path>, ConfigError> {
    let absolute = std::path::absolute(path).map_err(|error| {
        ConfigError(vec![Problem::error(&path.into(), None, format!("no path to a file: {error}"))])
    })?;
    Ok(absolute.into())
}
