//! The event that `hook test` sends: as a run would, about a document, a ticket and a file that do not exist.

use std::path::Path;
use std::time::Duration;

use crate::domain::event;
use crate::domain::{
    AppName, Artefact, DocumentToken, Endpoint, EntryId, EntryKey, ErrorKind, EventLine, ExportRequest,
    Failure, FileRecord, FileState, PauseReason, Sha256, TicketId, TicketRecord, TicketState, WallTime,
    WatchEntry, file_event, verdict_event,
};

const APP: &str = "default";
const LABEL: &str = "weekly report";
const LINK: &str = "https://acme.feishu.cn/docx/doxcnSampleSampleSampleSampl";
const DOCUMENT: &str = "doxcnSampleSampleSampleSampl";
const TICKET: &str = "6933093124755412345";

/// The payload of an event, one of [`HOOK_EVENTS`](event::HOOK_EVENTS), as if it happened at `now`; marked by a last member
/// `sample`.
pub(super) fn sample_event(event: &'static str, now: WallTime) -> String {
    let payload = match event {
        event::FILE_SAVED | event::FILE_FAILED | event::FILE_EXPIRED => of_file(event, now),
        event::TICKET_COMPLETED
        | event::TICKET_FAILED
        | event::TICKET_TIMED_OUT
        | event::TICKET_REMOVED
        | event::DOCUMENT_FAILED => of_ticket(event, now),
        event => of_other(event, now),
    };
    // An object without its brace takes one more member.
    let members =
        payload.as_deref().and_then(|payload| payload.strip_suffix('}')).unwrap_or("{\"message\":\"\"");
    format!("{members},\"sample\":true}}")
}

fn record(now: WallTime) -> Option<TicketRecord> {
    let token = DocumentToken::parse(DOCUMENT)?;
    let request = ExportRequest {
        file_extension: Some("pdf".into()),
        doc_type: Some("docx".into()),
        sub_id: None,
        url: Some(LINK.into()),
    };
    let id = EntryId::from_export("docx", &token, "pdf", None);
    let entry = WatchEntry {
        key: EntryKey { app: AppName::new(APP), id },
        token,
        label: Some(LABEL.into()),
        created_at: None,
        request: Some(Box::new(request)),
        download: true,
        source: Path::new("watchlist.toml").into(),
    };
    let before = |seconds| now - Duration::from_secs(seconds);
    let mut record = TicketRecord::new(entry, before(8));
    let export = record.export.as_mut()?;
    (export.ticket, export.generation) = (Some(TicketId::new(TICKET)), 1);
    (record.polls, record.last_polled_at, record.finished_at) = (2, Some(before(1)), Some(before(1)));
    Some(record)
}

fn completed(now: WallTime) -> Option<TicketRecord> {
    let artefact = Artefact {
        file_token: "boxcnSampleSampleSampleSampl".into(),
        file_name: Some("Weekly report".into()),
        file_extension: Some("pdf".into()),
        doc_type: Some("docx".into()),
        file_size: Some(34_356),
    };
    Some(TicketRecord {
        state: TicketState::Completed,
        artefact: Some(Box::new(artefact)),
        job_status: Some(0),
        download_by: Some(now + Duration::from_secs(594)),
        file: Some(Box::new(FileRecord::new())),
        ..record(now)?
    })
}

fn of_ticket(event: &str, now: WallTime) -> Option<String> {
    let failure = |kind| Some(Box::new(Failure::new(kind)));
    let mut record = if event == event::TICKET_COMPLETED { completed(now)? } else { record(now)? };
    match event {
        event::TICKET_FAILED => {
            (record.state, record.job_status) = (TicketState::Failed, Some(107));
            record.error = failure(ErrorKind::DocumentTooLarge);
        }
        event::DOCUMENT_FAILED => {
            (record.state, record.polls, record.last_polled_at) = (TicketState::Failed, 0, None);
            record.error = failure(ErrorKind::NoPermission);
            let export = record.export.as_mut()?;
            (export.ticket, export.generation) = (None, 0);
        }
        event::TICKET_TIMED_OUT => record.state = TicketState::TimedOut,
        event::TICKET_REMOVED => record.state = TicketState::Removed,
        _ => {}
    }
    verdict_event(&record, now)
}

fn of_file(event: &str, now: WallTime) -> Option<String> {
    let (state, kind) = match event {
        event::FILE_FAILED => (FileState::Failed, Some(ErrorKind::WrongContent)),
        event::FILE_EXPIRED => (FileState::Expired, Some(ErrorKind::Expired)),
        _ => (FileState::Saved, None),
    };
    let is_saved = state == FileState::Saved;
    let file = FileRecord {
        state,
        path: is_saved.then(|| Path::new("/srv/exports/Weekly report.pdf").into()),
        size: is_saved.then_some(34_356),
        sha256: is_saved.then_some(Sha256([0x5a; 32])),
        saved_at: is_saved.then_some(now),
        attempts: 1,
        error: kind.map(|kind| Box::new(Failure::new(kind))),
        ..FileRecord::new()
    };
    file_event(&TicketRecord { file: Some(Box::new(file)), ..completed(now)? }, now)
}

/// What is no verdict has words of its own in a run.
fn of_other(event: &str, now: WallTime) -> Option<String> {
    let (is_paused, of_document) = (event == event::APP_PAUSED, !event.starts_with("app."));
    EventLine::new(now, "INFO", &format!("a sample of {event}"), event)
        .with("app", APP)
        .with("ticket", of_document.then_some(TICKET))
        .with("label", of_document.then_some(LABEL))
        .with("document", of_document.then_some(LINK))
        .with("generation", of_document.then_some(1))
        .with("endpoint", is_paused.then(|| Endpoint::Query.as_str()))
        .with("reason", is_paused.then(|| PauseReason::ScopeMissing.as_str()))
        .end()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::Value;

    use super::*;

    /// 2026-11-22T10:00:08Z
    const NOW: WallTime = WallTime::from_millis(1_795_341_608_000);

    /// Promise: every event that a hook can take has a sample that bears its name and is known as one.
    #[test]
    fn every_event_has_a_sample() {
        for event in event::HOOK_EVENTS {
            let sample: Value = serde_json::from_str(&sample_event(event, NOW)).unwrap();
            let members = [&sample["event"], &sample["sample"], &sample["app"]];
            assert_eq!(members, [&Value::from(*event), &true.into(), &APP.into()]);
            assert!(sample["message"].is_string() && sample["timestamp"].is_string(), "{sample}");
        }
    }

    /// Promise: the event that the documentation shows is what the program sends.
    #[test]
    fn the_documented_event_is_what_is_sent() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/hooks.md");
        let text = fs::read_to_string(path).unwrap();
        let shown = text.split("```json\n").nth(1).unwrap().split("\n```").next().unwrap();
        let (id, shown) = shown.split_once(',').unwrap();
        assert!(id.starts_with("{\"id\":\""), "{id}");
        let sent = sample_event(event::FILE_SAVED, NOW);
        assert_eq!(format!("{{{shown}"), sent.replace(",\"sample\":true", ""));
    }
}
