//! The sources of every answer.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::metrics::Metrics;
use crate::domain::HookStatus;
use crate::engine::{Meters, Snapshot};
use crate::store::StoreReader;

/// What of the watch lists is left out for now, a line a file or a problem, for people.
pub type RejectedLists = Vec<String>;

/// What the parts of a run show of themselves.
#[derive(Clone)]
pub struct Views {
    /// The engine.
    pub engine: watch::Receiver<Snapshot>,
    /// The watch lists.
    pub lists: watch::Receiver<RejectedLists>,
    /// The hooks.
    pub hooks: watch::Receiver<Vec<HookStatus>>,
}

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) address: SocketAddr,
    pub(super) began: Instant,
    pub(super) view: watch::Receiver<Snapshot>,
    pub(super) lists: watch::Receiver<RejectedLists>,
    pub(super) hooks: watch::Receiver<Vec<HookStatus>>,
    pub(super) state: Arc<dyn StoreReader>,
    pub(super) stop: CancellationToken,
    /// Held while a status is read and sent: one at a time.
    pub(super) turnstile: Arc<Semaphore>,
    /// Held while a page is read and made, not while it is sent.
    pub(super) pages: Arc<Semaphore>,
    pub(super) meters: Meters,
    /// One scrape is made at a time.
    pub(super) metrics: Arc<Mutex<Metrics>>,
}
