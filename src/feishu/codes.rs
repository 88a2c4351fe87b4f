//! What a `code` of the envelope means, whatever the HTTP status. Sources: query and create export
//! task (error codes), generic error codes, rate limits, the pages on tokens and on the call quota.

use super::verdict::Pace;
use crate::domain::{ErrorKind, PauseReason};

/// What a code says about the job, the server, the access token or the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The ticket is past help.
    Failed(ErrorKind),
    /// The server is in trouble.
    ServerTrouble(Pace),
    /// The data is elsewhere for now.
    Postponed,
    /// Too many requests.
    Throttled,
    /// The access token is bad.
    TokenRejected,
    /// The app's configuration, or its tenant's, stands in the way.
    App(PauseReason),
}

/// The meaning of a code that is not zero; none for one that is not listed. `said` are the answer's
/// messages, which tell two meanings of one code apart in the two cases where nothing else does.
pub(super) fn meaning(code: i64, said: &[&str]) -> Option<Meaning> {
    use Meaning::{App, ServerTrouble, Throttled, TokenRejected};
    if let Some(kind) = ErrorKind::of_code(code) {
        return Some(Meaning::Failed(kind));
    }
    Some(match code {
        1_069_901 => ServerTrouble(Pace::Usual),
        // The data has moved to a private data centre, "retry later" (comes with HTTP 200).
        600 => Meaning::Postponed,
        // Internal errors for which the platform asks callers to slow down.
        1500 | 1642 | 1663 | 1668 | 2200 | 5000 | 10_101 | 10_105 | 55_001 | 1_061_045 => {
            ServerTrouble(Pace::Slow)
        }
        99_991_400 | 1_069_923 | 90_217 | 1_000_004 | 1_000_005 => Throttled,
        // By its generic meaning, "bad request", 9499 says nothing certain about the ticket.
        9499 if said.iter().any(|text| is_too_many_requests(text)) => Throttled,
        99_991_403 => App(PauseReason::QuotaExhausted),
        99_991_663 | 99_991_668 if said.iter().any(|text| is_not_supported(text)) => {
            App(PauseReason::TokenTypeUnsupported)
        }
        99_991_663 | 99_991_664 | 99_991_665 | 99_991_668 | 99_991_671 | 99_991_677 => TokenRejected,
        // The same from older services.
        4001 | 20_005 | 20_006 | 20_013 => TokenRejected,
        // No token was seen: a new one would change nothing.
        99_991_661 => App(PauseReason::CredentialsRejected),
        99_991_672 | 99_991_676 => App(PauseReason::ScopeMissing),
        99_991_679 => App(PauseReason::UserAuthorizationNeeded),
        99_991_662 | 99_991_673 => App(PauseReason::AppUnavailable),
        // Next to the rate limit's number, but none: the caller's address is not on the allow-list.
        99_991_401 => App(PauseReason::IpNotAllowed),
        21_000 | 21_001 => App(PauseReason::AccessPolicyDenied),
        90_003_087 | 90_003_088 => App(PauseReason::PlanLimitReached),
        _ => return None,
    })
}

/// The same for the token endpoint, which has codes of its own.
pub(super) fn token_meaning(code: i64, said: &[&str]) -> Option<Meaning> {
    Some(match code {
        // 10014 is documented as "app disabled" and seen as "no such app".
        10_003 | 10_005 | 10_012 | 10_013 | 10_014 | 10_015 | 20_002 | 20_048 | 20_070 | 99_991_543 => {
            Meaning::App(PauseReason::CredentialsRejected)
        }
        20_009 | 20_069 => Meaning::App(PauseReason::AppUnavailable),
        20_050 | 20_072 => Meaning::ServerTrouble(Pace::Usual),
        _ => return meaning(code, said),
    })
}

/// The one wording that makes 9499 a throttle, whatever its case, spaces and final dot.
fn is_too_many_requests(text: &str) -> bool {
    let text = text.trim().trim_end_matches(['.', '。']).to_ascii_lowercase();
    let words: Vec<_> = text.split_whitespace().collect();
    matches!(words[..], ["too", "many", "request" | "requests"])
}

/// "user access token not support": the API takes another kind of token, so a new one won't help.
fn is_not_supported(text: &str) -> bool {
    text.to_ascii_lowercase().contains("not support")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_wording_makes_9499_a_throttle() {
        for throttle in
            ["too many request", "Too Many Requests", "  too  many\trequests. ", "TOO MANY REQUEST."]
        {
            assert_eq!(meaning(9499, &[throttle]), Some(Meaning::Throttled), "{throttle}");
        }
        for other in ["", "bad request", "too many", "too many requests in body", "toomanyrequests"] {
            assert_eq!(meaning(9499, &[other]), None, "{other}");
        }
    }
}
