//! A ticket as scripts see it: names and order of the fields, apart from how the program keeps them.

use feishu_export_watcher::domain::{Artefact, Failure, TicketRecord, WallTime};
use serde::{Serialize, Serializer};

/// A ticket's fields in the order in which they are printed. Absent ones are null.
#[derive(Serialize)]
pub(super) struct TicketView<'a> {
    pub(super) app: &'a str,
    pub(super) ticket: &'a str,
    pub(super) token: &'a str,
    pub(super) label: Option<&'a str>,
    pub(super) state: &'static str,
    pub(super) file_token: Option<&'a str>,
    pub(super) file_name: Option<&'a str>,
    pub(super) file_extension: Option<&'a str>,
    pub(super) doc_type: Option<&'a str>,
    pub(super) sub_id: Option<&'a str>,
    pub(super) file_size: Option<u64>,
    pub(super) job_status: Option<i64>,
    pub(super) polls: u32,
    pub(super) first_seen_at: Time,
    pub(super) last_polled_at: Option<Time>,
    pub(super) next_poll_at: Option<Time>,
    pub(super) finished_at: Option<Time>,
    pub(super) download_by: Option<Time>,
    pub(super) error: Option<ErrorView<'a>>,
}

/// Why a ticket failed; while it is pending, the last trouble.
#[derive(Serialize)]
pub(super) struct ErrorView<'a> {
    pub(super) kind: &'static str,
    pub(super) code: Option<i64>,
    pub(super) job_status: Option<i64>,
    pub(super) http_status: Option<u16>,
    pub(super) message: Option<&'a str>,
    pub(super) hint: &'static str,
    pub(super) log_id: Option<&'a str>,
}

/// A moment, printed as RFC 3339 in UTC with milliseconds.
#[derive(Clone, Copy)]
pub(super) struct Time(pub(super) WallTime);

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
