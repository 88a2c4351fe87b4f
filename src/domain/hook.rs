//! Hooks: commands and webhooks that take events, as they are configured and as they are shown. How one is called is the
//! business of `deliver`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::{CaFile, SecretSource, WallTime};

/// The name of a hook: 1 to 64 letters, digits, `-` and `_`. Cheap to clone.
#[derive(Clone, Debug, derive_more::Display, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookName(Arc<str>);

impl HookName {
    /// Takes a name that the configuration accepted.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A `[[hook]]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Its name, which no other hook has.
    pub name: HookName,
    /// The events that it takes, of [`HOOK_EVENTS`](super::event::HOOK_EVENTS); at least one.
    pub events: Vec<&'static str>,
    /// What is called.
    pub target: HookTarget,
    /// How long one try may take, 1 s to 10 min.
    pub timeout: Duration,
}

/// What a hook calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookTarget {
    /// A program and its arguments, without a shell; at least the program, which is an absolute path or a name that is
    /// looked for in `PATH`.
    Command(Vec<String>),
    /// A POST request.
    Webhook(Box<Webhook>),
}

/// A receiver of webhooks (Standard Webhooks, <https://www.standardwebhooks.com>).
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where it listens. Its path and query may be a secret, hence it is never shown whole.
    pub url: Url,
    /// Where its signing secrets lie, one or several of `whsec_` and base64 between blanks; none where nothing is signed.
    pub secret: Option<SecretSource>,
    /// Authorities to trust beside those of the system.
    pub ca_file: Option<CaFile>,
}

impl Webhook {
    /// The host and port, which may be shown.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Webhook").field("host", &self.host()).finish_non_exhaustive()
    }
}

/// How a hook does, for `status`, metrics and the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookStatus {
    /// Its name.
    pub name: HookName,
    /// Events that are still to be delivered.
    pub waiting: usize,
    /// Events that it took.
    pub taken: u64,
    /// Events that were given up and are kept.
    pub failed: usize,
    /// Why the last try that failed did, and when; none since the first of its events.
    pub last_error: Option<HookError>,
    /// Whether nothing is sent to it until a restart, because its receiver is gone (410).
    pub is_ended: bool,
}

impl HookStatus {
    /// A hook of which nothing is known yet.
    #[must_use]
    pub const fn unknown(name: HookName) -> Self {
        Self { name, waiting: 0, taken: 0, failed: 0, last_error: None, is_ended: false }
    }
}

/// Why a try failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookError {
    /// In words, escaped, without a secret.
    pub message: String,
    /// When.
    pub at: WallTime,
}
