//! The way to the hosts: what the environment says about proxies.

use std::env;

use thiserror::Error;

use super::proxy::{ProxyError, ProxySettings};
use crate::domain::App;

/// Why the environment leaves no way to the hosts.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NetworkError {
    /// A variable names no usable proxy.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
}

/// How the hosts of all apps are reached.
#[derive(Clone, Default)]
pub struct NetworkSettings {
    pub(super) proxies: ProxySettings,
}

/// How the host of one app is reached, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The proxy in between, without user name and password, and the variable that names it; or `none`.
    pub proxy: String,
}

impl NetworkSettings {
    /// Reads the environment, as far as these apps depend on it.
    ///
    /// # Errors
    /// Names the variable that can't be used, without its value.
    pub fn from_env(apps: &[App]) -> Result<Self, NetworkError> {
        let is_remote = apps.iter().any(|app| !app.base_url.is_loopback());
        let proxies = is_remote.then(|| ProxySettings::read(|name| env::var_os(name))).transpose()?;
        Ok(Self { proxies: proxies.unwrap_or_default() })
    }

    /// How the host of an app is reached.
    #[must_use]
    pub fn connection(&self, app: &App) -> Connection {
        Connection { proxy: self.proxies.describe(&app.base_url) }
    }
}
