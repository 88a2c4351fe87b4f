//! What the database looks like inside: its mark, its version and the steps from one to the next.

use rusqlite::{Connection, TransactionBehavior};

use crate::store::StoreErrorKind;

/// Marks a SQLite file as ours (sqlite.org/pragma.html#pragma_application_id): "FxWs".
const APPLICATION_ID: i32 = 0x4678_5773;

/// Step `n` leads from version `n` to `n + 1`. Released steps are never edited: files exist that went
/// through them.
///
/// 1: tickets, recent requests, how the last run ended. 2: requests a month. 3: pauses in force, and what
/// was asked for by `retry`. 4: apps in trouble, one row each, in place of pauses; app ids that are proven; what an
/// export was created with, as the watch list says. 5: the outbox in place of a mark on each ticket; verdicts that are
/// not announced become rows with the usual fields.
///
/// Times and spans are milliseconds, times since the Unix epoch. STRICT tables let `quick_check` find
/// values of the wrong type. A month is the number that its digits make, as 202611. `source` is text unless
/// the path is not UTF-8, then a blob. The ids of retries are never used again (AUTOINCREMENT), so that what
/// was done already is known by its id.
const MIGRATIONS: &[&str] = &[
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
    INSERT INTO outbox SELECT
        'log',
        row_number() OVER (ORDER BY finished_at, app, ticket),
        json_patch('{}', json_object(
            'timestamp', strftime('%Y-%m-%dT%H:%M:%fZ', coalesce(finished_at, first_seen_at) / 1000.0, 'unixepoch'),
            'level', 'INFO',
            'message', 'ticket ' || ticket || CASE state
                WHEN 'completed' THEN ' completed' || coalesce(': file token ' || file_token, '')
                WHEN 'failed' THEN ' failed' || coalesce(': ' || error_kind, '')
                WHEN 'timed_out' THEN ' timed out: no result within give_up_after'
                ELSE ' left the watch list while pending' END,
            'event', 'ticket.' || state,
            'app', app,
            'ticket', ticket,
            'token', token,
            'label', label,
            'state', state,
            'file_token', file_token,
            'file_name', file_name,
            'file_extension', coalesce(file_extension, listed_extension),
            'doc_type', coalesce(doc_type, listed_type),
            'sub_id', sub_id,
            'file_size', file_size,
            'job_status', job_status,
            'polls', polls,
            'first_seen_at', strftime('%Y-%m-%dT%H:%M:%fZ', first_seen_at / 1000.0, 'unixepoch'),
            'last_polled_at', strftime('%Y-%m-%dT%H:%M:%fZ', last_polled_at / 1000.0, 'unixepoch'),
            'finished_at', strftime('%Y-%m-%dT%H:%M:%fZ', finished_at / 1000.0, 'unixepoch'),
            'download_by', strftime('%Y-%m-%dT%H:%M:%fZ', download_by / 1000.0, 'unixepoch'),
            'error.kind', error_kind,
            'error.code', error_code,
            'error.job_status', error_job_status,
            'error.http_status', error_http_status,
            'error.message', error_message,
            'error.log_id', error_log_id))
        FROM tickets WHERE state <> 'pending' AND announced = 0;
    ALTER TABLE tickets DROP COLUMN announced;
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

/// Brings the database up to [`VERSION`].
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreErrorKind> {
    migrate_by(MIGRATIONS, connection)
}

/// Each step and the new version number are one transaction, so that a crash leaves the old version or
/// the new one, and never a step that is run twice.
fn migrate_by(steps: &[&str], connection: &mut Connection) -> Result<(), StoreErrorKind> {
    let version = recognise(connection)?;
    for (step, next) in steps.iter().zip(1_i64..).filter(|(_, next)| *next > version) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", next)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: an empty database becomes one of the newest version, and a second run changes nothing.
    #[test]
    fn from_nothing_to_the_newest() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert_eq!(recognise(&connection).unwrap(), 0);
        for _ in 0..2 {
            migrate(&mut connection).unwrap();
            assert_eq!(recognise(&connection).unwrap(), VERSION);
        }
        check(&connection).unwrap();
    }

    /// Promise: a step that fails leaves the version it started from, whole, and what went before it.
    #[test]
    fn a_failing_step_leaves_the_version_before_it() {
        let mut connection = Connection::open_in_memory().unwrap();
        let with = |step| [MIGRATIONS, &[step]].concat();
        let steps = with("CREATE TABLE half (a); CREATE TABLE tickets (a);");
        assert!(migrate_by(&steps, &mut connection).is_err());
        assert_eq!(recognise(&connection).unwrap(), VERSION);
        let halves: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'half'", (), |row| row.get(0))
            .unwrap();
        assert_eq!(halves, 0);
        migrate_by(&with("CREATE TABLE later (a);"), &mut connection).unwrap();
        assert!(
            matches!(recognise(&connection), Err(StoreErrorKind::Newer { found, .. }) if found == VERSION + 1)
        );
    }

    /// Promise: another program's database is never taken for ours.
    #[test]
    fn others_databases_are_told_apart() {
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
