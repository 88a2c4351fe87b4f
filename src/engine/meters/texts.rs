//! Names, help texts and buckets of the meters.

/// The name of a meter without its namespace, and what it measures.
pub(super) type Text = (&'static str, &'static str);

pub(super) const REQUESTS: Text =
    ("requests_total", "Requests sent, by endpoint; each endpoint has a budget of its own.");
pub(super) const THROTTLES: Text =
    ("throttles_total", "Answers that called it too many requests, by endpoint.");
pub(super) const POLLS: Text = ("polls_total", "Polls that ended, by what they brought.");
pub(super) const PAUSES: Text = ("pauses_total", "Pauses that began, by reason.");
pub(super) const RENEWALS: Text = (
    "token_renewals_total",
    "Access tokens fetched, or read where others keep them fresh, by what came of it.",
);
pub(super) const FINISHED: Text = (
    "tickets_finished_total",
    "Tickets that are polled no more, by outcome and, for failed and timed out ones, kind of error.",
);
pub(super) const LAG: Text = (
    "poll_lag_seconds",
    "From the moment a ticket was due to the sending of its poll; the app's pauses and the wait for its budget count.",
);
pub(super) const DURATION: Text = (
    "poll_duration_seconds",
    "From the sending of a poll to its answer, or to when the wait for one was given up.",
);
pub(super) const SLACK: Text = (
    "download_slack_seconds",
    "What was left of a file's life, up to download_by, when its token became known; only where download_by is known.",
);
pub(super) const EXPORTS_CREATED: Text =
    ("exports_created_total", "Exports of documents that were created, each generation of one for itself.");
pub(super) const FILES: Text =
    ("files_total", "Files that are fetched no more, by what became of them: saved, failed or expired.");
pub(super) const FILE_BYTES: Text =
    ("file_bytes_total", "Bytes of exported files that came, those of broken transfers included.");
pub(super) const FILE_FAILURES: Text =
    ("file_failures_total", "Tries to fetch or to write a file that failed, by kind of error.");
pub(super) const FILE_TRANSFER: Text = (
    "file_transfer_seconds",
    "From the sending of a download to the end of its body, or to where it broke off.",
);
pub(super) const FILE_SLACK: Text = (
    "file_slack_seconds",
    "What was left of a file's life, up to download_by, when it was saved; only where download_by is known.",
);
pub(super) const COMMITS: Text =
    ("state_commits_total", "Tries to write the state file, failed ones included.");
pub(super) const COMMIT_ERRORS: Text =
    ("state_commit_errors_total", "Tries to write the state file that failed.");
pub(super) const COMMIT_DURATION: Text = (
    "state_commit_duration_seconds",
    "How long a try to write the state file took, its sync to the disk included.",
);
pub(super) const COMMITTED_TICKETS: Text =
    ("state_commit_tickets", "Tickets that a try to write the state file held.");
pub(super) const LISTS_TAKEN: Text = (
    "watchlist_loads_total",
    "Watch lists taken, that of the start included; partial if something of it was left out.",
);
pub(super) const LIST_SUCCESS: Text = (
    "watchlist_last_success_timestamp_seconds",
    "When a watch list was last taken as a whole; 0 before the first time.",
);
pub(super) const LIST_SCAN: Text = (
    "watchlist_last_look_timestamp_seconds",
    "When the files of the watch list were last looked at to the end; 0 before the first time.",
);
pub(super) const REJECTED_FILES: Text = (
    "watchlist_rejected_files",
    "Files and patterns of the watch list that are left out for now because they can't be taken.",
);
pub(super) const REJECTED_ENTRIES: Text = (
    "watchlist_entries_rejected_total",
    "Errors that were found in watch lists, each of them an entry, or a file, that can't be taken.",
);

/// A commit waits for the disk: a good one takes milliseconds, one that is shared with others may take seconds.
pub(super) const COMMIT_SECONDS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Up to what a batch holds at most.
pub(super) const COMMIT_TICKETS: [f64; 9] = [0.0, 1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 2048.0, 4096.0];

/// A lag within the loop's turn is none; one of minutes costs files.
pub(super) const LAG_SECONDS: [f64; 14] =
    [0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 450.0, 600.0];

pub(super) const POLL_SECONDS: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 30.0];

/// From a small file to the whole life of one.
pub(super) const TRANSFER_SECONDS: [f64; 11] =
    [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0];

/// A minute apart, and finer where a file is all but gone or was found at once.
pub(super) const SLACK_SECONDS: [f64; 14] =
    [0.0, 30.0, 60.0, 120.0, 180.0, 240.0, 300.0, 360.0, 420.0, 480.0, 540.0, 570.0, 590.0, 600.0];
