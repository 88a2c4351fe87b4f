//! Tenant access token of a custom app, `POST /open-apis/auth/v3/tenant_access_token/internal`: the request, and what
//! its answers mean. When to ask is the engine's affair.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::domain::answers::CodeMeaning;
use crate::domain::{App, Endpoint, ErrorKind, PauseReason};
use crate::feishu::address::endpoint_url;
use crate::feishu::api::{AccessToken, Detail, Grant, TokenAnswer, TokenTrouble};
use crate::feishu::body::{Body, Received};
use crate::feishu::codes;
use crate::feishu::detail;
use crate::feishu::lenient;
use crate::feishu::page;
use crate::feishu::wire::{Envelope, TokenPart};

/// The path of the endpoint.
const PATH: &str = "/open-apis/auth/v3/tenant_access_token/internal";

/// Tenant access tokens live two hours at most; an answer that says more is not believed.
const LIFE_MAX: Duration = Duration::from_secs(2 * 60 * 60);

/// Bytes of an access token at most; the newer ones (JWT) have some 4 KiB.
const TOKEN_MAX: usize = 16 * 1024;

/// The request. Its body holds the secret: nothing but the connection may see it.
///
/// # Errors
/// None in practice: two texts can always be written as JSON.
pub(in crate::feishu) fn request(
    client: &Client,
    app: &App,
    app_secret: &SecretString,
) -> Result<RequestBuilder, serde_json::Error> {
    #[derive(Serialize)]
    struct Body<'a> {
        app_id: &'a str,
        app_secret: &'a str,
    }
    let body = serde_json::to_vec(&Body { app_id: &app.app_id, app_secret: app_secret.expose_secret() })?;
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    Ok(client.post(endpoint_url(&app.base_url, PATH)).header(CONTENT_TYPE, json).body(body))
}

/// What an answer of the endpoint means. `secrets` is what the server has seen: it is kept out of the texts.
/// The longest comes first, because one may be part of another.
#[must_use]
pub fn classify_token(received: &Received, secrets: &[&str]) -> TokenAnswer {
    let envelope: Option<Envelope> = received.whole().and_then(lenient::parse);
    let mut detail = detail::from_answer(received, envelope.as_ref());
    if envelope.is_none() && is_sure_to_hold_no_token(received) {
        detail = page::quote(detail, received, secrets);
    }
    let result = match envelope.as_ref().and_then(|envelope| Some((envelope, envelope.code?))) {
        Some((_, 0)) if matches!(received.status, 200..=299) => parse_grant(received).map_err(|message| {
            detail.message = Some(message.into());
            TokenTrouble::Retry(ErrorKind::ServerError)
        }),
        Some((envelope, code)) if code != 0 => Err(classify_code(received, code, envelope)),
        _ => Err(classify_status(received)),
    };
    TokenAnswer { result, detail: detail::tidy(detail, secrets) }
}

/// An answer for trouble that came before there was one.
pub(in crate::feishu) fn trouble(trouble: TokenTrouble, message: String) -> TokenAnswer {
    let detail = Detail { message: Some(message.into()), ..Detail::default() };
    TokenAnswer { result: Err(trouble), detail: detail::tidy(detail, &[]) }
}

/// Whether a body can't be half an answer with an access token in it.
fn is_sure_to_hold_no_token(received: &Received) -> bool {
    let body = received.whole().unwrap_or_default();
    body.trim_ascii_start().starts_with(b"<") || !body.contains(&b'{')
}

fn parse_grant(received: &Received) -> Result<Grant, &'static str> {
    let part: TokenPart = received.whole().and_then(lenient::parse).unwrap_or_default();
    let token = part.tenant_access_token.ok_or("answer names no token")?;
    let text = token.expose_secret();
    if text.trim().is_empty() {
        return Err("answer names an empty token");
    }
    if text.len() > TOKEN_MAX || !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err("answer names a token that no request can carry");
    }
    let seconds = part.expire.and_then(|expire| u64::try_from(expire).ok()).filter(|expire| *expire > 0);
    let life = seconds.map(Duration::from_secs).ok_or("answer does not say how long its token lives")?;
    Ok(Grant { token: AccessToken::new(token), expires_in: Some(life.min(LIFE_MAX)) })
}

fn classify_code(received: &Received, code: i64, envelope: &Envelope) -> TokenTrouble {
    use CodeMeaning as M;
    match (codes::meaning(code, &envelope.messages(), Endpoint::Token), received.status) {
        (M::ServerTrouble | M::SlowDown | M::Postponed, _) => TokenTrouble::Retry(ErrorKind::ServerError),
        (M::Throttled, _) => TokenTrouble::Throttled { reset: received.headers.reset() },
        (M::App(reason), _) => TokenTrouble::AppFault(reason),
        (M::Failed(_) | M::TokenRejected, _) => TokenTrouble::AppFault(PauseReason::CredentialsRejected),
        // These statuses name a culprit of their own.
        (M::Accepted | M::Unclear, 407 | 408 | 429) => classify_status(received),
        // An unlisted code speaks against the credentials: nothing else in the request
        // could be wrong.
        (M::Accepted | M::Unclear, 200..=299 | 400..=499) => {
            TokenTrouble::AppFault(PauseReason::CredentialsRejected)
        }
        (M::Accepted | M::Unclear, _) => classify_status(received),
    }
}

/// What the HTTP status says where the code says nothing.
fn classify_status(received: &Received) -> TokenTrouble {
    match (received.status, &received.body) {
        (429, _) => TokenTrouble::Throttled { reset: received.headers.reset() },
        (500.., _) => TokenTrouble::Retry(ErrorKind::ServerError),
        (_, Body::Broken(_)) | (..200 | 300..400 | 407 | 408, _) => TokenTrouble::Retry(ErrorKind::Network),
        // A page of something in between, or not the platform's host at all.
        _ => TokenTrouble::Retry(ErrorKind::MalformedAnswer),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::PauseReason as P;

    const TROUBLE: TokenTrouble = TokenTrouble::Retry(ErrorKind::ServerError);
    const MALFORMED: TokenTrouble = TokenTrouble::Retry(ErrorKind::MalformedAnswer);
    const NETWORK: TokenTrouble = TokenTrouble::Retry(ErrorKind::Network);
    const THROTTLED: TokenTrouble = TokenTrouble::Throttled { reset: None };
    const REJECTED: TokenTrouble = TokenTrouble::AppFault(P::CredentialsRejected);

    fn answer(status: u16, body: impl AsRef<[u8]>) -> TokenAnswer {
        classify_token(&Received::from_body(status, body), &["hunter2"])
    }

    fn trouble_of(status: u16, body: impl AsRef<[u8]>) -> TokenTrouble {
        answer(status, body).result.unwrap_err()
    }

    #[test]
    fn a_token_is_granted_for_as_long_as_it_lives() {
        for (expire, seconds) in [("7200", 7200), ("4567", 4567), ("\"60\"", 60), ("1", 1), ("999999", 7200)]
        {
            let body =
                format!(r#"{{"code":0,"msg":"ok","tenant_access_token":"t-1","expire":{expire},"x":{{}}}}"#);
            let grant = answer(200, body).result.unwrap();
            assert_eq!(grant.token.expose(), "t-1");
            assert_eq!(grant.expires_in, Some(Duration::from_secs(seconds)), "{expire}");
        }
    }

    #[test]
    fn half_a_grant_is_none() {
        for (fields, message) in [
            (r#""expire":7200"#, "names no token"),
            (r#""tenant_access_token":null,"expire":7200"#, "names no token"),
            (r#""tenant_access_token":"","expire":7200"#, "empty token"),
            (r#""tenant_access_token":"t-1\r\nx","expire":7200"#, "no request can carry"),
            (r#""tenant_access_token":"t-1""#, "how long"),
            (r#""tenant_access_token":"t-1","expire":0"#, "how long"),
            (r#""tenant_access_token":"t-1","expire":-5"#, "how long"),
            (r#""tenant_access_token":"t-1","expire":"soon""#, "how long"),
            (r#""data":{"tenant_access_token":"t-1","expire":7200}"#, "names no token"),
        ] {
            let answer = answer(200, format!(r#"{{"code":0,"msg":"ok",{fields}}}"#));
            assert!(answer.detail.message.as_deref().unwrap().contains(message), "{fields}");
            assert_eq!(answer.result.unwrap_err(), TROUBLE, "{fields}");
        }
        let long =
            format!(r#"{{"code":0,"tenant_access_token":"{}","expire":9}}"#, "t".repeat(TOKEN_MAX + 1));
        assert_eq!(trouble_of(200, long), TROUBLE);
    }

    #[test]
    fn codes_decide_whatever_the_status() {
        for (codes, expected) in [
            (&[10_003, 10_014, 10_015, 10_005, 10_012, 10_013, 99_991_543][..], REJECTED),
            (&[20_002, 20_048, 20_070, 99_991_661, 99_991_663, 1_069_902], REJECTED),
            (&[20_009, 20_069, 99_991_662, 99_991_673], TokenTrouble::AppFault(P::AppUnavailable)),
            (&[99_991_401], TokenTrouble::AppFault(P::IpNotAllowed)),
            (&[99_991_403], TokenTrouble::AppFault(P::QuotaExhausted)),
            (&[30_005, 99_991_201, 99_991_301], TokenTrouble::AppFault(P::WrongBaseUrl)),
            (&[20_050, 20_072, 2200, 5000, 1_069_901], TROUBLE),
            (&[99_991_400], THROTTLED),
        ] {
            for (code, status) in codes.iter().flat_map(|code| [200, 400, 401, 429, 500].map(|s| (code, s))) {
                let body = format!(r#"{{"code":{code},"msg":"no"}}"#);
                assert_eq!(trouble_of(status, body), expected, "{code} at {status}");
            }
        }
        assert_eq!(trouble_of(400, r#"{"code":9499,"msg":"too many request"}"#), THROTTLED);
    }

    #[test]
    fn the_status_decides_where_the_code_says_nothing() {
        let unlisted = r#"{"code":4711,"msg":"?"}"#;
        let grant = r#"{"code":0,"tenant_access_token":"t-hidden","expire":7200}"#;
        for (row, status, body, expected) in [
            ("4xx, other code", 400, unlisted, REJECTED),
            ("200, other code", 200, unlisted, REJECTED),
            ("9499, other text", 400, r#"{"code":9499,"msg":"bad"}"#, REJECTED),
            ("5xx, other code", 503, unlisted, TROUBLE),
            ("5xx without JSON", 502, "<html>", TROUBLE),
            ("5xx that grants", 500, grant, TROUBLE),
            ("429 without code", 429, "", THROTTLED),
            ("429, other code", 429, unlisted, THROTTLED),
            ("404, not JSON", 404, "404 page not found", MALFORMED),
            ("404, other code", 404, unlisted, REJECTED),
            ("200, not JSON", 200, "<html>", MALFORMED),
            ("200, empty", 200, "", MALFORMED),
            ("200, no code", 200, r#"{"tenant_access_token":"t-hidden","expire":7200}"#, MALFORMED),
            ("403, not JSON", 403, "<html>", MALFORMED),
            ("3xx", 302, "", NETWORK),
            ("3xx that grants", 302, grant, NETWORK),
            ("407", 407, "<html>", NETWORK),
            ("408, other code", 408, unlisted, NETWORK),
        ] {
            let answer = answer(status, body);
            assert!(!format!("{answer:?}").contains("t-hidden"), "{row}");
            assert_eq!(answer.result.unwrap_err(), expected, "{row}");
        }
    }

    /// Promise: a login page is quoted, and what may be half an answer with a token in it is not.
    #[test]
    fn a_page_is_quoted_and_half_an_answer_is_not() {
        let half = r#" {"tenant_access_token":"any-t0ken","#;
        for (body, expected) in [
            ("\n<title>Sign in, hunter2</title>{", "answer is a web page: Sign in, [hidden] {"),
            ("404 page not found", "answer is not the API's JSON: 404 page not found"),
            (half, "answer is not the API's JSON"),
            (&format!("x{half}"), "answer is not the API's JSON"),
        ] {
            assert_eq!(answer(200, body).detail.message.as_deref(), Some(expected), "{body}");
        }
        assert_eq!(answer(200, r#"{"tenant_access_token":"any-t0ken"}"#).detail.message, None);
    }

    #[test]
    fn a_named_wait_is_passed_on() {
        let mut received = Received::from_body(429, r#"{"code":99991400,"msg":"limit"}"#);
        received.headers.retry_after = Some("9".into());
        received.headers.log_id = Some("L".into());
        let answer = classify_token(&received, &["hunter2"]);
        assert_eq!(
            answer.result.unwrap_err(),
            TokenTrouble::Throttled { reset: Some(Duration::from_secs(9)) }
        );
        assert_eq!(answer.detail.log_id.as_deref(), Some("L"));
    }

    #[test]
    fn a_server_that_repeats_the_secret_does_not_get_it_into_the_log() {
        let answer = answer(200, r#"{"code":10015,"msg":"wrong secret hunter2"}"#);
        assert_eq!(answer.detail.message.as_deref(), Some("wrong secret [hidden]"));
        assert_eq!(answer.detail.code, Some(10_015));
    }

    proptest! {
        #[test]
        fn no_answer_panics(status in 100u16..1000, body in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(answer(status, body).result.is_err());
        }
    }
}
