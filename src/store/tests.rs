//! What every store has to do, whichever database keeps it: the suite that a new one has to pass. It is run here for
//! SQLite, and for the engine's store in memory beside that.

use std::time::Duration;

use super::sqlite::testing::*;
use super::*;
use crate::domain::{
    FileCounts, FileState, HookError, HookName, HookStatus, TicketRecord, TicketState, WallTime,
};

/// Promise: a new store keeps what it is given, from one start to the next, and nothing that was taken back.
pub(crate) async fn keeps_what_it_is_given(store: &impl Store) {
    let new = store.load().await.unwrap();
    assert!(new.clean && new.tickets.is_empty() && new.released.is_empty());
    let given = Batch {
        tickets: vec![full("b"), fresh("a"), fresh("c")],
        released: vec![release(1, 1), release(2, 2)],
        tallies: vec![tally(11, 7)],
        proven: vec![tally(11, 7).budget],
        ..Batch::default()
    };
    store.commit(given).await.unwrap();
    let kept = store.load().await.unwrap();
    assert!(!kept.clean, "nothing was said of a clean stop");
    assert_eq!(kept.tickets, [fresh("a"), full("b"), fresh("c")]);
    assert_eq!((kept.released, kept.tallies), (vec![release(1, 1), release(2, 2)], vec![tally(11, 7)]));

    let later = Batch {
        tickets: vec![failed("a"), fresh("b")],
        forgotten: vec![fresh("b").entry.key, fresh("c").entry.key],
        released: vec![release(2, 2), release(3, 3)],
        released_before: Some(release(2, 2).at),
        tallies: vec![tally(12, 3)],
        clean_stop: true,
        ..Batch::default()
    };
    store.commit(later).await.unwrap();
    let kept = store.load().await.unwrap();
    assert!(kept.clean);
    assert_eq!(kept.tickets, [failed("a"), fresh("b")], "listed again before it was forgotten");
    assert_eq!((kept.released, kept.tallies), (vec![release(2, 2), release(3, 3)], vec![tally(12, 3)]));
    assert_eq!(kept.proven, [tally(11, 7).budget]);
    assert!(!store.load().await.unwrap().clean, "a process that ends after it was loaded has crashed");
    store.ping().await.unwrap();
}

/// Promise: a process that goes on after its "clean stop" is not taken for one that stopped.
pub(crate) async fn notices_a_commit_after_a_clean_stop(store: &impl Store) {
    store.load().await.unwrap();
    store.commit(Batch { clean_stop: true, ..Batch::default() }).await.unwrap();
    store.commit(batch([full("a")])).await.unwrap();
    assert!(!store.load().await.unwrap().clean);
}

/// Promise 4: a verdict is in the outbox until its consumer has taken it, once, however often its batch was written.
pub(crate) async fn keeps_verdicts_until_they_are_taken(store: &(impl Store + Outbox)) {
    assert_eq!(store.load().await.unwrap().last_event, EventId::default());
    for ids in [[3, 1, 2], [2, 3, 1]] {
        store.commit(Batch { outbox: ids.map(outbox_row).into(), ..Batch::default() }).await.unwrap();
    }
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.unannounced, loaded.last_event), (3, EventId(3)));
    let rows = async |after, limit| store.rows(LOG, EventId(after), limit).await.unwrap();
    assert_eq!(rows(0, 10).await, [1, 2, 3].map(outbox_row));
    assert_eq!(rows(1, 1).await, [outbox_row(2)]);
    store.remove(LOG, EventId(2)).await.unwrap();
    assert_eq!((rows(0, 10).await, store.count(LOG).await.unwrap()), (vec![outbox_row(3)], 1));
}

async fn ids_due(store: &impl Deliveries, hook: &str, seconds: u64, limit: usize) -> Vec<i64> {
    let now = NOW + Duration::from_secs(seconds);
    let rows = store.due(&HookName::new(hook), now, limit).await.unwrap();
    rows.iter().map(|row| row.id.0).collect()
}

/// How a try of a row ended that was tried before so many times.
fn settled(id: i64, tries: u32, fate: Fate) -> Settled {
    let error = (fate != Fate::Taken).then(|| hook_error(id).message);
    Settled { id: EventId(id), tries, at: NOW, fate, error }
}

/// A failed try of a row, and when the next one is.
fn again(id: i64, tries: u32, due: u64) -> Settled {
    settled(id, tries, Fate::Again { due: NOW + Duration::from_secs(due) })
}

fn hook_error(number: i64) -> HookError {
    HookError { message: format!("exit code {number}"), at: NOW }
}

/// Promise 4: an event is there for each hook that takes it until that took it, once, however often its batch was written,
/// and no id is given out twice.
pub(crate) async fn keeps_events_until_hooks_took_them(store: &(impl Store + Deliveries)) {
    assert_eq!(store.load().await.unwrap().last_hook_event, EventId::default());
    let [a, b] = ["a", "b"].map(HookName::new);
    let events = || vec![event_row(2, "t", &["a", "b"]), event_row(1, "t", &["a"]), event_row(3, "t", &[])];
    for _ in 0..2 {
        store.commit(Batch { events: events(), ..batch([fresh("t")]) }).await.unwrap();
    }
    assert_eq!((ids_due(store, "a", 0, 9).await, ids_due(store, "b", 0, 9).await), (vec![1, 2], vec![2]));
    assert_eq!(ids_due(store, "a", 0, 1).await, [1]);
    let first = Delivery { id: EventId(1), payload: outbox_row(1).payload, tries: 0, since: None };
    assert_eq!(store.due(&a, NOW, 1).await.unwrap(), [first]);
    let taken = |id| settled(id, 0, Fate::Taken);
    store.settle(&a, vec![taken(1), again(2, 0, 5)]).await.unwrap();
    store.settle(&a, vec![taken(1)]).await.unwrap();
    assert_eq!((ids_due(store, "a", 4, 9).await, ids_due(store, "a", 5, 9).await), (vec![], vec![2]));
    assert_eq!(store.next_due(&a).await.unwrap(), Some(NOW + Duration::from_secs(5)));
    assert_eq!(store.due(&a, NOW + Duration::from_secs(5), 9).await.unwrap()[0].tries, 1);
    let (taken_at, last_error) = (Some(NOW), Some(hook_error(2)));
    let next = Some(NOW + Duration::from_secs(5));
    let status =
        HookStatus { waiting: 1, taken: 1, taken_at, last_error, next, ..HookStatus::unknown(a.clone()) };
    assert_eq!(store.hook_status(&a).await.unwrap(), status);
    store.settle(&b, vec![taken(2)]).await.unwrap();
    assert_eq!((ids_due(store, "b", 9, 9).await, store.next_due(&b).await.unwrap()), (vec![], None));
    assert_eq!(store.load().await.unwrap().last_hook_event, EventId(3), "also where it is delivered");
}

/// Promise: a row that was given up stays and is not due; one that is due too late is due; after a start all others are due;
/// rows of hooks that are not configured any more are dropped, and counted.
pub(crate) async fn keeps_the_rows_of_its_hooks(store: &(impl Store + Deliveries)) {
    store.load().await.unwrap();
    let [a, b] = ["a", "b"].map(HookName::new);
    let events = (1..=4).map(|id| event_row(id, "t", &["a", "b"])).collect();
    store.commit(Batch { events, ..Batch::default() }).await.unwrap();
    let given_up = settled(1, 0, Fate::GivenUp);
    let far = DUE_MAX.as_secs() + 1;
    store.settle(&a, vec![given_up, again(2, 0, far), again(3, 0, 60)]).await.unwrap();
    assert_eq!(ids_due(store, "a", 0, 9).await, [4, 2]);
    assert_eq!((ids_due(store, "a", 0, 1).await, ids_due(store, "a", 1, 9).await), (vec![4], vec![4]));
    assert_eq!(ids_due(store, "a", far, 9).await, [4, 3, 2], "those that were due first in front");
    store.end(&a).await.unwrap();
    let status = store.hook_status(&a).await.unwrap();
    assert_eq!((status.waiting, status.failed, status.is_ended), (3, 1, true));
    assert_eq!(store.keep_hooks(vec![a.clone(), b.clone()]).await.unwrap(), []);
    assert!(!store.hook_status(&a).await.unwrap().is_ended, "a new process sends again");
    store.end(&a).await.unwrap();
    store.load().await.unwrap();
    assert!(store.hook_status(&a).await.unwrap().is_ended, "its receiver answered before the engine began");
    let rows = store.due(&a, NOW, 9).await.unwrap();
    let rows: Vec<_> = rows.iter().map(|row| (row.id.0, row.tries)).collect();
    assert_eq!(rows, [(2, 1), (3, 1), (4, 0)], "at once, with the tries that there were");
    assert_eq!(store.keep_hooks(vec![b.clone()]).await.unwrap(), [(a.clone(), 4)]);
    assert_eq!(store.keep_hooks(vec![b]).await.unwrap(), []);
    let status = store.hook_status(&a).await.unwrap();
    assert_eq!((status.waiting, status.failed, status.last_error), (0, 0, None));
    assert_eq!(ids_due(store, "b", 0, 9).await.len(), 4);
}

/// Promise: a reader sees how every hook does, and what happened to an entry lately, as long as that is kept.
async fn shows_hooks_and_histories(store: &(impl Store + Deliveries), reader: &dyn StoreReader) {
    store.load().await.unwrap();
    assert_eq!(reader.hooks().unwrap(), []);
    store.keep_hooks(["b", "a"].map(HookName::new).into()).await.unwrap();
    let events = (1..=60).map(|id| event_row(id, "t", &["a"])).chain([event_row(61, "gone", &[])]);
    store.commit(Batch { events: events.collect(), ..batch([fresh("t")]) }).await.unwrap();
    store.settle(&HookName::new("b"), vec![again(1, 0, 5)]).await.unwrap();
    let status = |name, waiting, last_error| HookStatus {
        waiting,
        last_error,
        next: (waiting > 0).then_some(WallTime::from_millis(0)),
        ..HookStatus::unknown(HookName::new(name))
    };
    assert_eq!(reader.hooks().unwrap(), [status("a", 60, None), status("b", 0, Some(hook_error(1)))]);
    let history = |ticket| reader.history(&fresh(ticket).entry.key).unwrap();
    let line = |id| {
        let EventRow { at, event, kind, .. } = event_row(id, "t", &[]);
        HistoryRow { at, event: event.into(), kind: kind.map(|kind| kind.as_str().into()) }
    };
    assert_eq!(history("t"), (11..=60).map(line).collect::<Vec<_>>());
    assert_eq!(history("gone"), [], "it has no row");
    store.commit(Batch { forgotten: vec![fresh("t").entry.key], ..Batch::default() }).await.unwrap();
    assert_eq!(history("t"), []);
}

/// Promise: what a hook did not take is sent again when asked for, that which was given up, too; a try that was on its way
/// then and fails does not undo that.
async fn sends_again(store: &(impl Store + Deliveries), requests: &impl StoreRequests) {
    store.load().await.unwrap();
    let events = (1..=3).map(|id| event_row(id, "t", &["a", "b"])).collect();
    store.commit(Batch { events, ..Batch::default() }).await.unwrap();
    let a = HookName::new("a");
    store.settle(&a, vec![settled(1, 0, Fate::GivenUp), again(2, 0, 1), again(2, 1, 3600)]).await.unwrap();
    let later = NOW + Duration::from_secs(7200);
    let row = store.due(&a, later, 9).await.unwrap().pop().unwrap();
    assert_eq!((row.id, row.tries, row.since), (EventId(2), 2, Some(NOW)));
    assert_eq!(requests.send_again(&a).unwrap(), 2, "the third was not tried");
    store.settle(&a, vec![settled(1, 1, Fate::GivenUp), again(2, 2, 3600)]).await.unwrap();
    let rows = store.due(&a, NOW, 9).await.unwrap();
    assert!(rows.len() == 3 && rows.iter().all(|row| row.tries == 0 && row.since.is_none()), "{rows:?}");
    assert_eq!(requests.send_again(&HookName::new("c")).unwrap(), 0);
    assert_eq!(
        (
            store.hook_status(&a).await.unwrap().asked,
            store.hook_status(&HookName::new("b")).await.unwrap().asked
        ),
        (1, 0)
    );
}

/// Promise: a reader sees what was committed last, page by page as well, and knows that the store is in use.
async fn shows_what_it_keeps(store: &impl Store, reader: &dyn StoreReader) {
    store.load().await.unwrap();
    assert_eq!((reader.counts().unwrap(), reader.tickets_after(None, 3).unwrap()), (vec![], vec![]));
    assert_eq!(reader.file_counts().unwrap(), []);
    let mut tickets = vec![fresh("b"), failed("a"), full("é"), full("B")];
    tickets.extend(with_files());
    let with_trouble = Batch { troubles: Some(vec![trouble()]), ..batch(tickets.clone()) };
    store.commit(with_trouble).await.unwrap();
    store.commit(Batch::default()).await.unwrap();
    tickets.sort_by(|one, other| one.entry.key.cmp(&other.entry.key));
    assert_eq!(reader.known().unwrap(), Some(Known { tickets: tickets.clone(), troubles: vec![trouble()] }));
    let counts = reader.counts().unwrap();
    assert!(counts.len() == 3 && counts.contains(&(TicketState::Completed, 7)), "{counts:?}");
    let files: FileCounts = reader.file_counts().unwrap().into_iter().collect();
    assert_eq!(FileState::ALL.iter().map(|state| files[*state]).collect::<Vec<_>>(), [2, 3, 1, 1]);

    let mut seen: Vec<TicketRecord> = Vec::new();
    loop {
        let page = reader.tickets_after(seen.last().map(|ticket| &ticket.entry.key), 3).unwrap();
        seen.extend_from_slice(&page);
        if page.len() < 3 {
            break;
        }
    }
    assert_eq!(seen, tickets);

    store.commit(Batch { troubles: Some(Vec::new()), ..Batch::default() }).await.unwrap();
    assert_eq!(reader.known().unwrap().unwrap().troubles, []);
    assert!(reader.holder().unwrap().is_some());
}

/// Promise: a request for a retry stays until it is said to be carried out, and its id is not used twice.
async fn passes_requests_on(store: &impl Store, requests: &impl StoreRequests) {
    store.load().await.unwrap();
    let [a, b] = ["a", "b"].map(|ticket| fresh(ticket).entry.key);
    let first = requests.ask_to_retry(std::slice::from_ref(&a)).unwrap();
    let last = requests.ask_to_retry(&[b.clone(), a.clone()]).unwrap();
    let asked = async |since| store.retries(since).await.unwrap().into_iter().map(|retry| retry.key);
    assert!(asked(RetryId::default()).await.eq([a.clone(), b.clone(), a.clone()]));
    assert!(asked(first).await.eq([b, a.clone()]));
    store.commit(Batch { retried: Some(first), ..Batch::default() }).await.unwrap();
    assert!(!requests.is_waiting(first).unwrap() && requests.is_waiting(last).unwrap());
    store.commit(Batch { retried: Some(last), ..Batch::default() }).await.unwrap();
    assert!(store.retries(RetryId::default()).await.unwrap().is_empty());
    assert!(requests.ask_to_retry(&[a]).unwrap() > last);
}

fn new() -> (tempfile::TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("state.db")).unwrap();
    (folder, store)
}

#[tokio::test]
async fn sqlite_conforms() {
    let (_folder, store) = new();
    keeps_what_it_is_given(&store).await;
    let (_folder, store) = new();
    notices_a_commit_after_a_clean_stop(&store).await;
    let (_folder, store) = new();
    keeps_verdicts_until_they_are_taken(&store).await;
    let (_folder, store) = new();
    shows_what_it_keeps(&store, &*store.reader()).await;
    let (folder, store) = new();
    shows_what_it_keeps(&store, &store_at(&folder.path().join("state.db"))).await;
    let (_folder, store) = new();
    keeps_events_until_hooks_took_them(&store).await;
    let (_folder, store) = new();
    keeps_the_rows_of_its_hooks(&store).await;
    let (_folder, store) = new();
    shows_hooks_and_histories(&store, &*store.reader()).await;
    let (folder, store) = new();
    shows_hooks_and_histories(&store, &store_at(&folder.path().join("state.db"))).await;
    let (folder, store) = new();
    sends_again(&store, &store_at(&folder.path().join("state.db"))).await;
    let (folder, store) = new();
    passes_requests_on(&store, &store_at(&folder.path().join("state.db"))).await;
}
