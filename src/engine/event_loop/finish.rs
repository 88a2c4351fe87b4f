//! The end: what is still in flight is given up, everything known is written, the outcome is drawn up.

use std::time::Duration;

use super::Engine;
use super::writes::commit;
use crate::crash_points::CrashPoint;
use crate::domain::{AppName, Availability, TicketRecord, TicketState, Trouble};
use crate::engine::now::Now;
use crate::engine::outcome::{End, NAMED_MAX, Outcome};
use crate::engine::unsaved::TRY_AGAIN;
use crate::feishu::ExportApi;
use crate::store::Store;

/// The batch that is being written may take this long, and so may what is left then; a disk that hangs must not hold up
/// a shutdown.
const WRITE_WITHIN: Duration = Duration::from_secs(4);

impl<A: ExportApi, S: Store> Engine<A, S> {
    pub(super) async fn finish(mut self) -> Outcome {
        self.give_up_calls().await;
        // Each step below takes less time than a loop that moves may stand still.
        self.show(self.clock.now());
        let _ = tokio::time::timeout(WRITE_WITHIN, self.end_commit()).await;
        self.show(self.clock.now());
        let saved = tokio::time::timeout(WRITE_WITHIN, self.write_rest()).await.unwrap_or(false);
        let now = self.clock.now();
        self.show(now);
        let (named, doubtful) = self.named();
        Outcome {
            end: self.ending.take().map_or(End::Stopped, |ending| ending.end),
            listed: self.tickets.listed(),
            troubled: self.troubled(now),
            named,
            doubtful,
            saved,
            unannounced: self.verdicts.unannounced(),
        }
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

    /// A batch that is still under way must come to its end before another is made: should it fail, its rows go into
    /// that one.
    async fn end_commit(&mut self) {
        if self.commit.is_some() {
            let ended = super::ended(&mut self.commit).await;
            self.commit_ended(ended, self.clock.now());
        }
    }

    /// Writes whatever is left, and tries again where that fails and may pass. The last batch says that the process
    /// ended in good order.
    async fn write_rest(&mut self) -> bool {
        self.end_commit().await;
        loop {
            let mut batch = self.next_batch(self.clock.now());
            let is_last = self.unsaved.is_written();
            batch.clean_stop = is_last;
            if is_last {
                CrashPoint::LastBatchDue.pass();
            }
            let end = commit(self.store.clone(), batch, self.meters.clone()).await;
            let failure = end.as_ref().err().map(|failed| failed.error.may_pass());
            self.commit_ended(Ok(end), self.clock.now());
            match failure {
                None if is_last => {
                    CrashPoint::LastBatchDone.pass();
                    return true;
                }
                None => {}
                Some(may_pass) if may_pass => tokio::time::sleep(TRY_AGAIN).await,
                Some(_) => return false,
            }
        }
    }
}

/// Whether the ticket completed and its file may have been gone by then.
fn is_doubtful(ticket: &TicketRecord) -> bool {
    Availability::is_doubtful(ticket, ticket.finished_at.unwrap_or(ticket.first_seen_at))
}
