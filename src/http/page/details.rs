//! `/ticket/APP/ENTRY`: everything that is known about one entry, and what happened to it.

use std::fmt;

use askama::Template;
use askama::filters::{Html, HtmlSafe};
use url::Url;

use super::text::{Foreign, LONG, Moment, masked};
use super::tickets;
use crate::domain::{
    Artefact, EntryKey, ExportRecord, Failure, FileRecord, Link, TicketRecord, WallTime, size_in_words,
};
use crate::http::shared::Shared;
use crate::store::{HistoryRow, StoreError};

/// The page.
#[derive(Template)]
#[template(path = "details.html", config = "src/http/page/askama.toml")]
pub(super) struct Details {
    title: Foreign,
    state: String,
    tables: Vec<Table>,
    history: Vec<Happened>,
}

/// What is known about one thing: names and values.
struct Table {
    caption: &'static str,
    rows: Vec<(&'static str, Value)>,
}

/// A value, in the form in which it shows.
enum Value {
    Text(Foreign),
    At(Moment),
    /// A link to a document, as it is listed, and where it leads.
    Link(Foreign, String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            Self::At(at) => at.fmt(f),
            Self::Link(text, href) => {
                // A host may hold a quote.
                let Ok(href) = askama::filters::escape(href, Html);
                write!(f, "<a href=\"{href}\" rel=\"noreferrer noopener\">{text}</a>")
            }
        }
    }
}

impl HtmlSafe for Value {}

/// A line of the history.
struct Happened {
    at: Moment,
    event: Foreign,
    kind: Option<Foreign>,
}

impl Details {
    /// Reads an entry and makes its page; none where it is not known. Blocks while the state file is read.
    ///
    /// # Errors
    /// The state file can't be read.
    pub(super) fn read(shared: &Shared, key: &EntryKey) -> Result<Option<Self>, StoreError> {
        let Some(ticket) = shared.state.ticket(key)? else { return Ok(None) };
        Ok(Some(Self::new(&ticket, &shared.state.history(key)?)))
    }

    pub(super) fn new(ticket: &TicketRecord, history: &[HistoryRow]) -> Self {
        let artefact = ticket.artefact.as_deref().map(|it| of_artefact(ticket, it));
        let file = ticket.file.as_deref().map(of_file);
        let failure = |caption, failure: Option<&Failure>| failure.map(|it| of_failure(caption, ticket, it));
        let tables = [
            Some(of_ticket(ticket)),
            failure("What went wrong", ticket.error.as_deref()),
            Some(of_document(ticket)),
            ticket.export.as_deref().map(of_export),
            artefact,
            file,
            failure("What went wrong with the file", ticket.file_error()),
        ];
        let happened = |row: &HistoryRow| Happened {
            at: Moment(row.at),
            event: Foreign::new(&row.event, LONG),
            kind: row.kind.as_deref().map(|kind| Foreign::new(kind, LONG)),
        };
        Self {
            title: Foreign::new(&ticket.entry.in_words(), LONG),
            state: tickets::state(ticket),
            tables: tables.into_iter().flatten().collect(),
            // The latest first.
            history: history.iter().rev().map(happened).collect(),
        }
    }
}

/// Rows of a table; what is not known is left out.
#[derive(Default)]
struct Rows(Vec<(&'static str, Value)>);

impl Rows {
    fn text(mut self, name: &'static str, text: Option<impl AsRef<str>>) -> Self {
        self.0.extend(text.map(|text| (name, Value::Text(Foreign::new(text.as_ref(), LONG)))));
        self
    }

    fn shown(self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.text(name, value.map(|value| value.to_string()))
    }

    fn at(mut self, name: &'static str, at: Option<WallTime>) -> Self {
        self.0.extend(at.map(|at| (name, Value::At(Moment(at)))));
        self
    }

    fn value(mut self, name: &'static str, value: Option<Value>) -> Self {
        self.0.extend(value.map(|value| (name, value)));
        self
    }

    fn under(self, caption: &'static str) -> Table {
        Table { caption, rows: self.0 }
    }
}

fn of_ticket(ticket: &TicketRecord) -> Table {
    let entry = &ticket.entry;
    let rows = Rows::default()
        .shown("State", Some(tickets::state(ticket)))
        .text("App", Some(entry.key.app.as_str()))
        .text("Ticket", ticket.ticket())
        .text("Label", entry.label.as_deref())
        .value("Listed in", Some(Value::Text(Foreign::from_path(&entry.source))))
        .at("Job created", entry.created_at)
        .at("First seen", Some(ticket.first_seen_at))
        .shown("Polls", Some(ticket.polls))
        .at("Last poll", ticket.last_polled_at)
        .at(if ticket.is_uncreated() { "Next try" } else { "Next poll" }, ticket.next_poll_at)
        .shown("Job status", ticket.job_status)
        .at("Ended", ticket.finished_at)
        .at("Left the watch list", ticket.unlisted_since);
    rows.under("Ticket")
}

fn of_document(ticket: &TicketRecord) -> Table {
    let entry = &ticket.entry;
    let rows = Rows::default()
        .value("Link", entry.url().map(link))
        .text("Token", Some(entry.token.as_str()))
        .text("Type", ticket.doc_type())
        .text("Format", ticket.file_extension())
        .text("Sheet or table", ticket.sub_id());
    rows.under("Document")
}

/// A link only where it leads by https to Feishu or Lark, in its shortest form; else its text.
fn link(listed: &str) -> Value {
    let text = Foreign::new(listed, LONG);
    let is_https = Url::parse(listed.trim()).is_ok_and(|url| url.scheme() == "https");
    match Link::parse(listed) {
        Ok(link) if is_https && !link.is_loopback() => Value::Link(text, link.to_string()),
        _ => Value::Text(text),
    }
}

fn of_export(export: &ExportRecord) -> Table {
    let rows = Rows::default()
        .text("Leads to", export.object.as_ref().map(|it| format!("{} {}", it.doc_type, it.token)))
        .shown("Tickets so far", Some(export.generation))
        .text("Creating", export.is_creating.then_some("a create is on its way, or its answer is lost"))
        .shown("Lost answers in a row", (export.lost > 0).then_some(export.lost))
        .shown("Repeated after a failure", (export.repeats > 0).then_some(export.repeats))
        .shown("Accepted calls", Some(export.calls));
    rows.under("Export")
}

fn of_artefact(ticket: &TicketRecord, artefact: &Artefact) -> Table {
    let rows = Rows::default()
        .value("File token", Some(Value::Text(masked(&artefact.file_token))))
        .text("Name", artefact.file_name.as_deref())
        .text("Extension", artefact.file_extension.as_deref())
        .text("Source type", artefact.doc_type.as_deref())
        .text("Size", artefact.file_size.map(size_in_words))
        .at("Sure to live until", ticket.download_by);
    rows.under("Exported file at the server")
}

fn of_file(file: &FileRecord) -> Table {
    let rows = Rows::default()
        .text("State", Some(file.state.as_str()))
        .value("Path", file.path.as_deref().map(|path| Value::Text(Foreign::from_path(path))))
        .text("Size", file.size.map(size_in_words))
        .shown("SHA-256", file.sha256)
        .at("Saved", file.saved_at)
        .shown("Transfers", Some(file.attempts));
    rows.under("File on disk")
}

fn of_failure(caption: &'static str, ticket: &TicketRecord, failure: &Failure) -> Table {
    let rows = Rows::default()
        .text("Kind", Some(failure.kind.as_str()))
        .shown("Code", failure.code)
        .shown("Job status", failure.job_status)
        .shown("HTTP status", failure.http_status)
        .text("Message", failure.message.as_deref())
        .text("Log id", failure.log_id.as_deref())
        .text("What to do", Some(ticket.hint(failure)));
    rows.under(caption)
}
