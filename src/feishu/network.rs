//! The way to the hosts: what the environment says about proxies and about the authorities to trust.

use std::env;

use thiserror::Error;
use url::Url;

use super::proxy::{ProxyError, ProxySettings};
use super::trust::{TrustError, TrustStore};
use crate::domain::{App, CaFile, Hook, HookTarget, Webhook, is_loopback};

/// What the network layer reports, and what helps.
const HINTS: [(&str, &str); 4] = [
    (
        "UnknownIssuer",
        "no authority known here issued the server's certificate: put the authority's (PEM) into a file and name it as \
        ca_file of the app or hook",
    ),
    (
        "CaUsedAsEndEntity",
        "the server's certificate is an authority's own: give the server one with CA:FALSE, and name its authority's \
        (PEM) as ca_file of the app or hook",
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
    /// An app or webhook has no authority to trust.
    #[error(
        "this system has no certificates of authorities, so no server is trusted; install ca-certificates, or let \
        SSL_CERT_FILE or ca_file name some (PEM)"
    )]
    NoAuthority,
}

/// How the hosts of all apps and webhooks are reached.
#[derive(Clone, Default)]
pub struct NetworkSettings {
    pub(super) proxies: ProxySettings,
    /// None if no host is reached by TLS.
    pub(super) trust: Option<TrustStore>,
}

/// How one host is reached, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The proxy in between, without user name and password, and the variable that names it; or `none`.
    pub proxy: String,
    /// The authorities that its host is trusted by, with their number.
    pub trust_store: String,
}

impl NetworkSettings {
    /// Reads the environment, as far as these apps and hooks depend on it.
    ///
    /// # Errors
    /// Names the variable that can't be used, without its value.
    pub fn from_env(apps: &[App], hooks: &[Hook]) -> Result<Self, NetworkError> {
        let webhooks = hooks.iter().filter_map(|hook| match &hook.target {
            HookTarget::Webhook(webhook) => Some(Host::from_webhook(webhook)),
            HookTarget::Command(_) => None,
        });
        let hosts: Vec<_> = apps.iter().map(Host::from_app).chain(webhooks).collect();
        let is_remote = hosts.iter().any(|host| !is_loopback(host.url));
        let proxies = is_remote.then(|| ProxySettings::read(|name| env::var_os(name))).transpose()?;
        let by_tls = || hosts.iter().filter(|host| host.is_by_tls());
        let trust = by_tls().next().map(|_| TrustStore::read(|name| env::var_os(name))).transpose()?;
        let is_empty = trust.as_ref().is_some_and(|trust| trust.roots.is_empty());
        if is_empty && by_tls().any(|host| host.ca_file.is_none()) {
            return Err(NetworkError::NoAuthority);
        }
        Ok(Self { proxies: proxies.unwrap_or_default(), trust })
    }

    /// How the host of an app is reached.
    #[must_use]
    pub fn connection(&self, app: &App) -> Connection {
        self.describe(Host::from_app(app))
    }

    /// How the receiver of a webhook is reached.
    #[must_use]
    pub fn webhook_connection(&self, webhook: &Webhook) -> Connection {
        self.describe(Host::from_webhook(webhook))
    }

    fn describe(&self, host: Host<'_>) -> Connection {
        let trust_store = self.trust_for(host).map(|trust| trust.describe(host.ca_file));
        Connection {
            proxy: self.proxies.describe(host.url),
            trust_store: trust_store.unwrap_or_else(|| "none (plain http)".to_owned()),
        }
    }

    /// The authorities for a host; none if it is not reached by TLS.
    pub(super) fn trust_for(&self, host: Host<'_>) -> Option<&TrustStore> {
        self.trust.as_ref().filter(|_| host.is_by_tls())
    }
}

/// A host that requests go to.
#[derive(Clone, Copy)]
pub(super) struct Host<'a> {
    pub(super) url: &'a Url,
    /// Authorities that it is trusted by, beside those of the system.
    pub(super) ca_file: Option<&'a CaFile>,
}

impl<'a> Host<'a> {
    pub(super) fn from_app(app: &'a App) -> Self {
        Self { url: app.base_url.as_url(), ca_file: app.ca_file.as_ref() }
    }

    pub(super) fn from_webhook(webhook: &'a Webhook) -> Self {
        Self { url: &webhook.url, ca_file: webhook.ca_file.as_ref() }
    }

    fn is_by_tls(self) -> bool {
        self.url.scheme() == "https"
    }
}

/// A message of the network layer with what helps.
pub(super) fn with_hint(message: String) -> String {
    match hint(&message) {
        Some(hint) => format!("{message}; {hint}"),
        None => message,
    }
}

/// What helps against what a message of the network layer says, if that is known.
pub(super) fn hint(message: &str) -> Option<&'static str> {
    HINTS.iter().find(|(trouble, _)| message.contains(trouble)).map(|(_, hint)| *hint)
}
