//! Exports that the watcher starts: what a wiki node leads to is asked, a create is written down, sent and answered. When
//! one may be created is decided in `admission`, which entries share one in `sharing`.

use super::State;
use crate::crash_points::CrashPoint;
use crate::domain::{DocumentType, Endpoint, ErrorKind, Format, Object, TicketId, TicketRecord};
use crate::engine::app_signal::AppSignal;
use crate::engine::event::{Effect, FlightId, Request};
use crate::engine::export_line::NextExport;
use crate::engine::export_step::{again, lose_answer, lost_kind, may_help, refuse, take_ticket};
use crate::engine::flight::{Call, Flight, Poll};
use crate::engine::now::Now;
use crate::engine::report;
use crate::engine::tickets::{Stage, TicketIndex};
use crate::feishu::{Answer, Create, Detail, Node, NotCreated};

impl State {
    /// Sends what exports wait for, as far as the budget allows.
    pub(super) fn start_exports(&mut self, budget: usize, now: Now) {
        for endpoint in [Endpoint::Node, Endpoint::Create] {
            while let Some(place) = self.next_app_to_export(budget, endpoint, now) {
                self.start_export(place, endpoint, now);
            }
        }
    }

    fn next_app_to_export(&mut self, budget: usize, endpoint: Endpoint, now: Now) -> Option<usize> {
        let due = (0..self.apps.len()).filter_map(|place| {
            let of_budget = self.apps[place].budget == budget;
            let next = of_budget.then(|| self.next_export(place, endpoint, now))??;
            (next.due <= now.at).then_some((next, place))
        });
        due.min().map(|(_, place)| place)
    }

    /// The app's next document that waits for a request to the endpoint; none while there is no access token, or while
    /// only an answer or the pulse helps.
    pub(super) fn next_export(&mut self, place: usize, endpoint: Endpoint, now: Now) -> Option<NextExport> {
        let next = self.export_in_line(place, endpoint, now)?;
        let opens = self.opens(place, endpoint, now.at)?;
        self.apps[place].access.usable(now.at)?;
        let is_admitted = match endpoint {
            Endpoint::Node => self.covers_one_more(place, now),
            _ => self.admits(place, now),
        };
        let opens = match endpoint {
            Endpoint::Create => opens.max(self.apps[place].lost_creates.opens(now.at)),
            _ => opens,
        };
        is_admitted.then_some(NextExport { due: next.due.max(opens), ..next })
    }

    /// The app's next document that waits for that, whether a request may be sent or not.
    pub(super) fn export_in_line(
        &mut self,
        place: usize,
        endpoint: Endpoint,
        now: Now,
    ) -> Option<NextExport> {
        self.apps[place].export_line(endpoint).next(&self.tickets, now.at)
    }

    fn start_export(&mut self, place: usize, endpoint: Endpoint, now: Now) {
        let app = &mut self.apps[place];
        let Some((index, stamp)) = app.export_line(endpoint).pop() else { return };
        let Some((token, generation)) = app.access.usable(now.at) else { return };
        let (access_token, poll) = (token.clone(), Poll { index, stamp, generation, due: now.at });
        let Some(record) = self.tickets.get(index).map(|slot| &slot.record) else { return };
        let app = record.entry.key.app.clone();
        match record.export.as_deref().and_then(|export| export.object.clone()) {
            None => {
                let request = Request::Node(Node { app, token: record.entry.token, access_token });
                self.tickets.change(index, |slot| slot.is_asking = true);
                self.send(place, Call::Node(poll), request, now);
            }
            Some(object) => {
                let request = record.entry.request.as_deref().cloned().unwrap_or_default();
                let file_extension = request.file_extension.unwrap_or_default();
                let create = Create { app, object, file_extension, sub_id: request.sub_id, access_token };
                self.write_create(place, poll, create, now);
            }
        }
    }

    /// The state file says that the create may have been sent before it is. Its slot is taken by then.
    fn write_create(&mut self, place: usize, poll: Poll, create: Create, now: Now) {
        let flight = self.begin_flight(place, Call::Create(poll), now);
        self.unsent.insert(flight, create);
        self.tickets.change(poll.index, |slot| {
            slot.is_asking = true;
            // Until the answer comes, or is lost, nothing is planned.
            slot.record.next_poll_at = None;
            slot.record.export.as_deref_mut().map(|export| export.is_creating = true)
        });
        self.file.unsaved.create_waits(poll.index, flight, now.at);
    }

    /// The state file knows of the create. One whose entry left meanwhile is not sent, nor is any after a stop.
    pub(super) fn send_create(&mut self, id: FlightId, now: Now) {
        let Some(create) = self.unsent.remove(&id) else { return };
        let Some(flight) = self.flights.get_mut(&id) else { return };
        let Call::Create(Poll { index, .. }) = flight.call else { return };
        let waits = self.tickets.get(index).is_some_and(|slot| slot.stage() == Some(Stage::Create));
        if !waits || self.ending.is_some() {
            return self.give_up_unsent(id, now);
        }
        CrashPoint::CreateDurable.pass();
        flight.sent = now;
        self.effects.push(Effect::Send(id, Request::Create(create)));
    }

    /// Creates that were not sent are given up with everything else.
    pub(super) fn give_up_all_unsent(&mut self, now: Now) {
        for id in std::mem::take(&mut self.unsent).into_keys() {
            self.give_up_unsent(id, now);
        }
    }

    fn give_up_unsent(&mut self, id: FlightId, now: Now) {
        let Some(flight) = self.flights.remove(&id) else { return };
        self.take_back(&flight);
        let Call::Create(poll) = flight.call else { return };
        self.alter(poll.index, now, |slot| {
            slot.is_asking = false;
            slot.record.next_poll_at = slot.stage().map(|_| now.wall);
            if let Some(export) = slot.record.export.as_deref_mut() {
                export.is_creating = false;
            }
        });
        self.enqueue(poll.index, now.at);
    }

    pub(super) fn node_ended(
        &mut self,
        flight: &Flight,
        poll: Poll,
        end: Result<Object, Box<Answer>>,
        now: Now,
    ) {
        self.tickets.change(poll.index, |slot| slot.is_asking = false);
        match end {
            Ok(object) => {
                self.entry_answered(flight, now);
                // The entry may have been listed anew meanwhile.
                if self.tickets.get(poll.index).is_some_and(|slot| slot.stage() == Some(Stage::Resolve)) {
                    self.take_object(poll.index, object, now);
                }
            }
            Err(answer) => self.refused(flight, poll, &answer, now),
        }
    }

    /// The endpoint did what it was asked for.
    fn entry_answered(&mut self, flight: &Flight, now: Now) {
        self.apply_to_app(flight, AppSignal::Answered, &Detail::default(), now);
        self.app_answered(flight, now);
        let state = &mut self.apps[flight.app].endpoints[flight.endpoint()];
        state.proper_sent = state.proper_sent.max(Some(flight.sent.at));
    }

    fn take_object(&mut self, index: TicketIndex, object: Object, now: Now) {
        let mut is_refused = false;
        self.alter(index, now, |slot| {
            slot.record.error = None;
            slot.record.next_poll_at = Some(now.wall);
            if let Some(message) = misfit(&slot.record, &object) {
                refuse(&mut slot.record, ErrorKind::TypeMismatch, message, now.wall);
                is_refused = true;
            } else if let Some(export) = slot.record.export.as_deref_mut() {
                export.object = Some(object);
            }
        });
        if is_refused {
            return self.decided(index, now);
        }
        self.join(index, now);
        self.enqueue(index, now.at);
    }

    pub(super) fn create_ended(
        &mut self,
        flight: &Flight,
        poll: Poll,
        end: Result<TicketId, Box<NotCreated>>,
        now: Now,
    ) {
        self.tickets.change(poll.index, |slot| slot.is_asking = false);
        match end {
            Ok(ticket) => {
                self.apps[flight.app].lost_creates.answered();
                self.entry_answered(flight, now);
                self.keep_ticket(flight, poll.index, ticket, now);
            }
            Err(refusal) if refusal.may_exist => self.answer_lost(flight, poll.index, &refusal.answer, now),
            Err(refusal) => {
                if refusal.answer.detail.code.is_some() {
                    self.apps[flight.app].lost_creates.answered();
                }
                self.alter(poll.index, now, |slot| {
                    if let Some(export) = slot.record.export.as_deref_mut() {
                        (export.is_creating, export.lost) = (false, 0);
                    }
                });
                self.refused(flight, poll, &refusal.answer, now);
            }
        }
    }

    /// A received ticket is kept whatever became of the entry meanwhile.
    fn keep_ticket(&mut self, flight: &Flight, index: TicketIndex, ticket: TicketId, now: Now) {
        let wait = self.settings.backoff.initial();
        let active = self.active_of(index, now);
        let taken = self.tickets.change(index, |slot| {
            take_ticket(&mut slot.record, ticket, flight.sent.wall);
            slot.clock_mark = active;
            slot.strange_at = None;
            let waits = slot.stage() == Some(Stage::Poll);
            slot.record.next_poll_at = waits.then_some(now.wall + wait);
            waits
        });
        self.file.unsaved.ticket_came(index, now.at);
        if taken == Some(true) {
            self.enqueue(index, now.at + wait);
        }
        self.apps[flight.app].meters.export_created();
        if let Some(slot) = self.tickets.get(index) {
            let announcement = report::document_created(&slot.record);
            let what = announcement.happening();
            self.file.entry_event(index, &slot.record, &announcement, now);
            self.note_for_followers(index, what, now);
        }
    }

    /// Whether there is a job is not known: the export stays in `creating`, and is created again after a while.
    fn answer_lost(&mut self, flight: &Flight, index: TicketIndex, answer: &Answer, now: Now) {
        self.apply_to_app(flight, AppSignal::from(answer), &answer.detail, now);
        let (kind, first) = (lost_kind(&answer.verdict), self.settings.repeat_after());
        let wait = self.tickets.change(index, |slot| {
            let wait = lose_answer(&mut slot.record, answer.failure(kind), first);
            slot.record.next_poll_at = slot.stage().map(|_| now.wall + wait);
            wait
        });
        self.file.unsaved.changed(index, now.at);
        let Some(wait) = wait else { return };
        self.enqueue(index, now.at + wait);
        let begins = self.apps[flight.app].lost_creates.lost(first, now.at);
        match self.tickets.get(index) {
            Some(slot) if begins => report::creates_lost(&slot.record, answer, wait),
            Some(slot) => report::poll_retry(&slot.record, answer, Some(wait)),
            None => {}
        }
    }

    fn refused(&mut self, flight: &Flight, mut poll: Poll, answer: &Answer, now: Now) {
        let signal = AppSignal::from(answer);
        let is_paused_by_it = self.apply_to_app(flight, signal, &answer.detail, now);
        if signal == AppSignal::Answered {
            self.app_answered(flight, now);
        }
        let Some(slot) = self.tickets.get(poll.index) else { return };
        // The entry may have been listed anew while the create was on its way.
        poll.stamp = slot.stamp;
        if slot.stage().is_some() {
            if is_paused_by_it {
                poll.due = now.at + self.wait_behind_others(poll.index);
            }
            self.apply_to_ticket(flight, poll, answer, now);
        }
    }

    /// Whether an export that just ended is made again instead: it is pending then, and no verdict is announced.
    pub(super) fn export_again(&mut self, index: TicketIndex, now: Now) -> bool {
        if !self.tickets.get(index).is_some_and(|slot| may_help(&slot.record)) {
            return false;
        }
        let index = self.hand_on(index, now).unwrap_or(index);
        let (stamp, first) = (self.tickets.next_stamp(), self.settings.repeat_after());
        let again = self.tickets.change(index, |slot| {
            let (kind, wait) = again(&mut slot.record, first)?;
            slot.stamp = stamp;
            (slot.strange_at, slot.file) = (None, None);
            slot.record.next_poll_at = Some(now.wall + wait);
            Some((kind, wait))
        });
        let Some((kind, wait)) = again.flatten() else { return false };
        self.leave_behind(index, now);
        self.enqueue(index, now.at + wait);
        if let Some(slot) = self.tickets.get(index) {
            let announcement = report::document_again(&slot.record, kind, wait);
            let what = announcement.happening();
            self.file.entry_event(index, &slot.record, &announcement, now);
            self.note_for_followers(index, what, now);
        }
        true
    }
}

/// Why what a wiki node leads to can't be exported as the watch list asks; none if it can.
fn misfit(record: &TicketRecord, object: &Object) -> Option<String> {
    let format = record.entry.request.as_deref()?.file_extension.as_deref()?;
    let doc_type: Option<DocumentType> = object.doc_type.parse().ok();
    let Some(doc_type) = doc_type.filter(|doc_type| *doc_type != DocumentType::Wiki) else {
        return Some("the wiki node leads to something that can't be exported".to_owned());
    };
    let fits = format.parse().is_ok_and(|format: Format| doc_type.allows(format));
    (!fits).then(|| format!("the wiki node leads to a document of type {doc_type}, which has no {format}"))
}
