//! Listings as queries. Whatever a person typed is bound as a parameter; the text of a query is made of words of this file.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::cells::clamped;
use super::tickets;
use crate::domain::{ErrorKind, FileState, TicketState};
use crate::store::{Filter, Listed, Listing, Order, StoreErrorKind};

/// Reads listings, one at least, all of one moment.
///
/// # Errors
/// Those of [`tickets::select`].
pub(super) fn read(connection: &Connection, listings: &[Listing]) -> Result<Vec<Listed>, StoreErrorKind> {
    let totals = totals(connection, listings)?;
    listings.iter().zip(totals).map(|(listing, total)| page(connection, listing, total)).collect()
}

/// How many tickets the selection of each has: one walk through the table for all.
fn totals(connection: &Connection, listings: &[Listing]) -> rusqlite::Result<Vec<usize>> {
    let mut terms = Terms::default();
    let counts = listings.iter().map(|it| format!("count(*) FILTER (WHERE {})", terms.of(&it.filter)));
    let sql = format!("SELECT {} FROM tickets", counts.collect::<Vec<_>>().join(", "));
    connection.query_row(&sql, params_from_iter(terms.values), |row| {
        (0..listings.len()).map(|place| row.get::<_, u32>(place).map(|count| count as usize)).collect()
    })
}

/// The keys are sorted first, so that only the rows which are read are taken apart.
fn page(connection: &Connection, listing: &Listing, total: usize) -> Result<Listed, StoreErrorKind> {
    if total <= listing.offset || listing.limit == 0 {
        return Ok(Listed { tickets: Vec::new(), total });
    }
    let mut terms = Terms::default();
    let (filter, order) = (terms.of(&listing.filter), order(listing.order));
    let limit = terms.bind(Value::Integer(clamped(listing.limit)));
    let offset = terms.bind(Value::Integer(clamped(listing.offset)));
    let which = format!(
        "WHERE (app, ticket) IN (SELECT app, ticket FROM tickets WHERE {filter}
            ORDER BY {order} LIMIT {limit} OFFSET {offset})
         ORDER BY {order}"
    );
    Ok(Listed { tickets: tickets::select(connection, &which, params_from_iter(terms.values))?, total })
}

/// Terms of a query, and what is bound to their places.
#[derive(Default)]
struct Terms {
    values: Vec<Value>,
}

impl Terms {
    /// The place of a value.
    fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("?{}", self.values.len())
    }

    fn text(&mut self, text: &str) -> String {
        self.bind(Value::Text(text.to_owned()))
    }

    /// The condition of a selection.
    fn of(&mut self, filter: &Filter) -> String {
        let Filter { needs_attention, has_file, state, file, app, label, document } = filter;
        let mut terms = vec!["true".to_owned()];
        terms.extend(needs_attention.then(needs_attention_term));
        terms.extend(has_file.then(|| "file_state IS NOT NULL".to_owned()));
        terms.extend(state.map(|state| format!("state = {}", self.text(state.as_str()))));
        terms.extend(file.map(|file| format!("file_state = {}", self.text(file.as_str()))));
        terms.extend(app.as_ref().map(|app| format!("app = {}", self.text(app.as_str()))));
        terms.extend(label.as_deref().map(|label| {
            let text = self.text(&label.to_ascii_lowercase());
            // Of ASCII alone, as this function makes letters small.
            any_of(&["lower(label)", "lower(file_name)"], &text)
        }));
        terms.extend(document.as_deref().map(|document| {
            let text = self.text(document);
            any_of(&["ticket", "export_ticket", "token", "object_token", "url"], &text)
        }));
        terms.join(" AND ")
    }
}

/// Whether one of the columns holds the text. Of a column that is null that is unknown, which is as good as false.
fn any_of(columns: &[&str], text: &str) -> String {
    let holds = columns.iter().map(|column| format!("instr({column}, {text}) > 0"));
    format!("({})", holds.collect::<Vec<_>>().join(" OR "))
}

fn needs_attention_term() -> String {
    let states = words([TicketState::Failed, TicketState::TimedOut].map(TicketState::as_str));
    let files = words([FileState::Failed, FileState::Expired].map(FileState::as_str));
    let kinds = ErrorKind::ALL.iter().filter(|kind| kind.is_of_disk()).map(|kind| kind.as_str());
    let (waiting, kinds) = (FileState::Waiting, words(kinds));
    format!(
        "unlisted_since IS NULL AND (state IN ({states}) OR file_state IN ({files})
            OR file_state = '{waiting}' AND file_error_kind IN ({kinds}))"
    )
}

/// Names of this program in quotes, which hold none.
fn words(names: impl IntoIterator<Item = &'static str>) -> String {
    names.into_iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

fn order(order: Order) -> &'static str {
    match order {
        Order::Attention => {
            "CASE WHEN unlisted_since IS NOT NULL THEN 7 WHEN state = 'failed' THEN 0
                WHEN state = 'timed_out' THEN 1 WHEN file_state IN ('failed', 'expired') THEN 2
                WHEN file_state = 'waiting' THEN 3 WHEN state = 'pending' THEN 4
                WHEN state = 'completed' THEN 5 ELSE 6 END,
             CASE WHEN file_state = 'waiting' THEN coalesce(download_by, 0)
                WHEN state = 'pending' THEN coalesce(created_at, first_seen_at)
                ELSE -coalesce(finished_at, 0) END, app, ticket"
        }
        Order::Newest => "first_seen_at DESC, app, ticket",
        Order::Ended => "finished_at DESC NULLS LAST, app, ticket",
        Order::Next => "next_poll_at NULLS LAST, app, ticket",
        Order::Name => "app, ticket",
        Order::TimeLeft => {
            "CASE file_state WHEN 'waiting' THEN 0 ELSE 1 END,
             CASE file_state WHEN 'waiting' THEN coalesce(download_by, 0)
                ELSE -coalesce(file_saved_at, finished_at, 0) END, app, ticket"
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{migrate, rows, testing};
    use super::*;
    use crate::domain::{AppName, Failure, FileRecord, TicketRecord};
    use crate::store::Batch;

    fn database(tickets: Vec<TicketRecord>) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate::migrate(&mut connection).unwrap();
        rows::write(&connection, &Batch { tickets, ..Batch::default() }).unwrap();
        connection
    }

    fn ids(connection: &Connection, listing: &Listing) -> (String, usize) {
        let listed = read(connection, std::slice::from_ref(listing)).unwrap().remove(0);
        let ids: Vec<_> = listed.tickets.iter().map(|ticket| ticket.entry.key.id.as_str()).collect();
        (ids.join(" "), listed.total)
    }

    fn all(filter: Filter, order: Order) -> Listing {
        Listing { filter, order, offset: 0, limit: 100 }
    }

    fn ended(id: &str, state: TicketState, seconds: u64) -> TicketRecord {
        let finished_at = Some(testing::NOW + Duration::from_secs(seconds));
        let error =
            (state == TicketState::Failed).then(|| Box::new(Failure::new(ErrorKind::DocumentTooLarge)));
        TicketRecord { state, finished_at, error, ..testing::fresh(id) }
    }

    fn with_file(id: &str, state: FileState, seconds: u64) -> TicketRecord {
        let mut ticket = ended(id, TicketState::Completed, seconds);
        let error = state.is_lost().then(|| Box::new(Failure::new(ErrorKind::Expired)));
        ticket.file = Some(Box::new(FileRecord { state, error, ..FileRecord::new() }));
        ticket
    }

    /// One of each kind, named for its place among those that need attention.
    fn mixed() -> Vec<TicketRecord> {
        use TicketState::{Completed, Failed, Removed, TimedOut};
        let mut old = testing::fresh("g-old");
        old.entry.created_at = Some(testing::NOW - Duration::from_secs(9));
        let mut urgent = with_file("f-urgent", FileState::Waiting, 1);
        urgent.download_by = Some(testing::NOW);
        let mut disk = with_file("f2-disk", FileState::Waiting, 1);
        disk.download_by = Some(testing::NOW + Duration::from_secs(1));
        disk.file.as_mut().unwrap().error = Some(Box::new(Failure::new(ErrorKind::DiskFull)));
        let unlisted = TicketRecord { unlisted_since: Some(testing::NOW), ..ended("z", Failed, 99) };
        let mut tickets = vec![
            ended("a", Failed, 9),
            ended("b", Failed, 5),
            ended("c", TimedOut, 99),
            with_file("d", FileState::Expired, 3),
            with_file("e-unknown", FileState::Waiting, 1),
            urgent,
            disk,
            old,
            testing::fresh("h"),
            with_file("i", FileState::Saved, 7),
            ended("j", Completed, 6),
            ended("y", Removed, 99),
            unlisted,
        ];
        tickets.reverse();
        tickets
    }

    /// Promise: what needs attention comes first, and alone where it is asked for; what left the list is dealt with.
    #[test]
    fn attention_comes_first() {
        let connection = database(mixed());
        let order = "a b c d e-unknown f-urgent f2-disk g-old h i j y z";
        assert_eq!(ids(&connection, &all(Filter::default(), Order::Attention)), (order.to_owned(), 13));
        let filter = Filter { needs_attention: true, ..Filter::default() };
        let attention = all(filter.clone(), Order::Attention);
        assert_eq!(ids(&connection, &attention), ("a b c d f2-disk".to_owned(), 5));
        let page = Listing { offset: 1, limit: 2, ..attention };
        assert_eq!(ids(&connection, &page), ("b c".to_owned(), 5));
        let beyond = Listing { offset: 5, ..page };
        assert_eq!(ids(&connection, &beyond), (String::new(), 5));
        let files = Filter { has_file: true, ..Filter::default() };
        let left = ids(&connection, &all(files, Order::TimeLeft));
        assert_eq!(left, ("e-unknown f-urgent f2-disk i d".to_owned(), 5));
        for ticket in read(&connection, &[all(filter, Order::Name)]).unwrap()[0].tickets.iter() {
            assert!(ticket.attention(testing::NOW).is_some(), "{ticket:?}");
        }
    }

    /// Promise: every order is one that the database knows, and names are the last word in each.
    #[test]
    fn every_order_is_known() {
        let mut late = testing::fresh("b");
        late.first_seen_at = testing::NOW + Duration::from_secs(9);
        late.next_poll_at = Some(testing::NOW);
        let connection = database(vec![testing::fresh("c"), late, ended("a", TicketState::Failed, 1)]);
        for (order, expected) in [
            (Order::Attention, "a c b"),
            (Order::Newest, "b a c"),
            (Order::Ended, "a b c"),
            (Order::Next, "b a c"),
            (Order::Name, "a b c"),
            (Order::TimeLeft, "a b c"),
        ] {
            assert_eq!(ids(&connection, &all(Filter::default(), order)).0, expected, "{order:?}");
        }
        assert_eq!(Order::ALL.len(), 6);
    }

    /// Promise: a text is looked for as it was typed: no character of it means anything to the database.
    #[test]
    fn filters_take_texts_literally() {
        let mut odd = testing::fresh("odd");
        odd.entry.label = Some("100%_' OR 1=1 --Weekly 周报".into());
        let mut lark = testing::full("lark");
        lark.entry.key.app = AppName::new("lark");
        lark.entry.label = None;
        let connection = database(vec![odd, lark, testing::document("docx/doxcnX/pdf")]);
        let found = |filter: Filter| ids(&connection, &all(filter, Order::Name)).0;
        let label = |text: &str| found(Filter { label: Some(text.to_owned()), ..Filter::default() });
        for (text, expected) in [
            ("100%_' OR 1=1 --", "odd"),
            ("weekly", "odd"),
            ("WEEKLY 周", "odd"),
            ("%", "odd"),
            ("REPORT", "lark"),
            ("_weekly", ""),
            ("' OR 1=1 OR '", ""),
            ("*", ""),
        ] {
            assert_eq!(label(text), expected, "{text}");
        }
        let document = |text: &str| found(Filter { document: Some(text.to_owned()), ..Filter::default() });
        for (text, expected) in [
            ("doxcnX", "docx/doxcnX/pdf"),
            ("https://acme.feishu.cn/wiki/", "docx/doxcnX/pdf"),
            ("6933093124755412345", "docx/doxcnX/pdf"),
            ("lar", "lark"),
            ("DOXCNX", ""),
            ("docbcZVGtv1papC6jAVGiyabcef", "docx/doxcnX/pdf odd lark"),
        ] {
            assert_eq!(document(text), expected, "{text}");
        }
        let app = Filter {
            app: Some(AppName::new("lark")),
            state: Some(TicketState::Completed),
            ..Filter::default()
        };
        assert_eq!(found(app.clone()), "lark");
        assert_eq!(found(Filter { state: Some(TicketState::Pending), ..app.clone() }), "");
        assert_eq!(found(Filter { file: Some(FileState::Saved), ..app.clone() }), "lark");
        assert_eq!(found(Filter { app: Some(AppName::new("' OR ''='")), ..Filter::default() }), "");
        let several =
            read(&connection, &[all(app, Order::Name), all(Filter::default(), Order::Name)]).unwrap();
        assert_eq!(several.iter().map(|listed| listed.total).collect::<Vec<_>>(), [1, 3]);
    }
}
