//! An answer as it arrived: status, the few headers that matter, and the body, read while it streams
//! and no further than a limit. What it means is not decided here.

use std::mem;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret as _, ExposeSecretMut as _, SecretBox};

use crate::domain::with_causes;

/// Bytes of a body that are read at most. A true answer has a few hundred.
pub(super) const BODY_MAX: usize = 1024 * 1024;

/// The longest wait that a header can ask for; the engine has tighter limits of its own. This
/// one keeps a nonsensical number from overflowing a clock.
const WAIT_MAX: u64 = 24 * 60 * 60;

/// An answer, or what came of it.
#[derive(Debug)]
pub struct Received {
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) body: Body,
}

/// The headers that matter.
#[derive(Debug, Default)]
pub(super) struct Headers {
    /// `X-Tt-Logid`, else `X-Request-Id`.
    pub(super) log_id: Option<Box<str>>,
    /// `x-ogw-ratelimit-reset`: seconds until the limit is restored (rate limits page).
    pub(super) reset: Option<Box<str>>,
    /// `Retry-After`, which the platform does not document, but gateways send.
    pub(super) retry_after: Option<Box<str>>,
    /// `Content-Encoding`, if it is one: none is asked for.
    pub(super) encoding: Option<Box<str>>,
    /// `Content-Length`.
    pub(super) length: Option<u64>,
}

/// A body.
#[derive(Debug)]
pub(super) enum Body {
    /// All of it, or of a file as much as its answer is judged by. Wiped when dropped and never shown, because the token endpoint's holds a token.
    Whole(SecretBox<Vec<u8>>),
    /// More than [`BODY_MAX`].
    TooLarge,
    /// It broke off; the text says why.
    Broken(String),
}

impl Received {
    /// An answer that lies ready. Its status is 100 to 999; its body is none where that broke off.
    #[must_use]
    pub fn new(status: u16, headers: &HeaderMap, body: Option<Vec<u8>>) -> Self {
        let body = match body {
            Some(bytes) if bytes.len() > BODY_MAX => Body::TooLarge,
            Some(bytes) => Body::from_bytes(bytes),
            None => Body::Broken("body broke off".to_owned()),
        };
        Self { status, headers: Headers::from_map(headers), body }
    }

    /// Reads an answer to its end, or to the limit.
    pub(super) async fn read(response: Response) -> Self {
        let status = response.status().as_u16();
        let headers = Headers::from_map(response.headers());
        Self { status, headers, body: Body::read(response).await }
    }

    /// The body, if all of it came.
    pub(super) fn whole(&self) -> Option<&[u8]> {
        match &self.body {
            Body::Whole(bytes) => Some(bytes.expose_secret()),
            Body::TooLarge | Body::Broken(_) => None,
        }
    }

    /// Takes the body out; empty unless [`whole`](Self::whole).
    pub(super) fn into_body(self) -> Bytes {
        match self.body {
            Body::Whole(mut bytes) => mem::take(bytes.expose_secret_mut()).into(),
            Body::TooLarge | Body::Broken(_) => Bytes::new(),
        }
    }
}

impl Headers {
    pub(super) fn from_map(headers: &HeaderMap) -> Self {
        let text = |name: &str| -> Option<Box<str>> {
            let value = headers.get(name)?.to_str().ok()?.trim();
            (!value.is_empty()).then(|| value.into())
        };
        Self {
            log_id: text("x-tt-logid").or_else(|| text("x-request-id")),
            reset: text("x-ogw-ratelimit-reset"),
            retry_after: text("retry-after"),
            encoding: text("content-encoding").filter(|it| !it.eq_ignore_ascii_case("identity")),
            length: text("content-length").and_then(|length| length.parse().ok()),
        }
    }

    /// How long the server wants to be left alone.
    pub(super) fn reset(&self) -> Option<Duration> {
        self.reset.as_deref().and_then(seconds).or_else(|| self.retry_after())
    }

    /// `Retry-After` alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.retry_after.as_deref().and_then(seconds)
    }
}

/// Whole, positive seconds; fractions, dates and words count as nothing said.
fn seconds(text: &str) -> Option<Duration> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than fit are still "very long".
    let seconds = digits.then(|| text.parse().unwrap_or(u64::MAX))?;
    (seconds > 0).then(|| Duration::from_secs(seconds.min(WAIT_MAX)))
}

impl Body {
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self::Whole(SecretBox::new(Box::new(bytes)))
    }

    async fn read(mut response: Response) -> Self {
        let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
        if announced.is_some_and(|length| length > BODY_MAX) {
            return Self::TooLarge;
        }
        // Room for all of it where its length is known, so that growing leaves no copies behind.
        let mut secret = SecretBox::new(Box::new(Vec::with_capacity(announced.unwrap_or_default())));
        loop {
            let bytes = secret.expose_secret_mut();
            match response.chunk().await {
                Ok(None) => return Self::Whole(secret),
                Ok(Some(chunk)) if bytes.len() + chunk.len() > BODY_MAX => return Self::TooLarge,
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                // The URL names ticket and document, which belong into fields of their own.
                Err(error) => return Self::Broken(with_causes(&error.without_url())),
            }
        }
    }
}

#[cfg(test)]
impl Received {
    /// An answer for tests of what answers mean.
    pub(super) fn from_body(status: u16, body: impl AsRef<[u8]>) -> Self {
        Self { status, headers: Headers::default(), body: Body::from_bytes(body.as_ref().to_vec()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_whole_positive_seconds() {
        for (text, expected) in
            [("1", 1), ("052", 52), ("86401", WAIT_MAX), ("99999999999999999999", WAIT_MAX)]
        {
            assert_eq!(seconds(text), Some(Duration::from_secs(expected)), "{text}");
        }
        for nothing in ["", "0", "-1", "+5", "1.5", "1e3", " 1", "NaN", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(seconds(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn the_platforms_header_comes_before_the_common_one() {
        let headers = |reset: &str, after: &str| Headers {
            reset: Some(reset.into()),
            retry_after: Some(after.into()),
            ..Headers::default()
        };
        assert_eq!(headers("52", "7").reset(), Some(Duration::from_secs(52)));
        assert_eq!(headers("soon", "7").reset(), Some(Duration::from_secs(7)));
        assert_eq!(headers("0", "0.5").reset(), None);
        assert_eq!(headers("52", "x").retry_after(), None);
    }

    #[test]
    fn debug_output_shows_no_content() {
        let received = Received::from_body(200, br#"{"tenant_access_token":"t-hidden"}"#);
        assert!(!format!("{received:?}").contains("hidden"));
    }
}
