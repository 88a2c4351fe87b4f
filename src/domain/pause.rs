//! Why an app's tickets are not polled for a while, what ends it and what a person can do.

use std::fmt;

use super::advice::{Advice, Help};

/// Why an app is paused. The fault is the app's, never a ticket's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PauseReason {
    /// The server counts too many requests.
    RateLimited,
    /// The month's calls are used up (99991403).
    QuotaExhausted,
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
    /// An accepted answer to a probe: somebody has to mend the configuration.
    Repair,
}

struct Row {
    reason: PauseReason,
    name: &'static str,
    words: &'static str,
    advice: Advice,
}

const fn row(
    reason: PauseReason,
    name: &'static str,
    words: &'static str,
    waiting: Help,
    means: &'static str,
    hint: &'static str,
) -> Row {
    let new_export = match reason {
        PauseReason::RateLimited => Help::No,
        // Its tickets are polled on when the pause is over.
        _ => Help::IfLost,
    };
    Row { reason, name, words, advice: Advice { means, waiting, new_export, hint } }
}

/// Reason and name; a few words; whether waiting helps; what it means; what to do. The names of pages are those of
/// the platform's two consoles: for developers (open.feishu.cn/app, open.larksuite.com/app) and for administrators.
#[rustfmt::skip]
const TABLE: [Row; 13] = [
    row(PauseReason::RateLimited, "rate_limited", "rate limit", Help::Yes,
        "The server counts more requests of this app than it allows. Nothing is sent until the time that it named; without one for 60 s, then doubling up to 10 minutes.",
        "another process spends from the same budget, or rate_limit is set too high; polling goes on by itself"),
    row(PauseReason::QuotaExhausted, "quota_exhausted", "monthly quota used up", Help::Yes,
        "The tenant's API calls of this month are used up. One request an hour finds out whether there are more. Files of jobs that end meanwhile are lost.",
        "the tenant's monthly API quota is used up; let its administrator buy more calls, or wait for the 1st; files that end meanwhile are lost and want a new export"),
    row(PauseReason::CredentialsRejected, "credentials_rejected", "app id, secret or token is wrong", Help::OnceMended,
        "The app id, its secret or the access token is wrong.",
        "put the right app_id and secret (Developer Console > Credentials & Basic Info) or a fresh access token in place; base_url is https://open.feishu.cn for an app of Feishu, https://open.larksuite.com for one of Lark; files are read again at once after SIGHUP, all else at a restart"),
    row(PauseReason::SecretUnreadable, "secret_unreadable", "its secret can't be read", Help::OnceMended,
        "The secret can't be read from where watcher.toml says it lies.",
        "put the secret where watcher.toml says it lies, readable for the user the watcher runs as; `feishu-export-watcher check`, run as that user, says what is wrong; files are read again by themselves, at once after SIGHUP, systemd's credentials at a restart"),
    row(PauseReason::TokenTypeUnsupported, "token_type_unsupported", "wrong kind of access token", Help::OnceMended,
        "The export API does not take this kind of access token.",
        "give the app a token of the kind the export API takes: tenant (t-…) or user (u-…), of a custom app"),
    row(PauseReason::ScopeMissing, "scope_missing", "API scope not granted", Help::OnceMended,
        "The app, or its access token, lacks the API scope for exports.",
        "in Developer Console > Permissions & Scopes add docs:document:export or drive:export:readonly, then publish a version under Version Management & Release; it is tried again by itself, at once after SIGHUP"),
    row(PauseReason::UserAuthorizationNeeded, "user_authorization_needed", "not authorised by its user", Help::OnceMended,
        "The user for whom the app acts has not granted it the API scope for exports.",
        "let the user authorise the app again with the scope docs:document:export or drive:export:readonly, and put the new access token in place"),
    row(PauseReason::AppUnavailable, "app_unavailable", "app disabled or not installed", Help::OnceMended,
        "The app is disabled, or it is not installed in the tenant.",
        "in Admin Console > Workplace > App Management enable the app; if no version of it was ever published: Developer Console > Version Management & Release; it is tried again by itself, at once after SIGHUP"),
    row(PauseReason::IpNotAllowed, "ip_not_allowed", "this machine's address is not allowed", Help::OnceMended,
        "The app takes requests only from the addresses on its list, and this machine's is not among them.",
        "in Developer Console > Security Settings > IP Whitelist add this machine's public IPv4 address; it is tried again by itself, at once after SIGHUP"),
    row(PauseReason::AccessPolicyDenied, "access_policy_denied", "denied by the tenant's access policy", Help::OnceMended,
        "The tenant's access-control policy blocks the app, or the user it acts for.",
        "the tenant's access-control policy blocks this identity; ask its administrator to allow it"),
    row(PauseReason::PlanLimitReached, "plan_limit_reached", "not in the tenant's plan", Help::OnceMended,
        "The tenant's plan or licence does not include the call, or not as often.",
        "the tenant's plan or licence does not include this call; ask its administrator for one that does"),
    row(PauseReason::WrongBaseUrl, "wrong_base_url", "no API at its base_url", Help::OnceMended,
        "The export API is not at base_url: no Feishu API answers there, or one that knows no exports, or the app belongs to the other platform.",
        "in watcher.toml set base_url to https://open.feishu.cn or https://open.larksuite.com, whichever the app belongs to, then restart"),
    row(PauseReason::WrongIdentity, "wrong_identity", "its tickets belong to another app", Help::OnceMended,
        "Every open ticket was asked about, ten or more are refused (code 1069902), and this app id never got a proper answer. Only the app or user that created a job may query it, and that seems to be another one. The tickets stay pending and are asked again every five minutes.",
        "list these tickets under the app that created them; or, if the documents are closed to this app, add it to them (… > More > Add document app), then send SIGHUP"),
];

impl PauseReason {
    /// Every reason.
    pub const ALL: [Self; TABLE.len()] = {
        let mut all = [Self::RateLimited; TABLE.len()];
        let mut index = 0;
        while index < all.len() {
            all[index] = TABLE[index].reason;
            index += 1;
        }
        all
    };

    /// The name in log and status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().name
    }

    /// The reason of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// The same for a line that people read, in a few words.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        self.row().words
    }

    /// What ends the pause.
    #[must_use]
    pub const fn ended_by(self) -> PauseEnd {
        match self {
            Self::RateLimited => PauseEnd::Time,
            Self::QuotaExhausted => PauseEnd::Quota,
            _ => PauseEnd::Repair,
        }
    }

    /// What it means and what helps.
    #[must_use]
    pub const fn advice(self) -> &'static Advice {
        &self.row().advice
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        self.advice().hint
    }

    const fn row(self) -> &'static Row {
        // The table lists the reasons in the order of the enum; a test holds it to that.
        &TABLE[self as usize]
    }
}

impl fmt::Display for PauseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::domain::advice::assert_told;

    /// Promise: every reason is explained, and says what to do.
    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.reason as usize, index, "{}", row.name);
            assert_eq!(PauseReason::parse(row.name), Some(row.reason));
            assert_told(row.name, &row.advice);
        }
        let words: HashSet<_> = TABLE.iter().map(|row| row.words).collect();
        assert_eq!(words.len(), TABLE.len());
    }
}
