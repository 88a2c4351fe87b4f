//! The loop: wait for whatever comes first, hand it to the [state](State) as an event, perform the effects.
//!
//! Nothing is decided here. Only this file knows of tasks, the remote and the state file's writer.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, Id, JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::event::{CallEnd, Effect, Event, FileRequest, FlightId, Request, Signal};
use super::meters::{Meters, tickets_in};
use super::now::{Clock, Now};
use super::outcome::Outcome;
use super::setup::{Command, Controls, OutboxLink, Setup};
use super::snapshot::Snapshot;
use super::state::State;
use super::transfer::transfer;
use crate::crash_points::CrashPoint;
use crate::feishu::ExportApi;
use crate::files::Files;
use crate::store::{Batch, CommitError, Retry, Store, StoreError};

/// A wake-up that is already past must not become a busy loop.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// The client ends every request in time; one that is this much over is given up, so that no ticket is lost in flight.
const GRACE: Duration = Duration::from_secs(5);

/// The message of a request that outlived every time limit of the client.
const OVERDUE: &str = "the request was given up: it did not end in time";

/// At the end the batch that is being written may take this long, and so may what is left then; a disk that hangs must
/// not hold up a shutdown.
const WRITE_WITHIN: Duration = Duration::from_secs(4);

/// At the end a write that failed is tried again after this long.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// How transfers go, on its way from their tasks.
type Signals = (UnboundedSender<(FlightId, Signal)>, UnboundedReceiver<(FlightId, Signal)>);

type CommitEnd = Result<(), Box<CommitError>>;

/// Watches until stopped, or as the settings say.
///
/// # Errors
/// The state file can't be read. Whatever happens later is part of the outcome.
pub async fn watch<A: ExportApi, S: Store, F: Files>(
    api: A,
    store: S,
    files: Option<F>,
    setup: Setup,
    controls: Controls,
) -> Result<Outcome, StoreError> {
    let loaded = store.load().await?;
    let Setup { apps, list, settings, clock } = setup;
    let call_limit = settings.request_timeout + GRACE;
    let mut state = State::new(apps, settings, controls.meters.clone(), clock.now());
    state.begin(loaded, list, clock.now());
    let mut event_loop = EventLoop {
        api,
        store,
        files,
        state,
        clock,
        call_limit,
        stop: controls.stop,
        commands: controls.commands,
        view: controls.view,
        outbox: controls.outbox,
        meters: controls.meters,
        calls: JoinSet::new(),
        flights: HashMap::new(),
        transfers: HashMap::new(),
        placements: JoinSet::new(),
        signals: mpsc::unbounded_channel(),
        commit: None,
        ping: None,
        retry_query: None,
    };
    event_loop.perform();
    Ok(event_loop.run().await)
}

/// Waits and performs; the state decides.
struct EventLoop<A, S, F> {
    api: A,
    store: S,
    files: Option<F>,
    state: State,
    clock: Clock,
    call_limit: Duration,
    stop: CancellationToken,
    commands: mpsc::Receiver<Command>,
    view: watch::Sender<Snapshot>,
    outbox: OutboxLink,
    meters: Meters,
    calls: JoinSet<CallEnd>,
    flights: HashMap<Id, FlightId>,
    /// The downloads among the calls.
    transfers: HashMap<FlightId, AbortHandle>,
    placements: JoinSet<Event>,
    /// Two from each transfer at most.
    signals: Signals,
    commit: Option<JoinHandle<CommitEnd>>,
    ping: Option<JoinHandle<Result<(), StoreError>>>,
    retry_query: Option<JoinHandle<Result<Vec<Retry>, StoreError>>>,
}

impl<A: ExportApi, S: Store, F: Files> EventLoop<A, S, F> {
    /// The main loop. It ends once an end was decided and nothing in flight is worth waiting for.
    async fn run(mut self) -> Outcome {
        loop {
            #[cfg(feature = "hold-up")]
            super::hold_up::block_if_asked();
            let now = self.clock.now();
            if self.state.is_over(now) {
                return self.finish().await;
            }
            self.state.act(now);
            self.perform();
            self.show(now);
            let event = self.wait(now).await;
            self.apply(event);
            // All other requests that ended meanwhile are applied in the same turn, but not as of its beginning: what is
            // counted from an answer, its slot and a throttle, must not begin before it.
            while let Some(call) = self.calls.try_join_next_with_id() {
                let event = self.call_ended(call);
                self.apply(event);
            }
        }
    }

    fn apply(&mut self, event: Event) {
        self.state.handle(event, self.clock.now());
        self.perform();
    }

    async fn wait(&mut self, now: Now) -> Event {
        let until = self.state.next_moment(now).max(now.at + SHORTEST_SLEEP);
        let stopping = self.state.is_ending();
        let listens = !stopping && !self.commands.is_closed();
        // In this order, so that one seed replays one history, a stop is never missed, and a stream of
        // answers can't keep verdicts from the outbox.
        tokio::select! {
            biased;
            () = self.stop.cancelled(), if !stopping => Event::Stop,
            commit = ended(&mut self.commit) => Event::Committed(commit.ok()),
            ping = ended(&mut self.ping) => if matches!(ping, Ok(Ok(()))) { Event::Pinged } else { Event::Time },
            retries = ended(&mut self.retry_query), if !stopping => retries.map_or(Event::Time, Event::Retries),
            command = self.commands.recv(), if listens => command.map_or(Event::Time, Event::Command),
            Some((flight, signal)) = self.signals.1.recv() => Event::Transfer(flight, signal),
            Some(call) = self.calls.join_next_with_id() => self.call_ended(call),
            Some(placed) = self.placements.join_next() => placed.unwrap_or(Event::Time),
            () = sleep_until(until) => Event::Time,
        }
    }

    fn call_ended(&mut self, ended: Result<(Id, CallEnd), JoinError>) -> Event {
        let (id, end) = match ended {
            Ok((id, end)) => (id, Ok(end)),
            Err(panic) => (panic.id(), Err(panic.to_string())),
        };
        let Some(flight) = self.flights.remove(&id) else { return Event::Time };
        self.transfers.remove(&flight);
        Event::CallEnded(flight, end)
    }

    fn perform(&mut self) {
        for effect in self.state.take_effects() {
            match effect {
                Effect::Send(flight, Request::Download(request)) => self.start_transfer(flight, *request),
                Effect::Send(flight, request) => {
                    let task = self.calls.spawn(send(self.api.clone(), request, self.call_limit));
                    self.flights.insert(task.id(), flight);
                }
                Effect::Abort(flights) => {
                    flights
                        .iter()
                        .filter_map(|flight| self.transfers.remove(flight))
                        .for_each(|task| task.abort());
                }
                Effect::Place(index, stamp, placement) => {
                    if let Some(files) = self.files.clone() {
                        self.placements
                            .spawn(async move { Event::Placed(index, stamp, files.place(placement).await) });
                    }
                }
                Effect::Discard(temporary) => {
                    if let Some(files) = self.files.clone() {
                        tokio::spawn(async move { files.discard(temporary).await });
                    }
                }
                Effect::Sweep(keep) => {
                    if let Some(files) = self.files.clone() {
                        tokio::spawn(async move { files.sweep(keep).await });
                    }
                }
                Effect::Commit(batch) => self.commit = Some(tokio::spawn(self.write(batch))),
                Effect::Ping if self.ping.is_none() => {
                    let store = self.store.clone();
                    self.ping = Some(tokio::spawn(async move { store.ping().await }));
                }
                Effect::QueryRetries(since) if self.retry_query.is_none() => {
                    let store = self.store.clone();
                    self.retry_query = Some(tokio::spawn(async move { store.retries(since).await }));
                }
                Effect::Ping | Effect::QueryRetries(_) => {}
                Effect::WakeConsumers(last) => drop(self.outbox.durable.send_replace(last)),
                Effect::WakeHooks(last) => drop(self.outbox.deliveries.send_replace(last)),
                // A receiver that is gone needs no answer.
                Effect::Answer(receiver) => drop(receiver.send(())),
            }
        }
    }

    /// The client, and no limit of the loop's, sees to it that a transfer ends.
    fn start_transfer(&mut self, flight: FlightId, request: FileRequest) {
        let (api, signals) = (self.api.clone(), self.signals.0.clone());
        let Some(files) = self.files.clone() else { return };
        // A loop that is gone needs no signal.
        let signal = move |signal| {
            let _ = signals.send((flight, signal));
        };
        let task = async move { CallEnd::Download(transfer(api, files, request, signal).await) };
        let task = self.calls.spawn(task);
        self.flights.insert(task.id(), flight);
        self.transfers.insert(flight, task);
    }

    /// Writes a batch and notes how that went.
    fn write(&self, batch: Batch) -> impl Future<Output = CommitEnd> + Send + use<A, S, F> {
        let (store, meters) = (self.store.clone(), self.meters.clone());
        async move {
            let (tickets, began) = (tickets_in(&batch), Instant::now());
            let end = store.commit(batch).await;
            meters.commit_ended(tickets, began.elapsed(), end.is_ok());
            end
        }
    }

    fn show(&mut self, now: Now) {
        let announced = *self.outbox.announced.borrow();
        self.view.send_replace(self.state.snapshot(announced, now));
    }

    /// The end: what is still in flight is given up, everything known is written, the outcome is drawn up.
    async fn finish(mut self) -> Outcome {
        self.calls.shutdown().await;
        self.state.give_up_calls(self.clock.now());
        // Each step below takes less time than a loop that moves may stand still.
        self.show(self.clock.now());
        let _ = timeout(WRITE_WITHIN, self.end_commit()).await;
        self.show(self.clock.now());
        let saved = timeout(WRITE_WITHIN, self.write_rest()).await.unwrap_or(false);
        let now = self.clock.now();
        self.show(now);
        self.state.outcome(saved, *self.outbox.announced.borrow(), now)
    }

    /// A batch that is being written must come to its end before another is made: should it fail, its rows go into
    /// that one.
    async fn end_commit(&mut self) {
        if self.commit.is_some() {
            let end = ended(&mut self.commit).await;
            self.apply(Event::Committed(end.ok()));
        }
    }

    /// Writes whatever is left, and tries again where that fails and may pass. The last batch says that the process
    /// ended in good order.
    async fn write_rest(&mut self) -> bool {
        self.end_commit().await;
        loop {
            let batch = self.state.last_batch(self.clock.now());
            let is_last = batch.clean_stop;
            if is_last {
                CrashPoint::LastBatchDue.pass();
            }
            let end = self.write(batch).await;
            let failure = end.as_ref().err().map(|failed| failed.error.may_pass());
            self.apply(Event::Committed(Some(end)));
            match failure {
                None if is_last => {
                    CrashPoint::LastBatchDone.pass();
                    return true;
                }
                None => {}
                Some(true) => tokio::time::sleep(WRITE_AGAIN).await,
                Some(false) => return false,
            }
        }
    }
}

async fn send<A: ExportApi>(api: A, request: Request, limit: Duration) -> CallEnd {
    let endpoint = request.endpoint();
    let call = async {
        match request {
            Request::Query(query) => CallEnd::Query(api.query(query).await),
            Request::Token(app) => CallEnd::Token(api.access_token(&app).await),
            Request::Node(node) => CallEnd::Node(api.node(node).await),
            Request::Create(create) => CallEnd::Create(api.create(create).await),
            Request::Download(_) => CallEnd::lost(endpoint, "downloads are transfers"),
        }
    };
    timeout(limit, call).await.unwrap_or_else(|_| CallEnd::lost(endpoint, OVERDUE))
}

/// Waits for a task that may not exist; then for ever.
async fn ended<T>(task: &mut Option<JoinHandle<T>>) -> Result<T, JoinError> {
    match task {
        Some(running) => {
            let result = running.await;
            *task = None;
            result
        }
        None => std::future::pending().await,
    }
}
