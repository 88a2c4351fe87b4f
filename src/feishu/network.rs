//! The way to the hosts: what the environment says about proxies and about the authorities to trust.

use std::env;

use thiserror::Error;

use super::proxy::{ProxyError, ProxySettings};
use super::trust::{TrustError, TrustStore};
use crate::domain::App;

/// What the network layer reports, and what helps.
const HINTS: [(&str, &str); 4] = [
    (
        "UnknownIssuer",
        "no authority known here issued the server's certificate: put the authority's (PEM) into a file and name it as \
        ca_file of the app",
    ),
    (
        "CaUsedAsEndEntity",
        "the server's certificate is an authority's own: give the server one with CA:FALSE, and name its authority's \
        (PEM) as ca_file of the app",
    ),
    ("tunnel error: unsuccessful", "the proxy refuses to connect to the host: look at its rules and its log"),
    (
        "tunnel error: proxy authorization required",
        "the proxy refuses without a valid user and password: put them before its host (USER:PASSWORD@HOST)",
    ),
];

/// Why the environment leaves no way to the hosts.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NetworkError {
    /// A variable names no usable proxy.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// A variable leads to no certificate.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// An app has no authority to trust.
    #[error(
        "this system has no certificates of authorities, so no server is trusted; install ca-certificates, or let \
        SSL_CERT_FILE or the app's ca_file name some (PEM)"
    )]
    NoAuthority,
}

/// How the hosts of all apps are reached.
#[derive(Clone, Default)]
pub struct NetworkSettings {
    pub(super) proxies: ProxySettings,
    /// None if no app is reached by TLS.
    pub(super) trust: Option<TrustStore>,
}

/// How the host of one app is reached, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The proxy in between, without user name and password, and the variable that names it; or `none`.
    pub proxy: String,
    /// The authorities that its host is trusted by, with their number.
    pub trust_store: String,
}

impl NetworkSettings {
    /// Reads the environment, as far as these apps depend on it.
    ///
    /// # Errors
    /// Names the variable that can't be used, without its value.
    pub fn from_env(apps: &[App]) -> Result<Self, NetworkError> {
        let is_remote = apps.iter().any(|app| !app.base_url.is_loopback());
        let proxies = is_remote.then(|| ProxySettings::read(|name| env::var_os(name))).transpose()?;
        let by_tls = || apps.iter().filter(|app| is_by_tls(app));
        let trust = by_tls().next().map(|_| TrustStore::read(|name| env::var_os(name))).transpose()?;
        let is_empty = trust.as_ref().is_some_and(|trust| trust.roots.is_empty());
        if is_empty && by_tls().any(|app| app.ca_file.is_none()) {
            return Err(NetworkError::NoAuthority);
        }
        Ok(Self { proxies: proxies.unwrap_or_default(), trust })
    }

    /// How the host of an app is reached.
    #[must_use]
    pub fn connection(&self, app: &App) -> Connection {
        let trust = self.trust.as_ref().filter(|_| is_by_tls(app));
        let trust_store = trust.map(|trust| trust.describe(app.ca_file.as_ref()));
        Connection {
            proxy: self.proxies.describe(&app.base_url),
            trust_store: trust_store.unwrap_or_else(|| "none (plain http)".to_owned()),
        }
    }
}

fn is_by_tls(app: &App) -> bool {
    app.base_url.as_url().scheme() == "https"
}

/// A message of the network layer with what helps.
pub(super) fn with_hint(message: String) -> String {
    match HINTS.iter().find(|(trouble, _)| message.contains(trouble)) {
        Some((_, hint)) => format!("{message}; {hint}"),
        None => message,
    }
}
