//! The rows of apps in trouble, written as a whole: there are as many as apps at most, and few of those.

use rusqlite::Connection;

use super::cells::{Cells, Shared};
use crate::domain::{AppCondition, Endpoint, Trouble, TroubleCause, WallTime};
use crate::store::TroubleRecord;

/// Replaces all rows by these.
pub(super) fn write(connection: &Connection, troubles: &[TroubleRecord]) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM troubles")?.execute(())?;
    let mut insert = connection.prepare_cached("INSERT INTO troubles VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?;
    for TroubleRecord { app, trouble } in troubles {
        insert.execute((
            app.as_str(),
            trouble.condition.as_str(),
            trouble.endpoint.as_str(),
            trouble.cause.as_str(),
            trouble.message.as_deref(),
            trouble.since.as_millis(),
            trouble.until.map(WallTime::as_millis),
            trouble.next.map(WallTime::as_millis),
        ))?;
    }
    Ok(())
}

/// Reads them back, ordered by app.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Vec<TroubleRecord>> {
    let mut statement = connection.prepare(
        "SELECT app, condition, endpoint, cause, message, since, until, next FROM troubles ORDER BY app",
    )?;
    let mut shared = Shared::default();
    statement
        .query_map((), |row| {
            let mut cells = Cells::of(row);
            Ok(TroubleRecord {
                app: shared.app(cells.text()?),
                trouble: Trouble {
                    condition: cells.named(AppCondition::parse)?,
                    endpoint: cells.named(Endpoint::parse)?,
                    cause: cells.named(TroubleCause::parse)?,
                    message: cells.text_or_null()?.map(Into::into),
                    since: WallTime::from_millis(cells.next()?),
                    until: cells.time()?,
                    next: cells.time()?,
                },
            })
        })?
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{SqliteStore, testing};
    use crate::store::{Batch, Store as _};

    /// Promise: a reader sees the troubles last written, and none of a process before this one.
    #[tokio::test]
    async fn troubles_are_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let seen = || testing::read_only(&path).unwrap().unwrap().troubles;
        let store = SqliteStore::open(&path).unwrap();
        store.load().await.unwrap();
        let with = |troubles| Batch { troubles, ..Batch::default() };
        store.commit(with(Some(vec![testing::trouble()]))).await.unwrap();
        store.commit(with(None)).await.unwrap();
        assert_eq!(seen(), [testing::trouble()]);
        store.commit(with(Some(Vec::new()))).await.unwrap();
        assert_eq!(seen(), []);
        store.commit(with(Some(vec![testing::trouble()]))).await.unwrap();
        store.close().await;
        let store = SqliteStore::open(&path).unwrap();
        store.load().await.unwrap();
        assert_eq!(seen(), []);
    }
}
