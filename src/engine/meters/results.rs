//! Words for labels: what a poll or a renewal brought.

use crate::domain::ErrorKind;
use crate::feishu::{TokenTrouble, Verdict};

/// Every word of [`poll_result`].
pub(super) const POLL_RESULTS: [&str; 10] = [
    "pending",
    "completed",
    "failed",
    "unclear",
    "postponed",
    "network",
    "server_error",
    "throttled",
    "token_rejected",
    "app_fault",
];

/// Every word of [`renewal`].
pub(super) const RENEWALS: [&str; 5] = ["renewed", "unchanged", "failed", "throttled", "refused"];

/// What a poll brought.
pub(super) const fn poll_result(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pending => "pending",
        Verdict::Completed(_) => "completed",
        Verdict::Failed(_) | Verdict::Refused => "failed",
        Verdict::Unclear(_) | Verdict::Strange(_) => "unclear",
        Verdict::Postponed => "postponed",
        Verdict::Retry { kind: ErrorKind::Network, .. } => "network",
        Verdict::Retry { .. } => "server_error",
        Verdict::Throttled { .. } => "throttled",
        Verdict::TokenRejected => "token_rejected",
        Verdict::AppFault(_) => "app_fault",
    }
}

/// What came of fetching an access token, or of reading one that others keep fresh: another than before, the same, or
/// none.
pub(super) const fn renewal(is_new: Result<bool, TokenTrouble>) -> &'static str {
    match is_new {
        Ok(true) => "renewed",
        Ok(false) => "unchanged",
        Err(TokenTrouble::Retry(_)) => "failed",
        Err(TokenTrouble::Throttled { .. }) => "throttled",
        Err(TokenTrouble::AppFault(_)) => "refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PauseReason;
    use crate::feishu::{Pace, Strange};

    /// Promise: every series is there from the start, so no word may be missing from the lists.
    #[test]
    fn the_lists_hold_every_word() {
        let (kind, reason) = (ErrorKind::Network, PauseReason::ScopeMissing);
        for verdict in [
            Verdict::Pending,
            Verdict::Completed(Box::default()),
            Verdict::Failed(kind),
            Verdict::Refused,
            Verdict::Unclear(kind),
            Verdict::Strange(Strange::Page),
            Verdict::Retry { kind, pace: Pace::Usual },
            Verdict::Retry { kind: ErrorKind::ServerError, pace: Pace::Usual },
            Verdict::Postponed,
            Verdict::Throttled { reset: None },
            Verdict::TokenRejected,
            Verdict::AppFault(reason),
        ] {
            assert!(POLL_RESULTS.contains(&poll_result(&verdict)), "{verdict:?}");
        }
        let troubles = [
            TokenTrouble::Retry(kind),
            TokenTrouble::Throttled { reset: None },
            TokenTrouble::AppFault(reason),
        ];
        for result in troubles.map(Err).into_iter().chain([Ok(true), Ok(false)]) {
            assert!(RENEWALS.contains(&renewal(result)), "{result:?}");
        }
    }
}
