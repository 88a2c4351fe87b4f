//! Whether an export may be created: only if its ticket can be polled and its file fetched while that lives.

use std::time::Duration;

use super::State;
use crate::domain::{ARTEFACT_LIFE, Endpoint, RateLimit};
use crate::engine::now::Now;

/// What of an artefact's life is left for an outage, or for the transfer.
const RESERVE: Duration = Duration::from_secs(240);

impl State {
    /// Whether one more export of the app may be created.
    pub(super) fn admits(&mut self, place: usize, now: Now) -> bool {
        let limit = open_max(self.apps[place].app.rate_limit);
        self.open_in_budget(place) < limit
            && !self.is_cut_off(place, now)
            && !self.are_files_in_danger(place, now)
            && self.covers_one_more(place, now)
    }

    /// Tickets and files of which an artefact may be to come, or is to be fetched, of all apps that share the budget.
    fn open_in_budget(&self, place: usize) -> usize {
        self.sharing_budget(place).map(|place| self.tickets.of_app(place).open).sum()
    }

    /// Whether what the app has open can't be polled or fetched just now. Where nothing is, a create may be what ends the
    /// trouble.
    fn is_cut_off(&self, place: usize, now: Now) -> bool {
        let (counts, app) = (self.tickets.of_app(place), &self.apps[place]);
        let is_paused = |endpoint| app.is_paused(endpoint, now.at);
        let is_in_trouble =
            app.health.is_degraded() || is_paused(Endpoint::Query) || is_paused(Endpoint::Download);
        is_in_trouble && counts.polled + counts.waiting() > 0
    }

    /// Whether a file of the budget is hardly fetched in time.
    fn are_files_in_danger(&mut self, place: usize, now: Now) -> bool {
        let places: Vec<_> = self.sharing_budget(place).collect();
        places.into_iter().any(|place| {
            let first = self.apps[place].downloads.alive_until(&self.tickets);
            first.is_some_and(|until| until < now.at + RESERVE)
        })
    }

    fn sharing_budget(&self, place: usize) -> impl Iterator<Item = usize> {
        let budget = self.apps[place].budget;
        self.apps.iter().enumerate().filter(move |(_, app)| app.budget == budget).map(|(place, _)| place)
    }
}

/// Exports that may be open at a time in one budget: as many as can be polled and fetched in what is left of their
/// artefacts' lives after the reserve. At least one.
fn open_max(limit: RateLimit) -> usize {
    let windows = (ARTEFACT_LIFE - RESERVE).as_secs_f64() / limit.per.as_secs_f64();
    ((f64::from(limit.requests.get()) * windows) as usize).max(1)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn as_many_are_open_as_can_be_fetched_in_time() {
        for (requests, seconds, expected) in [(100, 60, 600), (10, 60, 60), (1, 600, 1), (1, 3600, 1)] {
            let (requests, per) = (NonZeroU32::new(requests).unwrap(), Duration::from_secs(seconds));
            assert_eq!(open_max(RateLimit { requests, per }), expected, "{requests} in {seconds} s");
        }
    }
}
