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
        let budget = self.apps[place].budget;
        let limit = open_max(self.apps[place].app.rate_limit);
        let is_safe = self.open_exports(budget) < limit && !self.are_files_in_danger(budget, now);
        is_safe && self.is_covered(place, now)
    }

    /// Tickets and files of the budget of which an artefact may be to come, or is to be fetched.
    fn open_exports(&self, budget: usize) -> usize {
        self.places_of(budget).map(|place| self.tickets.of_app(place).open).sum()
    }

    /// Whether what is open can't be polled or fetched just now, or hardly in time. Where nothing is, a create may be
    /// what ends the trouble.
    fn are_files_in_danger(&mut self, budget: usize, now: Now) -> bool {
        let places: Vec<_> = self.places_of(budget).collect();
        places.into_iter().any(|place| {
            let (counts, app) = (self.tickets.of_app(place), &mut self.apps[place]);
            let first = app.downloads.alive_until(&self.tickets);
            let is_late = first.is_some_and(|until| until < now.at + RESERVE);
            let is_paused = |endpoint| app.is_paused(endpoint, now.at);
            let is_cut_off =
                app.health.is_degraded() || is_paused(Endpoint::Query) || is_paused(Endpoint::Download);
            is_late || is_cut_off && counts.polled + counts.waiting() > 0
        })
    }

    pub(super) fn places_of(&self, budget: usize) -> impl Iterator<Item = usize> {
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
