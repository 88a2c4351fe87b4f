//! `health`: asks the watcher that runs by this configuration how it is, for probes that have neither a shell
//! nor curl. Of `watcher.toml` it needs `[server] listen` alone: a mistake elsewhere in the file does not
//! concern the watcher that runs.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use feishu_export_watcher::domain::escape_except;
use feishu_export_watcher::http::NAME;
use feishu_export_watcher::{ConfigError, read_server_address};
use reqwest::header::SERVER;
use reqwest::{Client, StatusCode, redirect};
use thiserror::Error;

use crate::args::HealthArguments;
use crate::messages::{eprint_escaped, fail};
use crate::{config_file, exit};

/// Everything together may take this long.
const DEADLINE: Duration = Duration::from_secs(5);

/// Bytes of an answer at most, give or take a piece that arrives at once; ours are a few lines.
const ANSWER_MAX: usize = 64 << 10;

/// Nothing was learned about the watcher's health, which a probe has to take for the worst.
#[derive(Debug, Error)]
enum HealthError {
    /// The configuration is invalid, and names no address.
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{} has no [server] section, so there is nothing to ask; add one with listen = \"127.0.0.1:9464\" and restart", .0.display())]
    NoServer(Arc<Path>),
    #[error("failed to set up a connection")]
    Runtime(#[source] io::Error),
    #[error(
        "failed to reach the watcher at {0}; it is not running, or another [server] listen was in force when it started"
    )]
    Unreachable(SocketAddr, #[source] reqwest::Error),
    #[error(
        "the watcher at {0} gave no answer within {seconds} s; it hangs, or another [server] listen was in force when it started",
        seconds = DEADLINE.as_secs()
    )]
    Silent(SocketAddr),
    #[error("failed to understand the answer from {0}")]
    NotHttp(SocketAddr, #[source] reqwest::Error),
    #[error(
        "what answers at {0} is no watcher; another program has its port, or another [server] listen was in force when the watcher started"
    )]
    Stranger(SocketAddr),
    /// The watcher's own answer.
    #[error("{0}")]
    Unwell(String),
}

/// Asks; returns the exit code, which is 0 or 1: probes know nothing else.
pub(crate) fn health(arguments: HealthArguments) -> u8 {
    let Some(config) = config_file::find(arguments.config) else { return exit::UNEXPECTED };
    let path = if arguments.ready { "/readyz" } else { "/livez" };
    match ask(&config, path) {
        Ok(text) => {
            // The exit code shows it as well.
            let _ = write!(io::stdout(), "{}", escape_except(&text, &['\n']));
            exit::FINE
        }
        Err(error @ (HealthError::Config(_) | HealthError::Unwell(_))) => {
            eprint_escaped(&error.to_string());
            exit::UNEXPECTED
        }
        Err(error) => fail(&error, exit::UNEXPECTED),
    }
}

fn ask(config: &Path, path: &str) -> Result<String, HealthError> {
    let server = read_server_address(config)?;
    if !server.problems.is_empty() {
        let file = server.path.display();
        eprint_escaped(&format!(
            "{file} is invalid, `check` says why; asked is the [server] listen that it names"
        ));
    }
    let address = reachable(server.listen.ok_or(HealthError::NoServer(server.path))?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(HealthError::Runtime)?.block_on(async {
        let exchange = tokio::time::timeout(DEADLINE, exchange(address, path));
        exchange.await.map_err(|_| HealthError::Silent(address))?
    })
}

/// The address to ask: loopback for a server that listens on every address.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let loopback: IpAddr =
        if listen.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    let ip = if listen.ip().is_unspecified() { loopback } else { listen.ip() };
    SocketAddr::new(ip, listen.port())
}

/// One request, directly. Without TLS there is no need for the system's authorities, which a bare container lacks.
async fn exchange(address: SocketAddr, path: &str) -> Result<String, HealthError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let failed = |error: reqwest::Error| match error.is_connect() {
        true => HealthError::Unreachable(address, error.without_url()),
        false => HealthError::NotHttp(address, error.without_url()),
    };
    let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).tls_certs_only([]);
    let request = client.build().map_err(failed)?.get(format!("http://{address}{path}"));
    let mut response = request.send().await.map_err(failed)?;
    if response.headers().get(SERVER).is_none_or(|name| name != NAME) {
        return Err(HealthError::Stranger(address));
    }
    let mut text = Vec::new();
    // The status suffices, even if the body is too long or breaks off.
    while text.len() < ANSWER_MAX
        && let Ok(Some(piece)) = response.chunk().await
    {
        text.extend_from_slice(&piece);
    }
    let text = String::from_utf8_lossy(&text);
    let answered = format!("the watcher at {address} answered {} for {path}", response.status());
    Err(HealthError::Unwell(match (response.status(), text.trim_end()) {
        (StatusCode::OK, _) => return Ok(text.into_owned()),
        (_, "") => format!("{answered}, with an empty body"),
        (StatusCode::SERVICE_UNAVAILABLE, text) => text.to_owned(),
        (_, text) => format!("{answered}: {text}"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: a server that listens everywhere is asked on loopback, by its own family of addresses.
    #[test]
    fn every_listen_can_be_reached() {
        for (listen, asked) in [
            ("127.0.0.1:9464", "127.0.0.1:9464"),
            ("0.0.0.0:9464", "127.0.0.1:9464"),
            ("[::]:9464", "[::1]:9464"),
            ("192.168.0.7:80", "192.168.0.7:80"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), asked);
        }
    }
}
