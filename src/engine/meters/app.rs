//! What happens to one app and its tickets. Every handle is looked up once, when the app is set up: a poll
//! costs a few additions.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::results::{PollResult, Renewal};
use super::{counters, histograms};
use crate::domain::{AppName, Endpoint, ErrorKind, PauseReason, TicketRecord, TicketState};
use crate::feishu::{TokenTrouble, Verdict};

/// A lag within the loop's turn is none; one of minutes costs files.
const LAG_SECONDS: [f64; 14] =
    [0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 450.0, 600.0];

const POLL_SECONDS: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 30.0];

/// A minute apart, and finer where a file is all but gone or was found at once.
const SLACK_SECONDS: [f64; 14] =
    [0.0, 30.0, 60.0, 120.0, 180.0, 240.0, 300.0, 360.0, 420.0, 480.0, 540.0, 570.0, 590.0, 600.0];

/// Kinds of trouble that end no ticket as failed.
const PASSING: [ErrorKind; 4] =
    [ErrorKind::Network, ErrorKind::ServerError, ErrorKind::Throttled, ErrorKind::TokenRejected];

/// Kinds of trouble that a ticket may have had last when its time was up.
const LASTING: [ErrorKind; 5] = [
    ErrorKind::NoFileToken,
    ErrorKind::MalformedAnswer,
    ErrorKind::UnknownJobStatus,
    ErrorKind::UnknownCode,
    ErrorKind::ServerError,
];

/// The meters of all apps.
#[derive(Clone, Debug)]
pub(super) struct AppFamilies {
    requests: IntCounterVec,
    throttles: IntCounterVec,
    polls: IntCounterVec,
    lag: HistogramVec,
    duration: HistogramVec,
    pauses: IntCounterVec,
    renewals: IntCounterVec,
    finished: IntCounterVec,
    slack: HistogramVec,
}

impl AppFamilies {
    pub(super) fn new() -> prometheus::Result<Self> {
        Ok(Self {
            requests: counters(
                "requests_total",
                "Requests sent, by endpoint; each endpoint has a budget of its own.",
                &["app", "endpoint"],
            )?,
            throttles: counters(
                "throttles_total",
                "Answers that called it too many requests, by endpoint.",
                &["app", "endpoint"],
            )?,
            polls: counters("polls_total", "Polls that ended, by what they brought.", &["app", "result"])?,
            lag: histograms(
                "poll_lag_seconds",
                "From the moment a ticket was due to the sending of its poll; the app's pauses and the wait for \
                 its budget count.",
                &LAG_SECONDS,
            )?,
            duration: histograms(
                "poll_duration_seconds",
                "From the sending of a poll to its answer, or to when the wait for one was given up.",
                &POLL_SECONDS,
            )?,
            pauses: counters("pauses_total", "Pauses that began, by reason.", &["app", "reason"])?,
            renewals: counters(
                "token_renewals_total",
                "Access tokens fetched, or read where others keep them fresh, by what came of it.",
                &["app", "result"],
            )?,
            finished: counters(
                "tickets_finished_total",
                "Tickets that are polled no more, by outcome and, for failed and timed out ones, kind of error.",
                &["app", "outcome", "error_kind"],
            )?,
            slack: histograms(
                "download_slack_seconds",
                "What was left of a file's life, up to download_by, when its token became known; only where \
                 download_by is known.",
                &SLACK_SECONDS,
            )?,
        })
    }

    pub(super) fn collectors(&self) -> [Box<dyn Collector>; 9] {
        [
            Box::new(self.requests.clone()),
            Box::new(self.throttles.clone()),
            Box::new(self.polls.clone()),
            Box::new(self.lag.clone()),
            Box::new(self.duration.clone()),
            Box::new(self.pauses.clone()),
            Box::new(self.renewals.clone()),
            Box::new(self.finished.clone()),
            Box::new(self.slack.clone()),
        ]
    }

    /// One app's meters, all of them at zero from the start: what appears only with its first event has no
    /// increase by it.
    pub(super) fn of(&self, name: &AppName) -> AppMeters {
        let app = name.as_str();
        for (outcome, kind) in ends() {
            self.finished.with_label_values(&[app, outcome.as_str(), word(kind)]);
        }
        AppMeters {
            app: name.clone(),
            requests: each(&self.requests, app, Endpoint::ALL.map(Endpoint::as_str)),
            throttles: each(&self.throttles, app, Endpoint::ALL.map(Endpoint::as_str)),
            polls: each(&self.polls, app, PollResult::ALL.map(PollResult::as_str)),
            lag: self.lag.with_label_values(&[app]),
            duration: self.duration.with_label_values(&[app]),
            pauses: each(&self.pauses, app, PauseReason::ALL.map(PauseReason::as_str)),
            renewals: each(&self.renewals, app, Renewal::ALL.map(Renewal::as_str)),
            finished: self.finished.clone(),
            slack: self.slack.with_label_values(&[app]),
        }
    }
}

/// The meters of one app. An array has a place for each value of its enum, in the enum's order.
#[derive(Clone, Debug)]
pub(in crate::engine) struct AppMeters {
    app: AppName,
    requests: [IntCounter; Endpoint::ALL.len()],
    throttles: [IntCounter; Endpoint::ALL.len()],
    polls: [IntCounter; PollResult::ALL.len()],
    lag: Histogram,
    duration: Histogram,
    pauses: [IntCounter; PauseReason::ALL.len()],
    renewals: [IntCounter; Renewal::ALL.len()],
    finished: IntCounterVec,
    slack: Histogram,
}

impl AppMeters {
    /// A request goes out.
    pub(in crate::engine) fn request_sent(&self, endpoint: Endpoint) {
        self.requests[endpoint as usize].inc();
    }

    /// A poll goes out, so long after its ticket was due.
    pub(in crate::engine) fn poll_sent(&self, lag: Duration) {
        self.lag.observe(lag.as_secs_f64());
    }

    /// A poll ended, so long after it went out.
    pub(in crate::engine) fn poll_ended(&self, verdict: &Verdict, took: Duration) {
        self.polls[PollResult::of(verdict) as usize].inc();
        self.duration.observe(took.as_secs_f64());
    }

    /// The server counts too many requests.
    pub(in crate::engine) fn throttled(&self, endpoint: Endpoint) {
        self.throttles[endpoint as usize].inc();
    }

    /// A pause began, or has a new reason.
    pub(in crate::engine) fn paused(&self, reason: PauseReason) {
        self.pauses[reason as usize].inc();
    }

    /// An access token was fetched or read.
    pub(in crate::engine) fn token_granted(&self, is_new: bool) {
        let renewal = if is_new { Renewal::Renewed } else { Renewal::Unchanged };
        self.renewals[renewal as usize].inc();
    }

    /// An access token could not be fetched or read.
    pub(in crate::engine) fn token_failed(&self, trouble: TokenTrouble) {
        self.renewals[Renewal::from(trouble) as usize].inc();
    }

    /// A ticket got its verdict, and is as it says.
    pub(in crate::engine) fn finished(&self, ticket: &TicketRecord) {
        let told = matches!(ticket.state, TicketState::Failed | TicketState::TimedOut);
        let kind = ticket.error.as_deref().map(|error| error.kind).filter(|_| told);
        self.finished.with_label_values(&[self.app.as_str(), ticket.state.as_str(), word(kind)]).inc();
        if let (TicketState::Completed, Some(by), Some(at)) =
            (ticket.state, ticket.download_by, ticket.finished_at)
        {
            self.slack.observe(by.since(at).as_secs_f64());
        }
    }
}

fn each<const N: usize>(family: &IntCounterVec, app: &str, values: [&'static str; N]) -> [IntCounter; N] {
    values.map(|value| family.with_label_values(&[app, value]))
}

/// Every way in which a ticket can end.
fn ends() -> impl Iterator<Item = (TicketState, Option<ErrorKind>)> {
    let plain =
        [TicketState::Completed, TicketState::Removed, TicketState::TimedOut].map(|state| (state, None));
    let failed = ErrorKind::all().filter(|kind| !PASSING.contains(kind));
    let timed_out = LASTING.map(|kind| (TicketState::TimedOut, Some(kind)));
    plain.into_iter().chain(failed.map(|kind| (TicketState::Failed, Some(kind)))).chain(timed_out)
}

/// A kind as a label; an empty one counts as none.
fn word(kind: Option<ErrorKind>) -> &'static str {
    kind.map_or("", ErrorKind::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: what is counted is counted under its own name.
    #[test]
    fn arrays_are_in_the_order_of_their_enums() {
        assert!((0..).zip(Endpoint::ALL).all(|(place, endpoint)| endpoint as usize == place));
        assert!((0..).zip(PauseReason::ALL).all(|(place, reason)| reason as usize == place));
        assert!((0..).zip(PollResult::ALL).all(|(place, result)| result as usize == place));
        assert!((0..).zip(Renewal::ALL).all(|(place, renewal)| renewal as usize == place));
    }
}
