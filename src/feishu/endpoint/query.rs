//! Query export task, `GET /open-apis/drive/v1/export_tasks/:ticket?token=…`: the request, and what its answers mean.
//!
//! An answer is classified by a pure function of HTTP status, headers and body. The body's `code` decides before the
//! HTTP status does, because one code comes with many statuses.

use percent_encoding::utf8_percent_encode;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, RequestBuilder};
use secrecy::zeroize::Zeroizing;
use url::Url;

use crate::domain::answers::{CodeMeaning, JobMeaning, job_status};
use crate::domain::{Artefact, BaseUrl, Endpoint, ErrorKind};
use crate::feishu::address::{RESERVED, endpoint_url, segment};
use crate::feishu::api::{Answer, Detail, Query};
use crate::feishu::body::{Body, Received};
use crate::feishu::codes;
use crate::feishu::detail::{self, cut, found_in, hide_exactly};
use crate::feishu::lenient;
use crate::feishu::page;
use crate::feishu::verdict::{Pace, Strange, Verdict};
use crate::feishu::wire::{Envelope, JobResult};

/// The path, up to the ticket.
const PATH: &str = "/open-apis/drive/v1/export_tasks/";

/// Bytes of a file token at most. A longer one is none, and cut it would be worth nothing.
const FILE_TOKEN_MAX: usize = 1024;

/// Characters of a file name that are kept.
const FILE_NAME_MAX: usize = 4096;

/// Characters of the other texts that are kept.
const FILE_WORD_MAX: usize = 1024;

/// The request; none if no header can carry the access token.
pub(in crate::feishu) fn request(
    client: &Client,
    base_url: &BaseUrl,
    query: &Query,
) -> Option<RequestBuilder> {
    let url = query_url(base_url, query.ticket.as_str(), query.token.as_str());
    Some(client.get(url).header(AUTHORIZATION, bearer(query.access_token.expose())?))
}

/// Ticket and token are the user's texts: each must arrive as it stands, as one path segment and one parameter,
/// whatever it holds.
fn query_url(base_url: &BaseUrl, ticket: &str, token: &str) -> Url {
    let mut url = endpoint_url(base_url, &format!("{PATH}{}", segment(ticket)));
    url.set_query(Some(&format!("token={}", utf8_percent_encode(token, RESERVED))));
    url
}

/// The header's value, marked so that nothing prints it.
fn bearer(access_token: &str) -> Option<HeaderValue> {
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
    Verdict::Retry { kind: ErrorKind::Network, pace: Pace::Usual }
}

/// What an answer to a query means. `secrets` is what the server has seen, such as the access token that was sent:
/// it is kept out of the texts. The longest comes first, because one may be part of another.
#[must_use]
pub fn classify_query(received: &Received, secrets: &[&str]) -> Answer {
    let envelope: Option<Envelope> = received.whole().and_then(lenient::parse);
    let verdict = match &received.body {
        Body::Broken(_) => classify_broken(received),
        Body::Whole(_) | Body::TooLarge => classify_code(received, envelope.as_ref(), secrets),
    };
    let mut detail = detail::from_answer(received, envelope.as_ref());
    match &envelope {
        Some(envelope) if envelope.code.is_some() => {
            let malformed =
                [Verdict::Unclear(ErrorKind::MalformedAnswer), Verdict::Strange(Strange::NoStatus)];
            if malformed.contains(&verdict) {
                detail.message.get_or_insert_with(|| detail::shortcoming(envelope).into());
            }
        }
        _ => detail = page::quote(detail, received, secrets),
    }
    Answer { verdict, detail: detail::tidy(detail, secrets) }
}

/// An answer whose body broke off. Its code is lost, so only a status that can't be outdone by a
/// code is believed: a 401 or 404 can.
fn classify_broken(received: &Received) -> Verdict {
    match received.status {
        429 | 500.. => classify_status(received, None, &[]),
        _ => Verdict::Retry { kind: ErrorKind::Network, pace: Pace::Usual },
    }
}

fn classify_code(received: &Received, envelope: Option<&Envelope>, secrets: &[&str]) -> Verdict {
    let meaning =
        |envelope: &Envelope| Some(codes::meaning(envelope.code?, &envelope.messages(), Endpoint::Query));
    match envelope.and_then(meaning).unwrap_or(CodeMeaning::Unclear) {
        CodeMeaning::Accepted | CodeMeaning::Unclear => classify_status(received, envelope, secrets),
        CodeMeaning::Failed(ErrorKind::NoPermission) => Verdict::Refused,
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
fn classify_status(received: &Received, envelope: Option<&Envelope>, secrets: &[&str]) -> Verdict {
    let code = envelope.and_then(|envelope| envelope.code);
    match received.status {
        200..=299 => match (code, envelope.and_then(Envelope::result)) {
            (Some(0), Some(result)) => classify_result(result, secrets),
            (Some(0), None) => Verdict::Strange(Strange::NoStatus),
            (None, _) => Verdict::Strange(Strange::Page),
            (Some(_), _) => Verdict::Strange(Strange::UnlistedCode),
        },
        // A 3xx is not followed, as credentials would go with it; like 407 and 408 it comes from
        // something in between and says nothing about the job.
        ..400 | 407 | 408 => Verdict::Retry { kind: ErrorKind::Network, pace: Pace::Usual },
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

/// What the job's status says (query export task, `job_status`). A missing one is not "0, success".
fn classify_result(result: &JobResult, secrets: &[&str]) -> Verdict {
    let Some(number) = result.job_status else {
        return Verdict::Strange(Strange::NoStatus);
    };
    match job_status(number).map(|row| row.meaning) {
        Some(JobMeaning::Done) => classify_success(result, secrets),
        Some(JobMeaning::Running) => Verdict::Pending,
        Some(JobMeaning::Failed(kind)) => Verdict::Failed(kind),
        None => Verdict::Unclear(ErrorKind::UnknownJobStatus),
    }
}

fn classify_success(result: &JobResult, secrets: &[&str]) -> Verdict {
    match result.file_token.as_deref() {
        None => Verdict::Unclear(ErrorKind::NoFileToken),
        Some(token) if token.trim().is_empty() => Verdict::Unclear(ErrorKind::NoFileToken),
        Some(token) if !is_file_token(token) || found_in(token, secrets).next().is_some() => {
            Verdict::Unclear(ErrorKind::MalformedAnswer)
        }
        Some(token) => Verdict::Completed(Box::new(Artefact {
            file_token: token.into(),
            file_name: kept(result.file_name.as_deref(), FILE_NAME_MAX, secrets),
            file_extension: kept(result.file_extension.as_deref(), FILE_WORD_MAX, secrets),
            doc_type: kept(result.doc_type.as_deref(), FILE_WORD_MAX, secrets),
            file_size: result.file_size,
        })),
    }
}

/// Scripts put file tokens into URLs and file names: one that could lead elsewhere is none.
fn is_file_token(text: &str) -> bool {
    text.len() <= FILE_TOKEN_MAX
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn kept(text: Option<&str>, max: usize, secrets: &[&str]) -> Option<Box<str>> {
    let text = text.filter(|text| !text.is_empty())?;
    Some(cut(&hide_exactly(text, secrets), max, "").into())
}

#[cfg(test)]
mod tests;
