//! The rows of apps in trouble, written as a whole: there are as many as apps at most, and few of those.

use rusqlite::{Connection, Result};

use super::cells::{execute, list};
use crate::domain::{AppName, Trouble, WallTime};
use crate::store::TroubleRecord;

/// Replaces all rows by these.
pub(super) fn write(connection: &Connection, troubles: &[TroubleRecord]) -> Result<()> {
    execute(connection, "DELETE FROM troubles", ())?;
    for TroubleRecord { app, trouble } in troubles {
        let row = (
            app.as_str(),
            trouble.condition.as_str(),
            trouble.endpoint.as_str(),
            trouble.cause.as_str(),
            trouble.message.as_deref(),
            trouble.since.as_millis(),
            trouble.until.map(WallTime::as_millis),
            trouble.next.map(WallTime::as_millis),
        );
        execute(connection, "INSERT INTO troubles VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)?;
    }
    Ok(())
}

/// Reads them back, ordered by app.
pub(super) fn read(connection: &Connection) -> Result<Vec<TroubleRecord>> {
    let select =
        "SELECT app, condition, endpoint, cause, message, since, until, next FROM troubles ORDER BY app";
    list(connection, select, (), |cells| {
        let app = AppName::new(cells.text()?);
        let trouble = Trouble {
            condition: cells.named()?,
            endpoint: cells.named()?,
            cause: cells.named()?,
            message: cells.next()?,
            since: WallTime::from_millis(cells.next()?),
            until: cells.time()?,
            next: cells.time()?,
        };
        Ok(TroubleRecord { app, trouble })
    })
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
