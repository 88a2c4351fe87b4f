//! The store as its callers see it: commits, refusals, crashes and full disks.

mod beside_writer;
mod refused;

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;
use crate::domain::verdict_event;
use crate::store::LOG;

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    (folder, path)
}

fn is_in_use(error: &StoreError) -> bool {
    matches!(error.kind, StoreErrorKind::InUse(_))
}

impl SqliteStore {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Acts on the writer's own thread.
    pub(super) fn on_writer(&self, act: impl FnOnce(&mut Writer) + Send + 'static) {
        self.jobs.send(Box::new(act)).unwrap();
    }

    pub(super) fn set_pragma(&self, name: &'static str, value: i64) {
        self.on_writer(move |writer| {
            writer.connection.execute_batch(&format!("PRAGMA {name} = {value}")).unwrap();
        });
    }
}

/// Promise: what was committed is there after a restart, and a clean stop leaves one whole file.
#[tokio::test]
async fn a_clean_stop_leaves_one_file() {
    let (folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    let loaded = store.load().await.unwrap();
    assert!(loaded.clean && loaded.tickets.is_empty());
    let id = store.id().to_owned();
    store.commit(testing::batch([testing::full("a")])).await.unwrap();
    store.commit(Batch { clean_stop: true, ..Batch::default() }).await.unwrap();
    store.close().await;
    assert_eq!(testing::contents(folder.path()).into_keys().collect::<Vec<_>>(), std::slice::from_ref(&path));

    let store = SqliteStore::open(&path).unwrap();
    let loaded = store.load().await.unwrap();
    assert!(loaded.clean);
    assert_eq!(loaded.tickets, [testing::full("a")]);
    assert_eq!(store.id(), id);
    store.close().await;
    assert_eq!(testing::contents(folder.path()).into_keys().collect::<Vec<_>>(), std::slice::from_ref(&path));

    // Closed, and nothing was said of a clean stop.
    let store = SqliteStore::open(&path).unwrap();
    assert!(!store.load().await.unwrap().clean);
}

/// Promise: an answered commit was synced. Without FULL, SQLite leaves the log to the next checkpoint.
#[tokio::test]
async fn every_commit_is_synced() {
    let (_folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    let (reply, answer) = oneshot::channel();
    store.on_writer(move |writer| {
        let read = |name| writer.connection.pragma_query_value(None, name, |row| row.get(0));
        reply.send((read("synchronous").unwrap(), read("trusted_schema").unwrap())).unwrap();
    });
    assert_eq!(answer.await.unwrap(), (2_i64, 0_i64));
}

/// Promise: only the watcher's user reads what is exported, from the first moment on.
#[tokio::test]
async fn every_file_is_private() {
    let (folder, _) = place();
    let store = SqliteStore::open(&folder.path().join("var/state.db")).unwrap();
    store.load().await.unwrap();
    for entry in fs::read_dir(folder.path().join("var")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
    }
    assert_eq!(fs::read_dir(folder.path().join("var")).unwrap().count(), 4);
}

/// Promise: of two daemons the second is kept out, names the first, and harms nothing.
#[tokio::test]
async fn the_second_store_is_kept_out() {
    let (folder, path) = place();
    let first = SqliteStore::open(&path).unwrap();
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for spelling in [&path, &link] {
        let StoreErrorKind::InUse(holder) = SqliteStore::open(spelling).unwrap_err().kind else {
            panic!("opened twice")
        };
        assert_eq!(holder.to_string(), format!("process {}", std::process::id()));
    }
    first.commit(testing::batch([testing::full("a")])).await.unwrap();
    first.close().await;
    assert_eq!(SqliteStore::open(&path).unwrap().load().await.unwrap().tickets.len(), 1);
}

/// Promise: of many that start at once on a new path, exactly one gets it.
#[test]
fn one_of_many_wins() {
    let (_folder, path) = place();
    let opened: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| SqliteStore::open(&path))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(opened.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(opened.iter().all(|result| result.as_ref().err().is_none_or(is_in_use)));
}

/// Promise: a store that is merely dropped gives the file back, with everything in it.
#[tokio::test]
async fn dropping_is_enough() {
    let (_folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    store.commit(testing::batch([testing::full("a")])).await.unwrap();
    drop(store);
    let deadline = Instant::now() + Duration::from_secs(10);
    let store = loop {
        match SqliteStore::open(&path) {
            Err(error) if is_in_use(&error) && Instant::now() < deadline => thread::yield_now(),
            result => break result.unwrap(),
        }
    };
    assert_eq!(store.load().await.unwrap().tickets, [testing::full("a")]);
}

/// Promise: after a crash everything that was answered is there, -shm file or none, and the crash is seen.
#[tokio::test]
async fn a_crash_loses_nothing() {
    let (_folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    store.load().await.unwrap();
    store.commit(testing::batch([testing::full("a")])).await.unwrap();
    for suffixes in [&["", "-wal", "-shm"][..], &["", "-wal"]] {
        let (_copy, path) = testing::crash(&path, suffixes);
        let store = SqliteStore::open(&path).unwrap();
        let loaded = store.load().await.unwrap();
        assert!(!loaded.clean);
        assert_eq!(loaded.tickets, [testing::full("a")]);
        store.close().await;
    }
}

/// Promise: a power cut in the middle of a commit costs that commit only.
#[tokio::test]
async fn a_torn_log_ends_before_the_tear() {
    let (_folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    store.load().await.unwrap();
    store.commit(testing::batch([testing::full("a")])).await.unwrap();
    let whole = fs::metadata(file::beside(&path, "-wal")).unwrap().len();
    store.commit(testing::batch((0..100).map(|at| testing::full(&format!("b{at}"))))).await.unwrap();
    let end = fs::metadata(file::beside(&path, "-wal")).unwrap().len();
    for cut in [whole, whole + 1, whole + 24, whole + 5_000, end - 4_096, end - 1] {
        let (_copy, path) = testing::crash(&path, &["", "-wal", "-shm"]);
        OpenOptions::new().write(true).open(file::beside(&path, "-wal")).unwrap().set_len(cut).unwrap();
        let store = SqliteStore::open(&path).unwrap();
        assert_eq!(store.load().await.unwrap().tickets, [testing::full("a")], "cut at {cut}");
        store.commit(testing::batch([testing::full("c")])).await.unwrap();
        store.close().await;
    }
}

/// Promise: a crash while the file is first made leaves nothing that the next start stumbles over.
#[tokio::test]
async fn a_half_made_file_is_made_again() {
    let (_folder, path) = place();
    for suffix in [".new", ".new-journal", ".new-wal"] {
        fs::write(file::beside(&path, suffix), "half").unwrap();
    }
    fs::write(&path, "").unwrap();
    let store = SqliteStore::open(&path).unwrap();
    assert!(store.load().await.unwrap().clean);
    assert!(!file::beside(&path, ".new").exists());
}

/// Promise: on a full disk the batch comes back whole, what was committed stays, and once there is room
/// the same batch goes in without a restart.
#[tokio::test]
async fn a_full_database_hands_the_batch_back() {
    let (_folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    store.load().await.unwrap();
    store.commit(testing::batch([testing::full("a")])).await.unwrap();
    store.set_pragma("max_page_count", 1);
    let large: Vec<_> = (0..500).map(|at| testing::full(&format!("t{at:03}"))).collect();
    let mut batch = testing::batch(large.clone());
    for _ in 0..5 {
        let refused = store.commit(batch).await.unwrap_err();
        assert!(refused.error.to_string().ends_with("free some space on its disk"), "{}", refused.error);
        assert_eq!(refused.batch.tickets, large);
        batch = refused.batch;
    }
    assert_eq!(store.load().await.unwrap().tickets.len(), 1);
    store.set_pragma("max_page_count", 0xffff_fffe);
    store.commit(batch).await.unwrap();
    assert_eq!(store.load().await.unwrap().tickets.len(), 501);
}

/// Promise: a connection that fails is tried for as long as it takes, without a restart.
#[tokio::test]
async fn a_connection_that_fails_is_tried_again() {
    let (_folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    store.load().await.unwrap();
    store.set_pragma("query_only", 1);
    let mut batch = testing::batch([testing::full("a")]);
    for _ in 0..10 {
        let refused = store.commit(batch).await.unwrap_err();
        assert!(refused.error.may_pass(), "{}", refused.error);
        batch = refused.batch;
    }
    store.set_pragma("query_only", 0);
    store.commit(batch).await.unwrap();
    assert_eq!(store.load().await.unwrap().tickets.len(), 1);
}

/// Promise: nothing is called durable that went into a file without a name; a pulse finds that, too.
#[tokio::test]
async fn a_moved_file_is_noticed() {
    let (folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    store.load().await.unwrap();
    let aside = folder.path().join("aside.db");
    fs::rename(&path, &aside).unwrap();
    for replaced in [false, true] {
        if replaced {
            fs::write(&path, "a letter").unwrap();
        }
        let refused = store.commit(testing::batch([testing::full("a")])).await.unwrap_err();
        assert!(matches!(refused.error.kind, StoreErrorKind::Moved), "{}", refused.error);
        let unread = store.retries(RetryId::default()).await.unwrap_err();
        assert!(matches!(unread.kind, StoreErrorKind::Moved), "{unread}");
    }
    store.close().await;
    assert_eq!(fs::read(&path).unwrap(), b"a letter");
}

/// Promise: a panic on the writer's thread hangs no caller and loses no batch.
#[tokio::test]
async fn a_panic_hands_the_batch_back() {
    let (_folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    store.on_writer(|_| panic!("on purpose"));
    for _ in 0..2 {
        let refused = store.commit(testing::batch([testing::full("a")])).await.unwrap_err();
        assert!(matches!(refused.error.kind, StoreErrorKind::Gone));
        assert_eq!(refused.batch.tickets, [testing::full("a")]);
    }
    assert!(matches!(store.load().await.unwrap_err().kind, StoreErrorKind::Gone));
    store.close().await;
}

const FULL_DISK: &str = "store::sqlite::tests::on_a_disk_of_one_megabyte";

/// Promise: as above, on a disk that is really full.
#[test]
fn a_full_disk_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    testing::run_mounted(FULL_DISK, r#"mount -t tmpfs -o size=1m none "$1""#, folder.path());
}

#[tokio::test]
async fn on_a_disk_of_one_megabyte() {
    let Some(folder) = testing::folder_of_rerun() else { return };
    let path = folder.join("state.db");
    // Full from the start: refused, nothing left behind.
    let filler = folder.join("filler");
    let _ = fs::write(&filler, vec![0; 2 << 20]);
    assert!(SqliteStore::open(&path).is_err());
    assert_eq!(testing::contents(&folder).into_keys().collect::<Vec<_>>(), std::slice::from_ref(&filler));
    fs::remove_file(&filler).unwrap();

    let store = SqliteStore::open(&path).unwrap();
    store.load().await.unwrap();
    store.commit(testing::batch([testing::full("a")])).await.unwrap();
    let _ = fs::write(&filler, vec![0; 2 << 20]);
    let mut batch = testing::batch((0..500).map(|at| testing::full(&format!("t{at}"))));
    for _ in 0..5 {
        batch = store.commit(batch).await.unwrap_err().batch;
    }
    assert_eq!(testing::read_only(&path).unwrap().unwrap().tickets.len(), 1);
    fs::remove_file(&filler).unwrap();
    store.commit(batch).await.unwrap();
    store.close().await;
    assert_eq!(testing::read_only(&path).unwrap().unwrap().tickets.len(), 501);
}

fn fixture(version: i64) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/store/testdata/state-v{version}.db"))
}

fn fixture_tickets(version: i64) -> Vec<crate::domain::TicketRecord> {
    let mut full = testing::full("6933093124755412345");
    if version < 6 {
        (full.file, full.entry.download) = (None, true);
    }
    let tickets = [full, testing::failed("6933093124755412346"), testing::fresh("6933093124755412347")];
    let documents = [testing::document("docx/doc/pdf"), testing::fresh("wiki/node/csv/tbl")];
    tickets.into_iter().chain(documents.into_iter().filter(|_| version >= 7)).collect()
}

/// Promise: a file that an earlier version wrote is read by this one, and by every later one; also by
/// readers, before a watcher brings it up to date.
#[tokio::test]
async fn files_of_all_versions_are_read() {
    let mut ids = HashSet::new();
    for version in 1..=schema::VERSION {
        let (_folder, path) = place();
        fs::copy(fixture(version), &path).unwrap();
        let known = testing::read_only(&path).unwrap().unwrap();
        assert_eq!(known.tickets, fixture_tickets(version));
        assert_eq!(known.troubles.len(), usize::from(version >= 4));
        assert_eq!(store_at(&path).file_counts().unwrap().len(), usize::from(version >= 6));
        assert_eq!(store_at(&path).hooks().unwrap().len(), usize::from(version >= 8));
        assert_eq!(
            store_at(&path).history(&known.tickets[1].entry.key).unwrap().len(),
            usize::from(version >= 8)
        );
        let store = SqliteStore::open(&path).unwrap();
        assert!(ids.insert(store.id().to_owned()), "each file has an id of its own");
        let loaded = store.load().await.unwrap();
        assert_eq!(loaded.tickets, fixture_tickets(version));
        assert_eq!(loaded.released, [testing::release(1, 1)]);
        assert_eq!(loaded.tallies.len(), usize::from(version >= 2));
        assert_eq!(loaded.retries.len(), usize::from(version >= 3));
        assert_eq!(loaded.proven.len(), usize::from(version >= 4));
        assert!(loaded.clean);
        assert_unannounced(&store, version).await;
        assert_events(&store, version).await;
        store.commit(testing::batch(fixture_tickets(schema::VERSION))).await.unwrap();
        assert_eq!(store.load().await.unwrap().tickets, fixture_tickets(schema::VERSION), "{version}");
    }
}

/// The one verdict that every fixture has and never announced; before the outbox it was a mark on its ticket.
async fn assert_unannounced(store: &SqliteStore, version: i64) {
    let rows = store.rows(LOG, EventId::default(), 9).await.unwrap();
    assert_eq!(rows.len(), 1, "{version}");
    assert_eq!(&*rows[0].payload, unannounced(), "{version}");
    assert_eq!((store.count(LOG).await.unwrap(), store.load().await.unwrap().unannounced), (1, 1));
}

/// What waits for a hook, and the history of the one entry that failed; none before version 8.
async fn assert_events(store: &SqliteStore, version: i64) {
    let count = usize::from(version >= 8);
    let archive = HookName::new("archive");
    let rows = store.due(&archive, testing::NOW, 9).await.unwrap();
    assert_eq!((rows.len(), store.load().await.unwrap().last_hook_event.0), (count, 7 * count as i64));
    assert_eq!(store.reader().hooks().unwrap().len(), count);
    let failed = testing::failed("6933093124755412346").entry.key;
    assert_eq!(store.reader().history(&failed).unwrap().len(), count);
}

fn unannounced() -> String {
    verdict_event(&testing::failed("6933093124755412346"), testing::NOW).unwrap()
}

/// Writes the file that the next schema is tested against, if `WRITE_STATE_FIXTURE` is set. Old ones are never
/// written again.
#[tokio::test]
async fn write_the_fixture() {
    if std::env::var_os("WRITE_STATE_FIXTURE").is_none() {
        return;
    }
    let path = fixture(schema::VERSION);
    assert!(!path.exists(), "{} is there already", path.display());
    let (_folder, new) = place();
    let store = SqliteStore::open(&new).unwrap();
    store.load().await.unwrap();
    let batch = Batch {
        tickets: fixture_tickets(schema::VERSION),
        outbox: vec![OutboxRow { id: EventId(1), payload: unannounced().into() }],
        events: vec![testing::event_row(7, "6933093124755412346", &["archive"])],
        released: vec![testing::release(1, 1)],
        tallies: vec![testing::tally(11, 7)],
        proven: vec![testing::tally(11, 7).budget],
        troubles: Some(vec![testing::trouble()]),
        clean_stop: true,
        ..Batch::default()
    };
    store.commit(batch).await.unwrap();
    store.keep_hooks(vec![HookName::new("archive")]).await.unwrap();
    store.close().await;
    reader::ask(&new, &[testing::failed("6933093124755412346").entry.key]).unwrap();
    fs::copy(&new, &path).unwrap();
}

/// Promise 8: a ping waits its turn behind the commits, so that one that hangs leaves it unanswered; it
/// is answered where no commit succeeds; and a thread that is gone does not answer.
#[tokio::test]
async fn a_ping_is_answered_by_the_thread_that_writes() {
    let (_folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    let (go, gone) = mpsc::channel::<()>();
    store.on_writer(move |_| gone.recv().unwrap());
    let asked = store.clone();
    let ping = tokio::spawn(async move { asked.ping().await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!ping.is_finished());
    go.send(()).unwrap();
    ping.await.unwrap().unwrap();
    store.clone().close().await;
    assert!(matches!(store.ping().await.unwrap_err().kind, StoreErrorKind::Gone));
}
