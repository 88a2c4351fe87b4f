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
    /// The events that it takes, of [`HOOK_EVENTS`](super::event::HOOK_EVENTS); at least one, each once, as they are listed.
    pub events: Vec<&'static str>,
    /// What is called.
    pub target: HookTarget,
    /// How long one try may take, 1 s to 10 min.
    pub timeout: Duration,
}

/// What a hook calls.
#[derive(Clone, PartialEq, Eq)]
pub enum HookTarget {
    /// A program and its arguments, without a shell; at least the program, which is an absolute path or a name that is
    /// looked for in `PATH`.
    Command(Vec<String>),
    /// A POST request.
    Webhook(Box<Webhook>),
}

impl fmt::Debug for HookTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // An argument may be a secret.
            Self::Command(words) => {
                formatter.debug_struct("Command").field("program", &words.first()).finish_non_exhaustive()
            }
            Self::Webhook(webhook) => webhook.fmt(formatter),
        }
    }
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
    /// When it last took one.
    pub taken_at: Option<WallTime>,
    /// Why the last try that failed did, and when; none if it took every event at once.
    pub last_error: Option<HookError>,
    /// Whether nothing is sent to it until a restart, because its receiver is gone (410).
    pub is_ended: bool,
    /// How often `retry` asked to have its events sent again.
    pub asked: u32,
    /// When the next of its events is due, which may be in the past; none if none waits.
    pub next: Option<WallTime>,
    /// Until when its receiver wants to be left alone, as the running watcher knows; it may be over.
    pub throttled_until: Option<WallTime>,
}

impl HookStatus {
    /// A hook of which nothing is known yet.
    #[must_use]
    pub const fn unknown(name: HookName) -> Self {
        Self {
            name,
            waiting: 0,
            taken: 0,
            failed: 0,
            taken_at: None,
            last_error: None,
            is_ended: false,
            asked: 0,
            next: None,
            throttled_until: None,
        }
    }

    /// Whether its last try failed, and it has events still that it did not take.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        let is_last = |error: &HookError| self.taken_at.is_none_or(|taken_at| error.at > taken_at);
        let has_rest = self.waiting > 0 || self.failed > 0 || self.is_ended;
        has_rest && self.last_error.as_ref().is_some_and(is_last)
    }

    /// What to do about events that it has not taken, as part of a line; none where nothing but time is needed.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        if self.is_ended {
            return Some(ENDED.to_owned());
        }
        let name = &self.name;
        let (test, again) = (
            format!("`feishu-export-watcher hook test {name}`"),
            format!("`feishu-export-watcher retry --hook {name}`"),
        );
        if self.failed > 0 {
            return Some(format!("once corrected, {test} shows it, and {again} sends all of them"));
        }
        self.is_failing().then(|| {
            format!("tried again by itself; once corrected, {test} shows it, and {again} sends them at once")
        })
    }
}

/// Advice about a hook whose receiver is gone.
const ENDED: &str = "its receiver says that it is gone for good (410): correct its url in watcher.toml, or take the hook \
    out, and restart the watcher";

/// Why a try failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookError {
    /// In words, escaped, without a secret.
    pub message: String,
    /// When.
    pub at: WallTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: a hook that took an event after its last error is sound, and so is one that has nothing left to take.
    #[test]
    fn the_last_try_decides_whether_a_hook_fails() {
        let at = |seconds: u64| WallTime::from_millis(0) + Duration::from_secs(seconds);
        let hook = |taken_at: Option<u64>, error_at: Option<u64>, waiting| HookStatus {
            waiting,
            taken_at: taken_at.map(at),
            last_error: error_at
                .map(|seconds| HookError { message: "exited with 1".to_owned(), at: at(seconds) }),
            ..HookStatus::unknown(HookName::new("a"))
        };
        for (taken_at, error_at, expected) in [
            (None, None, false),
            (Some(1), None, false),
            (None, Some(1), true),
            (Some(1), Some(2), true),
            (Some(3), Some(2), false),
        ] {
            assert_eq!(hook(taken_at, error_at, 1).is_failing(), expected, "{taken_at:?} {error_at:?}");
            assert!(!hook(taken_at, error_at, 0).is_failing(), "{taken_at:?} {error_at:?}");
        }
        assert!(HookStatus { failed: 1, ..hook(None, Some(1), 0) }.is_failing());
        assert!(HookStatus { is_ended: true, ..hook(None, Some(1), 0) }.is_failing());
    }

    /// Promise: no form in which a hook may come into a log has an argument or an address.
    #[test]
    fn debug_shows_no_argument() {
        let words = ["/usr/bin/curl", "--header", "Authorization: hunter2"].map(ToOwned::to_owned);
        let webhook = Webhook {
            url: Url::parse("https://hooks.example.com/hunter2").unwrap(),
            secret: None,
            ca_file: None,
        };
        for (target, shown) in [
            (HookTarget::Command(words.to_vec()), "/usr/bin/curl"),
            (HookTarget::Webhook(Box::new(webhook)), "hooks.example.com"),
        ] {
            let text = format!("{target:?}");
            assert!(text.contains(shown) && !text.contains("hunter2"), "{text}");
        }
    }
}
