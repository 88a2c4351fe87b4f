//! Faults: what goes wrong with single requests, and the rules that say with which ones. Pure; how a fault reaches
//! the wire is the business of `wire.rs`.

use std::{collections::HashMap, time::Duration};

use fastrand::Rng;
use serde::Deserialize;

use crate::{
    app::Trouble,
    duration, seed,
    target::{Nth, Subject, Target},
};

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
    /// The refusal that such a trouble of the app brings, for this request alone; the token endpoint knows of none.
    Trouble(Trouble),
    /// On a create: the job is made, and then this fault hides its ticket. Without it, a fault that has another answer
    /// or none strikes before the job is made. On other endpoints just the fault within.
    Lost(Box<Self>),
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

    /// The job is made, and then `fault` hides its ticket.
    pub fn lost(fault: Self) -> Self {
        Self::Lost(Box::new(fault))
    }

    /// What happens to the answer, whatever became of the job.
    pub(crate) fn innermost(self) -> Self {
        match self {
            Self::Lost(within) => within.innermost(),
            fault => fault,
        }
    }

    /// Whether a create that it strikes makes its job.
    pub(crate) fn lets_jobs_be_made(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::HalfBody | Self::Stall) || self.lets_answers_through()
    }

    /// Whether a client that waits long enough gets the whole of the true answer to a create.
    pub(crate) fn lets_answers_through(&self) -> bool {
        match self {
            Self::Lost(within) => within.lets_answers_through(),
            Self::Delay { .. } | Self::Slow { .. } | Self::Trouble(_) => true,
            Self::ShortFile { .. } | Self::LongFile { .. } | Self::WrongStart => true,
            _ => false,
        }
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
    /// Which share of them it strikes, 0 to 1.
    share: f64,
    chance: Rng,
    fault: Fault,
}

impl Rule {
    /// Counts the request and says whether the fault strikes it.
    fn strikes(&mut self) -> bool {
        self.seen += 1;
        self.nth.includes(self.seen) && (self.share >= 1.0 || self.chance.f64() < self.share)
    }
}

/// All rules; those of a ticket or a document are found by its name, so that a thousand of them cost no more than one.
#[derive(Debug, Default)]
pub(crate) struct FaultBook {
    of_tickets: HashMap<String, Vec<Rule>>,
    of_documents: HashMap<String, Vec<Rule>>,
    others: Vec<Rule>,
    last_id: u64,
    seed: u64,
}

impl FaultBook {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Takes all rules back.
    pub(crate) fn clear(&mut self) {
        self.of_tickets.clear();
        self.of_documents.clear();
        self.others.clear();
    }

    pub(crate) fn add(&mut self, target: Target, nth: Nth, fault: Fault) -> FaultId {
        self.add_share(target, nth, 1.0, fault)
    }

    /// Of the requests meant, only that share is struck, by chance.
    pub(crate) fn add_share(&mut self, target: Target, nth: Nth, share: f64, fault: Fault) -> FaultId {
        self.last_id += 1;
        let id = FaultId(self.last_id);
        let rules = match (&target.ticket, &target.document) {
            (Some(ticket), _) => self.of_tickets.entry(ticket.clone()).or_default(),
            (None, Some(document)) => self.of_documents.entry(document.clone()).or_default(),
            (None, None) => &mut self.others,
        };
        let chance = Rng::with_seed(seed::mix(self.seed, &format!("fault {}", self.last_id)));
        rules.push(Rule { id, target, nth, seen: 0, share, chance, fault });
        id
    }

    pub(crate) fn remove(&mut self, id: FaultId) {
        self.others.retain(|rule| rule.id != id);
        for named in [&mut self.of_tickets, &mut self.of_documents] {
            named.retain(|_, rules| {
                rules.retain(|rule| rule.id != id);
                !rules.is_empty()
            });
        }
    }

    /// Counts the request in every rule that fits it; the first rule to strike wins: a ticket's own before a
    /// document's before others.
    pub(crate) fn strike(&mut self, request: Subject<'_>) -> Option<Fault> {
        let of_ticket = request.ticket.and_then(|ticket| self.of_tickets.get_mut(ticket));
        let of_document = request.document.and_then(|document| self.of_documents.get_mut(document));
        let named = of_ticket.into_iter().chain(of_document).flatten();
        let fitting = named.chain(&mut self.others).filter(|rule| rule.target.fits(request));
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
    use crate::record::Endpoint;

    fn strike(book: &mut FaultBook, endpoint: Endpoint, app: Option<&str>, ticket: &str) -> Option<Fault> {
        book.strike(Subject { endpoint, app_id: app, ticket: Some(ticket), document: Some("doc") })
    }

    fn query(book: &mut FaultBook, ticket: &str) -> Option<Fault> {
        strike(book, Endpoint::Query, Some("cli_a"), ticket)
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
        let mut token = |app| strike(&mut book, Endpoint::TenantToken, app, "");
        assert_eq!(
            [token(Some("cli_a")), token(Some("cli_b")), token(None)],
            [Some(Fault::Close), None, None]
        );
        assert_eq!(query(&mut book, "one"), None);
    }

    /// Promise: the queries of a ticket and the downloads of its file are counted apart.
    #[test]
    fn a_ticket_means_its_queries_unless_downloads_are_named() {
        let mut book = FaultBook::default();
        book.add("one".into(), 1.into(), Fault::Reset);
        book.add(Target::download_of("one"), 2.into(), Fault::HalfBody);
        let mut download = |ticket| strike(&mut book, Endpoint::Download, Some("cli_a"), ticket);
        assert_eq!([download("one"), download("two"), download("one")], [None, None, Some(Fault::HalfBody)]);
        assert_eq!(query(&mut book, "one"), Some(Fault::Reset));
    }

    /// Promise: a document alone means its creates, and its other requests are counted apart; a ticket's own rule wins.
    #[test]
    fn a_document_means_its_creates_unless_an_endpoint_is_named() {
        let mut book = FaultBook::default();
        book.add(Target::document("doc"), 1.into(), Fault::Reset);
        book.add(Target::node("doc"), 1.into(), Fault::Close);
        book.add(Target::endpoint(Endpoint::Query).of_document("doc"), (..).into(), Fault::Hang);
        let other = book.add(Target::document("other"), 1.into(), Fault::Reset);
        book.remove(other);
        book.add("one".into(), (..).into(), Fault::WrongJson);
        let mut struck = |endpoint| strike(&mut book, endpoint, None, "one");
        let endpoints = [Endpoint::Create, Endpoint::Node, Endpoint::Query, Endpoint::Create];
        let expected = [Some(Fault::Reset), Some(Fault::Close), Some(Fault::WrongJson), None];
        assert_eq!(endpoints.map(&mut struck), expected);
        assert_eq!(query(&mut book, "two"), Some(Fault::Hang));
    }

    /// Promise: a share strikes about as often as it says, and one seed strikes the same requests again.
    #[test]
    fn a_share_strikes_by_seeded_chance() {
        let struck = |seed| {
            let mut book = FaultBook::new(seed);
            book.add_share(Target::everything(), (..).into(), 0.03, Fault::Reset);
            (0..10_000).filter(|_| query(&mut book, "one").is_some()).collect::<Vec<_>>()
        };
        assert!((200..400).contains(&struck(1).len()), "{}", struck(1).len());
        assert!(struck(1) == struck(1) && struck(1) != struck(2));
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
