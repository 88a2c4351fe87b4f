//! A verdict as its consumers get it: one flat event with everything that is known about the ticket. It is formed once,
//! when the ticket gets the verdict, so that nothing that happens to the ticket later changes what is announced.

use serde::{Deserialize, Serialize};

use super::{
    Availability, Failure, MAY_BE_GONE_HINT, TicketRecord, TicketState, WallTime,
    event::{TICKET_COMPLETED, TICKET_FAILED, TICKET_REMOVED, TICKET_TIMED_OUT},
};

/// How urgent a verdict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VerdictLevel {
    /// The usual.
    Info,
    /// The file may be gone.
    Warn,
}

/// A verdict with the fields of its line in the log, under the same names. What is not known is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictEvent {
    /// When the ticket got the verdict.
    pub timestamp: WallTime,
    /// How urgent it is.
    pub level: VerdictLevel,
    /// The same for people.
    pub message: String,
    /// One of the four names of [`event`](super::event) that begin with `ticket.` and are verdicts.
    pub event: String,
    /// The app.
    pub app: String,
    /// The job.
    pub ticket: String,
    /// The source document.
    pub token: String,
    /// The user's word for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The state's name.
    pub state: String,
    /// What the download needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_token: Option<String>,
    /// Name of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// The format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_extension: Option<String>,
    /// The source document's kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doc_type: Option<String>,
    /// The sheet or table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_id: Option<String>,
    /// Size of the file in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_size: Option<u64>,
    /// The last `job_status` the server named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_status: Option<i64>,
    /// Polls sent and ended.
    pub polls: u32,
    /// When the watch list first named it.
    pub first_seen_at: WallTime,
    /// Sending of the last poll.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_polled_at: Option<WallTime>,
    /// When it became final.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<WallTime>,
    /// Until when the file is sure to live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub download_by: Option<WallTime>,
    /// Kind of the failure, or of the last trouble.
    #[serde(rename = "error.kind", skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<String>,
    /// The answer's `code`.
    #[serde(rename = "error.code", skip_serializing_if = "Option::is_none")]
    pub error_code: Option<i64>,
    /// The answer's `job_status`.
    #[serde(rename = "error.job_status", skip_serializing_if = "Option::is_none")]
    pub error_job_status: Option<i64>,
    /// The answer's HTTP status.
    #[serde(rename = "error.http_status", skip_serializing_if = "Option::is_none")]
    pub error_http_status: Option<u16>,
    /// What the server said.
    #[serde(rename = "error.message", skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// What to do about it.
    #[serde(rename = "error.hint", skip_serializing_if = "Option::is_none")]
    pub error_hint: Option<String>,
    /// What the platform's support can find the request by.
    #[serde(rename = "error.log_id", skip_serializing_if = "Option::is_none")]
    pub error_log_id: Option<String>,
}

impl VerdictEvent {
    /// The verdict that the ticket got at `now`; none while it is pending.
    #[must_use]
    pub fn from_ticket(ticket: &TicketRecord, now: WallTime) -> Option<Self> {
        let (event, message) = name_and_message(ticket, now)?;
        let is_doubtful =
            ticket.state == TicketState::Completed && Availability::new(ticket, now).is_doubtful();
        let artefact = ticket.artefact.as_deref();
        let error = ticket.error.as_deref();
        Some(Self {
            timestamp: now,
            level: if is_doubtful { VerdictLevel::Warn } else { VerdictLevel::Info },
            message,
            event: event.to_owned(),
            app: ticket.key.app.to_string(),
            ticket: ticket.key.ticket.to_string(),
            token: ticket.token.to_string(),
            label: ticket.label.as_ref().map(ToString::to_string),
            state: ticket.state.to_string(),
            file_token: artefact.map(|file| file.file_token.to_string()),
            file_name: artefact.and_then(|file| file.file_name.as_deref()).map(str::to_owned),
            file_extension: ticket.file_extension().map(str::to_owned),
            doc_type: ticket.doc_type().map(str::to_owned),
            sub_id: ticket.sub_id().map(str::to_owned),
            file_size: artefact.and_then(|file| file.file_size),
            job_status: ticket.job_status,
            polls: ticket.polls,
            first_seen_at: ticket.first_seen_at,
            last_polled_at: ticket.last_polled_at,
            finished_at: ticket.finished_at,
            download_by: ticket.download_by,
            error_kind: error.map(|error| error.kind.to_string()),
            error_code: error.and_then(|error| error.code),
            error_job_status: error.and_then(|error| error.job_status),
            error_http_status: error.and_then(|error| error.http_status),
            error_message: error.and_then(|error| error.message.as_deref()).map(str::to_owned),
            error_hint: error.map(|error| error.hint().to_owned()),
            error_log_id: error.and_then(|error| error.log_id.as_deref()).map(str::to_owned),
        })
    }
}

fn name_and_message(ticket: &TicketRecord, now: WallTime) -> Option<(&'static str, String)> {
    let id = &ticket.key.ticket;
    match ticket.state {
        TicketState::Pending => None,
        TicketState::Completed => Some((TICKET_COMPLETED, completed_message(ticket, now))),
        TicketState::Failed => Some((TICKET_FAILED, failed_message(ticket))),
        TicketState::TimedOut => {
            Some((TICKET_TIMED_OUT, format!("ticket {id} timed out: no result within give_up_after")))
        }
        TicketState::Removed => {
            Some((TICKET_REMOVED, format!("ticket {id} left the watch list while pending")))
        }
    }
}

fn completed_message(ticket: &TicketRecord, now: WallTime) -> String {
    let (id, file) = (&ticket.key.ticket, ticket.artefact.as_deref());
    let token = file.map(|file| format!(": file token {}", file.file_token)).unwrap_or_default();
    match Availability::new(ticket, now) {
        Availability::Sure(by) => format!("ticket {id} completed{token}, download by {by}"),
        Availability::Passed(by) => {
            format!("ticket {id} completed{token}, may be gone since {by}; {MAY_BE_GONE_HINT}")
        }
        Availability::Unknown => {
            format!("ticket {id} completed{token}, download at once: the age of the job is not known")
        }
        Availability::Over(since) => {
            format!(
                "ticket {id} completed{token}, gone since {since} unless it was downloaded; export the document again"
            )
        }
    }
}

fn failed_message(ticket: &TicketRecord) -> String {
    let id = &ticket.key.ticket;
    match ticket.error.as_deref() {
        Some(Failure { kind, .. }) => format!("ticket {id} failed: {kind}"),
        None => format!("ticket {id} failed"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::domain::{AppName, Artefact, DocumentToken, ErrorKind, TicketId, TicketKey, WatchEntry};

    fn ticket(state: TicketState) -> TicketRecord {
        let entry = WatchEntry {
            key: TicketKey { app: AppName::new("default"), ticket: TicketId::new("70") },
            token: DocumentToken::parse("doc70").unwrap(),
            label: Some("周报".into()),
            created_at: None,
            request: None,
            source: Path::new("list.toml").into(),
        };
        let first_seen_at = WallTime::from_millis(1_795_341_600_000);
        let finished_at = Some(first_seen_at + std::time::Duration::from_millis(4_005));
        TicketRecord { state, finished_at, ..TicketRecord::new(entry, first_seen_at) }
    }

    /// Promise: a consumer gets the fields under the names of the log, what is not known is left out, and what was
    /// written is read back.
    #[test]
    fn the_payload_is_one_flat_object() {
        let mut failed = ticket(TicketState::Failed);
        failed.error = Some(Box::new(Failure { code: Some(110), ..Failure::new(ErrorKind::NoPermission) }));
        let event = VerdictEvent::from_ticket(&failed, failed.finished_at.unwrap()).unwrap();
        let payload = serde_json::to_string(&event).unwrap();
        let start = "{\"timestamp\":\"2026-11-22T10:00:04.005Z\",\"level\":\"INFO\",\
            \"message\":\"ticket 70 failed: no_permission\",\"event\":\"ticket.failed\",\"app\":\"default\",\
            \"ticket\":\"70\",\"token\":\"doc70\",\"label\":\"周报\",\"state\":\"failed\",\"polls\":0,\
            \"first_seen_at\":\"2026-11-22T10:00:00.000Z\",\"finished_at\":\"2026-11-22T10:00:04.005Z\",\
            \"error.kind\":\"no_permission\",\"error.code\":110,\"error.hint\":";
        assert!(payload.starts_with(start), "{payload}");
        assert!(!payload.contains("null"), "{payload}");
        assert_eq!(serde_json::from_str::<VerdictEvent>(&payload).unwrap(), event);
    }

    #[test]
    fn a_file_that_may_be_gone_is_a_warning() {
        let mut completed = ticket(TicketState::Completed);
        completed.artefact = Some(Box::new(Artefact { file_token: "box".into(), ..Artefact::default() }));
        let level = |ticket: &TicketRecord| {
            VerdictEvent::from_ticket(ticket, ticket.finished_at.unwrap()).unwrap().level
        };
        assert_eq!(level(&completed), VerdictLevel::Info);
        completed.download_by = completed.finished_at;
        assert_eq!(level(&completed), VerdictLevel::Warn);
        assert_eq!(VerdictEvent::from_ticket(&ticket(TicketState::Pending), completed.first_seen_at), None);
    }
}
