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
    /// All, in line or in flight, by the moment until which they are sure to live, or, if that is not known, can.
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
    /// Notes a new artefact that may live until then: as long as it is sure to, or, if that is not known, as it can.
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

    /// Until when the first of the artefacts may live.
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::domain::{
        AppName, DocumentToken, EntryId, EntryKey, FileRecord, FileState, TicketRecord, WallTime, WatchEntry,
    };
    use crate::engine::file_step::FileMemory;

    const SECOND: Duration = Duration::from_secs(1);

    /// A line of artefacts that are due at once and sure to live for so many seconds; zero is unknown.
    fn line(lives: &[u32], now: Instant) -> (Tickets, DownloadLine, Vec<TicketIndex>) {
        let (mut tickets, mut line) = (Tickets::new(1), DownloadLine::default());
        let indices = lives.iter().enumerate().map(|(number, life)| {
            let entry = WatchEntry {
                key: EntryKey { app: AppName::new("a"), id: EntryId::new(&number.to_string()) },
                token: DocumentToken::parse("doc").unwrap(),
                label: None,
                created_at: None,
                request: None,
                download: true,
                source: Path::new("list.toml").into(),
            };
            let file = Some(Box::new(FileRecord::new()));
            let record = TicketRecord { file, ..TicketRecord::new(entry, WallTime::from_millis(1)) };
            let index = tickets.insert(record, Some(0), Duration::ZERO);
            let until = (*life > 0).then(|| now + *life * SECOND);
            let memory = Some(Box::new(FileMemory::new(until, now + 600 * SECOND)));
            tickets.change(index, |slot| slot.file = memory);
            let stamp = tickets.get(index).unwrap().stamp;
            line.push(index, stamp, now);
            until.into_iter().for_each(|until| line.lives_until(index, stamp, until));
            index
        });
        let indices = indices.collect();
        (tickets, line, indices)
    }

    fn taken(line: &mut DownloadLine, tickets: &Tickets, now: Instant) -> Vec<usize> {
        std::iter::from_fn(|| {
            let next = line.next(tickets, now).filter(|next| next.due <= now)?;
            line.pop(next).map(|(index, _)| index.place())
        })
        .collect()
    }

    /// Promise 5: the artefact that dies first is fetched first; those of unknown age go before, but take at most every
    /// second turn.
    #[test]
    fn the_first_to_die_goes_first() {
        let now = Instant::now();
        let (tickets, mut line, _) = line(&[300, 0, 100, 0, 0, 200], now);
        assert_eq!(line.alive_until(&tickets), Some(now + 100 * SECOND));
        assert_eq!(taken(&mut line, &tickets, now), [1, 2, 3, 5, 4, 0]);
    }

    /// An artefact in backoff holds up no other, and is not forgotten.
    #[test]
    fn one_that_is_not_due_waits() {
        let now = Instant::now();
        let (tickets, mut line, indices) = line(&[300, 100], now);
        let next = line.next(&tickets, now).unwrap();
        let (index, stamp) = line.pop(next).unwrap();
        assert_eq!(index, indices[1]);
        line.push(index, stamp, now + SECOND);
        assert_eq!(taken(&mut line, &tickets, now), [0]);
        assert_eq!(line.next(&tickets, now).map(|next| next.due), Some(now + SECOND));
        assert_eq!(taken(&mut line, &tickets, now + SECOND), [1]);
        assert_eq!(line.next(&tickets, now), None);
    }

    /// What was saved, or starts over, is neither fetched nor counted among those that die.
    #[test]
    fn outdated_entries_are_void() {
        let now = Instant::now();
        let (mut tickets, mut line, indices) = line(&[100, 200, 0, 300], now);
        let saved = FileRecord { state: FileState::Saved, ..FileRecord::new() };
        tickets.change(indices[0], |slot| slot.record.file = Some(Box::new(saved)));
        tickets.change(indices[1], |slot| slot.stamp += 100);
        tickets.forget(indices[2]);
        assert_eq!(line.alive_until(&tickets), Some(now + 300 * SECOND));
        assert_eq!(taken(&mut line, &tickets, now), [3]);
    }
}
