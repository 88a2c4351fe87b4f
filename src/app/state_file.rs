//! The state file that `status` and `retry` read, with the apps that the configuration names.

use std::path::PathBuf;

use super::error::CommandError;
use crate::config::load;
use crate::domain::AppName;
use crate::store::{Known, StoreReader as _, store_at};

/// A way to name a state file.
#[derive(Clone, Debug)]
pub enum StateFile {
    /// The one of the `watcher.toml` at this path, which must be valid.
    FromConfig(PathBuf),
    /// The one at this path; no configuration is read.
    At(PathBuf),
}

/// The content of a state file.
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// The apps of `watcher.toml`; none where that is not read.
    pub(super) configured: Option<Vec<AppName>>,
    /// None where there is no file yet.
    pub(super) known: Option<Known>,
}

impl StateFile {
    pub(super) fn read(&self) -> Result<Found, CommandError> {
        let (path, configured) = match self {
            Self::At(path) => (path.clone(), None),
            Self::FromConfig(path) => {
                let (config, _) = load(path)?;
                (config.state.path, Some(config.apps.into_iter().map(|app| app.name).collect()))
            }
        };
        let known = store_at(&path).known()?;
        Ok(Found { path, configured, known })
    }
}
