//! The artefacts of an app that wait to be downloaded: the one that may die first goes first. Pure.
//!
//! Of an artefact of unknown age it is not known when it dies, so these go before the others; but they take at most every
//! second turn, for there may be many, and the others are sure to die.

use tokio::time::Instant;

use super::tickets::{TicketIndex, Tickets};
use crate::schedule::Queue;

/// A ticket in line, with the stamp that makes the entry void once it is outdated.
type Entry = (TicketIndex, u64);

/// An app's waiting artefacts.
#[derive(Debug, Default)]
pub(super) struct DownloadLine {
    /// Those that are not due, or were not looked at since.
    later: Queue<Entry>,
    /// Due ones, by the moment until which they are sure to live.
    known: Queue<Entry>,
    /// Due ones of unknown age, in the order of coming.
    unknown: Queue<Entry>,
    /// The last turn was taken by one of unknown age.
    unknown_had_turn: bool,
    /// All whose age is known, in line or in flight, by the moment until which they are sure to live.
    alive: Queue<Entry>,
}

/// What is downloaded next. Of two that are due, the lesser one goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NextDownload {
    /// Until when it is sure to live; none if its age is unknown.
    pub alive_until: Option<Instant>,
    /// When it may be asked for.
    pub due: Instant,
}

impl DownloadLine {
    /// Notes a new artefact that is sure to live until then.
    pub(super) fn lives_until(&mut self, index: TicketIndex, stamp: u64, until: Instant) {
        self.alive.push(until, (index, stamp));
    }

    /// Puts an artefact in line.
    pub(super) fn push(&mut self, index: TicketIndex, stamp: u64, due: Instant) {
        self.later.push(due, (index, stamp));
    }

    /// The next artefact in line. Void entries that came up are dropped.
    pub(super) fn next(&mut self, tickets: &Tickets, now: Instant) -> Option<NextDownload> {
        self.sort_due(tickets, now);
        let known =
            first(&mut self.known, tickets).map(|until| NextDownload { alive_until: Some(until), due: now });
        let unknown = first(&mut self.unknown, tickets).map(|due| NextDownload { alive_until: None, due });
        let due = if self.unknown_had_turn { known.or(unknown) } else { unknown.or(known) };
        due.or_else(|| self.later.peek().map(|(due, _)| NextDownload { alive_until: None, due }))
    }

    /// Takes out what [`next`](Self::next) found and is due.
    pub(super) fn pop(&mut self, next: NextDownload) -> Option<Entry> {
        self.unknown_had_turn = next.alive_until.is_none();
        let queue = if self.unknown_had_turn { &mut self.unknown } else { &mut self.known };
        queue.pop().map(|(_, ticket)| ticket)
    }

    /// Until when the first of the artefacts is sure to live, of those of which that is known.
    pub(super) fn alive_until(&mut self, tickets: &Tickets) -> Option<Instant> {
        first(&mut self.alive, tickets)
    }

    fn sort_due(&mut self, tickets: &Tickets, now: Instant) {
        while let Some((due, &(index, stamp))) = self.later.peek() {
            let alive_until = tickets.get(index).and_then(|slot| slot.file.as_deref()?.alive_until);
            let is_void = !is_waiting(tickets, (index, stamp));
            if due > now && !is_void {
                return;
            }
            self.later.pop();
            match alive_until {
                _ if is_void => {}
                Some(until) => self.known.push(until, (index, stamp)),
                None => self.unknown.push(due, (index, stamp)),
            }
        }
    }
}

/// Where the first of a queue stands that is not void.
fn first(queue: &mut Queue<Entry>, tickets: &Tickets) -> Option<Instant> {
    loop {
        let (at, entry) = queue.peek()?;
        if is_waiting(tickets, *entry) {
            return Some(at);
        }
        queue.pop();
    }
}

fn is_waiting(tickets: &Tickets, (index, stamp): Entry) -> bool {
    tickets.get(index).is_some_and(|slot| slot.stamp == stamp && slot.is_to_fetch())
}
