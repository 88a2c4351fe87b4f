//! What the engine knows of its state file: what is not written yet, which ids come next, what the file holds already.

use std::sync::Arc;

use tokio::time::Instant;

use super::hook_events::{Happening, HookRows};
use super::now::Now;
use super::report::Announcement;
use super::tickets::TicketIndex;
use super::unsaved::Unsaved;
use crate::domain::{EntryKey, TicketRecord, WallTime};
use crate::store::{EventId, OutboxRow, RetryId, TroubleRecord};

/// The engine's side of the state file.
#[derive(Debug)]
pub(super) struct StateFile {
    /// What is to be written.
    pub unsaved: Unsaved,
    /// The ids of verdicts.
    pub verdicts: Verdicts,
    /// The events of this process, for hooks and histories.
    pub events: HookRows,
    /// The id of the next release.
    pub releases: EventId,
    /// The last request of `retry` that was carried out.
    pub last_retry_id: RetryId,
    /// Apps in trouble as the last batch has them.
    pub troubles: Vec<TroubleRecord>,
    /// When the writer last showed that it does not hang.
    pub answered_at: Option<Instant>,
}

impl StateFile {
    /// One of which nothing was read yet.
    pub(super) fn new(now: WallTime) -> Self {
        Self {
            unsaved: Unsaved::default(),
            verdicts: Verdicts::default(),
            events: HookRows::default(),
            releases: EventId::first(now, EventId::default()),
            last_retry_id: RetryId::default(),
            troubles: Vec::new(),
            answered_at: None,
        }
    }

    /// A verdict on the ticket, or the outcome of its file, is written at once, with its rows of the outbox and for hooks.
    pub(super) fn decided(
        &mut self,
        index: TicketIndex,
        record: &TicketRecord,
        (what, payload): (Happening, String),
        now: Now,
    ) {
        let row = self.verdicts.row(payload);
        let event = self.events.of_entry(what, &record.entry.key, now.wall, || Arc::clone(&row.payload));
        self.unsaved.decided(index, row, event, now.at);
    }

    /// Something happened to the entry: it is logged at once, and becomes an event with the entry's row.
    pub(super) fn entry_event(
        &mut self,
        index: TicketIndex,
        record: &TicketRecord,
        announcement: &Announcement<'_>,
        now: Now,
    ) {
        announcement.log();
        let payload = || announcement.payload(now.wall).into();
        let event = self.events.of_entry(announcement.happening(), &record.entry.key, now.wall, payload);
        self.unsaved.happened(index, event, now.at);
    }

    /// The same happened to an entry that shares the export: only its history has that as well.
    pub(super) fn also(&mut self, index: TicketIndex, key: &EntryKey, what: Happening, now: Now) {
        let event = self.events.of_history(what, key, now.wall);
        self.unsaved.happened(index, event, now.at);
    }

    /// Something happened to an app: it is logged at once, and becomes an event with the next batch, if a hook takes it.
    ///
    /// A process that dies before that batch is durable takes the event along. The next one finds an app's trouble anew and
    /// announces it then; that a trouble is over it does not announce, for no trouble is known to it.
    pub(super) fn app_event(&mut self, announcement: &Announcement<'_>, now: Now) {
        announcement.log();
        let event =
            self.events.of_app(announcement.happening(), now.wall, || announcement.payload(now.wall).into());
        if let Some(event) = event {
            self.unsaved.app_event(event, now.at);
        }
    }
}

/// The verdicts of this process, and those that it found in the outbox.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
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
    /// The outbox was read at the start: ids go on after those that were found.
    pub(super) fn new(found: usize, last_found: EventId, now: WallTime) -> Self {
        let first = EventId::first(now, last_found);
        Self { found, last_found, first, next: first }
    }

    /// The row of a new verdict.
    pub(super) fn row(&mut self, payload: String) -> OutboxRow {
        OutboxRow { id: self.next.take(), payload: payload.into() }
    }

    /// How many verdicts are not safely in the log, where rows up to that one are.
    #[must_use]
    pub(super) fn unannounced(&self, announced: EventId) -> usize {
        let found = if announced < self.last_found { self.found } else { 0 };
        let left = self.next.0 - self.first.0.max(announced.0 + 1);
        found + usize::try_from(left).unwrap_or(0)
    }
}
