//! The rows of pauses in force, written as a whole: there are as many as apps, and few of those.

use rusqlite::Connection;

use super::PauseRecord;
use super::cells::{Cells, Shared};
use crate::domain::{Endpoint, PauseReason, WallTime};

/// Replaces all pauses by these.
pub(super) fn write(connection: &Connection, pauses: &[PauseRecord]) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM pauses")?.execute(())?;
    let mut insert = connection.prepare_cached("INSERT INTO pauses VALUES (?, ?, ?, ?, ?, ?)")?;
    for PauseRecord { app, endpoint, reason, since, until, next } in pauses {
        insert.execute((
            app.as_str(),
            endpoint.as_str(),
            reason.as_str(),
            since.as_millis(),
            until.map(WallTime::as_millis),
            next.as_millis(),
        ))?;
    }
    Ok(())
}

/// Reads them back, ordered by app and endpoint.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Vec<PauseRecord>> {
    let mut statement = connection
        .prepare("SELECT app, endpoint, reason, since, until, next FROM pauses ORDER BY app, endpoint")?;
    let mut shared = Shared::default();
    statement
        .query_map((), |row| {
            let mut cells = Cells::of(row);
            Ok(PauseRecord {
                app: shared.app(cells.text()?),
                endpoint: cells.named(Endpoint::parse)?,
                reason: cells.named(PauseReason::parse)?,
                since: WallTime::from_millis(cells.next()?),
                until: cells.time()?,
                next: WallTime::from_millis(cells.next()?),
            })
        })?
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, SqliteStore, Store as _, read_only, testing};

    /// Promise: a reader sees the pauses last written, and none of a process before this one.
    #[tokio::test]
    async fn pauses_are_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let seen = || read_only(&path).unwrap().unwrap().pauses;
        let store = SqliteStore::open(&path).unwrap();
        store.load().await.unwrap();
        let with = |pauses| Batch { pauses, ..Batch::default() };
        store.commit(with(Some(vec![testing::pause()]))).await.unwrap();
        store.commit(with(None)).await.unwrap();
        assert_eq!(seen(), [testing::pause()]);
        store.commit(with(Some(Vec::new()))).await.unwrap();
        assert_eq!(seen(), []);
        store.commit(with(Some(vec![testing::pause()]))).await.unwrap();
        store.close().await;
        let store = SqliteStore::open(&path).unwrap();
        store.load().await.unwrap();
        assert_eq!(seen(), []);
    }
}
