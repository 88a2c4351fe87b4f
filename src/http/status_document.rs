//! The JSON that `status --format json` prints and `/status` answers with: names and order of the fields, apart from how
//! the program keeps them. Scripts rely on the names.

use std::io::{self, Write};
use std::num::NonZeroU32;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::domain::{
    AppCondition, AppName, Counts, Failure, RateLimit, TicketRecord, Trouble, WallTime, write_json,
};
use crate::engine::AppView;

/// What stands before the tickets.
#[derive(Serialize)]
struct Head<'a> {
    /// The number that changes if a script would have to.
    schema: u32,
    generated_at: Time,
    summary: Counts,
    apps: &'a [AppStatus<'a>],
}

/// A ticket. Absent fields are null.
pub struct TicketView<'a>(pub &'a TicketRecord);

/// Why a ticket failed; while it is pending, the last trouble.
struct ErrorView<'a>(&'a Failure);

/// An app.
pub struct AppStatus<'a> {
    /// Its name.
    pub name: &'a AppName,
    /// How it does; none where no watcher runs.
    pub condition: Option<AppCondition>,
    /// What is wrong with it.
    pub trouble: Option<&'a Trouble>,
    /// Its pending tickets.
    pub pending: usize,
    /// The engine's view of it, whose fields are left out where the state file is all there is.
    pub engine: Option<&'a AppView>,
}

/// What is wrong with an app. As its pause two fields are left out.
struct TroubleStatus<'a> {
    trouble: &'a Trouble,
    is_pause: bool,
}

#[derive(Serialize)]
struct LimitStatus {
    requests: NonZeroU32,
    per_seconds: Value,
}

/// A moment, printed as RFC 3339 in UTC with milliseconds.
struct Time(WallTime);

/// Writes what stands before the tickets.
///
/// # Errors
/// Whatever `out` says.
pub fn write_head(
    out: &mut impl Write,
    now: WallTime,
    summary: Counts,
    apps: &[AppStatus<'_>],
) -> io::Result<()> {
    let mut text = Vec::new();
    write_json(&mut text, &Head { schema: 1, generated_at: Time(now), summary, apps })?;
    // The object stays open for the tickets.
    text.pop();
    text.extend_from_slice(b",\"tickets\":[");
    out.write_all(&text)
}

/// Writes more tickets; whether they are the first decides on the comma before them.
///
/// # Errors
/// Whatever `out` says.
pub fn write_tickets(out: &mut impl Write, tickets: &[TicketRecord], are_first: bool) -> io::Result<()> {
    for (place, ticket) in tickets.iter().enumerate() {
        if place > 0 || !are_first {
            out.write_all(b",")?;
        }
        write_ticket(out, ticket)?;
    }
    Ok(())
}

/// Ends the object with a newline.
///
/// # Errors
/// Whatever `out` says.
pub fn write_end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"]}\n")
}

/// Writes a ticket as one object.
///
/// # Errors
/// Whatever `out` says.
pub fn write_ticket(out: &mut impl Write, ticket: &TicketRecord) -> io::Result<()> {
    write_json(out, &TicketView(ticket))
}

impl<'a> From<&'a AppView> for AppStatus<'a> {
    fn from(app: &'a AppView) -> Self {
        let (condition, trouble) = (Some(app.condition()), app.trouble.as_ref());
        Self { name: &app.name, condition, trouble, pending: app.pending, engine: Some(app) }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Serialize for TicketView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(ticket) = self;
        let file = ticket.artefact.as_deref();
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("app", ticket.key.app.as_str())?;
        fields.serialize_entry("ticket", ticket.key.ticket.as_str())?;
        fields.serialize_entry("token", ticket.token.as_str())?;
        fields.serialize_entry("label", &ticket.label.as_deref())?;
        fields.serialize_entry("state", ticket.state.as_str())?;
        fields.serialize_entry("file_token", &file.map(|file| &*file.file_token))?;
        fields.serialize_entry("file_name", &file.and_then(|file| file.file_name.as_deref()))?;
        fields.serialize_entry("file_extension", &ticket.file_extension())?;
        fields.serialize_entry("doc_type", &ticket.doc_type())?;
        fields.serialize_entry("sub_id", &ticket.sub_id())?;
        fields.serialize_entry("file_size", &file.and_then(|file| file.file_size))?;
        fields.serialize_entry("job_status", &ticket.job_status)?;
        fields.serialize_entry("polls", &ticket.polls)?;
        fields.serialize_entry("first_seen_at", &Time(ticket.first_seen_at))?;
        fields.serialize_entry("last_polled_at", &ticket.last_polled_at.map(Time))?;
        fields.serialize_entry("next_poll_at", &ticket.next_poll_at.map(Time))?;
        fields.serialize_entry("finished_at", &ticket.finished_at.map(Time))?;
        fields.serialize_entry("download_by", &ticket.download_by.map(Time))?;
        fields.serialize_entry("error", &ticket.error.as_deref().map(ErrorView))?;
        fields.end()
    }
}

impl Serialize for ErrorView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(error) = self;
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("kind", error.kind.as_str())?;
        fields.serialize_entry("code", &error.code)?;
        fields.serialize_entry("job_status", &error.job_status)?;
        fields.serialize_entry("http_status", &error.http_status)?;
        fields.serialize_entry("message", &error.message)?;
        fields.serialize_entry("hint", error.hint())?;
        fields.serialize_entry("log_id", &error.log_id)?;
        fields.end()
    }
}

impl Serialize for AppStatus<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let status = |is_pause| move |trouble| TroubleStatus { trouble, is_pause };
        let pause = self.trouble.filter(|trouble| trouble.condition == AppCondition::Paused);
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("name", self.name.as_str())?;
        fields.serialize_entry("state", &self.condition.map(AppCondition::as_str))?;
        fields.serialize_entry("pause", &pause.map(status(true)))?;
        fields.serialize_entry("trouble", &self.trouble.map(status(false)))?;
        fields.serialize_entry("pending", &self.pending)?;
        if let Some(engine) = self.engine {
            fields.serialize_entry("budget_left", &engine.budget_left)?;
            let RateLimit { requests, per } = engine.rate_limit;
            // A whole number wherever it is one, as nearly all are.
            let is_whole = per.subsec_nanos() == 0;
            let per_seconds = if is_whole { per.as_secs().into() } else { per.as_secs_f64().into() };
            fields.serialize_entry("rate_limit", &LimitStatus { requests, per_seconds })?;
            fields.serialize_entry("requests_this_month", &engine.requests_this_month)?;
        }
        fields.end()
    }
}

impl Serialize for TroubleStatus<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { trouble, is_pause } = self;
        let mut fields = serializer.serialize_map(None)?;
        if !is_pause {
            fields.serialize_entry("endpoint", trouble.endpoint.as_str())?;
        }
        fields.serialize_entry("reason", trouble.cause.as_str())?;
        if !is_pause {
            fields.serialize_entry("message", &trouble.message)?;
        }
        fields.serialize_entry("since", &Time(trouble.since))?;
        fields.serialize_entry("until", &trouble.until.map(Time))?;
        fields.serialize_entry("next", &trouble.next.map(Time))?;
        fields.serialize_entry("hint", trouble.cause.hint())?;
        fields.end()
    }
}
