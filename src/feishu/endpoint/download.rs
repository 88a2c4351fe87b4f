//! Download exported file, `GET /open-apis/drive/v1/export_tasks/file/:file_token/download`: the request, and whether
//! what comes is the file. The page documents HTTP 200 with the file's bytes, and 1060001.
//!
//! Failures come with HTTP 200 as well, so the start of a body is judged before it is taken for a file: an envelope never
//! is one, and formats with first bytes of their own must begin with these.

use reqwest::header::AUTHORIZATION;
use reqwest::{Client, RequestBuilder};
use url::Url;

use super::judging::{NETWORK, Rules, bearer, judge};
use crate::domain::{BaseUrl, Endpoint, ErrorKind};
use crate::feishu::address::{endpoint_url, segment};
use crate::feishu::api::{Answer, Detail, Download};
use crate::feishu::body::{BODY_MAX, Received};
use crate::feishu::detail;
use crate::feishu::verdict::{Strange, Verdict};

/// The path, up to the file token.
const PATH: &str = "/open-apis/drive/v1/export_tasks/file/";

/// Bytes by which a body is first judged, and which are named where they are wrong.
const FIRST_BYTES: usize = 8;

/// Formats with first bytes of their own: three are ZIP archives.
const FORMATS: [(&str, &[u8]); 4] = [("docx", b"PK"), ("xlsx", b"PK"), ("pptx", b"PK"), ("pdf", b"%PDF-")];

const RULES: Rules = Rules::new(Endpoint::Download, |_| "answer is code 0 instead of the file");

/// The request; none if no header can carry the access token.
pub(in crate::feishu) fn request(
    client: &Client,
    base_url: &BaseUrl,
    download: &Download,
) -> Option<RequestBuilder> {
    let url = file_url(base_url, &download.file_token);
    Some(client.get(url).header(AUTHORIZATION, bearer(download.access_token.expose())?))
}

fn file_url(base_url: &BaseUrl, file_token: &str) -> Url {
    endpoint_url(base_url, &format!("{PATH}{}/download", segment(file_token)))
}

/// How many bytes of a body must have come to judge the answer, if it has no fewer; no more than `start` holds where
/// these will do. Doubles while only blanks come, so that these are looked through a few times and not once a byte.
pub(in crate::feishu) fn bytes_to_judge(status: u16, start: &[u8], file_extension: Option<&str>) -> usize {
    match content(start).first() {
        _ if start.len() < FIRST_BYTES => FIRST_BYTES,
        _ if start.len() > BODY_MAX => start.len(),
        _ if status != 200 => BODY_MAX + 1,
        None => (2 * start.len()).min(BODY_MAX + 1),
        Some(b'{') => BODY_MAX + 1,
        Some(b'<') if format_of(file_extension).is_some() => BODY_MAX + 1,
        Some(_) => start.len(),
    }
}

/// What an answer to a download means; none if it is the file. Its body may go on behind as many bytes as
/// `bytes_to_judge` asks for. `secrets` is what the server has seen: it is kept out of the texts. The longest comes
/// first, because one may be part of another.
#[must_use]
pub fn classify_download(
    received: &Received,
    file_extension: Option<&str>,
    secrets: &[&str],
) -> Option<Answer> {
    let start = received.whole().filter(|_| received.status == 200);
    let file = start.filter(|_| received.headers.encoding.is_none());
    if file.is_some_and(|start| is_file(start, file_extension) && !content(start).starts_with(b"{")) {
        return None;
    }
    let answer = judge(received, &RULES, secrets, |_| Verdict::Strange(Strange::NoStatus));
    if let (Some(start), None) = (start, answer.detail.code) {
        return judge_content(answer, start, received, file_extension, secrets);
    }
    match answer.verdict {
        // No part of a file was asked for.
        Verdict::Strange(_) if matches!(received.status, 201..=299) => {
            Some(Answer { verdict: NETWORK, ..answer })
        }
        _ => Some(answer),
    }
}

/// What comes of a body that is no envelope.
fn judge_content(
    answer: Answer,
    start: &[u8],
    received: &Received,
    file_extension: Option<&str>,
    secrets: &[&str],
) -> Option<Answer> {
    let (verdict, message) = match (&received.headers.encoding, format_of(file_extension)) {
        (Some(encoding), _) => {
            (answer.verdict, format!("answer is encoded ({encoding}), which was not asked for"))
        }
        (None, Some((name, _))) if !is_file(start, file_extension) => {
            if content(start).starts_with(b"<") {
                return Some(answer);
            }
            (Verdict::Unclear(ErrorKind::WrongContent), wrong_bytes(name, start, received.headers.length))
        }
        (None, _) => return None,
    };
    let detail = Detail { message: Some(message.into()), ..answer.detail };
    Some(Answer { verdict, detail: detail::tidy(detail, secrets) })
}

/// The format's name and first bytes; none for one that may begin in any way, such as csv, and for an unknown one.
fn format_of(file_extension: Option<&str>) -> Option<(&'static str, &'static [u8])> {
    FORMATS.into_iter().find(|(name, _)| file_extension.is_some_and(|text| text.eq_ignore_ascii_case(name)))
}

/// Whether a body begins as a file of the format does.
fn is_file(start: &[u8], file_extension: Option<&str>) -> bool {
    format_of(file_extension).is_none_or(|(_, first)| start.starts_with(first))
}

/// A body without what may stand before an envelope.
fn content(start: &[u8]) -> &[u8] {
    start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start).trim_ascii_start()
}

/// Names what came: the same for the same content.
fn wrong_bytes(name: &str, start: &[u8], length: Option<u64>) -> String {
    let first: Vec<_> = start.iter().take(FIRST_BYTES).map(|byte| format!("{byte:02x}")).collect();
    let length = length.map_or(String::new(), |length| format!(", {length} bytes long"));
    match first[..] {
        [] => format!("answer is empty, which no {name} is"),
        _ => format!("answer is no {name}: it begins with {}{length}", first.join(" ")),
    }
}

#[cfg(test)]
mod tests;
