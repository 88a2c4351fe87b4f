//! A webhook as a receiver: one POST for each try, signed as Standard Webhooks writes it
//! (<https://github.com/standard-webhooks/standard-webhooks>). What the receiver answers is bounded and never trusted, and
//! no error repeats what may be a secret: the address, or a key.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use percent_encoding::percent_decode_str;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::receiver::{CallError, HookEvent, Receiver};
use super::retries::retry_after;
use crate::domain::{SecretSource, WallTime, Webhook, escape, signing_keys};

/// Bytes of an answer that are read at most.
const BODY_MAX: usize = 64 * 1024;

/// Characters of an answer that are shown.
const WORDS_MAX: usize = 120;

/// How long a body is waited for once its head is there.
const BODY_WITHIN: Duration = Duration::from_secs(1);

/// Pieces of a path that are shorter are words that any answer may have.
const PIECE_MIN: usize = 8;

/// The same of a value of the query, and of a path as a whole.
const VALUE_MIN: usize = 4;

/// How receivers are reached, and their keys read.
#[derive(Clone)]
pub(crate) struct WebhookTransport {
    /// Follows no redirect and sends nothing twice.
    pub(crate) client: Client,
    /// Reads the keys at a place, at every call anew. Its error names the place, and nothing of what lies there.
    pub(crate) read_keys: fn(SecretSource) -> BoxFuture<'static, Result<SecretString, String>>,
    /// The words for why no answer came, without the address.
    pub(crate) in_words: fn(reqwest::Error) -> String,
}

/// The receiver of a webhook.
pub(crate) struct WebhookReceiver {
    webhook: Webhook,
    timeout: Duration,
    transport: WebhookTransport,
}

impl WebhookReceiver {
    /// A receiver that is given `timeout` for a whole try.
    pub(crate) const fn new(webhook: Webhook, timeout: Duration, transport: WebhookTransport) -> Self {
        Self { webhook, timeout, transport }
    }

    /// The head of the answer, which decides.
    async fn post(&self, event: &HookEvent, keys: &[SecretSlice<u8>]) -> Result<Response, CallError> {
        let seconds = WallTime::now().as_millis() / 1000;
        let mut request = self
            .transport
            .client
            .post(self.webhook.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &event.id)
            .header("webhook-timestamp", seconds);
        if !keys.is_empty() {
            request = request.header("webhook-signature", signatures(keys, event, seconds));
        }
        let sent = request.body(event.body.to_string()).send().await;
        sent.map_err(|error| {
            CallError::new(format!("{}: {}", self.webhook.host(), escape(&(self.transport.in_words)(error))))
        })
    }

    async fn keys(&self) -> Result<Vec<SecretSlice<u8>>, CallError> {
        let Some(source) = &self.webhook.secret else { return Ok(Vec::new()) };
        let text = (self.transport.read_keys)(source.clone()).await;
        let text = text.map_err(|why| CallError::new(format!("secret: {}", escape(&why))))?;
        let none = || CallError::new(format!("secret: {source} holds no keys"));
        signing_keys(text.expose_secret()).ok_or_else(none)
    }

    async fn refusal(&self, response: Response, until: Instant) -> CallError {
        let (status, now) = (response.status(), WallTime::now());
        let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = wait.and_then(|text| retry_after(text, now));
        let words = first_words(&read_body(response, until).await, &pieces(&self.webhook.url));
        let hint = match status {
            StatusCode::GONE => " (it wants no more events)",
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => " (do both have the same secret?)",
            _ if status.is_redirection() => " (redirects are not followed; let url name the final address)",
            _ => "",
        };
        let message = format!("{} answered {}{hint}{words}", self.webhook.host(), status.as_u16());
        let is_gone = status == StatusCode::GONE;
        CallError { message, http_status: Some(status.as_u16()), retry_after, is_gone }
    }
}

impl Receiver for WebhookReceiver {
    async fn call(&self, event: &HookEvent) -> Result<(), CallError> {
        // Not within the limit: a read that hangs keeps its thread, and each further try would take one more.
        let keys = self.keys().await?;
        let end = Instant::now() + self.timeout;
        let too_long = || format!("{} gave no answer within {:?}", self.webhook.host(), self.timeout);
        let answered = timeout_at(end, self.post(event, &keys)).await;
        let response = answered.unwrap_or_else(|_| Err(CallError::new(too_long())))?;
        let until = end.min(Instant::now() + BODY_WITHIN);
        if response.status().is_success() {
            // The head decides, whatever follows.
            read_body(response, until).await;
            return Ok(());
        }
        Err(self.refusal(response, until).await)
    }
}

/// A signature by each key, between blanks: a receiver takes the event if it knows one of them.
fn signatures(keys: &[SecretSlice<u8>], event: &HookEvent, seconds: i64) -> String {
    let signed = format!("{}.{seconds}.{}", event.id, event.body);
    let sign = |key: &SecretSlice<u8>| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret());
        format!("v1,{}", STANDARD.encode(hmac::sign(&key, signed.as_bytes())))
    };
    keys.iter().map(sign).collect::<Vec<_>>().join(" ")
}

/// As much of a body as comes in time, up to the limit. Read to its end, the connection serves the next event.
async fn read_body(mut response: Response, until: Instant) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Ok(Some(block))) = timeout_at(until, response.chunk()).await {
        body.extend_from_slice(&block[..block.len().min(BODY_MAX - body.len())]);
        if body.len() == BODY_MAX {
            break;
        }
    }
    body
}

/// What of an address may be a secret: its path, alone and with the query, and longer pieces of both, as they are sent and
/// as they are meant.
fn pieces(url: &Url) -> Vec<String> {
    let (path, query) = (url.path(), url.query().unwrap_or_default());
    let whole = [path.to_owned(), format!("{path}?{query}")];
    let values = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
    let long = path.split('/').chain(query.split(['&', '='])).filter(|piece| piece.len() >= PIECE_MIN);
    let parts = whole.iter().map(String::as_str).chain(values).filter(|piece| piece.len() >= VALUE_MIN);
    parts
        .chain(long)
        .flat_map(|piece| [piece.to_owned(), percent_decode_str(piece).decode_utf8_lossy().into_owned()])
        .collect()
}

/// The first words of a body behind a colon, if it has some and repeats none of these pieces, as an answer of 404 often does.
fn first_words(body: &[u8], pieces: &[String]) -> String {
    let text = String::from_utf8_lossy(body);
    if pieces.iter().any(|piece| text.contains(piece.as_str())) {
        return " (its words are not shown: they repeat the address)".to_owned();
    }
    let words = text.split_whitespace().take(WORDS_MAX).collect::<Vec<_>>().join(" ");
    let short: String = words.chars().take(WORDS_MAX).collect();
    match short.as_str() {
        "" => String::new(),
        _ if short.contains('\0') => " (with a binary body)".to_owned(),
        _ => format!(": {}", escape(&short)),
    }
}

#[cfg(test)]
#[path = "webhook/tests.rs"]
mod tests;
