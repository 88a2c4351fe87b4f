//! Why an app's tickets are not polled for a while, what ends it and what a person can do.

use std::fmt;

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
    /// No Feishu API answers at the base URL.
    WrongBaseUrl,
    /// Every ticket is refused for want of permission: another app may have created the jobs.
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

impl PauseReason {
    /// Every reason.
    pub const ALL: [Self; 13] = [
        Self::RateLimited,
        Self::QuotaExhausted,
        Self::CredentialsRejected,
        Self::SecretUnreadable,
        Self::TokenTypeUnsupported,
        Self::ScopeMissing,
        Self::UserAuthorizationNeeded,
        Self::AppUnavailable,
        Self::IpNotAllowed,
        Self::AccessPolicyDenied,
        Self::PlanLimitReached,
        Self::WrongBaseUrl,
        Self::WrongIdentity,
    ];

    /// The name in log and status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::CredentialsRejected => "credentials_rejected",
            Self::SecretUnreadable => "secret_unreadable",
            Self::TokenTypeUnsupported => "token_type_unsupported",
            Self::ScopeMissing => "scope_missing",
            Self::UserAuthorizationNeeded => "user_authorization_needed",
            Self::AppUnavailable => "app_unavailable",
            Self::IpNotAllowed => "ip_not_allowed",
            Self::AccessPolicyDenied => "access_policy_denied",
            Self::PlanLimitReached => "plan_limit_reached",
            Self::WrongBaseUrl => "wrong_base_url",
            Self::WrongIdentity => "wrong_identity",
        }
    }

    /// The reason of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// The same for a line that people read, in a few words.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::RateLimited => "rate limit",
            Self::QuotaExhausted => "monthly quota used up",
            Self::CredentialsRejected => "app id, secret or token is wrong",
            Self::SecretUnreadable => "its secret can't be read",
            Self::TokenTypeUnsupported => "wrong kind of access token",
            Self::ScopeMissing => "API scope not granted",
            Self::UserAuthorizationNeeded => "not authorised by its user",
            Self::AppUnavailable => "app disabled or not installed",
            Self::IpNotAllowed => "this machine's address is not allowed",
            Self::AccessPolicyDenied => "denied by the tenant's access policy",
            Self::PlanLimitReached => "not in the tenant's plan",
            Self::WrongBaseUrl => "no API at its base_url",
            Self::WrongIdentity => "its tickets belong to another app",
        }
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

    /// What to do about it, in one sentence for an operator.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::RateLimited => {
                "another process spends from the same budget, or rate_limit is set too high; polling goes on by itself"
            }
            Self::QuotaExhausted => {
                "the tenant's monthly API quota is used up; buy more calls or wait for the 1st, files that end meanwhile are lost"
            }
            Self::CredentialsRejected => {
                "put the right app_id and secret (or a fresh access token) in place; files are read again by themselves"
            }
            Self::SecretUnreadable => {
                "make the secret readable for the user the watcher runs as; it is read again by itself"
            }
            Self::TokenTypeUnsupported => {
                "give the app a token of the kind the export API takes: tenant (t-…) or user (u-…)"
            }
            Self::ScopeMissing => {
                "in the developer console grant the scope docs:document:export or drive:export:readonly and publish a version"
            }
            Self::UserAuthorizationNeeded => {
                "the user must authorise the app again with the scope docs:document:export or drive:export:readonly"
            }
            Self::AppUnavailable => "in the admin console enable the app and install it in the tenant",
            Self::IpNotAllowed => {
                "in the developer console, under security settings, add this machine's public address to the IP allow-list"
            }
            Self::AccessPolicyDenied => {
                "the tenant's access-control policy blocks this identity; ask its administrator"
            }
            Self::PlanLimitReached => {
                "the tenant's plan or licence does not include this call; ask its administrator"
            }
            Self::WrongBaseUrl => {
                "base_url must be https://open.feishu.cn or https://open.larksuite.com, whichever the app belongs to"
            }
            Self::WrongIdentity => {
                "only the app or user that created a job may query it; check that these tickets belong to this app, then send SIGHUP"
            }
        }
    }
}

impl fmt::Display for PauseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_hints_are_given() {
        let names: std::collections::HashSet<_> =
            PauseReason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), PauseReason::ALL.len());
        assert!(PauseReason::ALL.iter().all(|reason| !reason.hint().is_empty()));
        let words: std::collections::HashSet<_> =
            PauseReason::ALL.iter().map(|reason| reason.in_words()).collect();
        assert_eq!(words.len(), PauseReason::ALL.len());
    }
}
