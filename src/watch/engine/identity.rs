//! Whether an app is the one that creates its jobs, and what becomes of its refused tickets meanwhile.

use super::Engine;
use crate::domain::{BudgetKey, Endpoint, PauseReason};
use crate::feishu::ExportApi;
use crate::store::Store;
use crate::watch::announce::Announcer;
use crate::watch::gate::Pause;
use crate::watch::judging::{REFUSED_WAIT, Refusals, is_refused, judge_refusals};
use crate::watch::now::Now;
use crate::watch::report;
use crate::watch::step::fail_refused;

impl<A: ExportApi, S: Store, L: Announcer> Engine<A, S, L> {
    /// A proper answer came under the budget's host and app id: what is proven stays so for good.
    pub(super) fn prove_identity(&mut self, budget: usize, now: Now) {
        if !std::mem::replace(&mut self.budgets[budget].proven, true) {
            self.ledger.touched(now.at);
        }
    }

    pub(super) fn restore_identities(&mut self, proven: &[BudgetKey]) {
        for budget in &mut self.budgets {
            budget.proven |= proven.contains(&budget.key);
        }
    }

    pub(super) fn is_proven(&self, place: usize) -> bool {
        self.budgets[self.apps[place].budget].proven
    }

    /// Judges the refused tickets of every app, unless a list is coming in that may bring others.
    pub(super) fn judge_refused(&mut self, now: Now) {
        if self.taking.is_some() {
            return;
        }
        for place in 0..self.apps.len() {
            let open = self.tickets.open_of(place);
            match judge_refusals(self.is_proven(place), open.unasked, open.refused) {
                Refusals::Fail => self.fail_refused_of(place, now),
                Refusals::SuspectApp => self.suspect(place, open.refused, now),
                Refusals::Wait => {}
            }
        }
    }

    /// Whether nothing of the app is left but refused tickets that wait for a person.
    pub(super) fn is_only_refused(&self, place: usize) -> bool {
        let suspected = self.apps[place].suspected.is_some();
        suspected && self.tickets.open_of(place).refused == self.tickets.pending_of(place)
    }

    /// Refused tickets are polled again at once, as far as the budget goes.
    pub(super) fn try_refused_again(&mut self, place: usize, now: Now) {
        let app = &mut self.apps[place];
        let waiting = std::iter::from_fn(|| app.refused.pop()).map(|(_, ticket)| ticket).collect::<Vec<_>>();
        for ticket in waiting {
            app.refused.push(now.at, ticket);
        }
    }

    fn suspect(&mut self, place: usize, refused: usize, now: Now) {
        let app = &mut self.apps[place];
        if app.suspected.is_none() {
            app.suspected = Some(Pause::new(PauseReason::WrongIdentity, REFUSED_WAIT, now));
            app.meters.paused(PauseReason::WrongIdentity);
            report::app_suspected(&app.app.name, refused);
        }
    }

    /// Those that are being polled just now fail by their answer.
    fn fail_refused_of(&mut self, place: usize, now: Now) {
        if let Some(over) = self.apps[place].suspected.take() {
            report::app_resumed(&self.apps[place].app.name, Endpoint::Query.as_str(), &over);
        }
        while let Some((_, (index, stamp))) = self.apps[place].refused.pop() {
            let failed = self.tickets.change(index, |slot| {
                let waits = slot.stamp == stamp && is_refused(&slot.record);
                waits.then(|| fail_refused(&mut slot.record, now.wall))
            });
            if failed.flatten().is_some() {
                self.decided(index, now);
            }
        }
    }
}
