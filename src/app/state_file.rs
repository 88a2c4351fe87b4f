//! The state file that `status` and `retry` read, with the apps that the configuration names.

use std::path::PathBuf;

use super::error::CommandError;
use crate::config::load;
use crate::domain::{AppName, HookName};
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

/// Where a state file is, and what `watcher.toml` names, where that is read.
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) apps: Option<Vec<AppName>>,
    pub(super) hooks: Option<Vec<HookName>>,
}

impl StateFile {
    pub(super) fn find(&self) -> Result<Place, CommandError> {
        match self {
            Self::At(path) => Ok(Place { path: path.clone(), apps: None, hooks: None }),
            Self::FromConfig(path) => {
                let (config, _) = load(path)?;
                Ok(Place {
                    path: config.state.path,
                    apps: Some(config.apps.into_iter().map(|app| app.name).collect()),
                    hooks: Some(config.hooks.into_iter().map(|hook| hook.name).collect()),
                })
            }
        }
    }

    pub(super) fn read(&self) -> Result<Found, CommandError> {
        let Place { path, apps: configured, .. } = self.find()?;
        let known = store_at(&path).known()?;
        Ok(Found { path, configured, known })
    }
}
