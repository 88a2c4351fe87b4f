//! The events that hooks have not taken when all else is done: how long a batch waits for them, and what is left.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::hooks::HookTasks;
use crate::domain::{HookName, HookStatus, WallTime, event};
use crate::engine::{Snapshot, Undelivered};
use crate::store::{Deliveries, StoreError};

/// A batch that did everything else waits so long for its hooks at most.
const HOOKS_WITHIN: Duration = Duration::from_secs(60);

/// Calls in flight at the end have so long.
const IN_FLIGHT_WITHIN: Duration = Duration::from_secs(2);

/// Reading what is left may take this long.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// How often is looked what is left.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a batch that took so long waits for its hooks, up to its deadline.
pub(super) fn hooks_within(deadline: Option<Duration>, took: Duration) -> Duration {
    deadline.map_or(HOOKS_WITHIN, |deadline| HOOKS_WITHIN.min(deadline.saturating_sub(took)))
}

/// Gives hooks that long for what they have not taken, and a little for calls in flight, and says what is left.
pub(super) async fn deliver_rest<D: Deliveries>(
    tasks: HookTasks,
    store: &D,
    within: Duration,
    stop: &CancellationToken,
    view: &watch::Sender<Snapshot>,
) -> Vec<Undelivered> {
    let hooks: Vec<_> = tasks.shown().iter().map(|shown| shown.borrow().name.clone()).collect();
    if !within.is_zero() {
        let wait = timeout(within, wait(store, &hooks, within, view));
        tokio::select! {
            _ = wait => {}
            () = stop.cancelled() => {}
        }
    }
    tasks.end(IN_FLIGHT_WITHIN).await;
    // A disk that hangs must not hold up the end.
    timeout(READ_WITHIN, left(store, &hooks)).await.unwrap_or_default()
}

/// Waits until the hooks took everything, or nothing more can be tried in what is left of the time. The engine's loop is
/// over: health follows this one.
async fn wait<D: Deliveries>(
    store: &D,
    hooks: &[HookName],
    within: Duration,
    view: &watch::Sender<Snapshot>,
) {
    let (until, mut is_said) = (Instant::now() + within, false);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match awaited(store, hooks, left).await {
            Ok(0) => return,
            Ok(_) => view.send_modify(|view| {
                let now = Some(Instant::now());
                (view.turned_at, view.store_answered_at) = (now, now);
            }),
            // Tried again.
            Err(_) => {}
        }
        if !is_said {
            is_said = true;
            let seconds = within.as_secs();
            info!(
                event = event::HOOK_AWAITED,
                "everything else is done; hooks have up to {seconds} s for the events that they have not taken"
            );
        }
        sleep(LOOK_EVERY).await;
    }
}

/// How many hooks still have a try within that time.
async fn awaited<D: Deliveries>(store: &D, hooks: &[HookName], left: Duration) -> Result<usize, StoreError> {
    let mut awaited = 0;
    for hook in hooks {
        let (status, due) = (store.hook_status(hook).await?, store.next_due(hook).await?);
        awaited += usize::from(is_worth_waiting(&status, due, WallTime::now() + left));
    }
    Ok(awaited)
}

fn is_worth_waiting(hook: &HookStatus, due: Option<WallTime>, until: WallTime) -> bool {
    !hook.is_ended && hook.waiting > 0 && due.is_some_and(|due| due <= until)
}

/// What hooks have not taken; nothing where that can't be read.
async fn left<D: Deliveries>(store: &D, hooks: &[HookName]) -> Vec<Undelivered> {
    let mut left = Vec::new();
    for hook in hooks {
        let (Ok(status), due) = (store.hook_status(hook).await, store.next_due(hook).await) else { continue };
        if status.waiting > 0 {
            left.push(Undelivered { hook: hook.clone(), events: status.waiting, due: due.ok().flatten() });
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: no hook has a batch outlive its deadline.
    #[test]
    fn a_deadline_is_kept() {
        let of = |deadline: Option<u64>| {
            hooks_within(deadline.map(Duration::from_secs), Duration::from_secs(100)).as_secs()
        };
        assert_eq!([None, Some(1_000), Some(130), Some(100), Some(9)].map(of), [60, 60, 30, 0, 0]);
    }

    /// Promise: a batch waits for a hook that may still take something, and for no other.
    #[test]
    fn only_what_can_still_be_tried_is_waited_for() {
        let until = WallTime::from_millis(60_000);
        let hook = |waiting, is_ended| HookStatus {
            name: HookName::new("a"),
            waiting,
            taken: 0,
            failed: 1,
            last_error: None,
            is_ended,
        };
        for (status, due, expected) in [
            (hook(1, false), Some(0), true),
            (hook(1, false), Some(60_000), true),
            (hook(1, false), Some(60_001), false),
            (hook(1, true), Some(0), false),
            (hook(0, false), None, false),
        ] {
            let due = due.map(WallTime::from_millis);
            assert_eq!(is_worth_waiting(&status, due, until), expected, "{status:?} {due:?}");
        }
    }
}
