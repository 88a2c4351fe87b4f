//! A server that answers at once and from memory, so that it is the client that is measured: access tokens, queries that
//! say "running" a given number of times a ticket, or until a moment of its own, and then "success", and artefacts of one
//! size.

use std::io;
use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The number of the first ticket; the others follow by ones.
pub(crate) const FIRST_TICKET: u64 = 6_933_093_124_755_400_000;

const TOKEN: &str =
    r#"{"code":0,"msg":"ok","tenant_access_token":"t-bench00000000000000000000000000000000","expire":7200}"#;
const RUNNING: &str = r#"{"code":0,"msg":"success","data":{"result":{"file_extension":"docx","type":"docx","file_name":"","file_token":"","file_size":0,"job_error_msg":"","job_status":2}}}"#;
const SUCCESS: &str = r#"{"code":0,"msg":"success","data":{"result":{"file_extension":"docx","type":"docx","file_name":"Weekly report","file_token":"boxcnxe5OdjlAkNgSNdsJvabcef","file_size":0,"job_error_msg":"success","job_status":0}}}"#;
const FILE: &str = "/open-apis/drive/v1/export_tasks/file/boxcnxe5OdjlAkNgSNdsJvabcef/download";
const UNKNOWN: &str = r#"{"code":1069904,"msg":"invalid param"}"#;

/// What all artefacts are made of, piece by piece. Each piece begins as a docx does.
static PIECE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut rng = fastrand::Rng::with_seed(0);
    b"PK\x03\x04".iter().copied().chain(std::iter::repeat_with(move || rng.u8(..))).take(256 << 10).collect()
});

/// The server; it ends with the process.
pub(crate) struct Server {
    pub(crate) url: String,
    book: Arc<Book>,
}

/// What was asked of it.
struct Book {
    /// By ticket: how often it was asked for.
    asked: Vec<AtomicU8>,
    /// How often a ticket is said to be running; 255 is for ever.
    running: u8,
    /// By ticket: until when it is said to be running instead, since the beginning; none where that is counted.
    ends: Vec<Duration>,
    /// By ticket: when it was first said to have ended, since the beginning.
    found: Vec<OnceLock<Duration>>,
    /// Bytes of every artefact.
    file_size: u64,
    /// Artefacts that are being sent, and the most at once.
    sending: AtomicUsize,
    most_at_once: AtomicUsize,
    sent: AtomicUsize,
    began: Instant,
    first: OnceLock<Instant>,
    /// Nanoseconds from the beginning to the last query.
    last: AtomicU64,
    /// The most nanoseconds between two queries.
    gap: AtomicU64,
    queries: AtomicU64,
}

impl Server {
    /// Listens on a free port of loopback, on a thread of its own.
    pub(crate) fn start(tickets: usize, running: u8) -> io::Result<Self> {
        Self::with_files(tickets, running, 0)
    }

    /// The same with an artefact of so many bytes for each ticket.
    pub(crate) fn with_files(tickets: usize, running: u8, file_size: u64) -> io::Result<Self> {
        Self::serve(tickets, running, Vec::new(), file_size)
    }

    /// Jobs that end at these moments since the server began, each with an artefact of so many bytes.
    pub(crate) fn with_ends(ends: Vec<Duration>, file_size: u64) -> io::Result<Self> {
        Self::serve(ends.len(), 0, ends, file_size)
    }

    fn serve(tickets: usize, running: u8, ends: Vec<Duration>, file_size: u64) -> io::Result<Self> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let book = Arc::new(Book {
            asked: (0..tickets).map(|_| AtomicU8::new(0)).collect(),
            running,
            found: ends.iter().map(|_| OnceLock::new()).collect(),
            ends,
            file_size,
            sending: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            sent: AtomicUsize::new(0),
            began: Instant::now(),
            first: OnceLock::new(),
            last: AtomicU64::new(0),
            gap: AtomicU64::new(0),
            queries: AtomicU64::new(0),
        });
        let shared = Arc::clone(&book);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::spawn(move || runtime.block_on(serve(listener, shared)));
        Ok(Self { url, book })
    }

    /// Queries so far.
    pub(crate) fn queries(&self) -> u64 {
        self.book.queries.load(Ordering::Relaxed)
    }

    /// Where every artefact is.
    pub(crate) fn file_url(&self) -> String {
        format!("{}{FILE}", self.url)
    }

    /// How many artefacts were on their way at once, at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.book.most_at_once.load(Ordering::Relaxed)
    }

    /// Artefacts that were sent as a whole.
    pub(crate) fn files_sent(&self) -> usize {
        self.book.sent.load(Ordering::Relaxed)
    }

    /// By ticket, when each was first said to have ended, since the server began; only of those that were.
    pub(crate) fn found(&self) -> impl Iterator<Item = Duration> {
        self.book.found.iter().filter_map(|found| found.get().copied())
    }

    /// The longest time between two queries since this was asked before.
    pub(crate) fn longest_gap(&self) -> Duration {
        Duration::from_nanos(self.book.gap.swap(0, Ordering::Relaxed))
    }

    /// When the first query came.
    pub(crate) fn first_query(&self) -> Option<Instant> {
        self.book.first.get().copied()
    }

    /// Queries a second, from the first to the last.
    pub(crate) fn rate(&self) -> f64 {
        let last = self.book.began + Duration::from_nanos(self.book.last.load(Ordering::Relaxed));
        let took = self.first_query().map_or(Duration::ZERO, |first| last.saturating_duration_since(first));
        self.queries() as f64 / took.as_secs_f64()
    }
}

async fn serve(listener: StdListener, book: Arc<Book>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        // An answer must not wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        tokio::spawn(converse(stream, Arc::clone(&book)));
    }
}

/// Answers one request after the other until the client has enough.
async fn converse(mut stream: TcpStream, book: Arc<Book>) -> io::Result<()> {
    let (mut received, mut answer) = (Vec::with_capacity(4096), Vec::with_capacity(1024));
    loop {
        while let Some(length) = whole_request(&received) {
            let is_file =
                received[..length].strip_prefix(b"GET ").is_some_and(|it| it.starts_with(FILE.as_bytes()));
            if is_file {
                received.drain(..length);
                book.send_file(&mut stream).await?;
                continue;
            }
            let body = book.answer(&received[..length]);
            received.drain(..length);
            answer.clear();
            answer.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n");
            answer.extend_from_slice(b"X-Tt-Logid: 202611221000070100110012345678AB\r\nContent-Length: ");
            answer.extend_from_slice(body.len().to_string().as_bytes());
            answer.extend_from_slice(b"\r\n\r\n");
            answer.extend_from_slice(body.as_bytes());
            stream.write_all(&answer).await?;
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
}

/// How many bytes the first request has, if all of it is there.
pub(crate) fn whole_request(received: &[u8]) -> Option<usize> {
    let head = received.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&received[..head]).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = head + length.unwrap_or(0);
    (received.len() >= whole).then_some(whole)
}

impl Book {
    async fn send_file(&self, stream: &mut TcpStream) -> io::Result<()> {
        let size = self.file_size;
        self.most_at_once.fetch_max(self.sending.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {size}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let mut left = size;
        while left > 0 {
            let bytes = left.min(PIECE.len() as u64);
            stream.write_all(&PIECE[..bytes as usize]).await?;
            left -= bytes;
        }
        self.sending.fetch_sub(1, Ordering::Relaxed);
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn answer(&self, request: &[u8]) -> &'static str {
        if request.starts_with(b"POST ") {
            return TOKEN;
        }
        self.first.get_or_init(Instant::now);
        let since = self.began.elapsed();
        let nanoseconds = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        let last = self.last.swap(nanoseconds, Ordering::Relaxed);
        self.gap.fetch_max(nanoseconds.saturating_sub(last), Ordering::Relaxed);
        self.queries.fetch_add(1, Ordering::Relaxed);
        let Some(ticket) = ticket(request) else { return UNKNOWN };
        if let Some(end) = self.ends.get(ticket) {
            if since < *end {
                return RUNNING;
            }
            self.found[ticket].get_or_init(|| since);
            return SUCCESS;
        }
        let Some(asked) = self.asked.get(ticket) else { return UNKNOWN };
        if self.running == u8::MAX || asked.fetch_add(1, Ordering::Relaxed) < self.running {
            RUNNING
        } else {
            SUCCESS
        }
    }
}

/// The place of the ticket that the path names.
fn ticket(request: &[u8]) -> Option<usize> {
    let path = request.strip_prefix(b"GET /open-apis/drive/v1/export_tasks/")?;
    let digits = path.split(|byte| !byte.is_ascii_digit()).next()?;
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    usize::try_from(number.checked_sub(FIRST_TICKET)?).ok()
}
