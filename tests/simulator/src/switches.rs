//! The switches: what the documentation leaves open (section 9 of the reference) or shows in several spellings.
//!
//! Every one has the documented or likeliest behaviour as its default, and can be changed while the server runs.

use std::time::Duration;

use serde::Deserialize;

use crate::duration;

/// How queries, downloads and refusals look. Table `[answers]` of a scenario.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Answers {
    /// The answer to a query while the job runs.
    pub running: RunningShape,
    /// How many fields the answer of a job that succeeded carries.
    pub success: SuccessShape,
    /// How long `job_status` stays 1 before it becomes 2.
    #[serde(with = "duration")]
    pub initialising: Duration,
    /// Where a refusal's body names the log id.
    pub log_id: LogIdPlace,
    /// The header that names the log id on every answer.
    pub log_id_header: LogIdHeader,
    /// A query for a ticket that was never created, or was forgotten.
    pub unknown_ticket: Outcome,
    /// A query with the token of another document than the job's.
    pub mismatched_token: Outcome,
    /// A query or download by another app or user than the creator.
    pub other_identity: Outcome,
    /// A create or permission check for a document without a script.
    pub unknown_document: Outcome,
    /// A lookup or permission check of a wiki node without a script; `fine` makes one up that leads to a docx.
    pub unknown_node: Outcome,
    /// A ticket that old (since its creation) is unknown; without it, never.
    #[serde(deserialize_with = "duration::optional")]
    pub forgotten_after: Option<Duration>,
    /// HTTP status of 1069906 on the query: 410 by its page, 404 by the create page.
    pub deleted_status: u16,
    /// HTTP status that goes with refused access tokens: 200, 400 and 401 were all seen.
    pub access_token_status: u16,
    /// Overrides the code for refused tenant tokens (99991663), say with 99991665, 99991671 or 20005.
    pub tenant_token_code: i64,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            running: RunningShape::Full,
            success: SuccessShape::Full,
            initialising: Duration::from_secs(1),
            log_id: LogIdPlace::LogId,
            log_id_header: LogIdHeader::XTtLogid,
            unknown_ticket: Outcome::InvalidParam,
            mismatched_token: Outcome::InvalidParam,
            other_identity: Outcome::Permission,
            unknown_document: Outcome::Fine,
            unknown_node: Outcome::Fine,
            forgotten_after: None,
            deleted_status: 410,
            access_token_status: 400,
            tenant_token_code: 99_991_663,
        }
    }
}

/// What the query answers while a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunningShape {
    /// Every field, those of the file empty.
    Full,
    /// `result` holds only `job_status`.
    StatusOnly,
    /// `result` is an empty object.
    NoStatus,
    /// `data` is an empty object.
    NoResult,
    /// `data.result` is null.
    NullResult,
    /// `data` is null.
    NullData,
    /// `data` is missing.
    NoData,
    /// `job_status` 0 with an empty `file_token`.
    ZeroEmptyToken,
    /// `job_status` 0 and nothing else.
    ZeroNoToken,
}

/// What the query answers once a job succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuccessShape {
    /// Every documented field.
    Full,
    /// `job_status` and `file_token` only.
    Minimal,
    /// Every documented field, and some that no page knows.
    Extended,
}

/// Where the body of a refusal names the log id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogIdPlace {
    /// `error.log_id`.
    LogId,
    /// `error.logid`.
    Logid,
    /// `log_id` beside `code`.
    TopLevel,
    /// Nowhere; there is no `error` object unless it has something else to say.
    Absent,
}

/// The header of the log id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogIdHeader {
    /// `X-Tt-Logid`.
    XTtLogid,
    /// `X-Request-Id`.
    XRequestId,
    /// None.
    Absent,
}

/// What follows from a circumstance that no page describes, or that a script wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// Answered as if nothing were wrong; an unknown ticket is answered as running, for ever.
    #[default]
    Fine,
    /// 403 with 1069902.
    Permission,
    /// 404 with 1069914.
    NotFound,
    /// 400 with 1069904.
    InvalidParam,
    /// 1069906, with the status of [`Answers::deleted_status`].
    Deleted,
    /// Anything else.
    Refused {
        /// HTTP status.
        status: u16,
        /// `code` of the envelope.
        code: i64,
    },
}

impl Outcome {
    /// HTTP status and code, or none where all is fine.
    pub(crate) fn refusal(self, deleted_status: u16) -> Option<(u16, i64)> {
        match self {
            Self::Fine => None,
            Self::Permission => Some((403, 1_069_902)),
            Self::NotFound => Some((404, 1_069_914)),
            Self::InvalidParam => Some((400, 1_069_904)),
            Self::Deleted => Some((deleted_status, 1_069_906)),
            Self::Refused { status, code } => Some((status, code)),
        }
    }
}

/// The token endpoint. Table `[tokens]` of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tokens {
    /// HTTP status of its refusals: 200 as observed.
    pub refusal_status: u16,
    /// Code for a wrong secret: 10014 as observed, or the documented 10015.
    pub wrong_secret_code: i64,
    /// Code for an app id that does not exist: 10014, or 99991543.
    pub unknown_app_code: i64,
    /// After a revocation, hand out the same dead token while it would have had time left.
    pub reissue_revoked: bool,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            refusal_status: 200,
            wrong_secret_code: 10_014,
            unknown_app_code: 10_014,
            reissue_revoked: false,
        }
    }
}

/// The download endpoint. Table `[download]` of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Download {
    /// How long an artefact lives after the end of its job.
    #[serde(with = "duration")]
    pub lifetime: Duration,
    /// HTTP status once it is gone, or was never there.
    pub gone_status: u16,
    /// Code once it is gone, or was never there.
    pub gone_code: i64,
    /// The most bytes that are sent, whatever the job says.
    pub cap: u64,
    /// Send `Content-Length`; otherwise the body is chunked.
    pub content_length: bool,
    /// Honour `Range: bytes=a-b` and `bytes=a-` with 206.
    pub range: bool,
    /// How the file's name is sent.
    pub disposition: Disposition,
}

impl Default for Download {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(600),
            gone_status: 400,
            gone_code: 1_060_001,
            cap: 64 << 30,
            content_length: true,
            range: false,
            disposition: Disposition::Absent,
        }
    }
}

/// The form of `Content-Disposition` on a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// No such header.
    Absent,
    /// `filename="…"` with raw UTF-8 bytes.
    Filename,
    /// `filename*=UTF-8''…`.
    Extended,
}

/// All switches together, as they are changed at run time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Switches {
    /// How queries and refusals look.
    pub answers: Answers,
    /// The token endpoint.
    pub tokens: Tokens,
    /// The download endpoint.
    pub download: Download,
}
