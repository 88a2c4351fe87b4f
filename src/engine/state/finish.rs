//! The end: requests in flight are given up, the last batches and the outcome are drawn up.

use super::State;
use crate::domain::{AppName, Availability, FileState, TicketRecord, TicketState, Trouble};
use crate::engine::flight::Flight;
use crate::engine::now::Now;
use crate::engine::outcome::{End, NAMED_MAX, Outcome};
use crate::store::{Batch, EventId};

impl State {
    /// A request that is given up may still be on its way to the server: its slot is held as if it had been waited for.
    pub(in crate::engine) fn give_up_calls(&mut self, now: Now) {
        for flight in std::mem::take(&mut self.flights).into_values() {
            self.give_up(&flight, now);
        }
    }

    pub(super) fn give_up(&mut self, flight: &Flight, now: Now) {
        let waited = now.at.saturating_duration_since(flight.sent.at);
        let left = self.settings.request_timeout.saturating_sub(waited);
        self.release(flight, now.wall + left, now);
    }

    /// The next of the batches that write all that is left; the last one says that the process ended in good order.
    pub(in crate::engine) fn last_batch(&mut self, now: Now) -> Batch {
        let batch = self.next_batch(now);
        Batch { clean_stop: self.file.unsaved.is_written(), ..batch }
    }

    /// How the run ended, with rows of the outbox up to that one announced.
    pub(in crate::engine) fn outcome(&mut self, saved: bool, announced: EventId, now: Now) -> Outcome {
        let (named, doubtful) = self.named();
        Outcome {
            end: self.ending.take().map_or(End::Stopped, |ending| ending.end),
            listed: self.tickets.listed(),
            files: self.tickets.listed_files(),
            troubled: self.troubled(now),
            named,
            doubtful,
            saved,
            unannounced: self.file.verdicts.unannounced(announced),
            undelivered: Vec::new(),
        }
    }

    /// The apps in trouble that have work left.
    fn troubled(&self, now: Now) -> Vec<(AppName, Trouble)> {
        let apps = self.apps.iter().enumerate().filter(|(place, _)| self.tickets.of_app(*place).is_open());
        apps.filter_map(|(_, app)| Some((app.app.name.clone(), app.trouble(now.at)?))).collect()
    }

    /// The listed tickets that need a person, as far as they are named, and how many files may be gone.
    fn named(&self) -> (Vec<TicketRecord>, usize) {
        let listed =
            || self.tickets.iter().map(|(_, slot)| &slot.record).filter(|it| it.unlisted_since.is_none());
        let failed = listed().filter(|it| {
            matches!(it.state, TicketState::Failed | TicketState::TimedOut)
                || it.file_state().is_some_and(FileState::is_lost)
        });
        let doubtful = || listed().filter(|ticket| is_doubtful(ticket));
        (failed.chain(doubtful()).take(NAMED_MAX).cloned().collect(), doubtful().count())
    }
}

/// Whether the ticket completed and its file may have been gone by then.
fn is_doubtful(ticket: &TicketRecord) -> bool {
    Availability::is_doubtful(ticket, ticket.finished_at.unwrap_or(ticket.first_seen_at))
}
