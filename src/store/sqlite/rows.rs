//! Records to rows and back. One order of columns serves writing and reading.

use rusqlite::{Connection, Params, Row, params};

use super::cells::{Cells, Shared, Source, millis, signed};
use super::{retries, troubles};
use crate::domain::{
    Artefact, BudgetKey, DocumentToken, Endpoint, ErrorKind, ExportRequest, Failure, Month, Progress,
    TicketId, TicketKey, TicketRecord, TicketState, WallTime,
};
use crate::store::{Batch, Loaded, Release, ReleaseId, RetryId, StoreErrorKind, Tally};

const SELECT: &str = "SELECT app, ticket, token, label, created_at, source, state,
    file_token, file_name, file_extension, doc_type, file_size,
    job_status, polls, first_seen_at, last_polled_at, next_poll_at, finished_at, download_by,
    error_kind, error_code, error_job_status, error_http_status, error_message, error_log_id,
    unlisted_since, announced, attempt, watched, unclear, unclear_since, last_running_at,
    listed_type, listed_extension, sub_id
    FROM tickets";

const UPSERT: &str = "INSERT OR REPLACE INTO tickets (app, ticket, token, label, created_at, source, state,
    file_token, file_name, file_extension, doc_type, file_size,
    job_status, polls, first_seen_at, last_polled_at, next_poll_at, finished_at, download_by,
    error_kind, error_code, error_job_status, error_http_status, error_message, error_log_id,
    unlisted_since, announced, attempt, watched, unclear, unclear_since, last_running_at,
    listed_type, listed_extension, sub_id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Writes a batch inside the caller's transaction. Rows to forget go first: a ticket that is listed again
/// before it was forgotten for good stands in both places, and its new row must stay.
pub(super) fn write(connection: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    let mut forget = connection.prepare_cached("DELETE FROM tickets WHERE app = ? AND ticket = ?")?;
    for key in &batch.forgotten {
        forget.execute((key.app.as_str(), key.ticket.as_str()))?;
    }
    let mut upsert = connection.prepare_cached(UPSERT)?;
    for ticket in &batch.tickets {
        write_ticket(&mut upsert, ticket)?;
    }
    if let Some(before) = batch.released_before {
        connection
            .prepare_cached("DELETE FROM requests WHERE released_at < ?")?
            .execute([before.as_millis()])?;
    }
    let mut release = connection.prepare_cached(
        "INSERT OR REPLACE INTO requests (rowid, budget, endpoint, released_at) VALUES (?, ?, ?, ?)",
    )?;
    for released in &batch.released {
        let Release { id, budget, endpoint, at } = released;
        release.execute((id.0, budget.as_str(), endpoint.as_str(), at.as_millis()))?;
    }
    let mut tally = connection.prepare_cached("INSERT OR REPLACE INTO tallies VALUES (?, ?, ?)")?;
    for Tally { budget, month, requests } in &batch.tallies {
        tally.execute((budget.as_str(), month.number(), signed(*requests)))?;
    }
    let mut proven = connection.prepare_cached("INSERT OR IGNORE INTO proven VALUES (?)")?;
    for budget in &batch.proven {
        proven.execute([budget.as_str()])?;
    }
    if let Some(troubles) = &batch.troubles {
        troubles::write(connection, troubles)?;
    }
    if let Some(last) = batch.retried {
        retries::remove(connection, last)?;
    }
    Ok(())
}

/// Notes whether the process that uses the file has ended in good order.
pub(super) fn set_clean(connection: &Connection, clean: bool) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE run SET clean = ?")?.execute([clean]).map(drop)
}

fn write_ticket(upsert: &mut rusqlite::Statement<'_>, ticket: &TicketRecord) -> rusqlite::Result<()> {
    let artefact = ticket.artefact.as_deref();
    let error = ticket.error.as_deref();
    let progress = &ticket.progress;
    let request = ticket.request.as_deref();
    upsert
        .execute(params![
            ticket.key.app.as_str(),
            ticket.key.ticket.as_str(),
            ticket.token.as_str(),
            ticket.label.as_deref(),
            ticket.created_at.map(WallTime::as_millis),
            Source(&ticket.source),
            ticket.state.as_str(),
            artefact.map(|it| &it.file_token),
            artefact.and_then(|it| it.file_name.as_deref()),
            artefact.and_then(|it| it.file_extension.as_deref()),
            artefact.and_then(|it| it.doc_type.as_deref()),
            artefact.and_then(|it| it.file_size).map(signed),
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
            ticket.announced,
            progress.attempt,
            progress.watched.map(millis),
            progress.unclear,
            millis(progress.unclear_since),
            progress.last_running_at.map(WallTime::as_millis),
            request.and_then(|it| it.doc_type.as_deref()),
            request.and_then(|it| it.file_extension.as_deref()),
            request.and_then(|it| it.sub_id.as_deref()),
        ])
        .map(drop)
}

/// Reads everything that [`write()`] wrote.
///
/// # Errors
/// [`StoreErrorKind::NotAStateFile`] where a row holds what no version ever wrote.
pub(super) fn load(connection: &Connection) -> Result<Loaded, StoreErrorKind> {
    let clean = connection.query_row("SELECT clean FROM run", (), |row| row.get(0))?;
    let released = requests(connection)?;
    let tallies = tallies(connection)?;
    let proven = proven(connection)?;
    let retries = retries::read(connection, RetryId::default(), usize::MAX >> 1)?;
    Ok(Loaded { tickets: tickets(connection)?, released, tallies, proven, retries, clean })
}

/// Reads every ticket, ordered by app and ticket.
///
/// # Errors
/// [`StoreErrorKind::NotAStateFile`] where a row holds what no version ever wrote.
pub(super) fn tickets(connection: &Connection) -> Result<Vec<TicketRecord>, StoreErrorKind> {
    let mut tickets = Vec::new();
    select(connection, "ORDER BY app, ticket", (), &mut tickets)?;
    Ok(tickets)
}

/// Reads the tickets that follow one in the same order, or the first ones; `limit` at most.
///
/// # Errors
/// As [`tickets`].
pub(super) fn tickets_after(
    connection: &Connection,
    after: Option<&TicketKey>,
    limit: usize,
) -> Result<Vec<TicketRecord>, StoreErrorKind> {
    let (app, ticket) = after.map_or(("", ""), |key| (key.app.as_str(), key.ticket.as_str()));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let which = "WHERE (app, ticket) > (?, ?) ORDER BY app, ticket LIMIT ?";
    let mut tickets = Vec::new();
    select(connection, which, (app, ticket, limit), &mut tickets)?;
    Ok(tickets)
}

fn select(
    connection: &Connection,
    which: &str,
    parameters: impl Params,
    tickets: &mut Vec<TicketRecord>,
) -> Result<(), StoreErrorKind> {
    let mut statement = prepare_select(connection, which)?;
    let mut rows = statement.query(parameters)?;
    let mut shared = Shared::default();
    while let Some(row) = rows.next()? {
        tickets.push(read_ticket(row, &mut shared).map_err(|error| {
            let name = row.get::<_, String>(1).unwrap_or_default();
            StoreErrorKind::NotAStateFile(format!("the row of ticket {name:?}: {error}"))
        })?);
    }
    Ok(())
}

/// Readers look at files of earlier versions as they are: those before 4 say nothing of what an export was created with.
fn prepare_select<'c>(connection: &'c Connection, which: &str) -> rusqlite::Result<rusqlite::Statement<'c>> {
    let select = format!("{SELECT} {which}");
    let present = "SELECT count(*) FROM pragma_table_info('tickets') WHERE name = 'listed_type'";
    match connection.query_row(present, (), |row| row.get::<_, i64>(0))? {
        0 => connection.prepare(&select.replace("listed_type, listed_extension, sub_id", "NULL, NULL, NULL")),
        _ => connection.prepare(&select),
    }
}

/// How many tickets are in which state, for the states that occur.
pub(super) fn counts(connection: &Connection) -> rusqlite::Result<Vec<(TicketState, usize)>> {
    let mut statement = connection.prepare("SELECT state, count(*) FROM tickets GROUP BY state")?;
    statement
        .query_map((), |row| {
            let mut cells = Cells::of(row);
            Ok((cells.named(TicketState::parse)?, cells.next::<u32>()? as usize))
        })?
        .collect()
}

fn requests(connection: &Connection) -> rusqlite::Result<Vec<Release>> {
    let mut statement = connection.prepare("SELECT rowid, budget, endpoint, released_at FROM requests")?;
    statement
        .query_map((), |row| {
            let mut cells = Cells::of(row);
            Ok(Release {
                id: ReleaseId(cells.next()?),
                budget: BudgetKey::from(cells.next::<Box<str>>()?.as_ref()),
                endpoint: cells.named(Endpoint::parse)?,
                at: WallTime::from_millis(cells.next()?),
            })
        })?
        .collect()
}

/// The bare columns are those of the row with the newest month (sqlite.org/lang_select.html#bareagg).
fn tallies(connection: &Connection) -> rusqlite::Result<Vec<Tally>> {
    let mut statement =
        connection.prepare("SELECT budget, max(month), requests FROM tallies GROUP BY budget")?;
    statement
        .query_map((), |row| {
            let mut cells = Cells::of(row);
            Ok(Tally {
                budget: BudgetKey::from(cells.next::<Box<str>>()?.as_ref()),
                month: Month::from_number(cells.next()?),
                requests: cells.next::<i64>()?.try_into().unwrap_or(0),
            })
        })?
        .collect()
}

fn proven(connection: &Connection) -> rusqlite::Result<Vec<BudgetKey>> {
    let mut statement = connection.prepare("SELECT budget FROM proven ORDER BY budget")?;
    statement.query_map((), |row| Ok(BudgetKey::from(row.get::<_, Box<str>>(0)?.as_ref())))?.collect()
}

/// The fields stand in the order of the columns; a struct's fields are evaluated as written.
fn read_ticket(row: &Row<'_>, shared: &mut Shared) -> rusqlite::Result<TicketRecord> {
    let mut cells = Cells::of(row);
    Ok(TicketRecord {
        key: TicketKey { app: shared.app(cells.text()?), ticket: TicketId::new(cells.text()?) },
        token: cells.named(DocumentToken::parse)?,
        label: cells.text_or_null()?.map(Into::into),
        created_at: cells.time()?,
        source: shared.source(cells.bytes()?),
        state: cells.named(TicketState::parse)?,
        artefact: read_artefact(&mut cells)?,
        job_status: cells.next()?,
        polls: cells.next()?,
        first_seen_at: WallTime::from_millis(cells.next()?),
        last_polled_at: cells.time()?,
        next_poll_at: cells.time()?,
        finished_at: cells.time()?,
        download_by: cells.time()?,
        error: read_failure(&mut cells)?,
        unlisted_since: cells.time()?,
        announced: cells.next()?,
        progress: Progress {
            attempt: cells.next()?,
            watched: cells.span()?,
            unclear: cells.next()?,
            unclear_since: cells.span()?.unwrap_or_default(),
            last_running_at: cells.time()?,
        },
        request: read_request(&mut cells)?,
    })
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
    let kind = cells.named_or_null(ErrorKind::parse)?;
    let (code, job_status, http_status) = (cells.next()?, cells.next()?, cells.next()?);
    let (message, log_id) = (cells.next()?, cells.next()?);
    Ok(kind.map(|kind| Box::new(Failure { kind, code, job_status, http_status, message, log_id })))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::*;
    use proptest::sample::Index;
    use rusqlite::types::Value;

    use super::super::{schema, testing};
    use super::*;

    fn database() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
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
        tickets[1].source = Arc::from(Path::new(OsStr::from_bytes(b"/lists/\xff.toml")));
        let request = |doc_type: Option<&str>| ExportRequest {
            doc_type: doc_type.map(Into::into),
            file_extension: Some("csv".into()),
            sub_id: Some("0b1e2f".into()),
        };
        tickets[0].request = Some(Box::new(request(Some("sheet"))));
        tickets[1].request = Some(Box::new(request(None)));
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
        assert!(Arc::ptr_eq(&loaded.tickets[0].source, &loaded.tickets[2].source));
    }

    /// Promise: every state and every kind of error has a name that is read back.
    #[test]
    fn every_name_comes_back() {
        let connection = database();
        let states = TicketState::ALL.into_iter().map(|state| {
            let mut ticket = testing::fresh(state.as_str());
            ticket.state = state;
            ticket
        });
        let kinds = ErrorKind::all().map(|kind| {
            let mut ticket = testing::fresh(&format!("error {kind}"));
            ticket.error = Some(Box::new(Failure::new(kind)));
            ticket
        });
        let mut tickets: Vec<_> = states.chain(kinds).collect();
        write(&connection, &Batch { tickets: tickets.clone(), ..Batch::default() }).unwrap();
        tickets.sort_by(|a, b| a.key.cmp(&b.key));
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
            forgotten: vec![testing::fresh("b").key],
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
            match tickets(&connection) {
                Ok(read) => {
                    write(&connection, &batch(&read)).unwrap();
                    prop_assert_eq!(tickets(&connection).unwrap(), read);
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
