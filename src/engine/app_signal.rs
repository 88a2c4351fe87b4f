//! What an answer means for the app and the server, whatever was asked. Pure. What it means for a ticket is decided in
//! `step`.

use std::time::Duration;

use crate::domain::{ErrorKind, PauseReason};
use crate::feishu::{Answer, TokenTrouble, Verdict};

/// What an answer says of app and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AppSignal {
    /// The server answered, and app and access token are accepted.
    Answered,
    /// The call brought nothing, by no fault of the app's.
    Failed(ErrorKind),
    /// The request could not even be sent: nothing.
    Unsent,
    /// The server counts too many requests.
    Throttled {
        /// How long it wants to be left alone, if it names a time.
        reset: Option<Duration>,
    },
    /// The access token was refused.
    TokenRejected,
    /// The app's configuration is wrong.
    Fault(PauseReason),
}

impl From<&Answer> for AppSignal {
    fn from(answer: &Answer) -> Self {
        match answer.verdict {
            Verdict::Throttled { reset } => Self::Throttled { reset },
            Verdict::TokenRejected => Self::TokenRejected,
            Verdict::AppFault(reason) => Self::Fault(reason),
            Verdict::Retry { kind, .. } => Self::Failed(kind),
            Verdict::Strange(strange) => Self::Failed(strange.kind()),
            // An envelope of the API, whatever its code.
            _ if answer.detail.code.is_some() => Self::Answered,
            _ => Self::Unsent,
        }
    }
}

impl From<TokenTrouble> for AppSignal {
    fn from(trouble: TokenTrouble) -> Self {
        match trouble {
            TokenTrouble::Retry(kind) => Self::Failed(kind),
            TokenTrouble::Throttled { reset } => Self::Throttled { reset },
            TokenTrouble::AppFault(reason) => Self::Fault(reason),
        }
    }
}
