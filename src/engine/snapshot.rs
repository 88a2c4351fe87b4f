//! What the engine shows of itself, for progress bars and status lines. A copy: nothing flows back.

use std::sync::Arc;

use tokio::time::Instant;

use crate::domain::{AppCondition, AppName, BudgetKey, Counts, FileCounts, RateLimit, Tenant, Trouble};

/// The engine at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Tickets that a watch list names, by state.
    pub listed: Counts,
    /// Files of tickets that a watch list names, by state.
    pub files: FileCounts,
    /// Documents that a watch list names.
    pub documents: usize,
    /// Those of them whose export has a ticket; one that is to be made again has none.
    pub created: usize,
    /// Bytes of artefacts that came, whole transfers or not.
    pub bytes: u64,
    /// The apps.
    pub apps: Vec<AppView>,
    /// Whether the state file can't be written just now.
    pub state_failing: bool,
    /// Verdicts that are not safely in the log.
    pub unannounced: usize,
    /// When the engine's loop last took a turn; none before the state is loaded and the list taken. It
    /// takes one every second at least.
    pub turned_at: Option<Instant>,
    /// When the state file's writer last showed that it does not hang: it is asked once a second. An
    /// answer says nothing about whether the disk takes anything.
    pub store_answered_at: Option<Instant>,
}

/// One app at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppView {
    /// Its name.
    pub name: AppName,
    /// Its pending tickets.
    pub pending: usize,
    /// All its tickets that are known, listed or not, by state.
    pub known: Counts,
    /// The files of all its tickets that are known, listed or not, by state.
    pub files: FileCounts,
    /// Until when the first of its waiting artefacts is sure to live, or, if that is not known, can live.
    pub alive_until: Option<Instant>,
    /// When the ticket is due, or was, that is next in line; what is being asked about is not in line.
    pub next_due: Option<Instant>,
    /// When the access token it last got ends; none for one that others keep fresh.
    pub token_ends_at: Option<Instant>,
    /// What is wrong with it.
    pub trouble: Option<Trouble>,
    /// What it spends from; apps with the same key share it.
    pub budget: BudgetKey,
    /// What it may send.
    pub rate_limit: RateLimit,
    /// Requests it may send to the query endpoint right now.
    pub budget_left: usize,
    /// Requests of this month, UTC, that count against the platform's quota, of all apps with this budget.
    /// A process that died has not counted those of its last second.
    pub requests_this_month: u64,
    /// Accepted calls of this month, UTC, of all apps of its tenant, where the tenant's quota is configured.
    pub tenant_calls_this_month: Option<u64>,
    /// The tenant whose quota its calls count against, where that is configured.
    pub tenant: Option<Arc<Tenant>>,
}

impl AppView {
    /// How it does.
    #[must_use]
    pub fn condition(&self) -> AppCondition {
        self.trouble.as_ref().map_or(AppCondition::Active, |trouble| trouble.condition)
    }
}
