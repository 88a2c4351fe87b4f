//! The tickets of an app that wait to be polled: refused ones behind all others. Pure.

use tokio::time::Instant;

use super::judging::is_refused;
use super::tickets::{Slot, Stage, TicketIndex, Tickets};
use crate::schedule::Queue;

/// A ticket in line, with the stamp that makes the entry void once it is outdated.
type Entry = (TicketIndex, u64);

/// An app's waiting tickets.
#[derive(Debug, Default)]
pub(super) struct WaitingLine {
    tickets: Queue<Entry>,
    /// Polled when nothing in `tickets` is due.
    refused: Queue<Entry>,
}

/// A ticket that waits in line. Of two that are due, the lesser one is polled first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InLine {
    /// It was refused: others go first.
    pub refused: bool,
    /// When it is due.
    pub due: Instant,
}

impl WaitingLine {
    /// Puts a ticket in line.
    pub(super) fn push(&mut self, index: TicketIndex, slot: &Slot, due: Instant) {
        self.queue(is_refused(&slot.record)).push(due, (index, slot.stamp));
    }

    /// The next ticket in line. Void entries that came up are dropped.
    pub(super) fn next(&mut self, tickets: &Tickets, now: Instant) -> Option<InLine> {
        let [waiting, refused] = [false, true]
            .map(|refused| first_due(self.queue(refused), tickets).map(|due| InLine { refused, due }));
        match (waiting, refused) {
            (Some(waiting), Some(refused)) if waiting.due > now && refused.due < waiting.due => Some(refused),
            (waiting, refused) => waiting.or(refused),
        }
    }

    /// Takes out what [`next`](Self::next) found.
    pub(super) fn pop(&mut self, next: InLine) -> Option<Entry> {
        self.queue(next.refused).pop().map(|(_, ticket)| ticket)
    }

    /// Takes out all refused tickets.
    pub(super) fn take_refused(&mut self) -> impl Iterator<Item = Entry> + use<> {
        let mut refused = std::mem::take(&mut self.refused);
        std::iter::from_fn(move || refused.pop()).map(|(_, ticket)| ticket)
    }

    /// Makes all refused tickets due.
    pub(super) fn hasten_refused(&mut self, now: Instant) {
        for ticket in self.take_refused() {
            self.refused.push(now, ticket);
        }
    }

    const fn queue(&mut self, refused: bool) -> &mut Queue<Entry> {
        if refused { &mut self.refused } else { &mut self.tickets }
    }
}

/// When the first ticket of a queue is due.
fn first_due(queue: &mut Queue<Entry>, tickets: &Tickets) -> Option<Instant> {
    loop {
        let (due, &(index, stamp)) = queue.peek()?;
        let slot = tickets.get(index).filter(|slot| slot.stamp == stamp);
        if slot.is_some_and(|slot| slot.stage() == Some(Stage::Poll)) {
            return Some(due);
        }
        queue.pop();
    }
}
