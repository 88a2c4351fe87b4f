//! The outbox: rows that a batch adds in its own transaction, and that stay until their consumer has taken them.

use rusqlite::Connection;

use super::cells::{clamped, execute, list};
use crate::store::{CONSUMERS, EventId, OutboxRow};

/// Adds the rows for every consumer. A batch that is written twice adds nothing the second time.
pub(super) fn write(connection: &Connection, rows: &[OutboxRow]) -> rusqlite::Result<()> {
    for row in rows {
        for consumer in CONSUMERS {
            let insert = "INSERT OR IGNORE INTO outbox VALUES (?, ?, ?)";
            execute(connection, insert, (consumer, row.id.0, &*row.payload))?;
        }
    }
    Ok(())
}

/// Reads a consumer's rows after the one with that id, in the order of their ids, `limit` at most.
pub(super) fn read(
    connection: &Connection,
    consumer: &str,
    after: EventId,
    limit: usize,
) -> rusqlite::Result<Vec<OutboxRow>> {
    let sql = "SELECT id, payload FROM outbox WHERE consumer = ? AND id > ? ORDER BY id LIMIT ?";
    list(connection, sql, (consumer, after.0, clamped(limit)), |cells| {
        Ok(OutboxRow { id: EventId(cells.next()?), payload: cells.text()?.into() })
    })
}

/// Removes a consumer's rows up to the one with that id.
pub(super) fn remove(connection: &Connection, consumer: &str, upto: EventId) -> rusqlite::Result<()> {
    execute(connection, "DELETE FROM outbox WHERE consumer = ? AND id <= ?", (consumer, upto.0))
}

/// How many rows a consumer has not taken.
pub(super) fn count(connection: &Connection, consumer: &str) -> rusqlite::Result<usize> {
    let sql = "SELECT count(*) FROM outbox WHERE consumer = ?";
    connection.query_row(sql, [consumer], |row| row.get::<_, u32>(0)).map(|count| count as usize)
}

/// The last id of all that are there; zero if none is.
pub(super) fn last(connection: &Connection) -> rusqlite::Result<EventId> {
    connection.query_row("SELECT coalesce(max(id), 0) FROM outbox", (), |row| row.get(0).map(EventId))
}
