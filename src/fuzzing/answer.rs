//! An answer of the API, taken for one of the query and for one of the token endpoint. The input begins as an answer
//! does on the wire, with the status alone in the first line: `200`, or `200 broken` where the body breaks off;
//! then a header a line, an empty line, the body. Lines end as they like.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::decision_table::{Ruling, Said, rule, rule_token};
use crate::domain::{Artefact, TicketState};
use crate::feishu::fuzzing::{Arrival, Asker};
use crate::feishu::{Answer, Detail, Grant, Pace, TokenAnswer, TokenTrouble, Verdict};
use crate::watch::fuzzing::{first_state, throttled_for};

/// What the server has seen, and may repeat: one secret is part of another, and one looks like any word.
const ASKER: Asker = Asker {
    app_secrets: &["dskLLdkasdjlasdKKskqlpwo1QQ", "dskLLdkasdjlasdKKskqlpwo1QQ.old", "hunter2"],
    access_token: "t-caecc734c2e3328a62489fe0648c4b98779515d3",
};

/// No header can ask for more.
const DAY: Duration = Duration::from_secs(86_400);

struct Input<'b> {
    status: u16,
    arrival: Arrival,
    headers: HeaderMap,
    body: &'b [u8],
}

/// Holds an answer of any bytes to what is promised of verdicts.
pub fn answer(bytes: &[u8]) {
    let Some(input) = Input::read(bytes) else { return };
    let Input { status, arrival, ref headers, body } = input;
    let answer = ASKER.of_query(status, headers, body, arrival);
    assert_eq!(answer, ASKER.of_query(status, headers, body, arrival), "two readings differ");
    assert_query(&answer, &input);
    let answer = ASKER.of_token(status, headers, body, arrival);
    assert_token(&answer, &input);
}

/// Whether the answer ends its ticket well.
#[cfg(test)]
pub(super) fn completes(bytes: &[u8]) -> bool {
    let Some(Input { status, arrival, headers, body }) = Input::read(bytes) else { return false };
    matches!(ASKER.of_query(status, &headers, body, arrival).verdict, Verdict::Completed(_))
}

impl<'b> Input<'b> {
    /// Nothing where there is no status that HTTP knows.
    fn read(bytes: &'b [u8]) -> Option<Self> {
        let (first, mut body) = split_line(bytes);
        let mut words = str::from_utf8(first).ok()?.split_whitespace();
        let status = words.next()?.parse().ok().filter(|status| (100..1000).contains(status))?;
        let arrival = if words.next() == Some("broken") { Arrival::Broken } else { Arrival::Whole };
        let mut headers = HeaderMap::new();
        loop {
            let (line, rest) = split_line(body);
            body = rest;
            if line.is_empty() {
                return Some(Self { status, arrival, headers, body });
            }
            headers.extend(header(line));
        }
    }
}

impl Input<'_> {
    /// What the body says by the table's own parser.
    fn said(&self) -> Option<Said> {
        let secrets: Vec<_> = secrets().collect();
        (self.arrival == Arrival::Whole).then(|| Said::of(self.body, &secrets)).flatten()
    }
}

fn secrets() -> impl Iterator<Item = &'static str> {
    ASKER.app_secrets.iter().copied().chain([ASKER.access_token])
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
    let (verdict, detail) = (&answer.verdict, &answer.detail);
    assert_detail(detail, input);
    for (text, _) in texts(detail) {
        assert!(!text.contains(ASKER.access_token), "repeats the access token: {text}");
    }
    let said = input.said();
    assert_understood(detail, said.as_ref(), input.body);
    match said {
        _ if input.arrival == Arrival::Broken => {
            let is_open = matches!(verdict, Verdict::Retry { .. } | Verdict::Throttled { .. });
            assert!(is_open, "half an answer decides nothing: {answer:?}");
        }
        Some(said) if detail.code == said.code => {
            assert_eq!(Ruling::of(verdict), rule(input.status, &said), "{answer:?}");
        }
        // A document that only one of the two parsers takes, or none: numbers out of range that nobody asks for, a
        // name that stands twice.
        _ => {
            let expected = rule(input.status, &Said::numbers(detail.code, detail.job_status));
            let is_failed = matches!(verdict, Verdict::Failed(_) | Verdict::Refused);
            assert!(!is_failed || Ruling::of(verdict) == expected, "{answer:?}");
        }
    }
    match verdict {
        Verdict::Completed(artefact) => assert_artefact(artefact),
        Verdict::Throttled { reset } => assert_throttled(*reset),
        Verdict::Retry { pace: Pace::After(wait), .. } => assert!(!wait.is_zero() && *wait <= DAY),
        _ => {}
    }
    assert_eq!(first_state(answer), state_after(verdict), "{answer:?}");
}

/// Promise 2: nothing else ends a ticket that was asked about once.
fn state_after(verdict: &Verdict) -> TicketState {
    match verdict {
        Verdict::Completed(_) => TicketState::Completed,
        Verdict::Failed(_) => TicketState::Failed,
        _ => TicketState::Pending,
    }
}

/// The program read the numbers that stand in the body, and passed over them only where it could not read the
/// whole: a name that stands twice, or half a letter.
fn assert_understood(detail: &Detail, said: Option<&Said>, body: &[u8]) {
    let Some(said) = said else { return };
    let is_same = (detail.code, detail.job_status) == (said.code, said.job_status);
    let is_refused = (detail.code, detail.job_status) == (None, None);
    assert!(is_same || is_refused && said.is_ambiguous, "{detail:?} {}", String::from_utf8_lossy(body));
}

/// The texts, and how many characters they may have: one more than is kept, for the mark of the cut.
fn texts(detail: &Detail) -> impl Iterator<Item = (&str, usize)> {
    let texts = [(&detail.message, 301), (&detail.log_id, 129), (&detail.remedy, 501)];
    texts.into_iter().filter_map(|(text, max)| Some((text.as_deref()?, max)))
}

fn assert_detail(detail: &Detail, input: &Input<'_>) {
    assert_eq!(detail.http_status, Some(input.status));
    texts(detail).for_each(|(text, max)| assert_text(text, max));
}

fn assert_artefact(artefact: &Artefact) {
    let token = &artefact.file_token;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    assert!((1..=1024).contains(&token.len()) && token.bytes().all(is_plain), "{token}");
    assert_text(token, 1024);
    for (text, max) in
        [(&artefact.file_name, 4096), (&artefact.file_extension, 1024), (&artefact.doc_type, 1024)]
    {
        let text = text.as_deref().unwrap_or_default();
        assert_text(text, max);
        assert!(!text.contains(ASKER.access_token), "repeats the access token: {text}");
    }
    assert!(!token.contains(ASKER.access_token), "repeats the access token: {token}");
}

/// Promise 7, and an end to every text. An access token that was not sent with the request is known by its form
/// alone, so only where it stands as a word of its own.
fn assert_text(text: &str, max: usize) {
    assert!(text.chars().count() <= max, "more than {max} characters: {text}");
    for secret in ASKER.app_secrets {
        assert!(!text.contains(secret), "repeats a secret: {text}");
    }
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    assert!(!text.split(|letter| !is_part(letter)).any(|word| word == ASKER.access_token), "repeats: {text}");
}

/// The engine makes ten minutes at most of whatever a server names.
fn assert_throttled(reset: Option<Duration>) {
    assert!(reset.is_none_or(|reset| !reset.is_zero() && reset <= DAY));
    let wait = throttled_for(reset);
    assert!(wait.is_some_and(|wait| !wait.is_zero() && wait <= Duration::from_secs(600)), "{wait:?}");
}

fn assert_token(answer: &TokenAnswer, input: &Input<'_>) {
    assert_detail(&answer.detail, input);
    assert_understood(&answer.detail, input.said().as_ref(), input.body);
    let ruling = Ruling::of_token(&answer.result);
    if let Some(expected) = rule_token(input.status, answer.detail.code) {
        assert_eq!(ruling, expected, "{answer:?}");
    }
    match &answer.result {
        Ok(Grant { token, expires_in }) => {
            let text = token.expose();
            assert!((200..300).contains(&input.status) && answer.detail.code == Some(0));
            assert!(!text.trim().is_empty() && text.len() <= 16 * 1024);
            assert!(HeaderValue::from_str(text).is_ok_and(|value| value.to_str().is_ok()), "no header");
            assert!(expires_in.is_some_and(|life| !life.is_zero() && life <= Duration::from_secs(7200)));
            assert!(!format!("{:?}", answer.result).contains(&format!("{text:?}")));
        }
        Err(TokenTrouble::Throttled { reset }) => assert_throttled(*reset),
        Err(TokenTrouble::Retry(_) | TokenTrouble::AppFault(_)) => {}
    }
}
