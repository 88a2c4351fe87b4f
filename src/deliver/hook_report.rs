//! The events that deliveries to hooks write to the log: names, fields and levels in one place. Never logged: a webhook's
//! address, a secret, the arguments of a command.

use std::time::Duration;

use tracing::{Level, debug, error, info, warn};

use super::receiver::{CallError, HookEvent};
use crate::domain::words::span;
use crate::domain::{HookName, event};

/// A try that failed.
pub(super) struct FailedTry<'a> {
    pub(super) hook: &'a HookName,
    pub(super) event: &'a HookEvent,
    /// Tries of the event that failed, this one included.
    pub(super) tries: u32,
    /// Whether the hook took events, as far as the log has it, up to this try.
    pub(super) is_news: bool,
    pub(super) error: &'a CallError,
    /// When the event is sent again; none where it is given up, or its hook ended.
    pub(super) next_try: Option<Duration>,
}

impl FailedTry<'_> {
    /// Logs that a hook fails: once as a warning, and then for those that look closer, until it has taken an event.
    pub(super) fn report(&self) {
        let hook = self.hook;
        let (event, why) = (self.event.field("event").unwrap_or_default(), &self.error.message);
        let Some(wait) = self.next_try else { return self.report_end(event) };
        let level = if self.is_news { Level::WARN } else { Level::DEBUG };
        let next = span(wait);
        self.log(
            level,
            event::HOOK_FAILED,
            &format!("hook {hook} did not take {event}: {why}; again in {next}"),
        );
    }

    fn report_end(&self, event: &str) {
        let hook = self.hook;
        if self.error.is_gone {
            let end =
                "nothing is sent to it until a restart; if it moved, correct its url, else remove the hook";
            return self.log(
                Level::ERROR,
                event::HOOK_FAILED,
                &format!("hook {hook} ended itself (410); {end}"),
            );
        }
        let tries = self.tries;
        let end = format!("it is kept; once the hook works: feishu-export-watcher retry --hook {hook}");
        self.log(
            Level::ERROR,
            event::HOOK_GAVE_UP,
            &format!("hook {hook} did not take {event} in {tries} tries; {end}"),
        );
    }

    fn log(&self, level: Level, name: &'static str, message: &str) {
        let (event, error) = (self.event, self.error);
        // The level of an event must be known when the program is built.
        macro_rules! log_at {
            ($level:ident) => {
                $level!(
                    event = name,
                    hook = self.hook.as_str(),
                    of = event.field("event"),
                    app = event.field("app"),
                    ticket = event.field("ticket"),
                    label = event.field("label"),
                    document = event.field("document"),
                    id = event.id.as_str(),
                    tries = self.tries,
                    error.http_status = error.http_status,
                    error.message = error.message.as_str(),
                    next_try_ms = self.next_try.map(|wait| wait.as_millis() as u64),
                    "{message}"
                )
            };
        }
        match level {
            Level::ERROR => log_at!(error),
            Level::WARN => log_at!(warn),
            _ => log_at!(debug),
        }
    }
}

/// A hook that failed took an event.
pub(super) fn hook_recovered(hook: &HookName) {
    info!(event = event::HOOK_RECOVERED, hook = hook.as_str(), "hook {hook} takes events again");
}

/// A hook left the configuration with events that waited for it.
pub(crate) fn hook_dropped(hook: &HookName, rows: usize) {
    warn!(
        event = event::HOOK_DROPPED,
        hook = hook.as_str(),
        rows = rows as u64,
        "hook {hook} left the configuration; events that waited for it and are dropped: {rows}"
    );
}
