//! Connections, each as short and as small as can be: whoever is slow, talks too much or says nothing is cut
//! off, and such clients do not take the descriptors that polls need. A probe is answered among any number of
//! them that come at leisure; in a flood of thousands a second it has a good chance, and more than that only a
//! firewall can give.

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

/// Connections at once; a process may mostly have 1024 descriptors, and the rest is for polls. One more takes
/// the place of one that has said nothing yet: a client with an honest question asks it at once. To make
/// newcomers wait instead would let a few hundred silent ones shut out every probe.
const CONNECTIONS: usize = 256;

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
    let mut connections = Connections::new(fastrand::Rng::new());
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
struct Connections {
    tasks: JoinSet<()>,
    open: VecDeque<Connection>,
    rng: fastrand::Rng,
}

struct Connection {
    task: AbortHandle,
    asked: Arc<AtomicBool>,
}

impl Connections {
    fn new(rng: fastrand::Rng) -> Self {
        Self { tasks: JoinSet::new(), open: VecDeque::new(), rng }
    }

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

    /// The older of two silent ones picked at random; if all have asked, the oldest.
    ///
    /// Always to take the oldest would be fair, and deadly in a flood: whoever needs longer for his question
    /// than the flood for a round of all places would never get to ask it. To pick at random leaves a chance,
    /// and of two the older one has had more time.
    fn cut_one_off(&mut self) {
        let places = 0..self.open.len();
        let silent: Vec<_> =
            places.filter(|place| self.open.get(*place).is_some_and(Connection::is_silent)).collect();
        let pick = [self.rng.choice(&silent), self.rng.choice(&silent)].into_iter().flatten().min();
        if let Some(connection) = self.open.remove(pick.copied().unwrap_or(0)) {
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
        // Who says that he has no more to say, as `nc -N` does, still wants to hear.
        .half_close(true)
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

    fn connect(connections: &mut Connections) -> DuplexStream {
        let (client, server) = duplex(4096);
        connections.add(server, router());
        client
    }

    /// Whether the other side has hung up.
    async fn is_over(client: &mut DuplexStream) -> bool {
        let mut byte = [0; 1];
        tokio::time::timeout(Duration::from_millis(1), client.read(&mut byte)).await.is_ok()
    }

    /// Promise: who has asked and then ends his side is answered all the same, however long that takes; who ends
    /// it without a question is gone at once.
    #[tokio::test(start_paused = true)]
    async fn half_a_connection_is_answered() {
        let slow = async || {
            tokio::time::sleep(Duration::from_secs(3)).await;
            "slow"
        };
        for (question, expected) in [("GET / HTTP/1.1\r\n\r\n", "slow"), ("", ""), ("GET / HTTP/1.1\r\n", "")]
        {
            let (mut client, server) = duplex(4096);
            client.write_all(question.as_bytes()).await.unwrap();
            client.shutdown().await.unwrap();
            let began = Instant::now();
            serve(server, Router::new().route("/", get(slow)), Arc::default()).await;
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.ends_with(expected) && answer.is_empty() == expected.is_empty(), "{answer}");
            assert_eq!(began.elapsed().as_secs(), if expected.is_empty() { 0 } else { 3 });
        }
    }

    /// Promise: the silent give way to newcomers, one for each; who has asked is served.
    #[tokio::test(start_paused = true)]
    async fn the_silent_give_way() {
        let mut connections = Connections::new(fastrand::Rng::with_seed(7));
        let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| connect(&mut connections)).collect();
        let mut asker = clients.swap_remove(0);
        ask(&mut asker, "/endless").await;
        asker.read_exact(&mut [0; 100]).await.unwrap();
        let mut newcomer = connect(&mut connections);
        ask(&mut newcomer, "/").await;
        let mut answer = String::new();
        newcomer.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("short"), "{answer}");
        let mut over = 0;
        for client in &mut clients {
            over += usize::from(is_over(client).await);
        }
        assert_eq!(over, 1);
        asker.read_exact(&mut vec![0; 1 << 20]).await.unwrap();

        connections.cut_silent_off();
        for client in &mut clients {
            assert!(is_over(client).await);
        }
        asker.read_exact(&mut vec![0; 1 << 20]).await.unwrap();
    }

    /// Promise: who asks while a flood of others renews all places still has a fair chance to be answered, and
    /// a good one while it renews a third of them.
    #[tokio::test(start_paused = true)]
    async fn a_flood_leaves_a_chance() {
        let mut connections = Connections::new(fastrand::Rng::with_seed(7));
        let mut silent: Vec<_> = (0..CONNECTIONS).map(|_| connect(&mut connections)).collect();
        for (flood, expected) in [(CONNECTIONS, 25), (CONNECTIONS / 3, 75)] {
            let mut answered = 0;
            for _ in 0..100 {
                let mut probe = connect(&mut connections);
                silent.extend((0..flood).map(|_| connect(&mut connections)));
                // It may have been cut off.
                let _ = probe.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
                let mut answer = String::new();
                answered +=
                    usize::from(probe.read_to_string(&mut answer).await.is_ok() && !answer.is_empty());
            }
            assert!(answered >= expected, "{answered} of 100 among {flood}");
        }
    }
}
