//! The app secrets that were read lately, to be taken out of whatever a server says: it has seen them, and may
//! repeat them in the answer to any request, encoded as well.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret, SecretString};

use super::detail::SECRET_MIN;
use super::encoded::shapes;
use crate::domain::AppName;

/// Secrets remembered of an app: the one in use, and the one before, which stays good for a while where it was
/// exchanged.
const OF_APP: usize = 2;

/// What must not be shown, of all apps: they may share a server.
#[derive(Default)]
pub(super) struct KnownSecrets(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    app_secrets: HashMap<AppName, Vec<Known>>,
    /// All app secrets in every shape, the longest first. An answer is judged by a copy of the pointer.
    all: Arc<Vec<Arc<SecretString>>>,
    /// The access token that each app sent last: a token is sent with many requests, and its shapes are costly.
    access_tokens: HashMap<AppName, Known>,
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
    /// The app's secret was read, and is about to be sent.
    pub(super) fn remember(&self, app: &AppName, secret: &SecretString) {
        let secret = secret.expose_secret();
        let known = self.app_secret(app, secret).unwrap_or_else(|| Known::of(secret));
        let mut remembered = self.lock();
        let of_app = remembered.app_secrets.entry(app.clone()).or_default();
        of_app.retain(|other| !other.is(secret));
        of_app.truncate(OF_APP - 1);
        of_app.insert(0, known);
        let all = remembered.app_secrets.values().flatten().flat_map(|known| known.looks.iter().cloned());
        remembered.all = Arc::new(longest_first(all));
    }

    /// Lends all of them in every shape, the longest first, and the access token that the app sent, if it sent one.
    /// Nobody waits for those who use them.
    pub(super) fn with<T>(&self, sent: Option<(&AppName, &str)>, use_them: impl FnOnce(&[&str]) -> T) -> T {
        let token = sent.map(|(app, access_token)| self.access_token(app, access_token).looks);
        let all = Arc::clone(&self.lock().all);
        let token = token.iter().flat_map(|looks| looks.iter());
        let mut secrets: Vec<_> = all.iter().chain(token).map(|secret| secret.expose_secret()).collect();
        secrets.sort_by_key(|secret| Reverse(secret.len()));
        use_them(&secrets)
    }

    fn app_secret(&self, app: &AppName, secret: &str) -> Option<Known> {
        self.lock().app_secrets.get(app)?.iter().find(|known| known.is(secret)).cloned()
    }

    fn access_token(&self, app: &AppName, access_token: &str) -> Known {
        if let Some(known) = self.lock().access_tokens.get(app).filter(|known| known.is(access_token)) {
            return known.clone();
        }
        // Made without the lock: others judge their answers meanwhile.
        let known = Known::of(access_token);
        self.lock().access_tokens.insert(app.clone(), known.clone());
        known
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

    /// Promise: the last two secrets of every app are known, however often they are read.
    #[test]
    fn the_last_two_of_an_app_are_known() {
        let known = KnownSecrets::default();
        for secret in ["first", "second", "second-2", "second", "second-2"] {
            known.remember(&AppName::new("a"), &secret.into());
        }
        known.remember(&AppName::new("b"), &"other".into());
        let sent = AppName::new("a");
        let all = known.with(Some((&sent, "t-1")), |secrets| {
            secrets.iter().map(|&it| it.to_owned()).collect::<Vec<_>>()
        });
        let plain = ["second-2", "second", "other", "t-1"];
        assert_eq!(all.iter().filter(|it| plain.contains(&it.as_str())).collect::<Vec<_>>(), plain);
        assert!(all.is_sorted_by_key(|it| Reverse(it.len())));
        assert!(
            ["7365636f6e64", "c2Vjb25k", "dDE"].map(|shape| all.contains(&shape.to_owned()))
                == [true, true, false]
        );
        assert!(!format!("{known:?}").contains("second"));
    }

    /// Promise: what an app sends again and again is encoded once, and whoever judges an answer holds up nobody.
    #[test]
    fn shapes_are_made_once_and_lent_without_a_lock() {
        let (known, app) = (KnownSecrets::default(), AppName::new("a"));
        known.remember(&app, &"hunter2".into());
        let places = || {
            known.with(Some((&app, "t-c4nary")), |secrets| {
                assert!(known.0.try_lock().is_ok(), "another answer can be judged meanwhile");
                secrets.iter().map(|secret| secret.as_ptr()).collect::<Vec<_>>()
            })
        };
        let first = places();
        known.remember(&app, &"hunter2".into());
        assert!(first.len() > 10 && places() == first, "the very same texts");
        let next = known.with(Some((&app, "t-another")), |secrets| secrets.contains(&"t-another"));
        assert!(next && known.with(None, |secrets| !secrets.contains(&"t-another")));
    }
}
