//! What the engine shows of itself, for progress bars and status lines. A copy: nothing flows back.

use tokio::time::Instant;

use super::tickets::Counts;
use crate::domain::{AppName, BudgetKey, PauseReason, RateLimit, WallTime};

/// The engine at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Tickets that a watch list names, by state.
    pub listed: Counts,
    /// The apps.
    pub apps: Vec<AppView>,
    /// Whether the state file can't be written just now.
    pub state_failing: bool,
    /// Verdicts that wait for the state file or the log.
    pub unannounced: usize,
    /// When the engine's loop last took a turn.
    pub turned_at: Option<Instant>,
}

/// One app at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppView {
    /// Its name.
    pub name: AppName,
    /// Its pending tickets.
    pub pending: usize,
    /// The pause in force: why, and until when if that is known.
    pub pause: Option<(PauseReason, Option<WallTime>)>,
    /// Whether a run of failing polls is on.
    pub degraded: bool,
    /// What it spends from; apps with the same key share it.
    pub budget: BudgetKey,
    /// What it may send.
    pub rate_limit: RateLimit,
    /// Requests it may send to the query endpoint right now.
    pub budget_left: usize,
}
