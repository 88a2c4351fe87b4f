//! The events that wait for hooks: rows that a batch adds in its own transaction, and that stay until their hook has taken
//! them. Beside them one row a hook says how it does.

use rusqlite::{Connection, OptionalExtension as _, Result};

use super::cells::{Cells, clamped, execute, list};
use crate::crash_points::CrashPoint;
use crate::domain::{HookError, HookName, HookStatus, WallTime};
use crate::store::{DUE_MAX, Delivery, EventId, EventRow, Fate, Settled};

/// What makes up a [`HookStatus`] of a row of `hooks`.
const STATUS: &str = "SELECT name, taken, taken_at, ended, asked, last_error, last_error_at,
        (SELECT count(due) FROM deliveries WHERE hook = name),
        (SELECT count(*) FROM deliveries WHERE hook = name AND due IS NULL),
        (SELECT min(due) FROM deliveries WHERE hook = name)
    FROM hooks";

/// Adds an event for the hooks that take it, due at once. One that is written twice is one.
pub(super) fn write(connection: &Connection, event: &EventRow) -> Result<()> {
    for hook in &event.hooks {
        let insert = "INSERT OR IGNORE INTO deliveries (hook, id, payload) VALUES (?, ?, ?)";
        execute(connection, insert, (hook.as_str(), event.id.0, &*event.payload))?;
    }
    Ok(())
}

/// Drops what is there of all hooks but these, and says how many events each of the others had. What waits for a later try
/// is due at once, and a hook that ended is sent to again: a process does this before it sends anything.
pub(super) fn keep(connection: &Connection, hooks: &[HookName]) -> Result<Vec<(HookName, usize)>> {
    let is_kept = |name: &HookName| hooks.contains(name);
    let counts = "SELECT hook, count(*) FROM deliveries GROUP BY hook";
    let mut dropped = list(connection, counts, (), |cells| {
        Ok((HookName::new(cells.text()?), cells.next::<u32>()? as usize))
    })?;
    dropped.retain(|(name, _)| !is_kept(name));
    for (name, _) in &dropped {
        execute(connection, "DELETE FROM deliveries WHERE hook = ?", [name.as_str()])?;
    }
    let known = list(connection, "SELECT name FROM hooks", (), |cells| Ok(HookName::new(cells.text()?)))?;
    for name in known.iter().filter(|name| !is_kept(name)) {
        execute(connection, "DELETE FROM hooks WHERE name = ?", [name.as_str()])?;
    }
    hooks.iter().try_for_each(|name| know(connection, name))?;
    execute(connection, "UPDATE deliveries SET due = 0 WHERE due <> 0", ())?;
    execute(connection, "UPDATE hooks SET ended = 0 WHERE ended <> 0", ())?;
    Ok(dropped)
}

fn know(connection: &Connection, hook: &HookName) -> Result<()> {
    execute(connection, "INSERT OR IGNORE INTO hooks (name) VALUES (?)", [hook.as_str()])
}

/// Reads a hook's rows that are due, those that were due first in front, `limit` at most. Those that are due too late come
/// last: how long they have waited is not known.
pub(super) fn due(
    connection: &Connection,
    hook: &HookName,
    now: WallTime,
    limit: usize,
) -> Result<Vec<Delivery>> {
    let read = |which: &str, moment: WallTime, limit: usize| {
        let sql = format!(
            "SELECT id, payload, tries, since FROM deliveries WHERE hook = ? AND due {which} ? ORDER BY due, id LIMIT ?"
        );
        list(connection, &sql, (hook.as_str(), moment.as_millis(), clamped(limit)), |cells| {
            let (id, payload) = (EventId(cells.next()?), cells.text()?.into());
            Ok(Delivery { id, payload, tries: cells.next()?, since: cells.time()? })
        })
    };
    let mut rows = read("<=", now, limit)?;
    if rows.len() < limit {
        rows.extend(read(">", now + DUE_MAX, limit - rows.len())?);
    }
    Ok(rows)
}

/// When the first row of a hook that waits is due.
pub(super) fn next_due(connection: &Connection, hook: &HookName) -> Result<Option<WallTime>> {
    let sql = "SELECT min(due) FROM deliveries WHERE hook = ?";
    let due = connection.query_row(sql, [hook.as_str()], |row| row.get::<_, Option<i64>>(0))?;
    Ok(due.map(WallTime::from_millis))
}

/// Writes down how tries ended. A row that is gone already changes nothing.
pub(super) fn settle(connection: &Connection, hook: &HookName, tries: &[Settled]) -> Result<()> {
    know(connection, hook)?;
    for settled in tries {
        match settled.fate {
            Fate::Taken => take(connection, hook, settled)?,
            Fate::Again { due } => put_off(connection, hook, settled, Some(due))?,
            Fate::GivenUp => put_off(connection, hook, settled, None)?,
        }
        if let Settled { error: Some(message), at, .. } = settled {
            let note = "UPDATE hooks SET last_error = ?, last_error_at = ? WHERE name = ?";
            execute(connection, note, (message, at.as_millis(), hook.as_str()))?;
        }
    }
    CrashPoint::TriesWritten.pass();
    Ok(())
}

fn take(connection: &Connection, hook: &HookName, settled: &Settled) -> Result<()> {
    let delete = "DELETE FROM deliveries WHERE hook = ? AND id = ?";
    let taken = connection.prepare_cached(delete)?.execute((hook.as_str(), settled.id.0))?;
    let count = "UPDATE hooks SET taken = taken + ?, taken_at = ? WHERE name = ?";
    execute(connection, count, (clamped(taken), settled.at.as_millis(), hook.as_str()))
}

fn put_off(
    connection: &Connection,
    hook: &HookName,
    Settled { id, tries, at, .. }: &Settled,
    due: Option<WallTime>,
) -> Result<()> {
    let update = "UPDATE deliveries SET tries = tries + 1, since = ifnull(since, ?), due = ?
        WHERE hook = ? AND id = ? AND tries = ?";
    let due = due.map(WallTime::as_millis);
    execute(connection, update, (at.as_millis(), due, hook.as_str(), id.0, tries))
}

/// Nothing is sent to the hook any more.
pub(super) fn end(connection: &Connection, hook: &HookName) -> Result<()> {
    know(connection, hook)?;
    execute(connection, "UPDATE hooks SET ended = 1 WHERE name = ?", [hook.as_str()])
}

/// Makes every row of a hook as if it had never been tried, and says how many had been. The count of such requests shows a
/// watcher that runs that it is to send again.
pub(super) fn send_again(connection: &Connection, hook: &HookName) -> Result<usize> {
    let update = "UPDATE deliveries SET tries = 0, since = NULL, due = 0 WHERE hook = ? AND tries > 0";
    let rows = connection.execute(update, [hook.as_str()])?;
    execute(connection, "UPDATE hooks SET asked = asked + 1 WHERE name = ?", [hook.as_str()])?;
    Ok(rows)
}

/// How a hook does.
pub(super) fn status(connection: &Connection, hook: &HookName) -> Result<HookStatus> {
    let sql = format!("{STATUS} WHERE name = ?");
    let read = connection.query_row(&sql, [hook.as_str()], |row| read_status(&mut Cells::new(row)));
    Ok(read.optional()?.unwrap_or_else(|| HookStatus::unknown(hook.clone())))
}

/// How every hook does, ordered by name.
pub(super) fn all_status(connection: &Connection) -> Result<Vec<HookStatus>> {
    list(connection, &format!("{STATUS} ORDER BY name"), (), read_status)
}

/// The fields stand in another order than the columns.
fn read_status(cells: &mut Cells<'_>) -> Result<HookStatus> {
    let name = HookName::new(cells.text()?);
    let taken = cells.next::<i64>()?.try_into().unwrap_or(0);
    let (taken_at, is_ended) = (cells.time()?, cells.next()?);
    let asked = cells.next::<u32>()?;
    let last_error = cells.next::<Option<String>>()?.zip(cells.time()?);
    let last_error = last_error.map(|(message, at)| HookError { message, at });
    let (waiting, failed) = (cells.next::<u32>()? as usize, cells.next::<u32>()? as usize);
    let next = cells.time()?;
    let known = HookStatus {
        waiting,
        taken,
        failed,
        taken_at,
        last_error,
        is_ended,
        asked,
        next,
        ..HookStatus::unknown(name)
    };
    Ok(known)
}
