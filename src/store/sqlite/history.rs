//! The last events of each entry, for people. A row goes with its entry's.

use rusqlite::{Connection, Result};

use super::cells::{clamped, execute, list};
use crate::domain::{AppName, EntryId, EntryKey, WallTime};
use crate::store::{EventRow, HISTORY_MAX, HistoryRow};

/// Adds an event to the history of its entry, if that has a row, and drops the oldest beyond [`HISTORY_MAX`]. An event
/// that is written twice is one.
pub(super) fn write(connection: &Connection, event: &EventRow) -> Result<()> {
    let Some(EntryKey { app, id }) = &event.key else { return Ok(()) };
    let (app, ticket) = (app.as_str(), id.as_str());
    let insert = "INSERT OR IGNORE INTO history SELECT ?1, ?2, ?3, ?4, ?5, ?6
        WHERE EXISTS (SELECT 1 FROM tickets WHERE app = ?1 AND ticket = ?2)";
    let kind = event.kind.map(|kind| kind.as_str());
    execute(connection, insert, (app, ticket, event.id.0, event.at.as_millis(), event.event, kind))?;
    let prune = "DELETE FROM history WHERE app = ?1 AND ticket = ?2 AND id <= (
        SELECT id FROM history WHERE app = ?1 AND ticket = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)";
    execute(connection, prune, (app, ticket, clamped(HISTORY_MAX)))
}

/// Removes the history of an entry.
pub(super) fn forget(connection: &Connection, app: &AppName, id: &EntryId) -> Result<()> {
    execute(connection, "DELETE FROM history WHERE app = ? AND ticket = ?", (app.as_str(), id.as_str()))
}

/// Reads the history of an entry, the oldest first.
pub(super) fn read(connection: &Connection, key: &EntryKey) -> Result<Vec<HistoryRow>> {
    let select = "SELECT at, event, kind FROM history WHERE app = ? AND ticket = ? ORDER BY id";
    list(connection, select, (key.app.as_str(), key.id.as_str()), |cells| {
        let at = WallTime::from_millis(cells.next()?);
        Ok(HistoryRow { at, event: cells.next()?, kind: cells.next()? })
    })
}
