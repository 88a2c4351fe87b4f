//! An event about an app or one of its tickets: the line of the log, and the same as JSON for hooks. Both have the fields of
//! one [`Report`], under the same names and in the same order.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use tracing::{Level, debug, error, info, warn};

use crate::domain::{AppName, Endpoint, EventLine, PauseReason, TicketRecord, WallTime};
use crate::engine::hook_events::Happening;
use crate::feishu::Detail;

/// The `target` of these lines, as of all others of `report`.
const TARGET: &str = "feishu_export_watcher::engine::report";

/// The fields of an event. What is none is left out.
#[derive(Debug, Default)]
pub(in crate::engine) struct Report<'a> {
    pub event: &'static str,
    pub app: &'a str,
    pub ticket: Option<&'a str>,
    pub token: Option<&'a str>,
    pub label: Option<&'a str>,
    pub document: Option<&'a str>,
    pub generation: Option<u32>,
    pub state: Option<&'static str>,
    pub endpoint: Option<&'static str>,
    pub reason: Option<&'a str>,
    pub tickets: Option<usize>,
    pub hint: Option<Cow<'static, str>>,
    pub until: Option<WallTime>,
    pub next_probe_at: Option<WallTime>,
    pub kind: Option<&'a str>,
    pub detail: Detail,
    pub next_poll: Option<Duration>,
    pub next_try: Option<Duration>,
}

impl<'a> Report<'a> {
    pub(in crate::engine) fn new(event: &'static str, app: &'a AppName) -> Self {
        Self { event, app: app.as_str(), ..Self::default() }
    }

    /// About a ticket or a document.
    pub(in crate::engine) fn from_record(event: &'static str, record: &'a TicketRecord) -> Self {
        let entry = &record.entry;
        Self {
            ticket: record.ticket(),
            label: entry.label.as_deref(),
            document: entry.document(),
            generation: record.generation(),
            ..Self::new(event, &entry.key.app)
        }
    }

    pub(in crate::engine) fn endpoint(self, endpoint: Endpoint) -> Self {
        Self { endpoint: Some(endpoint.as_str()), ..self }
    }

    pub(in crate::engine) fn reason(self, reason: PauseReason, endpoint: Endpoint) -> Self {
        let hint = Some(reason.hint_at(endpoint));
        Self { reason: Some(reason.as_str()), hint, ..self.endpoint(endpoint) }
    }

    pub(in crate::engine) fn error(self, kind: Option<&'a str>, detail: &Detail) -> Self {
        Self { kind, detail: detail.clone(), ..self }
    }

    /// What hooks may take as well.
    pub(in crate::engine) const fn announce(self, level: Level, message: String) -> Announcement<'a> {
        Announcement { report: self, level, message }
    }

    /// What is for the log alone.
    pub(in crate::engine) fn log(&self, level: Level, message: fmt::Arguments<'_>) {
        let text = |time: Option<WallTime>| time.map(|time| time.to_string());
        // The level of an event must be known when the program is built.
        macro_rules! log_at {
            ($level:ident) => {
                $level!(
                    target: TARGET,
                    event = self.event,
                    app = self.app,
                    ticket = self.ticket,
                    token = self.token,
                    label = self.label,
                    document = self.document,
                    generation = self.generation,
                    state = self.state,
                    endpoint = self.endpoint,
                    reason = self.reason,
                    tickets = self.tickets,
                    until = text(self.until),
                    next_probe_at = text(self.next_probe_at),
                    error.kind = self.kind,
                    error.code = self.detail.code,
                    error.job_status = self.detail.job_status,
                    error.http_status = self.detail.http_status,
                    error.message = self.detail.message.as_deref(),
                    error.hint = self.hint.as_deref(),
                    error.remedy = self.detail.remedy.as_deref(),
                    error.log_id = self.detail.log_id.as_deref(),
                    next_poll_ms = self.next_poll.map(millis),
                    next_try_ms = self.next_try.map(millis),
                    "{message}"
                )
            };
        }
        match level {
            Level::ERROR => log_at!(error),
            Level::WARN => log_at!(warn),
            Level::INFO => log_at!(info),
            _ => log_at!(debug),
        }
    }

    fn json(&self, at: WallTime, level: Level, message: &str) -> Option<String> {
        EventLine::new(at, level.as_str(), message, self.event)
            .with("app", self.app)
            .with("ticket", self.ticket)
            .with("token", self.token)
            .with("label", self.label)
            .with("document", self.document)
            .with("generation", self.generation)
            .with("state", self.state)
            .with("endpoint", self.endpoint)
            .with("reason", self.reason)
            .with("tickets", self.tickets)
            .with("until", self.until)
            .with("next_probe_at", self.next_probe_at)
            .with("error.kind", self.kind)
            .with("error.code", self.detail.code)
            .with("error.job_status", self.detail.job_status)
            .with("error.http_status", self.detail.http_status)
            .with("error.message", self.detail.message.as_deref())
            .with("error.hint", self.hint.as_deref())
            .with("error.remedy", self.detail.remedy.as_deref())
            .with("error.log_id", self.detail.log_id.as_deref())
            .with("next_poll_ms", self.next_poll.map(millis))
            .with("next_try_ms", self.next_try.map(millis))
            .end()
    }
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

/// An event that hooks may take, of those of [`HOOK_EVENTS`](crate::domain::event::HOOK_EVENTS) that are no verdicts.
#[must_use = "it is neither logged nor kept for hooks by itself"]
#[derive(Debug)]
pub(in crate::engine) struct Announcement<'a> {
    report: Report<'a>,
    level: Level,
    message: String,
}

impl Announcement<'_> {
    /// What happened.
    pub(in crate::engine) fn happening(&self) -> Happening {
        Happening { event: self.report.event, kind: self.report.kind.and_then(|kind| kind.parse().ok()) }
    }

    /// Writes it to the log.
    pub(in crate::engine) fn log(&self) {
        self.report.log(self.level, format_args!("{}", self.message));
    }

    /// It happened at that moment: the fields of its line in the log as one flat JSON object.
    #[must_use]
    pub(in crate::engine) fn payload(&self, at: WallTime) -> String {
        self.report.json(at, self.level, &self.message).unwrap_or_default()
    }
}
