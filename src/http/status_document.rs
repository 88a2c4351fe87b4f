//! The JSON that `status --format json` prints and `/status` answers with: names and order of the fields, apart from how
//! the program keeps them. Scripts rely on the names.

use std::io::{self, Write};
use std::path::Path;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::domain::{
    AppCondition, AppName, Counts, Failure, FileCounts, FileRecord, FileState, HookStatus, RateLimit,
    TicketRecord, Trouble, WallTime, write_json,
};
use crate::engine::AppView;

/// A ticket. Absent fields are null. A hundred thousand of them are written straight to their destination.
pub struct TicketView<'a>(pub &'a TicketRecord);

/// Writes the part before the tickets, with the apps as [`app_status`] or [`live_status`] make them, and the hooks.
///
/// # Errors
/// Those of `out`.
pub fn write_head(
    out: &mut impl Write,
    now: WallTime,
    summary: Counts,
    files: &FileCounts,
    apps: &[Value],
    hooks: &[HookStatus],
) -> io::Result<()> {
    let (mut text, mut summary) = (Vec::new(), json!(summary));
    summary["files"] = FileState::ALL.iter().map(|state| (state.as_str(), files[*state])).collect();
    let hooks: Vec<_> = hooks.iter().map(hook_status).collect();
    let head = json!({
        "schema": 1,
        "generated_at": now,
        "summary": summary,
        "apps": apps,
        "hooks": hooks,
        "tickets": [],
    });
    write_json(&mut text, &head)?;
    // List and object stay open for the tickets.
    text.truncate(text.len() - 2);
    out.write_all(&text)
}

/// Writes more tickets; whether they are the first decides on the comma before them.
///
/// # Errors
/// Those of `out`.
pub fn write_tickets(out: &mut impl Write, tickets: &[TicketRecord], are_first: bool) -> io::Result<()> {
    for (place, ticket) in tickets.iter().enumerate() {
        if place > 0 || !are_first {
            out.write_all(b",")?;
        }
        write_json(out, &TicketView(ticket))?;
    }
    Ok(())
}

/// Ends the object with a newline.
///
/// # Errors
/// Those of `out`.
pub fn write_end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"]}\n")
}

/// An app as the state file knows it. Where no watcher runs its state is null.
#[must_use]
pub fn app_status(name: &AppName, trouble: Option<&Trouble>, pending: usize, is_watched: bool) -> Value {
    let condition = trouble.map_or(AppCondition::Active, |trouble| trouble.condition);
    let state = is_watched.then_some(condition.as_str());
    let trouble = trouble.map(|trouble| {
        json!({
            "endpoint": trouble.endpoint.as_str(),
            "reason": trouble.cause.as_str(),
            "message": trouble.message,
            "since": trouble.since,
            "until": trouble.until,
            "next": trouble.next,
            "hint": trouble.hint(),
        })
    });
    // A pause is its trouble without what was asked and answered.
    let mut pause = trouble.clone().filter(|_| condition == AppCondition::Paused);
    if let Some(Value::Object(pause)) = &mut pause {
        pause.retain(|key, _| key != "endpoint" && key != "message");
    }
    json!({ "name": name.as_str(), "state": state, "pause": pause, "trouble": trouble, "pending": pending })
}

/// An app as the engine sees it, which knows its budget as well.
#[must_use]
pub fn live_status(app: &AppView) -> Value {
    let mut status = app_status(&app.name, app.trouble.as_ref(), app.pending, true);
    let RateLimit { requests, per } = app.rate_limit;
    // A whole number wherever it is one, as nearly all are.
    let per_seconds = if per.subsec_nanos() == 0 { json!(per.as_secs()) } else { json!(per.as_secs_f64()) };
    status["budget_left"] = json!(app.budget_left);
    status["rate_limit"] = json!({ "requests": requests, "per_seconds": per_seconds });
    status["requests_this_month"] = json!(app.requests_this_month);
    if let Some(calls) = app.tenant_calls_this_month {
        status["tenant_calls_this_month"] = json!(calls);
    }
    status
}

/// A hook.
fn hook_status(hook: &HookStatus) -> Value {
    json!({
        "name": hook.name.as_str(),
        "state": if hook.is_ended { "ended" } else { "active" },
        "waiting": hook.waiting,
        "taken": hook.taken,
        "failed": hook.failed,
        "last_error": hook.last_error.as_ref().map(|it| json!({ "message": it.message, "at": it.at })),
    })
}

impl Serialize for TicketView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(ticket) = self;
        let artefact = ticket.artefact.as_deref();
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("app", ticket.entry.key.app.as_str())?;
        fields.serialize_entry("ticket", &ticket.ticket())?;
        fields.serialize_entry("token", ticket.entry.token.as_str())?;
        fields.serialize_entry("label", &ticket.entry.label.as_deref())?;
        fields.serialize_entry("state", ticket.state.as_str())?;
        fields.serialize_entry("file_token", &artefact.map(|it| &*it.file_token))?;
        fields.serialize_entry("file_name", &artefact.and_then(|it| it.file_name.as_deref()))?;
        fields.serialize_entry("file_extension", &ticket.file_extension())?;
        fields.serialize_entry("doc_type", &ticket.doc_type())?;
        fields.serialize_entry("sub_id", &ticket.sub_id())?;
        fields.serialize_entry("file_size", &artefact.and_then(|it| it.file_size))?;
        fields.serialize_entry("job_status", &ticket.job_status)?;
        fields.serialize_entry("polls", &ticket.polls)?;
        fields.serialize_entry("first_seen_at", &ticket.first_seen_at)?;
        fields.serialize_entry("last_polled_at", &ticket.last_polled_at)?;
        fields.serialize_entry("next_poll_at", &ticket.next_poll_at)?;
        fields.serialize_entry("finished_at", &ticket.finished_at)?;
        fields.serialize_entry("download_by", &ticket.download_by)?;
        fields.serialize_entry("error", &ticket.error.as_deref().map(|it| error(ticket, it)))?;
        fields.serialize_entry("document", &document(ticket))?;
        fields.serialize_entry("generation", &ticket.generation())?;
        fields.serialize_entry("file", &ticket.file.as_deref().map(|file| file_status(ticket, file)))?;
        fields.end()
    }
}

/// What is to be exported, as the watch list has it; none for a ticket.
fn document(ticket: &TicketRecord) -> Option<Value> {
    let request = ticket.export.as_deref().and(ticket.entry.request.as_deref())?;
    Some(json!({
        "url": request.url,
        "type": request.doc_type,
        "token": ticket.entry.token.as_str(),
        "format": request.file_extension,
        "sub_id": request.sub_id,
    }))
}

/// A path that is not UTF-8 shows with replacement characters.
fn file_status(ticket: &TicketRecord, file: &FileRecord) -> Value {
    json!({
        "state": file.state.as_str(),
        "path": file.path.as_deref().map(Path::to_string_lossy),
        "size": file.size,
        "sha256": file.sha256.map(|hash| hash.to_string()),
        "saved_at": file.saved_at,
        "attempts": file.attempts,
        "error": file.error.as_deref().map(|it| error(ticket, it)),
    })
}

/// Why a ticket or a file failed; while it is pending, the last trouble.
fn error(ticket: &TicketRecord, failure: &Failure) -> Value {
    json!({
        "kind": failure.kind.as_str(),
        "code": failure.code,
        "job_status": failure.job_status,
        "http_status": failure.http_status,
        "message": failure.message,
        "hint": ticket.hint(failure),
        "log_id": failure.log_id,
    })
}
