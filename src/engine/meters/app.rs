//! What happens to one app and its tickets.

use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec};

use super::Maker;
use super::results::{POLL_RESULTS, RENEWALS, poll_result, renewal};
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
    pub(super) fn new(maker: &Maker) -> prometheus::Result<Self> {
        Ok(Self {
            requests: maker.counters(
                "requests_total",
                "Requests sent, by endpoint; each endpoint has a budget of its own.",
                &["app", "endpoint"],
            )?,
            throttles: maker.counters(
                "throttles_total",
                "Answers that called it too many requests, by endpoint.",
                &["app", "endpoint"],
            )?,
            polls: maker.counters(
                "polls_total",
                "Polls that ended, by what they brought.",
                &["app", "result"],
            )?,
            lag: maker.histograms(
                "poll_lag_seconds",
                "From the moment a ticket was due to the sending of its poll; the app's pauses and the wait for \
                 its budget count.",
                &LAG_SECONDS,
            )?,
            duration: maker.histograms(
                "poll_duration_seconds",
                "From the sending of a poll to its answer, or to when the wait for one was given up.",
                &POLL_SECONDS,
            )?,
            pauses: maker.counters("pauses_total", "Pauses that began, by reason.", &["app", "reason"])?,
            renewals: maker.counters(
                "token_renewals_total",
                "Access tokens fetched, or read where others keep them fresh, by what came of it.",
                &["app", "result"],
            )?,
            finished: maker.counters(
                "tickets_finished_total",
                "Tickets that are polled no more, by outcome and, for failed and timed out ones, kind of error.",
                &["app", "outcome", "error_kind"],
            )?,
            slack: maker.histograms(
                "download_slack_seconds",
                "What was left of a file's life, up to download_by, when its token became known; only where \
                 download_by is known.",
                &SLACK_SECONDS,
            )?,
        })
    }

    /// One app's meters, all of them at zero from the start: what appears only with its first event has no
    /// increase by it.
    pub(super) fn for_app(&self, app: &AppName) -> AppMeters {
        let name = app.as_str();
        let each = |family: &IntCounterVec, values: &[&str]| {
            values.iter().for_each(|value| drop(family.with_label_values(&[name, value])));
        };
        let endpoints: Vec<_> = Endpoint::ALL.iter().map(|endpoint| endpoint.as_str()).collect();
        each(&self.requests, &endpoints);
        each(&self.throttles, &endpoints);
        each(&self.polls, &POLL_RESULTS);
        each(&self.pauses, &PauseReason::ALL.iter().map(|reason| reason.as_str()).collect::<Vec<_>>());
        each(&self.renewals, &RENEWALS);
        for (outcome, kind) in ends() {
            self.finished.with_label_values(&[name, outcome.as_str(), word(kind)]);
        }
        for family in [&self.lag, &self.duration, &self.slack] {
            family.with_label_values(&[name]);
        }
        AppMeters { app: app.clone(), families: self.clone() }
    }
}

/// The meters of one app.
#[derive(Clone, Debug)]
pub(in crate::engine) struct AppMeters {
    app: AppName,
    families: AppFamilies,
}

impl AppMeters {
    /// A request goes out.
    pub(in crate::engine) fn request_sent(&self, endpoint: Endpoint) {
        self.count(&self.families.requests, endpoint.as_str());
    }

    /// A poll goes out, so long after its ticket was due.
    pub(in crate::engine) fn poll_sent(&self, lag: Duration) {
        self.time(&self.families.lag, lag);
    }

    /// A poll ended, so long after it went out.
    pub(in crate::engine) fn poll_ended(&self, verdict: &Verdict, took: Duration) {
        self.count(&self.families.polls, poll_result(verdict));
        self.time(&self.families.duration, took);
    }

    /// The server counts too many requests.
    pub(in crate::engine) fn throttled(&self, endpoint: Endpoint) {
        self.count(&self.families.throttles, endpoint.as_str());
    }

    /// A pause began, or has a new reason.
    pub(in crate::engine) fn paused(&self, reason: PauseReason) {
        self.count(&self.families.pauses, reason.as_str());
    }

    /// An access token was fetched or read, a new one or the one in use, or could not be.
    pub(in crate::engine) fn fetch_ended(&self, is_new: Result<bool, TokenTrouble>) {
        self.count(&self.families.renewals, renewal(is_new));
    }

    /// A ticket got its verdict, and is as it says.
    pub(in crate::engine) fn finished(&self, ticket: &TicketRecord) {
        let has_kind = matches!(ticket.state, TicketState::Failed | TicketState::TimedOut);
        let kind = ticket.error.as_deref().map(|error| error.kind).filter(|_| has_kind);
        let labels = [self.app.as_str(), ticket.state.as_str(), word(kind)];
        self.families.finished.with_label_values(&labels).inc();
        if let (TicketState::Completed, Some(by), Some(at)) =
            (ticket.state, ticket.download_by, ticket.finished_at)
        {
            self.time(&self.families.slack, by.since(at));
        }
    }

    fn count(&self, family: &IntCounterVec, value: &str) {
        family.with_label_values(&[self.app.as_str(), value]).inc();
    }

    fn time(&self, family: &HistogramVec, duration: Duration) {
        family.with_label_values(&[self.app.as_str()]).observe(duration.as_secs_f64());
    }
}

/// Every way in which a ticket can end.
fn ends() -> impl Iterator<Item = (TicketState, Option<ErrorKind>)> {
    let plain =
        [TicketState::Completed, TicketState::Removed, TicketState::TimedOut].map(|state| (state, None));
    let failed = ErrorKind::ALL.iter().copied().filter(|kind| !PASSING.contains(kind));
    let timed_out = LASTING.map(|kind| (TicketState::TimedOut, Some(kind)));
    plain.into_iter().chain(failed.map(|kind| (TicketState::Failed, Some(kind)))).chain(timed_out)
}

/// A kind as a label; an empty one counts as none.
fn word(kind: Option<ErrorKind>) -> &'static str {
    kind.map_or("", ErrorKind::as_str)
}
