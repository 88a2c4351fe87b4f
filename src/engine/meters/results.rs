//! What a poll or a renewal comes to, as words for labels.

use crate::domain::ErrorKind;
use crate::feishu::{TokenTrouble, Verdict};

/// What a poll brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PollResult {
    Pending,
    Completed,
    Failed,
    Unclear,
    Postponed,
    Network,
    ServerError,
    Throttled,
    TokenRejected,
    AppFault,
}

impl PollResult {
    /// Every result, in the order of the enum.
    pub(super) const ALL: [Self; 10] = [
        Self::Pending,
        Self::Completed,
        Self::Failed,
        Self::Unclear,
        Self::Postponed,
        Self::Network,
        Self::ServerError,
        Self::Throttled,
        Self::TokenRejected,
        Self::AppFault,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Unclear => "unclear",
            Self::Postponed => "postponed",
            Self::Network => "network",
            Self::ServerError => "server_error",
            Self::Throttled => "throttled",
            Self::TokenRejected => "token_rejected",
            Self::AppFault => "app_fault",
        }
    }

    pub(super) const fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Pending => Self::Pending,
            Verdict::Completed(_) => Self::Completed,
            Verdict::Failed(_) | Verdict::Refused => Self::Failed,
            Verdict::Unclear(_) | Verdict::Strange(_) => Self::Unclear,
            Verdict::Postponed => Self::Postponed,
            Verdict::Retry { kind: ErrorKind::Network, .. } => Self::Network,
            Verdict::Retry { .. } => Self::ServerError,
            Verdict::Throttled { .. } => Self::Throttled,
            Verdict::TokenRejected => Self::TokenRejected,
            Verdict::AppFault(_) => Self::AppFault,
        }
    }
}

/// What came of fetching an access token, or of reading one that others keep fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// Another token than before.
    Renewed,
    /// The same one.
    Unchanged,
    /// Nothing, for a reason that passes.
    Failed,
    /// The server counts too many requests.
    Throttled,
    /// Nothing, by the app's fault.
    Refused,
}

impl Renewal {
    /// Every outcome, in the order of the enum.
    pub(super) const ALL: [Self; 5] =
        [Self::Renewed, Self::Unchanged, Self::Failed, Self::Throttled, Self::Refused];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Renewed => "renewed",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Throttled => "throttled",
            Self::Refused => "refused",
        }
    }
}

impl From<TokenTrouble> for Renewal {
    fn from(trouble: TokenTrouble) -> Self {
        match trouble {
            TokenTrouble::Retry(_) => Self::Failed,
            TokenTrouble::Throttled { .. } => Self::Throttled,
            TokenTrouble::AppFault(_) => Self::Refused,
        }
    }
}
