//! The journal: every request that arrived, the oldest first, with what became of it. Append-only.
//!
//! What it computes (windows, requests in flight) is worked out from arrival times alone, not taken from the windows
//! that answered, so that a test can hold the one against the other.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::HeaderMap;
use serde::Deserialize;

use crate::order::Order;

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `POST /open-apis/auth/v3/tenant_access_token/internal`.
    TenantToken,
    /// `POST /open-apis/drive/v1/export_tasks`.
    Create,
    /// `GET /open-apis/drive/v1/export_tasks/{ticket}`.
    Query,
    /// `GET /open-apis/drive/v1/export_tasks/file/{file_token}/download`.
    Download,
    /// `GET /open-apis/wiki/v2/spaces/get_node`.
    Node,
    /// `GET /open-apis/drive/v1/permissions/{token}/members/auth`.
    Permission,
    /// Any other path or method.
    Other,
}

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Request {
    /// 1 for the first request of all.
    pub ordinal: u64,
    /// What it was for.
    pub endpoint: Endpoint,
    /// The app that its access token was issued to (also if refused), or that asked for a token.
    pub app_id: Option<Arc<str>>,
    /// The ticket of a query, a successful create, or the job of a downloaded file.
    pub ticket: Option<Arc<str>>,
    /// The document or wiki node that it names, or whose file it downloads.
    pub document: Option<Arc<str>>,
    /// What a create asks for; none where its body is no such JSON.
    pub order: Option<Arc<Order>>,
    /// A create made a job, and a fault keeps its answer from the client.
    pub answer_lost: bool,
    /// Which of its app's tokens it carried: 1 for the first one fetched, 0 for a fixed one, none for an unknown one.
    pub token_generation: Option<u64>,
    /// Method, path and query as they arrived, such as `GET /open-apis/…?token=…`.
    pub line: Box<str>,
    /// Its headers, where the scenario has `record_headers`.
    pub headers: Option<HeaderMap>,
    /// When it arrived.
    pub arrived_at: Instant,
    /// When the head of its answer was handed to the connection; none while it waits.
    pub answered_at: Option<Instant>,
    /// When its connection ended before that.
    pub abandoned_at: Option<Instant>,
    /// HTTP status of the answer; none where a fault cut the connection.
    pub status: Option<u16>,
    /// `code` of the answer; none where it had none.
    pub code: Option<i64>,
    /// How much of its body was sent, for downloads and other bodies sent in pieces; none until that ends.
    pub sent: Option<Sent>,
    /// The app's window had no room for it.
    pub throttled: bool,
    /// A fault struck it.
    pub faulty: bool,
}

/// What went to the connection of a body that is sent in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// How many bytes were handed to the connection; the client may have read fewer.
    pub bytes: u64,
    /// Whether that is all of the body, with a clean end.
    pub whole: bool,
}

impl Request {
    /// When it ceased to wait for its answer.
    pub fn ended_at(&self) -> Option<Instant> {
        self.answered_at.or(self.abandoned_at)
    }

    /// It made a job, and its answer did not arrive: a fault ate it, or the client left before its end.
    pub fn is_lost(&self) -> bool {
        let is_made = self.endpoint == Endpoint::Create && self.ticket.is_some();
        let is_cut = self.abandoned_at.is_some() || self.sent.is_some_and(|sent| !sent.whole);
        is_made && (self.answer_lost || is_cut)
    }

    fn is_of(&self, app_id: &str) -> bool {
        self.app_id.as_deref() == Some(app_id)
    }
}

/// All requests so far.
#[derive(Debug, Default)]
pub struct Journal {
    requests: Vec<Request>,
}

impl Journal {
    /// Every request in the order of arrival.
    pub fn all(&self) -> &[Request] {
        &self.requests
    }

    /// How many requests arrived.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Nothing arrived yet.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// The requests to one endpoint.
    pub fn of(&self, endpoint: Endpoint) -> impl Iterator<Item = &Request> {
        self.requests.iter().filter(move |request| request.endpoint == endpoint)
    }

    /// The queries of one ticket.
    pub fn polls_of<'a>(&'a self, ticket: &'a str) -> impl Iterator<Item = &'a Request> {
        self.of(Endpoint::Query).filter(move |request| request.ticket.as_deref() == Some(ticket))
    }

    /// The downloads of one ticket's file, refused ones included.
    pub fn downloads_of<'a>(&'a self, ticket: &'a str) -> impl Iterator<Item = &'a Request> {
        self.of(Endpoint::Download).filter(move |request| request.ticket.as_deref() == Some(ticket))
    }

    /// The requests answered with that `code`.
    pub fn with_code(&self, code: i64) -> impl Iterator<Item = &Request> {
        self.requests.iter().filter(move |request| request.code == Some(code))
    }

    /// How many requests found their window full, whatever they were answered.
    pub fn throttled_count(&self) -> usize {
        self.requests.iter().filter(|request| request.throttled).count()
    }

    /// How many requests still wait for their answer.
    pub fn waiting_count(&self) -> usize {
        self.requests.iter().filter(|request| request.ended_at().is_none()).count()
    }

    /// The most requests of an app that arrived at one endpoint within any span of `per`, refused ones included.
    pub fn max_in_window(&self, app_id: &str, endpoint: Endpoint, per: Duration) -> usize {
        let arrivals: Vec<Instant> = self
            .of(endpoint)
            .filter(|request| request.is_of(app_id))
            .map(|request| request.arrived_at)
            .collect();
        let mut first = 0;
        let counts = arrivals.iter().enumerate().map(|(last, &arrival)| {
            while arrival.duration_since(arrivals[first]) >= per {
                first += 1;
            }
            last + 1 - first
        });
        counts.max().unwrap_or(0)
    }

    /// The most requests of an app that waited for their answers at one time.
    pub fn max_in_flight(&self, app_id: &str) -> usize {
        let mut steps: Vec<(Instant, isize)> = Vec::new();
        for request in self.requests.iter().filter(|request| request.is_of(app_id)) {
            steps.push((request.arrived_at, 1));
            steps.extend(request.ended_at().map(|end| (end, -1)));
        }
        // At one and the same moment ends come first, and do not count as overlap.
        steps.sort_unstable();
        let (mut now, mut most) = (0, 0);
        for (_, step) in steps {
            now += step;
            most = most.max(now);
        }
        most.unsigned_abs()
    }

    pub(crate) fn push(&mut self, request: Request) {
        self.requests.push(request);
    }

    /// The entry of that ordinal, to be completed.
    pub(crate) fn entry(&mut self, ordinal: u64) -> Option<&mut Request> {
        let index = usize::try_from(ordinal.checked_sub(1)?).ok()?;
        self.requests.get_mut(index)
    }

    pub(crate) fn next_ordinal(&self) -> u64 {
        self.requests.len() as u64 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(arrivals_ms: &[(u64, u64)]) -> Journal {
        let start = Instant::now();
        let mut journal = Journal::default();
        for &(arrived, answered) in arrivals_ms {
            let at = |ms| start + Duration::from_millis(ms);
            journal.push(Request {
                ordinal: journal.next_ordinal(),
                endpoint: Endpoint::Query,
                app_id: Some("cli_a".into()),
                ticket: Some("one".into()),
                document: None,
                order: None,
                answer_lost: false,
                token_generation: None,
                line: "GET /".into(),
                headers: None,
                arrived_at: at(arrived),
                answered_at: Some(at(answered)),
                abandoned_at: None,
                status: None,
                code: None,
                sent: None,
                throttled: false,
                faulty: false,
            });
        }
        journal
    }

    #[test]
    fn the_fullest_window_is_found_anywhere() {
        let journal = journal(&[(0, 1), (900, 901), (950, 951), (1000, 1001), (1899, 1900), (5000, 5001)]);
        let most = |ms| journal.max_in_window("cli_a", Endpoint::Query, Duration::from_millis(ms));
        assert_eq!(most(1000), 4, "900 to 1899");
        assert_eq!(most(999), 3);
        assert_eq!(most(50), 1);
        assert_eq!(journal.max_in_window("cli_b", Endpoint::Query, Duration::from_secs(1)), 0);
        assert_eq!(journal.max_in_window("cli_a", Endpoint::Create, Duration::from_secs(1)), 0);
    }

    #[test]
    fn overlapping_requests_are_counted() {
        let journal = journal(&[(0, 10), (5, 20), (10, 30), (40, 50)]);
        assert_eq!(journal.max_in_flight("cli_a"), 2);
        assert_eq!(journal.max_in_flight("cli_b"), 0);
        assert_eq!(journal.polls_of("one").count(), 4);
    }
}
