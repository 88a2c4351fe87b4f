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

#[cfg(test)]
mod tests {

    use super::super::{schema, testing};
    use super::*;
    use crate::store::LOG;

    fn database() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        connection
    }

    fn ids(connection: &Connection, after: i64, limit: usize) -> Vec<i64> {
        read(connection, LOG, EventId(after), limit).unwrap().iter().map(|row| row.id.0).collect()
    }

    /// Promise 4: a row is there until its consumer has taken it, once, however often its batch was written.
    #[test]
    fn a_row_stays_until_it_is_taken() {
        let connection = database();
        assert_eq!(last(&connection).unwrap(), EventId(0));
        for _ in 0..2 {
            write(&connection, &[3, 1, 2].map(testing::outbox_row)).unwrap();
        }
        assert_eq!(ids(&connection, 0, 10), [1, 2, 3]);
        assert_eq!(ids(&connection, 1, 1), [2]);
        assert_eq!(read(&connection, LOG, EventId(2), 9).unwrap(), [testing::outbox_row(3)]);
        remove(&connection, "another", EventId(9)).unwrap();
        remove(&connection, LOG, EventId(2)).unwrap();
        assert_eq!(ids(&connection, 0, 10), [3]);
        assert_eq!((count(&connection, LOG).unwrap(), last(&connection).unwrap()), (1, EventId(3)));
    }
}
