//! The server by itself: an engine that is only a snapshot, and a state file without tickets.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::HookStatus;
use crate::engine::Snapshot;
use crate::store::{SqliteStore, Store as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::*;

pub(super) struct Bench {
    address: SocketAddr,
    pub(super) view: watch::Sender<Snapshot>,
    pub(super) lists: watch::Sender<RejectedLists>,
    pub(super) hooks: watch::Sender<Vec<HookStatus>>,
    stop: CancellationToken,
    pub(super) store: SqliteStore,
    _serving: AbortOnDropHandle<()>,
    folder: tempfile::TempDir,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The head as it came.
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    /// The value of a header; panics if it is not there once.
    pub(super) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let values: Vec<_> = lines.collect();
        let [value] = values[..] else { panic!("{name}: {values:?} in {}", self.head) };
        value
    }
}

impl Bench {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("state.db")).unwrap();
        store.load().await.unwrap();
        let (view, seen) = watch::channel(Snapshot::default());
        let stop = CancellationToken::new();
        let meters = Meters::new().unwrap();
        let server = Server::bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let address = server.listener.local_addr().unwrap();
        let (lists, rejected) = watch::channel(Vec::new());
        let (hooks, shown) = watch::channel(Vec::new());
        let serving = server.start(
            Views { engine: seen, lists: rejected, hooks: shown },
            store.reader(),
            stop.clone(),
            meters,
            Vec::new,
        );
        Self { address, view, lists, hooks, stop, store, _serving: serving, folder }
    }

    /// The status code and the body.
    async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.ask("GET", path, "").await;
        (answer.status, answer.body)
    }

    /// The answer to a request with more lines of a head, each with its end.
    pub(super) async fn ask(&self, method: &str, path: &str, head: &str) -> Answer {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.0\r\n{head}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Has the state file lie elsewhere, so that it can't be read.
    pub(super) fn move_state_aside(&self) {
        let path = self.folder.path().join("state.db");
        std::fs::rename(&path, path.with_extension("aside")).unwrap();
    }

    /// Shows an engine whose loop last moved, and whose writer last answered, so many seconds ago.
    fn moved(&self, seconds: u64) {
        let at = Instant::now().checked_sub(Duration::from_secs(seconds));
        self.view.send_replace(Snapshot { turned_at: at, store_answered_at: at, ..Snapshot::default() });
    }
}

/// Promise 8: what the engine shows decides: a loop that last moved long ago is dead, by whatever it was held
/// up, and alive again once it moves.
#[tokio::test]
async fn health_follows_the_loop() {
    let bench = Bench::new().await;
    assert_eq!(bench.get("/livez").await, (200, "the state file has been loading for 0 s\n".to_owned()));
    assert_eq!(bench.get("/readyz").await.0, 503);
    bench.moved(14);
    assert_eq!(bench.get("/livez").await, (503, "the main loop last moved 14 s ago\n".to_owned()));
    assert_eq!(bench.get("/readyz").await, (503, "the main loop last moved 14 s ago\n".to_owned()));
    bench.moved(0);
    assert_eq!(bench.get("/livez").await, (200, "the main loop last moved 0 s ago\n".to_owned()));
    bench.stop.cancel();
    assert_eq!(bench.get("/readyz").await, (503, "the watcher is stopping\n".to_owned()));
    assert_eq!(bench.get("/livez").await.0, 200);
}

/// Promise: a state file that can't be read is reported, with when to ask again; health does not need it.
#[tokio::test]
async fn a_state_file_that_cannot_be_read_is_said() {
    let bench = Bench::new().await;
    let (status, body) = bench.get("/status").await;
    assert_eq!(status, 200);
    assert!(
        body.contains(r#""pending":0"#) && body.ends_with("\"apps\":[],\"hooks\":[],\"tickets\":[]}\n"),
        "{body}"
    );
    bench.move_state_aside();
    let (status, body) = bench.get("/status").await;
    assert!(status == 503 && body.contains("failed to read the state file"), "{status} {body}");
    assert_eq!(bench.get("/livez").await.0, 200);
}

/// Promise: a scrape needs neither a loop that moves nor a state file that is open, and shows how they stand.
#[tokio::test]
async fn a_scrape_needs_neither_loop_nor_state_file() {
    let bench = Bench::new().await;
    let of = |body: &str, name: &str| -> f64 {
        let found = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("no {name} in\n{body}")).parse().unwrap()
    };
    let turned = "feishu_export_watcher_loop_last_turn_timestamp_seconds";
    let (status, body) = bench.get("/metrics").await;
    assert_eq!((status, of(&body, turned)), (200, 0.0));
    bench.moved(100);
    bench.store.clone().close().await;
    let (status, body) = bench.get("/metrics").await;
    assert_eq!(status, 200);
    let age = of(&body, "process_start_time_seconds") - of(&body, turned);
    assert!(age > 0.0 && age < 200.0, "turned 100 s ago, began since: {age}");
}
