//! What happens to one app and its tickets.

use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec};

use super::Meters;
use super::results::{POLL_RESULTS, RENEWALS, poll_result, renewal};
use crate::domain::{
    AppName, Endpoint, ErrorKind, FileState, PauseReason, TicketRecord, TicketState, WallTime,
};
use crate::feishu::{TokenTrouble, Verdict};

/// Kinds of trouble that end no ticket as failed.
const PASSING: [ErrorKind; 4] =
    [ErrorKind::Network, ErrorKind::ServerError, ErrorKind::Throttled, ErrorKind::TokenRejected];

/// Kinds of trouble that files have and tickets do not.
const OF_FILES: [ErrorKind; 4] =
    [ErrorKind::Expired, ErrorKind::DiskFull, ErrorKind::FolderUnwritable, ErrorKind::WrongContent];

/// Kinds of trouble that a ticket may have had last when its time was up.
const LASTING: [ErrorKind; 5] = [
    ErrorKind::NoFileToken,
    ErrorKind::MalformedAnswer,
    ErrorKind::UnknownJobStatus,
    ErrorKind::UnknownCode,
    ErrorKind::ServerError,
];

/// The meters of one app.
#[derive(Clone, Debug)]
pub(in crate::engine) struct AppMeters {
    app: AppName,
    all: Meters,
}

impl AppMeters {
    /// One app's meters, all of them at zero from the start.
    pub(in crate::engine) fn new(all: &Meters, app: &AppName) -> Self {
        let name = app.as_str();
        let endpoints: Vec<_> = Endpoint::ALL.iter().map(|endpoint| endpoint.as_str()).collect();
        let reasons: Vec<_> = PauseReason::ALL.iter().map(|reason| reason.as_str()).collect();
        let outcomes = [FileState::Saved, FileState::Failed, FileState::Expired].map(FileState::as_str);
        let kinds: Vec<_> = ErrorKind::ALL.iter().map(|kind| kind.as_str()).collect();
        for (family, values) in [
            (&all.requests, &endpoints[..]),
            (&all.throttles, &endpoints),
            (&all.polls, &POLL_RESULTS),
            (&all.pauses, &reasons),
            (&all.renewals, &RENEWALS),
            (&all.files, &outcomes),
            (&all.file_failures, &kinds),
        ] {
            values.iter().for_each(|value| drop(family.with_label_values(&[name, value])));
        }
        for (outcome, kind) in ends() {
            all.finished.with_label_values(&[name, outcome.as_str(), word(kind)]);
        }
        for family in [&all.lag, &all.duration, &all.slack, &all.file_transfer, &all.file_slack] {
            family.with_label_values(&[name]);
        }
        for family in [&all.file_bytes, &all.exports_created] {
            family.with_label_values(&[name]);
        }
        Self { app: app.clone(), all: all.clone() }
    }

    /// A request goes out.
    pub(in crate::engine) fn request_sent(&self, endpoint: Endpoint) {
        self.count(&self.all.requests, endpoint.as_str());
    }

    /// A request was answered: properly, or with trouble of the app, the server or the network.
    pub(in crate::engine) fn answered(&self, is_proper: bool, now: WallTime) {
        self.all.answered(&self.app, is_proper, now);
    }

    /// A poll goes out, so long after its ticket was due.
    pub(in crate::engine) fn poll_sent(&self, lag: Duration) {
        self.time(&self.all.lag, lag);
    }

    /// A poll ended, so long after it went out.
    pub(in crate::engine) fn poll_ended(&self, verdict: &Verdict, took: Duration) {
        self.count(&self.all.polls, poll_result(verdict));
        self.time(&self.all.duration, took);
    }

    /// The server counts too many requests.
    pub(in crate::engine) fn throttled(&self, endpoint: Endpoint) {
        self.count(&self.all.throttles, endpoint.as_str());
    }

    /// A pause began, or has a new reason.
    pub(in crate::engine) fn paused(&self, reason: PauseReason) {
        self.count(&self.all.pauses, reason.as_str());
    }

    /// An access token was fetched or read, a new one or the one in use, or could not be.
    pub(in crate::engine) fn fetch_ended(&self, is_new: Result<bool, TokenTrouble>) {
        self.count(&self.all.renewals, renewal(is_new));
    }

    /// The export of a document has a ticket.
    pub(in crate::engine) fn export_created(&self) {
        self.all.exports_created.with_label_values(&[self.app.as_str()]).inc();
    }

    /// A ticket got its verdict, and is as it says.
    pub(in crate::engine) fn finished(&self, ticket: &TicketRecord) {
        let has_kind = matches!(ticket.state, TicketState::Failed | TicketState::TimedOut);
        let kind = ticket.error.as_deref().map(|error| error.kind).filter(|_| has_kind);
        let labels = [self.app.as_str(), ticket.state.as_str(), word(kind)];
        self.all.finished.with_label_values(&labels).inc();
        if let (TicketState::Completed, Some(by), Some(at)) =
            (ticket.state, ticket.download_by, ticket.finished_at)
        {
            self.time(&self.all.slack, by.since(at));
        }
    }

    fn count(&self, family: &IntCounterVec, value: &str) {
        family.with_label_values(&[self.app.as_str(), value]).inc();
    }

    fn time(&self, family: &HistogramVec, duration: Duration) {
        family.with_label_values(&[self.app.as_str()]).observe(duration.as_secs_f64());
    }
}

/// What happens to its files.
impl AppMeters {
    /// A transfer ended so long after it was asked for, whole or not.
    pub(in crate::engine) fn transfer_ended(&self, took: Duration) {
        self.time(&self.all.file_transfer, took);
    }

    /// A try to fetch or to write a file failed.
    pub(in crate::engine) fn file_failed(&self, kind: ErrorKind) {
        self.count(&self.all.file_failures, kind.as_str());
    }

    /// A file was saved, with so much of its life left where that is known, or never can be.
    pub(in crate::engine) fn file_finished(&self, ticket: &TicketRecord, slack: Option<Duration>) {
        let Some(state) = ticket.file_state().filter(|state| *state != FileState::Waiting) else { return };
        self.count(&self.all.files, state.as_str());
        if let (FileState::Saved, Some(slack)) = (state, slack) {
            self.time(&self.all.file_slack, slack);
        }
    }

    /// So many more bytes of an artefact came.
    pub(in crate::engine) fn bytes_received(&self, bytes: u64) {
        self.all.file_bytes.with_label_values(&[self.app.as_str()]).inc_by(bytes);
        self.all.bytes.inc_by(bytes);
    }
}

/// Every way in which a ticket can end.
fn ends() -> impl Iterator<Item = (TicketState, Option<ErrorKind>)> {
    let plain =
        [TicketState::Completed, TicketState::Removed, TicketState::TimedOut].map(|state| (state, None));
    let failed = ErrorKind::ALL.iter().copied().filter(|kind| ![PASSING, OF_FILES].concat().contains(kind));
    let timed_out = LASTING.map(|kind| (TicketState::TimedOut, Some(kind)));
    plain.into_iter().chain(failed.map(|kind| (TicketState::Failed, Some(kind)))).chain(timed_out)
}

/// A kind as a label; an empty one counts as none.
fn word(kind: Option<ErrorKind>) -> &'static str {
    kind.map_or("", ErrorKind::as_str)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use prometheus::TextEncoder;

    use super::*;
    use crate::domain::{DocumentToken, EntryId, EntryKey, FileRecord, WatchEntry};

    /// Promise: every outcome of a file is counted once, bytes and tries by app.
    #[test]
    fn files_are_counted() {
        let all = Meters::new().unwrap();
        let [app, other] = ["default", "lark"].map(|name| AppMeters::new(&all, &AppName::new(name)));
        let entry = WatchEntry {
            key: EntryKey { app: AppName::new("default"), id: EntryId::new("1") },
            token: DocumentToken::parse("doc").unwrap(),
            label: None,
            created_at: None,
            request: None,
            download: true,
            source: Path::new("list.toml").into(),
        };
        let mut ticket = TicketRecord::new(entry, WallTime::from_millis(1));
        for state in [FileState::Waiting, FileState::Saved, FileState::Expired] {
            ticket.file = Some(Box::new(FileRecord { state, ..FileRecord::new() }));
            app.file_finished(&ticket, Some(Duration::from_secs(240)));
        }
        app.transfer_ended(Duration::from_secs(3));
        app.file_failed(ErrorKind::DiskFull);
        app.export_created();
        app.bytes_received(7);
        other.bytes_received(4);
        assert_eq!(all.bytes(), 11);
        let text = TextEncoder::new().encode_to_string(&all.gather()).unwrap();
        for line in [
            r#"exports_created_total{app="default"} 1"#,
            r#"exports_created_total{app="lark"} 0"#,
            r#"files_total{app="default",outcome="saved"} 1"#,
            r#"files_total{app="default",outcome="expired"} 1"#,
            r#"files_total{app="default",outcome="failed"} 0"#,
            r#"file_slack_seconds_sum{app="default"} 240"#,
            r#"file_transfer_seconds_sum{app="default"} 3"#,
            r#"file_failures_total{app="default",error_kind="disk_full"} 1"#,
            r#"file_failures_total{app="lark",error_kind="disk_full"} 0"#,
            r#"file_bytes_total{app="default"} 7"#,
            r#"file_bytes_total{app="lark"} 4"#,
        ] {
            assert!(text.contains(&format!("\nfeishu_export_watcher_{line}\n")), "no {line} in\n{text}");
        }
        assert!(!text.contains("outcome=\"waiting\"") && !text.contains("error_kind=\"expired\",outcome"));
    }
}
