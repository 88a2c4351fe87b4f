//! A verdict as its consumers get it: one flat event with everything that is known about the ticket. It is formed once,
//! when the ticket gets the verdict, so that nothing that happens to the ticket later changes what is announced.

use std::path::Path;

use super::{
    Availability, EventLine, Failure, FileRecord, FileState, TicketRecord, TicketState, WallTime,
    event::{
        DOCUMENT_FAILED, FILE_EXPIRED, FILE_FAILED, FILE_SAVED, TICKET_COMPLETED, TICKET_FAILED,
        TICKET_REMOVED, TICKET_TIMED_OUT,
    },
};

/// The verdict that the ticket got at `now` as a JSON object, with the fields of its line in the log, under the same names
/// and in the same order; what is not known is left out. None while the ticket is pending.
#[must_use]
pub fn verdict_event(ticket: &TicketRecord, now: WallTime) -> Option<String> {
    let (event, message) = (verdict_name(ticket)?, message(ticket, now));
    let level = if Availability::is_doubtful(ticket, now) { "WARN" } else { "INFO" };
    let line = head(now, level, &message, event, ticket)
        .with("job_status", ticket.job_status)
        .with("polls", ticket.polls)
        .with("first_seen_at", ticket.first_seen_at)
        .with("last_polled_at", ticket.last_polled_at)
        .with("finished_at", ticket.finished_at)
        .with("download_by", ticket.download_by);
    with_error(line, ticket, ticket.error.as_deref()).end()
}

/// The outcome of the ticket's file at `now`, with the fields of its line in the log as above. None while the file is not
/// to be downloaded, or waits.
#[must_use]
pub fn file_event(ticket: &TicketRecord, now: WallTime) -> Option<String> {
    let file = ticket.file.as_deref()?;
    let (event, (level, message)) = (file_event_name(file.state)?, file_message(ticket, file));
    let line = head(now, level, &message, event, ticket)
        .with("finished_at", ticket.finished_at)
        .with("download_by", ticket.download_by)
        .with("file.state", file.state.as_str())
        .with("file.path", file.path.as_deref().map(Path::to_string_lossy))
        .with("file.size", file.size)
        .with("file.sha256", file.sha256.as_ref().map(ToString::to_string))
        .with("file.saved_at", file.saved_at)
        .with("file.attempts", file.attempts);
    with_error(line, ticket, file.error.as_deref()).end()
}

/// The name of the event of a ticket's verdict; none while it is pending. A document that failed without a ticket could not
/// be exported.
#[must_use]
pub fn verdict_name(ticket: &TicketRecord) -> Option<&'static str> {
    Some(match ticket.state {
        TicketState::Pending => return None,
        TicketState::Completed => TICKET_COMPLETED,
        TicketState::Failed if ticket.is_uncreated() => DOCUMENT_FAILED,
        TicketState::Failed => TICKET_FAILED,
        TicketState::TimedOut => TICKET_TIMED_OUT,
        TicketState::Removed => TICKET_REMOVED,
    })
}

/// The name of the event of a file's outcome; none while it waits.
#[must_use]
pub const fn file_event_name(state: FileState) -> Option<&'static str> {
    match state {
        FileState::Waiting => None,
        FileState::Saved => Some(FILE_SAVED),
        FileState::Failed => Some(FILE_FAILED),
        FileState::Expired => Some(FILE_EXPIRED),
    }
}

/// What every verdict begins with: the line itself, then the ticket or document and its artefact.
fn head(now: WallTime, level: &str, message: &str, event: &str, ticket: &TicketRecord) -> EventLine {
    let (entry, artefact) = (&ticket.entry, ticket.artefact.as_deref());
    EventLine::new(now, level, message, event)
        .with("app", entry.key.app.as_str())
        .with("ticket", ticket.ticket())
        .with("token", entry.token.as_str())
        .with("label", entry.label.as_deref())
        .with("document", entry.document())
        .with("generation", ticket.generation())
        .with("state", ticket.state.as_str())
        .with("file_token", artefact.map(|it| &it.file_token))
        .with("file_name", artefact.map(|it| &it.file_name))
        .with("file_extension", ticket.file_extension())
        .with("doc_type", ticket.doc_type())
        .with("sub_id", ticket.sub_id())
        .with("file_size", artefact.map(|it| it.file_size))
}

/// What every verdict ends with.
fn with_error(line: EventLine, ticket: &TicketRecord, error: Option<&Failure>) -> EventLine {
    let Some(error) = error else { return line };
    line.with("error.kind", error.kind.as_str())
        .with("error.code", error.code)
        .with("error.job_status", error.job_status)
        .with("error.http_status", error.http_status)
        .with("error.message", &error.message)
        .with("error.hint", ticket.hint(error))
        .with("error.log_id", &error.log_id)
}

/// What to do where there will be no file.
fn export_again(ticket: &TicketRecord) -> &'static str {
    if ticket.export.is_some() { "retry the document" } else { "export the document again" }
}

/// The level and the words of a file's outcome. A saved file with an error is one that differs from the size that the query
/// named.
fn file_message(ticket: &TicketRecord, file: &FileRecord) -> (&'static str, String) {
    let subject = ticket.entry.in_words();
    let kind = file.error.as_deref().map(|error| format!(": {}", error.kind)).unwrap_or_default();
    match file.state {
        FileState::Waiting => ("INFO", format!("file of {subject} is being fetched")),
        FileState::Saved => {
            let path = file.path.as_deref().map(|path| format!(" as {}", path.display())).unwrap_or_default();
            let level = if file.error.is_some() { "WARN" } else { "INFO" };
            let odd = file.error.as_deref().and_then(|error| error.message.as_deref());
            let odd = odd.map(|odd| format!(", but {odd}")).unwrap_or_default();
            (level, format!("file of {subject} saved{path}{odd}"))
        }
        FileState::Failed => ("WARN", format!("file of {subject} can't be saved{kind}")),
        FileState::Expired => {
            let again = export_again(ticket);
            let gone = "was deleted by the server before it could be saved";
            ("WARN", format!("file of {subject} {gone}; {again}"))
        }
    }
}

/// The words of a verdict. The failure of a document without a ticket is the create's, or a wiki node's.
fn message(ticket: &TicketRecord, now: WallTime) -> String {
    use TicketState::{Completed, Failed, Pending, Removed, TimedOut};
    let subject = ticket.entry.in_words();
    let kind = ticket.error.as_deref().map(|error| format!(": {}", error.kind)).unwrap_or_default();
    match ticket.state {
        Pending => format!("{subject} is pending"),
        Completed => completed_message(ticket, now),
        Failed if ticket.is_uncreated() => format!("{subject} could not be exported{kind}"),
        Failed => format!("{subject} failed{kind}"),
        TimedOut => format!("{subject} timed out: no result within give_up_after"),
        Removed => format!("{subject} left the watch list while pending"),
    }
}

fn completed_message(ticket: &TicketRecord, now: WallTime) -> String {
    let (subject, file) = (ticket.entry.in_words(), ticket.artefact.as_deref());
    let token = file.map(|file| format!(": file token {}", file.file_token)).unwrap_or_default();
    if ticket.file.is_some() {
        return format!("{subject} completed{token}, its file is being fetched");
    }
    let advice = match Availability::new(ticket, now) {
        Availability::Sure(by) => format!("download by {by}"),
        Availability::Passed(by) => format!("may be gone since {by}; {}", Availability::hint(ticket)),
        Availability::Unknown => "download at once: the age of the job is not known".to_owned(),
        Availability::Over(since) => {
            format!("gone since {since} unless it was downloaded; {}", export_again(ticket))
        }
    };
    format!("{subject} completed{token}, {advice}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use std::path::Path;

    use super::*;
    use crate::domain::{
        AppName, Artefact, DocumentToken, EntryId, EntryKey, ErrorKind, ExportRequest, Sha256, TicketId,
        WatchEntry,
    };

    fn parsed(payload: String) -> Value {
        serde_json::from_str(&payload).unwrap()
    }

    fn ticket(state: TicketState) -> TicketRecord {
        let entry = WatchEntry {
            key: EntryKey { app: AppName::new("default"), id: EntryId::new("70") },
            token: DocumentToken::parse("doc70").unwrap(),
            label: Some("周报".into()),
            created_at: None,
            request: None,
            download: true,
            source: Path::new("list.toml").into(),
        };
        let first_seen_at = WallTime::from_millis(1_795_341_600_000);
        let finished_at = Some(first_seen_at + std::time::Duration::from_millis(4_005));
        TicketRecord { state, finished_at, ..TicketRecord::new(entry, first_seen_at) }
    }

    /// Promise: a consumer gets the fields under the names of the log, and what is not known is left out.
    #[test]
    fn the_payload_is_one_flat_object() {
        let mut failed = ticket(TicketState::Failed);
        failed.error = Some(Box::new(Failure { code: Some(110), ..Failure::new(ErrorKind::NoPermission) }));
        let payload = verdict_event(&failed, failed.finished_at.unwrap()).unwrap();
        let start = "{\"timestamp\":\"2026-11-22T10:00:04.005Z\",\"level\":\"INFO\",\
            \"message\":\"ticket 70 failed: no_permission\",\"event\":\"ticket.failed\",\"app\":\"default\",\
            \"ticket\":\"70\",\"token\":\"doc70\",\"label\":\"周报\",\"state\":\"failed\",\"polls\":0,\
            \"first_seen_at\":\"2026-11-22T10:00:00.000Z\",\"finished_at\":\"2026-11-22T10:00:04.005Z\",\
            \"error.kind\":\"no_permission\",\"error.code\":110,\"error.hint\":";
        assert!(payload.starts_with(start), "{payload}");
        assert!(!payload.contains("null"), "{payload}");
    }

    /// Promise: the outcome of a file and the verdict of its ticket are different events, with all that is known of the file.
    #[test]
    fn a_file_has_an_event_of_its_own() {
        let mut completed = ticket(TicketState::Completed);
        let of = |ticket: &TicketRecord| file_event(ticket, ticket.first_seen_at).map(parsed);
        assert_eq!(of(&completed), None);
        let mut file = FileRecord { attempts: 2, sha256: Some(Sha256([7; 32])), ..FileRecord::new() };
        completed.file = Some(Box::new(file.clone()));
        assert_eq!(of(&completed), None, "it waits");
        (file.state, file.size) = (FileState::Saved, Some(34_356));
        file.path = Some(Path::new("/exports/70.pdf").into());
        completed.file = Some(Box::new(file.clone()));
        let saved = of(&completed).unwrap();
        assert_eq!(saved["message"], "file of ticket 70 saved as /exports/70.pdf");
        assert_eq!((&saved["event"], &saved["level"]), (&json!(FILE_SAVED), &json!("INFO")));
        assert_eq!((&saved["file.size"], &saved["file.attempts"]), (&json!(34_356), &json!(2)));
        assert_eq!(saved["file.sha256"], "07".repeat(32));
        let odd = "12 bytes came, the query named 34".into();
        file.error = Some(Box::new(Failure { message: Some(odd), ..Failure::new(ErrorKind::WrongContent) }));
        completed.file = Some(Box::new(file.clone()));
        let saved = of(&completed).unwrap();
        let said = "file of ticket 70 saved as /exports/70.pdf, but 12 bytes came, the query named 34";
        assert_eq!((&saved["level"], &saved["message"]), (&json!("WARN"), &json!(said)));
        file.state = FileState::Expired;
        file.error = Some(Box::new(Failure { code: Some(1_060_001), ..Failure::new(ErrorKind::Expired) }));
        completed.file = Some(Box::new(file));
        let expired = of(&completed).unwrap();
        assert_eq!((&expired["event"], &expired["level"]), (&json!(FILE_EXPIRED), &json!("WARN")));
        assert_eq!((&expired["error.kind"], &expired["error.code"]), (&json!("expired"), &json!(1_060_001)));
        assert_eq!(expired["error.hint"], ErrorKind::Expired.hint());
    }

    /// Promise: an event of a document names the document, and a ticket only where there is one.
    #[test]
    fn documents_are_no_tickets() {
        let (mut record, url) = (ticket(TicketState::Failed), "https://acme.feishu.cn/wiki/doc70");
        let token = record.entry.token;
        record.entry.key.id = EntryId::from_export("wiki", &token, "pdf", None);
        let (doc_type, format) = (Some("wiki".into()), Some("pdf".into()));
        let request = ExportRequest { doc_type, file_extension: format, url: Some(url.into()), sub_id: None };
        record.entry.request = Some(Box::new(request));
        let mut record = TicketRecord {
            state: record.state,
            error: Some(Box::new(Failure::new(ErrorKind::NoPermission))),
            ..TicketRecord::new(record.entry, record.first_seen_at)
        };
        let of = |record: &TicketRecord| parsed(verdict_event(record, record.first_seen_at).unwrap());
        let event = of(&record);
        let said = "document 周报 as pdf could not be exported: no_permission";
        assert_eq!((&event["event"], &event["message"]), (&json!(DOCUMENT_FAILED), &json!(said)));
        assert_eq!((&event["document"], &event["doc_type"]), (&json!(url), &json!("wiki")));
        assert_eq!((&event["generation"], event.get("ticket")), (&json!(0), None));
        let hint = Failure::new(ErrorKind::NoPermission).hint_for_document();
        assert_eq!(event["error.hint"], hint);

        let export = record.export.as_mut().unwrap();
        (export.ticket, export.generation) = (Some(TicketId::new("70")), 2);
        record.entry.request.as_mut().unwrap().url = None;
        let event = of(&record);
        assert_eq!((&event["event"], &event["ticket"]), (&json!(TICKET_FAILED), &json!("70")));
        assert_eq!((&event["document"], &event["generation"]), (&json!("doc70"), &json!(2)));
        let file = FileRecord { state: FileState::Expired, ..FileRecord::new() };
        (record.state, record.file) = (TicketState::Completed, Some(Box::new(file)));
        let expired = parsed(file_event(&record, record.first_seen_at).unwrap());
        assert!(expired["message"].as_str().unwrap().starts_with("file of document 周报 as pdf was deleted"));
    }

    #[test]
    fn a_file_that_may_be_gone_is_a_warning() {
        let mut completed = ticket(TicketState::Completed);
        completed.artefact = Some(Box::new(Artefact { file_token: "box".into(), ..Artefact::default() }));
        let level = |ticket: &TicketRecord| {
            parsed(verdict_event(ticket, ticket.finished_at.unwrap()).unwrap())["level"].clone()
        };
        assert_eq!(level(&completed), "INFO");
        completed.download_by = completed.finished_at;
        assert_eq!(level(&completed), "WARN");
        completed.file = Some(Box::default());
        let event = parsed(verdict_event(&completed, completed.finished_at.unwrap()).unwrap());
        let said = "ticket 70 completed: file token box, its file is being fetched";
        assert_eq!((&event["level"], &event["message"]), (&"INFO".into(), &said.into()));
        assert_eq!(verdict_event(&ticket(TicketState::Pending), completed.first_seen_at), None);
    }
}
