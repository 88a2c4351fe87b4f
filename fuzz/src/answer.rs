//! An answer of the API, taken for one of each endpoint: query, download, create, wiki node and token. The input begins as an answer
//! does on the wire, with the status alone in the first line: `200`, or `200 broken` where the body breaks off;
//! then a header a line, an empty line, the body. Lines end as they like.

use std::time::Duration;

use feishu_export_watcher::domain::answers::{CodeMeaning, JobMeaning, code_of, job_status};
use feishu_export_watcher::domain::{Artefact, ErrorKind, Object, PauseReason, TicketId};
use feishu_export_watcher::feishu::{
    Answer, Detail, Grant, NotCreated, Pace, Received, TokenAnswer, TokenTrouble, Verdict, classify_create,
    classify_download, classify_node, classify_query, classify_token,
};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// What the server has seen, and may repeat, the longest first: one secret is part of another, and one looks like any
/// word.
const APP_SECRETS: [&str; 3] = ["dskLLdkasdjlasdKKskqlpwo1QQ.old", "dskLLdkasdjlasdKKskqlpwo1QQ", "hunter2"];
const ACCESS_TOKEN: &str = "t-caecc734c2e3328a62489fe0648c4b98779515d3";

/// No header can ask for more.
const DAY: Duration = Duration::from_secs(86_400);

struct Input<'b> {
    status: u16,
    headers: HeaderMap,
    /// None where it breaks off.
    body: Option<&'b [u8]>,
}

/// Holds an answer of any bytes to what is promised of verdicts.
pub fn answer(bytes: &[u8]) -> bool {
    let Some(input) = Input::parse(bytes) else { return false };
    let received = Received::new(input.status, &input.headers, input.body.map(<[u8]>::to_vec));
    let secrets: Vec<_> = [ACCESS_TOKEN].into_iter().chain(APP_SECRETS).collect();
    let answer = classify_query(&received, &secrets);
    assert_eq!(answer, classify_query(&received, &secrets), "two readings differ");
    assert_query(&answer, &input);
    for extension in [None, Some("docx"), Some("PDF")] {
        let refusal = classify_download(&received, extension, &secrets);
        assert_eq!(refusal, classify_download(&received, extension, &secrets), "two readings differ");
        match &refusal {
            Some(refusal) => assert_refusal(refusal, &input),
            // An envelope is one to the query as well.
            None => {
                assert!(answer.detail.code.is_none() && is_file(&input, extension), "saved: {extension:?}")
            }
        }
    }
    assert_token(&classify_token(&received, &APP_SECRETS), &input);
    let created = classify_create(&received, &secrets);
    assert_create(&created, &input);
    let node = classify_node(&received, &secrets);
    assert_node(&node, &input);
    matches!(answer.verdict, Verdict::Completed(_)) || created.is_ok() || node.is_ok()
}

impl<'b> Input<'b> {
    /// Nothing where there is no status that HTTP knows.
    fn parse(bytes: &'b [u8]) -> Option<Self> {
        let (first, mut body) = split_line(bytes);
        let mut words = str::from_utf8(first).ok()?.split_whitespace();
        let status = words.next()?.parse().ok().filter(|status| (100..1000).contains(status))?;
        let is_broken = words.next() == Some("broken");
        let mut headers = HeaderMap::new();
        loop {
            let (line, rest) = split_line(body);
            body = rest;
            if line.is_empty() {
                return Some(Self { status, headers, body: (!is_broken).then_some(body) });
            }
            headers.extend(header(line));
        }
    }

    const fn is_success(&self) -> bool {
        matches!(self.status, 200..300)
    }
}

/// The first line without its end, and what follows.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let line = &bytes[..end];
    (line.strip_suffix(b"\r").unwrap_or(line), bytes.get(end + 1..).unwrap_or_default())
}

/// A header; none where no server could have sent it.
fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
}

fn assert_query(answer: &Answer, input: &Input<'_>) {
    let Answer { verdict, detail } = answer;
    assert_detail(detail, input);
    for (text, _) in texts(detail) {
        assert!(!text.contains(ACCESS_TOKEN), "repeats the access token: {text}");
    }
    let is_open = matches!(verdict, Verdict::Retry { .. } | Verdict::Throttled { .. });
    assert!(is_open || input.body.is_some(), "half an answer decides nothing: {answer:?}");
    match verdict {
        Verdict::Completed(artefact) => {
            assert!(job_meaning(detail, input) == Some(JobMeaning::Done), "{answer:?}");
            assert_artefact(artefact);
        }
        Verdict::Failed(kind) => assert!(is_listed_failure(*kind, detail, input), "{answer:?}"),
        Verdict::Refused => {
            assert!(is_listed(detail, CodeMeaning::Failed(ErrorKind::NoPermission)), "{answer:?}");
        }
        Verdict::AppFault(reason) => assert!(is_listed(detail, CodeMeaning::App(*reason)), "{answer:?}"),
        Verdict::TokenRejected => {
            assert!(input.status == 401 || is_listed(detail, CodeMeaning::TokenRejected), "{answer:?}");
        }
        Verdict::Throttled { reset } => assert_wait(*reset),
        Verdict::Retry { pace: Pace::After(wait), .. } => assert_wait(Some(*wait)),
        Verdict::Pending => assert!(job_meaning(detail, input) == Some(JobMeaning::Running), "{answer:?}"),
        Verdict::Retry { .. } | Verdict::Postponed | Verdict::Unclear(_) | Verdict::Strange(_) => {}
    }
}

/// Whether the answer may be a file of the format.
fn is_file(input: &Input<'_>, extension: Option<&str>) -> bool {
    let first = extension.map_or(&b""[..], |extension| if extension == "docx" { b"PK" } else { b"%PDF-" });
    input.status == 200 && input.body.is_some_and(|body| body.starts_with(first))
}

/// What is no file is held to the same as the answer to a query, but for the job's status: it has none.
fn assert_refusal(answer: &Answer, input: &Input<'_>) {
    assert_query(answer, input);
    let is_job = matches!(answer.verdict, Verdict::Completed(_) | Verdict::Pending);
    assert!(!is_job, "a job's status: {answer:?}");
    if let Verdict::Failed(kind) = answer.verdict {
        assert!(is_listed(&answer.detail, CodeMeaning::Failed(kind)), "{answer:?}");
    }
}

/// Promise: a job is ruled out by an envelope with a code that refuses, and by nothing else.
fn assert_create(created: &Result<TicketId, NotCreated>, input: &Input<'_>) {
    match created {
        Ok(ticket) => {
            assert!(input.is_success(), "{ticket}");
            assert_word(ticket.as_str(), 128, |byte| byte.is_ascii_graphic() && !b"/\\?#%".contains(&byte));
            assert!(![".", ".."].contains(&ticket.as_str()));
        }
        Err(NotCreated { answer, may_exist }) => {
            assert_eq!(*may_exist, answer.detail.code.is_none_or(|code| code == 0), "{answer:?}");
            assert_refusal(answer, input);
            assert!(answer.verdict != Verdict::Refused, "{answer:?}");
        }
    }
}

fn assert_node(node: &Result<Object, Answer>, input: &Input<'_>) {
    match node {
        Ok(Object { doc_type, token }) => {
            assert!(input.is_success() && **doc_type != *"wiki", "{doc_type} {token}");
            assert_word(doc_type, 64, |byte| byte.is_ascii_alphabetic() || byte == b'_');
            assert_word(token.as_str(), 64, |byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        }
        Err(answer) => assert_refusal(answer, input),
    }
}

/// One word that can become part of a request.
fn assert_word(text: &str, max: usize, is_letter: impl Fn(u8) -> bool) {
    assert!((1..=max).contains(&text.len()) && text.bytes().all(is_letter), "{text}");
    assert!(!text.contains(ACCESS_TOKEN), "repeats the access token: {text}");
    assert_text(text, max);
}

/// Promise 2: a ticket fails only by a listed code, or by the listed status of a job in a call that went well.
fn is_listed_failure(kind: ErrorKind, detail: &Detail, input: &Input<'_>) -> bool {
    is_listed(detail, CodeMeaning::Failed(kind))
        || job_meaning(detail, input) == Some(JobMeaning::Failed(kind))
}

/// Whether the table has the answer's code with that meaning.
fn is_listed(detail: &Detail, meaning: CodeMeaning) -> bool {
    let row = detail.code.and_then(code_of);
    row.is_some_and(|row| row.meaning == meaning || row.worded.is_some_and(|(_, worded)| worded == meaning))
}

/// What the table says of the job's status, if the call went well.
fn job_meaning(detail: &Detail, input: &Input<'_>) -> Option<JobMeaning> {
    let is_accepted = input.is_success() && detail.code == Some(0);
    is_accepted.then(|| detail.job_status.and_then(job_status)).flatten().map(|row| row.meaning)
}

/// The texts, and how many characters they may have: one more than is kept, for the mark of the cut.
fn texts(detail: &Detail) -> impl Iterator<Item = (&str, usize)> {
    let texts = [(&detail.message, 301), (&detail.log_id, 129), (&detail.remedy, 501)];
    texts.into_iter().filter_map(|(text, max)| Some((text.as_deref()?, max)))
}

fn assert_detail(detail: &Detail, input: &Input<'_>) {
    assert_eq!(detail.http_status, Some(input.status));
    texts(detail).for_each(|(text, max)| assert_text(text, max));
    let body = String::from_utf8_lossy(input.body.unwrap_or_default());
    for number in [detail.code, detail.job_status].into_iter().flatten() {
        // Digits may be written as escapes.
        assert!(body.contains('\\') || body.contains(&number.to_string()), "made up: {number}");
    }
}

fn assert_artefact(artefact: &Artefact) {
    let token = &artefact.file_token;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    assert!(!token.is_empty() && token.bytes().all(is_plain), "{token}");
    let Artefact { file_name, file_extension, doc_type, .. } = artefact;
    let texts = [(file_name, 4096), (file_extension, 1024), (doc_type, 1024)];
    let texts = texts.iter().filter_map(|(text, max)| Some((text.as_deref()?, *max)));
    for (text, max) in texts.chain([(&**token, 1024)]) {
        assert_text(text, max);
        assert!(!text.contains(ACCESS_TOKEN), "repeats the access token: {text}");
    }
}

/// Promise 7, and an end to every text. An access token that was not sent with the request is known by its form
/// alone, so only where it stands as a word of its own.
fn assert_text(text: &str, max: usize) {
    assert!(text.chars().count() <= max, "more than {max} characters: {text}");
    for secret in APP_SECRETS {
        assert!(!text.contains(secret), "repeats a secret: {text}");
    }
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    assert!(!text.split(|letter| !is_part(letter)).any(|word| word == ACCESS_TOKEN), "repeats: {text}");
}

fn assert_wait(wait: Option<Duration>) {
    assert!(wait.is_none_or(|wait| !wait.is_zero() && wait <= DAY), "{wait:?}");
}

fn assert_token(answer: &TokenAnswer, input: &Input<'_>) {
    assert_detail(&answer.detail, input);
    let code = answer.detail.code;
    match &answer.result {
        Ok(Grant { token, expires_in }) => {
            let text = token.expose();
            assert!(input.is_success() && code == Some(0));
            assert!(!text.trim().is_empty() && text.len() <= 16 * 1024);
            assert!(HeaderValue::from_str(text).is_ok_and(|value| value.to_str().is_ok()), "no header");
            assert!(expires_in.is_some_and(|life| !life.is_zero() && life <= Duration::from_secs(7200)));
            assert!(!format!("{:?}", answer.result).contains(&format!("{text:?}")));
        }
        Err(TokenTrouble::Throttled { reset }) => assert_wait(*reset),
        // A code that is not listed speaks against the credentials; a page says nothing about them.
        Err(TokenTrouble::AppFault(PauseReason::CredentialsRejected)) => {
            assert!(code.is_some_and(|code| code != 0), "{answer:?}");
        }
        Err(TokenTrouble::AppFault(reason)) => {
            assert!(is_listed(&answer.detail, CodeMeaning::App(*reason)), "{answer:?}");
        }
        Err(TokenTrouble::Retry(_)) => {}
    }
}
