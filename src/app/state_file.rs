//! Which state file `status` and `retry` use.

use std::path::PathBuf;

use crate::config::{ConfigError, load};
use crate::domain::AppName;

/// A way to name a state file.
#[derive(Clone, Debug)]
pub enum StateFile {
    /// The one of the `watcher.toml` at this path, which must be valid.
    OfConfig(PathBuf),
    /// The one at this path; no configuration is read.
    At(PathBuf),
}

impl StateFile {
    /// The state file's path, and the configured apps, none where no configuration is read.
    pub(super) fn locate(&self) -> Result<(PathBuf, Option<Vec<AppName>>), ConfigError> {
        match self {
            Self::At(path) => Ok((path.clone(), None)),
            Self::OfConfig(path) => {
                let (config, _) = load(path)?;
                let apps = config.apps.iter().map(|app| app.name.clone()).collect();
                Ok((config.state.path, Some(apps)))
            }
        }
    }
}
