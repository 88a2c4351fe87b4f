//! What the engine knows of one app besides its tickets: queue, pauses, access token, health, clock.

use std::time::Duration;

use tokio::time::Instant;

use super::access::Access;
use super::gate::{Gate, Passage, Pause};
use super::meters::AppMeters;
use super::tickets::{TicketIndex, Tickets};
use crate::domain::{App, Credentials, Endpoint, TicketState};
use crate::schedule::Queue;

/// So many failing polls in a row …
const OUTAGE: u32 = 5;

/// … over at least this long are an outage: a handful of sick tickets among sound ones is none.
const OUTAGE_AFTER: Duration = Duration::from_secs(30);

/// Polls in flight at most during an outage: enough to notice its end, no more load than that.
const OUTAGE_IN_FLIGHT: usize = 4;

/// A server that has never answered is reported sooner: most likely the address is wrong.
const NEVER_REACHED: u32 = 2;

/// So many tickets refused for want of permission, and none accepted ever, speak against the app.
const WRONG_IDENTITY: u32 = 10;

/// An app and everything that changes about it.
#[derive(Debug)]
pub(super) struct AppState {
    /// What the configuration says.
    pub app: App,
    /// The place of its budget.
    pub budget: usize,
    /// Tickets that wait, with the stamp that makes an entry void once it is outdated.
    pub queue: Queue<(TicketIndex, u64)>,
    /// Polls in flight.
    pub in_flight: usize,
    /// Whether the app's tickets may be polled.
    pub gate: Gate,
    /// Whether the token endpoint may be asked.
    pub token_gate: Gate,
    /// The access token.
    pub access: Access,
    /// Where it is noted what happens to it.
    pub meters: AppMeters,
    clock: ActiveClock,
    failing: u32,
    failing_since: Option<Instant>,
    degraded: bool,
    /// Some request was answered in this life of the daemon.
    reached: bool,
    /// An answer was accepted, now or in an earlier life: the identity is right.
    proven: bool,
    denied: u32,
}

/// How a poll bears on the app's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HealthChange {
    /// A run of failing polls begins.
    Degraded,
    /// It ended.
    Recovered,
}

impl AppState {
    /// An app that was not used yet.
    #[must_use]
    pub(super) fn new(app: App, budget: usize, meters: AppMeters, now: Instant) -> Self {
        Self {
            app,
            budget,
            queue: Queue::default(),
            in_flight: 0,
            gate: Gate::default(),
            token_gate: Gate::default(),
            access: Access::new(),
            meters,
            clock: ActiveClock { passed: Duration::ZERO, since: Some(now) },
            failing: 0,
            failing_since: None,
            degraded: false,
            reached: false,
            proven: false,
            denied: 0,
        }
    }

    /// Whether an access token costs a request.
    #[must_use]
    pub(super) const fn fetches_tokens(&self) -> bool {
        matches!(self.app.credentials, Credentials::AppSecret(_))
    }

    /// Whether the app sends requests to the endpoint at all.
    pub(super) const fn asks(&self, endpoint: Endpoint) -> bool {
        match endpoint {
            Endpoint::Query => true,
            Endpoint::Token => self.fetches_tokens(),
        }
    }

    /// The gate before the endpoint.
    pub(super) const fn gate_of(&mut self, endpoint: Endpoint) -> &mut Gate {
        match endpoint {
            Endpoint::Query => &mut self.gate,
            Endpoint::Token => &mut self.token_gate,
        }
    }

    /// The next ticket in line and when it is due. Void entries that came up are dropped.
    pub(super) fn next_due(&mut self, tickets: &Tickets) -> Option<(Instant, TicketIndex)> {
        loop {
            let (due, &(index, stamp)) = self.queue.peek()?;
            let waits = tickets
                .get(index)
                .is_some_and(|slot| slot.stamp == stamp && slot.record.state == TicketState::Pending);
            if waits {
                return Some((due, index));
            }
            self.queue.pop();
        }
    }

    /// The pauses that keep tickets from being polled. That no new access token is to be had does not, as long
    /// as the one in use is good.
    pub(super) fn pauses(&self, now: Instant) -> impl Iterator<Item = (Endpoint, &Pause)> {
        let of_token = self.token_gate.pause().filter(|_| self.access.usable(now).is_none());
        let query = self.gate.pause().map(|pause| (Endpoint::Query, pause));
        query.into_iter().chain(of_token.map(|pause| (Endpoint::Token, pause)))
    }

    /// How many polls may be in flight at once, given the configured number.
    #[must_use]
    pub(super) fn in_flight_max(&self, configured: usize) -> usize {
        if self.is_degraded() { configured.min(OUTAGE_IN_FLIGHT) } else { configured }
    }

    /// Whether a run of failing polls is on.
    #[must_use]
    pub(super) const fn is_degraded(&self) -> bool {
        self.degraded
    }

    /// A poll, or the fetch of a token, failed without saying anything about ticket or app.
    pub(super) fn call_failed(&mut self, now: Instant) -> Option<HealthChange> {
        self.failing = self.failing.saturating_add(1);
        let since = *self.failing_since.get_or_insert(now);
        let lasting = self.failing >= OUTAGE && now - since >= OUTAGE_AFTER;
        let outage = lasting || (!self.reached && self.failing >= NEVER_REACHED);
        let begins = outage && !self.degraded;
        self.degraded |= outage;
        begins.then_some(HealthChange::Degraded)
    }

    /// The server answered with something that can be understood.
    pub(super) fn call_answered(&mut self) -> Option<HealthChange> {
        self.reached = true;
        self.failing = 0;
        self.failing_since = None;
        std::mem::take(&mut self.degraded).then_some(HealthChange::Recovered)
    }

    /// The token endpoint answered: the server is there, whatever becomes of the polls.
    pub(super) fn reached(&mut self) {
        self.reached = true;
    }

    /// An earlier life of the daemon saw so many tickets refused for want of permission.
    pub(super) fn denied_before(&mut self, tickets: u32) {
        self.denied = self.denied.saturating_add(tickets);
    }

    /// A ticket that was refused for want of permission is asked about again: it counts by what it is answered
    /// now, and once.
    pub(super) fn denied_no_more(&mut self) {
        self.denied = self.denied.saturating_sub(1);
    }

    /// A ticket of this app was accepted: the app that asks is the one that created the job.
    pub(super) fn identity_proven(&mut self) {
        self.proven = true;
    }

    /// A ticket was refused for want of permission (1069902). Says whether so many were, and none ever
    /// accepted, that the app rather than the documents must be wrong.
    pub(super) fn denied(&mut self) -> bool {
        self.denied = self.denied.saturating_add(1);
        !self.proven && self.denied >= WRONG_IDENTITY
    }

    /// How long the app has been at work, its pauses left out.
    #[must_use]
    pub(super) fn active(&self, now: Instant) -> Duration {
        self.clock.read(now)
    }

    /// Lets the clock run or stand, as the gates say. Call after every change of a gate.
    pub(super) fn set_clock(&mut self, now: Instant) {
        let has_token = self.token_gate.pause().is_none() || self.access.usable(now).is_some();
        let runs = self.gate.pause().is_none() && has_token;
        self.clock.set(runs, now);
    }

    /// The earliest moment at which the main gate lets something through; none while a probe is out.
    #[must_use]
    pub(super) fn gate_opens(&self, now: Instant) -> Option<Instant> {
        match self.gate.passage(now) {
            Passage::Open | Passage::Probe => Some(now),
            Passage::Closed(until) => until,
        }
    }
}

/// A clock that stands while the app is paused.
#[derive(Clone, Copy, Debug)]
struct ActiveClock {
    passed: Duration,
    since: Option<Instant>,
}

impl ActiveClock {
    fn read(&self, now: Instant) -> Duration {
        self.passed + self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    fn set(&mut self, runs: bool, now: Instant) {
        if runs != self.since.is_some() {
            self.passed = self.read(now);
            self.since = runs.then_some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_clock_stands_in_a_pause() {
        let start = Instant::now();
        let mut clock = ActiveClock { passed: Duration::ZERO, since: Some(start) };
        clock.set(false, start + SECOND);
        clock.set(false, start + 2 * SECOND);
        assert_eq!(clock.read(start + 3 * SECOND), SECOND);
        clock.set(true, start + 10 * SECOND);
        assert_eq!(clock.read(start + 12 * SECOND), 3 * SECOND);
    }
}
