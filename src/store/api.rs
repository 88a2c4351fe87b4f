//! What is asked of the state file: by the engine, by those that only read, and by `retry`. Narrow, so that another
//! database can stand in for SQLite and a fake for both.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::{Holder, Listed, Listing, StoreError};
use crate::domain::{
    AppName, BudgetKey, Endpoint, EntryKey, ErrorKind, FileState, HookName, HookStatus, Month, TicketRecord,
    TicketState, Trouble, WallTime,
};

/// Requests that the engine is handed at once at most, lest a hundred thousand hold up its loop.
pub const RETRIES_AT_ONCE: usize = 4096;

/// Where the engine keeps what must not be lost. Cloned into every commit, hence cheap to clone.
pub trait Store: Clone + Send + Sync + 'static {
    /// Reads everything. Once, at the start: it also marks the file as in use, so that a process that
    /// dies is recognised by the next.
    fn load(&self) -> impl Future<Output = Result<Loaded, StoreError>> + Send;

    /// Makes the batch durable as a whole, or not at all.
    ///
    /// # Errors
    /// Hands the batch back, so that it can be tried again.
    fn commit(&self, batch: Batch) -> impl Future<Output = Result<(), Box<CommitError>>> + Send;

    /// Reads what was asked for by `retry` since the request with this id, the oldest first and a few thousand
    /// at most. They stay in the file until a batch says that they are [carried out](Batch::retried).
    ///
    /// # Errors
    /// The file can't be read just now.
    fn retries(&self, since: RetryId) -> impl Future<Output = Result<Vec<Retry>, StoreError>> + Send;

    /// Answers once everything that was asked before is answered, and touches no disk: a store that
    /// refuses every commit answers, one that hangs in a commit does not.
    ///
    /// # Errors
    /// [`StoreErrorKind::Gone`](super::StoreErrorKind::Gone): no thread is left that could answer.
    fn ping(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What a row of the outbox waits for: each verdict is written once for each of these.
pub const CONSUMERS: [&str; 1] = [LOG];

/// The log, as a consumer of the outbox.
pub const LOG: &str = "log";

/// The rows that wait for a consumer. One that took a row removes it: what is there is not announced yet.
pub trait Outbox: Clone + Send + Sync + 'static {
    /// Reads a consumer's rows after the one with that id, in the order of their ids, `limit` at most.
    ///
    /// # Errors
    /// They can't be read just now.
    fn rows(
        &self,
        consumer: &'static str,
        after: EventId,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<OutboxRow>, StoreError>> + Send;

    /// Removes a consumer's rows up to the one with that id.
    ///
    /// # Errors
    /// The store can't be written just now: the rows are still there.
    fn remove(
        &self,
        consumer: &'static str,
        upto: EventId,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// How many rows wait for a consumer.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    fn count(&self, consumer: &'static str) -> impl Future<Output = Result<usize, StoreError>> + Send;
}

/// The events that wait for hooks. A row is removed once its hook took it; one that was given up stays.
pub trait Deliveries: Clone + Send + Sync + 'static {
    /// Drops the rows of all hooks but these, and says how many each of the others had. From then on these are
    /// [shown](StoreReader::hooks). What waits for a later try is due at once; its tries still count.
    ///
    /// # Errors
    /// The store can't be written just now: the rows are still there.
    fn keep_hooks(
        &self,
        hooks: Vec<HookName>,
    ) -> impl Future<Output = Result<Vec<(HookName, usize)>, StoreError>> + Send;

    /// Reads the rows of a hook that are due at `now`, those that were due first in front, `limit` at most. A row that
    /// is due more than [`DUE_MAX`] after `now` is due as well: the clock was set back.
    ///
    /// # Errors
    /// They can't be read just now.
    fn due(
        &self,
        hook: &HookName,
        now: WallTime,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Delivery>, StoreError>> + Send;

    /// When the first row of a hook that waits is due; none if none waits.
    ///
    /// # Errors
    /// As [`due`](Self::due).
    fn next_due(&self, hook: &HookName) -> impl Future<Output = Result<Option<WallTime>, StoreError>> + Send;

    /// Writes down how tries ended, in one transaction.
    ///
    /// # Errors
    /// The store can't be written just now: nothing changed.
    fn settle(
        &self,
        hook: &HookName,
        tries: Vec<Settled>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Writes down that nothing is sent to a hook any more, until a process [loads](Store::load) the store.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    fn end(&self, hook: &HookName) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// How a hook does.
    ///
    /// # Errors
    /// As [`due`](Self::due).
    fn hook_status(&self, hook: &HookName) -> impl Future<Output = Result<HookStatus, StoreError>> + Send;
}

/// The longest that a row waits for its next try.
pub const DUE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// An event on its way to a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The id, the same over all tries and restarts.
    pub id: EventId,
    /// The event as a JSON object.
    pub payload: Arc<str>,
    /// Tries that failed.
    pub tries: u32,
    /// When the first of them did.
    pub since: Option<WallTime>,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The row.
    pub id: EventId,
    /// Tries that had failed before this one. A row of which that is no longer true was asked for again meanwhile: a try
    /// that failed changes nothing of it.
    pub tries: u32,
    /// When it ended.
    pub at: WallTime,
    /// What becomes of the row.
    pub fate: Fate,
    /// Why the try failed.
    pub error: Option<String>,
}

/// What becomes of a row after a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The hook took it: the row is removed.
    Taken,
    /// It is tried again.
    Again {
        /// When.
        due: WallTime,
    },
    /// It is given up; the row is kept until `retry --hook` asks for it.
    GivenUp,
}

/// Reads what was committed, in the watcher's process or in another. Each call sees one moment and blocks, for a few
/// seconds at most.
pub trait StoreReader: Debug + Send + Sync {
    /// Every ticket, and every app in trouble; none where there is no state yet.
    ///
    /// # Errors
    /// It can't be read, or not truthfully.
    fn known(&self) -> Result<Option<Known>, StoreError>;

    /// How many tickets are in which state, for the states that occur.
    ///
    /// # Errors
    /// As [`known`](Self::known).
    fn counts(&self) -> Result<Vec<(TicketState, usize)>, StoreError>;

    /// How many files of these tickets are in which state, for the states that occur.
    ///
    /// # Errors
    /// As [`known`](Self::known).
    fn file_counts(&self) -> Result<Vec<(FileState, usize)>, StoreError>;

    /// The tickets that follow `after` in the order of app and ticket, or the first ones; `limit` at most.
    ///
    /// # Errors
    /// As [`known`](Self::known).
    fn tickets_after(&self, after: Option<&EntryKey>, limit: usize) -> Result<Vec<TicketRecord>, StoreError>;

    /// How every hook does, ordered by name; none where no watcher of this version has used the store.
    ///
    /// # Errors
    /// As [`known`](Self::known).
    fn hooks(&self) -> Result<Vec<HookStatus>, StoreError>;

    /// The last [`HISTORY_MAX`] events of an entry, the oldest first; none where no watcher of this version has used the
    /// store.
    ///
    /// # Errors
    /// As [`known`](Self::known).
    fn history(&self, key: &EntryKey) -> Result<Vec<HistoryRow>, StoreError>;

    /// These listings, one at least, all of one moment.
    ///
    /// # Errors
    /// As [`known`](Self::known); [`StoreErrorKind::NotOpened`](super::StoreErrorKind::NotOpened) for a store that
    /// no watcher of this version has used.
    fn list(&self, listings: &[Listing]) -> Result<Vec<Listed>, StoreError>;

    /// One ticket.
    ///
    /// # Errors
    /// As [`known`](Self::known).
    fn ticket(&self, key: &EntryKey) -> Result<Option<TicketRecord>, StoreError>;

    /// The process that has the store in use; none if there is none.
    ///
    /// # Errors
    /// That can't be found out.
    fn holder(&self) -> Result<Option<Holder>, StoreError>;
}

/// Leaves requests for the watcher, from another process.
pub trait StoreRequests {
    /// Asks for these tickets to be polled again, and returns the last of the requests: they are durable, and a
    /// watcher that runs carries them out within a second, else the next one does. Blocks, for a few seconds at most.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotOpened`](super::StoreErrorKind::NotOpened) if no watcher of this version has used the store; or it can't be written.
    fn ask_to_retry(&self, keys: &[EntryKey]) -> Result<RetryId, StoreError>;

    /// Has every event that waits for a hook, or was given up, sent again as if it had never been tried; says how many
    /// had been. A watcher that runs looks for them every few seconds. Blocks, for a few seconds at most.
    ///
    /// # Errors
    /// As [`ask_to_retry`](Self::ask_to_retry).
    fn send_again(&self, hook: &HookName) -> Result<usize, StoreError>;

    /// Whether requests up to this one still wait to be carried out.
    ///
    /// # Errors
    /// The store can't be read.
    fn is_waiting(&self, retry: RetryId) -> Result<bool, StoreError>;
}

/// A batch that could not be made durable, and why.
#[derive(Debug)]
pub struct CommitError {
    /// The batch, unchanged.
    pub batch: Batch,
    /// What went wrong.
    pub error: StoreError,
}

/// What belongs into the state file together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Tickets as they now stand; each replaces the row of its key.
    pub tickets: Vec<TicketRecord>,
    /// The verdicts of these tickets, for the outbox: each becomes a row for each of the [`CONSUMERS`].
    pub outbox: Vec<OutboxRow>,
    /// Events of tickets and apps, for hooks and for the history of each entry whose row is kept.
    pub events: Vec<EventRow>,
    /// Tickets whose rows are no longer kept, unless they are among `tickets` as well.
    pub forgotten: Vec<EntryKey>,
    /// Requests that ended since the last batch.
    pub released: Vec<Release>,
    /// Requests that ended before this no longer matter to any budget.
    pub released_before: Option<WallTime>,
    /// Requests of whole months as they now stand; each replaces the one of its budget and month.
    pub tallies: Vec<Tally>,
    /// Budgets, that is hosts and app ids, under which a proper answer ever came.
    pub proven: Vec<BudgetKey>,
    /// Every app in trouble, if that changed.
    pub troubles: Option<Vec<TroubleRecord>>,
    /// Retries up to this one are carried out.
    pub retried: Option<RetryId>,
    /// Whether the process is about to end in good order.
    pub clean_stop: bool,
}

/// The id of an event that the engine writes: a verdict in the outbox, or the end of a request. It stays the same over
/// all tries to write or deliver it, so that a row which is written again, after a commit that may have failed, is the
/// same row. Later ones are greater, and no two that are kept at a time share one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId(pub i64);

impl EventId {
    /// The first of a process that starts at this moment and finds rows up to `last`. It has a million before they meet
    /// those of one that starts a millisecond later.
    #[must_use]
    pub fn first(start: WallTime, last: Self) -> Self {
        Self((start.as_millis() << 20).max(last.0 + 1))
    }

    /// Takes this one and leaves the next.
    pub const fn take(&mut self) -> Self {
        let taken = *self;
        self.0 += 1;
        taken
    }
}

/// A verdict on its way to a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// The id, the same for every consumer.
    pub id: EventId,
    /// The [verdict](crate::domain::verdict_event) as JSON.
    pub payload: Arc<str>,
}

/// An event that became true with a batch. It becomes a row for each of the hooks, and one of its entry's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// The id, the same for every hook and over all tries.
    pub id: EventId,
    /// Its name, of [`HOOK_EVENTS`](crate::domain::event::HOOK_EVENTS).
    pub event: &'static str,
    /// When it happened.
    pub at: WallTime,
    /// The entry; none for an app's.
    pub key: Option<EntryKey>,
    /// What was wrong, if anything was.
    pub kind: Option<ErrorKind>,
    /// The hooks that take it.
    pub hooks: Vec<HookName>,
    /// The event as a JSON object; empty where no hook takes it.
    pub payload: Arc<str>,
}

/// Lines of an entry's history that are kept: the newest.
pub const HISTORY_MAX: usize = 50;

/// A line of an entry's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// When.
    pub at: WallTime,
    /// The event's name.
    pub event: Box<str>,
    /// What was wrong, if anything was.
    pub kind: Option<Box<str>>,
}

/// A request that was answered, or given up: its slot in the budget is held for one more window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The id of the note.
    pub id: EventId,
    /// The budget it was paid from.
    pub budget: BudgetKey,
    /// What was asked: the server counts each endpoint by itself.
    pub endpoint: Endpoint,
    /// When the answer came or the wait for it ended.
    pub at: WallTime,
}

/// How many requests that count against the monthly quota were sent from a budget, or accepted from a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The budget: one app id at one host; or the [key of a tenant](crate::domain::Tenant::tally_key).
    pub budget: BudgetKey,
    /// When.
    pub month: Month,
    /// How many.
    pub requests: u64,
}

impl Tally {
    /// Requests of that month, if it is not over.
    #[must_use]
    pub fn spent_in(&self, month: Month) -> u64 {
        if self.month < month { 0 } else { self.requests }
    }

    /// Counts one more. A clock that is set back over the turn of a month does not begin an old one anew.
    pub fn count(&mut self, month: Month) {
        self.requests = self.spent_in(month) + 1;
        self.month = self.month.max(month);
    }
}

/// An app in trouble, for readers of the state file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TroubleRecord {
    /// The app.
    pub app: AppName,
    /// What is wrong.
    pub trouble: Trouble,
}

/// The id of a request by `retry`. Later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetryId(pub i64);

/// An ended ticket is to be polled again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The request.
    pub id: RetryId,
    /// The ticket.
    pub key: EntryKey,
}

/// What the state file knows, for those that only read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Every ticket, ordered by app and ticket.
    pub tickets: Vec<TicketRecord>,
    /// The apps that were in trouble when the watcher last wrote, each once; old news unless it [runs](StoreReader::holder).
    pub troubles: Vec<TroubleRecord>,
}

/// What the state file knew.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Every ticket.
    pub tickets: Vec<TicketRecord>,
    /// Requests of the recent past.
    pub released: Vec<Release>,
    /// The newest month of every budget.
    pub tallies: Vec<Tally>,
    /// Budgets under which a proper answer ever came.
    pub proven: Vec<BudgetKey>,
    /// What was asked for by `retry` while no watcher ran, the oldest first; all of it.
    pub retries: Vec<Retry>,
    /// How many rows of the outbox wait for the log.
    pub unannounced: usize,
    /// The last id of a row in the outbox; zero if it is empty.
    pub last_event: EventId,
    /// The last id that any [event](Batch::events) ever had; zero if there was none.
    pub last_hook_event: EventId,
    /// Whether the last process ended in good order; true for a new file.
    pub clean: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 4: a process whose clock was set back since the one before it announces after that one all the same.
    #[test]
    fn ids_only_grow() {
        let start = WallTime::from_millis(1_795_341_600_000);
        let mut id = EventId::first(start, EventId::default());
        let (first, second) = (id.take(), id.take());
        assert!(first < second);
        assert!(EventId::first(start, id) > id);
        assert!(EventId::first(WallTime::from_millis(start.as_millis() + 1), second) > id);
    }
}
