//! The table of creates and wiki nodes: a row for everything that the simulator can do to one, and what becomes of the
//! document.

use std::time::Duration;

use export_simulator::{Fault, Trouble};

use self::Outcome::{
    Again, AppFault, Done, Failed, Lost, LostThrottled, RejectedTwice, Throttled, TokenRejected,
};
use super::table::{LITTLE, LONG, takes_time, throttled};

/// What the watcher is to make of it, in the words of the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The answer is the ticket, or what the node leads to.
    Done,
    /// Nothing was created: asked again as soon as the backoff allows, for that trouble.
    Again(&'static str),
    /// There may be a job: created again after a minute, for that trouble.
    Lost(&'static str),
    /// The same, and the app's creates are left alone for a while.
    LostThrottled,
    /// The document can't be exported.
    Failed(&'static str),
    /// The app's requests to the endpoint are left alone for a while; then it is done.
    Throttled,
    /// The access token is replaced; then it is done.
    TokenRejected,
    /// The same, and the new token's refusal pauses the endpoint.
    RejectedTwice,
    /// The app's requests to the endpoint are paused for that reason; then it is done.
    AppFault(&'static str),
}

/// A row: what befalls a request, and what becomes of the document.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) fault: Fault,
    /// How many requests in a row it strikes.
    pub(super) times: u64,
    pub(super) create: Outcome,
    pub(super) node: Outcome,
}

impl Row {
    /// Whether time limits of the watcher matter to it.
    pub(super) fn takes_time(&self) -> bool {
        takes_time(&self.fault)
    }
}

/// The same for both.
fn both(fault: Fault, outcome: Outcome) -> Row {
    row(fault, outcome, outcome)
}

/// An answer that leaves open whether there is a job; of a node it is asked again.
fn lost(fault: Fault, kind: &'static str) -> Row {
    row(fault, Lost(kind), Again(kind))
}

fn row(fault: Fault, create: Outcome, node: Outcome) -> Row {
    Row { fault, times: 1, create, node }
}

/// Everything.
pub(super) fn rows() -> Vec<Row> {
    [broken(), pages(), bodies(), codes(), troubles()].into_iter().flatten().collect()
}

/// Connections that break, and answers that come late or not at all. Those of `Fault::Lost` come after the job was made.
fn broken() -> Vec<Row> {
    vec![
        lost(Fault::Reset, "network"),
        lost(Fault::Close, "network"),
        lost(Fault::Hang, "network"),
        lost(Fault::Stall, "network"),
        lost(Fault::HalfBody, "network"),
        lost(Fault::lost(Fault::Reset), "network"),
        lost(Fault::lost(Fault::Hang), "network"),
        lost(Fault::lost(Fault::Html { status: 502 }), "server_error"),
        both(Fault::lost(Fault::answer(500, 1_069_901, "")), Again("server_error")),
        both(Fault::Delay { by: LITTLE }, Done),
        lost(Fault::Delay { by: LONG }, "network"),
        both(Fault::Slow { bytes: 64, every: LITTLE }, Done),
        lost(Fault::Slow { bytes: 1, every: LONG }, "network"),
    ]
}

/// Answers of something that is not the API.
fn pages() -> Vec<Row> {
    let redirect = |status| Fault::Redirect { status, location: "http://127.0.0.1:1/".to_owned() };
    let huge = |content_length| Fault::Huge { bytes: 4 << 20, content_length };
    vec![
        lost(Fault::WrongJson, "malformed_answer"),
        lost(Fault::InvalidUtf8, "malformed_answer"),
        lost(Fault::Empty { status: 200 }, "malformed_answer"),
        lost(Fault::Empty { status: 204 }, "malformed_answer"),
        lost(Fault::Empty { status: 401 }, "malformed_answer"),
        lost(Fault::Empty { status: 500 }, "server_error"),
        lost(Fault::Html { status: 200 }, "malformed_answer"),
        lost(Fault::Html { status: 403 }, "malformed_answer"),
        lost(Fault::Html { status: 502 }, "server_error"),
        lost(Fault::Unavailable { retry_after: None }, "server_error"),
        lost(Fault::Unavailable { retry_after: Some(1) }, "server_error"),
        lost(huge(false), "malformed_answer"),
        lost(huge(true), "malformed_answer"),
        lost(redirect(302), "network"),
        lost(redirect(307), "network"),
        lost(Fault::PageNotFound, "malformed_answer"),
    ]
}

/// Bodies that name neither a ticket nor a document.
fn bodies() -> Vec<Row> {
    let lost = |status, body: &str, kind| {
        let (content_type, body) = ("application/json".to_owned(), body.to_owned());
        lost(Fault::Raw { status, content_type, body }, kind)
    };
    vec![
        lost(200, "[]", "malformed_answer"),
        lost(
            200,
            r#"{"data":{"ticket":"1","node":{"obj_type":"docx","obj_token":"d"}}}"#,
            "malformed_answer",
        ),
        lost(200, r#"{"code":0,"msg":"success"}"#, "malformed_answer"),
        lost(
            200,
            r#"{"code":0,"data":{"ticket":"","node":{"obj_type":"","obj_token":""}}}"#,
            "malformed_answer",
        ),
        lost(
            200,
            r#"{"code":0,"data":{"ticket":"../1","node":{"obj_type":"wiki","obj_token":"d"}}}"#,
            "malformed_answer",
        ),
        lost(407, "proxy", "network"),
        lost(408, "late", "network"),
        lost(500, r#"{"code":0,"msg":"success"}"#, "server_error"),
    ]
}

/// Codes in the usual envelope, each with a status that it comes with: nothing was created.
fn codes() -> Vec<Row> {
    let row = |status, code, outcome| both(Fault::answer(status, code, ""), outcome);
    let of_node = |code, outcome| self::row(Fault::answer(400, code, ""), Again("unknown_code"), outcome);
    let app = |status, code, reason| row(status, code, AppFault(reason));
    let busy = |status, code| both(throttled(status, code, "", 1), Throttled);
    vec![
        // The document's.
        row(403, 1_069_902, Failed("no_permission")),
        row(400, 1_069_904, Failed("invalid_param")),
        row(404, 1_069_906, Failed("document_deleted")),
        row(404, 1_069_914, Failed("document_not_found")),
        row(400, 1_069_918, Failed("type_mismatch")),
        row(400, 99_992_402, Failed("invalid_param")),
        // The wiki node's.
        of_node(131_001, Again("server_error")),
        of_node(131_002, Failed("invalid_param")),
        of_node(131_004, Failed("invalid_param")),
        of_node(131_005, Failed("document_not_found")),
        of_node(131_006, Failed("no_permission")),
        of_node(131_007, Failed("internal_error")),
        // The call's own trouble.
        row(500, 1_069_901, Again("server_error")),
        row(200, 1_069_901, Again("server_error")),
        row(200, 600, Again("server_error")),
        row(200, 2200, Again("server_error")),
        row(500, 4711, Again("server_error")),
        row(200, 4711, Again("unknown_code")),
        row(400, 4711, Again("unknown_code")),
        row(400, 1_060_001, Again("unknown_code")),
        both(Fault::answer(400, 9499, "Bad request"), Again("unknown_code")),
        // The access token's.
        row(200, 99_991_663, TokenRejected),
        row(400, 99_991_668, TokenRejected),
        row(401, 20_005, TokenRejected),
        Row { times: 2, ..row(400, 99_991_668, RejectedTwice) },
        // The app's.
        app(400, 99_991_661, "credentials_rejected"),
        app(400, 99_991_662, "app_unavailable"),
        app(400, 99_991_679, "user_authorization_needed"),
        app(200, 90_003_087, "plan_limit_reached"),
        // Too many requests.
        busy(429, 99_991_400),
        busy(200, 99_991_400),
        busy(400, 99_991_400),
        busy(429, 1_069_923),
        busy(429, 4711),
        self::row(throttled(429, 0, "", 1), LostThrottled, Throttled),
    ]
}

/// Troubles of an app, as one answer shows them.
fn troubles() -> Vec<Row> {
    let app = |trouble, reason| both(Fault::Trouble(trouble), AppFault(reason));
    vec![
        app(Trouble::Disabled, "app_unavailable"),
        app(Trouble::NotInstalled, "app_unavailable"),
        app(Trouble::scope_missing(), "scope_missing"),
        app(Trouble::IpNotAllowed, "ip_not_allowed"),
        app(Trouble::QuotaExhausted, "quota_exhausted"),
        app(Trouble::Refused { status: 400, code: 21_001 }, "access_policy_denied"),
        both(Fault::Trouble(Trouble::TokensRefused), TokenRejected),
    ]
}

/// Longer than any test waits for a create that is not lost.
pub(super) const LOST_WAIT: Duration = Duration::from_secs(60);
