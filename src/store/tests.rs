//! What every store has to do, whichever database keeps it: the suite that a new one has to pass. It is run here for
//! SQLite, and for the engine's store in memory beside that.

use super::sqlite::testing::{batch, failed, fresh, full, outbox_row, release, tally, trouble, with_files};
use super::*;
use crate::domain::{FileCounts, FileState, TicketRecord, TicketState};

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
    let (folder, store) = new();
    passes_requests_on(&store, &store_at(&folder.path().join("state.db"))).await;
}
