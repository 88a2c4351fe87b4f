//! State file and log: one batch at a time is made durable, then its verdicts are announced, then they
//! are marked as announced.

use std::io;

use tokio::task::JoinError;
use tokio::time::Instant;

use super::{CommitEnd, Engine};
use crate::crash_points::CrashPoint;
use crate::engine::announce::Announcer;
use crate::engine::app_state::AppState;
use crate::engine::meters::{Meters, tickets_in};
use crate::engine::now::Now;
use crate::engine::outcome::End;
use crate::engine::report;
use crate::engine::tickets::TicketIndex;
use crate::engine::unsaved::Verdict;
use crate::feishu::ExportApi;
use crate::store::{Batch, Store, StoreError, TroubleRecord};

impl<A: ExportApi, S: Store, L: Announcer> Engine<A, S, L> {
    /// Starts what is due: the next batch, the next question to the log.
    pub(super) fn start_writes(&mut self, now: Now) {
        if self.commit.is_none() && self.noted_troubles.as_ref() != Some(&self.troubles(now)) {
            self.unsaved.touched(now.at);
        }
        if self.unsaved.commit_due().is_some_and(|due| due <= now.at) {
            let batch = self.next_batch(now);
            self.commit = Some(tokio::spawn(commit(self.store.clone(), batch, self.meters.clone())));
        }
        if self.unsaved.settle_due(now.at).is_some_and(|due| due <= now.at) {
            self.unsaved.start_settle();
            let log = self.log.clone();
            self.settle = Some(tokio::spawn(async move { log.settle().await }));
        }
    }

    /// Whatever waits to be written, with every tally: one a budget, and the releases that changed it may have grown
    /// too old to be written while the state file failed.
    pub(super) fn next_batch(&mut self, now: Now) -> Batch {
        let mut batch = self.unsaved.start_commit(&self.tickets, self.oldest_release(now), now.at);
        let tallies = self.budgets.iter().map(|budget| &budget.tally).filter(|tally| tally.requests > 0);
        batch.tallies = tallies.cloned().collect();
        let proven = self.budgets.iter().filter(|budget| budget.proven);
        batch.proven = proven.map(|budget| budget.key.clone()).collect();
        let troubles = Some(self.troubles(now));
        if troubles != self.noted_troubles {
            batch.troubles.clone_from(&troubles);
            self.noted_troubles = troubles;
        }
        batch
    }

    /// Every app in trouble.
    fn troubles(&self, now: Now) -> Vec<TroubleRecord> {
        let record = |app: &AppState| {
            app.trouble(now.at).map(|trouble| TroubleRecord { app: app.app.name.clone(), trouble })
        };
        self.apps.iter().filter_map(record).collect()
    }

    pub(super) fn next_write(&self, now: Instant) -> Option<Instant> {
        [self.unsaved.commit_due(), self.unsaved.settle_due(now)].into_iter().flatten().min()
    }

    pub(super) fn commit_ended(&mut self, ended: Result<CommitEnd, JoinError>, now: Now) {
        match ended {
            Ok(Ok(())) => {
                let verdicts = self.unsaved.committed();
                if self.unsaved.works() {
                    report::state_recovered();
                }
                self.announce(verdicts, now);
            }
            Ok(Err(failed)) => {
                let error = failed.error;
                if failed.batch.troubles.is_some() {
                    self.noted_troubles = None;
                }
                let is_news = self.unsaved.commit_failed(failed.batch, &self.tickets, now.at);
                if !error.may_pass() && self.ending.is_none() {
                    self.state_lost(&error, now);
                } else if is_news {
                    report::state_failed(&error);
                }
            }
            Err(_panicked) => {
                self.noted_troubles = None;
                self.unsaved.commit_lost(&self.tickets, now.at);
            }
        }
    }

    /// The file was moved or replaced, or SQLite gave it up: only a new process can help.
    pub(super) fn state_lost(&mut self, error: &StoreError, now: Now) {
        report::state_lost(error);
        self.end(End::StateLost, now);
    }

    /// Hands the lines of durable verdicts to the log.
    pub(super) fn announce(&mut self, verdicts: Vec<Verdict>, now: Now) {
        if verdicts.is_empty() {
            return;
        }
        CrashPoint::VerdictsDurable.pass();
        for verdict in &verdicts {
            report::verdict(&verdict.record, now.wall);
        }
        CrashPoint::VerdictsLogged.pass();
        self.unsaved.logged(verdicts);
    }

    pub(super) fn settle_ended(&mut self, ended: Result<io::Result<()>, JoinError>, now: Now) {
        match ended {
            Ok(Ok(())) => {
                self.unannounced_since = None;
                CrashPoint::LinesSafe.pass();
                for verdict in self.unsaved.settled() {
                    self.mark_announced(&verdict, now);
                }
                CrashPoint::VerdictsMarked.pass();
                self.restart_announced(now);
            }
            Ok(Err(_)) | Err(_) => self.unsaved.settle_failed(now.at),
        }
    }

    /// A ticket got its verdict, which is written at once.
    pub(super) fn decided(&mut self, index: TicketIndex, now: Now) {
        if let Some(slot) = self.tickets.get(index)
            && let Some(place) = slot.app
        {
            self.apps[place].meters.finished(&slot.record);
        }
        self.unsaved.decided(index, now.at);
    }

    fn mark_announced(&mut self, verdict: &Verdict, now: Now) {
        let marked = self.tickets.change(verdict.index, |slot| {
            let same = slot.stamp == verdict.stamp && slot.record.state == verdict.record.state;
            slot.record.announced |= same;
            same
        });
        if marked == Some(true) {
            self.unsaved.changed(verdict.index, now.at);
        }
    }
}

/// Writes a batch and notes how that went.
pub(super) async fn commit<S: Store>(store: S, batch: Batch, meters: Meters) -> CommitEnd {
    let (tickets, began) = (tickets_in(&batch), Instant::now());
    let end = store.commit(batch).await;
    meters.commit_ended(tickets, began.elapsed(), end.is_ok());
    end
}
