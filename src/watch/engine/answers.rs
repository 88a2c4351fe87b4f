//! Answers come in: first what they say of the app (pause, access token, health), then what they say of
//! the ticket.

use std::time::Duration;

use tokio::task::{Id, JoinError};
use tokio::time::Instant;

use super::Engine;
use super::calls::{Call, CallEnd, Flight};
use crate::domain::{AppName, Endpoint, ErrorKind, PauseEnd, PauseReason, TicketKey, WallTime};
use crate::feishu::{Answer, Detail, ExportApi, Pace, TokenAnswer, TokenTrouble, Verdict};
use crate::store::{Release, Store};
use crate::watch::access::Refusal;
use crate::watch::announce::Announcer;
use crate::watch::app_state::HealthChange;
use crate::watch::now::Now;
use crate::watch::report;
use crate::watch::step::{EndedPoll, Next, after_poll};
use crate::watch::tickets::TicketIndex;

/// No permission on the document: the one code that also says "another app created this job".
pub(super) const NO_PERMISSION: i64 = 1_069_902;

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
        let answer = self.weigh_identity(flight.app, answer);
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

    /// A refusal for want of permission is the document's, unless the app gets nothing else: then the
    /// jobs were created by another one, and no ticket is to blame.
    fn weigh_identity(&mut self, place: usize, answer: Answer) -> Answer {
        let app = &mut self.apps[place];
        let denied = answer.detail.code == Some(NO_PERMISSION);
        match &answer.verdict {
            Verdict::Failed(_) if denied && app.denied() => {
                return Answer { verdict: Verdict::AppFault(PauseReason::WrongIdentity), ..answer };
            }
            Verdict::Pending | Verdict::Completed(_) | Verdict::Failed(_) if !denied => app.identity_proven(),
            _ => {}
        }
        answer
    }

    /// Says whether the answer began a pause by the app's fault.
    fn tell_app(&mut self, flight: &Flight, generation: u64, answer: &Answer, now: Now) -> bool {
        let place = flight.app;
        match answer.verdict {
            Verdict::Pending
            | Verdict::Completed(_)
            | Verdict::Failed(_)
            | Verdict::Postponed
            | Verdict::Unclear(
                ErrorKind::NoFileToken | ErrorKind::UnknownJobStatus | ErrorKind::UnknownCode,
            ) => self.accepted(flight, generation, now),
            Verdict::Retry { .. } | Verdict::Unclear(ErrorKind::MalformedAnswer) => {
                self.call_failed(place, &answer.detail, now);
                self.probe_lost(flight, now);
            }
            Verdict::Unclear(_) => self.probe_lost(flight, now),
            Verdict::Throttled { reset } => self.throttled(flight, reset, &answer.detail, now),
            Verdict::TokenRejected => return self.token_rejected(flight, generation, &answer.detail, now),
            Verdict::AppFault(reason) => return self.app_fault(flight, reason, &answer.detail, now),
        }
        false
    }

    fn accepted(&mut self, flight: &Flight, generation: u64, now: Now) {
        let app = &mut self.apps[flight.app];
        app.access.accepted(generation);
        if let Some(over) = app.gate.accepted(flight.sent.at, now) {
            match app.gate.pause() {
                None => report::app_resumed(&app.app.name, Endpoint::Query.as_str(), &over),
                Some(pause) => {
                    app.meters.paused(pause.reason);
                    report::app_paused(&app.app.name, Endpoint::Query.as_str(), pause, &Detail::default());
                }
            }
        }
        if app.call_answered() == Some(HealthChange::Recovered) {
            report::app_recovered(&app.app.name);
        }
    }

    fn call_failed(&mut self, place: usize, detail: &Detail, now: Now) {
        let app = &mut self.apps[place];
        if app.call_failed(now.at) == Some(HealthChange::Degraded) {
            report::app_degraded(&app.app.name, detail);
        }
    }

    fn probe_lost(&mut self, flight: &Flight, now: Now) {
        if flight.probe {
            self.apps[flight.app].gate.probe_lost(now);
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
        let app = &mut self.apps[flight.app];
        let is_news = app.gate.fault(reason, flight.sent.at, now);
        if is_news && let Some(pause) = app.gate.pause() {
            app.meters.paused(pause.reason);
            report::app_paused(&app.app.name, flight.endpoint().as_str(), pause, detail);
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
                app.token_gate.accepted(flight.sent.at, now);
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
                if flight.probe {
                    app.gate.probe_prepared();
                }
            }
            Err(TokenTrouble::Retry(kind)) => {
                report::token_retry(&name, kind.as_str(), &detail);
                app.access.fetch_failed(now.at);
                self.call_failed(flight.app, &detail, now);
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
        let next = self.tickets.change(index, |slot| {
            let since = active.saturating_sub(slot.clock_mark);
            let watched = slot.record.progress.watched.map_or(Duration::ZERO, |watched| watched + since);
            slot.clock_mark = active;
            let poll = EndedPoll { answer, sent: flight.sent.wall, now: now.wall, watched };
            after_poll(&mut slot.record, &poll, give_up_after)
        });
        match next {
            None => {}
            Some(Next::Final) => self.decided(index, now),
            Some(Next::AtOnce) => self.ask_in_line(index, key, due, answer, now),
            Some(Next::After { attempt, pace }) => self.ask_later(index, key, attempt, pace, answer, now),
        }
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
