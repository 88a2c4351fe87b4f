//! All that the engine knows, and how an event changes it. No task, no remote and no file: what is to be done outside
//! leaves as effects, which the loop performs.
//!
//! The files beside this one hold the changes by subject: `start` (what the state file knew), `list` (a watch list is
//! applied), `retry` (ended tickets are polled again), `calls` (requests go out), `answers` and `app_answers` (answers
//! come in), `exports` (documents get tickets), `admission` and `quota` (when they may), `sharing` (entries with one export), `files`
//! (artefacts become files), `identity` (refused tickets), `writes` (the state file), `clock`, `show` (what is shown
//! outside), `finish`.

mod admission;
mod answers;
mod app_answers;
mod calls;
mod clock;
mod exports;
mod files;
mod finish;
mod identity;
mod list;
mod quota;
mod retry;
mod sharing;
mod show;
mod start;
mod writes;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::app_budget::AppBudget;
use super::app_state::AppState;
use super::event::{Effect, Event, FlightId};
use super::flight::Flight;
use super::list_update::ListUpdate;
use super::meters::Meters;
use super::now::Now;
use super::outcome::End;
use super::report;
use super::setup::{Command, Settings};
use super::shares::Shares;
use super::state_file::StateFile;
use super::tenant_calls::TenantCalls;
use super::tickets::{TicketIndex, Tickets};
use crate::domain::{App, Endpoint, ErrorKind};
use crate::feishu::Create;
use crate::schedule::Queue;

/// After a stop, requests in flight may still end within this time.
const DRAIN: Duration = Duration::from_secs(8);

/// A batch run gives up when for this long only a person could have helped.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// The loop runs and the state file's writer is asked for a sign of life this often, so that a quiet engine differs
/// from one that stands still. As often the state file is asked for what is to be retried.
const PULSE: Duration = Duration::from_secs(1);

/// All state. Only [`handle`](Self::handle) and [`act`](Self::act) change it, once it has begun.
pub(super) struct State {
    settings: Settings,
    meters: Meters,
    rng: fastrand::Rng,
    tickets: Tickets,
    apps: Vec<AppState>,
    budgets: Vec<AppBudget>,
    tenants: Vec<TenantCalls>,
    flights: BTreeMap<FlightId, Flight>,
    next_flight: FlightId,
    /// Creates that are sent once the state file knows of them.
    unsent: BTreeMap<FlightId, Create>,
    /// Which entries share an export.
    shares: Shares,
    file: StateFile,
    /// The watch list that is coming in.
    list_update: Option<ListUpdate>,
    timers: Timers,
    ending: Option<Ending>,
    /// Whole bodies that are being given their names.
    placing: usize,
    /// What kept the last body from the disk, if that was not written.
    disk_trouble: Option<ErrorKind>,
    effects: Vec<Effect>,
}

/// When what happens by time alone is due.
struct Timers {
    /// When the clocks were read last.
    read_at: Now,
    pulse_at: Instant,
    purge_at: Instant,
    deadline: Option<Instant>,
    stuck_since: Option<Instant>,
    /// When whole bodies are tried again that could not be given their names.
    place_again: Queue<(TicketIndex, u64)>,
    /// When artefacts are surely gone.
    files_over: Queue<(TicketIndex, u64)>,
}

/// The engine is to end, and polls in flight may end until then.
struct Ending {
    end: End,
    drain_until: Instant,
}

impl State {
    pub(super) fn new(apps: Vec<App>, settings: Settings, meters: Meters, now: Now) -> Self {
        let mut state = Self {
            rng: fastrand::Rng::with_seed(settings.seed),
            tickets: Tickets::new(apps.len()),
            apps: Vec::with_capacity(apps.len()),
            budgets: Vec::new(),
            tenants: Vec::new(),
            flights: BTreeMap::new(),
            next_flight: FlightId(0),
            unsent: BTreeMap::new(),
            shares: Shares::default(),
            file: StateFile::new(now.wall),
            list_update: None,
            timers: Timers {
                read_at: now,
                pulse_at: now.at,
                purge_at: now.at,
                deadline: settings.deadline.map(|deadline| now.at + deadline),
                stuck_since: None,
                place_again: Queue::default(),
                files_over: Queue::default(),
            },
            ending: None,
            placing: 0,
            disk_trouble: None,
            effects: Vec::new(),
            settings,
            meters,
        };
        apps.into_iter().for_each(|app| state.add_app(app, now));
        state
    }

    /// Applies what happened.
    pub(super) fn handle(&mut self, event: Event, now: Now) {
        self.follow_clock(now);
        match event {
            Event::Stop => self.end(End::Stopped, now),
            Event::CallEnded(flight, end) => self.call_ended(flight, end, now),
            Event::Transfer(flight, signal) => self.transfer_goes_on(flight, signal, now),
            Event::Placed(index, stamp, end) => self.placed(index, stamp, end, now),
            Event::Command(Command::ListPart(entries)) => self.apply_chunk(entries, now),
            Event::Command(Command::ListEnd { kept }) => self.end_list(&kept, now),
            Event::Command(Command::TryAgain) => self.try_again(now),
            Event::Command(Command::Answer(receiver)) => self.effects.push(Effect::Answer(receiver)),
            Event::Committed(end) => self.commit_ended(end, now),
            Event::Pinged => self.file.answered_at = Some(now.at),
            Event::Retries(Ok(retries)) => self.retry(retries, now),
            Event::Retries(Err(error)) if !error.may_pass() && self.ending.is_none() => {
                self.state_lost(&error, now);
            }
            // A file that can't be read for now is asked again with the next pulse.
            Event::Retries(Err(_)) | Event::Time => {}
        }
    }

    /// Does all that is due.
    pub(super) fn act(&mut self, now: Now) {
        if self.timers.purge_at <= now.at {
            self.purge(now);
        }
        if self.ending.is_none() {
            self.judge_refused(now);
            self.attend_files(now);
            self.start_calls(now);
        }
        if self.timers.pulse_at <= now.at {
            self.pulse(now);
        }
        self.start_writes(now);
    }

    /// Returns what is to be done outside, in this order.
    pub(super) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Whether an end is decided and nothing in flight is worth waiting for.
    pub(super) fn is_over(&mut self, now: Now) -> bool {
        self.follow_clock(now);
        self.decide_end(now);
        let is_idle = self.flights.is_empty() && self.placing == 0;
        self.ending.as_ref().is_some_and(|ending| is_idle || ending.drain_until <= now.at)
    }

    /// Whether an end is decided.
    pub(super) const fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// The next moment at which there is something to do without anything having ended.
    pub(super) fn next_moment(&mut self, now: Now) -> Instant {
        let Timers { deadline, purge_at, pulse_at, stuck_since, .. } = &self.timers;
        let (deadline, purge_at, pulse_at, stuck_since) = (*deadline, *purge_at, *pulse_at, *stuck_since);
        let write = self.file.unsaved.commit_due();
        let moments = match &self.ending {
            Some(ending) => {
                let drained = Some(ending.drain_until).filter(|until| *until > now.at);
                [write, drained, None, None, None, None]
            }
            None => {
                let stuck = stuck_since.map(|since| since + STUCK_AFTER);
                [write, self.next_call(now), self.next_file_moment(), stuck, deadline, Some(purge_at)]
            }
        };
        moments.into_iter().flatten().fold(pulse_at, Instant::min)
    }

    fn pulse(&mut self, now: Now) {
        self.timers.pulse_at = now.at + PULSE;
        self.effects.push(Effect::Ping);
        if self.ending.is_none() {
            self.effects.push(Effect::QueryRetries(self.file.last_retry_id));
        }
    }

    /// Paused apps are tried again, ready-made tokens read again.
    fn try_again(&mut self, now: Now) {
        for app in &mut self.apps {
            app.endpoints.iter_mut().for_each(|(_, it)| it.gate.try_again(now));
            app.access.read_again(now.at);
            app.line.hasten_refused(now.at);
        }
    }

    fn decide_end(&mut self, now: Now) {
        if self.ending.is_some() {
            return;
        }
        if self.timers.deadline.is_some_and(|deadline| deadline <= now.at) {
            return self.end(End::Deadline, now);
        }
        // A list that is still coming in may bring more.
        if !self.settings.until_done || self.list_update.is_some() {
            return;
        }
        let is_open = |place: &usize| self.tickets.of_app(*place).is_open();
        let open: Vec<usize> = (0..self.apps.len()).filter(is_open).collect();
        if open.is_empty() {
            return self.end(End::Done, now);
        }
        if !open.iter().all(|place| self.is_stuck(*place, now.at)) {
            self.timers.stuck_since = None;
        } else if now.at - *self.timers.stuck_since.get_or_insert(now.at) >= STUCK_AFTER {
            self.end(End::Stuck, now);
        }
    }

    /// Whether all that is left of the app's work waits for a person, or for the next month.
    fn is_stuck(&self, place: usize, now: Instant) -> bool {
        let (app, left) = (&self.apps[place], self.tickets.of_app(place));
        let is_broken = |endpoint| app.is_broken(endpoint, now);
        let polls = is_broken(Endpoint::Query) || self.is_only_refused(place);
        let open = left.polled + left.waiting();
        // While tickets or files are open, their pause keeps exports from being created.
        let is_held_up = open > 0 && (is_broken(Endpoint::Query) || is_broken(Endpoint::Download));
        (left.polled == 0 || polls)
            && (left.waiting() == 0 || is_broken(Endpoint::Download))
            && (left.unresolved == 0 || is_broken(Endpoint::Node) || app.reserved.is_some())
            && (left.uncreated == 0 || is_broken(Endpoint::Create) || is_held_up)
    }

    fn end(&mut self, end: End, now: Now) {
        let drain_until = if end == End::Done { now.at } else { now.at + DRAIN };
        self.give_up_transfers(now);
        self.give_up_all_unsent(now);
        report::watcher_stopping(&end, self.flights.len());
        self.timers.stuck_since = None;
        self.ending = Some(Ending { end, drain_until });
    }
}
