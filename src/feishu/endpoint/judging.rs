//! What answers about documents, export jobs and their files have in common. The body's `code` decides before the HTTP
//! status does, because one code comes with many statuses.

use reqwest::header::HeaderValue;
use secrecy::zeroize::Zeroizing;

use crate::domain::answers::CodeMeaning;
use crate::domain::{Endpoint, ErrorKind, PauseReason};
use crate::feishu::api::{Answer, Detail};
use crate::feishu::body::{Body, Received};
use crate::feishu::codes;
use crate::feishu::detail;
use crate::feishu::lenient;
use crate::feishu::page;
use crate::feishu::verdict::{Pace, Strange, Verdict};
use crate::feishu::wire::Envelope;

/// Trouble on the way.
pub(in crate::feishu) const NETWORK: Verdict = Verdict::Retry { kind: ErrorKind::Network, pace: Pace::Usual };

/// What the answers of an endpoint are judged by.
pub(super) struct Rules {
    /// By which the codes are known that one endpoint alone sends.
    pub(super) endpoint: Endpoint,
    /// The scopes that it needs, any one of them.
    pub(super) scopes: Option<&'static str>,
    /// What an envelope with code 0 lacks where it is no result.
    pub(super) lacks: fn(&Envelope) -> &'static str,
}

impl Rules {
    pub(super) const fn new(endpoint: Endpoint, lacks: fn(&Envelope) -> &'static str) -> Self {
        Self { endpoint, scopes: endpoint.scopes(), lacks }
    }
}

/// The value of the header `Authorization`, marked so that nothing prints it.
pub(super) fn bearer(access_token: &str) -> Option<HeaderValue> {
    let text = Zeroizing::new(format!("Bearer {access_token}"));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// An answer where the server gave none.
pub(in crate::feishu) fn unsent(verdict: Verdict, message: String) -> Answer {
    let detail = Detail { message: Some(message.into()), ..Detail::default() };
    Answer { verdict, detail: detail::tidy(detail, &[]) }
}

/// What it means that no answer came.
pub(in crate::feishu) fn classify_send_error(error: &reqwest::Error) -> Verdict {
    if error.is_builder() {
        // The request could not even be written down, as with a ticket longer than any URL: asking
        // again does not change that, so it must not go on for ever.
        return Verdict::Unclear(ErrorKind::InvalidParam);
    }
    NETWORK
}

/// What an answer means. `result_of` reads an envelope with code 0 of a call that went well. `secrets` are kept out of the
/// texts, the longest first.
pub(super) fn judge(
    received: &Received,
    rules: &Rules,
    secrets: &[&str],
    result_of: impl FnOnce(&Envelope) -> Verdict,
) -> Answer {
    let envelope: Option<Envelope> = received.whole().and_then(lenient::parse);
    let verdict = match &received.body {
        Body::Broken(_) => classify_broken(received),
        Body::Whole(_) | Body::TooLarge => {
            classify_code(received, envelope.as_ref(), rules.endpoint, result_of)
        }
    };
    let mut detail = detail::from_answer(received, envelope.as_ref());
    if let (Some(scopes), Verdict::AppFault(reason)) = (rules.scopes, &verdict)
        && matches!(reason, PauseReason::ScopeMissing | PauseReason::UserAuthorizationNeeded)
    {
        detail = detail::name_scopes(detail, scopes);
    }
    match &envelope {
        Some(envelope) if envelope.code.is_some() => {
            let malformed =
                [Verdict::Unclear(ErrorKind::MalformedAnswer), Verdict::Strange(Strange::NoStatus)];
            if malformed.contains(&verdict) {
                detail.message.get_or_insert_with(|| (rules.lacks)(envelope).into());
            }
        }
        _ => detail = page::quote(detail, received, secrets),
    }
    Answer { verdict, detail: detail::tidy(detail, secrets) }
}

/// The one value that is asked for, or what came in its place. `value_of` reads an envelope with code 0 of a call that
/// went well.
pub(super) fn judge_value<T>(
    received: &Received,
    rules: &Rules,
    secrets: &[&str],
    value_of: impl FnOnce(&Envelope) -> Option<T>,
) -> Result<T, Answer> {
    let mut value = None;
    let answer = judge(received, rules, secrets, |envelope| {
        value = value_of(envelope);
        Verdict::Strange(Strange::NoStatus)
    });
    value.ok_or(answer)
}

/// An answer whose body broke off. Its code is lost, so only a status that can't be outdone by a
/// code is believed: a 401 or 404 can.
fn classify_broken(received: &Received) -> Verdict {
    match received.status {
        429 | 500.. => classify_status(received, None, |_| NETWORK),
        _ => NETWORK,
    }
}

fn classify_code(
    received: &Received,
    envelope: Option<&Envelope>,
    endpoint: Endpoint,
    result_of: impl FnOnce(&Envelope) -> Verdict,
) -> Verdict {
    // Where a job is asked about, it may be another app's.
    let is_about_a_job = matches!(endpoint, Endpoint::Query | Endpoint::Download);
    let meaning = |envelope: &Envelope| Some(codes::meaning(envelope.code?, &envelope.messages(), endpoint));
    match envelope.and_then(meaning).unwrap_or(CodeMeaning::Unclear) {
        CodeMeaning::Accepted | CodeMeaning::Unclear => classify_status(received, envelope, result_of),
        CodeMeaning::Failed(ErrorKind::NoPermission) if is_about_a_job => Verdict::Refused,
        CodeMeaning::Failed(kind) => Verdict::Failed(kind),
        CodeMeaning::ServerTrouble => server_trouble(received),
        CodeMeaning::SlowDown => Verdict::Retry { kind: ErrorKind::ServerError, pace: Pace::Slow },
        CodeMeaning::Postponed => Verdict::Postponed,
        CodeMeaning::Throttled => Verdict::Throttled { reset: received.headers.reset() },
        CodeMeaning::TokenRejected => Verdict::TokenRejected,
        CodeMeaning::App(reason) => Verdict::AppFault(reason),
    }
}

/// What the HTTP status says where the code says nothing.
fn classify_status(
    received: &Received,
    envelope: Option<&Envelope>,
    result_of: impl FnOnce(&Envelope) -> Verdict,
) -> Verdict {
    let code = envelope.and_then(|envelope| envelope.code);
    match received.status {
        200..=299 => match (code, envelope) {
            (Some(0), Some(envelope)) => result_of(envelope),
            (None, _) => Verdict::Strange(Strange::Page),
            (Some(_), _) => Verdict::Strange(Strange::UnlistedCode),
        },
        // A 3xx is not followed, as credentials would go with it; like 407 and 408 it comes from
        // something in between and says nothing about the job.
        ..400 | 407 | 408 => NETWORK,
        401 if code.is_some() => Verdict::TokenRejected,
        429 => Verdict::Throttled { reset: received.headers.reset() },
        400..=499 if code.is_none() => Verdict::Strange(Strange::Page),
        400..=499 => Verdict::Strange(Strange::UnlistedCode),
        500.. => server_trouble(received),
    }
}

fn server_trouble(received: &Received) -> Verdict {
    let pace = received.headers.retry_after().map_or(Pace::Usual, Pace::After);
    Verdict::Retry { kind: ErrorKind::ServerError, pace }
}
