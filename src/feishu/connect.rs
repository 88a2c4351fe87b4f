//! Clients for hosts, by the way that the environment leaves. None follows a redirect or sends a request a second time.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, ClientBuilder, Proxy, redirect, retry};
use thiserror::Error;

use super::network::{Host, NetworkError, NetworkSettings, hint, with_hint};
use crate::domain::{Webhook, with_causes};

/// Name and version, by which the platform's support finds our requests.
const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// How long a connection may take to come up; less if a whole request may only take less.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an idle connection is kept: below the 60 to 75 s after which common gateways close it,
/// so that a request seldom meets a connection that is just being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);

/// Why there is no client.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The environment names something that can't be used.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The library refused.
    #[error("failed to set up the HTTP client")]
    Setup(#[from] reqwest::Error),
}

/// A client for the receiver of a webhook, whose requests take `timeout` at most, as those to apps do.
///
/// # Errors
/// The library refuses.
pub fn webhook_client(
    webhook: &Webhook,
    timeout: Duration,
    network: &NetworkSettings,
) -> Result<Client, ClientError> {
    client(Host::from_webhook(webhook), timeout, network)
}

/// Why a request brought no answer, without its URL, and the same in words with what helps.
pub(super) fn send_trouble(error: reqwest::Error) -> (reqwest::Error, String) {
    let error = error.without_url();
    let message = with_hint(with_causes(&error));
    (error, message)
}

/// Why a receiver's request brought no answer: its innermost cause, with what helps, since the caller names the host.
#[must_use]
pub fn webhook_trouble(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() && !error.is_connect() {
        return "no answer in time".to_owned();
    }
    let causes = std::iter::successors(Some(&error as &dyn Error), |error| (*error).source());
    let cause = causes.last().map(ToString::to_string).unwrap_or_default();
    // A hint may be about an outer cause.
    match hint(&with_causes(&error)) {
        Some(hint) => format!("{cause}; {hint}"),
        None => cause,
    }
}

/// A client for one host. A request takes `request_timeout` at most, from connecting to the last byte of the answer.
pub(super) fn client(
    host: Host<'_>,
    request_timeout: Duration,
    network: &NetworkSettings,
) -> Result<Client, ClientError> {
    let builder = builder(request_timeout);
    let builder = match network.trust_for(host) {
        Some(trust) => builder.https_only(true).tls_backend_preconfigured(trust.to_client(host.ca_file)),
        // Without TLS the system's authorities are not needed, and a bare container has none.
        None => builder.tls_certs_only([]),
    };
    let builder = match network.proxies.proxy_for(host.url) {
        Some((_, url)) => builder.proxy(Proxy::all(url.clone())?),
        None => builder.no_proxy(),
    };
    Ok(builder.build()?)
}

/// What all clients have in common.
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
        // Without it a middlebox may compress its page.
        .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]))
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        .http1_only()
        .connect_timeout(CONNECT_TIMEOUT.min(request_timeout))
        .timeout(request_timeout)
        .pool_idle_timeout(IDLE_TIMEOUT)
}
