//! Query export task, `GET /open-apis/drive/v1/export_tasks/:ticket?token=…`: the request, and what its answers mean.
//!
//! An answer is classified by a pure function of HTTP status, headers and body: by `judging`, and where the call went
//! well, by the job's status.

use percent_encoding::utf8_percent_encode;
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, RequestBuilder};
use url::Url;

use super::judging::{Rules, bearer, judge};
use crate::domain::answers::{JobMeaning, job_status};
use crate::domain::{Artefact, BaseUrl, Endpoint, ErrorKind};
use crate::feishu::address::{RESERVED, endpoint_url, segment};
use crate::feishu::api::{Answer, Query};
use crate::feishu::body::Received;
use crate::feishu::detail::{cut, found_in, hide_exactly};
use crate::feishu::verdict::{Strange, Verdict};
use crate::feishu::wire::{Envelope, JobResult};

/// The path, up to the ticket.
const PATH: &str = "/open-apis/drive/v1/export_tasks/";

/// Bytes of a file token at most. A longer one is none, and cut it would be worth nothing.
const FILE_TOKEN_MAX: usize = 1024;

/// Characters of a file name that are kept.
const FILE_NAME_MAX: usize = 4096;

/// Characters of the other texts that are kept.
const FILE_WORD_MAX: usize = 1024;

const RULES: Rules = Rules::new(Endpoint::Query, lacks);

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

/// What an answer to a query means. `secrets` is what the server has seen, such as the access token that was sent:
/// it is kept out of the texts. The longest comes first, because one may be part of another.
#[must_use]
pub fn classify_query(received: &Received, secrets: &[&str]) -> Answer {
    let result_of = |envelope: &Envelope| match envelope.result() {
        Some(result) => classify_result(result, secrets),
        None => Verdict::Strange(Strange::NoStatus),
    };
    judge(received, &RULES, secrets, result_of)
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

/// What an answer lacks that should say how the job stands.
fn lacks(envelope: &Envelope) -> &'static str {
    match envelope.result() {
        None => "answer has no data.result",
        Some(result) if result.job_status.is_none() => "answer has no job_status",
        Some(_) => "answer has a file_token that no download can carry",
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
