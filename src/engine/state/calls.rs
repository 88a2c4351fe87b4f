//! Requests go out: the earliest due ticket first, as far as pause, access token, budget and the number
//! of requests in flight allow.

use tokio::time::Instant;

use super::State;
use crate::domain::{Endpoint, TicketId};
use crate::engine::download_line::NextDownload;
use crate::engine::event::{Effect, FlightId, Request};
use crate::engine::flight::{Call, Flight, Poll};
use crate::engine::gate::Permit;
use crate::engine::now::Now;
use crate::engine::report;
use crate::engine::tickets::{Stage, TicketIndex};
use crate::engine::waiting_line::InLine;
use crate::feishu::Query;

impl State {
    /// Starts every request that may be sent now.
    pub(super) fn start_calls(&mut self, now: Now) {
        for place in 0..self.apps.len() {
            self.lift_pauses(place, now);
            self.keep_reserve(place, now);
            self.start_fetch(place, now);
        }
        for budget in 0..self.budgets.len() {
            while let Some((next, place)) = self.next_app(budget, now.at) {
                self.start_poll(place, next, now);
            }
            while let Some((next, place)) = self.next_app_to_download(budget, now.at) {
                self.start_download(place, next, now);
            }
            self.start_exports(budget, now);
        }
    }

    /// The next moment at which a request may be sent, or a pause ends; none while only answers help.
    pub(super) fn next_call(&mut self, now: Now) -> Option<Instant> {
        let moments = (0..self.apps.len()).flat_map(|place| {
            let poll = self.next_poll(place, now.at).map(|(due, _)| due);
            let download = self.next_download(place, now.at).map(|(due, _)| due);
            let node = self.next_export(place, Endpoint::Node, now).map(|next| next.due);
            let create = self.next_export(place, Endpoint::Create, now).map(|next| next.due);
            [poll, download, node, create, self.next_fetch(place, now.at), self.next_pause_end(place)]
        });
        moments.flatten().min()
    }

    /// Puts a ticket in line.
    pub(super) fn enqueue(&mut self, index: TicketIndex, due: Instant) {
        let Some(slot) = self.tickets.get(index) else { return };
        let Some((stage, place)) = slot.stage().zip(slot.app) else { return };
        let app = &mut self.apps[place];
        match stage {
            Stage::Resolve => app.nodes.push(index, slot, due),
            Stage::Create => app.creates.push(index, slot, due),
            Stage::Poll => app.line.push(index, slot, due),
        }
    }

    fn next_pause_end(&self, place: usize) -> Option<Instant> {
        let pauses = self.apps[place].endpoints.iter().filter_map(|(_, it)| it.gate.pause());
        pauses.filter(|pause| pause.is_timed()).map(|pause| pause.next.at).min()
    }

    fn lift_pauses(&mut self, place: usize, now: Now) {
        let app = &mut self.apps[place];
        for (endpoint, state) in app.endpoints.iter_mut() {
            if let Some(pause) = state.gate.expire(now.at) {
                self.file.app_event(&report::app_resumed(&app.app.name, endpoint, &pause), now);
            }
        }
        app.set_clock(now.at);
    }

    /// When a request to the endpoint may be sent, as far as gate, budget and the requests in flight go; none while only
    /// an answer helps.
    pub(super) fn opens(&self, place: usize, endpoint: Endpoint, now: Instant) -> Option<Instant> {
        let app = &self.apps[place];
        let opens = app.endpoints[endpoint].gate.opens(now)?;
        if !app.has_room(endpoint, self.settings.max_in_flight(endpoint)) {
            None
        } else if app.sends_to(endpoint) {
            Some(opens.max(self.budgets[app.budget].endpoints[endpoint].next_room(now)?))
        } else {
            Some(opens)
        }
    }

    /// The app's next ticket in line, and when it may be polled; none while there is no access token.
    fn next_poll(&mut self, place: usize, now: Instant) -> Option<(Instant, InLine)> {
        let opens = self.opens(place, Endpoint::Query, now)?;
        let app = &mut self.apps[place];
        app.access.usable(now)?;
        let next = app.line.next(&self.tickets, now)?;
        Some((opens.max(next.due), next))
    }

    /// When an access token is to be fetched: a request is due that needs one, and there is none, or it ends soon. An app
    /// that has none to send asks for nothing.
    fn next_fetch(&mut self, place: usize, now: Instant) -> Option<Instant> {
        let opens = self.opens(place, Endpoint::Token, now)?;
        let app = &mut self.apps[place];
        let poll = app.line.next(&self.tickets, now).map(|next| next.due);
        let download = app.downloads.next(&self.tickets, now).map(|next| next.due);
        let node = app.nodes.next(&self.tickets, now).map(|next| next.due);
        let create = app.creates.next(&self.tickets, now).map(|next| next.due);
        let wanted = [
            (Endpoint::Query, poll),
            (Endpoint::Download, download),
            (Endpoint::Node, node),
            (Endpoint::Create, create),
        ];
        let opens_and_due = |(endpoint, due): (Endpoint, Option<Instant>)| {
            Some(app.endpoints[endpoint].gate.opens(now)?.max(due?))
        };
        let wanted = wanted.into_iter().filter_map(opens_and_due).min()?;
        Some(opens.max(wanted).max(app.access.fetch_due(now)))
    }

    fn start_fetch(&mut self, place: usize, now: Now) {
        if self.next_fetch(place, now.at).is_none_or(|due| due > now.at) {
            return;
        }
        let request = Request::Token(self.apps[place].app.name.clone());
        self.send(place, Call::Token, request, now);
    }

    /// The app that may send from the budget and whose next ticket has waited longest, with that ticket's turn.
    fn next_app(&mut self, budget: usize, now: Instant) -> Option<(InLine, usize)> {
        let due = (0..self.apps.len()).filter_map(|place| {
            let (due, next) = (self.apps[place].budget == budget).then(|| self.next_poll(place, now))??;
            (due <= now).then_some((next, place))
        });
        due.min()
    }

    /// The same for downloads: the app whose next artefact may die first.
    fn next_app_to_download(&mut self, budget: usize, now: Instant) -> Option<(NextDownload, usize)> {
        let due = (0..self.apps.len()).filter_map(|place| {
            let (due, next) =
                (self.apps[place].budget == budget).then(|| self.next_download(place, now))??;
            (due <= now).then_some((next, place))
        });
        due.min()
    }

    fn start_poll(&mut self, place: usize, next: InLine, now: Now) {
        let app = &mut self.apps[place];
        let Some((index, stamp)) = app.line.pop(next) else { return };
        let due = next.due;
        let Some(((token, generation), slot)) = app.access.usable(now.at).zip(self.tickets.get(index)) else {
            return;
        };
        let query = Query {
            app: slot.record.entry.key.app.clone(),
            ticket: TicketId::new(slot.record.ticket().unwrap_or_default()),
            token: slot.record.object_token(),
            access_token: token.clone(),
        };
        app.meters.poll_sent(now.at.saturating_duration_since(due));
        let call = Call::Query(Poll { index, stamp, generation, due });
        self.send(place, call, Request::Query(query), now);
    }

    pub(super) fn send(&mut self, place: usize, call: Call, request: Request, now: Now) {
        let id = self.begin_flight(place, call, now);
        self.effects.push(Effect::Send(id, request));
    }

    /// Takes what the request spends. It is to be sent, at once or once the state file knows of it.
    pub(super) fn begin_flight(&mut self, place: usize, call: Call, now: Now) -> FlightId {
        let flight = Flight { app: place, sent: now, call, probe: false, answered: false, slow: false };
        let (app, endpoint) = (&mut self.apps[place], flight.endpoint());
        if app.sends_to(endpoint) {
            self.budgets[app.budget].endpoints[endpoint].take(now.at);
        }
        let state = &mut app.endpoints[endpoint];
        state.in_flight += 1;
        let probe = state.gate.permit(now.at) == Permit::Probe;
        if probe {
            state.gate.probe_sent();
        }
        let id = self.next_flight;
        self.next_flight = FlightId(id.0 + 1);
        self.flights.insert(id, Flight { probe, ..flight });
        id
    }
}
