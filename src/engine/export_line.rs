//! The documents of an app that wait for a request of their own, to be resolved or created: those that are due in the order
//! of the watch list. Pure. Whether an export may be created at all is decided in `state/exports`.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::tickets::{Slot, Stage, TicketIndex, Tickets};
use crate::schedule::Queue;

/// A document in line. The entry is void once stamp or position are outdated.
#[derive(Clone, Copy, Debug)]
struct Entry {
    index: TicketIndex,
    stamp: u64,
    position: u32,
}

/// The document whose turn is next. Of two that are due, the lesser one goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NextExport {
    /// Its place in the watch list.
    pub position: u32,
    /// When it is due.
    pub due: Instant,
}

/// An app's waiting documents of one stage.
#[derive(Debug)]
pub(super) struct ExportLine {
    stage: Stage,
    /// Those that are not due, or were not looked at since.
    later: Queue<Entry>,
    /// Due ones, by position and the order of coming.
    ready: BTreeMap<(u32, u64), Entry>,
    pushed: u64,
}

impl ExportLine {
    /// A line for documents that wait for this.
    pub(super) fn new(stage: Stage) -> Self {
        Self { stage, later: Queue::default(), ready: BTreeMap::new(), pushed: 0 }
    }

    /// Puts a document in line.
    pub(super) fn push(&mut self, index: TicketIndex, slot: &Slot, due: Instant) {
        self.later.push(due, Entry { index, stamp: slot.stamp, position: slot.position });
    }

    /// The next document in line. Void entries that came up are dropped.
    pub(super) fn next(&mut self, tickets: &Tickets, now: Instant) -> Option<NextExport> {
        while let Some((due, entry)) = self.later.peek().map(|(due, entry)| (due, *entry)) {
            let is_void = self.is_void(tickets, entry);
            if due > now && !is_void {
                break;
            }
            self.later.pop();
            if !is_void {
                self.ready.insert((entry.position, self.pushed), entry);
                self.pushed += 1;
            }
        }
        while let Some((key, entry)) = self.ready.first_key_value().map(|(key, entry)| (*key, *entry)) {
            if !self.is_void(tickets, entry) {
                return Some(NextExport { position: entry.position, due: now });
            }
            self.ready.remove(&key);
        }
        self.later.peek().map(|(due, entry)| NextExport { position: entry.position, due })
    }

    /// The document that [`next`](Self::next) found due, with its stamp.
    pub(super) fn pop(&mut self) -> Option<(TicketIndex, u64)> {
        self.ready.pop_first().map(|(_, entry)| (entry.index, entry.stamp))
    }

    fn is_void(&self, tickets: &Tickets, entry: Entry) -> bool {
        let is_it = |slot: &Slot| {
            let is_same = slot.stamp == entry.stamp && slot.position == entry.position;
            is_same && !slot.is_asking && slot.stage() == Some(self.stage)
        };
        !tickets.get(entry.index).is_some_and(is_it)
    }
}
