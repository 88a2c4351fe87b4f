//! Why an app's tickets are not polled for a while, what ends it and what a person can do.

use std::borrow::Cow;

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use super::Endpoint;
use super::advice::Advice;
use super::advice::Help::{IfLost, No, OnceFixed, Yes};

/// Why an app is paused. The fault is the app's, never a ticket's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum PauseReason {
    /// The server counts too many requests.
    RateLimited,
    /// The month's calls are used up (99991403).
    QuotaExhausted,
    /// What the configuration leaves of the month's calls is kept for exports that were started.
    QuotaReserved,
    /// App id, secret or access token is wrong.
    CredentialsRejected,
    /// The secret can't be read from where the configuration says it lies.
    SecretUnreadable,
    /// The API does not take this kind of access token.
    TokenTypeUnsupported,
    /// The app lacks the API scope.
    ScopeMissing,
    /// The user has not granted the scope.
    UserAuthorizationNeeded,
    /// The app is disabled or not installed in the tenant.
    AppUnavailable,
    /// This machine's address is not on the app's allow-list.
    IpNotAllowed,
    /// The tenant's access policy blocks the identity.
    AccessPolicyDenied,
    /// The tenant's plan or licence does not include the call.
    PlanLimitReached,
    /// The API at the base URL does not know the request's path.
    WrongBaseUrl,
    /// Every ticket is refused, and none was ever answered: another app seems to have created the jobs.
    WrongIdentity,
}

/// What ends a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseEnd {
    /// The time that the server named, or a growing one.
    Time,
    /// An accepted answer to an hourly probe, at the latest in the new month.
    Quota,
    /// An accepted answer to a probe: the configuration needs a fix.
    Repair,
}

/// The scopes as the table names them, for endpoints of every kind.
const SCOPES: &str =
    "docs:document:export or drive:export:readonly (for wiki nodes wiki:node:read or wiki:node:retrieve)";

/// How the hints end that speak of a watcher which runs on.
const OF_A_SERVICE: [&str; 5] = [
    "; files are read again at once after SIGHUP, all else at a restart",
    "; files are read again by themselves, at once after SIGHUP, systemd's credentials at a restart",
    "; it is tried again by itself, at once after SIGHUP",
    ", then send SIGHUP",
    ", then restart",
];

type Row = (PauseReason, &'static str, Advice);

/// Reason; a few words; whether waiting helps, whether a new export does; what it means; what to do. The names of pages are those of
/// the platform's two consoles: for developers (open.feishu.cn/app, open.larksuite.com/app) and for administrators.
#[rustfmt::skip]
const TABLE: [Row; 14] = [
    (PauseReason::RateLimited, "rate limit", Advice::new(Yes, No,
        "The server counts more requests of this app than it allows. Nothing is sent until the time that it named; without one for 60 s, then doubling up to 10 minutes.",
        "another process spends from the same budget, or rate_limit is set too high; polling goes on by itself")),
    (PauseReason::QuotaExhausted, "monthly quota used up", Advice::new(Yes, IfLost,
        "The tenant's API calls of this month are used up. One request an hour finds out whether there are more. Files of jobs that end meanwhile are lost.",
        "the tenant's monthly API quota is used up; let its administrator buy more calls, or wait for the 1st; files that end meanwhile are lost and want a new export")),
    (PauseReason::QuotaReserved, "monthly calls kept for started exports", Advice::new(Yes, No,
        "The rest of the month's calls, as far as monthly_calls allows them, is kept for exports that were started: these are polled and their files fetched. No other export is started before the 1st.",
        "raise monthly_calls of the tenant in watcher.toml if there are more calls, then restart; or wait for the 1st")),
    (PauseReason::CredentialsRejected, "app id, secret or token is wrong", Advice::new(OnceFixed, IfLost,
        "The app id, its secret or the access token is wrong.",
        "put the right app_id and secret (Developer Console > Credentials & Basic Info) or a fresh access token in place; base_url is https://open.feishu.cn for an app of Feishu, https://open.larksuite.com for one of Lark; files are read again at once after SIGHUP, all else at a restart")),
    (PauseReason::SecretUnreadable, "its secret can't be read", Advice::new(OnceFixed, IfLost,
        "The secret can't be read from where watcher.toml says it lies.",
        "put the secret where watcher.toml says it lies, readable for the user the watcher runs as; `feishu-export-watcher check`, run as that user, says what is wrong; files are read again by themselves, at once after SIGHUP, systemd's credentials at a restart")),
    (PauseReason::TokenTypeUnsupported, "wrong kind of access token", Advice::new(OnceFixed, IfLost,
        "The export API does not take this kind of access token.",
        "give the app a token of the kind the export API takes: tenant (t-…) or user (u-…), of a custom app")),
    (PauseReason::ScopeMissing, "API scope not granted", Advice::new(OnceFixed, IfLost,
        "The app, or its access token, lacks the API scope for exports, or the one for wiki nodes.",
        "in Developer Console > Permissions & Scopes add docs:document:export or drive:export:readonly (for wiki nodes wiki:node:read or wiki:node:retrieve), then publish a version under Version Management & Release; it is tried again by itself, at once after SIGHUP")),
    (PauseReason::UserAuthorizationNeeded, "not authorised by its user", Advice::new(OnceFixed, IfLost,
        "The user for whom the app acts has not granted it the API scope for exports, or the one for wiki nodes.",
        "let the user authorise the app again with the scope docs:document:export or drive:export:readonly (for wiki nodes wiki:node:read or wiki:node:retrieve), and put the new access token in place")),
    (PauseReason::AppUnavailable, "app disabled or not installed", Advice::new(OnceFixed, IfLost,
        "The app is disabled, or it is not installed in the tenant.",
        "in Admin Console > Workplace > App Management enable the app; if no version of it was ever published: Developer Console > Version Management & Release; it is tried again by itself, at once after SIGHUP")),
    (PauseReason::IpNotAllowed, "this machine's address is not allowed", Advice::new(OnceFixed, IfLost,
        "The app takes requests only from the addresses on its list, and this machine's is not among them.",
        "in Developer Console > Security Settings > IP Whitelist add this machine's public IPv4 address; it is tried again by itself, at once after SIGHUP")),
    (PauseReason::AccessPolicyDenied, "denied by the tenant's access policy", Advice::new(OnceFixed, IfLost,
        "The tenant's access-control policy blocks the app, or the user it acts for.",
        "the tenant's access-control policy blocks this identity; ask its administrator to allow it")),
    (PauseReason::PlanLimitReached, "not in the tenant's plan", Advice::new(OnceFixed, IfLost,
        "The tenant's plan or licence does not include the call, or not as often.",
        "the tenant's plan or licence does not include this call; ask its administrator for one that does")),
    (PauseReason::WrongBaseUrl, "no API at its base_url", Advice::new(OnceFixed, IfLost,
        "The export API is not at base_url: no Feishu API answers there, or one that knows no exports, or the app belongs to the other platform.",
        "in watcher.toml set base_url to https://open.feishu.cn or https://open.larksuite.com, whichever the app belongs to, then restart")),
    (PauseReason::WrongIdentity, "its tickets belong to another app", Advice::new(OnceFixed, IfLost,
        "Every open ticket was asked about, ten or more are refused (code 1069902), and this app id never got a proper answer. Only the app or user that created a job may query it, and that seems to be another one. The tickets stay pending and are asked again every five minutes.",
        "list these tickets under the app that created them; or, if the documents are closed to this app, add it to them (… > More > Add document app), then send SIGHUP")),
];

impl PauseReason {
    /// Every reason.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The name in log and status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The same for a line that people read, in a few words.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        self.row().1
    }

    /// What ends the pause.
    #[must_use]
    pub const fn ended_by(self) -> PauseEnd {
        match self {
            Self::RateLimited => PauseEnd::Time,
            Self::QuotaExhausted | Self::QuotaReserved => PauseEnd::Quota,
            _ => PauseEnd::Repair,
        }
    }

    /// What it means and what helps.
    #[must_use]
    pub const fn advice(self) -> &'static Advice {
        &self.row().2
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        self.advice().hint
    }

    /// The same where an endpoint refused: it names the scopes of this endpoint alone.
    #[must_use]
    pub fn hint_at(self, endpoint: Endpoint) -> Cow<'static, str> {
        match (endpoint.scopes(), self.hint().split_once(SCOPES)) {
            (Some(scopes), Some((before, after))) => format!("{before}{scopes}{after}").into(),
            _ => self.hint().into(),
        }
    }

    /// The same where no watcher runs on: before a run, or at the end of a batch.
    #[must_use]
    pub fn hint_for_next_run(self, endpoint: Endpoint) -> Cow<'static, str> {
        let hint = self.hint_at(endpoint);
        if self.ended_by() != PauseEnd::Repair {
            return hint;
        }
        let fix = OF_A_SERVICE.iter().find_map(|end| hint.strip_suffix(end)).unwrap_or(&hint);
        format!("{fix}; then run again").into()
    }

    const fn row(self) -> &'static Row {
        // The table lists the reasons in the order of the enum; a test holds it to that.
        &TABLE[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::domain::advice::assert_well_formed;

    /// Promise: every reason is explained, and says what to do.
    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        assert!(TABLE.iter().map(|row| &row.0).eq(PauseReason::ALL));
        for (reason, _, advice) in &TABLE {
            assert_well_formed(reason.as_str(), advice);
        }
        let words: HashSet<_> = TABLE.iter().map(|row| row.1).collect();
        assert_eq!(words.len(), TABLE.len());
    }

    /// Promise: where no watcher runs on, advice speaks of the next run and of no signal.
    #[test]
    fn a_batch_is_run_again() {
        for reason in PauseReason::ALL.iter().filter(|reason| reason.ended_by() == PauseEnd::Repair) {
            let hint = reason.hint_for_next_run(Endpoint::Query);
            assert!(hint.ends_with("; then run again"), "{hint}");
            assert!(!hint.contains("SIGHUP") && !hint.contains("restart"), "{hint}");
        }
    }

    /// Promise: a hint names the scopes that the refused request needs, and no others.
    #[test]
    fn scopes_are_those_of_the_endpoint() {
        use PauseReason::{ScopeMissing, UserAuthorizationNeeded};
        for endpoint in Endpoint::ALL {
            let is_named = |text: &str, scope: &str| text.contains(scope);
            for reason in [ScopeMissing, UserAuthorizationNeeded] {
                let hint = reason.hint_at(*endpoint);
                let (export, node) = (is_named(&hint, "document:export"), is_named(&hint, "wiki:node:read"));
                let expected =
                    [*endpoint != Endpoint::Node, [Endpoint::Node, Endpoint::Token].contains(endpoint)];
                assert_eq!([export, node], expected, "{hint}");
                assert!(endpoint.scopes().is_none_or(|scopes| SCOPES.contains(scopes)));
            }
            assert_eq!(PauseReason::RateLimited.hint_at(*endpoint), PauseReason::RateLimited.hint());
        }
    }
}
