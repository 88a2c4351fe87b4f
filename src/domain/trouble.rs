//! How an app does, and its trouble in words: the one form in which log, status, health, progress and the service
//! manager's line show it.

use super::failure::NO_ANSWER;
use super::{Endpoint, ErrorKind, PauseEnd, PauseReason, WallTime};

/// How an app does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AppCondition {
    /// Its tickets are polled. It may be in trouble that has not yet changed that.
    Active,
    /// Its requests fail one after the other; they go on.
    Degraded,
    /// Its tickets are not polled.
    Paused,
}

impl AppCondition {
    /// The name in status and state file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Degraded => "degraded",
            Self::Paused => "paused",
        }
    }

    /// The condition of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Active, Self::Degraded, Self::Paused].into_iter().find(|it| it.as_str() == name)
    }
}

/// What an app's trouble is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TroubleCause {
    /// Something about the app itself.
    App(PauseReason),
    /// Its calls fail.
    Calls(ErrorKind),
}

impl TroubleCause {
    /// The name in status and state file: that of the reason or of the kind.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::App(reason) => reason.as_str(),
            Self::Calls(kind) => kind.as_str(),
        }
    }

    /// The cause of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let kind = || ErrorKind::parse(name).map(Self::Calls);
        PauseReason::parse(name).map(Self::App).or_else(kind)
    }

    /// The same for a line that people read, in a few words.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::App(reason) => reason.in_words(),
            Self::Calls(ErrorKind::Network) => "server not reached",
            Self::Calls(ErrorKind::ServerError) => "server in trouble",
            Self::Calls(ErrorKind::MalformedAnswer) => "answers are not the API's",
            Self::Calls(ErrorKind::UnknownCode) => "refused with an unknown code",
            Self::Calls(kind) => kind.as_str(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::App(reason) => reason.hint(),
            Self::Calls(ErrorKind::MalformedAnswer) => NO_ANSWER,
            Self::Calls(kind) => kind.hint(),
        }
    }
}

/// An app's trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What it does to the app.
    pub condition: AppCondition,
    /// Which requests it was met with.
    pub endpoint: Endpoint,
    /// What it is.
    pub cause: TroubleCause,
    /// What the server, or the network, said last.
    pub message: Option<Box<str>>,
    /// Since when.
    pub since: WallTime,
    /// When it ends, if that is known.
    pub until: Option<WallTime>,
    /// When a pause ends by itself, or when it is next tried whether it is over; none where requests go on.
    pub next: Option<WallTime>,
}

impl Trouble {
    /// A pause.
    #[must_use]
    pub const fn from_pause(
        endpoint: Endpoint,
        reason: PauseReason,
        since: WallTime,
        until: Option<WallTime>,
        next: WallTime,
    ) -> Self {
        let (condition, cause) = (AppCondition::Paused, TroubleCause::App(reason));
        Self { condition, endpoint, cause, message: None, since, until, next: Some(next) }
    }

    /// Refused tickets that seem to belong to another app.
    #[must_use]
    pub const fn from_suspicion(since: WallTime) -> Self {
        let (condition, endpoint) = (AppCondition::Degraded, Endpoint::Query);
        let cause = TroubleCause::App(PauseReason::WrongIdentity);
        Self { condition, endpoint, cause, message: None, since, until: None, next: None }
    }

    /// Calls that fail one after the other.
    #[must_use]
    pub const fn from_calls(
        condition: AppCondition,
        endpoint: Endpoint,
        kind: ErrorKind,
        since: WallTime,
    ) -> Self {
        let cause = TroubleCause::Calls(kind);
        Self { condition, endpoint, cause, message: None, since, until: None, next: None }
    }

    /// The same with what the server, or the network, said last.
    #[must_use]
    pub fn with_message(self, message: Option<Box<str>>) -> Self {
        Self { message, ..self }
    }

    /// "server not reached: connection refused".
    #[must_use]
    pub fn in_words(&self) -> String {
        let words = self.cause.in_words();
        match &self.message {
            // The message says by itself that the answer is a page.
            Some(message) if self.cause == TroubleCause::Calls(ErrorKind::MalformedAnswer) => {
                message.to_string()
            }
            Some(message) if self.pause().is_none_or(|reason| reason.ended_by() == PauseEnd::Repair) => {
                // More follows in most places where this is shown.
                format!("{words}: {}", without_layers(message).trim_end_matches('.'))
            }
            _ => words.to_owned(),
        }
    }

    /// Whether the app's tickets get no proper answers.
    #[must_use]
    pub fn stops_answers(&self) -> bool {
        self.condition != AppCondition::Active
    }

    /// Why the app is paused, if it is.
    #[must_use]
    pub fn pause(&self) -> Option<PauseReason> {
        match (self.condition, self.cause) {
            (AppCondition::Paused, TroubleCause::App(reason)) => Some(reason),
            _ => None,
        }
    }

    /// Less where somebody should look sooner: what has to be fixed comes first, what time ends comes last.
    #[must_use]
    pub fn urgency(&self) -> u8 {
        match self.pause().map(PauseReason::ended_by) {
            Some(PauseEnd::Repair) => 0,
            Some(PauseEnd::Quota) => 1,
            None if self.stops_answers() => 2,
            Some(PauseEnd::Time) => 3,
            None => 4,
        }
    }
}

/// The message without the names of the layers that every failed connection passes, so that its cause comes first.
fn without_layers(message: &str) -> &str {
    const LAYERS: [&str; 6] = [
        "error sending request: ",
        "client error (Connect): ",
        "client error (SendRequest): ",
        "tunnel error: ",
        "failed to create underlying connection: ",
        "tcp connect error: ",
    ];
    LAYERS.iter().fold(message, |rest, layer| rest.strip_prefix(layer).unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: a cause is found by its name, so no reason and no kind may share one.
    #[test]
    fn causes_are_known_by_their_names() {
        let reasons = PauseReason::ALL.into_iter().map(TroubleCause::App);
        for cause in reasons.chain(ErrorKind::all().map(TroubleCause::Calls)) {
            assert_eq!(TroubleCause::parse(cause.as_str()), Some(cause));
        }
        let refused = "error sending request: client error (Connect): tcp connect error: refused";
        let since = WallTime::from_millis(1);
        let calls = Trouble::from_calls(AppCondition::Degraded, Endpoint::Query, ErrorKind::Network, since)
            .with_message(Some(refused.into()));
        assert_eq!(calls.in_words(), "server not reached: refused");
        for condition in [AppCondition::Active, AppCondition::Degraded, AppCondition::Paused] {
            assert_eq!(AppCondition::parse(condition.as_str()), Some(condition));
        }
    }
}
