//! The app secrets and access tokens that were used lately, to be taken out of whatever a server says: it has seen them,
//! and may repeat them in the answer to any request, of any app, encoded as well.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret, SecretString};

use super::detail::SECRET_MIN;
use super::encoded::shapes;
use crate::domain::AppName;

/// Secrets of a kind that are remembered of an app: the one in use, and the one before, which stays good for a while where
/// it was exchanged.
const OF_APP: usize = 2;

/// What must not be shown, of all apps: they may share a server.
#[derive(Default)]
pub(super) struct KnownSecrets(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    of_apps: HashMap<(AppName, Kind), Vec<Known>>,
    /// All of them in every shape, the longest first. An answer is judged by a copy of the pointer.
    all: Arc<Vec<Arc<SecretString>>>,
}

/// What a secret is to its app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    AppSecret,
    AccessToken,
}

/// A secret, and what it looks like anywhere: itself and its shapes, the longest first.
#[derive(Clone)]
struct Known {
    secret: Arc<SecretString>,
    looks: Arc<Vec<Arc<SecretString>>>,
}

impl Known {
    fn of(secret: &str) -> Self {
        // What is too short to be taken out is so in every shape.
        let shapes = if secret.len() >= SECRET_MIN { shapes(secret) } else { Vec::new() };
        let secret = Arc::new(SecretString::from(secret));
        let shapes = shapes.into_iter().map(|shape| Arc::new(SecretString::from(shape)));
        let looks = longest_first([Arc::clone(&secret)].into_iter().chain(shapes));
        Self { secret, looks: Arc::new(looks) }
    }

    fn is(&self, secret: &str) -> bool {
        self.secret.expose_secret() == secret
    }
}

/// One may be part of another, so the longer one is taken out before.
fn longest_first(secrets: impl Iterator<Item = Arc<SecretString>>) -> Vec<Arc<SecretString>> {
    let mut secrets: Vec<_> = secrets.collect();
    secrets.sort_by_key(|secret| Reverse(secret.expose_secret().len()));
    secrets
}

impl KnownSecrets {
    /// The app's secret, or an access token of its, is about to be sent.
    pub(super) fn remember(&self, app: &AppName, kind: Kind, secret: &str) {
        let key = (app.clone(), kind);
        let earlier = self.lock().of_apps.get(&key).cloned().unwrap_or_default();
        if earlier.first().is_some_and(|known| known.is(secret)) {
            return;
        }
        // Made without the lock: others judge their answers meanwhile.
        let known = earlier.into_iter().find(|known| known.is(secret)).unwrap_or_else(|| Known::of(secret));
        let mut remembered = self.lock();
        let of_app = remembered.of_apps.entry(key).or_default();
        of_app.retain(|other| !other.is(secret));
        of_app.truncate(OF_APP - 1);
        of_app.insert(0, known);
        let all = remembered.of_apps.values().flatten().flat_map(|known| known.looks.iter().cloned());
        remembered.all = Arc::new(longest_first(all));
    }

    /// Lends all of them in every shape, the longest first. Nobody waits for those who use them.
    pub(super) fn with<T>(&self, use_them: impl FnOnce(&[&str]) -> T) -> T {
        let all = Arc::clone(&self.lock().all);
        let secrets: Vec<_> = all.iter().map(|secret| secret.expose_secret()).collect();
        use_them(&secrets)
    }

    /// What it guards is whole after every line that changes it.
    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KnownSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownSecrets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(known: &KnownSecrets, wanted: &[&str]) -> Vec<String> {
        known.with(|all| {
            assert!(all.is_sorted_by_key(|it| Reverse(it.len())));
            all.iter().filter(|it| wanted.contains(it)).map(|&it| it.to_owned()).collect()
        })
    }

    /// Promise: the last two secrets and access tokens of every app are known, however often they are used.
    #[test]
    fn the_last_two_of_an_app_are_known() {
        let (known, app) = (KnownSecrets::default(), AppName::new("a"));
        for secret in ["first", "second", "second-2", "second", "second-2"] {
            known.remember(&app, Kind::AppSecret, secret);
        }
        known.remember(&AppName::new("b"), Kind::AppSecret, "other");
        for token in ["t-one", "t-two0", "t-three"] {
            known.remember(&app, Kind::AccessToken, token);
        }
        let wanted = ["second-2", "t-three", "second", "t-two0", "other", "first", "t-one"];
        let mut found = plain(&known, &wanted);
        found.sort();
        assert_eq!(found, ["other", "second", "second-2", "t-three", "t-two0"]);
        let shapes = ["7365636f6e64", "c2Vjb25k"];
        assert_eq!(plain(&known, &shapes).len(), shapes.len());
        assert!(!format!("{known:?}").contains("second"));
    }

    /// Promise: what an app sends again and again is encoded once, and whoever judges an answer holds up nobody.
    #[test]
    fn shapes_are_made_once_and_lent_without_a_lock() {
        let (known, app) = (KnownSecrets::default(), AppName::new("a"));
        let places = || {
            known.remember(&app, Kind::AppSecret, "hunter2");
            known.remember(&app, Kind::AccessToken, "t-c4nary");
            known.with(|secrets| {
                assert!(known.0.try_lock().is_ok(), "another answer can be judged meanwhile");
                secrets.iter().map(|secret| secret.as_ptr()).collect::<Vec<_>>()
            })
        };
        let first = places();
        assert!(first.len() > 10 && places() == first, "the very same texts");
    }
}
