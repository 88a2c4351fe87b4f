//! Access tokens: which app holds which, until when, and what is wrong with one that is refused. Pure: `now` is an argument.
//!
//! Mirrors the page of `tenant_access_token` (custom app): while a token has [`Rules::renew_below`] or more left, the
//! same one is handed out again; below that a new one is issued, and both stay valid until their own end.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::seed;

/// How tokens of one app are handed out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) lifetime: Duration,
    pub(crate) renew_below: Duration,
    /// Hand out a revoked token again, as long as it would have had time left.
    pub(crate) reissue_revoked: bool,
}

/// What is wrong with the access token of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// No `Authorization`, no `Bearer ` before it, or nothing behind it.
    Missing,
    /// Starts with none of the known prefixes.
    WrongPrefix,
    /// `t-…`: never issued, expired or revoked.
    Tenant,
    /// `a-…`: an app access token.
    App,
    /// `u-…` (or a JWT): never issued or revoked.
    User,
    /// `u-…` that was good once.
    UserExpired,
}

/// What is known about the token of one request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The app that the token was issued to, even if it is refused now.
    pub(crate) app_id: Option<Arc<str>>,
    /// 1 for the first token issued to the app, 0 for those that the scenario lists.
    pub(crate) generation: Option<u64>,
    pub(crate) flaw: Option<Flaw>,
}

impl Seen {
    fn unknown(flaw: Flaw) -> Self {
        Self { app_id: None, generation: None, flaw: Some(flaw) }
    }
}

#[derive(Debug)]
struct Issued {
    app_id: Arc<str>,
    generation: u64,
    expires_at: Option<Instant>,
    revoked: bool,
}

impl Issued {
    fn remaining(&self, now: Instant) -> Duration {
        self.expires_at.map_or(Duration::MAX, |end| end.saturating_duration_since(now))
    }
}

#[derive(Debug, Default)]
struct Newest {
    token: String,
    generation: u64,
}

/// Every token ever handed out.
#[derive(Debug, Default)]
pub(crate) struct TokenBook {
    issued: HashMap<String, Issued>,
    newest: HashMap<Arc<str>, Newest>,
}

impl TokenBook {
    /// The token that the token endpoint answers now, and the time it has left.
    pub(crate) fn issue(&mut self, app_id: &Arc<str>, rules: Rules, now: Instant) -> (String, Duration) {
        let newest = self.newest.entry(Arc::clone(app_id)).or_default();
        if let Some(issued) = self.issued.get(&newest.token) {
            let remaining = issued.remaining(now);
            let usable = !issued.revoked || rules.reissue_revoked;
            if usable && remaining >= rules.renew_below && remaining > Duration::ZERO {
                return (newest.token.clone(), remaining);
            }
        }
        newest.generation += 1;
        newest.token = token_text(app_id, newest.generation);
        let issued = Issued {
            app_id: Arc::clone(app_id),
            generation: newest.generation,
            // A lifetime beyond the clock's range has no end.
            expires_at: now.checked_add(rules.lifetime),
            revoked: false,
        };
        self.issued.insert(newest.token.clone(), issued);
        (newest.token.clone(), rules.lifetime)
    }

    /// Accepts `token` for `app_id` without end: the fixed tokens of the scenario.
    pub(crate) fn accept(&mut self, token: &str, app_id: &Arc<str>) {
        let issued = Issued { app_id: Arc::clone(app_id), generation: 0, expires_at: None, revoked: false };
        self.issued.insert(token.to_owned(), issued);
    }

    /// Every token that was ever good.
    pub(crate) fn all(&self) -> impl Iterator<Item = &String> {
        self.issued.keys()
    }

    /// Revokes every token that `app_id` holds, fixed ones too.
    pub(crate) fn revoke_all(&mut self, app_id: &str) {
        for issued in self.issued.values_mut().filter(|issued| &*issued.app_id == app_id) {
            issued.revoked = true;
        }
    }

    /// Revokes one token; `false` if it was never handed out.
    pub(crate) fn revoke(&mut self, token: &str) -> bool {
        self.issued.get_mut(token).map(|issued| issued.revoked = true).is_some()
    }

    /// Ends the life of every token of `app_id` now.
    pub(crate) fn expire_all(&mut self, app_id: &str, now: Instant) {
        for issued in self.issued.values_mut().filter(|issued| &*issued.app_id == app_id) {
            issued.expires_at = Some(now);
        }
    }

    /// Judges the value of an `Authorization` header.
    pub(crate) fn judge(&self, authorization: Option<&str>, now: Instant) -> Seen {
        let bearer = authorization.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim);
        let Some(token) = bearer.filter(|token| !token.is_empty()) else {
            return Seen::unknown(Flaw::Missing);
        };
        match self.issued.get(token) {
            None => Seen::unknown(flaw_of_stranger(token)),
            Some(issued) => Seen {
                app_id: Some(Arc::clone(&issued.app_id)),
                generation: Some(issued.generation),
                flaw: flaw_of_issued(token, issued, now),
            },
        }
    }
}

fn flaw_of_stranger(token: &str) -> Flaw {
    match token.get(..2) {
        Some("t-") => Flaw::Tenant,
        Some("u-" | "ey") => Flaw::User,
        Some("a-") => Flaw::App,
        _ => Flaw::WrongPrefix,
    }
}

fn flaw_of_issued(token: &str, issued: &Issued, now: Instant) -> Option<Flaw> {
    let expired = issued.remaining(now).is_zero();
    match token.starts_with("u-") {
        true if issued.revoked => Some(Flaw::User),
        true if expired => Some(Flaw::UserExpired),
        false if issued.revoked || expired => Some(Flaw::Tenant),
        _ => None,
    }
}

/// Has the form of a true one, and a word that stands nowhere else, to be recognised where it should not be.
fn token_text(app_id: &str, generation: u64) -> String {
    let high = seed::mix(generation, app_id);
    let low = seed::mix(high, app_id);
    format!("t-simulated.{high:016x}{low:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        lifetime: Duration::from_secs(7200),
        renew_below: Duration::from_secs(1800),
        reissue_revoked: false,
    };

    fn app() -> Arc<str> {
        Arc::from("cli_a")
    }

    fn flaw(book: &TokenBook, token: &str, now: Instant) -> Option<Flaw> {
        book.judge(Some(&format!("Bearer {token}")), now).flaw
    }

    #[test]
    fn the_same_token_until_thirty_minutes_are_left() {
        let (mut book, start) = (TokenBook::default(), Instant::now());
        let (first, left) = book.issue(&app(), RULES, start);
        assert_eq!(left, RULES.lifetime);
        let (again, left) = book.issue(&app(), RULES, start + Duration::from_secs(5400));
        assert_eq!((&again, left), (&first, Duration::from_secs(1800)));
        let later = start + Duration::from_secs(5401);
        let (second, left) = book.issue(&app(), RULES, later);
        assert_ne!(second, first);
        assert_eq!(left, RULES.lifetime);
        assert_eq!(flaw(&book, &first, later), None, "both stay valid");
        assert_eq!(book.judge(Some(&format!("Bearer {second}")), later).generation, Some(2));
    }

    #[test]
    fn a_token_ends() {
        let (mut book, start) = (TokenBook::default(), Instant::now());
        let (token, _) = book.issue(&app(), RULES, start);
        let end = start + RULES.lifetime;
        assert_eq!(flaw(&book, &token, end - Duration::from_millis(1)), None);
        assert_eq!(flaw(&book, &token, end), Some(Flaw::Tenant));
        let seen = book.judge(Some(&format!("Bearer {token}")), end);
        assert_eq!(seen.app_id.as_deref(), Some("cli_a"), "an expired token still names its app");
    }

    #[test]
    fn revoking_brings_a_new_token_or_the_dead_one_by_switch() {
        let (mut book, now) = (TokenBook::default(), Instant::now());
        let (first, _) = book.issue(&app(), RULES, now);
        book.revoke_all("cli_b");
        assert_eq!(flaw(&book, &first, now), None);
        book.revoke_all("cli_a");
        assert_eq!(flaw(&book, &first, now), Some(Flaw::Tenant));
        let stubborn = Rules { reissue_revoked: true, ..RULES };
        assert_eq!(book.issue(&app(), stubborn, now).0, first);
        let (second, _) = book.issue(&app(), RULES, now);
        assert_ne!(second, first);
        assert_eq!(flaw(&book, &second, now), None);
    }

    #[test]
    fn strangers_are_distinguished_by_prefix() {
        let (book, now) = (TokenBook::default(), Instant::now());
        assert_eq!(book.judge(None, now).flaw, Some(Flaw::Missing));
        assert_eq!(book.judge(Some("t-abc"), now).flaw, Some(Flaw::Missing));
        assert_eq!(flaw(&book, "", now), Some(Flaw::Missing));
        assert_eq!(flaw(&book, "t-abc", now), Some(Flaw::Tenant));
        assert_eq!(flaw(&book, "u-abc", now), Some(Flaw::User));
        assert_eq!(flaw(&book, "eyJhbGciOi", now), Some(Flaw::User));
        assert_eq!(flaw(&book, "a-abc", now), Some(Flaw::App));
        assert_eq!(flaw(&book, "ß", now), Some(Flaw::WrongPrefix));
    }

    #[test]
    fn fixed_user_tokens_live_until_revoked() {
        let (mut book, now) = (TokenBook::default(), Instant::now());
        book.accept("u-fixed", &app());
        assert_eq!(flaw(&book, "u-fixed", now + Duration::from_secs(1 << 30)), None);
        book.expire_all("cli_a", now);
        assert_eq!(flaw(&book, "u-fixed", now), Some(Flaw::UserExpired));
        assert!(book.revoke("u-fixed"));
        assert_eq!(flaw(&book, "u-fixed", now), Some(Flaw::User));
        assert!(!book.revoke("u-other"));
    }
}
