//! What the engine knows of one app besides its tickets: queues, pauses, access token, health, clock.

use std::time::Duration;

use tokio::time::Instant;

use super::access::Access;
use super::gate::{Gate, Pause};
use super::meters::AppMeters;
use super::now::Now;
use super::tickets::{TicketIndex, Tickets};
use crate::domain::{
    App, AppCondition, Credentials, Endpoint, ErrorKind, PauseEnd, TicketState, Trouble, WallTime,
};
use crate::feishu::Detail;
use crate::schedule::Queue;

/// So many failing polls in a row …
const OUTAGE: u32 = 5;

/// … over at least this long are an outage: a handful of sick tickets among sound ones is none.
const OUTAGE_AFTER: Duration = Duration::from_secs(30);

/// Polls in flight at most during an outage: enough to notice its end, no more load than that.
const OUTAGE_IN_FLIGHT: usize = 4;

/// So many are shown as the app's trouble.
const TROUBLE: u32 = 2;

/// A server that has never answered is reported sooner: most likely the address is wrong.
const NEVER_REACHED: u32 = 2;

/// An app and everything that changes about it.
#[derive(Debug)]
pub(super) struct AppState {
    /// What the configuration says.
    pub app: App,
    /// The place of its budget.
    pub budget: usize,
    /// Tickets that wait, with the stamp that makes an entry void once it is outdated.
    pub queue: Queue<(TicketIndex, u64)>,
    /// Refused tickets that wait: they are polled when nothing in `queue` is due.
    pub refused: Queue<(TicketIndex, u64)>,
    /// Since when its tickets seem to belong to another app.
    pub suspected: Option<WallTime>,
    /// Sending of the last query that was answered properly.
    pub proper_sent: Option<Instant>,
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
    /// The last of the failing calls.
    last_failure: Option<FailedCall>,
    /// What the answer said that began the pause of each endpoint.
    pause_messages: [Option<Box<str>>; Endpoint::ALL.len()],
    /// Some request was answered in this life of the daemon.
    reached: bool,
}

/// A ticket that waits in line. Of two that are due, the lesser one is polled first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InLine {
    /// It was refused: others go first.
    pub refused: bool,
    /// When it is due.
    pub due: Instant,
}

/// A call that failed without saying anything about ticket or app.
#[derive(Clone, Debug)]
struct FailedCall {
    endpoint: Endpoint,
    kind: ErrorKind,
    message: Option<Box<str>>,
    /// When the run of failing calls began.
    since: WallTime,
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
            refused: Queue::default(),
            suspected: None,
            proper_sent: None,
            in_flight: 0,
            gate: Gate::default(),
            token_gate: Gate::default(),
            access: Access::new(),
            meters,
            clock: ActiveClock { passed: Duration::ZERO, since: Some(now) },
            failing: 0,
            failing_since: None,
            degraded: false,
            last_failure: None,
            pause_messages: Default::default(),
            reached: false,
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

    /// The next ticket in line. Void entries that came up are dropped.
    pub(super) fn next_in_line(&mut self, tickets: &Tickets, now: Instant) -> Option<InLine> {
        let waiting = first_of(&mut self.queue, tickets).map(|due| InLine { refused: false, due });
        let refused = first_of(&mut self.refused, tickets).map(|due| InLine { refused: true, due });
        match (waiting, refused) {
            (Some(waiting), Some(refused)) if waiting.due > now && refused.due < waiting.due => Some(refused),
            (waiting, refused) => waiting.or(refused),
        }
    }

    /// Takes out what [`next_in_line`](Self::next_in_line) found.
    pub(super) fn pop(&mut self, next: InLine) -> Option<(TicketIndex, u64)> {
        let queue = if next.refused { &mut self.refused } else { &mut self.queue };
        queue.pop().map(|(_, ticket)| ticket)
    }

    /// The pauses that keep tickets from being polled. That no new access token is to be had does not, as long
    /// as the one in use is good.
    pub(super) fn pauses(&self, now: Instant) -> impl Iterator<Item = (Endpoint, &Pause)> {
        let of_token = self.token_gate.pause().filter(|_| self.access.usable(now).is_none());
        let query = self.gate.pause().map(|pause| (Endpoint::Query, pause));
        query.into_iter().chain(of_token.map(|pause| (Endpoint::Token, pause)))
    }

    /// Whether polls wait for a person, or for the next month.
    pub(super) fn is_broken(&self, now: Instant) -> bool {
        self.pauses(now).any(|(_, pause)| pause.reason.ended_by() != PauseEnd::Time)
    }

    /// What is wrong: a pause, else an outage, else a suspicion, else the calls that fail, from the second in a row on.
    #[must_use]
    pub(super) fn trouble(&self, now: Instant) -> Option<Trouble> {
        if let Some((endpoint, pause)) = self.pauses(now).next() {
            return Some(pause.view().trouble(endpoint, self.pause_messages[endpoint as usize].clone()));
        }
        if let Some(since) = self.suspected.filter(|_| !self.degraded) {
            return Some(Trouble::from_suspicion(since));
        }
        let FailedCall { endpoint, kind, message, since } = self.last_failure.clone()?;
        let condition = if self.degraded { AppCondition::Degraded } else { AppCondition::Active };
        let shows = self.degraded || self.failing >= TROUBLE;
        shows.then(|| Trouble::from_calls(condition, endpoint, kind, since).with_message(message))
    }

    /// The wall clock was set back: moments that people are shown follow.
    pub(super) fn clock_set_back(&mut self, by: Duration) {
        self.gate.clock_set_back(by);
        self.token_gate.clock_set_back(by);
        self.suspected = self.suspected.map(|since| since - by);
        if let Some(failure) = &mut self.last_failure {
            failure.since = failure.since - by;
        }
    }

    /// Notes the answer that began a pause of the endpoint.
    pub(super) fn note_pause(&mut self, endpoint: Endpoint, detail: &Detail) {
        self.pause_messages[endpoint as usize].clone_from(&detail.message);
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
    pub(super) fn call_failed(
        &mut self,
        endpoint: Endpoint,
        kind: ErrorKind,
        detail: &Detail,
        now: Now,
    ) -> Option<HealthChange> {
        self.failing = self.failing.saturating_add(1);
        let begun = self.last_failure.take().map_or(now.wall, |failure| failure.since);
        self.last_failure =
            Some(FailedCall { endpoint, kind, message: detail.message.clone(), since: begun });
        let since = *self.failing_since.get_or_insert(now.at);
        let lasting = self.failing >= OUTAGE && now.at - since >= OUTAGE_AFTER;
        let outage = lasting || (!self.reached && self.failing >= NEVER_REACHED);
        let begins = outage && !self.degraded;
        self.degraded |= outage;
        begins.then_some(HealthChange::Degraded)
    }

    /// The server answered with something that can be understood.
    pub(super) fn call_answered(&mut self) -> Option<HealthChange> {
        self.reached = true;
        self.failing = 0;
        self.last_failure = None;
        self.failing_since = None;
        std::mem::take(&mut self.degraded).then_some(HealthChange::Recovered)
    }

    /// The token endpoint answered: the server is there, whatever becomes of the polls.
    pub(super) fn reached(&mut self) {
        self.reached = true;
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
}

/// When the first ticket of a queue is due.
fn first_of(queue: &mut Queue<(TicketIndex, u64)>, tickets: &Tickets) -> Option<Instant> {
    loop {
        let (due, &(index, stamp)) = queue.peek()?;
        let waits = tickets
            .get(index)
            .is_some_and(|slot| slot.stamp == stamp && slot.record.state == TicketState::Pending);
        if waits {
            return Some(due);
        }
        queue.pop();
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
