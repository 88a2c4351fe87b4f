//! What the engine shows of itself after each turn: a copy, cheap whatever the number of tickets.

use std::sync::Arc;

use super::State;
use crate::domain::Endpoint;
use crate::engine::now::Now;
use crate::engine::snapshot::{AppView, Snapshot};
use crate::store::EventId;

impl State {
    /// A copy of what is shown outside, with rows of the outbox up to that one announced.
    pub(in crate::engine) fn snapshot(&mut self, announced: EventId, now: Now) -> Snapshot {
        let apps = (0..self.apps.len()).map(|place| self.view_of(place, now)).collect();
        let (documents, created) = self.tickets.listed_documents();
        Snapshot {
            listed: self.tickets.listed(),
            files: self.tickets.listed_files(),
            documents,
            created,
            bytes: self.meters.bytes(),
            apps,
            state_failing: self.file.unsaved.is_failing(),
            unannounced: self.file.verdicts.unannounced(announced),
            turned_at: Some(now.at),
            store_answered_at: self.file.answered_at,
        }
    }

    fn view_of(&mut self, place: usize, now: Now) -> AppView {
        let app = &mut self.apps[place];
        let budget = &self.budgets[app.budget];
        AppView {
            name: app.app.name.clone(),
            pending: self.tickets.of_app(place).pending(),
            known: self.tickets.of_app(place).known,
            files: self.tickets.of_app(place).files,
            alive_until: app.downloads.alive_until(&self.tickets),
            next_due: app.line.next(&self.tickets, now.at).map(|next| next.due),
            token_ends_at: app.access.ends_at(),
            trouble: app.trouble(now.at),
            budget: budget.key.clone(),
            rate_limit: app.app.rate_limit,
            budget_left: budget.endpoints[Endpoint::Query].room(now.at),
            requests_this_month: budget.spent_in(now.wall.month()),
            tenant_calls_this_month: app.tenant.map(|place| self.tenants[place].spent_in(now.wall.month())),
            tenant: app.tenant.map(|place| Arc::clone(&self.tenants[place].tenant)),
        }
    }
}
