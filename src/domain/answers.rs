//! The numbers in the platform's answers, `job_status` and `code`: one table of what each means, by which answers are
//! judged and from which they are explained. What helps stands with the kind of failure or the reason of a pause that a
//! number leads to. Answers without a listed number are judged by their HTTP status, not here.
//!
//! Sources: query and create export task (job status, error codes), download exported file, get wiki node information,
//! generic error codes, rate limits, the pages on tokens and on the call quota; and, where these are silent, what the
//! platform's own command line does.

use super::advice::{Advice, Help};
use super::{Endpoint, ErrorKind, PauseReason};

/// A `job_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobStatus {
    /// The number.
    pub number: i64,
    /// What the platform calls it.
    pub says: &'static str,
    /// Its meaning for the ticket.
    pub meaning: JobMeaning,
}

/// What a `job_status` means for the ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobMeaning {
    /// The job is done, if it names a file.
    Done,
    /// The job is under way.
    Running,
    /// The job failed permanently.
    Failed(ErrorKind),
}

/// A `code` of the envelope that every answer comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The number.
    pub number: i64,
    /// What the platform says with it.
    pub says: &'static str,
    /// What it means, whatever the HTTP status.
    pub meaning: CodeMeaning,
    /// What it means instead where the message is worded like that.
    pub worded: Option<(Wording, CodeMeaning)>,
    /// The endpoint that alone sends it; none for a code that any may send.
    pub only_from: Option<Endpoint>,
}

/// What a code says about the job, the server, the access token or the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeMeaning {
    /// The request went well: the job's status decides.
    Accepted,
    /// The ticket failed permanently.
    Failed(ErrorKind),
    /// The server is in trouble.
    ServerTrouble,
    /// The same, and the platform asks callers to slow down.
    SlowDown,
    /// The data is elsewhere for now.
    Postponed,
    /// Too many requests.
    Throttled,
    /// The access token is bad.
    TokenRejected,
    /// The app's configuration, or its tenant's, stands in the way.
    App(PauseReason),
    /// Nothing certain: the HTTP status decides, as for a code that is not listed.
    Unclear,
}

/// A wording of the message that separates two meanings of one code, in the few cases where nothing else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
pub enum Wording {
    /// "too many request", and nothing else.
    #[strum(serialize = "too many requests")]
    TooManyRequests,
    /// "… not support …": the API takes another kind of access token.
    #[strum(serialize = "not support")]
    NotSupported,
}

impl Wording {
    /// The words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Every known `job_status`, by number.
pub static JOB_STATUSES: [JobStatus; 12] = {
    use ErrorKind as K;
    use JobMeaning::{Done, Failed, Running};
    [
        job(0, "success", Done),
        job(1, "initialising", Running),
        job(2, "processing", Running),
        job(3, "internal error", Failed(K::InternalError)),
        job(107, "document too large", Failed(K::DocumentTooLarge)),
        job(108, "processing timed out", Failed(K::ExportTimeout)),
        job(109, "no permission on a block of the document", Failed(K::BlockNoPermission)),
        job(110, "no permission", Failed(K::NoPermission)),
        job(111, "document deleted", Failed(K::DocumentDeleted)),
        job(122, "no export while a copy is being created", Failed(K::CopyInProgress)),
        job(123, "document does not exist", Failed(K::DocumentNotFound)),
        job(6000, "too many images", Failed(K::TooManyImages)),
    ]
};

/// Every known `code`, by number.
pub static CODES: [Code; 82] = {
    use CodeMeaning::{
        Accepted, App, Failed, Postponed, ServerTrouble, SlowDown, Throttled, TokenRejected, Unclear,
    };
    use ErrorKind as K;
    use PauseReason as P;
    [
        code(0, "success", Accepted),
        // Hybrid deployments; comes with HTTP 200.
        code(600, "the data is elsewhere for now, ask again later", Postponed),
        // The generic page says no more than that.
        code(1002, "failed", Unclear),
        code(1500, "internal error", SlowDown),
        code(1642, "internal error, the session was not updated", SlowDown),
        code(1663, "internal error", SlowDown),
        code(1668, "internal error", SlowDown),
        code(2200, "internal error, as a rule after too many requests", SlowDown),
        code(4001, "access token invalid (an older service)", TokenRejected),
        code(5000, "internal error, ask less often", SlowDown),
        // By its generic meaning it says nothing certain about the ticket.
        code(9499, "bad request or invalid parameter", Unclear).or(Wording::TooManyRequests, Throttled),
        token_code(10_003, "parameter missing or malformed", App(P::CredentialsRejected)),
        token_code(10_005, "app or tenant not authorised", App(P::CredentialsRejected)),
        token_code(10_012, "no app access token to be had", App(P::CredentialsRejected)),
        token_code(10_013, "no tenant access token to be had", App(P::CredentialsRejected)),
        // Documented as the first, seen as the others: the last for a wrong secret, the second also for an app of the
        // other platform.
        token_code(10_014, "app disabled, app id unknown, or app secret wrong", App(P::CredentialsRejected)),
        token_code(10_015, "wrong app secret", App(P::CredentialsRejected)),
        code(10_101, "internal error", SlowDown),
        code(10_105, "internal error, the user was not found", SlowDown),
        token_code(20_002, "app id and app secret do not match", App(P::CredentialsRejected)),
        code(20_005, "access token invalid (an older service)", TokenRejected),
        code(20_006, "user access token expired (an older service)", TokenRejected),
        token_code(20_009, "app not installed in the tenant", App(P::AppUnavailable)),
        code(20_013, "tenant access token invalid (an older service)", TokenRejected),
        code(20_014, "app access token invalid (an older service)", TokenRejected),
        token_code(20_048, "app does not exist", App(P::CredentialsRejected)),
        token_code(20_050, "internal error", ServerTrouble),
        token_code(20_069, "app disabled", App(P::AppUnavailable)),
        token_code(20_070, "two ways of authentication at once", App(P::CredentialsRejected)),
        token_code(20_072, "service unavailable for now", ServerTrouble),
        code(21_000, "the access policy wants the user to pass a challenge", App(P::AccessPolicyDenied)),
        code(21_001, "blocked by the access policy", App(P::AccessPolicyDenied)),
        code(30_005, "interface is offline", App(P::WrongBaseUrl)),
        code(55_001, "internal error, ask less often", SlowDown),
        code(90_217, "too many requests", Throttled),
        code(96_402, "timeout", ServerTrouble),
        // All of these come with HTTP 400.
        node_code(131_001, "a service behind it failed, ask again", ServerTrouble),
        node_code(131_002, "invalid parameter", Failed(K::InvalidParam)),
        node_code(131_004, "invalid user or parameter", Failed(K::InvalidParam)),
        node_code(131_005, "node not found", Failed(K::DocumentNotFound)),
        node_code(131_006, "no permission on the node", Failed(K::NoPermission)),
        // The page asks callers not to repeat it, so it is as final as a job's own internal error.
        node_code(131_007, "internal error, not to be asked again", Failed(K::InternalError)),
        code(1_000_003, "internal service error", ServerTrouble),
        code(1_000_004, "rate limit of the method", Throttled),
        code(1_000_005, "rate limit of the app", Throttled),
        Code {
            only_from: Some(Endpoint::Download),
            ..code(1_060_001, "invalid parameter: no such file, or no longer", Failed(K::Expired))
        },
        code(1_061_045, "the resource is in use, ask again", SlowDown),
        code(1_069_901, "internal error of the export", ServerTrouble),
        code(1_069_902, "no permission on the document", Failed(K::NoPermission)),
        code(1_069_904, "invalid parameter", Failed(K::InvalidParam)),
        code(1_069_906, "document deleted", Failed(K::DocumentDeleted)),
        code(1_069_914, "invalid document token", Failed(K::DocumentNotFound)),
        code(1_069_918, "format does not fit the document's type", Failed(K::TypeMismatch)),
        code(1_069_923, "too many requests", Throttled),
        code(90_003_087, "usage limit of the plan reached", App(P::PlanLimitReached)),
        code(90_003_088, "not part of the organisation's plan any more", App(P::PlanLimitReached)),
        // A path and a method that every host of the platform knows: another host, or a deployment without exports.
        code(99_991_201, "no such path", App(P::WrongBaseUrl)),
        code(99_991_301, "no such method at this path", App(P::WrongBaseUrl)),
        code(99_991_400, "request frequency limit", Throttled),
        // Next to the rate limit's number, but none.
        code(99_991_401, "the app's settings deny this IP address", App(P::IpNotAllowed)),
        code(99_991_403, "this month's API call quota has been exceeded", App(P::QuotaExhausted)),
        token_code(99_991_543, "app id or app secret does not exist", App(P::CredentialsRejected)),
        // None was seen: a new one would change nothing.
        code(99_991_661, "no access token in the request", App(P::CredentialsRejected)),
        code(99_991_662, "app not in use", App(P::AppUnavailable)),
        code(99_991_663, "tenant access token invalid or expired", TokenRejected)
            .or(Wording::NotSupported, App(P::TokenTypeUnsupported)),
        code(99_991_664, "app access token invalid", TokenRejected),
        code(99_991_665, "tenant access token invalid", TokenRejected),
        code(99_991_668, "user access token invalid or expired", TokenRejected)
            .or(Wording::NotSupported, App(P::TokenTypeUnsupported)),
        code(99_991_669, "refresh token of the user invalid", App(P::UserAuthorizationNeeded)),
        code(99_991_670, "SSO access token invalid", TokenRejected),
        code(99_991_671, "access token starts neither with t- nor with u-", TokenRejected),
        code(99_991_672, "the app lacks the API scope", App(P::ScopeMissing)),
        code(99_991_673, "app not available in the tenant", App(P::AppUnavailable)),
        code(99_991_674, "kind of user not supported", App(P::TokenTypeUnsupported)),
        // The request names no user: the access token does.
        code(99_991_675, "user of the access token can't be read", TokenRejected),
        code(99_991_676, "the access token lacks the permission", App(P::ScopeMissing)),
        code(99_991_677, "user access token expired", TokenRejected),
        code(99_991_679, "the user has not granted the API scope", App(P::UserAuthorizationNeeded)),
        code(99_991_681, "authentication failed at a third party, see the message", TokenRejected),
        code(99_991_692, "authentication failed, see the message", TokenRejected),
        // The same for every ticket would be the watcher's own fault; for one it is the ticket or its token.
        code(99_992_402, "field validation failed", Failed(K::InvalidParam)),
        // Seen at the endpoint of long connections.
        code(1_000_040_351, "incorrect domain name: an app of the other platform", App(P::WrongBaseUrl)),
    ]
};

const fn job(number: i64, says: &'static str, meaning: JobMeaning) -> JobStatus {
    JobStatus { number, says, meaning }
}

const fn code(number: i64, says: &'static str, meaning: CodeMeaning) -> Code {
    Code { number, says, meaning, worded: None, only_from: None }
}

const fn token_code(number: i64, says: &'static str, meaning: CodeMeaning) -> Code {
    Code { only_from: Some(Endpoint::Token), ..code(number, says, meaning) }
}

const fn node_code(number: i64, says: &'static str, meaning: CodeMeaning) -> Code {
    Code { only_from: Some(Endpoint::Node), ..code(number, says, meaning) }
}

impl Code {
    const fn or(self, wording: Wording, meaning: CodeMeaning) -> Self {
        Self { worded: Some((wording, meaning)), ..self }
    }

    /// All that it can mean, each with the wording that it depends on.
    pub fn meanings(&self) -> impl Iterator<Item = (Option<Wording>, CodeMeaning)> {
        let worded = self.worded.map(|(wording, meaning)| (Some(wording), meaning));
        [Some((None, self.meaning)), worded].into_iter().flatten()
    }
}

/// The `job_status` of that number, if it is known.
#[must_use]
pub fn job_status(number: i64) -> Option<&'static JobStatus> {
    JOB_STATUSES.iter().find(|row| row.number == number)
}

/// The `code` of that number, if it is known.
#[must_use]
pub fn code_of(number: i64) -> Option<&'static Code> {
    CODES.iter().find(|row| row.number == number)
}

const DONE: Advice = Advice {
    means: "The export is done, and the ticket is completed with the file's token. Without a token it is taken for no_file_token.",
    waiting: Help::NotNeeded,
    new_export: Help::NotNeeded,
    hint: "download the file before download_by; it lives for ten minutes after the job's end",
};

const RUNNING: Advice = Advice {
    means: "The server works on the export.",
    waiting: Help::Yes,
    new_export: Help::No,
    hint: "polling goes on by itself, until give_up_after at most",
};

const ACCEPTED: Advice = Advice {
    means: "The request went well; job_status says how the export is doing.",
    waiting: Help::NotNeeded,
    new_export: Help::NotNeeded,
    hint: "look at job_status",
};

impl JobMeaning {
    /// The kind of failure, if it is one.
    #[must_use]
    pub const fn kind(self) -> Option<ErrorKind> {
        if let Self::Failed(kind) = self { Some(kind) } else { None }
    }

    /// What it means and what helps.
    #[must_use]
    pub fn advice(self) -> &'static Advice {
        match self {
            Self::Done => &DONE,
            Self::Running => &RUNNING,
            Self::Failed(kind) => kind.advice(),
        }
    }
}

impl CodeMeaning {
    /// The kind of trouble that a ticket shows for it; none for a fault of the app.
    #[must_use]
    pub const fn kind(self) -> Option<ErrorKind> {
        match self {
            Self::Accepted | Self::App(_) => None,
            Self::Failed(kind) => Some(kind),
            Self::ServerTrouble | Self::SlowDown | Self::Postponed => Some(ErrorKind::ServerError),
            Self::Throttled => Some(ErrorKind::Throttled),
            Self::TokenRejected => Some(ErrorKind::TokenRejected),
            Self::Unclear => Some(ErrorKind::UnknownCode),
        }
    }

    /// Why it pauses the app, if it does.
    #[must_use]
    pub const fn pause(self) -> Option<PauseReason> {
        match self {
            Self::App(reason) => Some(reason),
            Self::Throttled => Some(PauseReason::RateLimited),
            _ => None,
        }
    }

    /// Its meaning and remedy: those of the pause, where the app is paused.
    #[must_use]
    pub fn advice(self) -> &'static Advice {
        let of_kind = || self.kind().map(ErrorKind::advice);
        self.pause().map(PauseReason::advice).or_else(of_kind).unwrap_or(&ACCEPTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::advice::assert_well_formed;

    /// Promise: every number is there once and explained, down to what to do.
    #[test]
    fn every_number_is_explained() {
        assert!(JOB_STATUSES.is_sorted_by(|one, next| one.number < next.number));
        assert!(CODES.is_sorted_by(|one, next| one.number < next.number));
        for JobStatus { number, says, meaning } in &JOB_STATUSES {
            assert!(!says.is_empty());
            assert_well_formed(&format!("job status {number}"), meaning.advice());
        }
        for code in &CODES {
            assert!(!code.says.is_empty());
            for (_, meaning) in code.meanings() {
                assert_well_formed(&format!("code {}", code.number), meaning.advice());
            }
        }
    }

    /// Promise: no number that the reference's decision table names for the watcher's endpoints is missing.
    #[test]
    fn the_decision_table_is_covered() {
        for number in [0, 1, 2, 3, 107, 108, 109, 110, 111, 122, 123, 6000] {
            assert!(job_status(number).is_some(), "{number}");
        }
        for number in [
            0,
            600,
            1002,
            1500,
            1642,
            1663,
            1668,
            2200,
            4001,
            5000,
            9499,
            10_003,
            10_005,
            10_014,
            10_015,
            10_101,
            10_105,
            20_002,
            20_005,
            20_006,
            20_009,
            20_013,
            20_048,
            20_050,
            20_069,
            20_070,
            20_072,
            21_000,
            21_001,
            55_001,
            1_060_001,
            1_069_901,
            1_069_902,
            1_069_904,
            1_069_906,
            1_069_914,
            1_069_918,
            1_069_923,
            90_003_087,
            90_003_088,
            99_991_400,
            99_991_401,
            99_991_403,
            99_991_543,
            99_991_661,
            99_991_662,
            99_991_663,
            99_991_664,
            99_991_665,
            99_991_668,
            99_991_671,
            99_991_672,
            99_991_673,
            99_991_676,
            99_991_677,
            99_991_679,
            20_014,
            30_005,
            96_402,
            131_001,
            131_002,
            131_004,
            131_005,
            131_006,
            131_007,
            1_000_003,
            99_991_201,
            99_991_301,
            99_991_669,
            99_991_670,
            99_991_674,
            99_991_675,
            99_991_681,
            99_991_692,
            99_992_402,
            1_000_040_351,
        ] {
            assert!(code_of(number).is_some(), "{number}");
        }
        for open in [-1, 4, 106, i64::MAX] {
            assert_eq!(job_status(open), None);
            assert_eq!(code_of(open), None);
        }
    }

    /// Promise: trouble that does not end a ticket is not explained as if it did.
    #[test]
    fn a_pause_is_explained_as_a_pause() {
        let scope = code_of(99_991_672).unwrap().meaning;
        assert_eq!((scope.kind(), scope.pause()), (None, Some(PauseReason::ScopeMissing)));
        assert_eq!(scope.advice(), PauseReason::ScopeMissing.advice());
        let throttled = code_of(99_991_400).unwrap().meaning;
        assert_eq!(throttled.kind(), Some(ErrorKind::Throttled));
        assert_eq!(throttled.advice(), PauseReason::RateLimited.advice());
        let [plain, worded] = [0, 1].map(|nth| code_of(9499).unwrap().meanings().nth(nth).unwrap());
        assert_eq!((plain.0, plain.1.kind()), (None, Some(ErrorKind::UnknownCode)));
        assert_eq!((worded.0, worded.1), (Some(Wording::TooManyRequests), CodeMeaning::Throttled));
    }
}
