//! The HTTP client. It sends exactly one request for each call and reports what came back; it follows
//! no redirect, sends nothing again by itself and keeps no state but open connections and the secrets to hide.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, ClientBuilder, RequestBuilder, redirect, retry};
use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;
use thiserror::Error;

use super::access_token::{self, trouble};
use super::address::{endpoint_url, query_url};
use super::api::{Answer, Detail, ExportApi, Grant, Query, TokenAnswer, TokenTrouble};
use super::body::{Received, describe};
use super::detail;
use super::judge;
use super::known_secrets::{Kind, KnownSecrets};
use super::platform::suggest_other;
use super::secret;
use super::verdict::{Pace, Verdict};
use crate::domain::{
    App, AppName, Credentials, ErrorKind, PauseReason, SecretPurpose, SecretSource, with_causes,
};

/// Name and version, by which the platform's support can tell our requests.
const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// How long a connection may take to come up; less if a whole request may only take less.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an idle connection is kept: below the 60 to 75 s after which common gateways close it,
/// so that a request seldom meets a connection that is just being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);

/// Why there is no client.
#[derive(Debug, Error)]
#[error("failed to set up the HTTP client")]
pub struct ClientError(#[source] reqwest::Error);

/// The export API over HTTP, for all apps. Clones share connections.
#[derive(Clone)]
pub struct HttpExportApi {
    sites: Arc<HashMap<AppName, Site>>,
}

/// An app and the client that reaches its host.
struct Site {
    app: App,
    client: Client,
    known: Arc<KnownSecrets>,
}

impl HttpExportApi {
    /// A client for these apps, whose requests take `request_timeout` at most, from connecting to the
    /// last byte of the answer. The proxy settings of the environment are read here.
    ///
    /// # Errors
    /// Fails if TLS can't be set up, for instance where the system has no root certificates.
    pub fn new(apps: &[App], request_timeout: Duration) -> Result<Self, ClientError> {
        Self::with(apps, request_timeout, |builder| builder)
    }

    /// The same with a last word on the client for remote hosts.
    fn with(
        apps: &[App],
        request_timeout: Duration,
        remote: impl Fn(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self, ClientError> {
        let loopback = |app: &&App| app.base_url.is_loopback();
        let plain = apps.iter().filter(loopback).all(|app| app.base_url.as_url().scheme() == "http");
        // A client is built only if an app needs it: one for https fails without root certificates.
        let near = apps.iter().find(loopback).map(|_| near_client(request_timeout, plain)).transpose()?;
        let far = apps.iter().find(|app| !loopback(app));
        let far = far
            .map(|_| remote(builder(request_timeout).https_only(true)).build().map_err(ClientError))
            .transpose()?;
        let known = Arc::<KnownSecrets>::default();
        let site = |app: &App| {
            let client = if app.base_url.is_loopback() { near.clone() } else { far.clone() };
            client.map(|client| {
                (app.name.clone(), Site { app: app.clone(), client, known: Arc::clone(&known) })
            })
        };
        Ok(Self { sites: Arc::new(apps.iter().filter_map(site).collect()) })
    }
}

/// The client for this machine. No proxy comes between, whatever the environment says: it would
/// see tokens that were meant to stay here.
fn near_client(request_timeout: Duration, plain: bool) -> Result<Client, ClientError> {
    let builder = builder(request_timeout).no_proxy();
    // Without TLS the system's root certificates are not needed, and a bare container has none.
    let builder = if plain { builder.tls_certs_only([]) } else { builder };
    builder.build().map_err(ClientError)
}

/// What both clients have in common.
///
/// One repetition can't be switched off here: where a pooled connection turns out to be closed before
/// any byte of the request was written to it, hyper-util takes another connection. The server has not
/// seen that request, so it counts one; a request of which a byte was written is never repeated.
fn builder(request_timeout: Duration) -> ClientBuilder {
    // The library takes its cryptography from this process-wide place only. If another one is
    // installed already, that one serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        .http1_only()
        .connect_timeout(CONNECT_TIMEOUT.min(request_timeout))
        .timeout(request_timeout)
        .pool_idle_timeout(IDLE_TIMEOUT)
}

/// Shows the apps only: what a client was built with may hold a proxy's password.
impl fmt::Debug for HttpExportApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpExportApi").field("apps", &self.sites.keys()).finish()
    }
}

impl ExportApi for HttpExportApi {
    async fn access_token(&self, app: &AppName) -> TokenAnswer {
        let Some(site) = self.sites.get(app) else {
            return trouble(TokenTrouble::AppFault(PauseReason::CredentialsRejected), unknown(app));
        };
        match &site.app.credentials {
            Credentials::AccessToken(source) => read_token(source).await,
            Credentials::AppSecret(source) => site.fetch_token(source).await,
        }
    }

    async fn query(&self, query: Query) -> Answer {
        let Some(site) = self.sites.get(&query.app) else {
            return unsent(Verdict::AppFault(PauseReason::CredentialsRejected), unknown(&query.app));
        };
        site.query(&query).await
    }
}

impl Site {
    async fn query(&self, query: &Query) -> Answer {
        let access_token = query.access_token.expose();
        let Some(authorization) = bearer(access_token) else {
            let message = "access token holds characters that no request can carry".to_owned();
            return unsent(Verdict::TokenRejected, message);
        };
        self.known.remember(&self.app.name, Kind::AccessToken, access_token);
        let url = query_url(&self.app.base_url, query.ticket.as_str(), query.token.as_str());
        match send(self.client.get(url).header(AUTHORIZATION, authorization)).await {
            Ok(received) => {
                let answer = self.known.with(|secrets| judge::of_answer(&received, secrets));
                Answer { detail: suggest_other(answer.detail, &self.app.base_url), ..answer }
            }
            Err(error) => unsent(of_send_error(&error), describe(error)),
        }
    }

    async fn fetch_token(&self, source: &SecretSource) -> TokenAnswer {
        let app_secret = match secret::read(source, SecretPurpose::AppSecret).await {
            Ok(app_secret) => app_secret,
            Err(error) => return trouble(unreadable(), with_causes(&error)),
        };
        self.known.remember(&self.app.name, Kind::AppSecret, app_secret.expose_secret());
        let body = match access_token::request_body(&self.app.app_id, &app_secret) {
            Ok(body) => body,
            Err(error) => return trouble(unreadable(), with_causes(&error)),
        };
        let url = endpoint_url(&self.app.base_url, access_token::PATH);
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        match send(self.client.post(url).header(CONTENT_TYPE, json).body(body)).await {
            Ok(received) => {
                let answer = self.known.with(|secrets| access_token::of_answer(&received, secrets));
                TokenAnswer { detail: suggest_other(answer.detail, &self.app.base_url), ..answer }
            }
            Err(error) => trouble(TokenTrouble::Retry(ErrorKind::Network), describe(error)),
        }
    }
}

/// A token that lies ready costs no request.
async fn read_token(source: &SecretSource) -> TokenAnswer {
    match secret::read(source, SecretPurpose::AccessToken).await {
        Ok(token) => TokenAnswer {
            result: Ok(Grant { token: token.into(), expires_in: None }),
            detail: Detail::default(),
        },
        Err(error) => trouble(unreadable(), with_causes(&error)),
    }
}

const fn unreadable() -> TokenTrouble {
    TokenTrouble::AppFault(PauseReason::SecretUnreadable)
}

async fn send(request: RequestBuilder) -> Result<Received, reqwest::Error> {
    Ok(Received::read(request.send().await?).await)
}

/// The header's value, marked so that nothing prints it.
fn bearer(access_token: &str) -> Option<HeaderValue> {
    let text = Zeroizing::new(format!("Bearer {access_token}"));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What it means that no answer came.
fn of_send_error(error: &reqwest::Error) -> Verdict {
    if error.is_builder() {
        // The request could not even be written down, as with a ticket longer than any URL: asking
        // again will not mend that, so it must not go on for ever.
        return Verdict::Unclear(ErrorKind::InvalidParam);
    }
    Verdict::Retry { kind: ErrorKind::Network, pace: Pace::Usual }
}

/// An answer where the server gave none.
fn unsent(verdict: Verdict, message: String) -> Answer {
    let detail = Detail { message: Some(message.into()), ..Detail::default() };
    Answer { verdict, detail: detail::tidy(detail, &[]) }
}

fn unknown(app: &AppName) -> String {
    format!("no app named {app} is configured")
}

#[cfg(test)]
mod tests;
