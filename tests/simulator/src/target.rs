//! Which requests a fault or a hold speaks of: by endpoint, app, ticket and document, and by number. Pure; what
//! happens to them is the business of `fault.rs` and `hold.rs`.

use std::ops::{RangeFrom, RangeFull, RangeInclusive};

use crate::record::Endpoint;

/// What is known of a request before anything is decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) app_id: Option<&'a str>,
    /// The ticket that a query names, or whose file a download names.
    pub(crate) ticket: Option<&'a str>,
    /// The document or wiki node that it is about.
    pub(crate) document: Option<&'a str>,
}

/// The requests that a rule speaks of: those that fit every field that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Only that endpoint.
    pub endpoint: Option<Endpoint>,
    /// Only requests of that app.
    pub app_id: Option<String>,
    /// Only that ticket: its queries, or the downloads of its file where `endpoint` says so.
    pub ticket: Option<String>,
    /// Only that document or wiki node: the creates of its exports, or what `endpoint` says: queries and downloads of
    /// its jobs, lookups of the node, checks of its permission.
    pub document: Option<String>,
}

impl Target {
    /// Every request whatsoever: an outage.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Every query of that ticket.
    pub fn ticket(ticket: impl Into<String>) -> Self {
        Self { ticket: Some(ticket.into()), ..Self::default() }
    }

    /// Every download of that ticket's file.
    pub fn download_of(ticket: impl Into<String>) -> Self {
        Self { endpoint: Some(Endpoint::Download), ..Self::ticket(ticket) }
    }

    /// Every create of that document's exports.
    pub fn document(token: impl Into<String>) -> Self {
        Self { document: Some(token.into()), ..Self::default() }
    }

    /// Every lookup of that wiki node.
    pub fn node(token: impl Into<String>) -> Self {
        Self { endpoint: Some(Endpoint::Node), ..Self::document(token) }
    }

    /// Every request of that app, token endpoint included.
    pub fn app(app_id: impl Into<String>) -> Self {
        Self { app_id: Some(app_id.into()), ..Self::default() }
    }

    /// Every request to that endpoint.
    pub fn endpoint(endpoint: Endpoint) -> Self {
        Self { endpoint: Some(endpoint), ..Self::default() }
    }

    /// Narrows it to one app.
    #[must_use]
    pub fn of_app(mut self, app_id: impl Into<String>) -> Self {
        self.app_id = Some(app_id.into());
        self
    }

    /// Narrows it to one document or wiki node.
    #[must_use]
    pub fn of_document(mut self, token: impl Into<String>) -> Self {
        self.document = Some(token.into());
        self
    }

    /// Whether the request is meant.
    pub(crate) fn fits(&self, request: Subject<'_>) -> bool {
        let by_name = match (&self.ticket, &self.document) {
            (Some(_), _) => Some(Endpoint::Query),
            (None, Some(_)) => Some(Endpoint::Create),
            (None, None) => None,
        };
        let is = |wanted: &Option<String>, found| wanted.as_deref().is_none_or(|name| found == Some(name));
        self.endpoint.or(by_name).is_none_or(|wanted| wanted == request.endpoint)
            && is(&self.app_id, request.app_id)
            && is(&self.ticket, request.ticket)
            && is(&self.document, request.document)
    }
}

impl From<&str> for Target {
    fn from(ticket: &str) -> Self {
        Self::ticket(ticket)
    }
}

impl From<Endpoint> for Target {
    fn from(endpoint: Endpoint) -> Self {
        Self::endpoint(endpoint)
    }
}

/// Which of the fitting requests, counted from 1 at the moment the rule is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nth {
    from: u64,
    to: u64,
}

impl Nth {
    /// Whether the request of that number is one of them.
    pub(crate) fn includes(self, number: u64) -> bool {
        (self.from..=self.to).contains(&number)
    }
}

impl From<u64> for Nth {
    fn from(nth: u64) -> Self {
        Self { from: nth, to: nth }
    }
}

impl From<RangeInclusive<u64>> for Nth {
    fn from(range: RangeInclusive<u64>) -> Self {
        Self { from: *range.start(), to: *range.end() }
    }
}

impl From<RangeFrom<u64>> for Nth {
    fn from(range: RangeFrom<u64>) -> Self {
        Self { from: range.start, to: u64::MAX }
    }
}

impl From<RangeFull> for Nth {
    fn from(_: RangeFull) -> Self {
        Self { from: 1, to: u64::MAX }
    }
}
