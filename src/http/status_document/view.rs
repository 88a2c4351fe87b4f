//! A ticket as scripts see it: names and order of the fields, apart from how the program keeps them.

use crate::domain::{Artefact, Failure, TicketRecord, WallTime};
use serde::{Serialize, Serializer};

/// A ticket's fields in the order in which they are printed. Absent ones are null.
#[expect(missing_docs, reason = "each field is the key of that name, which README.md explains")]
#[derive(Serialize)]
pub struct TicketView<'a> {
    pub app: &'a str,
    pub ticket: &'a str,
    pub token: &'a str,
    pub label: Option<&'a str>,
    pub state: &'static str,
    pub file_token: Option<&'a str>,
    pub file_name: Option<&'a str>,
    pub file_extension: Option<&'a str>,
    pub doc_type: Option<&'a str>,
    pub sub_id: Option<&'a str>,
    pub file_size: Option<u64>,
    pub job_status: Option<i64>,
    pub polls: u32,
    pub first_seen_at: Time,
    pub last_polled_at: Option<Time>,
    pub next_poll_at: Option<Time>,
    pub finished_at: Option<Time>,
    pub download_by: Option<Time>,
    pub error: Option<ErrorView<'a>>,
}

/// Why a ticket failed; while it is pending, the last trouble.
#[expect(missing_docs, reason = "each field is the key of that name, which README.md explains")]
#[derive(Serialize)]
pub struct ErrorView<'a> {
    pub kind: &'static str,
    pub code: Option<i64>,
    pub job_status: Option<i64>,
    pub http_status: Option<u16>,
    pub message: Option<&'a str>,
    pub hint: &'static str,
    pub log_id: Option<&'a str>,
}

/// A moment, printed as RFC 3339 in UTC with milliseconds.
#[derive(Clone, Copy)]
pub struct Time(pub WallTime);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'a> From<&'a TicketRecord> for TicketView<'a> {
    fn from(record: &'a TicketRecord) -> Self {
        let artefact: Option<&Artefact> = record.artefact.as_deref();
        Self {
            app: record.key.app.as_str(),
            ticket: record.key.ticket.as_str(),
            token: record.token.as_str(),
            label: record.label.as_deref(),
            state: record.state.as_str(),
            file_token: artefact.map(|file| &*file.file_token),
            file_name: artefact.and_then(|file| file.file_name.as_deref()),
            file_extension: record.file_extension(),
            doc_type: record.doc_type(),
            sub_id: record.sub_id(),
            file_size: artefact.and_then(|file| file.file_size),
            job_status: record.job_status,
            polls: record.polls,
            first_seen_at: Time(record.first_seen_at),
            last_polled_at: record.last_polled_at.map(Time),
            next_poll_at: record.next_poll_at.map(Time),
            finished_at: record.finished_at.map(Time),
            download_by: record.download_by.map(Time),
            error: record.error.as_deref().map(ErrorView::from),
        }
    }
}

impl<'a> From<&'a Failure> for ErrorView<'a> {
    fn from(failure: &'a Failure) -> Self {
        Self {
            kind: failure.kind.as_str(),
            code: failure.code,
            job_status: failure.job_status,
            http_status: failure.http_status,
            message: failure.message.as_deref(),
            hint: failure.hint(),
            log_id: failure.log_id.as_deref(),
        }
    }
}
