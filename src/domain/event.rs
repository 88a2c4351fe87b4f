//! The names of log events. Scripts filter by them, so they are spelled here and nowhere else.

/// The daemon is up: configuration checked, lock held, state loaded.
pub const WATCHER_STARTED: &str = "watcher.started";
/// A stop was asked for; polls in flight may still end.
pub const WATCHER_STOPPING: &str = "watcher.stopping";
/// Everything is written; the process ends.
pub const WATCHER_STOPPED: &str = "watcher.stopped";
/// A watch list was read and taken.
pub const WATCHLIST_LOADED: &str = "watchlist.loaded";
/// A watch list, or one file of it, was refused; what was known stays.
pub const WATCHLIST_REJECTED: &str = "watchlist.rejected";
/// The watch list is good, but something in it deserves a look.
pub const WATCHLIST_WARNING: &str = "watchlist.warning";
/// A file token is there.
pub const TICKET_COMPLETED: &str = "ticket.completed";
/// A ticket came to nothing.
pub const TICKET_FAILED: &str = "ticket.failed";
/// A job was still running after `give_up_after`.
pub const TICKET_TIMED_OUT: &str = "ticket.timed_out";
/// A pending ticket left the watch list.
pub const TICKET_REMOVED: &str = "ticket.removed";
/// The export of a document has a ticket.
pub const DOCUMENT_CREATED: &str = "document.created";
/// An export came to nothing, or its file was lost, and is made again.
pub const DOCUMENT_AGAIN: &str = "document.again";
/// A document could not be exported: its export was never created, or not again.
pub const DOCUMENT_FAILED: &str = "document.failed";
/// A request that an export needs brought nothing, and is sent again.
pub const DOCUMENT_RETRY: &str = "document.retry";
/// A file is whole under its final name.
pub const FILE_SAVED: &str = "file.saved";
/// A transfer broke off, or the disk refused; the file is tried again.
pub const FILE_RETRY: &str = "file.retry";
/// A file can never be saved.
pub const FILE_FAILED: &str = "file.failed";
/// An artefact was deleted before it could be saved.
pub const FILE_EXPIRED: &str = "file.expired";
/// An ended ticket is polled again, because `retry` asked for it.
pub const TICKET_RETRIED: &str = "ticket.retried";
/// `retry` asked for a ticket that can't be polled again.
pub const TICKET_RETRY_DROPPED: &str = "ticket.retry_dropped";
/// A poll ended without a verdict on its ticket.
pub const POLL_RETRY: &str = "poll.retry";
/// A poll was answered "running".
pub const POLL_PENDING: &str = "poll.pending";
/// A poll panicked: a defect of this program, counted as a failed attempt.
pub const POLL_PANICKED: &str = "poll.panicked";
/// An app's tickets are not polled for a while.
pub const APP_PAUSED: &str = "app.paused";
/// They are polled again.
pub const APP_RESUMED: &str = "app.resumed";
/// Little is left of a tenant's calls of the month.
pub const QUOTA_LOW: &str = "quota.low";
/// An app's tickets are refused, and seem to belong to another app.
pub const APP_SUSPECTED: &str = "app.suspected";
/// A run of failing polls begins.
pub const APP_DEGRADED: &str = "app.degraded";
/// It ended.
pub const APP_RECOVERED: &str = "app.recovered";
/// A new access token is in use.
pub const TOKEN_REFRESHED: &str = "token.refreshed";
/// The server refused an access token.
pub const TOKEN_REJECTED: &str = "token.rejected";
/// A token could not be fetched and is asked for again.
pub const TOKEN_RETRY: &str = "token.retry";
/// The state file can't be written for now; nothing is announced until it can.
pub const STATE_FAILED: &str = "state.failed";
/// The state file is written again.
pub const STATE_RECOVERED: &str = "state.recovered";
/// The log can't be written for now; verdicts are kept until it can.
pub const LOG_FAILED: &str = "log.failed";
/// A hook did not take an event, which is sent again.
pub const HOOK_FAILED: &str = "hook.failed";
/// A hook that failed took an event.
pub const HOOK_RECOVERED: &str = "hook.recovered";
/// A hook did not take an event for three days; the event is kept.
pub const HOOK_GAVE_UP: &str = "hook.gave_up";
/// A batch that did everything else waits for its hooks.
pub const HOOK_AWAITED: &str = "hook.awaited";
/// A hook left the configuration, and the events that waited for it are dropped.
pub const HOOK_DROPPED: &str = "hook.dropped";
/// Health and status are served.
pub const SERVER_LISTENING: &str = "server.listening";
/// `watcher.toml` changed on disk; a restart is needed to apply it.
pub const CONFIG_CHANGED: &str = "config.changed";
/// The wall clock was set, or the machine slept.
pub const CLOCK_STEPPED: &str = "clock.stepped";
/// The configuration is good, but something in it deserves a look.
pub const CONFIG_WARNING: &str = "config.warning";
/// The service manager does not read its notifications.
pub const NOTIFY_FAILED: &str = "notify.failed";
/// The service manager's watchdog waits for less than this program can promise.
pub const WATCHDOG_WARNING: &str = "watchdog.warning";

/// The `target` of the verdicts on tickets and files, which are written whatever the level is set to.
pub const VERDICT_TARGET: &str = "feishu_export_watcher::verdict";

/// The events that a hook may take: those of tickets, documents, files and apps.
pub const HOOK_EVENTS: &[&str] = &[
    TICKET_COMPLETED,
    TICKET_FAILED,
    TICKET_TIMED_OUT,
    TICKET_REMOVED,
    TICKET_RETRIED,
    DOCUMENT_CREATED,
    DOCUMENT_AGAIN,
    DOCUMENT_FAILED,
    FILE_SAVED,
    FILE_FAILED,
    FILE_EXPIRED,
    APP_PAUSED,
    APP_RESUMED,
    APP_SUSPECTED,
    APP_DEGRADED,
    APP_RECOVERED,
];
