//! The state file: one batch at a time is made durable. Then the consumers of its verdicts and events are woken.

use super::State;
use crate::crash_points::CrashPoint;
use crate::domain::{verdict_event, verdict_name};
use crate::engine::app_state::AppState;
use crate::engine::event::Effect;
use crate::engine::hook_events::Happening;
use crate::engine::now::Now;
use crate::engine::outcome::End;
use crate::engine::report;
use crate::engine::tickets::TicketIndex;
use crate::store::{Batch, CommitError, StoreError, TroubleRecord};

impl State {
    /// Starts the next batch if it is due.
    pub(super) fn start_writes(&mut self, now: Now) {
        if self.file.troubles != self.troubles(now) {
            self.file.unsaved.touched(now.at);
        }
        if self.file.unsaved.commit_due().is_some_and(|due| due <= now.at) {
            let batch = self.next_batch(now);
            self.effects.push(Effect::Commit(batch));
        }
    }

    /// Whatever waits to be written, with all tallies, proven apps and troubles: there are few.
    pub(super) fn next_batch(&mut self, now: Now) -> Batch {
        self.show_shared(now);
        let mut batch = self.file.unsaved.start_commit(&self.tickets, self.oldest_release(now), now.at);
        let tallies = self.budgets.iter().map(|budget| &budget.tally);
        let tallies = tallies.chain(self.tenants.iter().map(|tenant| &tenant.tally));
        batch.tallies = tallies.filter(|tally| tally.requests > 0).cloned().collect();
        let proven = self.budgets.iter().filter(|budget| budget.proven);
        batch.proven = proven.map(|budget| budget.key.clone()).collect();
        self.file.troubles = self.troubles(now);
        batch.troubles = Some(self.file.troubles.clone());
        batch
    }

    /// Every app in trouble.
    fn troubles(&self, now: Now) -> Vec<TroubleRecord> {
        let record = |app: &AppState| {
            app.trouble(now.at).map(|trouble| TroubleRecord { app: app.app.name.clone(), trouble })
        };
        self.apps.iter().filter_map(record).collect()
    }

    pub(super) fn commit_ended(&mut self, end: Option<Result<(), Box<CommitError>>>, now: Now) {
        match end {
            Some(Ok(())) => {
                let durable = self.file.unsaved.committed();
                if self.file.unsaved.works() {
                    report::state_recovered();
                }
                if let Some(last) = durable.last {
                    CrashPoint::VerdictsDurable.pass();
                    self.effects.push(Effect::WakeConsumers(last));
                }
                self.effects.extend(durable.last_for_hooks.map(Effect::WakeHooks));
                durable.bodies.into_iter().for_each(|index| self.place(index));
                durable.creates.into_iter().for_each(|flight| self.send_create(flight, now));
            }
            Some(Err(failed)) => {
                let error = failed.error;
                let is_news = self.file.unsaved.commit_failed(failed.batch, &self.tickets, now.at);
                let is_lost = self.ending.as_ref().is_some_and(|ending| ending.end == End::StateLost);
                if !error.may_pass() && self.ending.is_none() {
                    self.state_lost(&error, now);
                } else if is_news && !is_lost {
                    report::state_failed(&error);
                }
            }
            None => self.file.unsaved.commit_lost(&self.tickets, now.at),
        }
    }

    /// The file was moved or replaced, or SQLite gave it up: only a new process can help.
    pub(super) fn state_lost(&mut self, error: &StoreError, now: Now) {
        report::state_failed(error);
        self.end(End::StateLost, now);
    }

    /// A ticket got its verdict, which is written at once, with its rows for log and hooks.
    pub(super) fn decided(&mut self, index: TicketIndex, now: Now) {
        if self.export_again(index, now) {
            return;
        }
        // First, for the verdict says whether a file follows.
        self.want_file(index, now);
        let Some(slot) = self.tickets.get(index) else { return };
        if let Some(place) = slot.app {
            self.apps[place].meters.finished(&slot.record);
        }
        let record = &slot.record;
        if let Some((event, payload)) = verdict_name(record).zip(verdict_event(record, now.wall)) {
            let kind = record.error.as_deref().map(|error| error.kind);
            let what = Happening { event, kind };
            self.file.decided(index, record, (what, payload), now);
            self.note_for_followers(index, what, now);
        }
        self.export_over(index);
    }
}
