//! A client of the watcher's own server, as plain as can be: bytes over a socket, so that nothing is put right
//! on the way that a hostile client would leave wrong.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::canaries::Canaries;
use crate::harness::{Bench, PATIENCE};

/// Whose watcher is at which address: what comes from there is searched for secrets. A port may come round again.
static BENCHES: Mutex<BTreeMap<SocketAddr, Weak<Canaries>>> = Mutex::new(BTreeMap::new());

/// A bench whose watcher serves on a free port of loopback.
pub(crate) fn served(bench: Bench) -> (Bench, SocketAddr) {
    let address = free_address();
    serves(&bench, address);
    bench.reconfigure("[poll]", &format!("[server]\nlisten = \"{address}\"\n[poll]"));
    (bench, address)
}

/// What this address answers is the bench's.
pub(crate) fn serves(bench: &Bench, address: SocketAddr) {
    BENCHES.lock().unwrap().insert(address, Arc::downgrade(&bench.canaries));
}

/// An address where nothing listens.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status code; 0 if the connection was closed without a word.
    pub(crate) status: u16,
    /// The head in lower case.
    pub(crate) head: String,
    /// What follows it, pieces put together.
    pub(crate) body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let head = head.to_lowercase();
        let body =
            if head.contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_owned() };
        Self { status, head, body }
    }

    /// The body as JSON; panics unless it is whole.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| {
            let end = &self.body[self.body.floor_char_boundary(self.body.len().saturating_sub(200))..];
            panic!("{error}: {} … {end}, {} bytes", self.head, self.body.len())
        })
    }
}

fn unchunked(mut text: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = text.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        let Some(piece) = rest.get(..length) else { break };
        whole += piece;
        text = rest.get(length + 2..).unwrap_or_default();
    }
    whole
}

/// Sends bytes and reads until the other side hangs up.
pub(crate) fn send(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // The other side may hang up before it has read all.
    let _ = socket.write_all(bytes);
    let is_known = BENCHES.lock().unwrap().contains_key(&address);
    assert!(is_known, "no bench serves at {address}");
    Answer::parse(&rest(&mut socket))
}

/// Whatever comes until the other side hangs up, in good order or not.
pub(crate) fn rest(socket: &mut TcpStream) -> Vec<u8> {
    let bench = socket.peer_addr().ok().and_then(|peer| BENCHES.lock().unwrap().get(&peer)?.upgrade());
    let bytes = read_rest(socket);
    if let Some(canaries) = bench {
        canaries.search("an HTTP answer", &bytes);
    }
    bytes
}

fn read_rest(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut piece = [0; 1 << 16];
    loop {
        match socket.read(&mut piece) {
            Ok(0) => return bytes,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("never hung up: {error}"),
            Err(_) => return bytes,
        }
    }
}

/// An ordinary request.
pub(crate) fn request(address: SocketAddr, method: &str, path: &str) -> Answer {
    send(address, format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())
}

/// GET.
pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    request(address, "GET", path)
}

/// Asks until the answer has that status; returns it.
pub(crate) fn wait_status(address: SocketAddr, path: &str, status: u16) -> Answer {
    wait_answer(address, path, &status.to_string(), |answer| answer.status == status)
}

/// Asks until the answer satisfies a condition; returns it.
pub(crate) fn wait_answer(
    address: SocketAddr,
    path: &str,
    what: &str,
    condition: impl Fn(&Answer) -> bool,
) -> Answer {
    let until = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(address).is_ok().then(|| get(address, path)) {
            Some(answer) if condition(&answer) => return answer,
            answer => assert!(Instant::now() < until, "waited in vain for {what} of {path}: {answer:?}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
