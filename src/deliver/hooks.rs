//! A hook as a consumer of its rows: one task takes those that are due, calls the receiver, and writes down how each try
//! ended. Nothing waits for it, and a row that fails holds up no other.

use std::collections::HashMap;
use std::future;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::hook_report::{FailedTry, hook_recovered};
use super::receiver::{CallError, HookEvent, Receiver};
use super::retries::{throttle, wait_after};
use crate::crash_points::CrashPoint;
use crate::domain::{HookName, HookStatus, WallTime};
use crate::store::{Deliveries, Delivery, EventId, Fate, Settled};

/// Calls at once.
const AT_ONCE: usize = 4;

/// How often the rows are looked at without a reason: another process may have asked for some again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The pause before a write that failed is tried again, and the least one between two shown states.
const SECOND: Duration = Duration::from_secs(1);

/// A hook, what it calls, and where its rows lie.
pub(crate) struct HookTask<D, R> {
    name: HookName,
    deliveries: D,
    receiver: Arc<R>,
    state_file: Arc<str>,
    now: fn() -> WallTime,
    shown: Place,
    shown_at: Option<Instant>,
    has_news: bool,
    /// Whether its last try failed, be it one of the process before.
    is_failing: bool,
    /// Whether this process has logged that.
    is_reported: bool,
    is_ended: bool,
    /// Until when its receiver wants to be left alone. From then on one call at a time, until it takes an event: it would
    /// get the whole backlog in one burst, and refuse that.
    throttled_until: Option<Instant>,
    /// How often `retry` asked for its events, as far as that is known: once more ends a throttle.
    asked: u32,
    in_flight: HashMap<Id, (Delivery, HookEvent)>,
    calls: JoinSet<Result<(), CallError>>,
}

/// How a call ended: of which task, and its result.
type Ended = Result<(Id, Result<(), CallError>), JoinError>;

impl<D: Deliveries, R: Receiver> HookTask<D, R> {
    /// A hook that shows itself in `shown`, where it stands already. `state_file` is the id of the state file, and `now` reads the wall clock.
    pub(crate) fn new(
        deliveries: D,
        receiver: R,
        state_file: &str,
        now: fn() -> WallTime,
        shown: Place,
    ) -> Self {
        let HookStatus { name, .. } = shown.status();
        Self {
            name,
            deliveries,
            receiver: Arc::new(receiver),
            state_file: state_file.into(),
            now,
            is_failing: shown.status().is_failing(),
            is_reported: false,
            asked: shown.status().asked,
            shown,
            shown_at: None,
            has_news: true,
            is_ended: false,
            throttled_until: None,
            in_flight: HashMap::new(),
            calls: JoinSet::new(),
        }
    }

    /// Delivers until stopped, and then until the calls in flight have ended. Dropping it ends these. `woken` changes when
    /// there may be new rows.
    pub(crate) async fn serve(mut self, mut woken: watch::Receiver<EventId>, stop: CancellationToken) {
        loop {
            self.show().await;
            if !stop.is_cancelled() && !self.is_ended {
                self.take().await;
            }
            if stop.is_cancelled() && self.in_flight.is_empty() {
                return;
            }
            let wait = self.wait().await;
            tokio::select! {
                biased;
                Some(ended) = self.calls.join_next_with_id() => self.settle(ended).await,
                () = stop.cancelled(), if !stop.is_cancelled() => {}
                () = changed(&mut woken) => self.has_news = true,
                () = sleep(wait) => {}
            }
        }
    }

    /// Begins calls for rows that are due, as far as there is room.
    async fn take(&mut self) {
        let room = self.room();
        if room == 0 {
            return;
        }
        // Those in flight are still among them.
        let limit = room + self.in_flight.len();
        // What is wrong with the state file is reported by the engine.
        let Ok(rows) = self.deliveries.due(&self.name, (self.now)(), limit).await else { return };
        let is_free = |row: &Delivery| !self.in_flight.values().any(|(taken, _)| taken.id == row.id);
        let free: Vec<_> = rows.into_iter().filter(is_free).take(room).collect();
        for row in free {
            CrashPoint::HookDue.pass();
            let event = HookEvent::new(&self.state_file, row.id, &row.payload);
            let (receiver, called) = (Arc::clone(&self.receiver), event.clone());
            let call = self.calls.spawn(async move { receiver.call(&called).await });
            self.in_flight.insert(call.id(), (row, event));
        }
    }

    /// How many calls may begin now.
    fn room(&self) -> usize {
        let at_once = match self.throttled_until {
            Some(until) if until > Instant::now() => 0,
            Some(_) => 1,
            None => AT_ONCE,
        };
        at_once.saturating_sub(self.in_flight.len())
    }

    /// How long nothing is to be done, if nothing happens.
    async fn wait(&self) -> Duration {
        let mut wait = LOOK_AGAIN;
        if self.room() > 0 && !self.is_ended {
            let next = self.deliveries.next_due(&self.name).await.ok().flatten();
            let next = next.map(|due| due.since((self.now)()));
            // One that is due already is in flight.
            wait = next.filter(|wait| !wait.is_zero()).map_or(wait, |next| wait.min(next));
        }
        let throttled = self.throttled_until.map(|until| until.saturating_duration_since(Instant::now()));
        wait = throttled.filter(|left| !left.is_zero()).map_or(wait, |left| wait.min(left));
        match self.shown_at {
            Some(at) if self.has_news => wait.min(SECOND.saturating_sub(at.elapsed())),
            _ => wait,
        }
    }

    /// Writes down how all calls ended that have by now. Until that is done no other begins: there may be no end of rows.
    async fn settle(&mut self, first: Ended) {
        let mut ended = vec![first];
        while let Some(next) = self.calls.try_join_next_with_id() {
            ended.push(next);
        }
        let tries: Vec<_> = ended.into_iter().filter_map(|ended| self.judge(ended)).collect();
        if tries.iter().any(|settled| settled.fate == Fate::Taken) {
            CrashPoint::EventTaken.pass();
        }
        while self.deliveries.settle(&self.name, tries.clone()).await.is_err() {
            sleep(SECOND).await;
        }
        CrashPoint::TriesNoted.pass();
        while self.is_ended && self.deliveries.end(&self.name).await.is_err() {
            sleep(SECOND).await;
        }
        self.has_news = true;
    }

    /// What becomes of a row after a try.
    fn judge(&mut self, ended: Ended) -> Option<Settled> {
        let (id, result) = match ended {
            Ok(ended) => ended,
            Err(error) => (error.id(), Err(CallError::new("broke off by a defect of this program"))),
        };
        let (Delivery { id, tries, since, .. }, event) = self.in_flight.remove(&id)?;
        let at = (self.now)();
        let Err(error) = result else {
            (self.is_reported, self.throttled_until) = (false, None);
            if mem::take(&mut self.is_failing) {
                hook_recovered(&self.name);
            }
            return Some(Settled { id, tries, at, fate: Fate::Taken, error: None });
        };
        let throttled_until = throttle(&error).map(|span| Instant::now() + span);
        self.throttled_until = self.throttled_until.max(throttled_until);
        let took = at.since(since.unwrap_or(at));
        let wait = wait_after(tries.saturating_add(1), took, error.retry_after);
        self.report(&event, tries.saturating_add(1), &error, wait);
        let fate = wait.map_or(Fate::GivenUp, |wait| Fate::Again { due: at + wait });
        Some(Settled { id, tries, at, fate, error: Some(error.message) })
    }

    /// Notes and logs that the hook did not take an event.
    fn report(&mut self, event: &HookEvent, tries: u32, error: &CallError, wait: Option<Duration>) {
        self.is_ended |= error.is_gone;
        self.is_failing = true;
        let is_news = !mem::replace(&mut self.is_reported, true);
        let next_try = wait.filter(|_| !error.is_gone);
        FailedTry { hook: &self.name, event, tries, is_news, error, next_try }.report();
    }

    /// Shows how the hook does, at most once a second: its whole backlog is counted for it.
    async fn show(&mut self) {
        if self.shown_at.is_some_and(|at| at.elapsed() < SECOND) {
            return;
        }
        self.shown_at = Some(Instant::now());
        let Ok(status) = self.deliveries.hook_status(&self.name).await else { return };
        self.has_news = false;
        if mem::replace(&mut self.asked, status.asked) != status.asked {
            self.throttled_until = None;
        }
        let left = self.throttled_until.map(|until| until.saturating_duration_since(Instant::now()));
        let throttled_until = left.map(|left| (self.now)() + left);
        self.shown.show(HookStatus { is_ended: self.is_ended, throttled_until, ..status });
    }
}

/// Where a hook shows itself: its place in the list of all.
pub(crate) struct Place {
    pub(crate) list: watch::Sender<Vec<HookStatus>>,
    /// Within the list.
    pub(crate) index: usize,
}

impl Place {
    fn status(&self) -> HookStatus {
        self.list.borrow()[self.index].clone()
    }

    fn show(&self, status: HookStatus) {
        self.list.send_if_modified(|list| {
            let is_new = list[self.index] != status;
            list[self.index] = status;
            is_new
        });
    }
}

/// Waits for a change; for ever once none can come.
async fn changed(woken: &mut watch::Receiver<EventId>) {
    if woken.changed().await.is_err() {
        future::pending::<()>().await;
    }
}

#[cfg(test)]
#[path = "hooks/tests.rs"]
mod tests;
