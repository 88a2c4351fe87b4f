//! What an answer said, brought into a shape that can be logged: texts chosen, secrets taken out,
//! lengths cut. A server, or a proxy that repeats a request in its error page, may send anything.

use super::api::Detail;
use super::body::{BODY_MAX, Body, Received};
use super::wire::{Envelope, ErrorPart, FieldViolation};

/// Characters of a message that are kept.
const MESSAGE_MAX: usize = 300;

/// Characters of a remedy that are kept: a list of scopes and a URL.
const REMEDY_MAX: usize = 500;

/// Characters of a log id that are kept; true ones have about thirty.
const LOG_ID_MAX: usize = 128;

/// Shorter texts are no secrets of this platform, and taking them out would maim messages.
const SECRET_MIN: usize = 6;

/// Bytes of an access token at most; the newer ones (JWT) have some 4 KiB.
pub(super) const TOKEN_MAX: usize = 16 * 1024;

/// Words that begin like an access token and are shorter are none; true ones have twenty and more.
const TOKEN_LIKE_MIN: usize = 18;

/// A redirect would take the credentials along.
pub(super) const REDIRECT: &str = "redirects are not followed";

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

/// Takes the secrets out of every text and cuts them, in this order: half a secret can't be found.
pub(super) fn tidy(detail: Detail, secrets: &[&str]) -> Detail {
    let tidied = |text: Option<Box<str>>, max| text.map(|text| tidied(&text, max, secrets).into());
    Detail {
        message: tidied(detail.message, MESSAGE_MAX),
        log_id: tidied(detail.log_id, LOG_ID_MAX),
        remedy: tidied(detail.remedy, REMEDY_MAX),
        ..detail
    }
}

fn tidied(text: &str, max: usize, secrets: &[&str]) -> String {
    match hide_in_front(text, max, secrets) {
        Front::Whole(text) => cut(&hide_tokens(&text), max, "…"),
        Front::Part(text) => cut(&hide_tokens(without_torn_word(&text)), max, "") + "…",
    }
}

/// Takes the secrets out of a text of bearable length, and what looks like one.
pub(super) fn hide(text: &str, secrets: &[&str]) -> String {
    hide_tokens(&hide_exactly(text, secrets))
}

/// A text without secrets.
pub(super) enum Front {
    /// All of it.
    Whole(String),
    /// So much that usually more than is kept is left of it.
    Part(String),
}

/// Takes the secrets themselves out of as much of a text as is needed to keep `max` characters: what a server sends
/// may be long, and secrets may be many.
pub(super) fn hide_in_front(text: &str, max: usize, secrets: &[&str]) -> Front {
    // Twice the longest one: a part of it may hold short ones, in whose places something longer stands then.
    let torn = 2 * secrets.iter().map(|secret| secret.len()).max().unwrap_or(0);
    let end = text.floor_char_boundary(max * 4 + TOKEN_MAX + torn);
    if end == text.len() {
        return Front::Whole(hide_exactly(text, secrets));
    }
    let mut hidden = hide_exactly(&text[..end], secrets);
    // Its end may hold the first part of a secret, which nobody finds.
    hidden.truncate(hidden.floor_char_boundary(hidden.len().saturating_sub(torn)));
    Front::Part(hidden)
}

/// Without the word at its end, which may be the first part of an access token; a longer one is none.
pub(super) fn without_torn_word(text: &str) -> &str {
    let others = text.trim_end_matches(is_word_part);
    if text.len() - others.len() > TOKEN_MAX { text } else { others }
}

/// The first `max` characters, and `mark` if there were more.
pub(super) fn cut(text: &str, max: usize, mark: &str) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}{mark}", &text[..end]),
        None => text.to_owned(),
    }
}

/// Takes out the secrets themselves and nothing else: a file may be called as it likes.
fn hide_exactly(text: &str, secrets: &[&str]) -> String {
    found_in(text, secrets).fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
}

/// Those of the secrets that stand in the text.
pub(super) fn found_in<'s>(text: &str, secrets: &'s [&str]) -> impl Iterator<Item = &'s str> {
    secrets.iter().copied().filter(move |secret| secret.len() >= SECRET_MIN && text.contains(*secret))
}

/// Takes out what looks like an access token: a gateway may repeat one of another request, such as the
/// one before or after a renewal.
fn hide_tokens(text: &str) -> String {
    let pieces = text.split_inclusive(|character| !is_word_part(character)).map(|piece| {
        let word = piece.trim_end_matches(|character| !is_word_part(character));
        if is_token_like(word) { [HIDDEN, &piece[word.len()..]] } else { [piece, ""] }
    });
    pieces.flatten().collect()
}

fn is_word_part(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-_.".contains(character)
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
        (Body::Whole(_), None) if matches!(received.status, 300..=399) => Some(REDIRECT.to_owned()),
        (Body::Whole(bytes), None) if bytes.trim_ascii().is_empty() => Some("answer is empty".to_owned()),
        (Body::Whole(_), None) => Some("answer is not the API's JSON".to_owned()),
        (Body::Whole(_), Some(envelope)) => envelope_message(envelope),
    }
}

/// `msg`, then `error.message` and the fields that the server refuses, where they add something.
fn envelope_message(envelope: &Envelope) -> Option<String> {
    let error = envelope.error.as_ref();
    let more = error.and_then(|error| filled(error.message.as_deref()));
    let message = match (filled(envelope.msg.as_deref()), more) {
        (Some(msg), Some(more)) if !msg.contains(more) => Some(format!("{msg}: {more}")),
        (msg, more) => msg.or(more).map(ToOwned::to_owned),
    };
    let fields = error.and_then(|error| refused_fields(&error.field_violations));
    match (message, fields) {
        (Some(message), Some(fields)) => Some(format!("{message}: {fields}")),
        (message, fields) => message.or(fields),
    }
}

/// Which parameters the server refuses and why. Not their values: it may be the credentials that it refuses.
fn refused_fields(violations: &[FieldViolation]) -> Option<String> {
    let shown = |violation: &FieldViolation| match (
        filled(violation.field.as_deref()),
        filled(violation.description.as_deref()),
    ) {
        (Some(field), Some(why)) => Some(format!("{field}: {why}")),
        (field, why) => field.or(why).map(ToOwned::to_owned),
    };
    let shown: Vec<_> = violations.iter().filter_map(shown).collect();
    (!shown.is_empty()).then(|| shown.join("; "))
}

/// What an envelope lacks that should say how a job stands.
pub(super) fn shortcoming(envelope: &Envelope) -> &'static str {
    match (envelope.code, envelope.result()) {
        (None, _) => "answer has no code",
        (Some(_), None) => "answer has no data.result",
        (Some(_), Some(result)) if result.job_status.is_none() => "answer has no job_status",
        (Some(_), Some(_)) => "answer has a file_token that no download can carry",
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
        let long = format!("s3cr{}", "/x".repeat(2500));
        let token = format!("t-{}9", "abcdefgh".repeat(600));
        for (secret, secrets) in [(&long, &[&*long, "another"][..]), (&token, &[])] {
            for offset in 0..secret.len().min(40) {
                let text = format!("{}{}", "-".repeat(offset) + " ", format!("{secret} ").repeat(300));
                let shown = tidied(&text, MESSAGE_MAX, secrets);
                assert!(!shown.contains("s3cr") && !shown.contains("t-a") && shown.ends_with('…'), "{shown}");
            }
        }
        let one_word = tidied(&"x".repeat(BODY_MAX), MESSAGE_MAX, &[&long]);
        assert_eq!(one_word, "x".repeat(MESSAGE_MAX) + "…", "a word that long is no token");
    }
}
