//! Answers come in: a request's slot is held for one more window, and the answer is applied to what was asked, first
//! to the app, then to the ticket or the access token.

use std::time::Duration;

use super::State;
use crate::domain::{Endpoint, WallTime};
use crate::engine::app_signal::AppSignal;
use crate::engine::event::{CallEnd, FlightId};
use crate::engine::flight::{Call, Flight, Poll};
use crate::engine::judging::{Evidence, REFUSED_WAIT, counts_against_ticket, is_refused};
use crate::engine::now::Now;
use crate::engine::report;
use crate::engine::step::{EndedPoll, Next, after_poll, after_refusal};
use crate::engine::tickets::{Slot, TicketIndex};
use crate::feishu::{Answer, Grant, Pace, TokenAnswer, TokenTrouble, Verdict};
use crate::store::Release;

impl State {
    pub(super) fn call_ended(&mut self, id: FlightId, end: Result<CallEnd, String>, now: Now) {
        let Some(flight) = self.flights.remove(&id) else { return };
        let end = end.unwrap_or_else(|panic| self.call_panicked(&flight, &panic));
        if end.was_sent() {
            self.release(&flight, now.wall, now);
        } else {
            self.take_back(&flight);
        }
        if !flight.answered && end.is_accepted() {
            self.count_accepted(&flight, now);
        }
        match (end, flight.call) {
            (CallEnd::Query(answer), Call::Query(poll)) => self.query_ended(&flight, poll, &answer, now),
            (CallEnd::Token(answer), Call::Token) => self.fetch_ended(&flight, answer, now),
            (CallEnd::Download(end), Call::Download(fetch)) => self.transfer_ended(&flight, fetch, end, now),
            (CallEnd::Node(end), Call::Node(poll)) => self.node_ended(&flight, poll, end, now),
            (CallEnd::Create(end), Call::Create(poll)) => self.create_ended(&flight, poll, end, now),
            (end, _) => drop(end),
        }
        self.apps[flight.app].set_clock(now.at);
    }

    fn call_panicked(&self, flight: &Flight, panic: &str) -> CallEnd {
        if let Some(slot) = flight.index().and_then(|index| self.tickets.get(index)) {
            report::poll_panicked(&slot.record, panic);
        }
        CallEnd::lost(flight.endpoint(), "the request panicked")
    }

    /// A request is over.
    pub(super) fn release(&mut self, flight: &Flight, at: WallTime, now: Now) {
        self.leave(flight);
        if !flight.answered {
            self.release_slot(flight, at, now);
        }
    }

    fn leave(&mut self, flight: &Flight) {
        let state = &mut self.apps[flight.app].endpoints[flight.endpoint()];
        state.in_flight -= 1;
        state.slow -= usize::from(flight.slow);
    }

    /// A request was not sent after all.
    pub(super) fn take_back(&mut self, flight: &Flight) {
        self.leave(flight);
        let (app, endpoint) = (&mut self.apps[flight.app], flight.endpoint());
        if flight.probe {
            app.endpoints[endpoint].gate.probe_prepared();
        }
        self.budgets[app.budget].endpoints[endpoint].give_back();
    }

    /// The request's slot is held for one more window, here from now on, in the state file from `at` on.
    pub(super) fn release_slot(&mut self, flight: &Flight, at: WallTime, now: Now) {
        let (app, endpoint) = (&mut self.apps[flight.app], flight.endpoint());
        if !app.sends_to(endpoint) {
            return;
        }
        app.meters.request_sent(endpoint);
        let (place, budget) = (app.budget, &mut self.budgets[app.budget]);
        budget.endpoints[endpoint].release(now.at);
        if endpoint.counts_against_quota() {
            budget.count(now.wall.month());
        }
        self.note_release(place, endpoint, at, now);
    }

    /// Has the state file hold a slot for one window from `at` on.
    pub(super) fn note_release(&mut self, budget: usize, endpoint: Endpoint, at: WallTime, now: Now) {
        let (id, budget) = (self.file.releases.take(), self.budgets[budget].key.clone());
        self.file.unsaved.released(Release { id, budget, endpoint, at }, now.at);
    }

    fn query_ended(&mut self, flight: &Flight, mut poll: Poll, answer: &Answer, now: Now) {
        let took = now.at.saturating_duration_since(flight.sent.at);
        self.apps[flight.app].meters.poll_ended(&answer.verdict, took);
        let signal = AppSignal::from(answer);
        let is_paused_by_it = self.apply_to_app(flight, signal, &answer.detail, now);
        if signal == AppSignal::Answered {
            self.query_answered(flight, answer, now);
        }
        // An answer for a ticket that was removed, or listed anew, meanwhile is dropped.
        if self.tickets.get(poll.index).is_some_and(|slot| slot.stamp == poll.stamp) {
            if is_paused_by_it {
                poll.due = now.at + self.wait_behind_others(poll.index);
            }
            self.apply_to_ticket(flight, poll, answer, now);
        }
    }

    /// The server answered with something that can be understood.
    pub(super) fn app_answered(&mut self, flight: &Flight, now: Now) {
        let app = &mut self.apps[flight.app];
        if app.health.call_answered() {
            self.file.app_event(&report::app_recovered(&app.app.name), now);
        }
    }

    fn query_answered(&mut self, flight: &Flight, answer: &Answer, now: Now) {
        self.app_answered(flight, now);
        let app = &mut self.apps[flight.app];
        if answer.is_proper() {
            let state = &mut app.endpoints[Endpoint::Query];
            state.proper_sent = state.proper_sent.max(Some(flight.sent.at));
            self.prove_identity(self.apps[flight.app].budget, now);
        }
    }

    fn fetch_ended(&mut self, flight: &Flight, answer: TokenAnswer, now: Now) {
        let TokenAnswer { result, detail } = answer;
        let app = &mut self.apps[flight.app];
        if let Err(trouble) = &result {
            app.meters.fetch_ended(Err(*trouble));
        }
        let signal = match result {
            Ok(grant) => {
                self.token_granted(flight, grant, now);
                AppSignal::Answered
            }
            // The refusal concerns the renewal alone: the token in use still works. That is no reason to pause, and
            // polls would end the pause at once.
            Err(TokenTrouble::AppFault(reason)) if app.access.usable(now.at).is_some() => {
                app.access.fetch_failed(now.at);
                if app.access.refusal_is_news() {
                    report::token_renewal_refused(&app.app.name, reason, &detail);
                }
                return;
            }
            Err(TokenTrouble::Retry(kind)) => {
                report::token_retry(&app.app.name, kind.as_str(), &detail);
                app.access.fetch_failed(now.at);
                AppSignal::Failed(kind)
            }
            Err(trouble) => {
                app.access.fetch_refused();
                trouble.into()
            }
        };
        self.apply_to_app(flight, signal, &detail, now);
    }

    fn token_granted(&mut self, flight: &Flight, grant: Grant, now: Now) {
        let app = &mut self.apps[flight.app];
        // A token that lies ready says nothing about the server.
        if app.sends_to(flight.endpoint()) {
            app.health.reached();
        }
        let life = grant.expires_in;
        let is_new = app.access.granted(grant, flight.sent.at, now.at);
        app.meters.fetch_ended(Ok(is_new));
        if is_new {
            report::token_refreshed(&app.app.name, life);
        }
    }

    /// A ticket whose answer began a pause lets the others go first for as long as one that was asked so
    /// often would wait: should it be the cause itself, the app must not stop at it over and over.
    pub(super) fn wait_behind_others(&mut self, index: TicketIndex) -> Duration {
        let asked = |slot: &Slot| slot.record.polls.max(slot.record.progress.attempt);
        let asked = self.tickets.get(index).map_or(0, asked);
        self.settings.backoff.interval(asked, self.rng.f64())
    }

    /// Applies an answer to a query, or one that refuses what leads to a ticket.
    pub(super) fn apply_to_ticket(&mut self, flight: &Flight, poll: Poll, answer: &Answer, now: Now) {
        let index = poll.index;
        let active = self.active_of(index, now);
        let (sent, give_up_after) = (flight.sent.wall, self.settings.give_up_after);
        let (counts, proven) = (self.counts(index, flight, answer), self.is_proven(flight.app));
        let apply = if flight.endpoint() == Endpoint::Query { after_poll } else { after_refusal };
        let next = self.tickets.change(index, |slot| {
            let since = active.saturating_sub(slot.clock_mark);
            let watched = slot.record.progress.watched.map_or(Duration::ZERO, |watched| watched + since);
            slot.clock_mark = active;
            slot.strange_at = match answer.verdict {
                Verdict::Strange(_) => Some(flight.sent.at),
                _ if answer.is_proper() => None,
                _ => slot.strange_at,
            };
            let poll = EndedPoll { answer, sent, now: now.wall, watched, give_up_after, counts, proven };
            apply(&mut slot.record, &poll)
        });
        match next {
            None => {}
            Some(Next::Final) => self.decided(index, now),
            Some(Next::AtOnce) => self.wait_for_app(flight.endpoint(), poll, answer, now),
            Some(Next::After { attempt, pace }) => {
                let wait = self.interval(attempt, pace);
                self.wait_for_job(index, wait, answer, now);
            }
            Some(Next::LastInLine) => self.wait_for_job(index, REFUSED_WAIT, answer, now),
        }
    }

    /// Whether the answer is a strange one that counts against its ticket.
    fn counts(&self, index: TicketIndex, flight: &Flight, answer: &Answer) -> bool {
        let (Verdict::Strange(strange), Some(slot)) = (&answer.verdict, self.tickets.get(index)) else {
            return false;
        };
        let (counts, endpoint) = (self.tickets.of_app(flight.app), flight.endpoint());
        let others = match endpoint {
            Endpoint::Node => counts.unresolved,
            Endpoint::Create => counts.uncreated,
            _ => counts.polled - counts.refused + usize::from(is_refused(&slot.record)),
        };
        let proper_sent = self.apps[flight.app].endpoints[endpoint].proper_sent;
        let evidence = Evidence { strange_before: slot.strange_at, proper_sent, alone: others == 1 };
        counts_against_ticket(*strange, evidence)
    }

    /// When the ticket is polled again is the app's affair. It keeps its place in line, unless it met the
    /// app's fault: then the next probe takes another ticket, for should this one be the cause after
    /// all, it must not keep the others waiting.
    fn wait_for_app(&mut self, endpoint: Endpoint, poll: Poll, answer: &Answer, now: Now) {
        let place = self.tickets.get(poll.index).and_then(|slot| slot.app);
        let pause = place.and_then(|place| self.apps[place].endpoints[endpoint].gate.pause());
        let in_line = now.wall + poll.due.saturating_duration_since(now.at);
        let next = pause.map_or(in_line, |pause| pause.next.wall.max(in_line));
        let faulty = pause.is_some_and(|pause| !pause.is_timed());
        let due = if faulty { poll.due.max(now.at) } else { poll.due };
        self.alter(poll.index, now, |slot| slot.record.next_poll_at = Some(next));
        self.enqueue(poll.index, due);
        if let Some(slot) = self.tickets.get(poll.index) {
            report::poll_retry(&slot.record, answer, None);
        }
    }

    /// How long the backoff waits after that attempt, in the pace that the server wants.
    pub(super) fn interval(&mut self, attempt: u32, pace: Pace) -> Duration {
        let backoff = &self.settings.backoff;
        let usual = backoff.interval(attempt, self.rng.f64());
        match pace {
            Pace::Usual => usual,
            Pace::Slow => usual.max(backoff.longest()),
            Pace::After(named) => usual.max(named.min(backoff.longest())),
        }
    }

    fn wait_for_job(&mut self, index: TicketIndex, wait: Duration, answer: &Answer, now: Now) {
        self.alter(index, now, |slot| slot.record.next_poll_at = Some(now.wall + wait));
        self.enqueue(index, now.at + wait);
        let Some(slot) = self.tickets.get(index) else { return };
        if answer.verdict == Verdict::Pending {
            report::poll_pending(&slot.record, answer, wait);
        } else {
            report::poll_retry(&slot.record, answer, Some(wait));
        }
    }

    pub(super) fn active_of(&self, index: TicketIndex, now: Now) -> Duration {
        let place = self.tickets.get(index).and_then(|slot| slot.app);
        place.map(|place| self.apps[place].active(now.at)).unwrap_or_default()
    }
}
