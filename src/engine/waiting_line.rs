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
    tickets: Line,
    /// Polled when nothing in `tickets` is due.
    refused: Line,
}

/// Tickets that are polled by their places: each the moment at which it was due, before anything held it up.
#[derive(Debug, Default)]
struct Line {
    /// Those that are not due, or were not looked at since, with their places.
    later: Queue<(Instant, Entry)>,
    /// Due ones, by their places, with the moments at which they were due.
    ready: Queue<(Instant, Entry)>,
}

/// A ticket that waits in line. Of two that are due, the lesser one is polled first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InLine {
    /// It was refused: others go first.
    pub refused: bool,
    /// When it is due; once it is, its place.
    pub due: Instant,
}

impl WaitingLine {
    /// Puts a ticket in line at that place, the moment at which it is due or was before a poll brought nothing.
    pub(super) fn push(&mut self, index: TicketIndex, slot: &Slot, due: Instant, place: Instant) {
        self.line(is_refused(&slot.record)).later.push(due, (place, (index, slot.stamp)));
    }

    /// The next ticket in line. Void entries that came up are dropped.
    pub(super) fn next(&mut self, tickets: &Tickets, now: Instant) -> Option<InLine> {
        let [waiting, refused] = [false, true]
            .map(|refused| self.line(refused).next(tickets, now).map(|due| InLine { refused, due }));
        match (waiting, refused) {
            (Some(waiting), Some(refused)) if waiting.due > now && refused.due < waiting.due => Some(refused),
            (waiting, refused) => waiting.or(refused),
        }
    }

    /// Takes out what [`next`](Self::next) found, with the moment at which it was due.
    pub(super) fn pop(&mut self, next: InLine) -> Option<(Instant, Entry)> {
        self.line(next.refused).ready.pop().map(|(_, ticket)| ticket)
    }

    /// Takes out all refused tickets.
    pub(super) fn take_refused(&mut self) -> impl Iterator<Item = Entry> + use<> {
        let Line { mut later, mut ready } = std::mem::take(&mut self.refused);
        let ready = std::iter::from_fn(move || ready.pop()).map(|(_, (_, ticket))| ticket);
        ready.chain(std::iter::from_fn(move || later.pop()).map(|(_, (_, ticket))| ticket))
    }

    /// Makes all refused tickets due.
    pub(super) fn hasten_refused(&mut self, now: Instant) {
        for ticket in self.take_refused() {
            self.refused.ready.push(now, (now, ticket));
        }
    }

    const fn line(&mut self, refused: bool) -> &mut Line {
        if refused { &mut self.refused } else { &mut self.tickets }
    }
}

impl Line {
    /// The place of the first that is due, else when the next one is.
    fn next(&mut self, tickets: &Tickets, now: Instant) -> Option<Instant> {
        while let Some((due, &(place, entry))) = self.later.peek() {
            let is_void = !is_waiting(tickets, entry);
            if due > now && !is_void {
                break;
            }
            self.later.pop();
            if !is_void {
                self.ready.push(place, (due, entry));
            }
        }
        while let Some((place, (_, entry))) = self.ready.peek() {
            if is_waiting(tickets, *entry) {
                return Some(place);
            }
            self.ready.pop();
        }
        self.later.peek().map(|(due, _)| due)
    }
}

fn is_waiting(tickets: &Tickets, (index, stamp): Entry) -> bool {
    let slot = tickets.get(index).filter(|slot| slot.stamp == stamp);
    slot.is_some_and(|slot| slot.stage() == Some(Stage::Poll))
}
