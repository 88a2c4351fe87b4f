//! Readings beside a writer that commits and closes the file.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use super::super::{file, testing};
use crate::domain::{TicketRecord, TicketState};
use crate::store::{Batch, SqliteStore, Store as _, StoreReader};

const TICKETS: usize = 50;

async fn place() -> (tempfile::TempDir, PathBuf, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = SqliteStore::open(&path).unwrap();
    store.load().await.unwrap();
    (folder, path, store)
}

/// Every ticket with that many polls.
fn round(polls: u32) -> Batch {
    let ticket = |at| TicketRecord { polls, ..testing::full(&format!("t{at:02}")) };
    testing::batch((0..TICKETS).map(ticket))
}

/// The polls of every ticket, read page by page in one moment each.
fn polls(reader: &dyn StoreReader) -> Vec<u32> {
    let page = reader.tickets_after(None, TICKETS + 1).unwrap();
    page.iter().map(|ticket| ticket.polls).collect()
}

async fn commit(store: &SqliteStore, batch: Batch) {
    store.commit(batch).await.unwrap();
}

/// Reads until it is to end. Every reading is one round, none older than what was committed when it began.
/// Returns how many there were.
fn read_on(reader: &dyn StoreReader, committed: &AtomicU32, end: &AtomicBool) -> usize {
    let mut readings = 0;
    while !end.load(Ordering::SeqCst) {
        let least = committed.load(Ordering::SeqCst);
        assert_eq!(reader.counts().unwrap(), [(TicketState::Completed, TICKETS)]);
        let polls = polls(reader);
        assert_eq!(polls.len(), TICKETS);
        assert!(polls.iter().all(|round| *round == polls[0]), "a mix of rounds: {polls:?}");
        assert!(polls[0] >= least, "{} is older than {least}", polls[0]);
        readings += 1;
    }
    readings
}

/// Promise: whatever is committed meanwhile, a reading is one moment and no commit is lost, neither for this
/// process nor for any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_and_writing_do_not_harm_each_other() {
    let (folder, path, store) = place().await;
    commit(&store, round(1)).await;
    let (committed, end) = (Arc::new(AtomicU32::new(1)), Arc::new(AtomicBool::new(false)));
    let readers = [(); 2].map(|()| {
        let (reader, committed, end) = (store.reader(), Arc::clone(&committed), Arc::clone(&end));
        thread::spawn(move || read_on(&*reader, &committed, &end))
    });
    for number in 2..200 {
        commit(&store, round(number)).await;
        committed.store(number, Ordering::SeqCst);
    }
    end.store(true, Ordering::SeqCst);
    for reader in readers {
        assert!(reader.join().unwrap() > 0);
    }
    assert_eq!(polls(&*store.reader()), [199; TICKETS]);
    store.close().await;
    assert_eq!(testing::contents(folder.path()).into_keys().collect::<Vec<_>>(), std::slice::from_ref(&path));
    assert!(testing::read_only(&path).unwrap().unwrap().tickets.iter().all(|ticket| ticket.polls == 199));
}

/// The locks on a file that the kernel knows of, by whomever.
fn locks(path: &Path) -> Vec<String> {
    let inode = format!(":{} ", fs::metadata(path).unwrap().ino());
    let all = fs::read_to_string("/proc/locks").unwrap();
    let of_file = all.lines().filter(|line| line.contains("POSIX") && line.contains(&inode));
    of_file.map(|line| line.split_once(": ").unwrap().1.to_owned()).collect()
}

/// Promise: reading drops none of the writer's locks, by which other processes know that the file is in use.
#[tokio::test]
async fn the_writer_keeps_its_locks() {
    let (_folder, path, store) = place().await;
    commit(&store, round(1)).await;
    let of_all = || [locks(&path), locks(&file::beside(&path, "-shm"))];
    let before = of_all();
    assert!(before.iter().all(|locks| !locks.is_empty()), "{before:?}");
    for _ in 0..3 {
        polls(&*store.reader());
    }
    assert_eq!(of_all(), before);
}
