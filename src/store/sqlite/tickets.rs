//! Tickets to rows and back. One order of columns serves writing and reading.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, Params, Row, Statement, params};

use super::cells::{Cells, Places, clamped, list, millis, path_value};
use crate::domain::{
    AppName, Artefact, DocumentToken, EntryId, EntryKey, ExportRecord, ExportRequest, Failure, FileRecord,
    FileState, Object, Progress, TicketId, TicketRecord, TicketState, WallTime, WatchEntry,
};
use crate::store::StoreErrorKind;

/// The columns of a ticket, in the order in which they are written and read.
const COLUMNS: &str = "app, ticket, token, label, created_at, source,
    listed_type, listed_extension, sub_id, url, download, state,
    file_token, file_name, file_extension, doc_type, file_size,
    job_status, polls, first_seen_at, last_polled_at, next_poll_at, finished_at, download_by,
    error_kind, error_code, error_job_status, error_http_status, error_message, error_log_id,
    unlisted_since, attempt, watched, unclear, unclear_since, last_running_at";

/// The columns of its file, which are null where there is none.
const FILE_COLUMNS: &str = "file_state, file_path, file_temporary, file_bytes, file_sha256, file_saved_at, file_attempts,
    file_error_kind, file_error_code, file_error_job_status, file_error_http_status, file_error_message, file_error_log_id";

/// The columns of its export, which are null for a ticket that is listed itself.
const EXPORT_COLUMNS: &str =
    "object_type, object_token, export_ticket, generation, creating, lost, repeats, calls";

/// Writes tickets; each replaces the row of its key.
pub(super) fn write(connection: &Connection, tickets: &[TicketRecord]) -> rusqlite::Result<()> {
    // Most tickets of a long list have neither file nor export.
    let upserts = [false, true].map(|file| [false, true].map(|export| upsert(file, export)));
    for ticket in tickets {
        let sql = &upserts[usize::from(ticket.file.is_some())][usize::from(ticket.export.is_some())];
        let mut upsert = connection.prepare_cached(sql)?;
        let mut places = Places::new(&mut upsert);
        bind_entry(&mut places, &ticket.entry)?;
        bind_ticket(&mut places, ticket)?;
        if let Some(file) = ticket.file.as_deref() {
            bind_file(&mut places, file)?;
        }
        if let Some(export) = ticket.export.as_deref() {
            bind_export(&mut places, export)?;
        }
        places.statement.raw_execute()?;
    }
    Ok(())
}

fn upsert(file: bool, export: bool) -> String {
    let parts = [Some(COLUMNS), file.then_some(FILE_COLUMNS), export.then_some(EXPORT_COLUMNS)];
    let columns = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let values = vec!["?"; columns.split(',').count()].join(", ");
    format!("INSERT OR REPLACE INTO tickets ({columns}) VALUES ({values})")
}

fn bind_entry(places: &mut Places<'_, '_>, entry: &WatchEntry) -> rusqlite::Result<()> {
    let request = entry.request.as_deref();
    places.bind(params![
        entry.key.app.as_str(),
        entry.key.id.as_str(),
        entry.token.as_str(),
        entry.label.as_deref(),
        entry.created_at.map(WallTime::as_millis),
        path_value(&entry.source),
        request.and_then(|it| it.doc_type.as_deref()),
        request.and_then(|it| it.file_extension.as_deref()),
        request.and_then(|it| it.sub_id.as_deref()),
        request.and_then(|it| it.url.as_deref()),
        entry.download,
    ])
}

fn bind_ticket(places: &mut Places<'_, '_>, ticket: &TicketRecord) -> rusqlite::Result<()> {
    let artefact = ticket.artefact.as_deref();
    let progress = &ticket.progress;
    places.bind(params![
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
    ])?;
    bind_failure(places, ticket.error.as_deref())?;
    places.bind(params![
        ticket.unlisted_since.map(WallTime::as_millis),
        progress.attempt,
        progress.watched.map(millis),
        progress.unclear,
        millis(progress.unclear_since),
        progress.last_running_at.map(WallTime::as_millis),
    ])
}

fn bind_file(places: &mut Places<'_, '_>, file: &FileRecord) -> rusqlite::Result<()> {
    places.bind(params![
        file.state.as_str(),
        file.path.as_deref().map(path_value),
        file.temporary.as_deref().map(path_value),
        file.size.map(clamped),
        file.sha256.map(|hash| hash.to_string()),
        file.saved_at.map(WallTime::as_millis),
        file.attempts,
    ])?;
    bind_failure(places, file.error.as_deref())
}

fn bind_export(places: &mut Places<'_, '_>, export: &ExportRecord) -> rusqlite::Result<()> {
    places.bind(params![
        export.object.as_ref().map(|it| &it.doc_type),
        export.object.as_ref().map(|it| it.token.as_str()),
        export.ticket.as_ref().map(TicketId::as_str),
        export.generation,
        export.is_creating,
        export.lost,
        export.repeats,
        export.calls,
    ])
}

fn bind_failure(places: &mut Places<'_, '_>, failure: Option<&Failure>) -> rusqlite::Result<()> {
    places.bind(params![
        failure.map(|it| it.kind.as_str()),
        failure.and_then(|it| it.code),
        failure.and_then(|it| it.job_status),
        failure.and_then(|it| it.http_status),
        failure.and_then(|it| it.message.as_deref()),
        failure.and_then(|it| it.log_id.as_deref()),
    ])
}

/// Reads the tickets that follow one in the order of app and ticket, or the first ones; `limit` at most.
///
/// # Errors
/// [`StoreErrorKind::NotAStateFile`] where a row holds what no version ever wrote.
pub(super) fn page(
    connection: &Connection,
    after: Option<&EntryKey>,
    limit: usize,
) -> Result<Vec<TicketRecord>, StoreErrorKind> {
    let (app, ticket) = after.map_or(("", ""), |key| (key.app.as_str(), key.id.as_str()));
    let which = "WHERE (app, ticket) > (?, ?) ORDER BY app, ticket LIMIT ?";
    select(connection, which, (app, ticket, clamped(limit)))
}

/// Reads the tickets that the end of a query names.
///
/// # Errors
/// As [`page`].
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

/// Readers look at files of earlier versions as they are: a column that came later is null there.
fn prepare_select<'c>(connection: &'c Connection, which: &str) -> rusqlite::Result<Statement<'c>> {
    let all = connection.prepare("SELECT * FROM tickets")?;
    let there: Vec<_> = all.column_names().collect();
    let columns = [COLUMNS, FILE_COLUMNS, EXPORT_COLUMNS].into_iter().flat_map(|part| part.split(','));
    let columns = columns.map(str::trim);
    let select: Vec<_> = columns.map(|name| if there.contains(&name) { name } else { "NULL" }).collect();
    connection.prepare(&format!("SELECT {} FROM tickets {which}", select.join(", ")))
}

/// How many tickets are in which state, for the states that occur.
pub(super) fn counts(connection: &Connection) -> rusqlite::Result<Vec<(TicketState, usize)>> {
    list(connection, "SELECT state, count(*) FROM tickets GROUP BY state", (), |cells| {
        Ok((cells.named()?, cells.next::<u32>()? as usize))
    })
}

/// How many files are in which state, for the states that occur.
pub(super) fn file_counts(connection: &Connection) -> rusqlite::Result<Vec<(FileState, usize)>> {
    let sql = "SELECT file_state, count(*) FROM tickets WHERE file_state IS NOT NULL GROUP BY file_state";
    list(connection, sql, (), |cells| Ok((cells.named()?, cells.next::<u32>()? as usize)))
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
        key: EntryKey {
            app: app.cloned().unwrap_or_else(|| AppName::new(name)),
            id: EntryId::new(cells.text()?),
        },
        token: cells.parsed(DocumentToken::parse)?,
        label: cells.text_or_null()?.map(Into::into),
        created_at: cells.time()?,
        source: shared(sources, cells.path()?),
        request: read_request(&mut cells)?,
        download: cells.next::<Option<bool>>()?.unwrap_or(true),
    };
    let ticket = TicketRecord {
        entry,
        export: None,
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
    };
    let file = read_file(&mut cells)?;
    let export = ticket.entry.key.id.is_document().then(|| read_export(&mut cells)).transpose()?;
    Ok(TicketRecord { file, export, ..ticket })
}

fn shared(sources: &mut HashSet<Arc<Path>>, path: &Path) -> Arc<Path> {
    let source = sources.get(path).map_or_else(|| path.into(), Arc::clone);
    sources.insert(Arc::clone(&source));
    source
}

fn read_request(cells: &mut Cells<'_>) -> rusqlite::Result<Option<Box<ExportRequest>>> {
    let request = ExportRequest {
        doc_type: cells.next()?,
        file_extension: cells.next()?,
        sub_id: cells.next()?,
        url: cells.next()?,
    };
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

fn read_file(cells: &mut Cells<'_>) -> rusqlite::Result<Option<Box<FileRecord>>> {
    let state = cells.named_or_null()?;
    let rest = FileRecord {
        path: cells.path_or_null()?.map(Into::into),
        temporary: cells.path_or_null()?.map(Into::into),
        size: cells.next::<Option<i64>>()?.and_then(|size| u64::try_from(size).ok()),
        sha256: cells.named_or_null()?,
        saved_at: cells.time()?,
        attempts: cells.next::<Option<u32>>()?.unwrap_or_default(),
        error: read_failure(cells)?,
        ..FileRecord::new()
    };
    Ok(state.map(|state| Box::new(FileRecord { state, ..rest })))
}

fn read_export(cells: &mut Cells<'_>) -> rusqlite::Result<Box<ExportRecord>> {
    let doc_type: Option<Box<str>> = cells.next()?;
    let token = cells.text_or_null()?.and_then(DocumentToken::parse);
    Ok(Box::new(ExportRecord {
        object: doc_type.zip(token).map(|(doc_type, token)| Object { doc_type, token }),
        ticket: cells.text_or_null()?.map(TicketId::new),
        generation: cells.next()?,
        is_creating: cells.next()?,
        lost: cells.next()?,
        repeats: cells.next()?,
        calls: cells.next()?,
    }))
}

fn read_failure(cells: &mut Cells<'_>) -> rusqlite::Result<Option<Box<Failure>>> {
    let kind = cells.named_or_null()?;
    let (code, job_status, http_status) = (cells.next()?, cells.next()?, cells.next()?);
    let (message, log_id) = (cells.next()?, cells.next()?);
    Ok(kind.map(|kind| Box::new(Failure { kind, code, job_status, http_status, message, log_id })))
}
