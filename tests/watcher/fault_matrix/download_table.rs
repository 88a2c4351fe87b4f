//! The table of downloads: a row for everything that the simulator can do to one, and what becomes of the file.

use std::time::Duration;

use export_simulator::Fault;

use self::Outcome::{
    Again, AppFault, AsSent, ExpiredTwice, Failed, FailedThird, RejectedTwice, Saved, SavedOdd, Throttled,
    TokenRejected,
};
use super::table::{LITTLE, LONG, takes_time, throttled};

/// What the watcher is to make of it, in the words of the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The answer is the file.
    Saved,
    /// The answer is taken for the file, spoilt as it is: nothing in it says otherwise.
    AsSent,
    /// Fetched again for that trouble, then saved.
    Again(&'static str),
    /// Three bodies alike differ from the size that the query named: the third is saved with a warning.
    SavedOdd,
    /// It can never be saved.
    Failed(&'static str),
    /// The same, after three answers alike.
    FailedThird(&'static str),
    /// The server said twice that there is no such file.
    ExpiredTwice,
    /// The app's downloads are left alone for a while; then it is saved.
    Throttled,
    /// The access token is replaced; then it is saved.
    TokenRejected,
    /// The same, and the new token's refusal pauses the app's downloads.
    RejectedTwice,
    /// The app's downloads are paused for that reason; then it is saved.
    AppFault(&'static str),
}

/// A row: what befalls a download, and what becomes of the file.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) fault: Fault,
    /// How many downloads in a row it strikes.
    pub(super) times: u64,
    /// Some formats have first bytes of their own.
    pub(super) extension: &'static str,
    /// Where the query names the size, and `Content-Length` does.
    pub(super) known: Outcome,
    /// Where neither does.
    pub(super) unknown: Outcome,
}

impl Row {
    fn csv(self) -> Self {
        Self { extension: "csv", ..self }
    }

    fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }

    /// Whether time limits of the watcher matter to it.
    pub(super) fn takes_time(&self) -> bool {
        takes_time(&self.fault)
    }
}

/// A fault of one download; the outcome is the same whatever is known of the size.
fn row(fault: Fault, outcome: Outcome) -> Row {
    sized(fault, outcome, outcome)
}

fn sized(fault: Fault, known: Outcome, unknown: Outcome) -> Row {
    Row { fault, times: 1, extension: "docx", known, unknown }
}

const ALWAYS: u64 = u64::MAX / 2;

/// Longer than the time limits of the run that plays it altogether, and shorter from byte to byte.
const DRIP: Fault = Fault::Slow { bytes: 100, every: Duration::from_millis(500) };

/// Everything.
pub(super) fn rows() -> Vec<Row> {
    [broken(), altered(), pages(), bodies(), codes()].into_iter().flatten().collect()
}

/// Connections that break, and answers that come late or not at all.
fn broken() -> Vec<Row> {
    vec![
        row(Fault::Reset, Again("network")),
        row(Fault::Close, Again("network")),
        row(Fault::Hang, Again("network")),
        row(Fault::Stall, Again("network")),
        row(Fault::HalfBody, Again("network")),
        row(Fault::HalfBody, Again("network")).csv(),
        row(Fault::Delay { by: LITTLE }, Saved),
        row(Fault::Delay { by: LONG }, Again("network")),
        row(Fault::Slow { bytes: 64, every: LITTLE }, Saved),
        row(DRIP, Saved),
        row(Fault::Slow { bytes: 1, every: LONG }, Again("network")),
    ]
}

/// Whole bodies that are not the file.
fn altered() -> Vec<Row> {
    let (short, long) = (Fault::ShortFile { by: 100 }, Fault::LongFile { by: 100 });
    vec![
        sized(short.clone(), Again("wrong_content"), AsSent),
        sized(short, SavedOdd, AsSent).times(ALWAYS),
        sized(long.clone(), Again("wrong_content"), AsSent),
        sized(long, SavedOdd, AsSent).times(ALWAYS),
        row(Fault::WrongStart, Again("wrong_content")),
        row(Fault::WrongStart, FailedThird("wrong_content")).times(ALWAYS),
        row(Fault::WrongStart, AsSent).csv(),
    ]
}

/// Answers of something that is not the API.
fn pages() -> Vec<Row> {
    let redirect = |status| Fault::Redirect { status, location: "http://127.0.0.1:1/".to_owned() };
    let huge = |content_length| Fault::Huge { bytes: 4 << 20, content_length };
    vec![
        row(Fault::WrongJson, Again("wrong_content")),
        row(Fault::InvalidUtf8, Again("wrong_content")),
        row(Fault::Empty { status: 200 }, Again("wrong_content")),
        sized(Fault::Empty { status: 200 }, Again("wrong_content"), AsSent).csv(),
        row(Fault::Empty { status: 204 }, Again("network")),
        row(Fault::Empty { status: 401 }, Again("malformed_answer")),
        row(Fault::Empty { status: 500 }, Again("server_error")),
        row(Fault::Html { status: 200 }, Again("malformed_answer")),
        sized(Fault::Html { status: 200 }, Again("wrong_content"), AsSent).csv(),
        row(Fault::Html { status: 403 }, Again("malformed_answer")),
        row(Fault::Html { status: 404 }, Again("malformed_answer")),
        row(Fault::Html { status: 502 }, Again("server_error")),
        row(Fault::Unavailable { retry_after: None }, Again("server_error")),
        row(Fault::Unavailable { retry_after: Some(1) }, Again("server_error")),
        row(huge(false), Again("wrong_content")),
        row(huge(true), Again("wrong_content")),
        row(redirect(302), Again("network")),
        row(redirect(307), Again("network")),
        row(Fault::PageNotFound, Again("malformed_answer")),
    ]
}

/// Bodies with HTTP 200 that are no file of the format.
fn bodies() -> Vec<Row> {
    let raw = |body: &str| {
        let (content_type, body) = ("application/json".to_owned(), body.to_owned());
        Fault::Raw { status: 200, content_type, body }
    };
    vec![
        row(raw("[]"), Again("wrong_content")),
        row(raw("[]"), FailedThird("wrong_content")).times(ALWAYS),
        row(raw(r#"{"error":"late"}"#), Again("wrong_content")),
        row(raw(r#"{"code":0,"msg":"success","data":{}}"#), Again("malformed_answer")).csv(),
        row(raw(r#"{"code":1069901,"msg":"internal error"}"#), Again("server_error")).csv(),
    ]
}

/// Codes in the usual envelope, each with a status that it comes with.
fn codes() -> Vec<Row> {
    let row = |status, code, outcome| row(Fault::answer(status, code, ""), outcome);
    let app = |status, code, reason| row(status, code, AppFault(reason));
    let busy = |status, code| sized(throttled(status, code, "", 1), Throttled, Throttled);
    vec![
        // The file's.
        row(400, 1_060_001, Again("expired")),
        row(400, 1_060_001, ExpiredTwice).times(ALWAYS),
        row(403, 1_069_902, Failed("no_permission")),
        row(410, 1_069_906, Failed("document_deleted")),
        row(400, 1_069_904, Failed("invalid_param")),
        // The call's own trouble.
        row(500, 1_069_901, Again("server_error")),
        row(200, 1_069_901, Again("server_error")),
        row(200, 4711, Again("unknown_code")),
        row(400, 4711, Again("unknown_code")),
        row(200, 4711, Again("unknown_code")).csv(),
        // The access token's.
        row(200, 99_991_663, TokenRejected),
        row(400, 99_991_668, TokenRejected),
        row(400, 99_991_668, RejectedTwice).times(2),
        // The app's.
        app(400, 99_991_661, "credentials_rejected"),
        app(400, 99_991_662, "app_unavailable"),
        app(400, 99_991_672, "scope_missing"),
        app(400, 99_991_679, "user_authorization_needed"),
        app(400, 99_991_401, "ip_not_allowed"),
        app(429, 99_991_403, "quota_exhausted"),
        // Too many requests.
        busy(429, 99_991_400),
        busy(200, 99_991_400),
        busy(400, 99_991_400),
        busy(429, 0),
        busy(429, 4711),
    ]
}
