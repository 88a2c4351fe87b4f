//! Whether an app is the one that creates its jobs, and what becomes of its refused tickets meanwhile.

use super::State;
use crate::domain::{BudgetKey, TicketState};
use crate::engine::judging::{Refusals, is_refused, judge_refusals};
use crate::engine::now::Now;
use crate::engine::report;
use crate::engine::step::fail_refused;
use crate::engine::tickets::Slot;

impl State {
    /// A proper answer came under the budget's host and app id: what is proven stays so for good.
    pub(super) fn prove_identity(&mut self, budget: usize, now: Now) {
        if !std::mem::replace(&mut self.budgets[budget].proven, true) {
            self.file.unsaved.touched(now.at);
        }
    }

    /// A state file that names no proven app id may come from a version that kept none: then the tickets that were
    /// answered prove those of their apps.
    pub(super) fn restore_identities(&mut self, proven: &[BudgetKey]) {
        for budget in &mut self.budgets {
            budget.proven |= proven.contains(&budget.key);
        }
        if proven.is_empty() {
            let answered = |slot: &&Slot| {
                let record = &slot.record;
                record.state == TicketState::Completed || record.progress.last_running_at.is_some()
            };
            let slots = self.tickets.iter().map(|(_, slot)| slot).filter(answered);
            for place in slots.filter_map(|slot| slot.app) {
                self.budgets[self.apps[place].budget].proven = true;
            }
        }
    }

    pub(super) fn is_proven(&self, place: usize) -> bool {
        self.budgets[self.apps[place].budget].proven
    }

    /// Judges the refused tickets of every app, unless a list is coming in that may bring others.
    pub(super) fn judge_refused(&mut self, now: Now) {
        if self.list_update.is_some() {
            return;
        }
        for place in 0..self.apps.len() {
            let open = self.tickets.of_app(place);
            let suspected = self.apps[place].suspected.is_some();
            match judge_refusals(self.is_proven(place), suspected, open.unasked, open.refused) {
                Refusals::Fail => self.fail_refused_of(place, now),
                Refusals::SuspectApp => self.suspect(place, open.refused, now),
                Refusals::Wait => {}
            }
        }
    }

    /// Whether nothing of the app is left but refused tickets that wait for a person.
    pub(super) fn is_only_refused(&self, place: usize) -> bool {
        let suspected = self.apps[place].suspected.is_some();
        suspected && self.tickets.of_app(place).refused == self.tickets.of_app(place).polled
    }

    fn suspect(&mut self, place: usize, refused: usize, now: Now) {
        let app = &mut self.apps[place];
        if app.suspected.is_none() {
            app.suspected = Some(now.wall);
            self.file.app_event(&report::app_suspected(&app.app.name, refused), now);
        }
    }

    /// Those that are being polled just now fail by their answer.
    fn fail_refused_of(&mut self, place: usize, now: Now) {
        if self.apps[place].suspected.take().is_some() {
            self.file.app_event(&report::app_recovered(&self.apps[place].app.name), now);
        }
        for (index, stamp) in self.apps[place].line.take_refused() {
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
