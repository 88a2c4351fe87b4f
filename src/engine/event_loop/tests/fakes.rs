//! Stand-ins for remote and state file on tokio's paused clock, and a bench to set them up on.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt;

use super::fake_documents::Documents;
use super::fake_downloads::{Artefacts, FakeBody, IDLE, file_token_of};
pub(super) use super::fake_files::FakeFiles;
pub(super) use super::fake_hook::FakeHook;
use super::fake_hook::{ALL, SOME};
pub(super) use super::fake_log::FakeLog;
pub(super) use super::fake_store::FakeStore;
use crate::domain::event::{APP_PAUSED, DOCUMENT_AGAIN, HOOK_EVENTS, TICKET_COMPLETED};
use crate::domain::*;
use crate::engine::*;
use crate::feishu::*;
use crate::schedule::Backoff;
use crate::store::*;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// 2026-11-22T10:00:00Z
pub(super) const START: WallTime = WallTime::from_millis(1_795_341_600_000);

/// No server can cause this verdict.
pub(super) const PANIC: Verdict = Verdict::Unclear(ErrorKind::Network);

/// What is not the API's, such as a login page.
pub(super) const PAGE: Verdict = Verdict::Strange(Strange::Page);

/// How long the answer to a token request takes.
const TOKEN_LATENCY: Duration = Duration::from_millis(100);

type Script = dyn FnMut(&str, u32) -> (Duration, Verdict) + Send;
type Tokens = dyn FnMut(&str, u32) -> Result<Option<u64>, TokenTrouble> + Send;

#[derive(Clone)]
pub(super) struct FakeApi(Arc<Mutex<Remote>>);

pub(super) struct Remote {
    /// What the n-th poll (from 1) of a ticket brings, and after how long. [`PANIC`] makes it panic.
    pub(super) script: Box<Script>,
    /// What the n-th token request (from 1) of an app brings: the token's life in seconds.
    pub(super) tokens: Box<Tokens>,
    /// Access tokens that are refused.
    pub(super) revoked: Vec<String>,
    /// The one document token that jobs were made with, should another one be refused.
    pub(super) document: Option<&'static str>,
    /// Trouble of the server comes as an envelope of the API, as 1069901 does.
    pub(super) envelopes_on_trouble: bool,
    pub(super) polls: Vec<Sent>,
    /// When the server counted each request of an app: at its sending, at its answer, or halfway.
    arrivals: Vec<(String, Endpoint, Instant)>,
    pub(super) fetches: Vec<Sent>,
    pub(super) artefacts: Artefacts,
    pub(super) documents: Documents,
    pub(super) in_flight: usize,
    pub(super) most_in_flight: usize,
    nth: HashMap<String, u32>,
}

#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) app: String,
    pub(super) ticket: String,
    pub(super) at: Instant,
    pub(super) access_token: String,
    /// The answer ends the ticket.
    pub(super) is_final: bool,
}

impl Remote {
    /// A ticket is asked about with the token of its document.
    fn is_wrong_document(&self, query: &Query) -> bool {
        match self.documents.of_ticket(query.ticket.as_str()) {
            Some(document) => query.token != document,
            None => self.document.is_some_and(|document| query.token.as_str() != document),
        }
    }

    /// A job that a create made has no end before its time.
    fn unless_running(&self, ticket: &str, verdict: Verdict) -> Verdict {
        let is_end = matches!(verdict, Verdict::Completed(_) | Verdict::Failed(_));
        let ends = self.documents.of_ticket(ticket).and_then(|_| self.artefacts.ended.get(ticket));
        if is_end && ends.is_some_and(|ends| *ends > Instant::now()) { Verdict::Pending } else { verdict }
    }

    /// No two tickets have the same artefact.
    fn name_artefact(&mut self, ticket: &str, verdict: Verdict) -> Verdict {
        let Verdict::Completed(mut artefact) = verdict else { return verdict };
        self.artefacts.job_ended(ticket);
        artefact.file_token = file_token_of(ticket).into();
        Verdict::Completed(artefact)
    }

    /// Whatever becomes of the process that sent it.
    pub(super) fn arrived(&mut self, app: &AppName, endpoint: Endpoint, on_the_way: Duration) {
        self.arrivals.push((app.to_string(), endpoint, Instant::now() + on_the_way));
    }
}

impl FakeApi {
    pub(super) fn new(script: impl FnMut(&str, u32) -> (Duration, Verdict) + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Remote {
            script: Box::new(script),
            tokens: Box::new(|_, _| Ok(Some(7200))),
            revoked: Vec::new(),
            document: None,
            envelopes_on_trouble: false,
            polls: Vec::new(),
            arrivals: Vec::new(),
            fetches: Vec::new(),
            artefacts: Artefacts::default(),
            documents: Documents::default(),
            in_flight: 0,
            most_in_flight: 0,
            nth: HashMap::new(),
        })))
    }

    pub(super) fn with_tokens(
        self,
        tokens: impl FnMut(&str, u32) -> Result<Option<u64>, TokenTrouble> + Send + 'static,
    ) -> Self {
        self.with(|remote| remote.tokens = Box::new(tokens));
        self
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Remote) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    /// Promise 1, as the server counts: by arrival, at each endpoint.
    pub(super) fn assert_never_more_than(&self, requests: usize) {
        self.assert_never_more(|_| true, requests, &[]);
    }

    /// The same for apps that share a budget, but for windows in which a process ended that had no time to write what it
    /// sent.
    pub(super) fn assert_apps_never_more_than(&self, apps: &[&str], requests: usize, unwritten: &[Instant]) {
        self.assert_never_more(|app| apps.contains(&app), requests, unwritten);
    }

    fn assert_never_more(&self, is_meant: impl Fn(&str) -> bool, requests: usize, unwritten: &[Instant]) {
        for &endpoint in Endpoint::ALL {
            let mut arrived: Vec<_> = self.with(|remote| {
                let meant = remote.arrivals.iter().filter(|(app, at, _)| is_meant(app) && *at == endpoint);
                meant.map(|(_, _, at)| *at).collect()
            });
            arrived.sort();
            assert_windows(&arrived, endpoint, requests, unwritten);
        }
    }

    pub(super) fn polls_of(&self, ticket: &str) -> Vec<Sent> {
        self.with(|remote| remote.polls.iter().filter(|sent| sent.ticket == ticket).cloned().collect())
    }

    pub(super) fn nth(remote: &mut Remote, key: String) -> u32 {
        let nth = remote.nth.entry(key).or_default();
        *nth += 1;
        *nth
    }
}

impl ExportApi for FakeApi {
    type Body = FakeBody;

    async fn download(&self, download: Download) -> Result<FakeBody, Box<Answer>> {
        self.deliver(download).await
    }

    async fn create(&self, create: Create) -> Result<TicketId, Box<NotCreated>> {
        self.start_export(create).await
    }

    async fn node(&self, node: Node) -> Result<Object, Box<Answer>> {
        self.resolve(node).await
    }

    async fn access_token(&self, app: &AppName) -> TokenAnswer {
        let result = self.with(|remote| {
            let nth = Self::nth(remote, format!("token {app}"));
            let on_the_way = TOKEN_LATENCY * u32::try_from(remote.fetches.len() % 3).unwrap() / 2;
            remote.arrived(app, Endpoint::Token, on_the_way);
            remote.fetches.push(Sent {
                app: app.to_string(),
                ticket: String::new(),
                at: Instant::now(),
                access_token: String::new(),
                is_final: false,
            });
            (remote.tokens)(app.as_str(), nth).map(|life| Grant {
                token: AccessToken::new(format!("t-{app}-{nth}")),
                expires_in: life.map(Duration::from_secs),
            })
        });
        tokio::time::sleep(TOKEN_LATENCY).await;
        TokenAnswer { result, detail: Detail::default() }
    }

    async fn query(&self, query: Query) -> Answer {
        let (latency, verdict) = self.with(|remote| {
            let nth = Self::nth(remote, query.ticket.to_string());
            let access_token = query.access_token.expose().to_owned();
            let refused = remote.revoked.contains(&access_token);
            let (latency, verdict) = if refused {
                (SECOND / 10, Verdict::TokenRejected)
            } else if remote.is_wrong_document(&query) {
                (SECOND / 10, Verdict::Failed(ErrorKind::InvalidParam))
            } else {
                (remote.script)(query.ticket.as_str(), nth)
            };
            let verdict = remote.unless_running(query.ticket.as_str(), verdict);
            let verdict = remote.name_artefact(query.ticket.as_str(), verdict);
            let on_the_way = latency * u32::try_from(remote.polls.len() % 3).unwrap() / 2;
            remote.polls.push(Sent {
                app: query.app.to_string(),
                ticket: query.ticket.to_string(),
                at: Instant::now(),
                access_token,
                is_final: matches!(verdict, Verdict::Completed(_) | Verdict::Failed(_)),
            });
            remote.in_flight += 1;
            remote.most_in_flight = remote.most_in_flight.max(remote.in_flight);
            remote.arrived(&query.app, Endpoint::Query, on_the_way);
            (latency, verdict)
        });
        tokio::time::sleep(latency).await;
        self.with(|remote| remote.in_flight -= 1);
        assert_ne!(verdict, PANIC, "as the script wants it");
        let mut detail = detail_of(&verdict);
        if self.with(|remote| remote.envelopes_on_trouble) && verdict == trouble() {
            detail.code = Some(1_069_901);
        }
        Answer { verdict, detail }
    }
}

/// What comes with such a verdict from a real server.
pub(super) fn detail_of(verdict: &Verdict) -> Detail {
    let (code, job_status) = match verdict {
        Verdict::Completed(_) => (Some(0), Some(0)),
        Verdict::Pending => (Some(0), Some(2)),
        Verdict::Failed(_) => (Some(0), Some(3)),
        Verdict::Unclear(_) => (Some(0), Some(77)),
        Verdict::Refused => (Some(1_069_902), None),
        Verdict::Postponed => (Some(600), None),
        Verdict::Strange(Strange::UnlistedCode) => (Some(4711), None),
        Verdict::Strange(Strange::NoStatus) => (Some(0), None),
        _ => (None, None),
    };
    Detail { code, job_status, ..Detail::default() }
}

fn assert_windows(arrived: &[Instant], endpoint: Endpoint, requests: usize, unwritten: &[Instant]) {
    let windows = arrived.windows(requests + 1).map(|window| (window[0], window[requests]));
    let known = windows.filter(|(from, to)| !unwritten.iter().any(|end| from <= end && end <= to));
    let closest = known.min_by_key(|(from, to)| *to - *from);
    if let Some((from, to)) = closest.filter(|(from, to)| *to - *from < MINUTE) {
        let [since, until] = [from, to].map(|at| at - arrived[0]);
        panic!("{} requests ({endpoint:?}) from {since:?} to {until:?} after the first", requests + 1);
    }
}

/// From now on polls that panic on purpose print nothing. Other panics are printed as before.
pub(super) fn quiet_scripted_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.to_string().contains("as the script wants it") {
                usual(panic);
            }
        }));
    });
}

pub(super) fn completed() -> Verdict {
    Verdict::Completed(Box::new(Artefact { file_token: "box".into(), ..Artefact::default() }))
}

pub(super) fn trouble() -> Verdict {
    Verdict::Retry { kind: ErrorKind::ServerError, pace: Pace::Usual }
}

/// Everything an engine needs, ready to be changed before it runs.
pub(super) struct Bench {
    pub(super) api: FakeApi,
    pub(super) store: FakeStore,
    /// Where files go, if the settings say that they are downloaded.
    pub(super) files: FakeFiles,
    pub(super) log: FakeLog,
    /// What takes the events of the hooks that the settings name.
    pub(super) hook: FakeHook,
    pub(super) apps: Vec<App>,
    pub(super) entries: Vec<WatchEntry>,
    pub(super) settings: Settings,
    pub(super) meters: Meters,
    /// When the wall clock said [`START`].
    began: Instant,
    /// Milliseconds by which the wall clock was set since.
    pub(super) shift: Arc<AtomicI64>,
    /// Milliseconds by which the wall clock goes on with each look at it, as on a busy machine.
    pub(super) per_look: i64,
}

/// An engine at work.
pub(super) struct Running {
    pub(super) outcome: tokio::task::JoinHandle<Outcome>,
    pub(super) stop: CancellationToken,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) view: watch::Receiver<Snapshot>,
    _quiet: tracing::subscriber::DefaultGuard,
}

impl Bench {
    pub(super) fn new(api: FakeApi) -> Self {
        let store = FakeStore::default();
        Self {
            api,
            files: FakeFiles::new(&store),
            store,
            log: FakeLog::default(),
            hook: FakeHook::default(),
            apps: vec![app("default", 100)],
            entries: Vec::new(),
            settings: Settings {
                backoff: Backoff::new(4 * SECOND, 1.3, MINUTE, 0.0).unwrap(),
                give_up_after: 120 * MINUTE,
                request_timeout: 15 * SECOND,
                max_in_flight: 32.try_into().unwrap(),
                download: None,
                repeat_after: None,
                hooks: Vec::new(),
                keep: 720 * MINUTE,
                until_done: true,
                deadline: None,
                seed: 1,
            },
            meters: Meters::new().unwrap(),
            began: Instant::now(),
            shift: Arc::default(),
            per_look: 0,
        }
    }

    pub(super) fn tickets<T: AsRef<str>>(mut self, app: &str, tickets: impl IntoIterator<Item = T>) -> Self {
        self.entries.extend(tickets.into_iter().map(|ticket| entry(app, ticket.as_ref())));
        self
    }

    /// The same where files are downloaded.
    pub(super) fn downloading(mut self) -> Self {
        let max_in_flight = 4.try_into().unwrap();
        self.settings.download = Some(DownloadSettings { max_in_flight, idle_timeout: IDLE });
        self
    }

    /// The same with a hook that takes every event, and one that takes a few.
    pub(super) fn hooked(mut self) -> Self {
        let hook =
            |name, events: &[&'static str]| HookEvents { name: HookName::new(name), events: events.to_vec() };
        let some = [TICKET_COMPLETED, DOCUMENT_AGAIN, APP_PAUSED];
        self.settings.hooks = vec![hook(ALL, HOOK_EVENTS), hook(SOME, &some)];
        self
    }

    pub(super) fn start(&self) -> Running {
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(self.log.clone()));
        let (commands, receiver) = mpsc::channel(8);
        let (view, watcher) = watch::channel(Snapshot::default());
        let stop = CancellationToken::new();
        let (began, shift, per_look) = (self.began, Arc::clone(&self.shift), self.per_look);
        let setup = Setup {
            apps: self.apps.clone(),
            list: WatchList { entries: self.entries.clone(), rejected: Vec::new() },
            settings: self.settings.clone(),
            clock: Clock::with_wall(move || {
                let shift = shift.fetch_add(per_look, Ordering::Relaxed);
                WallTime::from_millis((START + began.elapsed()).as_millis() + shift)
            }),
        };
        let (durable, woken) = watch::channel(EventId::default());
        let (progress, announced) = watch::channel(EventId::default());
        let (deliveries, hooks_woken) = watch::channel(EventId::default());
        let outbox = OutboxLink { durable, announced, deliveries };
        let meters = self.meters.clone();
        let controls = Controls { stop: stop.clone(), commands: receiver, view, outbox, meters };
        let files = self.settings.download.map(|_| self.files.next_process());
        let run = watch(self.api.clone(), self.store.clone(), files, setup, controls);
        let (log, store) = (self.log.clone(), self.store.clone());
        let mut hooks = JoinSet::new();
        for HookEvents { name, .. } in &self.settings.hooks {
            let (store, woken) = (self.store.clone(), hooks_woken.clone());
            hooks.spawn(self.hook.clone().consume(store, name.clone(), self.began, woken));
        }
        drop(hooks_woken);
        let outcome = tokio::spawn(async move {
            // They die with the process.
            let _hooks = hooks;
            let mut consumers = JoinSet::new();
            consumers.spawn(log.consume(store.clone(), woken, progress));
            let mut outcome = run.await.unwrap();
            let _ = tokio::time::timeout(4 * SECOND, consumers.join_next()).await;
            outcome.unannounced = store.unannounced();
            watcher_stopped(&outcome);
            outcome
        });
        Running { outcome, stop, commands, view: watcher, _quiet: guard }
    }

    /// What a meter shows, by the name and labels that Prometheus sees, without the prefix.
    pub(super) fn metric(&self, series: &str) -> f64 {
        let text = prometheus::TextEncoder::new().encode_to_string(&self.meters.gather()).unwrap();
        let start = format!("{METRICS_NAMESPACE}_{series} ");
        let found = text.lines().find_map(|line| line.strip_prefix(&start));
        found.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
    }

    /// When the wall clock said [`START`].
    pub(super) const fn began(&self) -> Instant {
        self.began
    }

    /// What the wall clock says.
    pub(super) fn wall(&self) -> WallTime {
        WallTime::from_millis((START + self.began.elapsed()).as_millis() + self.shift.load(Ordering::Relaxed))
    }

    pub(super) async fn run(&self) -> Outcome {
        self.start().outcome.await.unwrap()
    }
}

pub(super) fn app(name: &str, requests: u32) -> App {
    App {
        name: AppName::new(name),
        base_url: BaseUrl::parse("https://open.feishu.cn").unwrap(),
        app_id: format!("cli_{name}").into(),
        credentials: Credentials::AppSecret(SecretSource::Env("SECRET".into())),
        ca_file: None,
        tenant: None,
        rate_limit: RateLimit { requests: requests.try_into().unwrap(), per: MINUTE },
    }
}

pub(super) fn document(token: &str) -> DocumentToken {
    DocumentToken::parse(token).unwrap()
}

pub(super) fn entry(app: &str, ticket: &str) -> WatchEntry {
    WatchEntry {
        key: EntryKey { app: AppName::new(app), id: EntryId::new(ticket) },
        token: document("doc"),
        label: None,
        created_at: None,
        request: None,
        download: true,
        source: Path::new("list.toml").into(),
    }
}

impl Running {
    /// Hands over a whole list, in parts of one entry each.
    pub(super) async fn take_list(&self, entries: Vec<WatchEntry>) {
        let parts = entries.into_iter().map(|entry| Command::ListPart(vec![entry]));
        for command in parts.chain([Command::ListEnd { kept: Kept::default() }]) {
            self.commands.send(command).await.unwrap();
        }
    }
}
