//! The files of completed tickets: when their artefacts are fetched, what a transfer brought, and the way of a whole body
//! to its final name.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::State;
use crate::domain::{
    ARTEFACT_LIFE, Endpoint, ErrorKind, FileRecord, FileState, TicketRecord, TicketState, WallTime,
    file_event, file_event_name,
};
use crate::engine::app_signal::AppSignal;
use crate::engine::download_line::NextDownload;
use crate::engine::event::{Effect, FileRequest, FlightId, Request, Signal, TransferEnd};
use crate::engine::file_step::{
    FileMemory, Moment, NextFetch, after_answer, after_body, after_disk_error, disk_failure, expire,
};
use crate::engine::flight::{Call, Fetch, Flight};
use crate::engine::hook_events::Happening;
use crate::engine::now::Now;
use crate::engine::report;
use crate::engine::tickets::{Slot, TicketIndex};
use crate::feishu::{Answer, Detail, Download};
use crate::files::{Body, FileError, Placed, Placement};
use crate::schedule::Queue;

/// A whole body that could not be given its name is tried again after this long.
const PLACE_AGAIN: Duration = Duration::from_secs(5);

/// A file that could not be fetched is tried again after this long at the latest, however rarely the configuration has jobs
/// polled: an artefact lives ten minutes.
const FETCH_AGAIN_MAX: Duration = Duration::from_secs(60);

impl State {
    /// A ticket is completed: its file is to come, if files are downloaded.
    pub(super) fn want_file(&mut self, index: TicketIndex, now: Now) {
        let is_wanted = |slot: &Slot| {
            let record = &slot.record;
            record.state == TicketState::Completed && record.file.is_none()
        };
        let downloads =
            |index: &TicketIndex| self.tickets.get(*index).is_some_and(|slot| slot.record.entry.download);
        let is_listed_so = downloads(&index) || self.shares.followers(index).iter().any(downloads);
        if self.settings.download.is_some() && is_listed_so && self.tickets.get(index).is_some_and(is_wanted)
        {
            self.alter(index, now, |slot| slot.record.file = Some(Box::new(FileRecord::new())));
            self.remember_file(index, now);
        }
    }

    /// Puts a waiting file in line, and notes when its artefact is gone.
    fn remember_file(&mut self, index: TicketIndex, now: Now) {
        let remembered = self.tickets.change(index, |slot| {
            let finished = slot.record.finished_at.unwrap_or(now.wall).min(now.wall);
            let over_at = instant(finished + ARTEFACT_LIFE, now);
            let alive_until = slot.record.download_by.map(|until| instant(until, now));
            slot.file = Some(Box::new(FileMemory::new(alive_until, over_at)));
            (slot.app, slot.stamp, alive_until, over_at)
        });
        let Some((app, stamp, alive_until, over_at)) = remembered else { return };
        self.timers.files_over.push(over_at, (index, stamp));
        if let Some(app) = app.map(|place| &mut self.apps[place]) {
            app.downloads.push(index, stamp, now.at);
            app.downloads.lives_until(index, stamp, alive_until.unwrap_or(over_at));
        }
    }

    /// What the state file knew about files: whole bodies are placed, others fetched, and what is left of earlier
    /// transfers is removed.
    pub(super) fn restore_files(&mut self, now: Now) {
        if self.settings.download.is_none() {
            return self.drop_waiting_files(now);
        }
        let mut keep: Vec<PathBuf> = Vec::new();
        let all: Vec<_> = self.tickets.iter().map(|(index, _)| index).collect();
        for index in all {
            let Some(slot) = self.tickets.get(index).filter(|slot| slot.leader.is_none()) else { continue };
            if let Some(placement) = placement(&slot.record) {
                keep.push(placement.temporary);
                self.place(index);
            } else if slot.is_to_fetch() {
                self.remember_file(index, now);
            } else if slot
                .record
                .finished_at
                .is_some_and(|at| at <= now.wall && at + ARTEFACT_LIFE > now.wall)
            {
                self.want_file(index, now);
            }
        }
        self.effects.push(Effect::Sweep(keep));
    }

    /// Nothing is downloaded any more.
    fn drop_waiting_files(&mut self, now: Now) {
        let waits = |slot: &Slot| slot.record.file_state() == Some(FileState::Waiting);
        let waiting: Vec<_> =
            self.tickets.iter().filter(|(_, slot)| waits(slot)).map(|(index, _)| index).collect();
        for index in waiting {
            self.alter(index, now, |slot| slot.record.file = None);
        }
    }

    /// The app's next artefact in line, and when it may be downloaded; none while there is no access token.
    pub(super) fn next_download(&mut self, place: usize, now: Instant) -> Option<(Instant, NextDownload)> {
        let opens = self.opens(place, Endpoint::Download, now)?;
        let app = &mut self.apps[place];
        app.access.usable(now)?;
        let next = app.downloads.next(&self.tickets, now)?;
        Some((opens.max(next.due), next))
    }

    pub(super) fn start_download(&mut self, place: usize, next: NextDownload, now: Now) {
        let app = &mut self.apps[place];
        let Some((index, stamp)) = app.downloads.pop(next) else { return };
        let Some((token, generation)) = app.access.usable(now.at) else { return };
        let (access_token, meters) = (token.clone(), app.meters.clone());
        let settings = self.settings.download;
        let Some((slot, settings)) = self.tickets.get(index).zip(settings) else { return };
        let record = slot.record.clone();
        let download = Download {
            app: record.entry.key.app.clone(),
            file_token: record.artefact.as_deref().map(|it| it.file_token.clone()).unwrap_or_default(),
            file_extension: record.file_extension().map(Into::into),
            access_token,
        };
        let idle_timeout = settings.idle_timeout;
        let request = FileRequest { download, ticket: record, idle_timeout, meters };
        self.remember(index, |memory| memory.in_flight = true);
        let call = Call::Download(Fetch { index, stamp, generation });
        self.send(place, call, Request::Download(Box::new(request)), now);
    }

    /// A transfer says how it goes. The server counts a download once it answers, and the app is accepted by then: both
    /// may not wait until the body came.
    pub(super) fn transfer_goes_on(&mut self, id: FlightId, signal: Signal, now: Now) {
        let Some(mut flight) = self.flights.remove(&id) else { return };
        match signal {
            Signal::Head => {
                self.release_slot(&flight, now.wall, now);
                flight.answered = true;
                self.count_accepted(&flight, now);
                self.app_accepts(&flight, now);
            }
            Signal::Slow => {
                flight.slow = true;
                self.apps[flight.app].endpoints[flight.endpoint()].slow += 1;
            }
        }
        self.apps[flight.app].set_clock(now.at);
        self.flights.insert(id, flight);
    }

    fn app_accepts(&mut self, flight: &Flight, now: Now) {
        self.apply_to_app(flight, AppSignal::Answered, &Detail::default(), now);
        self.app_answered(flight, now);
    }

    pub(super) fn transfer_ended(&mut self, flight: &Flight, fetch: Fetch, end: TransferEnd, now: Now) {
        if !matches!(end, TransferEnd::NotBegun(_)) {
            let took = now.at.saturating_duration_since(flight.sent.at);
            self.apps[flight.app].meters.transfer_ended(took);
        }
        match &end {
            // What came after the head says nothing about the app: a body may break off because of an outage.
            _ if flight.answered => {}
            TransferEnd::Whole(_) | TransferEnd::Broken(_) | TransferEnd::Disk(_) => {
                self.app_accepts(flight, now);
            }
            TransferEnd::Answer(answer) => self.download_answered(flight, answer, now),
            TransferEnd::NotBegun(_) => {}
        }
        let is_current = |slot: &Slot| slot.stamp == fetch.stamp && slot.is_to_fetch();
        if self.tickets.get(fetch.index).is_some_and(is_current) {
            self.apply_to_file(fetch.index, &end, now);
        }
        self.keep_or_discard(fetch.index, end);
    }

    fn download_answered(&mut self, flight: &Flight, answer: &Answer, now: Now) {
        let signal = AppSignal::from(answer);
        self.apply_to_app(flight, signal, &answer.detail, now);
        if signal == AppSignal::Answered {
            self.app_answered(flight, now);
        }
    }

    fn apply_to_file(&mut self, index: TicketIndex, end: &TransferEnd, now: Now) {
        let before = self.trouble_of(index);
        let next = self.tickets.change(index, |slot| {
            let Slot { record, file: memory, .. } = slot;
            let download_by = record.download_by;
            let named = record.artefact.as_deref().and_then(|artefact| artefact.file_size);
            let (file, memory) = record.file.as_deref_mut().zip(memory.as_deref_mut())?;
            // The machine may have slept meanwhile.
            let is_late = memory.alive_until.is_some_and(|until| until <= now.at)
                || download_by.is_some_and(|until| until <= now.wall);
            file.attempts = file.attempts.saturating_add(1);
            memory.in_flight = false;
            let moment = Moment { is_late, is_over: memory.over_at <= now.at };
            match end {
                TransferEnd::Whole(body) => after_body(file, memory, body, named, moment),
                TransferEnd::Answer(answer) | TransferEnd::Broken(answer) => {
                    Some(after_answer(file, memory, answer, moment))
                }
                TransferEnd::NotBegun(error) | TransferEnd::Disk(error) => {
                    Some(after_disk_error(file, memory, error, moment))
                }
            }
        });
        match next.flatten() {
            None => {
                self.disk_trouble = None;
                self.file.unsaved.body_came(index, now.at);
            }
            Some(NextFetch::Never) => self.file_ended(index, now),
            Some(NextFetch::AtOnce) => self.fetch_again(index, None, before, now),
            Some(NextFetch::After { attempt, pace }) => {
                let wait = self.interval(attempt, pace).min(FETCH_AGAIN_MAX);
                self.fetch_again(index, Some(wait), before, now);
            }
        }
    }

    /// Puts the file in line again, for as soon as its app may if there is no wait.
    fn fetch_again(
        &mut self,
        index: TicketIndex,
        wait: Option<Duration>,
        before: Option<ErrorKind>,
        now: Now,
    ) {
        self.file.unsaved.changed(index, now.at);
        self.report_trouble(index, wait, before);
        let Some(slot) = self.tickets.get(index) else { return };
        if let Some(place) = slot.app {
            self.apps[place].downloads.push(index, slot.stamp, now.at + wait.unwrap_or_default());
        }
    }

    fn trouble_of(&self, index: TicketIndex) -> Option<ErrorKind> {
        self.tickets.get(index)?.record.file_error().map(|error| error.kind)
    }

    /// The disk's trouble is news once, for it meets every file, and once for a file that alone can't be written.
    fn report_trouble(&mut self, index: TicketIndex, wait: Option<Duration>, before: Option<ErrorKind>) {
        let Some(slot) = self.tickets.get(index) else { return };
        let Some(error) = slot.record.file_error() else { return };
        let kind = error.kind;
        let is_news =
            kind.is_of_disk() && self.disk_trouble.replace(kind) != Some(kind) && before != Some(kind);
        report::file_retry(&slot.record, error, wait, is_news);
        if let Some(place) = slot.app {
            self.apps[place].meters.file_failed(kind);
        }
    }

    /// A whole body that no file waits for is removed.
    fn keep_or_discard(&mut self, index: TicketIndex, end: TransferEnd) {
        let TransferEnd::Whole(Body { placement: body, .. }) = end else { return };
        let wanted = self.tickets.get(index).and_then(|slot| placement(&slot.record));
        if wanted.is_none_or(|wanted| wanted.temporary != body.temporary) {
            self.effects.push(Effect::Discard(body.temporary));
        }
    }

    /// The state file knows the name that a whole body is to get.
    pub(super) fn place(&mut self, index: TicketIndex) {
        let Some(slot) = self.tickets.get(index) else { return };
        if let Some(placement) = placement(&slot.record) {
            self.placing += 1;
            self.effects.push(Effect::Place(index, slot.stamp, placement));
        }
    }

    pub(super) fn placed(
        &mut self,
        index: TicketIndex,
        stamp: u64,
        end: Result<Placed, FileError>,
        now: Now,
    ) {
        self.placing -= 1;
        let is_current = |slot: &Slot| slot.stamp == stamp && placement(&slot.record).is_some();
        if !self.tickets.get(index).is_some_and(is_current) {
            return;
        }
        match end {
            Ok(Placed::Done) => {
                self.change_file(index, |file| {
                    (file.state, file.saved_at, file.temporary) = (FileState::Saved, Some(now.wall), None);
                    // What stays is the warning about its size.
                    file.error.take_if(|error| error.kind.is_of_disk());
                });
                self.file_ended(index, now);
            }
            Ok(Placed::Taken(free)) => {
                self.change_file(index, |file| file.path = Some(free.into()));
                self.file.unsaved.body_came(index, now.at);
            }
            Ok(Placed::Lost) => self.body_lost(index, now),
            Err(error) => self.not_placed(index, stamp, &error, now),
        }
    }

    fn body_lost(&mut self, index: TicketIndex, now: Now) {
        self.change_file(index, |file| {
            let attempts = file.attempts;
            *file = FileRecord { attempts, ..FileRecord::new() };
        });
        self.file.unsaved.changed(index, now.at);
        self.remember_file(index, now);
    }

    fn not_placed(&mut self, index: TicketIndex, stamp: u64, error: &FileError, now: Now) {
        let (failure, before) = (disk_failure(error), self.trouble_of(index));
        self.change_file(index, |file| {
            file.error.take_if(|error| error.kind.is_of_disk());
            file.error.get_or_insert(failure);
        });
        self.report_trouble(index, Some(PLACE_AGAIN), before);
        self.file.unsaved.changed(index, now.at);
        self.timers.place_again.push(now.at + PLACE_AGAIN, (index, stamp));
    }

    /// Does what is due by time alone.
    pub(super) fn attend_files(&mut self, now: Now) {
        while let Some((_, (index, stamp))) = due(&mut self.timers.place_again, now.at) {
            if self.tickets.get(index).is_some_and(|slot| slot.stamp == stamp) {
                self.place(index);
            }
        }
        while let Some((_, (index, stamp))) = due(&mut self.timers.files_over, now.at) {
            let is_over = |slot: &Slot| {
                let in_flight = slot.file.as_deref().is_some_and(|memory| memory.in_flight);
                slot.stamp == stamp && slot.is_to_fetch() && !in_flight
            };
            if self.tickets.get(index).is_some_and(is_over) {
                self.change_file(index, |file| {
                    expire(file);
                });
                self.file_ended(index, now);
            }
        }
    }

    /// When [`attend_files`](Self::attend_files) has something to do.
    pub(super) fn next_file_moment(&self) -> Option<Instant> {
        let queues = [&self.timers.place_again, &self.timers.files_over];
        queues.into_iter().filter_map(|queue| queue.peek().map(|(due, _)| due)).min()
    }

    /// Transfers are given up: they start over with the next process.
    pub(super) fn give_up_transfers(&mut self, now: Now) {
        let is_transfer = |flight: &Flight| matches!(flight.call, Call::Download(_));
        let ids: Vec<_> = self.flights.iter().filter(|(_, it)| is_transfer(it)).map(|(id, _)| *id).collect();
        for id in &ids {
            if let Some(flight) = self.flights.remove(id) {
                self.give_up(&flight, now);
            }
        }
        if !ids.is_empty() {
            self.effects.push(Effect::Abort(ids));
        }
    }

    /// A ticket starts over: its whole body is not wanted any more.
    pub(super) fn discard_body(&mut self, index: TicketIndex) {
        let body = self.tickets.get(index).and_then(|slot| placement(&slot.record));
        self.effects.extend(body.map(|body| Effect::Discard(body.temporary)));
    }

    /// The file got its outcome, which is written at once, with its rows for log and hooks.
    fn file_ended(&mut self, index: TicketIndex, now: Now) {
        if self.export_again(index, now) {
            return;
        }
        self.tickets.change(index, |slot| slot.file = None);
        let Some(slot) = self.tickets.get(index) else { return };
        if let Some(place) = slot.app {
            let slack = slot.record.download_by.map(|until| until.since(now.wall));
            let meters = &self.apps[place].meters;
            meters.file_finished(&slot.record, slack);
            let lost = slot.record.file.as_deref().filter(|file| file.state.is_lost());
            lost.and_then(|file| file.error.as_deref())
                .into_iter()
                .for_each(|error| meters.file_failed(error.kind));
        }
        let (record, event) = (&slot.record, slot.record.file_state().and_then(file_event_name));
        if let Some((event, payload)) = event.zip(file_event(record, now.wall)) {
            let kind = record.file_error().map(|error| error.kind);
            let what = Happening { event, kind };
            self.file.decided(index, record, (what, payload), now);
            self.note_for_followers(index, what, now);
        }
        self.export_over(index);
    }

    fn change_file(&mut self, index: TicketIndex, change: impl FnOnce(&mut FileRecord)) {
        self.tickets.change(index, |slot| slot.record.file.as_deref_mut().map(change));
    }

    fn remember(&mut self, index: TicketIndex, change: impl FnOnce(&mut FileMemory)) {
        self.tickets.change(index, |slot| slot.file.as_deref_mut().map(change));
    }
}

/// Where the file's whole body is to go, if there is one.
fn placement(ticket: &TicketRecord) -> Option<Placement> {
    let file = ticket.file.as_deref().filter(|file| file.is_whole())?;
    Some(Placement {
        temporary: file.temporary.as_deref()?.into(),
        path: file.path.as_deref()?.into(),
        sha256: file.sha256?,
    })
}

/// A moment on the wall as one on the monotonic clock. Some systems know no moment before their own start.
fn instant(wall: WallTime, now: Now) -> Instant {
    now.at.checked_sub(now.wall.since(wall)).unwrap_or(now.at) + wall.since(now.wall)
}

/// Takes out the next one if it is due.
fn due<T>(queue: &mut Queue<T>, now: Instant) -> Option<(Instant, T)> {
    queue.peek().is_some_and(|(due, _)| due <= now).then(|| queue.pop()).flatten()
}
