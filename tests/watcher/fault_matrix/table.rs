//! The table: a row for everything that the simulator can do to a request, and a verdict for each phase.

use std::time::Duration;

use export_simulator::{Fault, RunningShape, SuccessShape, ThrottleStyle, Trouble};

use self::Verdict::{
    Failed, Fault as AppFault, Granted, Pending, Refused, RejectedTwice, Retry, Throttled, TokenRejected,
    Truth, Unclear,
};

/// What befalls a request.
#[derive(Clone, Debug)]
pub(super) enum Ill {
    /// That request alone.
    Fault(Fault),
    /// The app, until it is fixed.
    Trouble(Trouble),
    /// The app's window is full, until it is not; at the token endpoint, which has no window, one refusal that
    /// looks the same.
    Full(ThrottleStyle),
    /// The app's running jobs are answered like this.
    Running(RunningShape),
    /// The app's succeeded jobs are answered like this.
    Success(SuccessShape),
}

/// What the watcher is to make of it, in the words of the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The answer is believed: the job came to what it came to.
    Truth,
    /// The job runs.
    Pending,
    /// The ticket failed, with that kind.
    Failed(&'static str),
    /// No permission, and not clear yet whether the document or the app is the cause.
    Refused,
    /// Asked again; a bounded number of times.
    Unclear(&'static str),
    /// Asked again, without end.
    Retry(&'static str),
    /// The app, or the endpoint, is left alone for a while.
    Throttled,
    /// The access token is replaced, and the poll repeated.
    TokenRejected,
    /// The same, and the new token's refusal pauses the app.
    RejectedTwice,
    /// The app is paused for that reason.
    Fault(&'static str),
    /// An access token is there.
    Granted,
}

/// The verdicts of one endpoint: on its first request, on one that was on its way when a throttle began, and on the
/// first one after a throttle.
type Phases = [Verdict; 3];

/// A row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) ill: Ill,
    pub(super) query: Phases,
    /// None where the token endpoint has no such answer.
    pub(super) token: Option<Phases>,
}

impl Row {
    /// Whether the request ends by the watcher's own time limit.
    pub(super) fn times_out(&self) -> bool {
        matches!(&self.ill, Ill::Fault(fault) if takes_time(fault))
    }
}

/// Whether time limits of the watcher matter to the fault.
pub(super) fn takes_time(fault: &Fault) -> bool {
    match fault {
        Fault::Lost(within) => takes_time(within),
        Fault::Hang | Fault::Stall => true,
        Fault::Delay { by } => *by > LITTLE,
        Fault::Slow { every, .. } => *every > LITTLE,
        _ => false,
    }
}

/// Late, but in time.
pub(super) const LITTLE: Duration = Duration::from_millis(50);

/// Later than any test waits.
pub(super) const LONG: Duration = Duration::from_secs(60);

const NETWORK: Phases = [Retry("network"); 3];
/// At the token endpoint, which is asked again as long as it takes.
const MALFORMED_TOKEN: Phases = [Retry("malformed_answer"); 3];
const SERVER: Phases = [Retry("server_error"); 3];
const MALFORMED: Phases = [Unclear("malformed_answer"); 3];
const UNKNOWN_CODE: Phases = [Unclear("unknown_code"); 3];
const NO_FILE: Phases = [Unclear("no_file_token"); 3];
const CREDENTIALS: Phases = [AppFault("credentials_rejected"); 3];
const UNAVAILABLE: Phases = [AppFault("app_unavailable"); 3];

/// Everything.
pub(super) fn rows() -> Vec<Row> {
    [broken(), pages(), codes(), bodies(), troubles(), throttles(), shapes()].into_iter().flatten().collect()
}

fn fault(fault: Fault, query: Phases, token: Phases) -> Row {
    Row { ill: Ill::Fault(fault), query, token: Some(token) }
}

/// Connections that break, and answers that come late or not at all.
fn broken() -> Vec<Row> {
    vec![
        fault(Fault::Reset, NETWORK, NETWORK),
        fault(Fault::Close, NETWORK, NETWORK),
        fault(Fault::Hang, NETWORK, NETWORK),
        fault(Fault::Stall, NETWORK, NETWORK),
        fault(Fault::HalfBody, NETWORK, NETWORK),
        fault(Fault::Delay { by: LITTLE }, [Truth; 3], [Granted; 3]),
        fault(Fault::Delay { by: LONG }, NETWORK, NETWORK),
        fault(Fault::Slow { bytes: 64, every: LITTLE }, [Truth; 3], [Granted; 3]),
        fault(Fault::Slow { bytes: 1, every: LONG }, NETWORK, NETWORK),
    ]
}

/// Answers of something that is not the API.
fn pages() -> Vec<Row> {
    let redirect = |status| Fault::Redirect { status, location: "http://127.0.0.1:1/".to_owned() };
    let huge = |content_length| Fault::Huge { bytes: 4 << 20, content_length };
    vec![
        fault(Fault::WrongJson, MALFORMED, MALFORMED_TOKEN),
        fault(Fault::InvalidUtf8, MALFORMED, MALFORMED_TOKEN),
        fault(Fault::Empty { status: 200 }, MALFORMED, MALFORMED_TOKEN),
        fault(Fault::Empty { status: 204 }, MALFORMED, MALFORMED_TOKEN),
        fault(Fault::Empty { status: 401 }, MALFORMED, MALFORMED_TOKEN),
        fault(Fault::Empty { status: 500 }, SERVER, SERVER),
        fault(Fault::Html { status: 200 }, MALFORMED, MALFORMED_TOKEN),
        fault(Fault::Html { status: 403 }, MALFORMED, MALFORMED_TOKEN),
        fault(Fault::Html { status: 404 }, MALFORMED, MALFORMED_TOKEN),
        fault(Fault::Html { status: 502 }, SERVER, SERVER),
        fault(Fault::Unavailable { retry_after: None }, SERVER, SERVER),
        fault(Fault::Unavailable { retry_after: Some(1) }, SERVER, SERVER),
        fault(huge(false), MALFORMED, MALFORMED_TOKEN),
        fault(huge(true), MALFORMED, MALFORMED_TOKEN),
        fault(redirect(302), NETWORK, NETWORK),
        fault(redirect(307), NETWORK, NETWORK),
        fault(Fault::PageNotFound, MALFORMED, MALFORMED_TOKEN),
    ]
}

/// Codes in the usual envelope, each with a status that it comes with.
fn codes() -> Vec<Row> {
    let row = |status, code, query, token| fault(Fault::answer(status, code, ""), query, token);
    let said = |status, code, msg: &str, query, token| fault(Fault::answer(status, code, msg), query, token);
    vec![
        // The call's own trouble.
        row(500, 1_069_901, SERVER, SERVER),
        row(200, 1_069_901, SERVER, SERVER),
        row(200, 600, SERVER, SERVER),
        row(200, 2200, SERVER, SERVER),
        row(200, 20_050, UNKNOWN_CODE, SERVER),
        row(500, 0, SERVER, SERVER),
        row(500, 4711, SERVER, SERVER),
        row(200, 4711, UNKNOWN_CODE, CREDENTIALS),
        row(400, 4711, UNKNOWN_CODE, CREDENTIALS),
        said(400, 9499, "Bad request", UNKNOWN_CODE, CREDENTIALS),
        // The document's, or the job's.
        // Noted first, and judged as soon as every ticket was asked.
        row(403, 1_069_902, [Refused; 3], CREDENTIALS),
        row(400, 1_069_904, [Failed("invalid_param"); 3], CREDENTIALS),
        row(410, 1_069_906, [Failed("document_deleted"); 3], CREDENTIALS),
        row(404, 1_069_914, [Failed("document_not_found"); 3], CREDENTIALS),
        row(400, 1_069_918, [Failed("type_mismatch"); 3], CREDENTIALS),
        // The access token's.
        row(200, 99_991_663, [TokenRejected; 3], CREDENTIALS),
        row(400, 99_991_668, [TokenRejected; 3], CREDENTIALS),
        row(401, 20_005, [TokenRejected; 3], CREDENTIALS),
        // The app's.
        said(
            400,
            99_991_668,
            "user access token not support",
            [AppFault("token_type_unsupported"); 3],
            [AppFault("token_type_unsupported"); 3],
        ),
        row(400, 99_991_661, CREDENTIALS, CREDENTIALS),
        row(200, 10_014, UNKNOWN_CODE, CREDENTIALS),
        row(200, 10_015, UNKNOWN_CODE, CREDENTIALS),
        row(400, 20_069, UNKNOWN_CODE, UNAVAILABLE),
        row(400, 99_991_662, UNAVAILABLE, UNAVAILABLE),
        row(400, 99_991_672, [AppFault("scope_missing"); 3], [AppFault("scope_missing"); 3]),
        row(
            400,
            99_991_679,
            [AppFault("user_authorization_needed"); 3],
            [AppFault("user_authorization_needed"); 3],
        ),
        row(400, 99_991_401, [AppFault("ip_not_allowed"); 3], [AppFault("ip_not_allowed"); 3]),
        row(429, 99_991_403, [AppFault("quota_exhausted"); 3], [AppFault("quota_exhausted"); 3]),
        row(200, 21_000, [AppFault("access_policy_denied"); 3], [AppFault("access_policy_denied"); 3]),
        row(200, 90_003_087, [AppFault("plan_limit_reached"); 3], [AppFault("plan_limit_reached"); 3]),
        // Too many requests.
        fault(throttled(429, 99_991_400, "", 1), [Throttled; 3], [Throttled; 3]),
        fault(throttled(200, 99_991_400, "", 1), [Throttled; 3], [Throttled; 3]),
        fault(throttled(429, 0, "", 1), [Throttled; 3], [Throttled; 3]),
        fault(throttled(429, 4711, "", 1), [Throttled; 3], [Throttled; 3]),
    ]
}

/// Bodies that the simulator's own jobs do not have.
fn bodies() -> Vec<Row> {
    let row = |status, body: &str, query, token| {
        let (content_type, body) = ("application/json".to_owned(), body.to_owned());
        fault(Fault::Raw { status, content_type, body }, query, token)
    };
    let job = |result: &str, query| {
        row(200, &format!(r#"{{"code":0,"msg":"success","data":{{"result":{result}}}}}"#), query, SERVER)
    };
    vec![
        row(200, "[]", MALFORMED, MALFORMED_TOKEN),
        row(200, r#"{"data":{"result":{"job_status":0,"file_token":"box"}}}"#, MALFORMED, MALFORMED_TOKEN),
        row(407, "proxy", NETWORK, NETWORK),
        row(408, "late", NETWORK, NETWORK),
        job(r#"{"file_token":"box"}"#, MALFORMED),
        job(r#"{"job_status":0,"file_token":"../box"}"#, MALFORMED),
        job(r#"{"job_status":77,"file_token":"box"}"#, [Unclear("unknown_job_status"); 3]),
        job(r#"{"job_status":3}"#, [Failed("internal_error"); 3]),
        job(r#"{"job_status":2}"#, [Pending; 3]),
    ]
}

/// The troubles of an app leave the token endpoint alone, but for one.
fn troubles() -> Vec<Row> {
    let row = |trouble, query, token| Row { ill: Ill::Trouble(trouble), query, token: Some(token) };
    let scopes = vec!["drive:export:readonly".to_owned()];
    let captured = Trouble::ScopeMissing { scopes, status: 403, captured_shape: true };
    vec![
        row(Trouble::Disabled, UNAVAILABLE, CREDENTIALS),
        row(Trouble::NotInstalled, UNAVAILABLE, [Granted; 3]),
        row(Trouble::scope_missing(), [AppFault("scope_missing"); 3], [Granted; 3]),
        row(captured, [AppFault("scope_missing"); 3], [Granted; 3]),
        row(Trouble::IpNotAllowed, [AppFault("ip_not_allowed"); 3], [Granted; 3]),
        row(Trouble::QuotaExhausted, [AppFault("quota_exhausted"); 3], [Granted; 3]),
        row(Trouble::TokensRefused, [RejectedTwice; 3], [Granted; 3]),
        row(
            Trouble::Refused { status: 400, code: 21_001 },
            [AppFault("access_policy_denied"); 3],
            [Granted; 3],
        ),
    ]
}

fn throttles() -> Vec<Row> {
    let styles = [
        ThrottleStyle::Http429,
        ThrottleStyle::Legacy400,
        ThrottleStyle::Code9499,
        ThrottleStyle::Code1069923,
        ThrottleStyle::Bare429,
    ];
    styles
        .map(|style| Row { ill: Ill::Full(style), query: [Throttled; 3], token: Some([Throttled; 3]) })
        .into()
}

fn shapes() -> Vec<Row> {
    let running = |shape, query| Row { ill: Ill::Running(shape), query, token: None };
    let success = |shape| Row { ill: Ill::Success(shape), query: [Truth; 3], token: None };
    vec![
        running(RunningShape::Full, [Pending; 3]),
        running(RunningShape::StatusOnly, [Pending; 3]),
        running(RunningShape::NoStatus, MALFORMED),
        running(RunningShape::NoResult, MALFORMED),
        running(RunningShape::NullResult, MALFORMED),
        running(RunningShape::NullData, MALFORMED),
        running(RunningShape::NoData, MALFORMED),
        running(RunningShape::ZeroEmptyToken, NO_FILE),
        running(RunningShape::ZeroNoToken, NO_FILE),
        success(SuccessShape::Full),
        success(SuccessShape::Minimal),
        success(SuccessShape::Extended),
    ]
}

/// A refusal that names the seconds to wait.
pub(super) fn throttled(status: u16, code: i64, msg: &str, reset: u64) -> Fault {
    let headers = vec![("x-ogw-ratelimit-reset".to_owned(), reset.to_string())];
    Fault::Answer { status, code, msg: msg.to_owned(), headers }
}
