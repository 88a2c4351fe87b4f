//! A request on its way.

use tokio::time::Instant;

use super::now::Now;
use super::tickets::TicketIndex;
use crate::domain::Endpoint;

/// A request on its way.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    /// The place of the app that sent it.
    pub app: usize,
    /// When it was sent.
    pub sent: Now,
    /// What it asks for.
    pub call: Call,
    /// Whether it is to find out if a pause is over.
    pub probe: bool,
    /// Whether the head of the answer came: the server has counted the request, and what is left is the body.
    pub answered: bool,
    /// Whether the body comes slowly.
    pub slow: bool,
}

/// What a request is for: one variant for each endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    /// A query for a ticket.
    Query(Poll),
    /// An access token.
    Token,
    /// The artefact of a ticket.
    Download(Fetch),
    /// What a wiki node leads to.
    Node(Poll),
    /// An export.
    Create(Poll),
}

/// A query for a ticket, or what leads to one: a question about a wiki node, a create.
#[derive(Clone, Copy, Debug)]
pub(super) struct Poll {
    /// The ticket.
    pub index: TicketIndex,
    /// The ticket's stamp.
    pub stamp: u64,
    /// The generation of the access token that it carries.
    pub generation: u64,
    /// When the ticket was due: its place in line, should it have to ask again through no fault of its own.
    pub due: Instant,
}

/// The download of a ticket's artefact.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fetch {
    /// The ticket.
    pub index: TicketIndex,
    /// The ticket's stamp.
    pub stamp: u64,
    /// The generation of the access token that it carries.
    pub generation: u64,
}

impl Flight {
    /// The generation of the access token that it carries; none if it is to get one.
    pub(super) const fn generation(&self) -> Option<u64> {
        match &self.call {
            Call::Query(poll) | Call::Node(poll) | Call::Create(poll) => Some(poll.generation),
            Call::Download(fetch) => Some(fetch.generation),
            Call::Token => None,
        }
    }

    /// The ticket or document that it is about.
    pub(super) const fn index(&self) -> Option<TicketIndex> {
        match &self.call {
            Call::Query(poll) | Call::Node(poll) | Call::Create(poll) => Some(poll.index),
            Call::Download(fetch) => Some(fetch.index),
            Call::Token => None,
        }
    }

    /// The server counts, and an app may be paused for, each endpoint by itself.
    pub(super) const fn endpoint(&self) -> Endpoint {
        match self.call {
            Call::Query(_) => Endpoint::Query,
            Call::Token => Endpoint::Token,
            Call::Download(_) => Endpoint::Download,
            Call::Node(_) => Endpoint::Node,
            Call::Create(_) => Endpoint::Create,
        }
    }
}
