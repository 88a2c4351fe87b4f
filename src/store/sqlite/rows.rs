//! Batches to rows, and everything back at the start.

use std::sync::Arc;

use rusqlite::Connection;

use super::cells::{clamped, execute, list};
use super::{deliveries, history, outbox, retries, tickets, troubles};
use crate::domain::{BudgetKey, EntryKey, Month, WallTime};
use crate::store::{Batch, EventId, EventRow, LOG, Loaded, Release, RetryId, StoreErrorKind, Tally};

/// Writes a batch inside the caller's transaction. Rows to forget go first: a ticket that is listed again
/// before it was forgotten for good stands in both places, and its new row must stay.
pub(super) fn write(connection: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    for EntryKey { app, id } in &batch.forgotten {
        let forget = "DELETE FROM tickets WHERE app = ? AND ticket = ?";
        execute(connection, forget, (app.as_str(), id.as_str()))?;
        history::forget(connection, app, id)?;
    }
    tickets::write(connection, &batch.tickets)?;
    outbox::write(connection, &batch.outbox)?;
    write_events(connection, &batch.events)?;
    if let Some(before) = batch.released_before {
        execute(connection, "DELETE FROM requests WHERE released_at < ?", [before.as_millis()])?;
    }
    for Release { id, budget, endpoint, at } in &batch.released {
        let release =
            "INSERT OR REPLACE INTO requests (rowid, budget, endpoint, released_at) VALUES (?, ?, ?, ?)";
        execute(connection, release, (id.0, budget.as_str(), endpoint.as_str(), at.as_millis()))?;
    }
    for Tally { budget, month, requests } in &batch.tallies {
        let tally = (budget.as_str(), month.0, clamped(*requests));
        execute(connection, "INSERT OR REPLACE INTO tallies VALUES (?, ?, ?)", tally)?;
    }
    for budget in &batch.proven {
        execute(connection, "INSERT OR IGNORE INTO proven VALUES (?)", [budget.as_str()])?;
    }
    if let Some(troubles) = &batch.troubles {
        troubles::write(connection, troubles)?;
    }
    batch.retried.map_or(Ok(()), |last| retries::remove(connection, last))
}

/// Adds events for hooks and histories. Those of tickets come after the rows of these, without which there is no history.
fn write_events(connection: &Connection, events: &[EventRow]) -> rusqlite::Result<()> {
    let Some(last) = events.iter().map(|event| event.id).max() else { return Ok(()) };
    for event in events {
        deliveries::write(connection, event)?;
        history::write(connection, event)?;
    }
    execute(connection, "UPDATE run SET last_event = max(last_event, ?)", [last.0])
}

/// Notes whether the process that uses the file has ended in good order; writes nothing where that is noted already.
pub(super) fn set_clean(connection: &Connection, clean: bool) -> rusqlite::Result<()> {
    execute(connection, "UPDATE run SET clean = ?1 WHERE clean <> ?1", [clean])
}

/// The id of the state file.
///
/// # Errors
/// [`StoreErrorKind::NotAStateFile`] where it is none that was ever made: names of files are built with it.
pub(super) fn id(connection: &Connection) -> Result<Arc<str>, StoreErrorKind> {
    let id: String = connection.query_row("SELECT state_file FROM run", (), |row| row.get(0))?;
    let is_hex = id.len() == 16 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_hex { Ok(id.into()) } else { Err(StoreErrorKind::NotAStateFile(format!("its id is {id:?}"))) }
}

/// Reads everything that [`write()`] wrote.
///
/// # Errors
/// [`StoreErrorKind::NotAStateFile`] where a row holds what no version ever wrote.
pub(super) fn load(connection: &Connection) -> Result<Loaded, StoreErrorKind> {
    Ok(Loaded {
        tickets: tickets::page(connection, None, usize::MAX)?,
        released: requests(connection)?,
        tallies: tallies(connection)?,
        proven: proven(connection)?,
        retries: retries::read(connection, RetryId::default(), usize::MAX)?,
        unannounced: outbox::count(connection, LOG)?,
        last_event: outbox::last(connection)?,
        last_hook_event: EventId(connection.query_row("SELECT last_event FROM run", (), |row| row.get(0))?),
        clean: connection.query_row("SELECT clean FROM run", (), |row| row.get(0))?,
    })
}

fn requests(connection: &Connection) -> rusqlite::Result<Vec<Release>> {
    list(connection, "SELECT rowid, budget, endpoint, released_at FROM requests", (), |cells| {
        Ok(Release {
            id: EventId(cells.next()?),
            budget: BudgetKey::from(cells.text()?),
            endpoint: cells.named()?,
            at: WallTime::from_millis(cells.next()?),
        })
    })
}

/// The bare columns are those of the row with the newest month (sqlite.org/lang_select.html#bareagg).
fn tallies(connection: &Connection) -> rusqlite::Result<Vec<Tally>> {
    list(connection, "SELECT budget, max(month), requests FROM tallies GROUP BY budget", (), |cells| {
        Ok(Tally {
            budget: BudgetKey::from(cells.text()?),
            month: Month(cells.next()?),
            requests: cells.next::<i64>()?.try_into().unwrap_or(0),
        })
    })
}

fn proven(connection: &Connection) -> rusqlite::Result<Vec<BudgetKey>> {
    list(connection, "SELECT budget FROM proven ORDER BY budget", (), |cells| {
        Ok(BudgetKey::from(cells.text()?))
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;
    use std::time::Duration;

    use proptest::prelude::*;
    use proptest::sample::Index;
    use rusqlite::types::Value;

    use super::super::{migrate, testing};
    use super::*;
    use crate::domain::{Artefact, ErrorKind, ExportRequest, Failure, TicketRecord, TicketState};

    fn database() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate::migrate(&mut connection).unwrap();
        connection
    }

    fn all(connection: &Connection) -> Result<Loaded, StoreErrorKind> {
        load(connection)
    }

    /// Promise: nothing of a record is lost on its way to the file and back.
    #[test]
    fn every_field_comes_back() {
        let connection = database();
        let mut tickets = vec![testing::full("a"), testing::fresh("b"), testing::failed("c")];
        tickets[1].entry.source = Arc::from(Path::new(OsStr::from_bytes(b"/lists/\xff.toml")));
        let request = |doc_type: Option<&str>| ExportRequest {
            doc_type: doc_type.map(Into::into),
            file_extension: Some("csv".into()),
            sub_id: Some("0b1e2f".into()),
            url: None,
        };
        tickets[0].entry.request = Some(Box::new(request(Some("sheet"))));
        tickets[1].entry.request = Some(Box::new(request(None)));
        tickets.push(testing::document("docx/doc/pdf"));
        tickets.push(testing::document("wiki/node/csv/tbl"));
        tickets[4].export = Some(Box::default());
        let released = vec![testing::release(1, 1), testing::release(2, 1), testing::release(3, 2)];
        let tallies = vec![testing::tally(11, 7), testing::tally(12, 3)];
        let batch =
            Batch { tickets: tickets.clone(), released: released.clone(), tallies, ..Batch::default() };
        write(&connection, &batch).unwrap();
        let loaded = all(&connection).unwrap();
        assert_eq!(loaded.tickets, tickets);
        assert_eq!(loaded.released, released);
        assert_eq!(loaded.tallies, [testing::tally(12, 3)], "the newest month");
        assert!(loaded.clean);
        assert!(Arc::ptr_eq(&loaded.tickets[0].entry.source, &loaded.tickets[2].entry.source));
    }

    /// Promise: every state and every kind of error has a name that is read back.
    #[test]
    fn every_name_comes_back() {
        let connection = database();
        let states = TicketState::ALL.iter().copied().map(|state| {
            let mut ticket = testing::fresh(state.as_str());
            ticket.state = state;
            ticket
        });
        let kinds = ErrorKind::ALL.iter().copied().map(|kind| {
            let mut ticket = testing::fresh(&format!("error {kind}"));
            ticket.error = Some(Box::new(Failure::new(kind)));
            ticket
        });
        let mut tickets: Vec<_> = states.chain(kinds).collect();
        write(&connection, &Batch { tickets: tickets.clone(), ..Batch::default() }).unwrap();
        tickets.sort_by(|a, b| a.entry.key.cmp(&b.entry.key));
        assert_eq!(all(&connection).unwrap().tickets, tickets);
    }

    /// Promise: a record replaces the one before it; what is forgotten or past is gone.
    #[test]
    fn rows_are_replaced_forgotten_and_pruned() {
        let connection = database();
        let first = Batch {
            tickets: vec![testing::full("a"), testing::full("b")],
            released: vec![testing::release(1, 1), testing::release(2, 2)],
            ..Batch::default()
        };
        write(&connection, &first).unwrap();
        let second = Batch {
            tickets: vec![testing::fresh("a")],
            forgotten: vec![testing::fresh("b").entry.key],
            released_before: Some(testing::release(2, 2).at),
            released: vec![testing::release(2, 2)],
            ..Batch::default()
        };
        write(&connection, &second).unwrap();
        let loaded = all(&connection).unwrap();
        assert_eq!(loaded.tickets, vec![testing::fresh("a")]);
        assert_eq!(loaded.released, vec![testing::release(2, 2)], "a note that is written twice is one");
    }

    /// Promise: what does not fit a field is damage and is said with its row, never a panic.
    #[test]
    fn a_damaged_row_is_named() {
        for sql in [
            "UPDATE tickets SET state = 'lost'",
            "UPDATE tickets SET error_kind = 'bad luck'",
            "UPDATE tickets SET polls = -1",
            "UPDATE tickets SET watched = -1",
            "UPDATE tickets SET source = 7",
            "UPDATE tickets SET file_state = 'lost'",
            "UPDATE tickets SET file_sha256 = 'ab'",
        ] {
            let connection = database();
            write(&connection, &Batch { tickets: vec![testing::full("a")], ..Batch::default() }).unwrap();
            connection.execute_batch(sql).unwrap();
            let Err(StoreErrorKind::NotAStateFile(reason)) = all(&connection) else { panic!("{sql}") };
            assert!(reason.contains("ticket \"a\""), "{reason}");
        }
        let connection = database();
        connection.execute_batch("INSERT INTO requests VALUES ('b', 'other', 1)").unwrap();
        assert!(matches!(all(&connection), Err(StoreErrorKind::NotAStateFile(_))));
        connection.execute_batch("DELETE FROM requests; DELETE FROM run").unwrap();
        assert!(matches!(all(&connection), Err(StoreErrorKind::NotAStateFile(_))));
    }

    /// Promise: an id that was made by no version, and could lead out of a folder, is never used.
    #[test]
    fn a_damaged_id_is_refused() {
        for id in ["", "../../etc/passwd", "0123456789ABCDEF", "0123456789abcdef0"] {
            let connection = database();
            connection.execute("UPDATE run SET state_file = ?", [id]).unwrap();
            assert!(matches!(super::id(&connection), Err(StoreErrorKind::NotAStateFile(_))), "{id}");
        }
    }

    fn cell() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Integer),
            any::<i8>().prop_map(|number| Value::Integer(number.into())),
            any::<f64>().prop_map(Value::Real),
            any::<String>().prop_map(Value::Text),
            any::<Vec<u8>>().prop_map(Value::Blob),
        ]
    }

    /// Promise: whatever a row holds, it is read and comes back as it was read, or is named as damaged.
    #[test]
    fn any_row_is_read_or_named() {
        let connection = database();
        let batch = |tickets: &[TicketRecord]| Batch { tickets: tickets.to_vec(), ..Batch::default() };
        proptest!(|(column in any::<Index>(), cell in cell())| {
            connection.execute_batch("DELETE FROM tickets").unwrap();
            write(&connection, &batch(&[testing::full("a")])).unwrap();
            let row = connection.prepare("SELECT * FROM tickets").unwrap();
            let column = column.get(&row.column_names().collect::<Vec<_>>()).to_owned();
            let is_changed = connection.execute(&format!("UPDATE tickets SET {column} = ?"), [&cell]).is_ok();
            prop_assume!(is_changed);
            match tickets::page(&connection, None, 10) {
                Ok(read) => {
                    write(&connection, &batch(&read)).unwrap();
                    prop_assert_eq!(tickets::page(&connection, None, 10).unwrap(), read);
                }
                Err(StoreErrorKind::NotAStateFile(reason)) => prop_assert!(reason.contains("ticket")),
                Err(error) => prop_assert!(false, "{:?}", error),
            }
        });
    }

    /// Promise: numbers at the edge of what SQLite holds are kept as near as can be.
    #[test]
    fn extremes_are_clamped() {
        let connection = database();
        let mut ticket = testing::full("a");
        ticket.artefact = Some(Box::new(Artefact { file_size: Some(u64::MAX), ..Artefact::default() }));
        ticket.progress.watched = Some(Duration::MAX);
        write(&connection, &Batch { tickets: vec![ticket], ..Batch::default() }).unwrap();
        let read = all(&connection).unwrap().tickets.remove(0);
        assert_eq!(read.artefact.unwrap().file_size, Some(i64::MAX.unsigned_abs()));
        assert_eq!(read.progress.watched, Some(Duration::from_millis(i64::MAX.unsigned_abs())));
    }
}
