//! How an app does, and its trouble in words: the one form in which log, status, health, progress and the service
//! manager's line show it.

use std::borrow::Cow;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use strum::{EnumString, IntoStaticStr};

use super::escape::escape;
use super::failure::NO_ANSWER;
use super::words::span;
use super::{Endpoint, ErrorKind, PauseEnd, PauseReason, WallTime};

/// How an app does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
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
    pub fn as_str(self) -> &'static str {
        self.into()
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
}

/// By its name, which no reason shares with a kind.
impl FromStr for TroubleCause {
    type Err = strum::ParseError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        name.parse().map(Self::App).or_else(|_| name.parse().map(Self::Calls))
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
    pub fn from_calls(condition: AppCondition, endpoint: Endpoint, kind: ErrorKind, since: WallTime) -> Self {
        let cause = TroubleCause::Calls(kind);
        Self { condition, endpoint, cause, message: None, since, until: None, next: None }
    }

    /// The same with what the server, or the network, said last.
    #[must_use]
    pub fn with_message(self, message: Option<Box<str>>) -> Self {
        Self { message, ..self }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Cow<'static, str> {
        match self.cause {
            TroubleCause::App(reason) => reason.hint_at(self.endpoint),
            TroubleCause::Calls(ErrorKind::MalformedAnswer) => NO_ANSWER.into(),
            TroubleCause::Calls(kind) => kind.hint().into(),
        }
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

    /// "paused 38 s: rate limit", "degraded for 74 s: server not reached: connection refused". With a time zone the end
    /// of a pause is named by the clock, and how long it has lasted: "paused until 14:02 (38 s): rate limit".
    #[must_use]
    pub fn summary(&self, now: WallTime, zone: Option<&TimeZone>) -> String {
        let lasts = span(now.since(self.since));
        let state = match (self.condition, self.until, zone) {
            (AppCondition::Active, ..) => format!("in trouble for {lasts}"),
            (AppCondition::Degraded, ..) => format!("degraded for {lasts}"),
            (AppCondition::Paused, Some(until), _) if until <= now => "paused, about to go on".to_owned(),
            (AppCondition::Paused, Some(until), None) => format!("paused {}", span(until.since(now))),
            (AppCondition::Paused, Some(until), Some(zone)) => {
                format!("paused until {} ({})", clock(until, now, zone), span(until.since(now)))
            }
            (AppCondition::Paused, None, None) => format!("paused, {}", self.next_try(now)),
            (AppCondition::Paused, None, Some(_)) => format!("paused for {lasts}, {}", self.next_try(now)),
        };
        escape(&format!("{state}: {}", self.in_words())).into_owned()
    }

    fn next_try(&self, now: WallTime) -> String {
        match self.next {
            Some(next) if next > now => format!("tried again in {}", span(next.since(now))),
            _ => "being tried again".to_owned(),
        }
    }

    /// The trouble and what to do, for a line that stands for longer than a moment: "is paused: rate limit; another
    /// process …".
    #[must_use]
    pub fn summary_and_hint(&self) -> String {
        self.summary_with(&self.hint())
    }

    /// The same at the end of a batch, with what to do before the next run.
    #[must_use]
    pub fn summary_for_next_run(&self) -> String {
        match self.cause {
            TroubleCause::App(reason) => self.summary_with(&reason.hint_for_next_run(self.endpoint)),
            TroubleCause::Calls(_) => self.summary_and_hint(),
        }
    }

    fn summary_with(&self, hint: &str) -> String {
        let state = if self.stops_answers() { self.condition.as_str() } else { "in trouble" };
        escape(&format!("is {state}: {}; {hint}", self.in_words())).into_owned()
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

    /// Less where people should look sooner: faults that need a fix come first, pauses that end by time come last.
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

/// The time of day, with the day if that is another one.
fn clock(moment: WallTime, now: WallTime, zone: &TimeZone) -> String {
    let local = |moment: WallTime| {
        Timestamp::from_millisecond(moment.as_millis()).map(|moment| moment.to_zoned_datetime(zone.clone()))
    };
    let (Ok(moment), Ok(now)) = (local(moment), local(now)) else { return moment.to_string() };
    let form = if moment.date() == now.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    moment.strftime(form).to_string()
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
    use std::time::Duration;

    use super::*;

    /// Promise: a cause is found by its name, so no reason and no kind may share one.
    #[test]
    fn causes_are_known_by_their_names() {
        let reasons = PauseReason::ALL.iter().copied().map(TroubleCause::App);
        for cause in reasons.chain(ErrorKind::ALL.iter().copied().map(TroubleCause::Calls)) {
            assert_eq!(cause.as_str().parse(), Ok(cause));
        }
        let refused = "error sending request: client error (Connect): tcp connect error: refused";
        let since = WallTime::from_millis(1);
        let calls = Trouble::from_calls(AppCondition::Degraded, Endpoint::Query, ErrorKind::Network, since)
            .with_message(Some(refused.into()));
        assert_eq!(calls.in_words(), "server not reached: refused");
        for condition in [AppCondition::Active, AppCondition::Degraded, AppCondition::Paused] {
            assert_eq!(condition.as_str().parse(), Ok(condition));
        }
    }

    const NOW: WallTime = WallTime::from_millis(1_795_341_600_000);

    /// Promise: what is wrong with an app reads alike wherever it stands.
    #[test]
    fn trouble_is_in_words() {
        use PauseReason::{QuotaExhausted, RateLimited, SecretUnreadable};
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        let at = |seconds: i64| WallTime::from_millis(NOW.as_millis() + seconds * 1000);
        let pause = |reason, until: Option<i64>, next| {
            Trouble::from_pause(Endpoint::Query, reason, at(-30), until.map(at), at(next))
        };
        for (pause, long, short) in [
            (
                pause(RateLimited, Some(600), 600),
                "paused until 18:10 (10 min): rate limit",
                "paused 10 min: rate limit",
            ),
            (
                pause(RateLimited, Some(0), 0),
                "paused, about to go on: rate limit",
                "paused, about to go on: rate limit",
            ),
            (
                pause(QuotaExhausted, Some(741_600), 3600),
                "paused until 2026-12-01 08:00 (8 d): monthly quota used up",
                "paused 8 d: monthly quota used up",
            ),
            (
                pause(SecretUnreadable, None, 0),
                "paused for 30 s, being tried again: its secret can't be read",
                "paused, being tried again: its secret can't be read",
            ),
            (
                pause(SecretUnreadable, None, 240),
                "paused for 30 s, tried again in 4 min: its secret can't be read",
                "paused, tried again in 4 min: its secret can't be read",
            ),
        ] {
            assert_eq!(
                (pause.summary(NOW, Some(&zone)), pause.summary(NOW, None)),
                (long.into(), short.into())
            );
        }
        let calls = |condition| {
            let calls = Trouble::from_calls(condition, Endpoint::Token, ErrorKind::Network, at(-74));
            calls.with_message(Some("connection\nrefused".into())).summary(NOW, None)
        };
        assert_eq!(
            calls(AppCondition::Active),
            "in trouble for 74 s: server not reached: connection\\u{a}refused"
        );
        assert!(calls(AppCondition::Degraded).starts_with("degraded for 74 s: server not reached: "));
        assert_eq!(clock(NOW + Duration::MAX, NOW, &zone), WallTime::from_millis(i64::MAX).to_string());
    }
}
