//! How the engine is set up and controlled from outside.

use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::meters::Meters;
use super::now::Clock;
use super::snapshot::Snapshot;
use crate::domain::{App, Endpoint, HookName, Kept, WatchEntry, WatchList};
use crate::schedule::Backoff;
use crate::store::EventId;

/// How long a document waits before its export is created a second time.
const REPEAT_AFTER: Duration = Duration::from_secs(60);

/// Creates in flight at most, per app, and questions about wiki nodes.
const CREATES_IN_FLIGHT: usize = 4;

/// How the engine is to work.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Intervals between the polls of a ticket.
    pub backoff: Backoff,
    /// How long a running job is watched.
    pub give_up_after: Duration,
    /// How long one request may take; the client keeps to it, the engine makes sure.
    pub request_timeout: Duration,
    /// Polls in flight at most, per app.
    pub max_in_flight: NonZeroUsize,
    /// How files are downloaded; none where they are not.
    pub download: Option<DownloadSettings>,
    /// How long a document waits before its export is created a second time; none for a minute. Each later wait is a
    /// multiple of the first.
    pub repeat_after: Option<Duration>,
    /// What takes events beside the log.
    pub hooks: Vec<HookEvents>,
    /// How long ended tickets are kept after they left the watch list.
    pub keep: Duration,
    /// End when no ticket is pending.
    pub until_done: bool,
    /// End after this long, whatever is pending.
    pub deadline: Option<Duration>,
    /// Where the jitter starts: one seed, one history.
    pub seed: u64,
}

impl Settings {
    /// The first wait before an export is created once more.
    pub(super) fn repeat_after(&self) -> Duration {
        self.repeat_after.unwrap_or(REPEAT_AFTER)
    }

    /// Requests to the endpoint in flight at most, per app; of downloads, those that are not slow.
    pub(super) fn max_in_flight(&self, endpoint: Endpoint) -> usize {
        match (endpoint, &self.download) {
            (Endpoint::Query, _) => self.max_in_flight.get(),
            (Endpoint::Token, _) => 1,
            (Endpoint::Node | Endpoint::Create, _) => CREATES_IN_FLIGHT,
            (Endpoint::Download, download) => download.map_or(0, |download| download.max_in_flight.get()),
        }
    }
}

/// A hook, as far as the engine is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookEvents {
    /// Its name.
    pub name: HookName,
    /// The events that it takes, of [`HOOK_EVENTS`](crate::domain::event::HOOK_EVENTS).
    pub events: Vec<&'static str>,
}

/// How files are downloaded.
#[derive(Clone, Copy, Debug)]
pub struct DownloadSettings {
    /// Transfers in flight at most, per app; as many again may be, where these are slow.
    pub max_in_flight: NonZeroUsize,
    /// A transfer that brings less than 64 KiB in this time is slow.
    pub idle_timeout: Duration,
}

/// What the engine works on.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The apps, each name once.
    pub apps: Vec<App>,
    /// The first watch list.
    pub list: WatchList,
    /// How to work.
    pub settings: Settings,
    /// The clocks.
    pub clock: Clock,
}

/// The engine's connections with the rest of the process.
#[derive(Debug)]
pub struct Controls {
    /// Cancelled to stop.
    pub stop: CancellationToken,
    /// Commands, carried out in their order.
    pub commands: mpsc::Receiver<Command>,
    /// Takes a copy of the engine's state after each turn of the loop.
    pub view: watch::Sender<Snapshot>,
    /// Connects the engine with the consumers of its verdicts and events.
    pub outbox: OutboxLink,
    /// Counts and times for monitoring.
    pub meters: Meters,
}

/// What connects the engine with the consumers of the outbox. They lie outside: they wake up when rows are durable,
/// and show how far they are.
#[derive(Debug)]
pub struct OutboxLink {
    /// The last row that is durable. A consumer wakes up with each change.
    pub durable: watch::Sender<EventId>,
    /// Rows up to this one are announced in the log.
    pub announced: watch::Receiver<EventId>,
    /// The last event that is durable and waits for a hook. Hooks wake up with each change.
    pub deliveries: watch::Sender<EventId>,
}

/// A command to the engine.
#[derive(Debug)]
pub enum Command {
    /// The next entries of a new watch list, a thousand or so: all of them are applied in one turn of the loop.
    ListPart(Vec<WatchEntry>),
    /// The list is complete.
    ListEnd {
        /// What stays as it was although the list does not name it.
        kept: Kept,
    },
    /// An app may have been fixed: paused apps are tried again, ready-made tokens read again.
    TryAgain,
    /// Answer once all earlier commands are carried out.
    Answer(oneshot::Sender<()>),
}
