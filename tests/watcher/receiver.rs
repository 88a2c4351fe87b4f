//! A receiver of webhooks, as plain as can be: it notes each request as it came and answers as a test says.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::PATIENCE;

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The head, names of headers in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The first line.
    pub(crate) line: String,
    /// The body as it came.
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// A header; panics if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Listens until the test ends.
pub(crate) struct Receiver {
    address: SocketAddr,
    received: Arc<(Mutex<Vec<Received>>, Condvar)>,
}

impl Receiver {
    /// Answers the nth request, from 0 on, with what that gives: a status line and headers, each with its line end.
    pub(crate) fn new(answer: impl Fn(usize) -> &'static str + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let shared = Arc::clone(&received);
        std::thread::spawn(move || {
            for mut socket in listener.incoming().map_while(Result::ok) {
                let Some(request) = read(&mut socket) else { continue };
                let number = shared.0.lock().unwrap().len();
                let head = answer(number);
                // Before the answer, so that what the sender has seen is here.
                shared.0.lock().unwrap().push(request);
                shared.1.notify_all();
                let _ = write!(socket, "{head}content-length: 0\r\nconnection: close\r\n\r\n");
            }
        });
        Self { address, received }
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Waits for so many requests; returns all that came.
    pub(crate) fn wait(&self, count: usize) -> Vec<Received> {
        let until = Instant::now() + PATIENCE;
        let mut received = self.received.0.lock().unwrap();
        while received.len() < count {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain for {count} requests; {received:?}");
            received = self.received.1.wait_timeout(received, left).unwrap().0;
        }
        received.clone()
    }
}

fn read(socket: &mut TcpStream) -> Option<Received> {
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(request) = parse(&bytes) {
            return Some(request);
        }
        match socket.read(&mut piece) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
}

/// A whole request; none as long as some of it is missing.
fn parse(bytes: &[u8]) -> Option<Received> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines().map(ToOwned::to_owned);
    let line = lines.next()?;
    let header = |line: String| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_lowercase(), value.to_owned()))
    };
    let headers: Vec<_> = lines.filter_map(header).collect();
    let length: usize = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let body = bytes.get(end + 4..end + 4 + length)?.to_vec();
    Some(Received { headers, line, body })
}
