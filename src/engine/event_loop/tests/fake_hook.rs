//! A stand-in for hooks, and for what takes their events out of the state file: which event came when, and how often.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::fakes::{FakeStore, SECOND, START};
use crate::domain::*;
use crate::store::*;

/// How long a failed try is put off.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// Events that are read at once.
const AT_ONCE: usize = 4;

/// What every hook received, by whichever process.
#[derive(Clone, Default)]
pub(super) struct FakeHook(Arc<Mutex<Vec<Received>>>);

/// An event that reached a hook.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) hook: HookName,
    pub(super) id: EventId,
    pub(super) payload: Arc<str>,
}

impl FakeHook {
    pub(super) fn received(&self) -> Vec<Received> {
        self.0.lock().unwrap().clone()
    }

    /// Takes a hook's events as they become due, until no more can come. Between any two steps the process may die. Some
    /// tries fail, some last long, and rows are looked for only when the engine says that there are some, or one is due.
    pub(super) async fn consume(
        self,
        store: FakeStore,
        hook: HookName,
        began: Instant,
        mut woken: watch::Receiver<EventId>,
    ) {
        store.keep_hooks(vec![hook.clone(), other_of(&hook)]).await.unwrap();
        loop {
            woken.mark_unchanged();
            let now = START + began.elapsed();
            let rows = store.due(&hook, now, AT_ONCE).await.unwrap();
            if rows.is_empty() {
                let due = store.next_due(&hook).await.unwrap();
                let wait = due.map_or(Duration::MAX, |due| due.since(now) + SECOND / 1000);
                if let Ok(Err(_)) = tokio::time::timeout(wait, woken.changed()).await {
                    return;
                }
            }
            for row in rows {
                self.receive(&store, &hook, row, began).await;
            }
        }
    }

    async fn receive(&self, store: &FakeStore, hook: &HookName, row: Delivery, began: Instant) {
        let Delivery { id, payload, tries, .. } = row;
        let is_slow = id.0 % 17 == 0;
        tokio::time::sleep(if is_slow { 20 * SECOND } else { SECOND / 50 }).await;
        self.0.lock().unwrap().push(Received { hook: hook.clone(), id, payload });
        let fails = tries == 0 && id.0 % 3 == 0;
        tokio::time::sleep(SECOND / 50).await;
        let at = START + began.elapsed();
        let fate = if fails { Fate::Again { due: at + TRY_AGAIN } } else { Fate::Taken };
        while store.settle(hook, vec![Settled { id, tries, at, fate, error: None }]).await.is_err() {
            tokio::time::sleep(SECOND).await;
        }
    }
}

/// The names of the hooks of a bench.
pub(super) const ALL: &str = "all";
pub(super) const SOME: &str = "some";

fn other_of(hook: &HookName) -> HookName {
    HookName::new(if hook.as_str() == ALL { SOME } else { ALL })
}
