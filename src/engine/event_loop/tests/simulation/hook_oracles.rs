//! What must hold of events for hooks in every history: each that is true reaches the hooks that take it, under one id, and
//! nothing else does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::super::fakes::*;
use super::super::hooks::fields_of;
use super::Diary;
use crate::domain::event::*;
use crate::domain::*;
use crate::engine::HookEvents;
use crate::store::EventId;

/// The events that stand in the log because their rows were durable.
const VERDICTS: [&str; 8] = [
    TICKET_COMPLETED,
    TICKET_FAILED,
    TICKET_TIMED_OUT,
    TICKET_REMOVED,
    DOCUMENT_FAILED,
    FILE_SAVED,
    FILE_FAILED,
    FILE_EXPIRED,
];

/// What is logged is durable after so long, where the state file can be written.
const DURABLE_WITHIN: Duration = Duration::from_secs(2);

type Fields = BTreeMap<String, String>;

/// What must hold of events for hooks.
pub(super) fn judge_hooks(bench: &Bench, diary: &Diary) {
    only_durable_events_came(bench);
    histories_are_whole(bench);
    for hook in &bench.settings.hooks {
        let received = received_by(bench, hook.name.as_str());
        every_verdict_came_once(bench, hook, &received);
        what_was_said_came(bench, hook, &received, diary);
    }
}

/// The ids under which each event came to a hook.
fn received_by(bench: &Bench, hook: &str) -> BTreeMap<Fields, BTreeSet<EventId>> {
    let mut received = BTreeMap::<Fields, BTreeSet<EventId>>::new();
    for it in bench.hook.received().iter().filter(|it| it.hook.as_str() == hook) {
        received.entry(fields_of(&it.payload)).or_default().insert(it.id);
    }
    received
}

/// Promise 4: an id names one event for ever, and what came was in the state file.
fn only_durable_events_came(bench: &Bench) {
    let (known, reused, waiting) = bench
        .store
        .with(|kept| (kept.events.known.clone(), kept.events.reused.clone(), kept.events.waiting.len()));
    assert_eq!((reused, waiting), (Vec::new(), 0));
    for it in bench.hook.received() {
        let event = known.get(&it.id).unwrap_or_else(|| panic!("it was never durable: {it:?}"));
        assert!(event.hooks.contains(&it.hook) && event.payload == it.payload, "{it:?} is not {event:?}");
    }
}

/// Promise 4: a verdict that the log has reached every hook that takes it, with the same fields, under one id; and a hook got
/// none that the log does not have.
fn every_verdict_came_once(bench: &Bench, hook: &HookEvents, received: &BTreeMap<Fields, BTreeSet<EventId>>) {
    let lines = bench.log.with(|log| log.lines.clone());
    let is_verdict = |fields: &Fields| VERDICTS.contains(&fields["event"].as_str());
    let is_wanted = |fields: &Fields| hook.events.contains(&fields["event"].as_str());
    let lines = lines.into_iter().map(|line| line.into_iter().collect::<Fields>());
    let logged: BTreeSet<_> = lines.filter(|line| is_verdict(line) && is_wanted(line)).collect();
    let came: BTreeSet<_> = received.keys().filter(|fields| is_verdict(fields)).cloned().collect();
    let (missing, surplus) = (logged.difference(&came).next(), came.difference(&logged).next());
    assert_eq!((missing, surplus), (None, None), "of verdicts for hook {}", hook.name);
    for (fields, ids) in received.iter().filter(|(fields, _)| is_verdict(fields)) {
        assert_eq!(ids.len(), 1, "{fields:?} came as {ids:?}");
    }
}

/// What the log has of apps and documents came as well, unless its process ended before it could be written.
fn what_was_said_came(
    bench: &Bench,
    hook: &HookEvents,
    received: &BTreeMap<Fields, BTreeSet<EventId>>,
    diary: &Diary,
) {
    let words = |fields: &Fields| (fields["event"].clone(), fields["app"].clone(), fields["message"].clone());
    let mut came = HashMap::<_, usize>::new();
    for (fields, ids) in received {
        *came.entry(words(fields)).or_default() += ids.len();
    }
    let (lines, times) = bench.log.with(|log| (log.lines.clone(), log.times.clone()));
    let mut said = HashMap::<_, (usize, usize)>::new();
    for (line, at) in lines.into_iter().zip(times) {
        let line: Fields = line.into_iter().collect();
        let event = line["event"].as_str();
        if hook.events.contains(&event) && !VERDICTS.contains(&event) {
            let (all, excused) = said.entry(words(&line)).or_default();
            *all += 1;
            *excused += usize::from(may_be_lost(at, diary));
        }
    }
    for (words, count) in &came {
        let (all, _) = said.get(words).copied().unwrap_or_default();
        // Of verdicts the log may have a line twice.
        assert!(
            *count <= all || VERDICTS.contains(&words.0.as_str()),
            "{words:?} came {count} times, said {all} times"
        );
    }
    for (words, (all, excused)) in said {
        let count = came.get(&words).copied().unwrap_or_default();
        assert!(count + excused >= all, "{words:?} came {count} times, was said {all} times");
    }
}

/// Whether the process that lived at that moment ended before what it said then was surely durable.
fn may_be_lost(at: Instant, diary: &Diary) -> bool {
    let lives = diary.lives.lock().unwrap();
    let Some((down, up)) = lives.iter().find(|(_, up)| *up >= at) else { return false };
    let unwritten = diary.unwritten.lock().unwrap();
    *down <= at + DURABLE_WITHIN || unwritten.iter().any(|end| down <= end && end <= up)
}

/// Every verdict is in the history of its entry.
fn histories_are_whole(bench: &Bench) {
    let histories = bench.store.with(|kept| kept.events.histories.clone());
    let lines = bench.log.with(|log| log.lines.clone());
    for line in lines.iter().filter(|line| VERDICTS.contains(&line["event"].as_str())) {
        // Documents have their entries' ids for labels.
        let id = line.get("label").filter(|label| label.contains('/')).unwrap_or_else(|| &line["ticket"]);
        let key = EntryKey { app: AppName::new(&line["app"]), id: EntryId::new(id) };
        let is_meant =
            |at: WallTime, event: &str| at.to_string() == line["timestamp"] && event == line["event"];
        let history = histories.get(&key).unwrap_or_else(|| panic!("{key:?} has no history"));
        assert!(history.iter().any(|row| is_meant(row.at, row.event)), "{line:?} is not in {history:?}");
    }
}
