//! Files that lose their names under a store at work.

use std::fs::OpenOptions;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::super::{Batch, RetryId, SqliteStore, Store as _, read_only, testing};
use super::*;

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    (folder, path)
}

fn wal(path: &Path) -> PathBuf {
    file::beside(path, "-wal")
}

/// Promise: a log that is removed while it is in use costs nothing that was answered. It is said once, to a commit
/// of which nothing is called durable, and from then on the file is whole again, also without a commit.
#[tokio::test]
async fn a_removed_log_is_saved() {
    for gone in [&["-wal"][..], &["-shm"], &["-wal", "-shm"]] {
        let (_folder, path) = place();
        let store = SqliteStore::open(&path).unwrap();
        store.load().await.unwrap();
        store.commit(testing::batch([testing::full("a")])).await.unwrap();
        let remove = || gone.iter().for_each(|suffix| fs::remove_file(file::beside(&path, suffix)).unwrap());
        remove();
        let refused = store.commit(testing::batch([testing::full("b")])).await.unwrap_err();
        assert!(
            refused.error.to_string().ends_with("let nobody touch it while a watcher runs"),
            "{}",
            refused.error
        );
        let names = |path: &Path| read_only(path).unwrap().unwrap().tickets.len();
        assert_eq!((refused.batch.tickets.len(), names(&path)), (1, 1));
        store.commit(refused.batch).await.unwrap();
        assert_eq!(names(&path), 2);
        // Nobody commits, but the engine asks for requests every second.
        remove();
        assert!(store.retries(RetryId::default()).await.unwrap().is_empty());
        let (_copy, crashed) = testing::crash(&path, &["", "-wal", "-shm"]);
        assert_eq!(names(&crashed), 2);
        assert_eq!(store.reader().begin().unwrap().counts().unwrap().len(), 1);
        store.commit(Batch { clean_stop: true, ..Batch::default() }).await.unwrap();
        store.close().await;
        assert_eq!(testing::contents(path.parent().unwrap()).len(), 1);
        assert!(SqliteStore::open(&path).unwrap().load().await.unwrap().clean);
    }
}

/// Promise: nothing is called durable that went into a log without a name, at whatever moment that lost it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_answered_outlives_the_log() {
    let (_folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    store.load().await.unwrap();
    let end = Arc::new(AtomicBool::new(false));
    let remover = thread::spawn({
        let (log, end) = (wal(&path), Arc::clone(&end));
        move || {
            while !end.load(Ordering::SeqCst) {
                let _ = fs::remove_file(&log);
                thread::sleep(Duration::from_millis(3));
            }
        }
    });
    let (mut answered, mut refused) = (0, 0);
    while refused < 50 {
        let mut batch = testing::batch([testing::full(&format!("t{answered}"))]);
        while let Err(error) = store.commit(batch).await {
            assert!(matches!(error.error, StoreError::LogLost { .. }), "{}", error.error);
            (batch, refused) = (error.batch, refused + 1);
        }
        answered += 1;
        assert!(answered < 100_000, "nobody notices");
    }
    end.store(true, Ordering::SeqCst);
    remover.join().unwrap();
    store.retries(RetryId::default()).await.unwrap();
    let (_copy, crashed) = testing::crash(&path, &["", "-wal"]);
    assert_eq!(SqliteStore::open(&crashed).unwrap().load().await.unwrap().tickets.len(), answered);
}

/// Promise: a commit in the course of which the log is lost is not called durable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_lost_during_a_commit_is_noticed() {
    // A round comes to nothing if the commit is over before the log is taken away.
    for _ in 0..50 {
        let (folder, path) = place();
        let store = SqliteStore::open(&path).unwrap();
        store.load().await.unwrap();
        let length = fs::metadata(wal(&path)).unwrap().len();
        let (log, aside) = (wal(&path), folder.path().join("aside-wal"));
        let thief = thread::spawn(move || {
            while fs::metadata(&log).unwrap().len() == length {}
            fs::rename(&log, aside).unwrap();
            fs::write(&log, "a letter").unwrap();
        });
        // Larger than SQLite's memory for pages, so that the log grows long before the end.
        let large = testing::batch((0..20_000).map(|at| testing::full(&format!("t{at}"))));
        let result = store.commit(large).await;
        thief.join().unwrap();
        if let Err(refused) = result {
            assert!(matches!(refused.error, StoreError::LogLost { saved: false, .. }), "{}", refused.error);
            return;
        }
    }
    panic!("a commit to a lost log was called durable, or 50 times the log was lost too late");
}

/// Promise: while another log lies in the place of the one in use, nothing is called durable, and neither that
/// log nor the database is written, also not at the end; the log put back, all goes on.
#[tokio::test]
async fn another_log_is_left_alone() {
    let (folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    store.load().await.unwrap();
    store.commit(testing::batch([testing::full("a")])).await.unwrap();
    let aside = folder.path().join("aside-wal");
    fs::rename(wal(&path), &aside).unwrap();
    fs::write(wal(&path), "a letter").unwrap();
    let mut batch = testing::batch([testing::full("b")]);
    for _ in 0..5 {
        let refused = store.commit(batch).await.unwrap_err();
        assert!(
            refused.error.to_string().contains("if this lasts, start the watcher again"),
            "{}",
            refused.error
        );
        batch = refused.batch;
    }
    assert!(matches!(store.reader().begin(), Err(StoreError::NotOpen { .. })));
    fs::rename(&aside, wal(&path)).unwrap();
    store.commit(batch).await.unwrap();
    assert_eq!(read_only(&path).unwrap().unwrap().tickets.len(), 2);

    fs::rename(wal(&path), &aside).unwrap();
    fs::write(wal(&path), "a letter").unwrap();
    let before = fs::read(&path).unwrap();
    store.close().await;
    assert_eq!(fs::read(wal(&path)).unwrap(), b"a letter");
    assert!(fs::read(&path).unwrap() == before);
}

/// Promise: a copy that was restored under a running watcher is not overwritten by what the watcher still holds.
#[tokio::test]
async fn a_restored_copy_is_left_alone() {
    let (folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    store.load().await.unwrap();
    store.commit(testing::batch([testing::full("a")])).await.unwrap();
    let copy = folder.path().join("copy.db");
    fs::copy(&path, &copy).unwrap();
    store.commit(testing::batch([testing::full("b")])).await.unwrap();
    fs::copy(&copy, &path).unwrap();
    fs::remove_file(wal(&path)).unwrap();
    let refused = store.commit(testing::batch([testing::full("c")])).await.unwrap_err();
    assert!(matches!(refused.error, StoreError::LogLost { saved: false, .. }), "{}", refused.error);
    store.close().await;
    assert!(fs::read(&path).unwrap() == fs::read(&copy).unwrap());
}

/// Promise: a file that was cut short is noticed, one from which SQLite gave back free space is not taken for it.
#[tokio::test]
async fn a_file_cut_short_is_noticed() {
    let (_folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    store.load().await.unwrap();
    let many: Vec<_> = (0..500).map(|at| testing::full(&format!("t{at}"))).collect();
    store.commit(testing::batch(many.clone())).await.unwrap();
    let forgotten = many.into_iter().skip(10).map(|ticket| ticket.key).collect();
    store.commit(Batch { forgotten, ..Batch::default() }).await.unwrap();
    store.on_writer(|writer| {
        let connection = writer.connection.as_ref().unwrap();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())).unwrap();
    });
    store.commit(testing::batch([testing::full("a")])).await.unwrap();
    let length = fs::metadata(&path).unwrap().len();
    let shell = rusqlite::Connection::open(&path).unwrap();
    shell.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(shell);
    assert!(fs::metadata(&path).unwrap().len() < length);
    store.commit(testing::batch([testing::full("b")])).await.unwrap();

    for cut in [8192, 0] {
        OpenOptions::new().write(true).open(&path).unwrap().set_len(cut).unwrap();
        let refused = store.commit(testing::batch([testing::full("c")])).await.unwrap_err();
        assert!(matches!(refused.error, StoreError::Shorter { .. }), "{}", refused.error);
    }
}
