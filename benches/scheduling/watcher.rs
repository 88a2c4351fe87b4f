//! The watcher itself: the real engine on a clock that jumps, against the server of this bench.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use export_watcher::domain::{
    App, AppName, Artefact, BaseUrl, Credentials, DocumentToken, EntryId, EntryKey, ErrorKind, Kept, Object,
    RateLimit, SecretSource, TicketId, WallTime, WatchEntry, WatchList,
};
use export_watcher::engine::{
    Clock, Command, Controls, Meters, OutboxLink, Settings, Setup, Snapshot, watch,
};
use export_watcher::feishu::{
    AccessToken, Answer, Create, Detail, Download, ExportApi, Grant, Node, NotCreated, Query, TokenAnswer,
    Verdict,
};
use export_watcher::store::{Batch, CommitError, EventId, Loaded, Retry, RetryId, Store, StoreError};
use fastrand::Rng;
use feishu_export_watcher as export_watcher;
use tokio::sync::{mpsc, watch as watched};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::artefacts::{Line, Shelf};
use crate::server::{self, LIFE, Reply, Server};
use crate::workload::Job;

/// 2026-11-22T10:00:00Z
const START: WallTime = WallTime::from_millis(1_795_341_600_000);

/// Entries of a part of a watch list.
const PART: usize = 1000;

/// The server, and the end of the run.
#[derive(Clone)]
pub(crate) struct Remote {
    server: Arc<Mutex<Server>>,
    pub(crate) began: Instant,
    is_over: fn(&Server) -> bool,
    over: CancellationToken,
}

impl Remote {
    pub(crate) fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client learned, or has, what the change says.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Server, Duration)) {
        let mut server = self.server();
        change(&mut server, self.began.elapsed());
        if (self.is_over)(&server) {
            self.over.cancel();
        }
    }
}

impl ExportApi for Remote {
    type Body = Line;

    async fn download(&self, download: Download) -> Result<Line, Box<Answer>> {
        let job = number(&download.file_token);
        let (there, back) = self.server().ways();
        tokio::time::sleep(there).await;
        let reply = self.server().fetch(job, self.began.elapsed());
        let verdict = match reply {
            server::Artefact::There => return Ok(Line::open(self.clone(), job, back).await),
            server::Artefact::Gone => Verdict::Failed(ErrorKind::Expired),
            server::Artefact::Throttled(reset) => Verdict::Throttled { reset: Some(reset) },
        };
        tokio::time::sleep(back).await;
        Err(Box::new(Answer { verdict, detail: Detail::default() }))
    }

    async fn create(&self, _: Create) -> Result<TicketId, Box<NotCreated>> {
        Err(Box::new(NotCreated { answer: Answer::lost("nothing is created here"), may_exist: false }))
    }

    async fn node(&self, _: Node) -> Result<Object, Box<Answer>> {
        Err(Box::new(Answer::lost("there is no wiki here")))
    }

    async fn access_token(&self, _: &AppName) -> TokenAnswer {
        let grant = Grant { token: AccessToken::new("t-bench"), expires_in: Some(Duration::from_secs(7200)) };
        TokenAnswer { result: Ok(grant), detail: Detail::default() }
    }

    async fn query(&self, query: Query) -> Answer {
        let job = number(query.ticket.as_str());
        let (there, back) = self.server().ways();
        tokio::time::sleep(there).await;
        let reply = self.server().arrive(job, self.began.elapsed());
        tokio::time::sleep(back).await;
        let verdict = match reply {
            Reply::Running => Verdict::Pending,
            Reply::Throttled(reset) => Verdict::Throttled { reset: Some(reset) },
            Reply::Done => {
                self.note(|server, now| server.detect(job, now));
                let file_token = query.ticket.as_str().into();
                Verdict::Completed(Box::new(Artefact { file_token, ..Artefact::default() }))
            }
        };
        Answer { verdict, detail: Detail::default() }
    }
}

/// A state file that takes everything at once.
#[derive(Clone)]
struct Instantly;

impl Store for Instantly {
    async fn load(&self) -> Result<Loaded, StoreError> {
        Ok(Loaded { clean: true, ..Loaded::default() })
    }

    async fn commit(&self, _: Batch) -> Result<(), Box<CommitError>> {
        Ok(())
    }

    async fn retries(&self, _: RetryId) -> Result<Vec<Retry>, StoreError> {
        Ok(Vec::new())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The job of a ticket, or of a file token.
pub(crate) fn number(text: &str) -> usize {
    text.parse().unwrap_or_default()
}

/// Follows the jobs with these settings; each is listed the moment it is created.
pub(crate) fn watcher(jobs: Vec<Job>, settings: &Settings, seed: u64) -> Server {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = runtime.expect("a runtime on this thread alone needs nothing that could be missing");
    runtime.block_on(follow(jobs, Settings { seed, ..settings.clone() }, Rng::with_seed(seed)))
}

async fn follow(jobs: Vec<Job>, settings: Settings, rng: Rng) -> Server {
    let began = Instant::now();
    let over = CancellationToken::new();
    let server = Arc::new(Mutex::new(Server::new(jobs.clone(), rng)));
    let is_over = if settings.download.is_some() { Server::all_saved } else { Server::all_detected };
    let remote = Remote { server: Arc::clone(&server), began, is_over, over: over.clone() };
    let setup = Setup {
        apps: vec![app()],
        list: WatchList::default(),
        settings,
        clock: Clock::with_wall(move || START + began.elapsed()),
    };
    let (commands, receiver) = mpsc::channel(4);
    let listing = tokio::spawn(list(jobs, commands, began, over.clone()));
    let shelf = Shelf(remote.clone());
    let _ = watch(remote, Instantly, Some(shelf), setup, controls(over, receiver)).await;
    listing.abort();
    let _ = listing.await;
    let server = Arc::into_inner(server).expect("no other owner once the engine and its calls are gone");
    server.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn controls(stop: CancellationToken, commands: mpsc::Receiver<Command>) -> Controls {
    let (view, _seen) = watched::channel(Snapshot::default());
    let meters = Meters::new().expect("their names are constants that every scrape tries");
    let (durable, _receiver) = watched::channel(EventId::default());
    let (_never, announced) = watched::channel(EventId::default());
    let outbox = OutboxLink { durable, announced };
    Controls { stop, commands, view, outbox, meters }
}

async fn list(jobs: Vec<Job>, commands: mpsc::Sender<Command>, began: Instant, over: CancellationToken) {
    let last = jobs.iter().map(|it| it.ends).max().unwrap_or_default();
    let numbered: Vec<_> = jobs.into_iter().enumerate().collect();
    for created in numbered.chunk_by(|(_, one), (_, other)| one.created == other.created) {
        tokio::time::sleep_until(began + created[0].1.created).await;
        for part in created.chunks(PART) {
            let part = part.iter().map(|(number, job)| entry(*number, job)).collect();
            if commands.send(Command::ListPart(part)).await.is_err() {
                return;
            }
        }
        let kept = Kept { all: true, ..Kept::default() };
        if commands.send(Command::ListEnd { kept }).await.is_err() {
            return;
        }
    }
    // To close the channel would change how the engine waits. What is not saved long after all are gone is lost.
    tokio::time::sleep_until(began + last + 4 * LIFE).await;
    over.cancel();
}

fn entry(number: usize, job: &Job) -> WatchEntry {
    WatchEntry {
        key: EntryKey { app: AppName::new("default"), id: EntryId::new(&number.to_string()) },
        token: DocumentToken::parse("doc").expect("it is short"),
        label: None,
        created_at: Some(START + job.created),
        request: None,
        download: true,
        source: Path::new("list.toml").into(),
    }
}

fn app() -> App {
    App {
        name: AppName::new("default"),
        base_url: BaseUrl::parse("https://open.feishu.cn").expect("this is the platform's address"),
        app_id: "cli_bench".into(),
        credentials: Credentials::AppSecret(SecretSource::Env("SECRET".into())),
        ca_file: None,
        tenant: None,
        rate_limit: RateLimit {
            requests: std::num::NonZeroU32::new(100).expect("a hundred is not zero"),
            per: server::WINDOW,
        },
    }
}
