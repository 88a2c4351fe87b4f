//! The events that the engine writes to the log: one function each, so that names, fields and levels are in one place.
//!
//! Never logged here or anywhere: secrets, access tokens, the `Authorization` header.

mod announcement;

use std::time::Duration;

use tracing::{Level, debug, error, info, warn};

pub(super) use self::announcement::Announcement;
use self::announcement::Report;
use super::gate::Pause;
use super::outcome::{End, Outcome};
use crate::domain::event;
use crate::domain::words::span;
use crate::domain::{
    AppCondition, AppName, Counts, Endpoint, EntryKey, ErrorKind, Failure, PauseReason, TicketRecord,
    TicketState, Trouble, WallTime, files_in_words, with_causes,
};
use crate::feishu::{Answer, Detail, Verdict};
use crate::store::StoreError;

/// An ended ticket is polled, or its document exported, again, as `retry` asks.
pub(super) fn ticket_retried(ticket: &TicketRecord) -> Announcement<'_> {
    let (entry, state) = (&ticket.entry, ticket.state.as_str());
    let (subject, done) = (entry.in_words(), if ticket.export.is_some() { "exported" } else { "polled" });
    let report = Report {
        token: Some(entry.token.as_str()),
        state: Some(state),
        ..Report::from_record(event::TICKET_RETRIED, ticket)
    };
    report.announce(Level::INFO, format!("{subject} is {done} again, as was asked for; it was {state}"))
}

/// `retry` asks for what can't be polled or exported again.
pub(super) fn retry_dropped(key: &EntryKey, why: &str) {
    let ticket = (!key.id.is_document()).then(|| key.id.as_str());
    let report = Report::new(event::TICKET_RETRY_DROPPED, &key.app);
    let report = Report { ticket, reason: Some(why), ..report };
    report.log(Level::WARN, format_args!("{} can't be retried: {why}", key.id.in_words(None)));
}

/// The export of a document has a ticket.
pub(super) fn document_created(record: &TicketRecord) -> Announcement<'_> {
    let ticket = record.ticket().unwrap_or_default();
    let report = Report::from_record(event::DOCUMENT_CREATED, record);
    report.announce(Level::INFO, format!("{} is being exported: ticket {ticket}", record.entry.in_words()))
}

/// An export came to nothing, or its file was lost; another one is made after `wait`.
pub(super) fn document_again(record: &TicketRecord, kind: ErrorKind, wait: Duration) -> Announcement<'_> {
    let report = Report {
        kind: Some(kind.as_str()),
        next_try: Some(wait),
        ..Report::from_record(event::DOCUMENT_AGAIN, record)
    };
    let (subject, wait) = (record.entry.in_words(), span(wait));
    report.announce(Level::WARN, format!("{subject} is exported again in {wait}: {kind}"))
}

/// The answers to several creates in a row were lost, the last of them that to this document's.
pub(super) fn creates_lost(record: &TicketRecord, answer: &Answer, wait: Duration) {
    let (kind, app) = (trouble(&answer.verdict), &record.entry.key.app);
    let report = Report { next_try: Some(wait), ..Report::from_record(event::DOCUMENT_RETRY, record) };
    let message = format_args!(
        "creates of app {app} are not answered ({kind}), and each may have started an export: they go on ever more rarely until one is"
    );
    report.endpoint(Endpoint::Create).error(Some(kind), &answer.detail).log(Level::WARN, message);
}

/// A tenant used so many of its calls of the month.
pub(super) fn quota_low(tenant: &str, used: u64, of: u64) {
    warn!(
        event = event::QUOTA_LOW,
        tenant,
        calls = used,
        monthly_calls = of,
        "tenant {tenant} used {used} of its {of} calls of the month; no export is started that the rest can't carry"
    );
}

/// A poll was answered "running".
pub(super) fn poll_pending(ticket: &TicketRecord, answer: &Answer, wait: Duration) {
    debug!(
        event = event::POLL_PENDING,
        app = ticket.entry.key.app.as_str(),
        ticket = ticket.ticket(),
        document = ticket.entry.document(),
        job_status = answer.detail.job_status,
        next_poll_ms = wait.as_millis() as u64,
        "{} is still running",
        ticket.entry.in_words()
    );
}

/// A poll, or a request that leads to a ticket, ended without a verdict. `wait` is none where the app's pause decides.
pub(super) fn poll_retry(ticket: &TicketRecord, answer: &Answer, wait: Option<Duration>) {
    let kind = trouble(&answer.verdict);
    let subject = ticket.entry.in_words();
    if ticket.is_uncreated() {
        let report = Report { next_try: wait, ..Report::from_record(event::DOCUMENT_RETRY, ticket) };
        let report = report.error(Some(kind), &answer.detail);
        return report.log(Level::DEBUG, format_args!("the export of {subject} is tried again: {kind}"));
    }
    let report = Report { next_poll: wait, ..Report::from_record(event::POLL_RETRY, ticket) };
    let report = report.error(Some(kind), &answer.detail);
    report.log(Level::DEBUG, format_args!("{subject} is asked again: {kind}"));
}

/// A transfer brought no file, or the disk refused; the file is tried again after `wait`, or as soon as its app may. Only
/// news about the disk, on which a person has to act, is more than a detail.
pub(super) fn file_retry(ticket: &TicketRecord, error: &Failure, wait: Option<Duration>, is_news: bool) {
    let kind = error.kind;
    let detail = Detail {
        code: error.code,
        http_status: error.http_status,
        message: error.message.clone(),
        log_id: error.log_id.clone(),
        ..Detail::default()
    };
    let is_for_person = is_news && kind.is_of_disk();
    // A second that has begun counts: "in 0 s" would be no pause.
    let in_words =
        wait.map(|wait| format!(" in {}", span(wait + Duration::from_millis(999)))).unwrap_or_default();
    let report = Report {
        hint: is_for_person.then(|| error.hint().into()),
        next_try: wait,
        ..Report::from_record(event::FILE_RETRY, ticket)
    };
    report.error(Some(kind.as_str()), &detail).log(
        if is_for_person { Level::ERROR } else { Level::DEBUG },
        format_args!("the file of {} is tried again{in_words}: {kind}", ticket.entry.in_words()),
    );
}

/// What a poll that decided nothing ran into.
fn trouble(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Retry { kind, .. } | Verdict::Unclear(kind) | Verdict::Failed(kind) => kind.as_str(),
        Verdict::Strange(strange) => strange.kind().as_str(),
        Verdict::Refused => ErrorKind::NoPermission.as_str(),
        Verdict::Postponed => ErrorKind::ServerError.as_str(),
        Verdict::Throttled { .. } => ErrorKind::Throttled.as_str(),
        Verdict::TokenRejected => ErrorKind::TokenRejected.as_str(),
        Verdict::AppFault(reason) => reason.as_str(),
        Verdict::Pending | Verdict::Completed(_) => "",
    }
}

/// A poll panicked.
pub(super) fn poll_panicked(ticket: &TicketRecord, cause: &str) {
    error!(
        event = event::POLL_PANICKED,
        app = ticket.entry.key.app.as_str(),
        ticket = ticket.ticket(),
        document = ticket.entry.document(),
        "a poll of {} panicked ({cause}); it counts as a failed attempt, please report this defect",
        ticket.entry.in_words()
    );
}

/// A pause began, or has a new reason.
pub(super) fn app_paused<'a>(
    app: &'a AppName,
    endpoint: Endpoint,
    pause: &Pause,
    detail: &Detail,
) -> Announcement<'a> {
    let (reason, until) = (pause.reason, pause.until());
    let next_probe_at = (!pause.is_timed()).then_some(pause.next.wall);
    let report = Report { until, next_probe_at, ..Report::new(event::APP_PAUSED, app) };
    let level = if pause.is_timed() { Level::WARN } else { Level::ERROR };
    let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
    report
        .reason(reason, endpoint)
        .error(None, detail)
        .announce(level, format!("{} paused{until}: {}", subject(app, endpoint), reason.in_words()))
}

/// A pause ended.
pub(super) fn app_resumed<'a>(app: &'a AppName, endpoint: Endpoint, pause: &Pause) -> Announcement<'a> {
    let reason = Some(pause.reason.as_str());
    let report = Report { until: pause.until(), reason, ..Report::new(event::APP_RESUMED, app) };
    let again = match endpoint {
        Endpoint::Query | Endpoint::Token => "polled",
        Endpoint::Download | Endpoint::Node | Endpoint::Create => "tried",
    };
    let message = format!("{} {again} again ({} is over)", subject(app, endpoint), pause.reason);
    report.endpoint(endpoint).announce(Level::INFO, message)
}

/// What a pause at the endpoint concerns: polls go on without downloads.
fn subject(app: &AppName, endpoint: Endpoint) -> String {
    match endpoint {
        Endpoint::Download => format!("downloads of app {app} are"),
        Endpoint::Node | Endpoint::Create => format!("exports of app {app} are"),
        Endpoint::Query | Endpoint::Token => format!("app {app} is"),
    }
}

/// All that is left of an app's tickets is refused, and it never got a proper answer.
pub(super) fn app_suspected(app: &AppName, refused: usize) -> Announcement<'_> {
    let reason = PauseReason::WrongIdentity;
    let report = Report {
        reason: Some(reason.as_str()),
        tickets: Some(refused),
        hint: Some(reason.hint().into()),
        ..Report::new(event::APP_SUSPECTED, app)
    };
    let message = format!(
        "{refused} tickets of app {app} are refused, and its app id never got a proper answer: {}; they stay pending",
        reason.in_words()
    );
    report.announce(Level::ERROR, message)
}

/// A run of failing requests begins.
pub(super) fn app_degraded<'a>(
    app: &'a AppName,
    endpoint: Endpoint,
    kind: ErrorKind,
    detail: &Detail,
    now: WallTime,
) -> Announcement<'a> {
    let trouble = Trouble::from_calls(AppCondition::Degraded, endpoint, kind, now);
    let words = trouble.with_message(detail.message.clone()).in_words();
    let report = Report::new(event::APP_DEGRADED, app).endpoint(endpoint).error(Some(kind.as_str()), detail);
    let message = format!("app {app} is degraded: {words}; requests go on, its tickets stay pending");
    report.announce(Level::WARN, message)
}

/// A run of failing requests ended.
pub(super) fn app_recovered(app: &AppName) -> Announcement<'_> {
    let message = format!("requests of app {app} are answered again");
    Report::new(event::APP_RECOVERED, app).announce(Level::INFO, message)
}

/// A new access token is in use.
pub(super) fn token_refreshed(app: &AppName, expires_in: Option<Duration>) {
    let expires_in_s = expires_in.map(|life| life.as_secs());
    info!(
        event = event::TOKEN_REFRESHED,
        app = app.as_str(),
        expires_in_s,
        "app {app} uses a new access token"
    );
}

/// The token in use was refused.
pub(super) fn token_rejected(app: &AppName, detail: &Detail) {
    let message = format_args!("the access token of app {app} was refused; it is fetched or read anew");
    Report::new(event::TOKEN_REJECTED, app).error(None, detail).log(Level::WARN, message);
}

/// The token in use still works, but no new one can be had: a person has to act before that token ends.
pub(super) fn token_renewal_refused(app: &AppName, reason: PauseReason, detail: &Detail) {
    let report = Report::new(event::TOKEN_RETRY, app).reason(reason, Endpoint::Token).error(None, detail);
    let message =
        format_args!("app {app} can't renew its access token: {reason}; the one in use still works");
    report.log(Level::WARN, message);
}

/// A token could not be fetched for now.
pub(super) fn token_retry(app: &AppName, kind: &str, detail: &Detail) {
    let message = format_args!("app {app} asks again for an access token: {kind}");
    Report::new(event::TOKEN_RETRY, app).error(Some(kind), detail).log(Level::DEBUG, message);
}

/// What a watch list changed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ListChanges {
    /// Tickets never seen before.
    pub added: usize,
    /// Tickets polled from the beginning again.
    pub restarted: usize,
    /// Pending tickets that left the list.
    pub removed: usize,
    /// Files whose tickets were left as they were.
    pub kept_files: usize,
}

/// A watch list was applied; these tickets are listed now.
pub(super) fn watchlist_loaded(changes: ListChanges, listed: &Counts) {
    let ListChanges { added, restarted, removed, kept_files } = changes;
    let (tickets, pending) = (listed.total(), listed.of(TicketState::Pending));
    info!(
        event = event::WATCHLIST_LOADED,
        tickets,
        pending,
        added,
        restarted,
        removed,
        kept_files,
        "watch list taken: {tickets} listed, {pending} pending, {added} new, {restarted} again, {removed} removed; \
         files left as they were: {kept_files}"
    );
}

/// The wall clock was set back.
pub(super) fn clock_set_back(by: Duration) {
    let (event, seconds) = (event::CLOCK_STEPPED, by.as_secs_f64());
    let message = format_args!(
        "the clock was set back by {seconds:.0} s; moments that were noted before are corrected"
    );
    warn!(event, seconds = -seconds, "{message}");
}

/// The wall clock is ahead of where it should be.
pub(super) fn clock_ahead(by: Duration) {
    let (event, seconds) = (event::CLOCK_STEPPED, by.as_secs_f64());
    info!(
        event,
        seconds,
        "the clock is {seconds:.0} s ahead: the machine slept or was paused, or the clock was set forward"
    );
}

/// The state file can't be written: for now, or by this process any more.
pub(super) fn state_failed(error: &StoreError) {
    let what = if error.may_pass() {
        "can't be written; polls go on, verdicts are held back until it can"
    } else {
        "can't be used any more; the watcher ends, the next start goes on from what the file holds"
    };
    error!(event = event::STATE_FAILED, error.message = with_causes(error), "the state file {what}");
}

/// The state file is written again.
pub(super) fn state_recovered() {
    info!(event = event::STATE_RECOVERED, "the state file is written again");
}

/// The engine is up.
pub(super) fn watcher_started(listed: &Counts) {
    let (tickets, pending) = (listed.total(), listed.of(TicketState::Pending));
    info!(
        event = event::WATCHER_STARTED,
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        tickets,
        pending,
        "watching {pending} pending of {tickets} listed"
    );
}

/// The engine is to end.
pub(super) fn watcher_stopping(end: &End, in_flight: usize) {
    let (name, words) = describe(end);
    info!(event = event::WATCHER_STOPPING, end = name, in_flight, "stopping: {words}");
}

/// Writes to the log how the run ended. For the caller of the engine: the verdicts of the run come before this line.
pub fn watcher_stopped(outcome: &Outcome) {
    use TicketState::{Completed, Failed, Pending, TimedOut};
    let [completed, failed, timed_out, pending] =
        [Completed, Failed, TimedOut, Pending].map(|state| outcome.listed.of(state));
    let files = files_in_words(&outcome.files).map(|files| format!("; files {files}")).unwrap_or_default();
    info!(
        event = event::WATCHER_STOPPED,
        end = describe(&outcome.end).0,
        saved = outcome.saved,
        pending,
        completed,
        failed,
        timed_out,
        "stopped: {completed} completed, {failed} failed, {timed_out} timed out, {pending} pending{files}"
    );
}

/// An end's name in the log, and what ended the run.
const fn describe(end: &End) -> (&'static str, &'static str) {
    match end {
        End::Done => ("done", "no ticket is pending and no file is to come"),
        End::Stopped => ("stopped", "asked to; polls in flight may still end"),
        End::Deadline => ("deadline", "the deadline passed; polls in flight may still end"),
        End::Stuck => ("stuck", "only paused apps have tickets left"),
        End::StateLost => ("state_lost", "the state file can't be used any more"),
    }
}
