//! The events in a state file in memory: what waits for hooks, and the history of each entry.

use std::collections::{BTreeMap, HashMap};

use super::fake_store::{FakeStore, moved};
use crate::domain::*;
use crate::store::*;

/// The events in a state file in memory.
#[derive(Default)]
pub(super) struct Events {
    /// Every event that was ever durable.
    pub(super) known: BTreeMap<EventId, EventRow>,
    /// Ids that named more than one event.
    pub(super) reused: Vec<EventId>,
    /// Tries of each row that waits, and when it is due; it is not where it was given up.
    pub(super) waiting: BTreeMap<(HookName, EventId), (u32, Option<WallTime>)>,
    /// The events of each entry that has a row.
    pub(super) histories: HashMap<EntryKey, Vec<EventRow>>,
    hooks: BTreeMap<HookName, HookStatus>,
}

impl Events {
    pub(super) fn take(&mut self, events: &[EventRow], has_row: impl Fn(&EntryKey) -> bool) {
        for event in events {
            let before = self.known.insert(event.id, event.clone());
            if before.is_some_and(|before| before != *event) {
                self.reused.push(event.id);
            }
            for hook in &event.hooks {
                let first = (0, Some(WallTime::from_millis(0)));
                self.waiting.entry((hook.clone(), event.id)).or_insert(first);
            }
            if let Some(key) = event.key.as_ref().filter(|key| has_row(key)) {
                let history = self.histories.entry(key.clone()).or_default();
                if !history.contains(event) {
                    history.push(event.clone());
                }
            }
        }
    }

    pub(super) fn last(&self) -> EventId {
        self.known.keys().last().copied().unwrap_or_default()
    }

    fn hook(&mut self, name: &HookName) -> &mut HookStatus {
        self.hooks.entry(name.clone()).or_insert_with(|| HookStatus::unknown(name.clone()))
    }

    fn of_hook(&self, hook: &HookName) -> impl Iterator<Item = (EventId, u32, Option<WallTime>)> {
        let rows = self.waiting.iter().filter(move |((name, _), _)| name == hook);
        rows.map(|((_, id), (tries, due))| (*id, *tries, *due))
    }
}

impl Deliveries for FakeStore {
    async fn keep_hooks(&self, hooks: Vec<HookName>) -> Result<Vec<(HookName, usize)>, StoreError> {
        Ok(self.with(|kept| {
            let mut dropped = BTreeMap::<HookName, usize>::new();
            kept.events.waiting.retain(|(name, _), _| {
                let is_kept = hooks.contains(name);
                if !is_kept {
                    *dropped.entry(name.clone()).or_default() += 1;
                }
                is_kept
            });
            let due = kept.events.waiting.values_mut().filter_map(|(_, due)| due.as_mut());
            due.for_each(|due| *due = WallTime::from_millis(0));
            kept.events.hooks.retain(|name, _| hooks.contains(name));
            for hook in &hooks {
                kept.events.hook(hook).is_ended = false;
            }
            dropped.into_iter().collect()
        }))
    }

    async fn due(&self, hook: &HookName, now: WallTime, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        Ok(self.with(|kept| {
            let rows = kept.events.of_hook(hook).filter_map(|(id, tries, due)| Some((due?, id, tries)));
            let is_far = |due: WallTime| due > now + DUE_MAX;
            let mut rows: Vec<_> = rows.filter(|(due, ..)| *due <= now || is_far(*due)).collect();
            rows.sort();
            let delivery = |(_, id, tries): (_, EventId, _)| {
                let payload = kept.events.known[&id].payload.clone();
                Delivery { id, payload, tries, since: None }
            };
            rows.into_iter().take(limit).map(delivery).collect()
        }))
    }

    async fn next_due(&self, hook: &HookName) -> Result<Option<WallTime>, StoreError> {
        Ok(self.with(|kept| kept.events.of_hook(hook).filter_map(|(_, _, due)| due).min()))
    }

    async fn settle(&self, hook: &HookName, tries: Vec<Settled>) -> Result<(), StoreError> {
        self.with(|kept| {
            if kept.fails {
                return Err(moved());
            }
            for Settled { id, tries, at, fate, error } in tries {
                let key = (hook.clone(), id);
                match fate {
                    Fate::Taken => {
                        let is_new = kept.events.waiting.remove(&key).is_some();
                        let status = kept.events.hook(hook);
                        status.taken += u64::from(is_new);
                        status.taken_at = Some(at);
                    }
                    Fate::Again { due } => put_off(kept.events.waiting.get_mut(&key), tries, Some(due)),
                    Fate::GivenUp => put_off(kept.events.waiting.get_mut(&key), tries, None),
                }
                let status = kept.events.hook(hook);
                let error = error.map(|message| HookError { message, at });
                status.last_error = error.or(status.last_error.take());
            }
            Ok(())
        })
    }

    async fn end(&self, hook: &HookName) -> Result<(), StoreError> {
        self.with(|kept| kept.events.hook(hook).is_ended = true);
        Ok(())
    }

    async fn hook_status(&self, hook: &HookName) -> Result<HookStatus, StoreError> {
        Ok(self.with(|kept| {
            let (waiting, failed): (Vec<_>, Vec<_>) =
                kept.events.of_hook(hook).partition(|(_, _, due)| due.is_some());
            let (waiting, failed) = (waiting.len(), failed.len());
            let next = kept.events.of_hook(hook).filter_map(|(_, _, due)| due).min();
            HookStatus { waiting, failed, next, ..kept.events.hook(hook).clone() }
        }))
    }
}

fn put_off(row: Option<&mut (u32, Option<WallTime>)>, tries: u32, due: Option<WallTime>) {
    if let Some(row) = row.filter(|row| row.0 == tries) {
        *row = (tries + 1, due);
    }
}
