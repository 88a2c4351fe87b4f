//! What an answer said, brought into a shape that can be logged: texts chosen, secrets taken out,
//! lengths cut. A server, or a proxy that repeats a request in its error page, may send anything.

use super::api::Detail;
use super::body::{BODY_MAX, Body, Received};
use super::lenient::Text;
use super::wire::{Envelope, ErrorPart};

/// Characters of a message that are kept.
const MESSAGE_MAX: usize = 300;

/// Characters of a remedy that are kept: a list of scopes and a URL.
const REMEDY_MAX: usize = 500;

/// Characters of a log id that are kept; true ones have about thirty.
const LOG_ID_MAX: usize = 128;

/// Shorter texts are no secrets of this platform, and taking them out would maim messages.
const SECRET_MIN: usize = 6;

/// Words that begin like an access token and are shorter are none; true ones have twenty and more.
const TOKEN_LIKE_MIN: usize = 18;

/// A redirect would take the credentials along.
pub(super) const REDIRECT: &str = "redirects are not followed";

/// Before the scopes of which one is missing; the server names them, else the endpoint does.
const MISSING_SCOPE: &str = "missing scope: ";

/// What stands where a secret stood.
const HIDDEN: &str = "[hidden]";

/// What an answer said; `envelope` is its body, if that is one. The texts are still raw.
pub(super) fn from_answer(received: &Received, envelope: Option<&Envelope>) -> Detail {
    let result = envelope.and_then(Envelope::result);
    let header = received.headers.log_id.clone();
    let failed = result.and_then(|result| filled(&result.job_error_msg)).map(str::to_owned);
    let message = failed.or_else(|| message(received, envelope));
    // The official samples say "success" in every message field, also beside a status that is none.
    let is_praise = |text: &String| ["success", "ok"].iter().any(|word| text.eq_ignore_ascii_case(word));
    Detail {
        http_status: Some(received.status),
        code: envelope.and_then(|envelope| envelope.code),
        job_status: result.and_then(|result| result.job_status),
        message: message.filter(|text| !is_praise(text)).map(Into::into),
        log_id: header.or_else(|| envelope.and_then(Envelope::log_id).map(Into::into)),
        remedy: envelope.and_then(|envelope| envelope.error.as_ref()).and_then(remedy).map(Into::into),
    }
}

/// Takes the secrets out of every text and cuts it, in this order: half a secret can't be found.
pub(super) fn tidy(detail: Detail, secrets: &[&str]) -> Detail {
    let tidied = |text: Option<Box<str>>, max| text.map(|text| cut(&hide(&text, secrets), max, "…").into());
    Detail {
        message: tidied(detail.message, MESSAGE_MAX),
        log_id: tidied(detail.log_id, LOG_ID_MAX),
        remedy: tidied(detail.remedy, REMEDY_MAX),
        ..detail
    }
}

/// Takes out the secrets and what looks like one.
pub(super) fn hide(text: &str, secrets: &[&str]) -> String {
    hide_tokens(&hide_exactly(text, secrets))
}

/// The first `max` characters, and `mark` if there were more.
pub(super) fn cut(text: &str, max: usize, mark: &str) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}{mark}", &text[..end]),
        None => text.to_owned(),
    }
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
    let is_word_part = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let pieces = text.split_inclusive(|letter| !is_word_part(letter)).map(|piece| {
        let word = piece.trim_end_matches(|letter| !is_word_part(letter));
        if is_token_like(word) { [HIDDEN, &piece[word.len()..]] } else { [piece, ""] }
    });
    pieces.flatten().collect()
}

/// Whether a word has the form of a tenant token (`t-`) or user token (`u-`), or of the newer ones (JWT).
fn is_token_like(word: &str) -> bool {
    let is_long = word.len() >= TOKEN_LIKE_MIN && word.bytes().any(|byte| byte.is_ascii_digit());
    is_long && ["t-", "u-", "eyJ"].iter().any(|start| word.starts_with(start))
}

/// What the envelope says; else why there is none.
fn message(received: &Received, envelope: Option<&Envelope>) -> Option<String> {
    let is_empty = received.whole().is_some_and(|body| body.trim_ascii().is_empty());
    match (&received.body, envelope) {
        (Body::Broken(cause), _) => Some(cause.clone()),
        (Body::TooLarge, _) => Some(format!("answer is longer than {BODY_MAX} bytes")),
        (Body::Whole(_), Some(envelope)) => envelope_message(envelope),
        (Body::Whole(_), None) if matches!(received.status, 300..=399) => Some(REDIRECT.to_owned()),
        (Body::Whole(_), None) if is_empty => Some("answer is empty".to_owned()),
        (Body::Whole(_), None) => Some("answer is not the API's JSON".to_owned()),
    }
}

/// `msg`, then `error.message` and the fields that the server refuses, where they add something.
fn envelope_message(envelope: &Envelope) -> Option<String> {
    let error = envelope.error.as_ref();
    let more = error.and_then(|error| filled(&error.message)).map(str::to_owned);
    let mut message = filled(&envelope.msg).unwrap_or_default().to_owned();
    for more in more.into_iter().chain(error.and_then(refused_fields)) {
        if !message.contains(&more) {
            message += if message.is_empty() { "" } else { ": " };
            message += &more;
        }
    }
    Some(message).filter(|message| !message.is_empty())
}

/// Which parameters the server refuses and why. Not their values: it may be the credentials that it refuses.
fn refused_fields(error: &ErrorPart) -> Option<String> {
    let parts = error.field_violations.iter().map(|violation| [&violation.field, &violation.description]);
    let fields = parts.map(|parts| parts.into_iter().filter_map(filled).collect::<Vec<_>>().join(": "));
    let fields: Vec<_> = fields.filter(|field| !field.is_empty()).collect();
    (!fields.is_empty()).then(|| fields.join("; "))
}

/// Names the scopes of the endpoint where the server does not name those that are missing.
pub(super) fn name_scopes(detail: Detail, scopes: &str) -> Detail {
    let remedy = match detail.remedy {
        Some(named) if named.starts_with(MISSING_SCOPE) => named,
        Some(page) => format!("{MISSING_SCOPE}{scopes}; {page}").into(),
        None => format!("{MISSING_SCOPE}{scopes}").into(),
    };
    Detail { remedy: Some(remedy), ..detail }
}

/// The scopes of which one is missing and the first page that the server offers.
fn remedy(error: &ErrorPart) -> Option<String> {
    let violations = &error.permission_violations;
    let scopes =
        violations.iter().filter_map(|violation| filled(&violation.scope).or(filled(&violation.subject)));
    let scopes = scopes.collect::<Vec<_>>().join(" or ");
    let troubleshooter = error.troubleshooter.as_deref().and_then(url_inside);
    let helps = error.helps.iter().filter_map(|help| filled(&help.url));
    let page = helps.chain(troubleshooter).chain(violations.iter().filter_map(|v| filled(&v.url))).next();
    let scopes = (!scopes.is_empty()).then(|| format!("{MISSING_SCOPE}{scopes}"));
    let parts: Vec<_> = scopes.into_iter().chain(page.map(|page| format!("see {page}"))).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The first URL in a sentence.
fn url_inside(text: &str) -> Option<&str> {
    let start = text.find("https://").or_else(|| text.find("http://"))?;
    text[start..].split(|c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | '`')).next()
}

fn filled(text: &Text) -> Option<&str> {
    text.as_deref().filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feishu::lenient::parse;

    fn detail(body: &str) -> Detail {
        let received = Received::from_body(400, body);
        from_answer(&received, received.whole().and_then(parse).as_ref())
    }

    #[test]
    fn messages_come_from_the_most_specific_place() {
        for (body, expected) in [
            (r#"{"msg":"a"}"#, Some("a")),
            (r#"{"msg":"a","error":{"message":"b"}}"#, Some("a: b")),
            (r#"{"msg":"it is a","error":{"message":"a"}}"#, Some("it is a")),
            (r#"{"msg":" ","error":{"message":"b"}}"#, Some("b")),
            (
                r#"{"msg":"a","error":{"field_violations":[{"field":"token","value":"v","description":"bad"},
                    {"field":"ticket"},{"value":"v"},{"description":"c"}]}}"#,
                Some("a: token: bad; ticket; c"),
            ),
            (r#"{"error":{"field_violations":[{"field":"token"}]}}"#, Some("token")),
            (r#"{"msg":"success","data":{"result":{"job_error_msg":"x"}}}"#, Some("x")),
            (r#"{"msg":"success","data":{"result":{"job_error_msg":""}}}"#, None),
            (r#"{"msg":"success","data":{"result":{"job_error_msg":"success"}}}"#, None),
            (r#"{"code":5}"#, None),
            ("", Some("answer is empty")),
            ("<html>", Some("answer is not the API's JSON")),
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
                Some("missing scope: a or b; see https://u"),
            ),
            (
                r#"{"permission_violations":[{"type":"action_scope_required","subject":"a"}],
                    "troubleshooter":"look at: https://t?x=1 or ask","helps":[{"url":"https://h"}]}"#,
                Some("missing scope: a; see https://h"),
            ),
            (r#"{"troubleshooter":"look at: https://t?x=1 or ask"}"#, Some("see https://t?x=1")),
            (r#"{"permission_violations":[{"subject":"a"}]}"#, Some("missing scope: a")),
        ] {
            let body = format!(r#"{{"code":99991672,"error":{error}}}"#);
            assert_eq!(detail(&body).remedy.as_deref(), expected, "{error}");
        }
    }

    /// Promise: the scopes that the server names are kept, and where it names none, those of the endpoint are shown.
    #[test]
    fn a_missing_scope_is_named() {
        let remedy = |error: &str| {
            let detail = detail(&format!(r#"{{"code":99991672,"error":{error}}}"#));
            name_scopes(detail, "a or b").remedy.unwrap()
        };
        for (error, expected) in [
            ("{}", "missing scope: a or b"),
            (r#"{"helps":[{"url":"https://h"}]}"#, "missing scope: a or b; see https://h"),
            (r#"{"permission_violations":[{"subject":"c"}]}"#, "missing scope: c"),
        ] {
            assert_eq!(&*remedy(error), expected, "{error}");
        }
    }

    /// Promise 7: an access token is taken out whichever request it belongs to.
    #[test]
    fn what_looks_like_an_access_token_is_taken_out() {
        for token in
            ["t-caecc734c2e3328a62489fe0648c", "u-6U1SbDiM6XIH2DcTCPyeub", "eyJhbGciOiJFUzI1NiJ9.e30.x"]
        {
            for text in ["T", "Bearer T", "access_token=T&x", "{\"token\":\"T\"}, T"] {
                assert_eq!(hide_tokens(&text.replace('T', token)), text.replace('T', HIDDEN), "{token}");
            }
        }
        for plain in ["", "t-shirt", "u-turns-are-forbidden-here", "2026112210000001AC1500", "报 t-1 。"] {
            assert_eq!(hide_tokens(plain), plain);
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

    /// Promise 7: no part of a secret is left where a long text is cut, wherever in it the secret stands and however
    /// short the text becomes without others.
    #[test]
    fn a_long_text_keeps_no_part_of_a_secret() {
        let tidied = |text: &str, secrets: &[&str]| cut(&hide(text, secrets), MESSAGE_MAX, "…");
        let long = format!("s3cr{}", "/x".repeat(2500));
        let token = format!("t-{}9", "abcdefgh".repeat(600));
        for (secret, secrets) in [(&long, &[&*long, "another"][..]), (&token, &[])] {
            for offset in 0..secret.len().min(40) {
                let text = format!("{}{}", "-".repeat(offset) + " ", format!("{secret} ").repeat(40));
                let shown = tidied(&text, secrets);
                assert!(!shown.contains("s3cr") && !shown.contains("t-a") && shown.ends_with('…'), "{shown}");
            }
        }
        assert_eq!(tidied(&"x".repeat(BODY_MAX), &[&long]), "x".repeat(MESSAGE_MAX) + "…");
    }
}
