//! Records to rows and back. One order of columns serves writing and reading.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, Params, Row, Statement, params};

use super::cells::{Cells, clamped, execute, list, millis, source};
use super::{outbox, retries, troubles};
use crate::domain::{
    AppName, Artefact, BudgetKey, DocumentToken, ExportRequest, Failure, Month, Progress, TicketId,
    TicketKey, TicketRecord, TicketState, WallTime, WatchEntry,
};
use crate::store::{Batch, EventId, LOG, Loaded, Release, RetryId, StoreErrorKind, Tally};

/// The columns of a ticket, in the order in which they are written and read.
const COLUMNS: &str = "app, ticket, token, label, created_at, source,
    listed_type, listed_extension, sub_id, state,
    file_token, file_name, file_extension, doc_type, file_size,
    job_status, polls, first_seen_at, last_polled_at, next_poll_at, finished_at, download_by,
    error_kind, error_code, error_job_status, error_http_status, error_message, error_log_id,
    unlisted_since, attempt, watched, unclear, unclear_since, last_running_at";

/// Writes a batch inside the caller's transaction. Rows to forget go first: a ticket that is listed again
/// before it was forgotten for good stands in both places, and its new row must stay.
pub(super) fn write(connection: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    for TicketKey { app, ticket } in &batch.forgotten {
        let forget = "DELETE FROM tickets WHERE app = ? AND ticket = ?";
        execute(connection, forget, (app.as_str(), ticket.as_str()))?;
    }
    write_tickets(connection, &batch.tickets)?;
    outbox::write(connection, &batch.outbox)?;
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

/// Notes whether the process that uses the file has ended in good order; writes nothing where that is noted already.
pub(super) fn set_clean(connection: &Connection, clean: bool) -> rusqlite::Result<()> {
    execute(connection, "UPDATE run SET clean = ?1 WHERE clean <> ?1", [clean])
}

fn write_tickets(connection: &Connection, tickets: &[TicketRecord]) -> rusqlite::Result<()> {
    let values = vec!["?"; COLUMNS.split(',').count()].join(", ");
    let upsert = format!("INSERT OR REPLACE INTO tickets ({COLUMNS}) VALUES ({values})");
    let mut upsert = connection.prepare_cached(&upsert)?;
    for ticket in tickets {
        let artefact = ticket.artefact.as_deref();
        let error = ticket.error.as_deref();
        let progress = &ticket.progress;
        let request = ticket.entry.request.as_deref();
        upsert.execute(params![
            ticket.entry.key.app.as_str(),
            ticket.entry.key.ticket.as_str(),
            ticket.entry.token.as_str(),
            ticket.entry.label.as_deref(),
            ticket.entry.created_at.map(WallTime::as_millis),
            source(&ticket.entry.source),
            request.and_then(|it| it.doc_type.as_deref()),
            request.and_then(|it| it.file_extension.as_deref()),
            request.and_then(|it| it.sub_id.as_deref()),
            ticket.state.as_str(),
            artefact.map(|it| &it.file_token),
            artefact.and_then(|it| it.file_name.as_deref()),
            artefact.and_then(|it| it.file_extension.as_deref()),
            artefact.and_then(|it| it.doc_type.as_deref()),
            artefact.and_then(|it| it.file_size).map(clamped),
            ticket.job_status,
            ticket.polls,
            ticket.first_seen_at.as_millis(),
            ticket.last_polled_at.map(WallTime::as_millis),
            ticket.next_poll_at.map(WallTime::as_millis),
            ticket.finished_at.map(WallTime::as_millis),
            ticket.download_by.map(WallTime::as_millis),
            error.map(|it| it.kind.as_str()),
            error.and_then(|it| it.code),
            error.and_then(|it| it.job_status),
            error.and_then(|it| it.http_status),
            error.and_then(|it| it.message.as_deref()),
            error.and_then(|it| it.log_id.as_deref()),
            ticket.unlisted_since.map(WallTime::as_millis),
            progress.attempt,
            progress.watched.map(millis),
            progress.unclear,
            millis(progress.unclear_since),
            progress.last_running_at.map(WallTime::as_millis),
        ])?;
    }
    Ok(())
}

/// Reads everything that [`write()`] wrote.
///
/// # Errors
/// [`StoreErrorKind::NotAStateFile`] where a row holds what no version ever wrote.
pub(super) fn load(connection: &Connection) -> Result<Loaded, StoreErrorKind> {
    Ok(Loaded {
        tickets: tickets(connection, None, usize::MAX)?,
        released: requests(connection)?,
        tallies: tallies(connection)?,
        proven: proven(connection)?,
        retries: retries::read(connection, RetryId::default(), usize::MAX)?,
        unannounced: outbox::count(connection, LOG)?,
        last_event: outbox::last(connection)?,
        clean: connection.query_row("SELECT clean FROM run", (), |row| row.get(0))?,
    })
}

/// Reads the tickets that follow one in the order of app and ticket, or the first ones; `limit` at most.
///
/// # Errors
/// As [`load`].
pub(super) fn tickets(
    connection: &Connection,
    after: Option<&TicketKey>,
    limit: usize,
) -> Result<Vec<TicketRecord>, StoreErrorKind> {
    let (app, ticket) = after.map_or(("", ""), |key| (key.app.as_str(), key.ticket.as_str()));
    let which = "WHERE (app, ticket) > (?, ?) ORDER BY app, ticket LIMIT ?";
    select(connection, which, (app, ticket, clamped(limit)))
}

/// Reads the tickets that the end of a query names.
///
/// # Errors
/// As [`load`].
pub(super) fn select(
    connection: &Connection,
    which: &str,
    parameters: impl Params,
) -> Result<Vec<TicketRecord>, StoreErrorKind> {
    let mut statement = prepare_select(connection, which)?;
    let mut rows = statement.query(parameters)?;
    let mut tickets = Vec::new();
    let mut sources = HashSet::new();
    while let Some(row) = rows.next()? {
        let ticket = read_ticket(row, tickets.last(), &mut sources).map_err(|error| {
            let name = row.get::<_, String>(1).unwrap_or_default();
            StoreErrorKind::NotAStateFile(format!("the row of ticket {name:?}: {error}"))
        })?;
        tickets.push(ticket);
    }
    Ok(tickets)
}

/// Readers look at files of earlier versions as they are: those before 4 say nothing of what an export was created with.
fn prepare_select<'c>(connection: &'c Connection, which: &str) -> rusqlite::Result<Statement<'c>> {
    let select = format!("SELECT {COLUMNS} FROM tickets {which}");
    let of_earlier = || select.replace("listed_type, listed_extension, sub_id", "NULL, NULL, NULL");
    connection.prepare(&select).or_else(|error| match error {
        // No such column.
        rusqlite::Error::SqlInputError { .. } => connection.prepare(&of_earlier()),
        _ => Err(error),
    })
}

/// How many tickets are in which state, for the states that occur.
pub(super) fn counts(connection: &Connection) -> rusqlite::Result<Vec<(TicketState, usize)>> {
    list(connection, "SELECT state, count(*) FROM tickets GROUP BY state", (), |cells| {
        Ok((cells.named()?, cells.next::<u32>()? as usize))
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

/// The fields stand in the order of the columns; a struct's fields are evaluated as written. What a hundred thousand
/// rows repeat is kept once: the name of the app, by which they are ordered, and the listing file.
fn read_ticket(
    row: &Row<'_>,
    last: Option<&TicketRecord>,
    sources: &mut HashSet<Arc<Path>>,
) -> rusqlite::Result<TicketRecord> {
    let mut cells = Cells::new(row);
    let name = cells.text()?;
    let app = last.map(|last| &last.entry.key.app).filter(|app| app.as_str() == name);
    let entry = WatchEntry {
        key: TicketKey {
            app: app.cloned().unwrap_or_else(|| AppName::new(name)),
            ticket: TicketId::new(cells.text()?),
        },
        token: cells.parsed(DocumentToken::parse)?,
        label: cells.text_or_null()?.map(Into::into),
        created_at: cells.time()?,
        source: shared(sources, cells.path()?),
        request: read_request(&mut cells)?,
        download: true,
    };
    Ok(TicketRecord {
        entry,
        state: cells.named()?,
        artefact: read_artefact(&mut cells)?,
        file: None,
        job_status: cells.next()?,
        polls: cells.next()?,
        first_seen_at: WallTime::from_millis(cells.next()?),
        last_polled_at: cells.time()?,
        next_poll_at: cells.time()?,
        finished_at: cells.time()?,
        download_by: cells.time()?,
        error: read_failure(&mut cells)?,
        unlisted_since: cells.time()?,
        progress: Progress {
            attempt: cells.next()?,
            watched: cells.span()?,
            unclear: cells.next()?,
            unclear_since: cells.span()?.unwrap_or_default(),
            last_running_at: cells.time()?,
        },
    })
}

fn shared(sources: &mut HashSet<Arc<Path>>, path: &Path) -> Arc<Path> {
    let source = sources.get(path).map_or_else(|| path.into(), Arc::clone);
    sources.insert(Arc::clone(&source));
    source
}

fn read_request(cells: &mut Cells<'_>) -> rusqlite::Result<Option<Box<ExportRequest>>> {
    let request =
        ExportRequest { doc_type: cells.next()?, file_extension: cells.next()?, sub_id: cells.next()? };
    Ok((request != ExportRequest::default()).then(|| Box::new(request)))
}

fn read_artefact(cells: &mut Cells<'_>) -> rusqlite::Result<Option<Box<Artefact>>> {
    let file_token: Option<Box<str>> = cells.next()?;
    let rest = Artefact {
        file_token: Box::default(),
        file_name: cells.next()?,
        file_extension: cells.next()?,
        doc_type: cells.next()?,
        file_size: cells.next::<Option<i64>>()?.and_then(|size| u64::try_from(size).ok()),
    };
    Ok(file_token.map(|file_token| Box::new(Artefact { file_token, ..rest })))
}

fn read_failure(cells: &mut Cells<'_>) -> rusqlite::Result<Option<Box<Failure>>> {
    let kind = cells.named_or_null()?;
    let (code, job_status, http_status) = (cells.next()?, cells.next()?, cells.next()?);
    let (message, log_id) = (cells.next()?, cells.next()?);
    Ok(kind.map(|kind| Box::new(Failure { kind, code, job_status, http_status, message, log_id })))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::time::Duration;

    use proptest::prelude::*;
    use proptest::sample::Index;
    use rusqlite::types::Value;

    use super::super::{migrate, testing};
    use super::*;
    use crate::domain::ErrorKind;

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
        };
        tickets[0].entry.request = Some(Box::new(request(Some("sheet"))));
        tickets[1].entry.request = Some(Box::new(request(None)));
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
            match tickets(&connection, None, 10) {
                Ok(read) => {
                    write(&connection, &batch(&read)).unwrap();
                    prop_assert_eq!(tickets(&connection, None, 10).unwrap(), read);
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
