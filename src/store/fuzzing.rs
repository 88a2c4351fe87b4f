//! The door for [`crate::fuzzing`]: a row of tickets whose cells hold anything, as in a file that was damaged or
//! written by hand.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::{Batch, StoreError, rows, schema};
use crate::domain::TicketRecord;

/// The columns, in the order in which a ticket is read.
pub(crate) const COLUMNS: [&str; 35] = [
    "app",
    "ticket",
    "token",
    "label",
    "created_at",
    "source",
    "state",
    "file_token",
    "file_name",
    "file_extension",
    "doc_type",
    "file_size",
    "job_status",
    "polls",
    "first_seen_at",
    "last_polled_at",
    "next_poll_at",
    "finished_at",
    "download_by",
    "error_kind",
    "error_code",
    "error_job_status",
    "error_http_status",
    "error_message",
    "error_log_id",
    "unlisted_since",
    "announced",
    "attempt",
    "watched",
    "unclear",
    "unclear_since",
    "last_running_at",
    "listed_type",
    "listed_extension",
    "sub_id",
];

/// Reads a row with these cells from a table without types.
pub(crate) fn read_row(cells: &[Value; COLUMNS.len()]) -> Result<Vec<TicketRecord>, StoreError> {
    let path = Path::new("/var/lib/state.db");
    let marks = ["?"; COLUMNS.len()].join(", ");
    let connection = Connection::open_in_memory().map_err(StoreError::reading(path))?;
    let made = connection.execute_batch(&format!("CREATE TABLE tickets ({})", COLUMNS.join(", ")));
    made.map_err(StoreError::reading(path))?;
    let insert = format!("INSERT INTO tickets VALUES ({marks})");
    connection.execute(&insert, params_from_iter(cells)).map_err(StoreError::reading(path))?;
    rows::tickets(&connection, path)
}

/// Writes tickets as the program does, and reads them again.
pub(crate) fn write_and_read(tickets: &[TicketRecord]) -> Result<Vec<TicketRecord>, StoreError> {
    let path = Path::new("/var/lib/state.db");
    let mut connection = Connection::open_in_memory().map_err(StoreError::reading(path))?;
    schema::migrate(&mut connection, path)?;
    let batch = Batch { tickets: tickets.to_vec(), ..Batch::default() };
    rows::write(&connection, &batch).map_err(StoreError::reading(path))?;
    rows::tickets(&connection, path)
}
