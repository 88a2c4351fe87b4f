//! Kinds of failure: one table from what the server says (`job_status`, code) to the name scripts
//! rely on and the hint people need. How long to wait after a failure is not decided here.

use std::fmt;

/// What went wrong with a ticket, or with its last poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Job status 3.
    InternalError,
    /// Job status 107.
    DocumentTooLarge,
    /// Job status 108.
    ExportTimeout,
    /// Job status 109.
    BlockNoPermission,
    /// Job status 110, code 1069902.
    NoPermission,
    /// Job status 111, code 1069906.
    DocumentDeleted,
    /// Job status 122.
    CopyInProgress,
    /// Job status 123, code 1069914.
    DocumentNotFound,
    /// Job status 6000.
    TooManyImages,
    /// Code 1069904.
    InvalidParam,
    /// Code 1069918.
    TypeMismatch,
    /// "Success" without a file token, too often.
    NoFileToken,
    /// Answers that are no export result, too often.
    MalformedAnswer,
    /// A `job_status` nobody documented, too often.
    UnknownJobStatus,
    /// A 4xx with a code nobody documented, too often.
    UnknownCode,
    /// The server could not be reached, or broke off.
    Network,
    /// The server is in trouble.
    ServerError,
    /// The server counts too many requests.
    Throttled,
    /// The access token was refused.
    TokenRejected,
}

struct Row {
    kind: ErrorKind,
    name: &'static str,
    /// Final job statuses that mean this.
    job_statuses: &'static [i64],
    /// Codes that end a ticket with this.
    codes: &'static [i64],
    hint: &'static str,
}

const fn row(
    kind: ErrorKind,
    name: &'static str,
    job_statuses: &'static [i64],
    codes: &'static [i64],
    hint: &'static str,
) -> Row {
    Row { kind, name, job_statuses, codes, hint }
}

/// Reference: query export task, `job_status` and error codes; create export task, error codes.
#[rustfmt::skip]
const TABLE: [Row; 19] = [
    row(ErrorKind::InternalError, "internal_error", &[3], &[], "export the document again; this is a fault of the server"),
    row(ErrorKind::DocumentTooLarge, "document_too_large", &[107], &[], "split the document or choose another format (PDF takes 128 MB of embedded resources, Word 1 GB)"),
    row(ErrorKind::ExportTimeout, "export_timeout", &[108], &[], "export again later; if it repeats, the document is too complex and wants splitting"),
    row(ErrorKind::BlockNoPermission, "block_no_permission", &[109], &[], "grant the app access to every document embedded in this one, then export again"),
    row(ErrorKind::NoPermission, "no_permission", &[110], &[1_069_902], "add the app to the document (… > more > add document app) or share it with the user; the app that asks must be the one that created the job; export may also be switched off for the document or its wiki"),
    row(ErrorKind::DocumentDeleted, "document_deleted", &[111], &[1_069_906], "restore the document, then export again"),
    row(ErrorKind::CopyInProgress, "copy_in_progress", &[122], &[], "export again in a few minutes, once the copy is finished"),
    row(ErrorKind::DocumentNotFound, "document_not_found", &[123], &[1_069_914], "check the document's token and type; a wiki node's token must first be resolved to its document"),
    row(ErrorKind::TooManyImages, "too_many_images", &[6000], &[], "remove images or split the document, then export again"),
    row(ErrorKind::InvalidParam, "invalid_param", &[], &[1_069_904], "check that ticket and token belong together; a csv export needs its sub_id at creation"),
    row(ErrorKind::TypeMismatch, "type_mismatch", &[], &[1_069_918], "the format does not fit the document's type; create the export with another one"),
    row(ErrorKind::NoFileToken, "no_file_token", &[], &[], "the server calls the job done but names no file; export again"),
    row(ErrorKind::MalformedAnswer, "malformed_answer", &[], &[], "what answers is not the export API; look for a proxy or a captive portal in between"),
    row(ErrorKind::UnknownJobStatus, "unknown_job_status", &[], &[], "the server names a status its documentation does not; give the log id to its support, or export again"),
    row(ErrorKind::UnknownCode, "unknown_code", &[], &[], "look the code up in the platform's list of generic error codes, or give the log id to its support"),
    row(ErrorKind::Network, "network", &[], &[], "the server can't be reached; polling goes on by itself"),
    row(ErrorKind::ServerError, "server_error", &[], &[], "the server is in trouble; polling goes on by itself"),
    row(ErrorKind::Throttled, "throttled", &[], &[], "the server counts too many requests; polling goes on by itself"),
    row(ErrorKind::TokenRejected, "token_rejected", &[], &[], "the access token was refused; a new one is fetched by itself"),
];

impl ErrorKind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.kind)
    }

    /// The name in log, state file and status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().name
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(self) -> &'static str {
        self.row().hint
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.kind)
    }

    /// What a final `job_status` means; none if it is not known to be final.
    #[must_use]
    pub fn of_job_status(job_status: i64) -> Option<Self> {
        TABLE.iter().find(|row| row.job_statuses.contains(&job_status)).map(|row| row.kind)
    }

    /// What a code that ends a ticket means; none for every other code.
    #[must_use]
    pub fn of_code(code: i64) -> Option<Self> {
        TABLE.iter().find(|row| row.codes.contains(&code)).map(|row| row.kind)
    }

    fn row(self) -> &'static Row {
        // The table lists the kinds in the order of the enum; a test holds it to that.
        &TABLE[self as usize]
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong, with everything the server said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind, by which scripts decide.
    pub kind: ErrorKind,
    /// The answer's `code`.
    pub code: Option<i64>,
    /// The answer's `job_status`.
    pub job_status: Option<i64>,
    /// The answer's HTTP status.
    pub http_status: Option<u16>,
    /// What the server, or the network, said; cut to a sane length.
    pub message: Option<Box<str>>,
    /// The id under which the server's support finds the request.
    pub log_id: Option<Box<str>>,
}

impl Failure {
    /// A failure of that kind with nothing more known.
    #[must_use]
    pub const fn of(kind: ErrorKind) -> Self {
        Self { kind, code: None, job_status: None, http_status: None, message: None, log_id: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.kind as usize, index, "{}", row.name);
            assert_eq!(ErrorKind::parse(row.name), Some(row.kind));
            assert!(!row.hint.is_empty());
        }
    }

    #[test]
    fn statuses_and_codes_mean_what_the_api_pages_say() {
        use ErrorKind as K;
        for (status, kind) in [
            (3, K::InternalError),
            (107, K::DocumentTooLarge),
            (108, K::ExportTimeout),
            (109, K::BlockNoPermission),
            (110, K::NoPermission),
            (111, K::DocumentDeleted),
            (122, K::CopyInProgress),
            (123, K::DocumentNotFound),
            (6000, K::TooManyImages),
        ] {
            assert_eq!(K::of_job_status(status), Some(kind));
        }
        for open in [0, 1, 2, 4, -1, 106, i64::MAX] {
            assert_eq!(K::of_job_status(open), None);
        }
        for (code, kind) in [
            (1_069_902, K::NoPermission),
            (1_069_904, K::InvalidParam),
            (1_069_906, K::DocumentDeleted),
            (1_069_914, K::DocumentNotFound),
            (1_069_918, K::TypeMismatch),
        ] {
            assert_eq!(K::of_code(code), Some(kind));
        }
        for open in [0, 3, 1_069_901, 1_069_923, 99_991_400] {
            assert_eq!(K::of_code(open), None);
        }
    }
}
