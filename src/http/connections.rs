//! Connections, each as short and as small as can be: a client that is slow, sends too much, sends nothing or reads
//! nothing is cut off, so that such clients do not take the descriptors that polls need.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::debug;

/// Connections at once; a process may mostly have 1024 descriptors, and the rest is for polls. More wait until one of
/// these ends.
const CONNECTIONS: usize = 256;

/// A request's head has to be there within this time, which is also how long silent clients can keep a probe waiting.
const REQUEST_WITHIN: Duration = Duration::from_secs(2);

/// A connection ends within this time. The longest is a status of a hundred thousand tickets over a network.
const OVER_WITHIN: Duration = Duration::from_secs(30);

/// Bytes of a request's head, and headers in it, at most.
const HEAD: usize = 8 << 10;
const HEADERS: usize = 64;

/// When no connection can be taken, it is tried again after this time: the next try may fail alike.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Answers every client, without end. Dropping it closes all connections.
pub(super) async fn accept(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((socket, _)) => drop(connections.spawn(serve(socket, router.clone()))),
            Err(error) => {
                debug!("a connection could not be taken: {error}");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// Answers one request and hangs up.
async fn serve(socket: impl AsyncRead + AsyncWrite + Unpin, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // A client that ends its own side after the request, as `nc -N` does, still waits for the answer.
        .half_close(true)
        .header_read_timeout(REQUEST_WITHIN)
        .max_headers(HEADERS)
        .max_header_size(HEAD)
        .max_buf_size(2 * HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(router));
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
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::net::TcpStream;
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

    /// How long a connection lasts whose client does nothing after `begin`.
    async fn lasts(begin: &str) -> Duration {
        let (mut client, server) = duplex(4096);
        client.write_all(begin.as_bytes()).await.unwrap();
        let began = Instant::now();
        serve(server, router()).await;
        began.elapsed()
    }

    /// Promise: the connection of every client ends.
    #[tokio::test(start_paused = true)]
    async fn no_connection_lasts() {
        assert_eq!(lasts("GET / HTTP/1.1\r\n\r\n").await.as_secs(), 0);
        assert_eq!(lasts("").await.as_secs(), REQUEST_WITHIN.as_secs());
        assert_eq!(lasts("GET / HTTP/1.1\r\nHost").await.as_secs(), REQUEST_WITHIN.as_secs());
        assert_eq!(lasts("GET /endless HTTP/1.1\r\n\r\n").await.as_secs(), OVER_WITHIN.as_secs());
    }

    /// Promise: a client that sends a request and then ends its side is answered all the same, however long that takes;
    /// one that ends it without a request is gone at once.
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
            serve(server, Router::new().route("/", get(slow))).await;
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.ends_with(expected) && answer.is_empty() == expected.is_empty(), "{answer}");
            assert_eq!(began.elapsed().as_secs(), if expected.is_empty() { 0 } else { 3 });
        }
    }

    /// Promise: a client waits for a place while there is none, and no longer.
    #[tokio::test]
    async fn a_client_waits_for_a_place() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _accepting = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(accept(listener, router())));
        let mut silent = Vec::new();
        for _ in 0..CONNECTIONS {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        let early = tokio::time::timeout(REQUEST_WITHIN / 4, client.read_to_string(&mut answer)).await;
        assert!(early.is_err(), "{answer}");
        silent.clear();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("short"), "{answer}");
    }
}
