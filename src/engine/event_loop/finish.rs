//! The end: what is still in flight is given up, everything known is written, the outcome is drawn up.

use std::time::Duration;

use super::Engine;
use super::writes::commit;
use crate::crash_points::CrashPoint;
use crate::domain::{AppName, Availability, TicketRecord, TicketState, Trouble};
use crate::engine::announce::Announcer;
use crate::engine::now::Now;
use crate::engine::outcome::{End, NAMED_MAX, Outcome};
use crate::engine::report;
use crate::feishu::ExportApi;
use crate::store::Store;

/// The last verdicts may take this long to be committed and logged; a log that stalls must not hold up
/// a shutdown.
const ANNOUNCE_WITHIN: Duration = Duration::from_secs(4);

/// The rest may take this long to be written; nor must a disk that hangs.
const WRITE_WITHIN: Duration = Duration::from_secs(4);

impl<A: ExportApi, S: Store, L: Announcer> Engine<A, S, L> {
    pub(super) async fn finish(mut self) -> Outcome {
        self.give_up_calls().await;
        // Each step below takes less time than a loop that moves may stand still.
        self.show(self.clock.now());
        // Whatever is not announced by then is counted below and announced by the next start.
        let _ = tokio::time::timeout(ANNOUNCE_WITHIN, self.announce_all()).await;
        self.show(self.clock.now());
        let saved = tokio::time::timeout(WRITE_WITHIN, self.write_rest()).await.unwrap_or(false);
        let (named, doubtful) = self.named();
        let now = self.clock.now();
        let outcome = Outcome {
            end: self.ending.take().map_or(End::Stopped, |ending| ending.end),
            listed: self.listed(),
            troubled: self.troubled(now),
            named,
            doubtful,
            saved,
            unannounced: self.unsaved.unannounced(),
        };
        report::watcher_stopped(&outcome);
        outcome
    }

    /// The apps in trouble that have tickets pending.
    fn troubled(&self, now: Now) -> Vec<(AppName, Trouble)> {
        let apps = self.apps.iter().enumerate().filter(|(place, _)| self.tickets.pending_of(*place) > 0);
        apps.filter_map(|(_, app)| Some((app.app.name.clone(), app.trouble(now.at)?))).collect()
    }

    /// The listed tickets that want a person's look, as far as they are named, and how many files may be gone.
    fn named(&self) -> (Vec<TicketRecord>, usize) {
        let listed =
            || self.tickets.iter().map(|(_, slot)| &slot.record).filter(|it| it.unlisted_since.is_none());
        let failed = listed().filter(|it| matches!(it.state, TicketState::Failed | TicketState::TimedOut));
        let doubtful = || listed().filter(|ticket| is_doubtful(ticket));
        (failed.chain(doubtful()).take(NAMED_MAX).cloned().collect(), doubtful().count())
    }

    /// A request that is given up may still be on its way to the server: its slot is held as if it had been waited for.
    async fn give_up_calls(&mut self) {
        self.calls.shutdown().await;
        let now = self.clock.now();
        for flight in std::mem::take(&mut self.flights).into_values() {
            let waited = now.at.saturating_duration_since(flight.sent.at);
            let left = self.settings.request_timeout.saturating_sub(waited);
            self.release(&flight, now.wall + left, now);
        }
    }

    /// Commits and announces until no verdict is left; all else goes into the last batch.
    async fn announce_all(&mut self) {
        while !self.unsaved.is_announced() {
            let now = self.clock.now();
            self.start_writes(now);
            let wake = self.wait(now).await;
            self.handle(wake, self.clock.now());
        }
    }

    /// Writes whatever is left. The last batch says that the process ended in good order.
    async fn write_rest(&mut self) -> bool {
        // A batch that is still under way must come to its end first: should it fail, its rows go
        // into the next one.
        while self.commit.is_some() {
            let ended = super::ended(&mut self.commit).await;
            self.commit_ended(ended, self.clock.now());
        }
        loop {
            let now = self.clock.now();
            let mut batch = self.next_batch(now);
            batch.clean_stop = self.unsaved.is_written();
            let is_last = batch.clean_stop;
            if is_last {
                CrashPoint::LastBatchDue.pass();
            }
            if commit(self.store.clone(), batch, self.meters.clone()).await.is_err() {
                return false;
            }
            // Too late to announce them; counted, and announced by the next start.
            let verdicts = self.unsaved.committed();
            self.unsaved.logged(verdicts);
            if is_last {
                CrashPoint::LastBatchDone.pass();
                return true;
            }
        }
    }
}

/// Whether the ticket completed and its file may have been gone by then.
fn is_doubtful(ticket: &TicketRecord) -> bool {
    ticket.state == TicketState::Completed && Availability::at_verdict(ticket).is_doubtful()
}
