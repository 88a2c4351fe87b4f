//! The loop: wait for whatever comes first, let a plain function decide, carry out what it says.
//!
//! The rooms beside this one hold the engine's acts by subject: [`start`] (what the state file knew),
//! [`list`] (a watch list is taken), [`retry`] (ended tickets are polled again), [`calls`] (requests go
//! out), [`answers`] and [`app_answers`] (answers come in), [`identity`] (refused tickets), [`writes`] (the state file), [`show`]
//! (what is shown outside), [`finish`] (the end).

mod answers;
mod app_answers;
mod calls;
mod clock;
mod finish;
mod identity;
mod list;
mod retry;
mod show;
mod start;
#[cfg(test)]
mod tests;
mod writes;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{Id, JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::calls::{CallEnd, Flight};
use self::list::Taking;
use super::app_budget::AppBudget;
use super::app_state::AppState;
use super::meters::Meters;
use super::now::{Clock, Now};
use super::outcome::{End, Outcome, WatchError};
use super::report;
use super::snapshot::Snapshot;
use super::tickets::Tickets;
use super::unsaved::Unsaved;
use super::verdicts::{OutboxLink, Verdicts};
use crate::domain::{App, Kept, WatchEntry, WatchList};
use crate::feishu::ExportApi;
use crate::schedule::Backoff;
use crate::store::{CommitError, EventId, Retry, RetryId, Store, StoreError, TroubleRecord};

/// After a stop, requests in flight may still end within this time.
const DRAIN: Duration = Duration::from_secs(8);

/// A batch run gives up when for this long nobody but a person could have helped.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// Tickets that are no longer kept are looked for this often.
const PURGE_EVERY: Duration = Duration::from_secs(3600);

/// The loop takes a turn and the state file's writer is asked for a sign of life this often, so that who
/// watches can tell a quiet engine from one that stands still. As often it is asked what is to be retried.
const PULSE: Duration = Duration::from_secs(1);

/// A wake-up that is already past must not become a busy loop.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// How the engine is to work.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Intervals between the polls of a ticket.
    pub backoff: Backoff,
    /// How long a running job is watched.
    pub give_up_after: Duration,
    /// How long one request may take; the client keeps to it, the engine makes sure.
    pub request_timeout: Duration,
    /// Polls in flight at most, per app.
    pub max_in_flight: NonZeroUsize,
    /// How long ended tickets are kept after they left the watch list.
    pub keep: Duration,
    /// End when no ticket is pending.
    pub until_done: bool,
    /// End after this long, whatever is pending.
    pub deadline: Option<Duration>,
    /// Where the jitter starts: one seed, one history.
    pub seed: u64,
}

/// What the engine works on.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The apps, each name once.
    pub apps: Vec<App>,
    /// The first watch list.
    pub list: WatchList,
    /// How to work.
    pub settings: Settings,
    /// What time it is.
    pub clock: Clock,
}

/// How the engine is told and watched from outside.
#[derive(Debug)]
pub struct Controls {
    /// Cancelled to stop.
    pub stop: CancellationToken,
    /// What else it is told.
    pub commands: mpsc::Receiver<Command>,
    /// Where it shows itself.
    pub view: watch::Sender<Snapshot>,
    /// What connects it with the consumers of its verdicts.
    pub outbox: OutboxLink,
    /// Where it notes what it does.
    pub meters: Meters,
}

/// What the engine can be told.
#[derive(Debug)]
pub enum Command {
    /// Here are the next entries of a new watch list, a thousand or so: all of them are carried out in one
    /// turn of the loop.
    ListPart(Vec<WatchEntry>),
    /// The list is complete.
    ListEnd {
        /// What stays as it was although the list does not name it.
        kept: Kept,
    },
    /// Somebody may have mended an app: paused apps are tried again, ready-made tokens read again.
    TryAgain,
    /// All that was told before this is carried out: say so.
    Answer(oneshot::Sender<()>),
}

/// Watches until stopped, or as the settings say.
///
/// # Errors
/// The state file can't be read. Whatever happens later is part of the outcome.
pub async fn watch<A: ExportApi, S: Store>(
    api: A,
    store: S,
    setup: Setup,
    controls: Controls,
) -> Result<Outcome, WatchError> {
    let loaded = store.load().await?;
    let mut engine = Engine::new(api, store, setup.apps, setup.settings, setup.clock, controls);
    engine.begin(loaded, setup.list);
    Ok(engine.run().await)
}

type CommitEnd = Result<(), Box<CommitError>>;

/// All state, and the only one who changes it.
struct Engine<A, S> {
    api: A,
    store: S,
    settings: Settings,
    clock: Clock,
    /// When the clock was last looked at.
    looked_at: Now,
    commands: mpsc::Receiver<Command>,
    stop: CancellationToken,
    view: watch::Sender<Snapshot>,
    meters: Meters,
    rng: fastrand::Rng,
    tickets: Tickets,
    apps: Vec<AppState>,
    budgets: Vec<AppBudget>,
    calls: JoinSet<CallEnd>,
    flights: HashMap<Id, Flight>,
    unsaved: Unsaved,
    verdicts: Verdicts,
    /// The watch list that is coming in.
    taking: Option<Taking>,
    commit: Option<JoinHandle<CommitEnd>>,
    ping: Option<JoinHandle<Result<(), StoreError>>>,
    asking: Option<JoinHandle<Result<Vec<Retry>, StoreError>>>,
    /// What the next note of a request is known by.
    releases: EventId,
    /// The last request that was taken up.
    retried: RetryId,
    /// Apps in trouble as the state file has them, if that is known.
    noted_troubles: Option<Vec<TroubleRecord>>,
    pulse_at: Instant,
    store_answered_at: Option<Instant>,
    deadline: Option<Instant>,
    purge_at: Instant,
    stuck_since: Option<Instant>,
    ending: Option<Ending>,
}

/// The engine is to end, and polls in flight may end until then.
#[derive(Debug)]
struct Ending {
    end: End,
    drain_until: Instant,
}

/// What can wake the engine.
enum Wake {
    Stop,
    Call(Result<(Id, CallEnd), tokio::task::JoinError>),
    Command(Option<Command>),
    Committed(Result<CommitEnd, tokio::task::JoinError>),
    Pinged(Result<Result<(), StoreError>, tokio::task::JoinError>),
    Asked(Result<Result<Vec<Retry>, StoreError>, tokio::task::JoinError>),
    Time,
}

impl<A: ExportApi, S: Store> Engine<A, S> {
    fn new(api: A, store: S, apps: Vec<App>, settings: Settings, clock: Clock, controls: Controls) -> Self {
        let now = clock.now();
        let mut engine = Self {
            api,
            store,
            rng: fastrand::Rng::with_seed(settings.seed),
            deadline: settings.deadline.map(|deadline| now.at + deadline),
            settings,
            clock,
            looked_at: now,
            commands: controls.commands,
            stop: controls.stop,
            view: controls.view,
            meters: controls.meters,
            tickets: Tickets::new(apps.len()),
            apps: Vec::with_capacity(apps.len()),
            budgets: Vec::new(),
            calls: JoinSet::new(),
            flights: HashMap::new(),
            unsaved: Unsaved::default(),
            verdicts: Verdicts::new(controls.outbox),
            taking: None,
            commit: None,
            ping: None,
            asking: None,
            releases: EventId::first(now.wall, EventId::default()),
            retried: RetryId::default(),
            noted_troubles: Some(Vec::new()),
            pulse_at: now.at,
            store_answered_at: None,
            purge_at: now.at,
            stuck_since: None,
            ending: None,
        };
        for app in apps {
            engine.add_app(app, now);
        }
        engine
    }

    /// The main loop. It ends once an end was decided and nothing in flight is worth waiting for.
    async fn run(mut self) -> Outcome {
        loop {
            #[cfg(feature = "hold-up")]
            super::hold_up::while_told();
            let now = self.look_at_clock();
            self.decide_end(now);
            if self.is_drained(now) {
                return self.finish().await;
            }
            self.act(now);
            self.show(now);
            let wake = self.wait(now).await;
            let now = self.look_at_clock();
            self.handle(wake, now);
            // Whatever else has ended meanwhile is taken in the same turn, but not as of its beginning: what is counted
            // from an answer, its slot and a throttle, must not begin before it.
            while let Some(call) = self.calls.try_join_next_with_id() {
                let now = self.look_at_clock();
                self.call_ended(call, now);
            }
        }
    }

    /// Carries out all that is due.
    fn act(&mut self, now: Now) {
        if self.purge_at <= now.at {
            self.purge(now);
        }
        if self.ending.is_none() {
            self.sweep(now);
            self.judge_refused(now);
            self.start_calls(now);
        }
        self.pulse(now);
        self.start_writes(now);
    }

    fn pulse(&mut self, now: Now) {
        if self.pulse_at > now.at {
            return;
        }
        self.pulse_at = now.at + PULSE;
        if self.ping.is_none() {
            let store = self.store.clone();
            self.ping = Some(tokio::spawn(async move { store.ping().await }));
        }
        if self.asking.is_none() && self.ending.is_none() {
            let (store, since) = (self.store.clone(), self.retried);
            self.asking = Some(tokio::spawn(async move { store.retries(since).await }));
        }
    }

    async fn wait(&mut self, now: Now) -> Wake {
        let until = self.next_moment(now).map(|moment| moment.max(now.at + SHORTEST_SLEEP));
        let stopping = self.ending.is_some();
        // What a list left out is carried out before anything else is taken.
        let listens = !stopping && !self.is_sweeping() && !self.commands.is_closed();
        // In this order, so that one seed replays one history, a stop is never overlooked, and a stream of
        // answers can't keep verdicts from the outbox.
        tokio::select! {
            biased;
            () = self.stop.cancelled(), if !stopping => Wake::Stop,
            commit = ended(&mut self.commit) => Wake::Committed(commit),
            ping = ended(&mut self.ping) => Wake::Pinged(ping),
            asked = ended(&mut self.asking), if !stopping => Wake::Asked(asked),
            command = self.commands.recv(), if listens => Wake::Command(command),
            Some(call) = self.calls.join_next_with_id() => Wake::Call(call),
            () = sleep_until(until) => Wake::Time,
        }
    }

    fn handle(&mut self, wake: Wake, now: Now) {
        match wake {
            Wake::Stop => self.end(End::Stopped, now),
            Wake::Call(call) => self.call_ended(call, now),
            Wake::Command(Some(Command::ListPart(entries))) => self.take_part(entries, now),
            Wake::Command(Some(Command::ListEnd { kept })) => self.end_list(kept),
            Wake::Command(Some(Command::TryAgain)) => self.try_again(now),
            // Who no longer waits need not be told.
            Wake::Command(Some(Command::Answer(who))) => drop(who.send(())),
            Wake::Committed(commit) => self.commit_ended(commit, now),
            Wake::Pinged(Ok(Ok(()))) => self.store_answered_at = Some(now.at),
            Wake::Asked(Ok(Ok(retries))) => self.retry(retries, now),
            Wake::Asked(Ok(Err(error))) if !error.may_pass() && self.ending.is_none() => {
                self.state_lost(&error, now);
            }
            // A file that can't be read for now is asked again with the next pulse.
            Wake::Pinged(_) | Wake::Asked(_) | Wake::Command(None) | Wake::Time => {}
        }
    }

    /// The next moment at which there is something to do without anything having ended.
    fn next_moment(&mut self, now: Now) -> Option<Instant> {
        let write = self.unsaved.commit_due();
        if let Some(ending) = &self.ending {
            let drained = Some(ending.drain_until).filter(|until| *until > now.at);
            return drained.into_iter().chain(write).chain([self.pulse_at]).min();
        }
        if self.is_sweeping() {
            return Some(now.at);
        }
        let stuck = self.stuck_since.map(|since| since + STUCK_AFTER);
        let moments =
            [self.next_call(now.at), stuck, self.deadline, write, Some(self.purge_at), Some(self.pulse_at)];
        moments.into_iter().flatten().min()
    }

    /// Paused apps are tried again, ready-made tokens read again.
    fn try_again(&mut self, now: Now) {
        for app in &mut self.apps {
            app.endpoints.iter_mut().for_each(|(_, it)| it.gate.try_again(now));
            app.access.read_again(now.at);
            app.line.hasten_refused(now.at);
        }
    }

    /// Looks whether the run is over.
    fn decide_end(&mut self, now: Now) {
        if self.ending.is_some() {
            return;
        }
        if self.deadline.is_some_and(|deadline| deadline <= now.at) {
            return self.end(End::Deadline, now);
        }
        // A list that is still coming in may bring more.
        if !self.settings.until_done || self.taking.is_some() {
            return;
        }
        let pending = |place: &usize| self.tickets.pending_of(*place) > 0;
        let open: Vec<usize> = (0..self.apps.len()).filter(pending).collect();
        if open.is_empty() {
            return self.end(End::Done, now);
        }
        let is_stuck = |place: &usize| self.apps[*place].is_broken(now.at) || self.is_only_refused(*place);
        if !open.iter().all(is_stuck) {
            self.stuck_since = None;
        } else if now.at - *self.stuck_since.get_or_insert(now.at) >= STUCK_AFTER {
            self.end(End::Stuck, now);
        }
    }

    fn end(&mut self, end: End, now: Now) {
        let drain_until = if end == End::Done { now.at } else { now.at + DRAIN };
        report::watcher_stopping(&end, self.flights.len());
        self.stuck_since = None;
        self.ending = Some(Ending { end, drain_until });
    }

    fn is_drained(&self, now: Now) -> bool {
        self.ending.as_ref().is_some_and(|ending| self.flights.is_empty() || ending.drain_until <= now.at)
    }
}

/// Waits for a task that may not exist; then for ever.
async fn ended<T>(task: &mut Option<JoinHandle<T>>) -> Result<T, tokio::task::JoinError> {
    match task {
        Some(running) => {
            let result = running.await;
            *task = None;
            result
        }
        None => std::future::pending().await,
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
