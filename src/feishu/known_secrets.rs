//! The app secrets that were read lately, to be taken out of whatever a server says: it has seen them, and may
//! repeat them in the answer to any request, encoded as well.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};

use super::detail::SECRET_MIN;
use super::encoded::shapes;
use crate::domain::AppName;

/// Secrets remembered of an app: the one in use, and the one before, which stays good for a while where it was
/// exchanged.
const OF_APP: usize = 2;

/// What must not be shown, of all apps: they may share a server.
#[derive(Default)]
pub(super) struct KnownSecrets(Mutex<HashMap<AppName, Vec<Known>>>);

/// A secret, and what it looks like elsewhere.
struct Known {
    secret: SecretString,
    shapes: Vec<SecretString>,
}

impl Known {
    fn of(secret: SecretString) -> Self {
        // What is too short to be taken out is so in every shape.
        let is_long = secret.expose_secret().len() >= SECRET_MIN;
        let shapes = if is_long { shapes(secret.expose_secret()) } else { Vec::new() };
        Self { secret, shapes: shapes.into_iter().map(SecretString::from).collect() }
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        [&self.secret].into_iter().chain(&self.shapes).map(ExposeSecret::expose_secret)
    }
}

impl KnownSecrets {
    /// The app's secret was read, and is about to be sent.
    pub(super) fn remember(&self, app: &AppName, secret: &SecretString) {
        // What it guards is whole after every line that changes it.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_app = known.entry(app.clone()).or_default();
        of_app.retain(|other| other.secret.expose_secret() != secret.expose_secret());
        of_app.truncate(OF_APP - 1);
        of_app.insert(0, Known::of(secret.clone()));
    }

    /// Lends all of them, and `more`, in every shape, the longest first: one may be part of another.
    pub(super) fn with<T>(&self, more: &str, use_them: impl FnOnce(&[&str]) -> T) -> T {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let more = Known::of(more.into());
        let mut secrets: Vec<_> = known.values().flatten().chain([&more]).flat_map(Known::all).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        use_them(&secrets)
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
        let all = known.with("t-1", |secrets| secrets.iter().map(|&it| it.to_owned()).collect::<Vec<_>>());
        let plain = ["second-2", "second", "other", "t-1"];
        assert_eq!(all.iter().filter(|it| plain.contains(&it.as_str())).collect::<Vec<_>>(), plain);
        assert!(all.is_sorted_by_key(|it| std::cmp::Reverse(it.len())));
        assert!(
            ["7365636f6e64", "c2Vjb25k", "dDE"].map(|shape| all.contains(&shape.to_owned()))
                == [true, true, false]
        );
        assert!(!format!("{known:?}").contains("second"));
    }
}
