//! What the state file ever held: tables beside the program's own, kept by triggers within the very transactions that
//! write tickets, the outbox and events for hooks. So a test knows what was durable at any moment, although rows are replaced and
//! removed.

use rusqlite::Connection;
use serde_json::Value;

use crate::harness::Bench;
use crate::outputs::copy_of_state;

const REMEMBER: &str = "
    CREATE TABLE known_rows (
        id INTEGER PRIMARY KEY,
        ticket TEXT NOT NULL, token TEXT NOT NULL, state TEXT NOT NULL, finished_at INTEGER,
        file_token TEXT, error_kind TEXT, error_job_status INTEGER, polls INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE verdicts (
        id INTEGER PRIMARY KEY, payload TEXT NOT NULL, announced INTEGER NOT NULL
    ) STRICT;
    CREATE TRIGGER remember_verdict AFTER INSERT ON outbox BEGIN
        INSERT OR IGNORE INTO verdicts VALUES (NEW.id, NEW.payload, 0);
    END;
    CREATE TRIGGER remember_announced AFTER DELETE ON outbox BEGIN
        UPDATE verdicts SET announced = 1 WHERE id = OLD.id;
    END;
    CREATE TABLE known_events (
        hook TEXT NOT NULL, id INTEGER NOT NULL, payload TEXT NOT NULL, gone INTEGER NOT NULL, PRIMARY KEY (hook, id)
    ) STRICT;
    CREATE TRIGGER remember_event AFTER INSERT ON deliveries BEGIN
        INSERT OR IGNORE INTO known_events VALUES (NEW.hook, NEW.id, NEW.payload, 0);
    END;
    CREATE TRIGGER remember_taken AFTER DELETE ON deliveries BEGIN
        UPDATE known_events SET gone = 1 WHERE hook = OLD.hook AND id = OLD.id;
    END;
    CREATE TRIGGER remember AFTER INSERT ON tickets BEGIN
        INSERT INTO known_rows VALUES (NULL, iif(NEW.generation IS NULL, NEW.ticket, NEW.token), NEW.token, NEW.state, NEW.finished_at,
            NEW.file_token, NEW.error_kind, NEW.error_job_status, NEW.polls);
    END;";

/// A verdict, as the state file has it and the log says it. Its moment distinguishes two of one ticket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Verdict {
    /// The ticket that a list names, or the document's token.
    pub(super) ticket: String,
    pub(super) token: String,
    pub(super) state: String,
    /// Milliseconds since the Unix epoch.
    pub(super) finished_at: i64,
    pub(super) file_token: Option<String>,
    pub(super) error_kind: Option<String>,
    pub(super) error_job_status: Option<i64>,
}

/// A row that was committed once.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) ticket: String,
    pub(super) token: String,
    pub(super) polls: u32,
    /// None while the ticket is pending.
    pub(super) verdict: Option<Verdict>,
}

/// A row that the outbox had once.
#[derive(Debug)]
pub(super) struct Announcement {
    pub(super) payload: Value,
    /// Whether the row is gone.
    pub(super) is_taken: bool,
}

/// An event that waited for a hook once.
#[derive(Debug)]
pub(super) struct HookRow {
    pub(super) hook: String,
    pub(super) id: i64,
    pub(super) payload: Value,
    /// Whether the row is gone.
    pub(super) is_gone: bool,
}

/// Rows in the order of their commits, and the queries that the state file counts.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) rows: Vec<Row>,
    pub(super) outbox: Vec<Announcement>,
    pub(super) events: Vec<HookRow>,
    pub(super) queries: u32,
}

impl Memory {
    /// Lets the state file remember from now on. No process may have it open.
    pub(super) fn begin(bench: &Bench) {
        let connection = Connection::open(bench.path("state.db")).unwrap();
        connection.execute_batch(REMEMBER).unwrap();
        connection.close().unwrap();
    }

    /// Reads what was added since the last time from the state file of a dead process, by a copy: the next process
    /// is to find what that one left. What was there once must be there still.
    pub(super) fn read(&mut self, bench: &Bench) {
        let (_copy, connection) = copy_of_state(bench);
        let number = |sql: &str| connection.query_row(sql, (), |row| row.get::<_, u32>(0)).unwrap();
        let (known, count) = (self.rows.len(), number("SELECT count(*) FROM known_rows") as usize);
        let sql = "SELECT ticket, token, state, finished_at, file_token, error_kind, error_job_status, polls
            FROM known_rows WHERE id > ? ORDER BY id";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([i64::try_from(known).unwrap()], read_row).unwrap();
        self.rows.extend(rows.map(Result::unwrap));
        assert!(self.rows.len() == count && count >= known, "rows that were committed are gone");
        let mut statement =
            connection.prepare("SELECT payload, announced FROM verdicts ORDER BY id").unwrap();
        let verdicts = statement.query_map((), |row| {
            let payload = serde_json::from_str(&row.get::<_, String>(0)?).unwrap();
            Ok(Announcement { payload, is_taken: row.get(1)? })
        });
        self.outbox = verdicts.unwrap().map(Result::unwrap).collect();
        let mut statement = connection.prepare("SELECT hook, id, payload, gone FROM known_events").unwrap();
        let events = statement.query_map((), |row| {
            let payload = serde_json::from_str(&row.get::<_, String>(2)?).unwrap();
            Ok(HookRow { hook: row.get(0)?, id: row.get(1)?, payload, is_gone: row.get(3)? })
        });
        self.events = events.unwrap().map(Result::unwrap).collect();
        self.queries = number("SELECT coalesce(sum(requests), 0) FROM tallies");
    }
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let (ticket, token, state): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let verdict = if state == "pending" {
        None
    } else {
        Some(Verdict {
            ticket: ticket.clone(),
            token: token.clone(),
            state,
            finished_at: row.get(3)?,
            file_token: row.get(4)?,
            error_kind: row.get(5)?,
            error_job_status: row.get(6)?,
        })
    };
    Ok(Row { ticket, token, polls: row.get(7)?, verdict })
}
