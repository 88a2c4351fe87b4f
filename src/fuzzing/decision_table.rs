//! The reference's decision table for a poller (sections 7 and 10), written down a second time and in its own words: what
//! the program makes of an answer is held against it. It shares neither tables nor parser with the program.

use serde_json::Value;

use crate::domain::{ErrorKind, PauseReason};
use crate::feishu::{Grant, TokenTrouble, Verdict};

/// What an answer says.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) code: Option<i64>,
    pub(super) job_status: Option<i64>,
    /// `msg` and `error.message`.
    messages: Vec<String>,
    file_token: Option<String>,
    /// Whether one object has a name twice, so that nobody knows what is meant.
    pub(super) is_ambiguous: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    Done,
    Running,
    /// The ticket is past help.
    Failed(ErrorKind),
    /// Ask again; an answer that can't be understood is asked for a limited number of times.
    Later,
    Unclear,
    /// The app waits.
    Throttled,
    Renew,
    App(PauseReason),
}

impl Ruling {
    pub(super) fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Pending => Self::Running,
            Verdict::Completed(_) => Self::Done,
            Verdict::Failed(kind) => Self::Failed(*kind),
            Verdict::Unclear(_) | Verdict::Strange(_) => Self::Unclear,
            Verdict::Refused => Self::Failed(ErrorKind::NoPermission),
            Verdict::Retry { .. } | Verdict::Postponed => Self::Later,
            Verdict::Throttled { .. } => Self::Throttled,
            Verdict::TokenRejected => Self::Renew,
            Verdict::AppFault(reason) => Self::App(*reason),
        }
    }

    pub(super) fn of_token(result: &Result<Grant, TokenTrouble>) -> Self {
        match result {
            Ok(_) => Self::Done,
            Err(TokenTrouble::Retry(_)) => Self::Later,
            Err(TokenTrouble::Throttled { .. }) => Self::Throttled,
            // Which of them, the table leaves open.
            Err(TokenTrouble::AppFault(_)) => Self::App(PauseReason::CredentialsRejected),
        }
    }
}

impl Said {
    /// These numbers and nothing else.
    pub(super) fn numbers(code: Option<i64>, job_status: Option<i64>) -> Self {
        Self { code, job_status, ..Self::default() }
    }

    /// Reads a body; nothing unless it is one object. A file token with a secret in it is none.
    pub(super) fn of(body: &[u8], secrets: &[&str]) -> Option<Self> {
        let text = str::from_utf8(body).ok()?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let whole: Value = serde_json::from_str(&without_surrogates(text)).ok()?;
        let answer = whole.as_object()?;
        let result = answer.get("data").and_then(|data| data.get("result"));
        let more = answer.get("error").and_then(|error| error.get("message"));
        let file_token = result.and_then(|result| result.get("file_token")).and_then(Value::as_str);
        let is_clean = |token: &&str| !secrets.iter().any(|secret| token.contains(secret));
        let messages = [answer.get("msg"), more].into_iter().flatten().filter_map(Value::as_str);
        Some(Self {
            code: answer.get("code").and_then(whole_number),
            job_status: result.and_then(|result| result.get("job_status")).and_then(whole_number),
            messages: messages.map(str::to_owned).collect(),
            file_token: file_token.filter(is_clean).map(str::to_owned),
            is_ambiguous: names_in(text) > names_of(&whole),
        })
    }

    fn is_worded(&self, words: &str) -> bool {
        self.messages.iter().any(|message| message.to_ascii_lowercase().contains(words))
    }

    /// The one wording of 9499 that is a throttle, ignoring case, spaces and a final dot.
    fn is_too_many(&self) -> bool {
        let plain = |message: &String| {
            let words: Vec<_> = message.split_whitespace().map(str::to_ascii_lowercase).collect();
            words.join(" ").trim_end_matches(['.', '。', ' ']).to_owned()
        };
        let wordings = ["too many request", "too many requests"];
        self.messages.iter().any(|message| wordings.contains(&plain(message).as_str()))
    }
}

/// A number, or a text that is one.
fn whole_number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// Names of members, each as often as it is written: colons outside texts.
fn names_in(text: &str) -> usize {
    let (mut names, mut in_text, mut escaped) = (0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b':' if !in_text => names += 1,
            _ => {}
        }
    }
    names
}

/// Names of members, each once an object.
fn names_of(value: &Value) -> usize {
    match value {
        Value::Array(values) => values.iter().map(names_of).sum(),
        Value::Object(members) => members.len() + members.values().map(names_of).sum::<usize>(),
        _ => 0,
    }
}

/// Escapes of surrogates made into another letter, whether or not they are pairs: none stands in what the table asks
/// for.
fn without_surrogates(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let unit = rest.get(2..6).filter(|_| rest.starts_with("\\u"));
        let unit = unit.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let is_surrogate = unit.is_some_and(|unit| (0xd800..0xe000).contains(&unit));
        let length =
            if is_surrogate { 6 } else { rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end) };
        plain.push_str(if is_surrogate { "\\ufffd" } else { &rest[..length] });
        rest = &rest[length..];
    }
    plain + rest
}

/// Sections 7.1 and 7.2. A code comes before the status that it comes with.
pub(super) fn rule(status: u16, said: &Said) -> Ruling {
    let by_code = said.code.and_then(|code| rule_code(code, said));
    by_code.unwrap_or_else(|| rule_status(status, said))
}

fn rule_code(code: i64, said: &Said) -> Option<Ruling> {
    use {ErrorKind as K, PauseReason as P};
    Some(match code {
        1_069_902 => Ruling::Failed(K::NoPermission),
        1_069_904 | 99_992_402 => Ruling::Failed(K::InvalidParam),
        1_069_906 => Ruling::Failed(K::DocumentDeleted),
        1_069_914 => Ruling::Failed(K::DocumentNotFound),
        1_069_918 => Ruling::Failed(K::TypeMismatch),
        1_069_901 | 600 | 96_402 | 1_000_003 => Ruling::Later,
        2200 | 5000 | 55_001 | 1500 | 1642 | 1663 | 1668 | 10_101 | 10_105 | 1_061_045 => Ruling::Later,
        1_069_923 | 99_991_400 | 90_217 | 1_000_004 | 1_000_005 => Ruling::Throttled,
        9499 if said.is_too_many() => Ruling::Throttled,
        99_991_403 => Ruling::App(P::QuotaExhausted),
        99_991_663 | 99_991_668 if said.is_worded("not support") => Ruling::App(P::TokenTypeUnsupported),
        99_991_663..=99_991_665 | 99_991_668 | 99_991_671 | 99_991_677 => Ruling::Renew,
        20_005 | 20_006 | 20_013 | 20_014 | 4001 => Ruling::Renew,
        99_991_670 | 99_991_675 | 99_991_681 | 99_991_692 => Ruling::Renew,
        99_991_661 => Ruling::App(P::CredentialsRejected),
        99_991_672 | 99_991_676 => Ruling::App(P::ScopeMissing),
        99_991_674 => Ruling::App(P::TokenTypeUnsupported),
        99_991_669 | 99_991_679 => Ruling::App(P::UserAuthorizationNeeded),
        99_991_662 | 99_991_673 => Ruling::App(P::AppUnavailable),
        99_991_401 => Ruling::App(P::IpNotAllowed),
        30_005 | 99_991_201 | 99_991_301 | 1_000_040_351 => Ruling::App(P::WrongBaseUrl),
        21_000 | 21_001 => Ruling::App(P::AccessPolicyDenied),
        90_003_087 | 90_003_088 => Ruling::App(P::PlanLimitReached),
        _ => return None,
    })
}

fn rule_status(status: u16, said: &Said) -> Ruling {
    match (status, said.code) {
        (200..300, Some(0)) => rule_job(said),
        // Something in between; a redirect is not followed.
        (..200 | 300..400 | 407 | 408 | 500.., _) => Ruling::Later,
        (401, Some(_)) => Ruling::Renew,
        (429, _) => Ruling::Throttled,
        (200..300 | 400..500, _) => Ruling::Unclear,
    }
}

fn rule_job(said: &Said) -> Ruling {
    use ErrorKind as K;
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    let is_file = |token: &String| (1..=1024).contains(&token.len()) && token.chars().all(is_letter);
    match said.job_status {
        Some(0) if said.file_token.as_ref().is_some_and(is_file) => Ruling::Done,
        Some(1 | 2) => Ruling::Running,
        Some(3) => Ruling::Failed(K::InternalError),
        Some(107) => Ruling::Failed(K::DocumentTooLarge),
        Some(108) => Ruling::Failed(K::ExportTimeout),
        Some(109) => Ruling::Failed(K::BlockNoPermission),
        Some(110) => Ruling::Failed(K::NoPermission),
        Some(111) => Ruling::Failed(K::DocumentDeleted),
        Some(122) => Ruling::Failed(K::CopyInProgress),
        Some(123) => Ruling::Failed(K::DocumentNotFound),
        Some(6000) => Ruling::Failed(K::TooManyImages),
        _ => Ruling::Unclear,
    }
}

/// Section 7.3, as far as it goes.
pub(super) fn rule_token(status: u16, code: Option<i64>) -> Option<Ruling> {
    let configuration = Ruling::App(PauseReason::CredentialsRejected);
    match (status, code?) {
        (_, 10_003 | 10_005 | 10_012..=10_015 | 99_991_543) => Some(configuration),
        (_, 20_002 | 20_009 | 20_048 | 20_069 | 20_070) => Some(configuration),
        (_, 20_050 | 20_072 | 2200) => Some(Ruling::Later),
        (_, 99_991_400) => Some(Ruling::Throttled),
        (500.., 0) => Some(Ruling::Later),
        _ => None,
    }
}
