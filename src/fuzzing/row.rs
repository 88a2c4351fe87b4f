//! A ticket's row in the state file. An input is a cell a line, in the order of the columns: nothing for NULL, digits
//! for an integer, `~` and digits for a number with a fraction, `=` and a blob, `'` and a text; anything else is text,
//! too. What is missing is as a ticket has it that was just listed.

use rusqlite::types::Value;

use crate::domain::{TicketRecord, WallTime};
use crate::store::StoreError;
use crate::store::fuzzing::{COLUMNS, read_row, write_and_read};

/// Holds a row of any cells to what is promised of the state file.
pub fn row(bytes: &[u8]) {
    let cells = cells(bytes);
    match read_row(&cells) {
        Ok(tickets) => {
            assert_eq!(tickets.len(), 1);
            assert_told(&tickets[0], &cells);
            assert_shown(&tickets[0]);
            let again = write_and_read(&tickets);
            assert!(again.as_ref().is_ok_and(|again| *again == tickets), "{again:?} {tickets:?}");
        }
        Err(error) => {
            let names_row =
                matches!(&error, StoreError::NotAStateFile { reason, .. } if reason.contains("ticket"));
            assert!(names_row, "{error:?}");
        }
    }
}

fn cells(bytes: &[u8]) -> [Value; COLUMNS.len()] {
    let lines = bytes.split(|byte| *byte == b'\n');
    // Nothing is no line, not an empty one.
    let mut lines = lines.skip(usize::from(bytes.is_empty()));
    COLUMNS.map(|column| lines.next().map_or_else(|| usual(column), cell))
}

/// Whether the row is one that is read.
#[cfg(test)]
pub(super) fn is_read(bytes: &[u8]) -> bool {
    read_row(&cells(bytes)).is_ok()
}

fn cell(line: &[u8]) -> Value {
    let text = str::from_utf8(line).unwrap_or("=");
    let integer = text.parse().map(Value::Integer);
    match (text.as_bytes().first(), integer) {
        (None, _) => Value::Null,
        (_, Ok(integer)) => integer,
        (Some(b'~'), _) => Value::Real(text[1..].parse().unwrap_or_default()),
        (Some(b'\''), _) => Value::Text(text[1..].to_owned()),
        (Some(b'='), _) => Value::Blob(line[1..].to_vec()),
        _ => Value::Text(text.to_owned()),
    }
}

fn usual(column: &str) -> Value {
    match column {
        "app" | "token" | "source" => Value::Text(column.to_owned()),
        "ticket" => Value::Text("6933093124755412345".to_owned()),
        "state" => Value::Text("pending".to_owned()),
        "polls" | "first_seen_at" | "announced" | "attempt" | "unclear" | "unclear_since" => {
            Value::Integer(1)
        }
        _ => Value::Null,
    }
}

/// What was read is what stands there, and nothing was guessed.
fn assert_told(ticket: &TicketRecord, cells: &[Value; COLUMNS.len()]) {
    let text = |text: Option<&str>| text.map_or(Value::Null, |text| Value::Text(text.to_owned()));
    let number = |number: Option<i64>| number.map_or(Value::Null, Value::Integer);
    // The zeroth millisecond is stored as the first.
    let time = |time: Option<WallTime>| number(time.map(WallTime::as_millis));
    let error = ticket.error.as_ref();
    for (column, told) in [
        ("ticket", text(Some(ticket.key.ticket.as_str()))),
        ("token", text(Some(ticket.token.as_str()))),
        ("label", text(ticket.label.as_deref())),
        ("created_at", time(ticket.created_at)),
        ("state", text(Some(ticket.state.as_str()))),
        ("job_status", number(ticket.job_status)),
        ("polls", number(Some(ticket.polls.into()))),
        ("download_by", time(ticket.download_by)),
        ("error_kind", text(error.map(|error| error.kind.as_str()))),
        ("attempt", number(Some(ticket.progress.attempt.into()))),
        ("watched", number(ticket.progress.watched.and_then(|span| i64::try_from(span.as_millis()).ok()))),
        ("last_running_at", time(ticket.progress.last_running_at)),
    ] {
        let place = COLUMNS.iter().position(|name| *name == column);
        let cell = place.and_then(|place| cells.get(place));
        let is_epoch = cell == Some(&Value::Integer(0)) && told == Value::Integer(1);
        assert!(cell == Some(&told) || is_epoch, "{column}: {told:?} of {cell:?}");
    }
}

/// Every moment can be told.
fn assert_shown(ticket: &TicketRecord) {
    let moments = [
        ticket.created_at,
        Some(ticket.first_seen_at),
        ticket.last_polled_at,
        ticket.next_poll_at,
        ticket.finished_at,
        ticket.download_by,
        ticket.unlisted_since,
        ticket.progress.last_running_at,
    ];
    for moment in moments.into_iter().flatten() {
        assert!(moment.to_string().ends_with('Z'));
        let month = moment.month();
        assert!(moment.next_month() >= moment || moment.next_month().month() >= month);
    }
}
