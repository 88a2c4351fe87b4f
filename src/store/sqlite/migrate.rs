//! Brings the state file of an earlier version up to this one.

use rusqlite::{Connection, TransactionBehavior};

use super::schema::{APPLICATION_ID, MIGRATIONS, recognise};
use super::{outbox, tickets};
use crate::domain::verdict_event;
use crate::store::{EventId, OutboxRow, StoreErrorKind};

/// Versions in which a mark on each ticket said whether its verdict is announced, in place of the outbox.
const WITH_MARKS: std::ops::Range<i64> = 1..5;

/// Brings the database up to [`VERSION`](super::schema::VERSION).
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreErrorKind> {
    migrate_by(MIGRATIONS, connection)
}

/// All steps and the new version number are one transaction, so that a crash or an error leaves the old version.
fn migrate_by(steps: &[&str], connection: &mut Connection) -> Result<(), StoreErrorKind> {
    let version = recognise(connection)?;
    let missing: Vec<_> = steps.iter().zip(1_i64..).filter(|(_, next)| *next > version).collect();
    let Some((_, newest)) = missing.last() else { return Ok(()) };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let unannounced = if WITH_MARKS.contains(&version) { marked(&transaction)? } else { Vec::new() };
    for (step, _) in &missing {
        transaction.execute_batch(step)?;
    }
    outbox::write(&transaction, &unannounced)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", newest)?;
    Ok(transaction.commit()?)
}

/// The verdicts that are not announced, as rows of the outbox, in the order in which they came.
fn marked(connection: &Connection) -> Result<Vec<OutboxRow>, StoreErrorKind> {
    let which = "WHERE announced = 0 ORDER BY finished_at, app, ticket";
    let tickets = tickets::select(connection, which, ())?;
    let verdicts = tickets.iter().filter_map(|ticket| {
        Some(verdict_event(ticket, ticket.finished_at.unwrap_or(ticket.first_seen_at))?.into())
    });
    Ok(verdicts.zip(1..).map(|(payload, id)| OutboxRow { id: EventId(id), payload }).collect())
}

#[cfg(test)]
mod tests {
    use super::super::schema::{VERSION, check};
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

    /// Promise: where a step fails the file stays as it was, for the version that wrote it.
    #[test]
    fn a_failing_step_leaves_the_version_before_it() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert!(migrate_by(&[MIGRATIONS[0], "CREATE TABLE tickets (a)"], &mut connection).is_err());
        assert_eq!(recognise(&connection).unwrap(), 0);
        migrate(&mut connection).unwrap();
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
}
