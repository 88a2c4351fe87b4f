//! What the engine says in the log: one function per event, so that names, fields and levels are in
//! one place.
//!
//! Never logged here or anywhere: secrets, access tokens, the `Authorization` header.

use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::gate::Pause;
use super::outcome::{End, Outcome};
use crate::domain::event;
use crate::domain::{
    AppCondition, AppName, Endpoint, ErrorKind, PauseEnd, PauseReason, TicketKey, TicketRecord, TicketState,
    Trouble, WallTime, with_causes,
};
use crate::feishu::{Answer, Detail, Verdict};
use crate::store::StoreError;

/// An ended ticket is polled again, because somebody asked for it.
pub(super) fn ticket_retried(ticket: &TicketRecord) {
    info!(
        event = event::TICKET_RETRIED,
        app = ticket.key.app.as_str(),
        ticket = ticket.key.ticket.as_str(),
        token = ticket.token.as_str(),
        label = ticket.label.as_deref(),
        state = ticket.state.as_str(),
        "ticket {} is polled again, as was asked for; it was {}",
        ticket.key.ticket,
        ticket.state
    );
}

/// Somebody asked for a ticket to be polled again, and it can't be.
pub(super) fn retry_dropped(key: &TicketKey, why: &str) {
    warn!(
        event = event::TICKET_RETRY_DROPPED,
        app = key.app.as_str(),
        ticket = key.ticket.as_str(),
        reason = why,
        "ticket {} can't be polled again: {why}",
        key.ticket
    );
}

/// A poll was answered "running".
pub(super) fn poll_pending(key: &TicketKey, answer: &Answer, wait: Duration) {
    debug!(
        event = event::POLL_PENDING,
        app = key.app.as_str(),
        ticket = key.ticket.as_str(),
        job_status = answer.detail.job_status,
        next_poll_ms = millis(wait),
        "ticket {} is still running",
        key.ticket
    );
}

/// A poll ended without a verdict. `wait` is none where the app's pause decides.
pub(super) fn poll_retry(key: &TicketKey, answer: &Answer, wait: Option<Duration>) {
    let kind = trouble(&answer.verdict);
    debug!(
        event = event::POLL_RETRY,
        app = key.app.as_str(),
        ticket = key.ticket.as_str(),
        error.kind = kind,
        error.code = answer.detail.code,
        error.job_status = answer.detail.job_status,
        error.http_status = answer.detail.http_status,
        error.message = answer.detail.message.as_deref(),
        error.log_id = answer.detail.log_id.as_deref(),
        next_poll_ms = wait.map(millis),
        "ticket {} is asked again: {kind}",
        key.ticket
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
pub(super) fn poll_panicked(key: &TicketKey, cause: &str) {
    error!(
        event = event::POLL_PANICKED,
        app = key.app.as_str(),
        ticket = key.ticket.as_str(),
        "a poll of ticket {} panicked ({cause}); it counts as a failed attempt, please report this defect",
        key.ticket
    );
}

/// A pause began, or has a new reason.
pub(super) fn app_paused(app: &AppName, endpoint: Endpoint, pause: &Pause, detail: &Detail) {
    let (reason, hint) = (pause.reason, pause.reason.hint());
    let probe = (!pause.is_timed()).then_some(pause.next.wall);
    let message = match pause.until() {
        Some(until) => format!("app {app} is paused until {until}: {}", reason.in_words()),
        None => format!("app {app} is paused: {}", reason.in_words()),
    };
    macro_rules! paused {
        ($level:ident) => {
            $level!(
                event = event::APP_PAUSED,
                app = app.as_str(),
                endpoint = endpoint.as_str(),
                reason = reason.as_str(),
                until = text(pause.until()),
                next_probe_at = text(probe),
                error.code = detail.code,
                error.http_status = detail.http_status,
                error.message = detail.message.as_deref(),
                error.hint = hint,
                error.remedy = detail.remedy.as_deref(),
                error.log_id = detail.log_id.as_deref(),
                "{message}"
            )
        };
    }
    match reason.ended_by() {
        PauseEnd::Time => paused!(warn),
        PauseEnd::Quota | PauseEnd::Repair => paused!(error),
    }
}

/// A pause ended.
pub(super) fn app_resumed(app: &AppName, endpoint: Endpoint, pause: &Pause) {
    let reason = pause.reason;
    info!(
        event = event::APP_RESUMED,
        app = app.as_str(),
        endpoint = endpoint.as_str(),
        reason = reason.as_str(),
        until = text(pause.until()),
        "app {app} is polled again ({reason} is over)"
    );
}

/// All that is left of an app's tickets is refused, and it never got a proper answer.
pub(super) fn app_suspected(app: &AppName, refused: usize) {
    let reason = PauseReason::WrongIdentity;
    error!(
        event = event::APP_SUSPECTED,
        app = app.as_str(),
        reason = reason.as_str(),
        tickets = refused,
        error.hint = reason.hint(),
        "{refused} tickets of app {app} are refused, and its app id never got a proper answer: {}; they stay pending",
        reason.in_words()
    );
}

/// A run of failing polls begins.
pub(super) fn app_degraded(
    app: &AppName,
    endpoint: Endpoint,
    kind: ErrorKind,
    detail: &Detail,
    now: WallTime,
) {
    let trouble = Trouble::from_calls(AppCondition::Degraded, endpoint, kind, now);
    let words = trouble.with_message(detail.message.clone()).in_words();
    warn!(
        event = event::APP_DEGRADED,
        app = app.as_str(),
        endpoint = endpoint.as_str(),
        error.kind = kind.as_str(),
        error.code = detail.code,
        error.http_status = detail.http_status,
        error.message = detail.message.as_deref(),
        error.log_id = detail.log_id.as_deref(),
        "app {app} is degraded: {words}; requests go on, its tickets stay pending"
    );
}

/// A run of failing polls ended.
pub(super) fn app_recovered(app: &AppName) {
    info!(event = event::APP_RECOVERED, app = app.as_str(), "requests of app {app} are answered again");
}

/// A new access token is in use.
pub(super) fn token_refreshed(app: &AppName, expires_in: Option<Duration>) {
    info!(
        event = event::TOKEN_REFRESHED,
        app = app.as_str(),
        expires_in_s = expires_in.map(|life| life.as_secs()),
        "app {app} uses a new access token"
    );
}

/// The token in use was refused.
pub(super) fn token_rejected(app: &AppName, detail: &Detail) {
    warn!(
        event = event::TOKEN_REJECTED,
        app = app.as_str(),
        error.code = detail.code,
        error.http_status = detail.http_status,
        error.message = detail.message.as_deref(),
        error.log_id = detail.log_id.as_deref(),
        "the access token of app {app} was refused; it is fetched or read anew"
    );
}

/// The token in use still works, but no new one can be had: somebody should look before it ends.
pub(super) fn token_renewal_refused(app: &AppName, reason: PauseReason, detail: &Detail) {
    warn!(
        event = event::TOKEN_RETRY,
        app = app.as_str(),
        reason = reason.as_str(),
        error.code = detail.code,
        error.http_status = detail.http_status,
        error.message = detail.message.as_deref(),
        error.hint = reason.hint(),
        error.log_id = detail.log_id.as_deref(),
        "app {app} can't renew its access token: {reason}; the one in use still works"
    );
}

/// A token could not be fetched for now.
pub(super) fn token_retry(app: &AppName, kind: &str, detail: &Detail) {
    debug!(
        event = event::TOKEN_RETRY,
        app = app.as_str(),
        error.kind = kind,
        error.code = detail.code,
        error.http_status = detail.http_status,
        error.message = detail.message.as_deref(),
        error.log_id = detail.log_id.as_deref(),
        "app {app} asks again for an access token: {kind}"
    );
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
    /// Tickets on the list.
    pub listed: usize,
    /// Of these, pending.
    pub pending: usize,
    /// Files whose tickets were left as they were.
    pub kept_files: usize,
}

/// A watch list was taken.
pub(super) fn watchlist_loaded(changes: &ListChanges) {
    info!(
        event = event::WATCHLIST_LOADED,
        tickets = changes.listed,
        pending = changes.pending,
        added = changes.added,
        restarted = changes.restarted,
        removed = changes.removed,
        kept_files = changes.kept_files,
        "watch list taken: {} listed, {} pending, {} new, {} again, {} removed; files left as they were: {}",
        changes.listed,
        changes.pending,
        changes.added,
        changes.restarted,
        changes.removed,
        changes.kept_files
    );
}

/// The wall clock was set back.
pub(super) fn clock_set_back(by: Duration) {
    warn!(
        event = event::CLOCK_STEPPED,
        seconds = -by.as_secs_f64(),
        "the clock was set back by {:.0} s; moments that were noted before are corrected",
        by.as_secs_f64()
    );
}

/// The wall clock is ahead of where it should be.
pub(super) fn clock_ahead(by: Duration) {
    info!(
        event = event::CLOCK_STEPPED,
        seconds = by.as_secs_f64(),
        "the clock is {:.0} s ahead: the machine slept or was paused, or the clock was set forward",
        by.as_secs_f64()
    );
}

/// The state file can't be written for now.
pub(super) fn state_failed(error: &StoreError) {
    error!(
        event = event::STATE_FAILED,
        error.message = with_causes(error),
        "the state file can't be written; polls go on, verdicts are held back until it can"
    );
}

/// The state file can't be written by this process any more.
pub(super) fn state_lost(error: &StoreError) {
    error!(
        event = event::STATE_FAILED,
        error.message = with_causes(error),
        "the state file can't be used any more; the watcher ends, the next start goes on from what the file holds"
    );
}

/// The state file is written again.
pub(super) fn state_recovered() {
    info!(event = event::STATE_RECOVERED, "the state file is written again");
}

/// The engine is up.
pub(super) fn watcher_started(listed: usize, pending: usize) {
    info!(
        event = event::WATCHER_STARTED,
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        tickets = listed,
        pending,
        "watching {pending} pending of {listed} listed"
    );
}

/// The engine is to end.
pub(super) fn watcher_stopping(end: &End, in_flight: usize) {
    info!(event = event::WATCHER_STOPPING, end = name_of(end), in_flight, "stopping: {}", words_for(end));
}

/// Writes to the log how the run ended. For the caller of the engine: the verdicts of the run come before this line.
pub fn watcher_stopped(outcome: &Outcome) {
    let count = |state| outcome.listed.of(state);
    info!(
        event = event::WATCHER_STOPPED,
        end = name_of(&outcome.end),
        saved = outcome.saved,
        pending = count(TicketState::Pending),
        completed = count(TicketState::Completed),
        failed = count(TicketState::Failed),
        timed_out = count(TicketState::TimedOut),
        "stopped: {} completed, {} failed, {} timed out, {} pending",
        count(TicketState::Completed),
        count(TicketState::Failed),
        count(TicketState::TimedOut),
        count(TicketState::Pending)
    );
}

const fn name_of(end: &End) -> &'static str {
    match end {
        End::Done => "done",
        End::Stopped => "stopped",
        End::Deadline => "deadline",
        End::Stuck => "stuck",
        End::StateLost => "state_lost",
    }
}

const fn words_for(end: &End) -> &'static str {
    match end {
        End::Done => "no ticket is pending",
        End::Stopped => "asked to; requests in flight may still end",
        End::Deadline => "the deadline passed; requests in flight may still end",
        End::Stuck => "only paused apps have tickets left",
        End::StateLost => "the state file can't be used any more",
    }
}

fn text(time: Option<WallTime>) -> Option<String> {
    time.map(|time| time.to_string())
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
