//! Faults: what goes wrong with single requests, and the rules that say with which ones. Pure; how a fault reaches
//! the wire is the business of `wire.rs`.

use std::{
    collections::HashMap,
    ops::{RangeFrom, RangeFull, RangeInclusive},
    time::Duration,
};

use serde::Deserialize;

use crate::{duration, record::Endpoint};

/// What goes wrong with a request. The request is still recorded, and counted by the window.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The connection is reset (TCP RST) in place of an answer.
    Reset,
    /// The connection is closed (TCP FIN) in place of an answer.
    Close,
    /// No answer until the client leaves or the server stops.
    Hang,
    /// The true answer, later.
    Delay {
        /// How much later.
        #[serde(with = "duration")]
        by: Duration,
    },
    /// The true answer in drips.
    Slow {
        /// Bytes of each drip, at least 1.
        bytes: usize,
        /// Pause before each drip.
        #[serde(with = "duration")]
        every: Duration,
    },
    /// Head and half of the true body, then the connection closes; `Content-Length` promises the whole, unless the
    /// scenario's downloads come without it.
    HalfBody,
    /// Head and half of the true body, then silence until the client leaves.
    Stall,
    /// The file of a download without its last bytes, and a `Content-Length` that agrees; other answers stay true.
    ShortFile {
        /// How many are missing.
        by: u64,
    },
    /// The file of a download with bytes after its end, and a `Content-Length` that agrees; other answers stay true.
    LongFile {
        /// How many are added.
        by: u64,
    },
    /// The file of a download in its true length, but its first bytes are those of no format; other answers stay true.
    WrongStart,
    /// HTTP 200 with JSON that breaks off.
    WrongJson,
    /// HTTP 200 with a body that is not UTF-8.
    InvalidUtf8,
    /// That status and no body.
    Empty {
        /// HTTP status.
        status: u16,
    },
    /// An HTML page, as gateways and proxies send it.
    Html {
        /// HTTP status, usually 502 or 504.
        status: u16,
    },
    /// HTTP 503 without JSON.
    Unavailable {
        /// Value of `Retry-After`, in seconds.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// HTTP 200 with that many bytes, streamed.
    Huge {
        /// Length of the body.
        bytes: u64,
        /// Announce it by `Content-Length`; otherwise the body is chunked.
        #[serde(default)]
        content_length: bool,
    },
    /// A redirect.
    Redirect {
        /// HTTP status, 301 to 308.
        status: u16,
        /// `Location`.
        location: String,
    },
    /// HTTP 404 with the text "404 page not found", as from a wrong base URL.
    PageNotFound,
    /// Any code with any status, in the usual envelope.
    Answer {
        /// HTTP status.
        status: u16,
        /// `code` of the envelope.
        code: i64,
        /// `msg` of the envelope.
        #[serde(default)]
        msg: String,
        /// Further headers, as name and value.
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// Any body with any status.
    Raw {
        /// HTTP status.
        status: u16,
        /// `Content-Type`.
        content_type: String,
        /// The body as it is.
        body: String,
    },
}

impl Fault {
    /// An envelope with that status and code, without further headers.
    pub fn answer(status: u16, code: i64, msg: impl Into<String>) -> Self {
        Self::Answer { status, code, msg: msg.into(), headers: Vec::new() }
    }
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

    /// Whether the request is meant, its ticket left aside.
    fn fits(&self, endpoint: Endpoint, app_id: Option<&str>) -> bool {
        let of_ticket = self.ticket.as_ref().map(|_| Endpoint::Query);
        self.endpoint.or(of_ticket).is_none_or(|wanted| wanted == endpoint)
            && self.app_id.as_deref().is_none_or(|wanted| app_id == Some(wanted))
    }

    /// Whether the request is meant.
    pub(crate) fn fits_with(&self, endpoint: Endpoint, app_id: Option<&str>, ticket: Option<&str>) -> bool {
        self.fits(endpoint, app_id) && self.ticket.as_deref().is_none_or(|wanted| ticket == Some(wanted))
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

/// Names a rule, to take it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultId(u64);

#[derive(Debug)]
struct Rule {
    id: FaultId,
    target: Target,
    nth: Nth,
    seen: u64,
    fault: Fault,
}

impl Rule {
    /// Counts the request and says whether the fault strikes it.
    fn strikes(&mut self) -> bool {
        self.seen += 1;
        self.nth.includes(self.seen)
    }
}

/// All rules; those of a ticket are found by its name, so that a thousand of them cost no more than one.
#[derive(Debug, Default)]
pub(crate) struct FaultBook {
    of_tickets: HashMap<String, Vec<Rule>>,
    others: Vec<Rule>,
    last_id: u64,
}

impl FaultBook {
    pub(crate) fn add(&mut self, target: Target, nth: Nth, fault: Fault) -> FaultId {
        self.last_id += 1;
        let id = FaultId(self.last_id);
        let rules = match &target.ticket {
            Some(ticket) => self.of_tickets.entry(ticket.clone()).or_default(),
            None => &mut self.others,
        };
        rules.push(Rule { id, target, nth, seen: 0, fault });
        id
    }

    pub(crate) fn remove(&mut self, id: FaultId) {
        self.others.retain(|rule| rule.id != id);
        self.of_tickets.retain(|_, rules| {
            rules.retain(|rule| rule.id != id);
            !rules.is_empty()
        });
    }

    /// Counts the request in every rule that fits it; the first rule to strike wins, a ticket's own before others.
    pub(crate) fn strike(
        &mut self,
        endpoint: Endpoint,
        app_id: Option<&str>,
        ticket: Option<&str>,
    ) -> Option<Fault> {
        let own = ticket.and_then(|ticket| self.of_tickets.get_mut(ticket)).into_iter().flatten();
        let fitting = own.chain(&mut self.others).filter(|rule| rule.target.fits(endpoint, app_id));
        let mut struck = None;
        for rule in fitting {
            if rule.strikes() && struck.is_none() {
                struck = Some(rule.fault.clone());
            }
        }
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(book: &mut FaultBook, ticket: &str) -> Option<Fault> {
        book.strike(Endpoint::Query, Some("cli_a"), Some(ticket))
    }

    #[test]
    fn strikes_the_nth_request_of_a_ticket() {
        let mut book = FaultBook::default();
        book.add("one".into(), 2.into(), Fault::Reset);
        book.add("one".into(), (3..=4).into(), Fault::Hang);
        let struck: Vec<_> = (0..5).map(|_| query(&mut book, "one")).collect();
        let expected = [None, Some(Fault::Reset), Some(Fault::Hang), Some(Fault::Hang), None];
        assert_eq!(struck, expected);
        assert_eq!(query(&mut book, "two"), None);
    }

    #[test]
    fn a_ticket_rule_wins_and_both_count() {
        let mut book = FaultBook::default();
        book.add(Target::app("cli_a"), (1..=2).into(), Fault::WrongJson);
        book.add("one".into(), 1.into(), Fault::Reset);
        assert_eq!(query(&mut book, "one"), Some(Fault::Reset));
        assert_eq!(query(&mut book, "one"), Some(Fault::WrongJson));
        assert_eq!(query(&mut book, "one"), None);
    }

    #[test]
    fn targets_are_distinguished() {
        let mut book = FaultBook::default();
        let token = Target::endpoint(Endpoint::TenantToken).of_app("cli_a");
        book.add(token, (..).into(), Fault::Close);
        assert_eq!(book.strike(Endpoint::TenantToken, Some("cli_a"), None), Some(Fault::Close));
        assert_eq!(book.strike(Endpoint::TenantToken, Some("cli_b"), None), None);
        assert_eq!(book.strike(Endpoint::TenantToken, None, None), None);
        assert_eq!(query(&mut book, "one"), None);
    }

    /// Promise: the queries of a ticket and the downloads of its file are counted apart.
    #[test]
    fn a_ticket_means_its_queries_unless_downloads_are_named() {
        let mut book = FaultBook::default();
        book.add("one".into(), 1.into(), Fault::Reset);
        book.add(Target::download_of("one"), 2.into(), Fault::HalfBody);
        let mut download = |ticket| book.strike(Endpoint::Download, Some("cli_a"), Some(ticket));
        assert_eq!([download("one"), download("two"), download("one")], [None, None, Some(Fault::HalfBody)]);
        assert_eq!(query(&mut book, "one"), Some(Fault::Reset));
    }

    #[test]
    fn a_rule_can_be_taken_back() {
        let mut book = FaultBook::default();
        let outage = book.add(Target::everything(), (1..).into(), Fault::Html { status: 502 });
        let own = book.add("one".into(), (1..).into(), Fault::Close);
        book.remove(own);
        assert_eq!(query(&mut book, "one"), Some(Fault::Html { status: 502 }));
        book.remove(outage);
        assert_eq!(query(&mut book, "one"), None);
    }
}
