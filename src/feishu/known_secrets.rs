//! An app's secret and access token as they were last sent, to be taken out of the texts of its answers: the server has
//! seen them and may repeat them in the answer to any request.

use std::cmp::Reverse;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret, SecretString};

/// The secrets of one app: the last of each kind.
#[derive(Debug, Default)]
pub(super) struct KnownSecrets(Mutex<[Arc<SecretString>; 2]>);

/// What a secret is to its app.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    AppSecret,
    AccessToken,
}

impl KnownSecrets {
    /// The app's secret, or its access token, is about to be sent.
    pub(super) fn remember(&self, kind: Kind, secret: &str) {
        let last = &mut self.lock()[kind as usize];
        if last.expose_secret() != secret {
            *last = Arc::new(secret.into());
        }
    }

    /// Lends both, the longer one first: the other one may be part of it. Nothing is locked meanwhile.
    pub(super) fn with<T>(&self, use_them: impl FnOnce(&[&str]) -> T) -> T {
        let both = self.lock().clone();
        let mut secrets = both.each_ref().map(|secret| secret.expose_secret());
        secrets.sort_by_key(|secret| Reverse(secret.len()));
        use_them(&secrets)
    }

    /// What it guards is whole after every line that changes it.
    fn lock(&self) -> MutexGuard<'_, [Arc<SecretString>; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 7: the secret and the access token that were last sent are known.
    #[test]
    fn what_was_last_sent_is_known() {
        let known = KnownSecrets::default();
        known.remember(Kind::AppSecret, "first");
        known.remember(Kind::AppSecret, "second");
        known.remember(Kind::AccessToken, "t-second");
        known.with(|secrets| assert_eq!(secrets, ["t-second", "second"]));
        assert!(!format!("{known:?}").contains("second"));
    }
}
