//! What `retry` asks for: rows that another process writes beside the watcher, and the watcher's way to read
//! and remove them.

use rusqlite::{Connection, Result};

use super::cells::{clamped, execute, list};
use crate::domain::{AppName, EntryId, EntryKey};
use crate::store::{Retry, RetryId};

/// Adds requests for these tickets, and returns the last of them.
pub(super) fn write(connection: &Connection, keys: &[EntryKey]) -> Result<RetryId> {
    for EntryKey { app, id } in keys {
        let row = (app.as_str(), id.as_str());
        execute(connection, "INSERT INTO retries (app, ticket) VALUES (?, ?)", row)?;
    }
    Ok(RetryId(connection.last_insert_rowid()))
}

/// Whether requests up to this one are still there.
pub(super) fn is_waiting(connection: &Connection, retry: RetryId) -> Result<bool> {
    let waiting = "SELECT EXISTS (SELECT 1 FROM retries WHERE id <= ?)";
    connection.query_row(waiting, [retry.0], |row| row.get(0))
}

/// Reads the requests after `since`, the oldest first, `limit` at most.
pub(super) fn read(connection: &Connection, since: RetryId, limit: usize) -> Result<Vec<Retry>> {
    let select = "SELECT id, app, ticket FROM retries WHERE id > ? ORDER BY id LIMIT ?";
    list(connection, select, (since.0, clamped(limit)), |cells| {
        let retry = RetryId(cells.next()?);
        let (app, id) = (AppName::new(cells.text()?), EntryId::new(cells.text()?));
        Ok(Retry { id: retry, key: EntryKey { app, id } })
    })
}

/// Removes the requests up to `last`.
pub(super) fn remove(connection: &Connection, last: RetryId) -> Result<()> {
    execute(connection, "DELETE FROM retries WHERE id <= ?", [last.0])
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Child;
    use std::thread;
    use std::time::Duration;

    use super::super::reader::ask;
    use super::super::{lock, testing};
    use super::*;
    use crate::store::{Batch, SqliteStore, Store as _, StoreErrorKind, StoreRequests as _, store_at};

    fn keys(retries: &[Retry]) -> Vec<&str> {
        retries.iter().map(|retry| retry.key.id.as_str()).collect()
    }

    fn key(ticket: &str) -> EntryKey {
        testing::fresh(ticket).entry.key
    }

    /// Promise: a request that was asked for while no watcher runs is there at its start, and stays until it is
    /// said to be carried out; ids are not used twice.
    #[tokio::test]
    async fn requests_wait_for_the_watcher() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        SqliteStore::open(&path).unwrap().close().await;
        let first = ask(&path, &[key("a"), key("b")]).unwrap();
        let is_waiting = || store_at(&path).is_waiting(first).unwrap();
        assert!(is_waiting());
        assert_eq!(testing::contents(folder.path()).len(), 1, "no log is left");
        let store = SqliteStore::open(&path).unwrap();
        for _ in 0..2 {
            assert_eq!(keys(&store.load().await.unwrap().retries), ["a", "b"]);
        }
        let done = Batch { retried: Some(first), ..Batch::default() };
        store.commit(done).await.unwrap();
        assert!(store.retries(RetryId::default()).await.unwrap().is_empty());
        store.close().await;
        assert!(!is_waiting());
        assert!(ask(&path, &[key("a")]).unwrap() > first);
    }

    const VISITOR: &str = "store::sqlite::retries::tests::ask_until_done";

    fn visitor(folder: &Path) -> Child {
        testing::rerun(VISITOR, folder).spawn().unwrap()
    }

    /// Promise: whatever the watcher does meanwhile (commit, stop, die, start), no request is lost and no commit
    /// is harmed.
    #[tokio::test]
    async fn visits_and_the_watcher_do_not_harm_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        SqliteStore::open(&path).unwrap().close().await;
        let visitor = visitor(folder.path());
        let (mut seen, mut last) = (Vec::new(), RetryId::default());
        for start in 0..100 {
            let store = SqliteStore::open(&path).unwrap();
            let loaded = store.load().await.unwrap();
            assert_eq!(loaded.tickets.len(), start * 10, "a commit was lost");
            for at in 0..10 {
                let asked = store.retries(last).await.unwrap();
                last = asked.last().map_or(last, |retry| retry.id);
                seen.extend(asked.into_iter().map(|retry| retry.key.id.to_string()));
                let batch = Batch {
                    retried: Some(last),
                    ..testing::batch([testing::full(&format!("{start} {at}"))])
                };
                store.commit(batch).await.unwrap();
            }
            if start % 3 == 0 {
                // The log stays, as after a crash.
                drop(store);
                while lock::holder(&path).unwrap().is_some() {
                    thread::yield_now();
                }
            } else {
                store.close().await;
            }
        }
        fs::write(folder.path().join("done"), "").unwrap();
        let output = visitor.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let store = SqliteStore::open(&path).unwrap();
        seen.extend(store.load().await.unwrap().retries.iter().map(|retry| retry.key.id.to_string()));
        let asked: usize = fs::read_to_string(folder.path().join("asked")).unwrap().parse().unwrap();
        assert!(asked > 0);
        seen.dedup();
        assert_eq!(seen, (0..asked).map(|number| number.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn ask_until_done() {
        let Some(folder) = testing::folder_of_rerun() else { return };
        let mut asked = 0;
        while !folder.join("done").exists() {
            ask(&folder.join("state.db"), &[key(&asked.to_string())]).unwrap();
            asked += 1;
            // Callers pause between requests, and SQLite's locks are not given in turn.
            thread::sleep(Duration::from_millis(20));
        }
        fs::write(folder.join("asked"), asked.to_string()).unwrap();
    }

    /// Promise: where no request can be left yet it is said what to do, and nothing is made or changed.
    #[test]
    fn a_file_that_no_watcher_of_this_version_used_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        assert!(matches!(ask(&path, &[]), Err(StoreErrorKind::NotOpened)));
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/testdata/state-v2.db");
        fs::copy(fixture, &path).unwrap();
        let before = testing::contents(folder.path());
        assert!(matches!(ask(&path, &[]), Err(StoreErrorKind::NotOpened)));
        assert!(testing::contents(folder.path()) == before);
    }
}
