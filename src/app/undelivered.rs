//! The events that hooks have not taken when all else is done: how long a batch waits for them, and what is left.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::hooks::HookTasks;
use crate::domain::{HookStatus, WallTime, event};
use crate::engine::{End, Snapshot, Undelivered};
use crate::store::{Deliveries, StoreError};

/// A batch that did everything else waits so long for its hooks at most.
const HOOKS_WITHIN: Duration = Duration::from_secs(60);

/// Calls in flight at the end have so long.
const IN_FLIGHT_WITHIN: Duration = Duration::from_secs(2);

/// Reading what is left may take this long.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// How often is looked whether a hook has something left to try.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a run that took so long waits for its hooks: a batch that is done, up to its deadline; any other one not at all.
pub(super) fn hooks_within(deadline: Option<Duration>, end: &End, took: Duration) -> Duration {
    // Only a batch can be done.
    if *end != End::Done {
        return Duration::ZERO;
    }
    deadline.map_or(HOOKS_WITHIN, |deadline| HOOKS_WITHIN.min(deadline.saturating_sub(took)))
}

/// Gives hooks that long for what they have not taken, and a little for calls in flight, and returns what is left.
pub(super) async fn deliver_rest<D: Deliveries>(
    tasks: HookTasks,
    store: &D,
    within: Duration,
    stop: &CancellationToken,
    view: &watch::Sender<Snapshot>,
) -> Vec<Undelivered> {
    if !within.is_zero() {
        let wait = timeout(within, wait(store, &tasks, within, view));
        tokio::select! {
            _ = wait => {}
            () = stop.cancelled() => {}
        }
    }
    let hooks = tasks.shown();
    tasks.end(IN_FLIGHT_WITHIN).await;
    // A disk that hangs must not hold up the end.
    timeout(READ_WITHIN, left(store, &hooks)).await.unwrap_or_default()
}

/// Waits until the hooks took everything, or nothing more can be tried in what is left of the time. The engine's loop is
/// over: health follows this one.
async fn wait<D: Deliveries>(store: &D, tasks: &HookTasks, within: Duration, view: &watch::Sender<Snapshot>) {
    let (until, mut is_reported) = (Instant::now() + within, false);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match is_worth_waiting(store, &tasks.shown(), WallTime::now() + left).await {
            Ok(false) => return,
            Ok(true) => view.send_modify(|view| {
                let now = Some(Instant::now());
                (view.turned_at, view.store_answered_at) = (now, now);
            }),
            // Tried again.
            Err(_) => {}
        }
        if !is_reported {
            is_reported = true;
            let seconds = within.as_secs();
            info!(
                event = event::HOOK_AWAITED,
                "everything else is done; hooks have up to {seconds} s for the events that they have not taken"
            );
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Whether a hook has a try until then. What waits is not counted: there may be no end of it.
async fn is_worth_waiting<D: Deliveries>(
    store: &D,
    hooks: &[HookStatus],
    until: WallTime,
) -> Result<bool, StoreError> {
    let may_be_called =
        |hook: &&HookStatus| !hook.is_ended && hook.throttled_until.is_none_or(|over| over <= until);
    for hook in hooks.iter().filter(may_be_called) {
        if store.next_due(&hook.name).await?.is_some_and(|due| due <= until) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What hooks have not taken; nothing where that can't be read.
async fn left<D: Deliveries>(store: &D, hooks: &[HookStatus]) -> Vec<Undelivered> {
    let mut left = Vec::new();
    for HookStatus { name: hook, .. } in hooks {
        let Ok(status) = store.hook_status(hook).await else { continue };
        if status.waiting > 0 {
            left.push(Undelivered { hook: hook.clone(), events: status.waiting });
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::HookName;
    use crate::store::{Batch, EventId, EventRow, Fate, Settled, SqliteStore, Store as _};

    /// Promise: no hook has a batch outlive its deadline.
    #[test]
    fn a_deadline_is_kept() {
        let within = |end, deadline: Option<u64>| {
            hooks_within(deadline.map(Duration::from_secs), &end, Duration::from_secs(100)).as_secs()
        };
        let of = |deadline| within(End::Done, deadline);
        assert_eq!([None, Some(1_000), Some(130), Some(100), Some(9)].map(of), [60, 60, 30, 0, 0]);
        assert_eq!((within(End::Stopped, None), within(End::Deadline, None)), (0, 0));
    }

    /// Promise: a batch waits for a hook that may still take something, and for no other.
    #[tokio::test]
    async fn only_what_can_still_be_tried_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("state.db")).unwrap();
        store.load().await.unwrap();
        let [waits, done, ended] = ["waits", "done", "ended"].map(HookName::new);
        let row = EventRow {
            id: EventId(1),
            event: event::FILE_SAVED,
            at: WallTime::from_millis(0),
            key: None,
            kind: None,
            hooks: vec![waits.clone(), ended.clone()],
            payload: "{}".into(),
        };
        store.commit(Batch { events: vec![row], ..Batch::default() }).await.unwrap();
        let at = WallTime::from_millis(60_000);
        let again = Settled { id: EventId(1), tries: 0, at, fate: Fate::Again { due: at }, error: None };
        store.settle(&waits, vec![again]).await.unwrap();
        let hook = |name: &HookName| HookStatus::unknown(name.clone());
        let throttled = HookStatus { throttled_until: Some(at), ..hook(&waits) };
        let ended = HookStatus { is_ended: true, ..hook(&ended) };
        for (status, until, expected) in [
            (hook(&waits), 60_000, true),
            (hook(&waits), 59_999, false),
            (hook(&done), 60_000, false),
            (ended, 60_000, false),
            (throttled.clone(), 60_000, true),
            (HookStatus { throttled_until: Some(at + LOOK_EVERY), ..throttled }, 60_000, false),
        ] {
            let until = WallTime::from_millis(until);
            let found = is_worth_waiting(&store, &[hook(&done), status.clone()], until).await.unwrap();
            assert_eq!(found, expected, "{status:?}");
        }
    }
}
