//! What the engine shows of itself after each turn: a copy, cheap whatever the number of tickets.

use super::Engine;
use crate::domain::Endpoint;
use crate::engine::now::Now;
use crate::engine::snapshot::{AppView, Snapshot};
use crate::feishu::ExportApi;
use crate::store::Store;

impl<A: ExportApi, S: Store> Engine<A, S> {
    pub(super) fn show(&mut self, now: Now) {
        let apps = (0..self.apps.len()).map(|place| self.view_of(place, now)).collect();
        self.view.send_replace(Snapshot {
            listed: self.tickets.listed(),
            apps,
            state_failing: self.unsaved.is_failing(),
            unannounced: self.verdicts.unannounced(),
            turned_at: Some(now.at),
            store_answered_at: self.store_answered_at,
        });
    }

    fn view_of(&mut self, place: usize, now: Now) -> AppView {
        let app = &mut self.apps[place];
        let budget = &self.budgets[app.budget];
        AppView {
            name: app.app.name.clone(),
            pending: self.tickets.pending_of(place),
            known: self.tickets.known_of(place),
            next_due: app.line.next(&self.tickets, now.at).map(|next| next.due),
            token_ends_at: app.access.ends_at(),
            trouble: app.trouble(now.at),
            budget: budget.key.clone(),
            rate_limit: app.app.rate_limit,
            budget_left: budget.endpoints[Endpoint::Query].room(now.at),
            requests_this_month: budget.spent_in(now.wall.month()),
        }
    }
}
