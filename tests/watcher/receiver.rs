//! A receiver of webhooks, as plain as can be: it notes each request as it came and answers as a test says. It can go away
//! and come back.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use serde_json::Value;
use standardwebhooks::Webhook;

use crate::harness::PATIENCE;

/// 32 bytes, by which every webhook of these tests is signed.
pub(crate) const SIGNING_KEY: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// The head of an answer that takes an event.
pub(crate) const OK: &str = "HTTP/1.1 204 No Content\r\n";

/// The head of an answer that does not.
pub(crate) const UNAVAILABLE: &str = "HTTP/1.1 503 Service Unavailable\r\n";

/// The keys of a hook that is a webhook there.
pub(crate) fn webhook(receiver: &Receiver) -> String {
    format!("url = \"{}\"\nsecret = {{ file = \"hook_secret\" }}", receiver.url())
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It is answered: a status line and headers, each with its line end.
    Head(&'static str),
    /// It gets half a status line, and its connection is closed.
    Half,
    /// It gets nothing for as long as the sender holds the connection.
    Nothing,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The head, names of headers in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The first line.
    pub(crate) line: String,
    /// The body as it came.
    pub(crate) body: Vec<u8>,
    /// What became of it.
    pub(crate) reply: Reply,
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

    /// Whether the receiver took it.
    pub(crate) fn is_taken(&self) -> bool {
        matches!(self.reply, Reply::Head(head) if head.starts_with("HTTP/1.1 2"))
    }

    /// What a library of Standard Webhooks says to the signature.
    pub(crate) fn verify(&self) {
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        let headers = names.map(|name| (name.parse().unwrap(), self.header(name).parse().unwrap()));
        let headers: HeaderMap = headers.into_iter().collect();
        Webhook::new(SIGNING_KEY).unwrap().verify(&self.body, &headers).unwrap();
    }
}

type Answer = Box<dyn Fn(usize) -> Reply + Send + Sync>;

/// What the threads of a receiver share.
struct Book {
    received: Mutex<Vec<Received>>,
    changed: Condvar,
    /// Connections that are open.
    open: AtomicUsize,
    is_away: AtomicBool,
    answer: Mutex<Answer>,
}

/// Listens until the test ends.
pub(crate) struct Receiver {
    address: SocketAddr,
    book: Arc<Book>,
    listening: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Answers the nth request, from 0 on, with the head that this gives.
    pub(crate) fn new(answer: impl Fn(usize) -> &'static str + Send + Sync + 'static) -> Self {
        Self::with(move |number| Reply::Head(answer(number)))
    }

    /// The same with any reply.
    pub(crate) fn with(answer: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let book = Book {
            received: Mutex::default(),
            changed: Condvar::new(),
            open: AtomicUsize::new(0),
            is_away: AtomicBool::new(false),
            answer: Mutex::new(Box::new(answer)),
        };
        let mut receiver = Self { address, book: Arc::new(book), listening: None };
        receiver.listen(listener);
        receiver
    }

    /// From now on each request gets this.
    pub(crate) fn change(&self, reply: Reply) {
        *self.book.answer.lock().unwrap() = Box::new(move |_| reply);
    }

    /// Closes its port.
    pub(crate) fn go_away(&mut self) {
        self.book.is_away.store(true, Ordering::SeqCst);
        // So that the thread looks.
        let _ = TcpStream::connect(self.address);
        self.listening.take().unwrap().join().unwrap();
    }

    /// Listens again at the same port.
    pub(crate) fn come_back(&mut self) {
        self.book.is_away.store(false, Ordering::SeqCst);
        self.listen(TcpListener::bind(self.address).unwrap());
    }

    /// Its address.
    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Waits for so many requests; returns all that came.
    pub(crate) fn wait(&self, count: usize) -> Vec<Received> {
        self.wait_until(&format!("{count} requests"), |received| received.len() >= count)
    }

    /// Waits until what came satisfies a condition; returns it.
    pub(crate) fn wait_until(&self, what: &str, condition: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let until = Instant::now() + PATIENCE;
        let mut received = self.book.received.lock().unwrap();
        while !condition(&received) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain for {what}; {received:?}");
            received = self.book.changed.wait_timeout(received, left).unwrap().0;
        }
        received.clone()
    }

    /// All that came so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.wait(0)
    }

    /// Waits until no connection is open: what a process that ended had sent is noted then.
    pub(crate) fn wait_quiet(&self) {
        let until = Instant::now() + PATIENCE;
        while self.book.open.load(Ordering::SeqCst) > 0 {
            assert!(Instant::now() < until, "a connection is held open");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn listen(&mut self, listener: TcpListener) {
        let book = Arc::clone(&self.book);
        self.listening = Some(std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                if book.is_away.load(Ordering::SeqCst) {
                    return;
                }
                book.open.fetch_add(1, Ordering::SeqCst);
                let book = Arc::clone(&book);
                std::thread::spawn(move || {
                    book.serve(socket);
                    book.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        }));
    }
}

impl Book {
    /// One request, and what becomes of it.
    fn serve(&self, mut socket: TcpStream) {
        let Some(request) = read(&mut socket) else { return };
        let reply = {
            let mut received = self.received.lock().unwrap();
            let reply = (self.answer.lock().unwrap())(received.len());
            // Before the answer, so that what the sender has seen is here.
            received.push(Received { reply, ..request });
            self.changed.notify_all();
            reply
        };
        let _ = match reply {
            Reply::Head(head) => write!(socket, "{head}content-length: 0\r\nconnection: close\r\n\r\n"),
            Reply::Half => write!(socket, "HTTP/1.1 20"),
            Reply::Nothing => {
                socket.set_read_timeout(None).unwrap();
                socket.read(&mut [0]).map(|_| ())
            }
        };
    }
}

fn read(socket: &mut TcpStream) -> Option<Received> {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
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
    Some(Received { headers, line, body, reply: Reply::Nothing })
}
