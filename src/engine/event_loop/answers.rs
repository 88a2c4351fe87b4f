//! Answers come in: first what they say of the app (pause, access token, health), then what they say of
//! the ticket.

use std::time::Duration;

use tokio::task::{Id, JoinError};
use tokio::time::Instant;

use super::Engine;
use super::calls::{Call, CallEnd, Flight};
use crate::domain::{AppName, Endpoint, ErrorKind, PauseEnd, PauseReason, TicketKey, WallTime};
use crate::engine::access::Refusal;
use crate::engine::announce::Announcer;
use crate::engine::app_state::HealthChange;
use crate::engine::judging::{Evidence, REFUSED_WAIT, counts, is_refused};
use crate::engine::now::Now;
use crate::engine::report;
use crate::engine::step::{EndedPoll, Next, after_poll};
use crate::engine::tickets::TicketIndex;
use crate::feishu::{Answer, Detail, ExportApi, Pace, TokenAnswer, TokenTrouble, Verdict};
use crate::store::{Release, Store};

impl<A: ExportApi, S: Store, L: Announcer> Engine<A, S, L> {
    pub(super) fn call_ended(&mut self, ended: Result<(Id, CallEnd), JoinError>, now: Now) {
        let (id, end) = match ended {
            Ok((id, end)) => (id, Ok(end)),
            Err(panic) => (panic.id(), Err(panic)),
        };
        let Some(flight) = self.flights.remove(&id) else { return };
        self.release(&flight, now);
        match (end, &flight.call) {
            (Ok(CallEnd::Polled(answer)), Call::Poll { .. }) => self.poll_ended(&flight, answer, now),
            (Ok(CallEnd::Fetched(answer)), Call::Token) => self.fetch_ended(&flight, answer, now),
            (Err(panic), Call::Poll { index, .. }) => {
                if let Some(slot) = self.tickets.get(*index) {
                    report::poll_panicked(&slot.record.key, &panic.to_string());
                }
                self.poll_ended(&flight, Answer::lost("the poll panicked"), now);
            }
            (_, Call::Token) => self.fetch_ended(&flight, TokenAnswer::lost("the request panicked"), now),
            (Ok(CallEnd::Fetched(_)), Call::Poll { .. }) => {}
        }
        self.apps[flight.app].set_clock(now.at);
    }

    /// The request's slot is held for one more window from now on, here and in the state file.
    pub(super) fn release(&mut self, flight: &Flight, now: Now) {
        self.release_as_of(flight, now.wall, now);
    }

    /// The same with a slot that the state file holds for one window from another moment on.
    pub(super) fn release_as_of(&mut self, flight: &Flight, at: WallTime, now: Now) {
        let app = &mut self.apps[flight.app];
        let endpoint = flight.endpoint();
        if endpoint == Endpoint::Query {
            app.in_flight -= 1;
        }
        if !app.asks(endpoint) {
            return;
        }
        let budget = &mut self.budgets[app.budget];
        budget.of(endpoint).release(now.at);
        if endpoint == Endpoint::Query {
            budget.count(now.wall.month());
        }
        self.ledger
            .released(Release { id: self.releases.take(), budget: budget.key.clone(), endpoint, at }, now.at);
    }

    fn poll_ended(&mut self, flight: &Flight, answer: Answer, now: Now) {
        let Call::Poll { index, stamp, generation, due } = flight.call else { return };
        let took = now.at.saturating_duration_since(flight.sent.at);
        self.apps[flight.app].meters.poll_ended(&answer.verdict, took);
        let paused_now = self.tell_app(flight, generation, &answer, now);
        let wanted =
            self.tickets.get(index).filter(|slot| slot.stamp == stamp).map(|slot| slot.record.key.clone());
        // An answer for a ticket that was removed, or listed anew, meanwhile is dropped.
        if let Some(key) = wanted {
            let due = if paused_now { now.at + self.detour(index) } else { due };
            self.tell_ticket(index, &key, flight, due, &answer, now);
        }
    }

    /// A ticket whose answer began a pause lets the others go first for as long as one that was asked so
    /// often would wait: should it be the cause itself, the app must not stop at it over and over.
    fn detour(&mut self, index: TicketIndex) -> Duration {
        let polls = self.tickets.get(index).map_or(0, |slot| slot.record.polls);
        self.settings.backoff.interval(polls, self.rng.f64())
    }

    /// Says whether the answer began a pause by the app's fault.
    fn tell_app(&mut self, flight: &Flight, generation: u64, answer: &Answer, now: Now) -> bool {
        match answer.verdict {
            Verdict::Throttled { reset } => self.throttled(flight, reset, &answer.detail, now),
            Verdict::TokenRejected => return self.token_rejected(flight, generation, &answer.detail, now),
            Verdict::AppFault(reason) => return self.app_fault(flight, reason, &answer.detail, now),
            Verdict::Retry { kind, .. } => self.call_brought_nothing(flight, generation, kind, answer, now),
            Verdict::Strange(strange) => {
                self.call_brought_nothing(flight, generation, strange.kind(), answer, now);
            }
            Verdict::Pending
            | Verdict::Completed(_)
            | Verdict::Failed(_)
            | Verdict::Refused
            | Verdict::Postponed
            | Verdict::Unclear(_) => {
                self.envelope_arrived(flight, generation, answer, now);
                self.call_answered(flight, answer, now);
            }
        }
        false
    }

    fn call_brought_nothing(
        &mut self,
        flight: &Flight,
        generation: u64,
        kind: ErrorKind,
        answer: &Answer,
        now: Now,
    ) {
        self.envelope_arrived(flight, generation, answer, now);
        self.call_failed(flight.app, Endpoint::Query, kind, &answer.detail, now);
    }

    /// An envelope of the API that is not about app or access token shows that neither stands in the way, whatever it
    /// says of the ticket. What is not the API's shows nothing.
    fn envelope_arrived(&mut self, flight: &Flight, generation: u64, answer: &Answer, now: Now) {
        if answer.is_envelope() {
            self.apps[flight.app].access.accepted(generation);
            self.gate_accepted(flight, now);
        }
        self.probe_lost(flight, now);
    }

    fn call_answered(&mut self, flight: &Flight, answer: &Answer, now: Now) {
        // What could not even be sent brought no answer.
        if !answer.is_envelope() {
            return;
        }
        let app = &mut self.apps[flight.app];
        if app.call_answered() == Some(HealthChange::Recovered) {
            report::app_recovered(&app.app.name);
        }
        if answer.is_proper() {
            app.proper_sent = app.proper_sent.max(Some(flight.sent.at));
            self.prove_identity(self.apps[flight.app].budget, now);
        }
    }

    /// The endpoint that was asked no longer gives the reason of its pause.
    fn gate_accepted(&mut self, flight: &Flight, now: Now) {
        let (app, endpoint) = (&mut self.apps[flight.app], flight.endpoint());
        let gate = app.gate_of(endpoint);
        let Some(over) = gate.accepted(flight.sent.at, now) else { return };
        match gate.pause().copied() {
            None => report::app_resumed(&app.app.name, endpoint.as_str(), &over),
            Some(pause) => {
                app.meters.paused(pause.reason);
                app.note_pause(endpoint, &Detail::default());
                report::app_paused(&app.app.name, endpoint.as_str(), &pause, &Detail::default());
            }
        }
    }

    fn call_failed(&mut self, place: usize, endpoint: Endpoint, kind: ErrorKind, detail: &Detail, now: Now) {
        let app = &mut self.apps[place];
        if app.call_failed(endpoint, kind, detail, now) == Some(HealthChange::Degraded) {
            report::app_degraded(&app.app.name, endpoint, kind, detail, now.wall);
        }
    }

    fn probe_lost(&mut self, flight: &Flight, now: Now) {
        if flight.probe {
            self.apps[flight.app].gate_of(flight.endpoint()).probe_lost(now);
        }
    }

    /// The server counts by host and app id: every app that shares the budget waits.
    fn throttled(&mut self, flight: &Flight, reset: Option<Duration>, detail: &Detail, now: Now) {
        let (budget, endpoint) = (self.apps[flight.app].budget, flight.endpoint());
        self.apps[flight.app].meters.throttled(endpoint);
        for app in self.apps.iter_mut().filter(|app| app.budget == budget && app.asks(endpoint)) {
            let gate = app.gate_of(endpoint);
            if gate.throttled(reset, flight.sent.at, now)
                && let Some(pause) = gate.pause().copied()
            {
                app.meters.paused(pause.reason);
                app.note_pause(endpoint, detail);
                report::app_paused(&app.app.name, endpoint.as_str(), &pause, detail);
            }
            app.set_clock(now.at);
        }
    }

    fn token_rejected(&mut self, flight: &Flight, generation: u64, detail: &Detail, now: Now) -> bool {
        let app = &mut self.apps[flight.app];
        match app.access.refused(generation) {
            Refusal::AppFault => {
                return self.app_fault(flight, PauseReason::CredentialsRejected, detail, now);
            }
            Refusal::Evicted => report::token_rejected(&app.app.name, detail),
            Refusal::Stale => {}
        }
        if flight.probe {
            app.gate.probe_prepared();
        }
        false
    }

    fn app_fault(&mut self, flight: &Flight, reason: PauseReason, detail: &Detail, now: Now) -> bool {
        let (app, endpoint) = (&mut self.apps[flight.app], flight.endpoint());
        let gate = app.gate_of(endpoint);
        let is_news = gate.fault(reason, flight.sent.at, now);
        if is_news && let Some(pause) = gate.pause().copied() {
            app.meters.paused(pause.reason);
            report::app_paused(&app.app.name, endpoint.as_str(), &pause, detail);
            app.note_pause(endpoint, detail);
        }
        is_news
    }

    fn fetch_ended(&mut self, flight: &Flight, answer: TokenAnswer, now: Now) {
        let TokenAnswer { result, detail } = answer;
        let app = &mut self.apps[flight.app];
        let name: AppName = app.app.name.clone();
        if let Err(trouble) = &result {
            app.meters.token_failed(*trouble);
        }
        match result {
            Ok(grant) => {
                // A token that lies ready says nothing about the server.
                if app.fetches_tokens() {
                    app.reached();
                }
                let life = grant.expires_in;
                let is_new = app.access.granted(grant, flight.sent.at, now.at);
                app.meters.token_granted(is_new);
                if is_new {
                    report::token_refreshed(&name, life);
                }
                self.gate_accepted(flight, now);
            }
            Err(TokenTrouble::Retry(kind)) => {
                report::token_retry(&name, kind.as_str(), &detail);
                app.access.fetch_failed(now.at);
                if detail.code.is_some() {
                    self.gate_accepted(flight, now);
                }
                self.call_failed(flight.app, Endpoint::Token, kind, &detail, now);
                self.probe_lost(flight, now);
            }
            Err(TokenTrouble::Throttled { reset }) => {
                app.access.fetch_refused();
                self.throttled(flight, reset, &detail, now);
                self.probe_lost(flight, now);
            }
            // The token in use still works: no reason to pause, and polls would end the pause at once.
            Err(TokenTrouble::AppFault(reason)) if app.access.usable(now.at).is_some() => {
                app.access.fetch_failed(now.at);
                if app.access.refusal_is_news() {
                    report::token_renewal_refused(&name, reason, &detail);
                }
            }
            Err(TokenTrouble::AppFault(reason)) => {
                app.access.fetch_refused();
                self.app_fault(flight, reason, &detail, now);
            }
        }
    }

    fn tell_ticket(
        &mut self,
        index: TicketIndex,
        key: &TicketKey,
        flight: &Flight,
        due: Instant,
        answer: &Answer,
        now: Now,
    ) {
        let active = self.active_of(index, now);
        let give_up_after = self.settings.give_up_after;
        let (counts, proven) = (self.counts(index, flight.app, answer), self.is_proven(flight.app));
        let next = self.tickets.change(index, |slot| {
            let since = active.saturating_sub(slot.clock_mark);
            let watched = slot.record.progress.watched.map_or(Duration::ZERO, |watched| watched + since);
            slot.clock_mark = active;
            slot.strange_at = match answer.verdict {
                Verdict::Strange(_) => Some(flight.sent.at),
                _ if answer.is_proper() => None,
                _ => slot.strange_at,
            };
            let poll = EndedPoll { answer, sent: flight.sent.wall, now: now.wall, watched, counts, proven };
            after_poll(&mut slot.record, &poll, give_up_after)
        });
        match next {
            None => {}
            Some(Next::Final) => self.decided(index, now),
            Some(Next::AtOnce) => self.ask_in_line(index, key, due, answer, now),
            Some(Next::After { attempt, pace }) => self.ask_later(index, key, attempt, pace, answer, now),
            Some(Next::LastInLine) => self.ask_after(index, key, REFUSED_WAIT, answer, now),
        }
    }

    /// Whether the answer is a strange one that counts against its ticket.
    fn counts(&self, index: TicketIndex, place: usize, answer: &Answer) -> bool {
        let (Verdict::Strange(strange), Some(slot)) = (&answer.verdict, self.tickets.get(index)) else {
            return false;
        };
        let itself = usize::from(is_refused(&slot.record));
        let others_refused = self.tickets.open_of(place).refused - itself;
        let evidence = Evidence {
            strange_before: slot.strange_at,
            proper_sent: self.apps[place].proper_sent,
            alone: self.tickets.pending_of(place) == 1 + others_refused,
        };
        counts(*strange, evidence)
    }

    /// When the ticket's turn comes is the app's affair. It keeps its place in line, unless it met the
    /// app's fault: then the next probe takes another ticket, for should this one be the cause after
    /// all, it must not keep the others waiting.
    fn ask_in_line(&mut self, index: TicketIndex, key: &TicketKey, due: Instant, answer: &Answer, now: Now) {
        let place = self.tickets.get(index).and_then(|slot| slot.app);
        let pause = place.and_then(|place| self.apps[place].gate.pause());
        let in_line = now.wall + due.saturating_duration_since(now.at);
        let next = pause.map_or(in_line, |pause| pause.next_wall.max(in_line));
        let faulty = pause.is_some_and(|pause| pause.reason.ended_by() != PauseEnd::Time);
        self.tickets.change(index, |slot| slot.record.next_poll_at = Some(next));
        self.enqueue(index, if faulty { due.max(now.at) } else { due });
        self.ledger.changed(index, now.at);
        report::poll_retry(key, answer, None);
    }

    fn ask_later(
        &mut self,
        index: TicketIndex,
        key: &TicketKey,
        attempt: u32,
        pace: Pace,
        answer: &Answer,
        now: Now,
    ) {
        let backoff = &self.settings.backoff;
        let usual = backoff.interval(attempt, self.rng.f64());
        let wait = match pace {
            Pace::Usual => usual,
            Pace::Slow => usual.max(backoff.longest()),
            Pace::After(named) => usual.max(named.min(backoff.longest())),
        };
        self.ask_after(index, key, wait, answer, now);
    }

    fn ask_after(&mut self, index: TicketIndex, key: &TicketKey, wait: Duration, answer: &Answer, now: Now) {
        self.tickets.change(index, |slot| slot.record.next_poll_at = Some(now.wall + wait));
        self.enqueue(index, now.at + wait);
        self.ledger.changed(index, now.at);
        if answer.verdict == Verdict::Pending {
            report::poll_pending(key, answer, wait);
        } else {
            report::poll_retry(key, answer, Some(wait));
        }
    }

    pub(super) fn active_of(&self, index: TicketIndex, now: Now) -> Duration {
        let place = self.tickets.get(index).and_then(|slot| slot.app);
        place.map(|place| self.apps[place].active(now.at)).unwrap_or_default()
    }
}
