//! Requests go out: the earliest due ticket first, as far as pause, access token, budget and the number
//! of polls in flight allow.

use tokio::task::Id;
use tokio::time::Instant;

use super::Engine;
use crate::domain::{Endpoint, PauseEnd, TicketState};
use crate::engine::announce::Announcer;
use crate::engine::app_state::InLine;
use crate::engine::gate::{Gate, Passage};
use crate::engine::judging::is_refused;
use crate::engine::now::Now;
use crate::engine::report;
use crate::engine::tickets::TicketIndex;
use crate::feishu::{Answer, ExportApi, Query, TokenAnswer};
use crate::store::Store;

/// What a request is said to have brought that outlived every time limit of the client.
const OVERDUE: &str = "the request was given up: it did not end in time";

/// A request on its way.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) app: usize,
    pub(super) sent: Now,
    pub(super) call: Call,
    /// It is to find out whether a pause is over.
    pub(super) probe: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Call {
    Poll {
        index: TicketIndex,
        stamp: u64,
        /// Of the access token it carries.
        generation: u64,
        /// When the ticket was due: its place in line, should it have to ask again through no fault of
        /// its own.
        due: Instant,
    },
    Token,
}

impl Flight {
    /// What it asks: the server counts, and an app may be paused for, each endpoint by itself.
    pub(super) fn endpoint(&self) -> Endpoint {
        match self.call {
            Call::Poll { .. } => Endpoint::Query,
            Call::Token => Endpoint::Token,
        }
    }
}

/// What a request brought.
pub(super) enum CallEnd {
    Polled(Answer),
    Fetched(TokenAnswer),
}

impl<A: ExportApi, S: Store, L: Announcer> Engine<A, S, L> {
    /// Starts every request that may be sent now.
    pub(super) fn start_calls(&mut self, now: Now) {
        for place in 0..self.apps.len() {
            self.lift_pauses(place, now);
            self.start_fetch(place, now);
        }
        for budget in 0..self.budgets.len() {
            while let Some((next, place)) = self.next_app(budget, now.at) {
                self.start_poll(place, next, now);
            }
        }
    }

    /// The next moment at which a request may be sent, or a pause ends; none while only answers help.
    pub(super) fn next_call(&mut self, now: Instant) -> Option<Instant> {
        (0..self.apps.len())
            .flat_map(|place| [self.next_call_of(place, now), self.next_pause_end(place)])
            .flatten()
            .min()
    }

    /// Puts a ticket in line.
    pub(super) fn enqueue(&mut self, index: TicketIndex, due: Instant) {
        let Some(slot) = self.tickets.get(index) else { return };
        if let (TicketState::Pending, Some(place)) = (slot.record.state, slot.app) {
            let app = &mut self.apps[place];
            let queue = if is_refused(&slot.record) { &mut app.refused } else { &mut app.queue };
            queue.push(due, (index, slot.stamp));
        }
    }

    fn next_pause_end(&self, place: usize) -> Option<Instant> {
        let app = &self.apps[place];
        let timed = |gate: &Gate| {
            let pause = gate.pause().filter(|pause| pause.reason.ended_by() == PauseEnd::Time)?;
            Some(pause.next)
        };
        [timed(&app.gate), timed(&app.token_gate)].into_iter().flatten().min()
    }

    fn next_call_of(&mut self, place: usize, now: Instant) -> Option<Instant> {
        let most = self.settings.max_in_flight.get();
        let app = self.apps.get_mut(place)?;
        let next = app.next_in_line(&self.tickets, now)?;
        if app.in_flight >= app.in_flight_max(most) {
            return None;
        }
        let opens = app.gate.opens(now)?.max(next.due);
        let budget = &self.budgets[app.budget];
        if app.access.usable(now).is_some() {
            return Some(opens.max(budget.query.next_room(now)?));
        }
        let wanted = opens.max(app.access.fetch_due(now)?).max(app.token_gate.opens(now)?);
        if !app.fetches_tokens() {
            return Some(wanted);
        }
        Some(wanted.max(budget.token.next_room(now)?))
    }

    fn lift_pauses(&mut self, place: usize, now: Now) {
        let app = &mut self.apps[place];
        for (gate, endpoint) in [(&mut app.gate, Endpoint::Query), (&mut app.token_gate, Endpoint::Token)] {
            if let Some(pause) = gate.expire(now.at) {
                report::app_resumed(&app.app.name, endpoint.as_str(), &pause);
            }
        }
        app.set_clock(now.at);
    }

    /// Fetches an access token when a poll is due and there is none, or it ends soon. An app that has
    /// nothing to poll asks for nothing.
    fn start_fetch(&mut self, place: usize, now: Now) {
        let app = &mut self.apps[place];
        let is_due = |moment: Option<Instant>| moment.is_some_and(|moment| moment <= now.at);
        let passage = app.token_gate.passage(now.at);
        if matches!(passage, Passage::Closed(_))
            || matches!(app.gate.passage(now.at), Passage::Closed(_))
            || !is_due(app.access.fetch_due(now.at))
            || !is_due(app.next_in_line(&self.tickets, now.at).map(|next| next.due))
        {
            return;
        }
        if app.fetches_tokens() {
            let budget = &mut self.budgets[app.budget].token;
            if budget.room(now.at) == 0 {
                return;
            }
            budget.take(now.at);
            app.meters.request_sent(Endpoint::Token);
        }
        let probe = passage == Passage::Probe;
        if probe {
            app.token_gate.probe_sent();
        }
        app.access.fetch_started();
        let (api, name, limit) = (self.api.clone(), app.app.name.clone(), self.call_limit());
        let id = self.spawn(async move {
            let answer = tokio::time::timeout(limit, api.access_token(&name)).await;
            CallEnd::Fetched(answer.unwrap_or_else(|_| TokenAnswer::lost(OVERDUE)))
        });
        self.flights.insert(id, Flight { app: place, sent: now, call: Call::Token, probe });
    }

    /// The app that may send from the budget and whose next ticket has waited longest, with that ticket's turn.
    fn next_app(&mut self, budget: usize, now: Instant) -> Option<(InLine, usize)> {
        if self.budgets[budget].query.room(now) == 0 {
            return None;
        }
        let most = self.settings.max_in_flight.get();
        let tickets = &self.tickets;
        let ready = self.apps.iter_mut().enumerate().filter(|(_, app)| app.budget == budget);
        let due = ready.filter_map(|(place, app)| {
            let may_send = !matches!(app.gate.passage(now), Passage::Closed(_))
                && app.in_flight < app.in_flight_max(most)
                && app.access.usable(now).is_some();
            let next = app.next_in_line(tickets, now).filter(|_| may_send)?;
            (next.due <= now).then_some((next, place))
        });
        due.min()
    }

    fn start_poll(&mut self, place: usize, next: InLine, now: Now) {
        let app = &mut self.apps[place];
        let Some((index, stamp)) = app.pop(next) else { return };
        let due = next.due;
        let Some(((token, generation), slot)) = app.access.usable(now.at).zip(self.tickets.get(index)) else {
            return;
        };
        let key = slot.record.key.clone();
        let query =
            Query { app: key.app, ticket: key.ticket, token: slot.record.token, access_token: token.clone() };
        let probe = app.gate.passage(now.at) == Passage::Probe;
        if probe {
            app.gate.probe_sent();
        }
        app.in_flight += 1;
        app.meters.poll_sent(now.at.saturating_duration_since(due));
        self.budgets[app.budget].query.take(now.at);
        let (api, limit) = (self.api.clone(), self.call_limit());
        let id = self.spawn(async move {
            let answer = tokio::time::timeout(limit, api.query(query)).await;
            CallEnd::Polled(answer.unwrap_or_else(|_| Answer::lost(OVERDUE)))
        });
        let call = Call::Poll { index, stamp, generation, due };
        self.flights.insert(id, Flight { app: place, sent: now, call, probe });
    }

    fn spawn(&mut self, call: impl Future<Output = CallEnd> + Send + 'static) -> Id {
        self.calls.spawn(call).id()
    }

    /// The client ends every request in time; should it ever not, the ticket must not be lost in flight.
    fn call_limit(&self) -> std::time::Duration {
        self.settings.request_timeout + std::time::Duration::from_secs(5)
    }
}
