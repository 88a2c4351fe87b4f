//! Verdicts on their way to the consumers of the outbox: which ids they get, and how many still wait. The consumers
//! themselves lie outside; they wake up when rows are durable, and show how far they are.

use tokio::sync::watch;

use crate::domain::{TicketRecord, WallTime, verdict_event};
use crate::store::{EventId, OutboxRow};
use serde_json::Value;

/// What connects the engine with the consumers.
#[derive(Debug)]
pub struct OutboxLink {
    /// The last row that is durable. A consumer wakes up with each change.
    pub durable: watch::Sender<EventId>,
    /// Rows up to this one are announced in the log.
    pub announced: watch::Receiver<EventId>,
}

/// The verdicts of this process, and those that it found in the outbox.
#[derive(Debug)]
pub(super) struct Verdicts {
    link: OutboxLink,
    /// How many rows were there at the start.
    found: usize,
    /// The last of them.
    last_found: EventId,
    /// The first id of this process …
    first: EventId,
    /// … and its next one. There are no gaps in between.
    next: EventId,
}

impl Verdicts {
    /// None yet.
    pub(super) fn new(link: OutboxLink) -> Self {
        let none = EventId::default();
        Self { link, found: 0, last_found: none, first: none, next: none }
    }

    /// The outbox was read at the start. Consumers begin only now: ids must go on after those that were found.
    pub(super) fn begin(&mut self, found: usize, last_found: EventId, now: WallTime) {
        (self.found, self.last_found) = (found, last_found);
        self.first = EventId::first(now, last_found);
        self.next = self.first;
        self.durable(last_found);
    }

    /// The row of a ticket that just got its verdict; none for one that is pending.
    pub(super) fn row(&mut self, ticket: &TicketRecord, now: WallTime) -> Option<OutboxRow> {
        let payload = Value::from(verdict_event(ticket, now)?).to_string();
        Some(OutboxRow { id: self.next.take(), payload: payload.into() })
    }

    /// Rows up to this one are durable: wakes the consumers.
    pub(super) fn durable(&self, last: EventId) {
        self.link.durable.send_replace(last);
    }

    /// How many verdicts are not safely in the log.
    #[must_use]
    pub(super) fn unannounced(&self) -> usize {
        let announced = *self.link.announced.borrow();
        let found = if announced < self.last_found { self.found } else { 0 };
        let left = self.next.0 - self.first.0.max(announced.0 + 1);
        found + usize::try_from(left).unwrap_or(0)
    }
}
