//! What an answer said, brought into a shape that can be logged: texts chosen, secrets taken out,
//! lengths cut. A server, or a proxy that repeats a request in its error page, may send anything.

use super::api::Detail;
use super::body::{BODY_MAX, Body, Received};
use super::wire::{Envelope, ErrorPart};

/// Characters of a message that are kept.
const MESSAGE_MAX: usize = 300;

/// Characters of a remedy that are kept: a list of scopes and a URL.
const REMEDY_MAX: usize = 500;

/// Characters of a log id that are kept; true ones have about thirty.
const LOG_ID_MAX: usize = 128;

/// Shorter texts are no secrets of this platform, and taking them out would maim messages.
pub(super) const SECRET_MIN: usize = 6;

/// Words that begin like an access token and are shorter are none; true ones have twenty and more.
const TOKEN_LIKE_MIN: usize = 18;

/// What stands where a secret stood.
const HIDDEN: &str = "[hidden]";

/// What an answer said; `envelope` is its body, if that is one. The texts are still raw.
pub(super) fn of_answer(received: &Received, envelope: Option<&Envelope>) -> Detail {
    let result = envelope.and_then(Envelope::result);
    let header = received.headers.log_id.clone();
    let failed = result.and_then(|result| filled(result.job_error_msg.as_deref())).map(str::to_owned);
    let message = failed.or_else(|| message(received, envelope));
    Detail {
        http_status: Some(received.status),
        code: envelope.and_then(|envelope| envelope.code),
        job_status: result.and_then(|result| result.job_status),
        message: message.filter(|text| !is_empty_praise(text)).map(Into::into),
        log_id: header.or_else(|| envelope.and_then(Envelope::log_id).map(Into::into)),
        remedy: envelope.and_then(|envelope| envelope.error.as_ref()).and_then(remedy).map(Into::into),
    }
}

/// The official samples say "success" in every message field, also beside a status that is none.
fn is_empty_praise(text: &str) -> bool {
    ["success", "ok"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Adds what the body says to the message. Not for the token endpoint: half an answer of its may hold
/// a token.
pub(super) fn quote(detail: Detail, received: &Received) -> Detail {
    let body = received.whole().map(String::from_utf8_lossy).unwrap_or_default();
    match detail.message {
        Some(message) if !body.trim().is_empty() => {
            Detail { message: Some(format!("{message}: {}", body.trim()).into()), ..detail }
        }
        message => Detail { message, ..detail },
    }
}

/// Takes the secrets out of every text and cuts them, in this order: half a secret can't be found.
pub(super) fn tidy(detail: Detail, secrets: &[&str]) -> Detail {
    let tidied = |text: Option<Box<str>>, max| text.map(|text| cut(&hide(&text, secrets), max, "…").into());
    Detail {
        message: tidied(detail.message, MESSAGE_MAX),
        log_id: tidied(detail.log_id, LOG_ID_MAX),
        remedy: tidied(detail.remedy, REMEDY_MAX),
        ..detail
    }
}

/// The first `max` characters, and `mark` if there were more.
pub(super) fn cut(text: &str, max: usize, mark: &str) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}{mark}", &text[..end]),
        None => text.to_owned(),
    }
}

fn hide(text: &str, secrets: &[&str]) -> String {
    hide_tokens(&hide_exactly(text, secrets))
}

/// Takes out the secrets themselves and nothing else: a file may be called as it likes.
pub(super) fn hide_exactly(text: &str, secrets: &[&str]) -> String {
    found_in(text, secrets).fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
}

/// Those of the secrets that stand in the text.
pub(super) fn found_in<'s>(text: &str, secrets: &'s [&str]) -> impl Iterator<Item = &'s str> {
    secrets.iter().copied().filter(move |secret| secret.len() >= SECRET_MIN && text.contains(*secret))
}

/// Takes out what looks like an access token: a gateway may repeat one of another request, such as the
/// one before or after a renewal.
fn hide_tokens(text: &str) -> String {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    let pieces = text.split_inclusive(|character| !is_part(character)).map(|piece| {
        let word = piece.trim_end_matches(|character| !is_part(character));
        if is_token_like(word) { [HIDDEN, &piece[word.len()..]] } else { [piece, ""] }
    });
    pieces.flatten().collect()
}

/// Whether a word has the form of a tenant token (`t-`) or user token (`u-`), or of the newer ones (JWT).
fn is_token_like(word: &str) -> bool {
    let is_long = word.len() >= TOKEN_LIKE_MIN && word.bytes().any(|byte| byte.is_ascii_digit());
    is_long && ["t-", "u-", "eyJ"].iter().any(|start| word.starts_with(start))
}

/// `msg`, and `error.message` where it adds something; else why there is neither.
fn message(received: &Received, envelope: Option<&Envelope>) -> Option<String> {
    match (&received.body, envelope) {
        (Body::Broken(cause), _) => Some(cause.clone()),
        (Body::TooLarge, _) => Some(format!("answer is longer than {BODY_MAX} bytes")),
        (Body::Whole(_), None) if matches!(received.status, 300..=399) => {
            Some("redirects are not followed".to_owned())
        }
        (Body::Whole(bytes), None) if bytes.is_empty() => Some("answer is empty".to_owned()),
        (Body::Whole(_), None) => Some("answer is not a JSON object".to_owned()),
        (Body::Whole(_), Some(envelope)) => {
            let more = envelope.error.as_ref().and_then(|error| filled(error.message.as_deref()));
            match (filled(envelope.msg.as_deref()), more) {
                (Some(msg), Some(more)) if !msg.contains(more) => Some(format!("{msg}: {more}")),
                (msg, more) => msg.or(more).map(ToOwned::to_owned),
            }
        }
    }
}

/// The scopes that are missing and the first page that the server offers.
fn remedy(error: &ErrorPart) -> Option<String> {
    let violations = &error.permission_violations;
    let scopes: Vec<_> = violations
        .iter()
        .filter_map(|violation| filled(violation.scope.as_deref()).or(filled(violation.subject.as_deref())))
        .collect();
    let helps = error.helps.iter().filter_map(|help| filled(help.url.as_deref()));
    let troubleshooter = error.troubleshooter.as_deref().and_then(url_inside);
    let page =
        helps.chain(troubleshooter).chain(violations.iter().filter_map(|v| filled(v.url.as_deref()))).next();
    match (scopes.is_empty(), page) {
        (true, None) => None,
        (true, Some(page)) => Some(format!("see {page}")),
        (false, None) => Some(format!("missing scopes: {}", scopes.join(", "))),
        (false, Some(page)) => Some(format!("missing scopes: {}; see {page}", scopes.join(", "))),
    }
}

/// The first URL in a sentence.
fn url_inside(text: &str) -> Option<&str> {
    let start = text.find("https://").or_else(|| text.find("http://"))?;
    text[start..].split(|c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | '`')).next()
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feishu::lenient::parse;

    fn detail(body: &str) -> Detail {
        let received = Received::of(400, body);
        of_answer(&received, received.whole().and_then(parse).as_ref())
    }

    #[test]
    fn messages_come_from_the_most_telling_place() {
        for (body, expected) in [
            (r#"{"msg":"a"}"#, Some("a")),
            (r#"{"msg":"a","error":{"message":"b"}}"#, Some("a: b")),
            (r#"{"msg":"it is a","error":{"message":"a"}}"#, Some("it is a")),
            (r#"{"msg":" ","error":{"message":"b"}}"#, Some("b")),
            (r#"{"msg":"success","data":{"result":{"job_error_msg":"x"}}}"#, Some("x")),
            (r#"{"msg":"success","data":{"result":{"job_error_msg":""}}}"#, None),
            (r#"{"msg":"success","data":{"result":{"job_error_msg":"success"}}}"#, None),
            (r#"{"code":5}"#, None),
            ("", Some("answer is empty")),
            ("<html>", Some("answer is not a JSON object")),
        ] {
            assert_eq!(detail(body).message.as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn remedies_come_in_either_shape() {
        for (error, expected) in [
            (r#"{}"#, None),
            (
                r#"{"permission_violations":[{"scope":"a","url":"https://u"},{"scope":"b"}]}"#,
                Some("missing scopes: a, b; see https://u"),
            ),
            (
                r#"{"permission_violations":[{"type":"action_scope_required","subject":"a"}],
                    "troubleshooter":"look at: https://t?x=1 or ask","helps":[{"url":"https://h"}]}"#,
                Some("missing scopes: a; see https://h"),
            ),
            (r#"{"troubleshooter":"look at: https://t?x=1 or ask"}"#, Some("see https://t?x=1")),
            (r#"{"permission_violations":[{"subject":"a"}]}"#, Some("missing scopes: a")),
        ] {
            let body = format!(r#"{{"code":99991672,"error":{error}}}"#);
            assert_eq!(detail(&body).remedy.as_deref(), expected, "{error}");
        }
    }

    /// Promise 7: an access token is taken out whichever request it belongs to.
    #[test]
    fn what_looks_like_an_access_token_is_taken_out() {
        for token in
            ["t-caecc734c2e3328a62489fe0648c", "u-6U1SbDiM6XIH2DcTCPyeub", "eyJhbGciOiJFUzI1NiJ9.e30.x"]
        {
            for text in ["T", "Bearer T", "access_token=T&x", "{\"token\":\"T\"}, T"] {
                assert_eq!(hide(&text.replace('T', token), &[]), text.replace('T', HIDDEN), "{token}");
            }
        }
        for harmless in ["", "t-shirt", "u-turns-are-forbidden-here", "2026112210000001AC1500", "报 t-1 。"]
        {
            assert_eq!(hide(harmless, &[]), harmless);
        }
    }

    #[test]
    fn a_secret_is_taken_out_before_a_text_is_cut() {
        let secret = "t-0123456789";
        let raw = |text: String| Detail { message: Some(text.into()), ..Detail::default() };
        let message = |text: String| tidy(raw(text), &["another", secret]).message.unwrap();
        assert_eq!(&*message(format!("bad token {secret}!")), "bad token [hidden]!");
        assert!(!message(format!("{}{secret}", "x".repeat(295))).contains("t-0"));
        assert_eq!(message("语".repeat(1000)).chars().count(), MESSAGE_MAX + 1);
        assert_eq!(&*tidy(raw("a banana".into()), &["a"]).message.unwrap(), "a banana");
    }
}
