//! `health`: asks the watcher that runs by this configuration how it is, for probes that have neither a shell
//! nor curl. Of `watcher.toml` it needs `[server] listen` alone: whatever else has become wrong with the file is
//! none of the watcher's that runs.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use feishu_export_watcher::config::{ConfigError, glance_at_server};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, SERVER};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;

use crate::args::HealthArguments;
use crate::messages::{eprint_escaped, fail};
use crate::{config_file, exit};

/// Everything together may take this long.
const DEADLINE: Duration = Duration::from_secs(5);

/// Bytes of an answer at most; ours are a few lines.
const ANSWER_MAX: usize = 64 << 10;

/// Nothing was learned about the watcher's health, which a probe has to take for the worst.
#[derive(Debug, Error)]
enum HealthError {
    /// The configuration is not in order, and names no address.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nothing listens.
    #[error("{} has no [server] section, so nobody can be asked; add one with listen = \"127.0.0.1:9464\" and restart", .0.display())]
    NoServer(PathBuf),
    /// There is no way to wait.
    #[error("failed to set up a connection")]
    Runtime(#[source] io::Error),
    /// Nobody is there.
    #[error(
        "failed to reach the watcher at {0}; it is not running, or another [server] listen was in force when it started"
    )]
    Unreachable(SocketAddr, #[source] io::Error),
    /// It was silent.
    #[error(
        "the watcher at {0} gave no answer within {seconds} s; it hangs, or another [server] listen was in force when it started",
        seconds = DEADLINE.as_secs()
    )]
    Silent(SocketAddr),
    /// It was answered in another tongue.
    #[error("failed to understand the answer from {0}")]
    Garbled(SocketAddr, #[source] hyper::Error),
    /// It was answered by somebody else.
    #[error(
        "what answers at {0} is no watcher; another program has its port, or another [server] listen was in force when the watcher started"
    )]
    Stranger(SocketAddr),
}

/// What came back.
struct Answer {
    from: SocketAddr,
    status: StatusCode,
    text: String,
}

/// Asks; returns the exit code, which is 0 or 1 whatever is wrong: probes know nothing else.
pub(crate) fn health(arguments: HealthArguments) -> u8 {
    let Some(config) = config_file::find(arguments.config) else { return exit::UNEXPECTED };
    let path = if arguments.ready { "/readyz" } else { "/livez" };
    match ask(&config, path) {
        Ok(Answer { status: StatusCode::OK, text, .. }) => {
            // Who does not want to hear it has the exit code.
            let _ = write!(io::stdout(), "{}", feishu_export_watcher::domain::escape_except(&text, &['\n']));
            exit::FINE
        }
        Ok(answer) => {
            eprint_escaped(&reason(&answer, path));
            exit::UNEXPECTED
        }
        Err(HealthError::Config(error)) => {
            eprint_escaped(&error.to_string());
            exit::UNEXPECTED
        }
        Err(error) => fail(&error, exit::UNEXPECTED),
    }
}

/// Why the watcher is not well, in its own words; if it has none, what it said instead.
fn reason(answer: &Answer, path: &str) -> String {
    let Answer { from, status, text } = answer;
    match (*status, text.trim_end()) {
        (StatusCode::SERVICE_UNAVAILABLE, text) if !text.is_empty() => text.to_owned(),
        (_, "") => format!("the watcher at {from} answered {status} for {path}, without a word"),
        (_, text) => format!("the watcher at {from} answered {status} for {path}: {text}"),
    }
}

fn ask(config: &Path, path: &'static str) -> Result<Answer, HealthError> {
    let glance = glance_at_server(config)?;
    let path_of_config = glance.path.display();
    if !glance.problems.is_empty() {
        eprint_escaped(&format!(
            "{path_of_config} is not in order, `check` says why; asked is the [server] listen that it names"
        ));
    }
    let listen = glance.listen.ok_or_else(|| HealthError::NoServer(glance.path.to_path_buf()))?;
    let address = reachable(listen);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(HealthError::Runtime)?.block_on(async {
        let exchange = tokio::time::timeout(DEADLINE, exchange(address, path));
        exchange.await.map_err(|_| HealthError::Silent(address))?
    })
}

/// Where a server that listens on every address is asked.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// One request over a connection of its own.
async fn exchange(address: SocketAddr, path: &'static str) -> Result<Answer, HealthError> {
    let garbled = |error| HealthError::Garbled(address, error);
    let socket =
        TcpStream::connect(address).await.map_err(|error| HealthError::Unreachable(address, error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(garbled)?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = hyper::Uri::from_static(path);
    if let Ok(host) = address.to_string().parse() {
        request.headers_mut().insert(HOST, host);
    }
    // What goes wrong with the connection the request is told as well.
    let driving = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(garbled)?;
    let answer = read(address, response).await;
    driving.abort();
    answer
}

async fn read(from: SocketAddr, response: Response<Incoming>) -> Result<Answer, HealthError> {
    let status = response.status();
    if response.headers().get(SERVER).is_none_or(|name| name != feishu_export_watcher::http::NAME) {
        return Err(HealthError::Stranger(from));
    }
    // The status says it all, even if the text is too long or breaks off.
    let text = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
    let text = text.map(|text| String::from_utf8_lossy(&text.to_bytes()).into_owned());
    Ok(Answer { from, status, text: text.unwrap_or_default() })
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
