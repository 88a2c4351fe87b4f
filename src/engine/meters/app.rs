//! What happens to one app and its tickets.

use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec};

use super::Meters;
use super::results::{POLL_RESULTS, RENEWALS, poll_result, renewal};
use crate::domain::{AppName, Endpoint, ErrorKind, PauseReason, TicketRecord, TicketState};
use crate::feishu::{TokenTrouble, Verdict};

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

/// The meters of one app.
#[derive(Clone, Debug)]
pub(in crate::engine) struct AppMeters {
    app: AppName,
    all: Meters,
}

impl AppMeters {
    /// One app's meters, all of them at zero from the start.
    pub(in crate::engine) fn new(all: &Meters, app: &AppName) -> Self {
        let name = app.as_str();
        let endpoints: Vec<_> = Endpoint::ALL.iter().map(|endpoint| endpoint.as_str()).collect();
        let reasons: Vec<_> = PauseReason::ALL.iter().map(|reason| reason.as_str()).collect();
        for (family, values) in [
            (&all.requests, &endpoints[..]),
            (&all.throttles, &endpoints),
            (&all.polls, &POLL_RESULTS),
            (&all.pauses, &reasons),
            (&all.renewals, &RENEWALS),
        ] {
            values.iter().for_each(|value| drop(family.with_label_values(&[name, value])));
        }
        for (outcome, kind) in ends() {
            all.finished.with_label_values(&[name, outcome.as_str(), word(kind)]);
        }
        for family in [&all.lag, &all.duration, &all.slack] {
            family.with_label_values(&[name]);
        }
        Self { app: app.clone(), all: all.clone() }
    }

    /// A request goes out.
    pub(in crate::engine) fn request_sent(&self, endpoint: Endpoint) {
        self.count(&self.all.requests, endpoint.as_str());
    }

    /// A poll goes out, so long after its ticket was due.
    pub(in crate::engine) fn poll_sent(&self, lag: Duration) {
        self.time(&self.all.lag, lag);
    }

    /// A poll ended, so long after it went out.
    pub(in crate::engine) fn poll_ended(&self, verdict: &Verdict, took: Duration) {
        self.count(&self.all.polls, poll_result(verdict));
        self.time(&self.all.duration, took);
    }

    /// The server counts too many requests.
    pub(in crate::engine) fn throttled(&self, endpoint: Endpoint) {
        self.count(&self.all.throttles, endpoint.as_str());
    }

    /// A pause began, or has a new reason.
    pub(in crate::engine) fn paused(&self, reason: PauseReason) {
        self.count(&self.all.pauses, reason.as_str());
    }

    /// An access token was fetched or read, a new one or the one in use, or could not be.
    pub(in crate::engine) fn fetch_ended(&self, is_new: Result<bool, TokenTrouble>) {
        self.count(&self.all.renewals, renewal(is_new));
    }

    /// A ticket got its verdict, and is as it says.
    pub(in crate::engine) fn finished(&self, ticket: &TicketRecord) {
        let has_kind = matches!(ticket.state, TicketState::Failed | TicketState::TimedOut);
        let kind = ticket.error.as_deref().map(|error| error.kind).filter(|_| has_kind);
        let labels = [self.app.as_str(), ticket.state.as_str(), word(kind)];
        self.all.finished.with_label_values(&labels).inc();
        if let (TicketState::Completed, Some(by), Some(at)) =
            (ticket.state, ticket.download_by, ticket.finished_at)
        {
            self.time(&self.all.slack, by.since(at));
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
