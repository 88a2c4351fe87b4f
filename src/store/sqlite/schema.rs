//! What the database looks like inside: its mark, its version and the steps from one to the next.

use rusqlite::Connection;

use crate::store::StoreErrorKind;

/// Marks a SQLite file as ours (sqlite.org/pragma.html#pragma_application_id): "FxWs".
pub(super) const APPLICATION_ID: i32 = 0x4678_5773;

/// Step `n` leads from version `n` to `n + 1`. Released steps are never edited: files exist that went
/// through them.
///
/// 1: tickets, recent requests, how the last run ended. 2: requests a month. 3: pauses in force, and what
/// was asked for by `retry`. 4: apps in trouble, one row each, in place of pauses; app ids that are proven; what an
/// export was created with, as the watch list says. 5: the outbox in place of a mark on each ticket.
/// 6: the file of each ticket, and whether it is to be downloaded; the id of the state file. 7: exports that the watcher
/// starts. `ticket` is then the id of the entry, and `export_ticket` the ticket, if there is one. 8: the events that wait for
/// hooks, how each hook does, and the last events of each entry.
///
/// Times and spans are milliseconds, times since the Unix epoch. STRICT tables let `quick_check` find
/// values of the wrong type. A month is the number that its digits make, as 202611. Paths are text unless
/// they are not UTF-8, then a blob. `file_size` is what the server says of the artefact, `file_bytes` what was saved. The ids of retries are never used again
/// (AUTOINCREMENT), so that what was done already is known by its id; nor are those of events (`last_event`), by which
/// receivers know what they have. A delivery that is given up is never due; `since` is when its first failed try was.
pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE tickets (
        app TEXT NOT NULL,
        ticket TEXT NOT NULL,
        token TEXT NOT NULL,
        label TEXT,
        created_at INTEGER,
        source ANY NOT NULL,
        state TEXT NOT NULL,
        file_token TEXT,
        file_name TEXT,
        file_extension TEXT,
        doc_type TEXT,
        file_size INTEGER,
        job_status INTEGER,
        polls INTEGER NOT NULL,
        first_seen_at INTEGER NOT NULL,
        last_polled_at INTEGER,
        next_poll_at INTEGER,
        finished_at INTEGER,
        download_by INTEGER,
        error_kind TEXT,
        error_code INTEGER,
        error_job_status INTEGER,
        error_http_status INTEGER,
        error_message TEXT,
        error_log_id TEXT,
        unlisted_since INTEGER,
        announced INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        watched INTEGER,
        unclear INTEGER NOT NULL,
        unclear_since INTEGER NOT NULL,
        last_running_at INTEGER,
        PRIMARY KEY (app, ticket)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE requests (
        budget TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        released_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE run (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        clean INTEGER NOT NULL
    ) STRICT;
    INSERT INTO run VALUES (1, 1);
",
    "
    CREATE TABLE tallies (
        budget TEXT NOT NULL,
        month INTEGER NOT NULL,
        requests INTEGER NOT NULL,
        PRIMARY KEY (budget, month)
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE pauses (
        app TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        reason TEXT NOT NULL,
        since INTEGER NOT NULL,
        until INTEGER,
        next INTEGER NOT NULL,
        PRIMARY KEY (app, endpoint)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE retries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        app TEXT NOT NULL,
        ticket TEXT NOT NULL
    ) STRICT;
",
    "
    CREATE TABLE proven (
        budget TEXT PRIMARY KEY
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE tickets ADD COLUMN listed_type TEXT;
    ALTER TABLE tickets ADD COLUMN listed_extension TEXT;
    ALTER TABLE tickets ADD COLUMN sub_id TEXT;
    DROP TABLE pauses;
    CREATE TABLE troubles (
        app TEXT PRIMARY KEY,
        condition TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        cause TEXT NOT NULL,
        message TEXT,
        since INTEGER NOT NULL,
        until INTEGER,
        next INTEGER
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE outbox (
        consumer TEXT NOT NULL,
        id INTEGER NOT NULL,
        payload TEXT NOT NULL,
        PRIMARY KEY (consumer, id)
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE tickets DROP COLUMN announced;
",
    "
    ALTER TABLE tickets ADD COLUMN download INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE tickets ADD COLUMN file_state TEXT;
    ALTER TABLE tickets ADD COLUMN file_path ANY;
    ALTER TABLE tickets ADD COLUMN file_temporary ANY;
    ALTER TABLE tickets ADD COLUMN file_bytes INTEGER;
    ALTER TABLE tickets ADD COLUMN file_sha256 TEXT;
    ALTER TABLE tickets ADD COLUMN file_saved_at INTEGER;
    ALTER TABLE tickets ADD COLUMN file_attempts INTEGER;
    ALTER TABLE tickets ADD COLUMN file_error_kind TEXT;
    ALTER TABLE tickets ADD COLUMN file_error_code INTEGER;
    ALTER TABLE tickets ADD COLUMN file_error_job_status INTEGER;
    ALTER TABLE tickets ADD COLUMN file_error_http_status INTEGER;
    ALTER TABLE tickets ADD COLUMN file_error_message TEXT;
    ALTER TABLE tickets ADD COLUMN file_error_log_id TEXT;
    ALTER TABLE run ADD COLUMN state_file TEXT NOT NULL DEFAULT '';
    UPDATE run SET state_file = lower(hex(randomblob(8)));
",
    "
    ALTER TABLE tickets ADD COLUMN url TEXT;
    ALTER TABLE tickets ADD COLUMN object_type TEXT;
    ALTER TABLE tickets ADD COLUMN object_token TEXT;
    ALTER TABLE tickets ADD COLUMN export_ticket TEXT;
    ALTER TABLE tickets ADD COLUMN generation INTEGER;
    ALTER TABLE tickets ADD COLUMN creating INTEGER;
    ALTER TABLE tickets ADD COLUMN lost INTEGER;
    ALTER TABLE tickets ADD COLUMN repeats INTEGER;
    ALTER TABLE tickets ADD COLUMN calls INTEGER;
",
    "
    CREATE TABLE deliveries (
        hook TEXT NOT NULL,
        id INTEGER NOT NULL,
        payload TEXT NOT NULL,
        tries INTEGER NOT NULL DEFAULT 0,
        since INTEGER,
        due INTEGER DEFAULT 0,
        PRIMARY KEY (hook, id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX deliveries_by_due ON deliveries (hook, due);
    CREATE TABLE hooks (
        name TEXT PRIMARY KEY,
        taken INTEGER NOT NULL DEFAULT 0,
        taken_at INTEGER,
        ended INTEGER NOT NULL DEFAULT 0,
        asked INTEGER NOT NULL DEFAULT 0,
        last_error TEXT,
        last_error_at INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE history (
        app TEXT NOT NULL,
        ticket TEXT NOT NULL,
        id INTEGER NOT NULL,
        at INTEGER NOT NULL,
        event TEXT NOT NULL,
        kind TEXT,
        PRIMARY KEY (app, ticket, id)
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE run ADD COLUMN last_event INTEGER NOT NULL DEFAULT 0;
",
];

/// The version that this program reads and writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// The version of our database, at most [`VERSION`]; 0 of one without mark, version and tables. Only reads.
///
/// # Errors
/// [`StoreErrorKind::NotAStateFile`] for another program's or a damaged one, [`StoreErrorKind::Newer`].
pub(super) fn recognise(connection: &Connection) -> Result<i64, StoreErrorKind> {
    let number = |sql: &str| connection.query_row(sql, (), |row| row.get::<_, i64>(0));
    let mark = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    if mark == 0 && version == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(0);
    }
    if mark != i64::from(APPLICATION_ID) {
        let reason = "the database belongs to another program";
        return Err(StoreErrorKind::NotAStateFile(reason.to_owned()));
    }
    match version {
        1..=VERSION => Ok(version),
        ..=0 => Err(StoreErrorKind::NotAStateFile(format!("its schema version is {version}"))),
        _ => Err(StoreErrorKind::Newer { found: version, known: VERSION }),
    }
}

/// Looks for damage on every page. Only reads.
///
/// # Errors
/// [`StoreErrorKind::NotAStateFile`] with the first thing found.
pub(super) fn check(connection: &Connection) -> Result<(), StoreErrorKind> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(StoreErrorKind::NotAStateFile(verdict)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: another program's database is never taken for ours.
    #[test]
    fn databases_of_other_programs_are_refused() {
        for sql in [
            "CREATE TABLE notes (a)",
            "PRAGMA user_version = 1",
            "PRAGMA application_id = 7",
            "PRAGMA application_id = 0x46785773",
            "PRAGMA application_id = 0x46785773; PRAGMA user_version = -1",
        ] {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch(sql).unwrap();
            assert!(matches!(recognise(&connection), Err(StoreErrorKind::NotAStateFile(_))), "{sql}");
        }
    }
}
