//! Connections, each as short and as small as can be: whoever is slow, talks too much or says nothing is cut
//! off, and no number of such clients keeps a probe from being answered, or takes the descriptors that polls
//! need.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tracing::debug;

/// Connections at once. One more takes the place of the one that has said nothing for longest: a client with
/// an honest question asks it at once, so it is none of those. To make newcomers wait instead would let a few
/// dozen silent ones shut out every probe.
const CONNECTIONS: usize = 64;

/// A request has to be there within this time.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);

/// All is over after this time. What takes longest is a status of a hundred thousand tickets over a network;
/// the state file's log can't be emptied meanwhile.
const OVER_WITHIN: Duration = Duration::from_secs(30);

/// Bytes of a request's head, and headers in it, at most.
const HEAD: usize = 8 << 10;
const HEADERS: usize = 64;

/// When no connection can be taken, it is tried again after this time: the next try may fail alike.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// ENFILE and EMFILE on every Linux: the system, or this process, has no descriptors left. Polls need them
/// more than whoever says nothing.
const NO_DESCRIPTORS: [i32; 2] = [23, 24];

/// Answers everybody, without end. Dropping it closes all connections.
pub(super) async fn accept(listener: TcpListener, router: Router) {
    let mut connections = Connections::default();
    loop {
        match listener.accept().await {
            Ok((socket, _)) => connections.add(socket, router.clone()),
            Err(error) => {
                debug!("a connection could not be taken: {error}");
                if error.raw_os_error().is_some_and(|code| NO_DESCRIPTORS.contains(&code)) {
                    connections.cut_silent_off();
                }
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// A TCP connection; in tests a pipe.
trait Socket: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Socket for S {}

/// The connections that are open, the oldest first.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    open: VecDeque<Connection>,
}

struct Connection {
    task: AbortHandle,
    asked: Arc<AtomicBool>,
}

impl Connections {
    fn add(&mut self, socket: impl Socket, router: Router) {
        while self.tasks.try_join_next().is_some() {}
        self.open.retain(|connection| !connection.task.is_finished());
        if self.open.len() >= CONNECTIONS {
            self.cut_one_off();
        }
        let asked = Arc::new(AtomicBool::new(false));
        let task = self.tasks.spawn(serve(socket, router, Arc::clone(&asked)));
        self.open.push_back(Connection { task, asked });
    }

    /// The one that is silent for longest; if all have asked, the oldest.
    fn cut_one_off(&mut self) {
        let silent = self.open.iter().position(Connection::is_silent);
        if let Some(connection) = self.open.remove(silent.unwrap_or(0)) {
            connection.task.abort();
        }
    }

    fn cut_silent_off(&mut self) {
        self.open.iter().filter(|connection| connection.is_silent()).for_each(|it| it.task.abort());
    }
}

impl Connection {
    fn is_silent(&self) -> bool {
        !self.asked.load(Ordering::Relaxed)
    }
}

/// Answers one request and hangs up.
async fn serve(socket: impl Socket, router: Router, asked: Arc<AtomicBool>) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_WITHIN)
        .max_headers(HEADERS)
        .max_header_size(HEAD)
        .max_buf_size(2 * HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(socket), service);
    match tokio::time::timeout(OVER_WITHIN, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!("a connection ended badly: {error}"),
        Err(_) => debug!("a connection was cut off after {} s", OVER_WITHIN.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, Bytes};
    use axum::routing::get;
    use futures_util::stream;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::Instant;

    use super::*;

    /// `/` is short, `/endless` has no end.
    fn router() -> Router {
        let endless = || {
            let piece = Bytes::from_static(&[b'x'; 1024]);
            Body::from_stream(stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone())))
        };
        Router::new().route("/", get(async || "short")).route("/endless", get(async move || endless()))
    }

    async fn ask(client: &mut DuplexStream, path: &str) {
        client.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
    }

    /// How long a connection lasts whose client does nothing after `begin`.
    async fn lasts(begin: &str) -> Duration {
        let (mut client, server) = duplex(4096);
        client.write_all(begin.as_bytes()).await.unwrap();
        let began = Instant::now();
        serve(server, router(), Arc::default()).await;
        began.elapsed()
    }

    /// Promise: whatever a client does or leaves undone, its connection ends.
    #[tokio::test(start_paused = true)]
    async fn no_connection_lasts() {
        assert_eq!(lasts("GET / HTTP/1.1\r\n\r\n").await.as_secs(), 0);
        assert_eq!(lasts("").await.as_secs(), REQUEST_WITHIN.as_secs());
        assert_eq!(lasts("GET / HTTP/1.1\r\nHost").await.as_secs(), REQUEST_WITHIN.as_secs());
        assert_eq!(lasts("GET /endless HTTP/1.1\r\n\r\n").await.as_secs(), OVER_WITHIN.as_secs());
    }

    /// Promise: the silent give way to newcomers, the oldest of them first; who has asked is served.
    #[tokio::test(start_paused = true)]
    async fn the_silent_give_way() {
        let mut connections = Connections::default();
        let mut clients: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let (client, server) = duplex(4096);
                connections.add(server, router());
                client
            })
            .collect();
        ask(&mut clients[0], "/endless").await;
        clients[0].read_exact(&mut [0; 100]).await.unwrap();
        let (mut newcomer, server) = duplex(4096);
        connections.add(server, router());
        ask(&mut newcomer, "/").await;
        let mut answer = String::new();
        newcomer.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("short"), "{answer}");
        assert_eq!(clients[1].read(&mut [0; 1]).await.unwrap(), 0, "the oldest that is silent");
        clients[0].read_exact(&mut vec![0; 1 << 20]).await.unwrap();
        let mut byte = [0; 1];
        let silent = tokio::time::timeout(Duration::from_secs(1), clients[2].read(&mut byte));
        assert!(silent.await.is_err(), "one is enough");

        connections.cut_silent_off();
        assert_eq!(clients[2].read(&mut [0; 1]).await.unwrap(), 0);
        assert_eq!(clients[CONNECTIONS - 1].read(&mut [0; 1]).await.unwrap(), 0);
        clients[0].read_exact(&mut vec![0; 1 << 20]).await.unwrap();
    }
}
