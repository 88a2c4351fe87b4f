//! The watcher itself: the real engine on a clock that jumps, against the server of this bench.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use export_watcher::domain::{
    App, AppName, Artefact, BaseUrl, Credentials, DocumentToken, EntryId, EntryKey, ErrorKind, ExportRequest,
    Kept, Object, RateLimit, SecretSource, TicketId, WallTime, WatchEntry, WatchList,
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
use crate::server::{self, Cut, Reply, Server};
use crate::workload::Job;

/// 2026-11-22T10:00:00Z
const START: WallTime = WallTime::from_millis(1_795_341_600_000);

/// Entries of a part of a watch list.
const PART: usize = 1000;

/// No run takes longer.
const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// How a job is listed.
type Listed = fn(usize, &Job) -> WatchEntry;

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

    /// Whether the line is cut just now.
    pub(crate) fn is_cut(&self) -> bool {
        self.server().cut_until(self.began.elapsed()).is_some()
    }

    /// Sends a request and waits for the answer.
    ///
    /// # Errors
    /// The line is cut.
    async fn ask<T>(&self, request: impl FnOnce(&mut Server, Duration) -> T) -> Result<T, Lost> {
        let (there, back) = self.server().ways();
        tokio::time::sleep(there).await;
        if self.is_cut() {
            tokio::time::sleep(back).await;
            return Err(Lost::Request);
        }
        let reply = request(&mut self.server(), self.began.elapsed());
        tokio::time::sleep(back).await;
        if self.is_cut() { Err(Lost::Answer) } else { Ok(reply) }
    }
}

/// What the cut line took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    Request,
    Answer,
}

impl ExportApi for Remote {
    type Body = Line;

    async fn download(&self, download: Download) -> Result<Line, Box<Answer>> {
        let job = number(&download.file_token);
        let (there, back) = self.server().ways();
        tokio::time::sleep(there).await;
        if self.is_cut() {
            return Err(Box::new(cut_off()));
        }
        let reply = self.server().fetch(job, self.began.elapsed());
        let verdict = match reply {
            server::Artefact::There => return Ok(Line::open(self.clone(), job, back).await),
            server::Artefact::Gone => Verdict::Failed(ErrorKind::Expired),
            server::Artefact::Throttled(reset) => Verdict::Throttled { reset: Some(reset) },
        };
        tokio::time::sleep(back).await;
        Err(Box::new(Answer { verdict, detail: Detail::default() }))
    }

    async fn create(&self, create: Create) -> Result<TicketId, Box<NotCreated>> {
        let document = number(create.object.token.as_str());
        let reply = self.ask(|server, now| server.create(document, now)).await;
        let (answer, may_exist) = match reply {
            Ok(Ok(())) => return Ok(TicketId::new(create.object.token.as_str())),
            Ok(Err(reset)) => (throttled(reset), false),
            Err(lost) => (cut_off(), lost == Lost::Answer),
        };
        Err(Box::new(NotCreated { answer, may_exist }))
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
        let Ok(reply) = self.ask(|server, now| server.arrive(job, now)).await else { return cut_off() };
        let verdict = match reply {
            Reply::Running => Verdict::Pending,
            Reply::Throttled(reset) => return throttled(reset),
            Reply::Done => {
                self.note(|server, now| server.detect(job, now));
                let file_token = query.ticket.as_str().into();
                Verdict::Completed(Box::new(Artefact { file_token, ..Artefact::default() }))
            }
        };
        let job_status = Some(i64::from(verdict == Verdict::Pending));
        Answer { verdict, detail: Detail { code: Some(0), job_status, ..Detail::default() } }
    }
}

fn cut_off() -> Answer {
    Answer::lost("the line is cut")
}

fn throttled(reset: Duration) -> Answer {
    Answer { verdict: Verdict::Throttled { reset: Some(reset) }, detail: Detail::default() }
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

/// Follows jobs that others create; each is listed the moment that it is.
pub(crate) fn of_tickets(jobs: Vec<Job>, settings: &Settings, seed: u64) -> Server {
    watcher(Server::new(jobs, Rng::with_seed(seed)), ticket, settings, seed)
}

/// Has documents exported, each from the moment when its job is to be created.
pub(crate) fn of_documents(jobs: Vec<Job>, cut: Option<Cut>, settings: &Settings, seed: u64) -> Server {
    watcher(Server::of_documents(jobs, cut, Rng::with_seed(seed)), document, settings, seed)
}

/// Follows the server's jobs with these settings. Each is listed, as the ticket or the document, when it is created or to
/// be.
fn watcher(server: Server, listed: Listed, settings: &Settings, seed: u64) -> Server {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = runtime.expect("a runtime on this thread alone needs nothing that could be missing");
    runtime.block_on(follow(server, listed, Settings { seed, ..settings.clone() }))
}

async fn follow(server: Server, listed: Listed, settings: Settings) -> Server {
    let began = Instant::now();
    let over = CancellationToken::new();
    let jobs = server.jobs().to_vec();
    let server = Arc::new(Mutex::new(server));
    let is_over = if settings.download.is_some() { Server::all_saved } else { Server::all_detected };
    let remote = Remote { server: Arc::clone(&server), began, is_over, over: over.clone() };
    let setup = Setup {
        apps: vec![app()],
        list: WatchList::default(),
        settings,
        clock: Clock::with_wall(move || START + began.elapsed()),
    };
    let (commands, receiver) = mpsc::channel(4);
    let listing = tokio::spawn(list(jobs, listed, commands, began, over.clone()));
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
    let (deliveries, _hooks) = watched::channel(EventId::default());
    let outbox = OutboxLink { durable, announced, deliveries };
    Controls { stop, commands, view, outbox, meters }
}

async fn list(
    jobs: Vec<Job>,
    listed: Listed,
    commands: mpsc::Sender<Command>,
    began: Instant,
    over: CancellationToken,
) {
    let numbered: Vec<_> = jobs.into_iter().enumerate().collect();
    for created in numbered.chunk_by(|(_, one), (_, other)| one.created == other.created) {
        tokio::time::sleep_until(began + created[0].1.created).await;
        for part in created.chunks(PART) {
            let part = part.iter().map(|(number, job)| listed(*number, job)).collect();
            if commands.send(Command::ListPart(part)).await.is_err() {
                return;
            }
        }
        let kept = Kept { all: true, ..Kept::default() };
        if commands.send(Command::ListEnd { kept }).await.is_err() {
            return;
        }
    }
    // To close the channel would change how the engine waits. What is not saved by then is lost.
    tokio::time::sleep_until(began + LONGEST).await;
    over.cancel();
}

/// The job of that number as its ticket.
fn ticket(number: usize, job: &Job) -> WatchEntry {
    let created_at = Some(START + job.created);
    WatchEntry { created_at, ..entry(EntryId::new(&number.to_string()), "doc") }
}

/// The job of that number as its document.
fn document(number: usize, _: &Job) -> WatchEntry {
    let number = number.to_string();
    let request = ExportRequest {
        doc_type: Some("docx".into()),
        file_extension: Some("pdf".into()),
        ..ExportRequest::default()
    };
    let id = EntryId::new(&format!("docx/{number}/pdf"));
    WatchEntry { request: Some(Box::new(request)), ..entry(id, &number) }
}

fn entry(id: EntryId, token: &str) -> WatchEntry {
    WatchEntry {
        key: EntryKey { app: AppName::new("default"), id },
        token: DocumentToken::parse(token).expect("it is short"),
        label: None,
        created_at: None,
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
