//! The one owner of all that changes: apps, tokens, jobs, faults and the journal. `now` is always an argument.
//!
//! Every request passes [`World::hold`], then [`World::arrive`] (recorded, counted, judged) and then its endpoint's function, which asks
//! [`World::admit`] first. The endpoints' own rules lie in one file each.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    access_token::{Flaw, Seen, TokenBook},
    answer::{Answer, Refusal},
    app::{App, Trouble},
    document::DocumentBook,
    fault::{Fault, FaultBook},
    hold::{HoldBook, Leash},
    job::{Job, Life},
    job_book::JobBook,
    node::NodeBook,
    order::Order,
    record::{Endpoint, Journal, Request},
    refusals::{self, seconds},
    scenario::{AgeStarts, Scenario},
    switches::{LogIdHeader, Switches},
    target::Subject,
    window::SlidingWindow,
};
use axum::http::HeaderMap;

/// A request as it is known before anything is decided.
pub(crate) struct Incoming<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) ticket: Option<&'a str>,
    /// The document or wiki node that path, query or body name.
    pub(crate) document: Option<&'a str>,
    pub(crate) file_token: Option<&'a str>,
    /// What a create asks for.
    pub(crate) order: Option<&'a Order>,
    /// The app that a request to the token endpoint names.
    pub(crate) app_id: Option<&'a str>,
    pub(crate) authorization: Option<&'a str>,
    pub(crate) line: &'a str,
    pub(crate) headers: &'a HeaderMap,
}

/// A request after it was recorded and counted.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) now: Instant,
    pub(crate) ordinal: u64,
    pub(crate) endpoint: Endpoint,
    pub(crate) app_id: Option<Arc<str>>,
    /// The user token it carried, if it was one.
    pub(crate) user: Option<String>,
    flaw: Option<Flaw>,
    /// The window had no room; the time until it has.
    throttled: Option<Duration>,
    pub(crate) fault: Option<Fault>,
}

impl Arrival {
    pub(crate) fn log_id(&self) -> String {
        format!("20260101000000{:020X}", self.ordinal)
    }
}

/// What a request is about, as far as it is known on arrival.
#[derive(Debug, Default)]
struct Names {
    ticket: Option<Arc<str>>,
    document: Option<Arc<str>>,
}

impl Names {
    fn subject<'a>(&'a self, endpoint: Endpoint, app_id: Option<&'a str>) -> Subject<'a> {
        let (ticket, document) = (self.ticket.as_deref(), self.document.as_deref());
        Subject { endpoint, app_id, ticket, document }
    }
}

/// How many endpoints have a window.
const LIMITED: usize = 5;

#[derive(Debug)]
pub(crate) struct AppState {
    pub(crate) id: Arc<str>,
    pub(crate) settings: App,
    /// Those of tenant tokens and all that share with them, then those of users.
    windows: [SlidingWindow; 2 * LIMITED],
}

impl AppState {
    fn new(settings: App) -> Self {
        let limit = &settings.rate_limit;
        let windows =
            [(); 2 * LIMITED].map(|()| SlidingWindow::new(limit.requests, limit.per, limit.count_refused));
        Self { id: settings.app_id.as_str().into(), windows, settings }
    }

    /// The window of an endpoint; users have their own where the switch says so.
    fn window(&mut self, endpoint: Endpoint, by_user: bool) -> Option<&mut SlidingWindow> {
        let index = match endpoint {
            Endpoint::Query => 0,
            Endpoint::Create => 1,
            Endpoint::Download => 2,
            Endpoint::Node => 3,
            Endpoint::Permission => 4,
            Endpoint::TenantToken | Endpoint::Other => return None,
        };
        let apart = by_user && !self.settings.rate_limit.users_share;
        Some(&mut self.windows[if apart { index + LIMITED } else { index }])
    }

    /// Takes a successful call to an export endpoint from the quota, and adds the limit's headers where they always come.
    fn complete(&mut self, arrival: &Arrival, answer: Answer) -> Answer {
        let always = self.settings.rate_limit.headers_always && arrival.throttled.is_none();
        let Some(window) = self.window(arrival.endpoint, arrival.user.is_some()) else {
            return answer;
        };
        let (limit, reset) = (window.limit(), window.oldest_leaves_in(arrival.now));
        let succeeded = answer.status < 300 && answer.code.unwrap_or(0) == 0;
        if let Some(quota) = self.settings.quota.as_mut().filter(|_| succeeded) {
            *quota = quota.saturating_sub(1);
        }
        if always { refusals::with_limit_headers(answer, limit, seconds(reset)) } else { answer }
    }
}

/// The state of the simulated platform.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) switches: Switches,
    pub(crate) apps: HashMap<String, AppState>,
    /// The secrets that any app ever had.
    app_secrets: BTreeSet<String>,
    first_app: String,
    pub(crate) tokens: TokenBook,
    pub(crate) jobs: JobBook,
    pub(crate) documents: DocumentBook,
    pub(crate) nodes: NodeBook,
    /// The job of documents without a script.
    pub(crate) export: Job,
    pub(crate) faults: FaultBook,
    pub(crate) holds: HoldBook,
    pub(crate) journal: Journal,
    pub(crate) seed: u64,
    default_life: Life,
    age_starts: AgeStarts,
    record_headers: bool,
}

impl World {
    pub(crate) fn new(scenario: Scenario, now: Instant) -> Self {
        let mut world = Self {
            switches: Switches {
                answers: scenario.answers,
                tokens: scenario.tokens,
                download: scenario.download,
            },
            apps: HashMap::new(),
            app_secrets: BTreeSet::new(),
            first_app: scenario.apps.first().map(|app| app.app_id.clone()).unwrap_or_default(),
            tokens: TokenBook::default(),
            jobs: JobBook::default(),
            documents: DocumentBook::default(),
            nodes: NodeBook::default(),
            export: scenario.export,
            faults: FaultBook::new(scenario.seed),
            holds: HoldBook::default(),
            journal: Journal::default(),
            seed: scenario.seed,
            default_life: scenario.life,
            age_starts: scenario.age_starts,
            record_headers: scenario.record_headers,
        };
        for app in scenario.apps {
            world.add_app(app);
        }
        for job in scenario.jobs.into_iter().chain(scenario.batches.iter().flat_map(|batch| batch.jobs())) {
            world.add_job(job, now);
        }
        scenario.documents.into_iter().for_each(|document| world.documents.add(document));
        scenario.nodes.into_iter().for_each(|node| world.nodes.add(node));
        for rule in scenario.faults {
            let share = rule.share;
            let (target, nth, fault) = rule.into_parts();
            world.faults.add_share(target, nth, share, fault);
        }
        world
    }

    pub(crate) fn add_app(&mut self, app: App) {
        let state = AppState::new(app);
        for token in state.settings.tenant_tokens.iter().chain(&state.settings.user_tokens) {
            self.tokens.accept(token, &state.id);
        }
        self.app_secrets.insert(state.settings.app_secret.clone());
        self.apps.insert(state.settings.app_id.clone(), state);
    }

    /// Gives an app another secret; `false` if it is not there.
    pub(crate) fn set_secret(&mut self, app_id: &str, secret: &str) -> bool {
        self.app_secrets.insert(secret.to_owned());
        self.apps.get_mut(app_id).map(|app| app.settings.app_secret = secret.to_owned()).is_some()
    }

    /// Every app secret and access token that was ever good.
    pub(crate) fn secrets(&self) -> BTreeSet<String> {
        self.app_secrets.iter().chain(self.tokens.all()).cloned().collect()
    }

    /// Replaces the windows of an app by empty ones.
    pub(crate) fn renew_windows(&mut self, app_id: &str) {
        if let Some(app) = self.apps.get_mut(app_id) {
            *app = AppState::new(app.settings.clone());
        }
    }

    /// Adds a job whose age begins as the scenario says; `false` if its app is not there.
    pub(crate) fn add_job(&mut self, job: Job, now: Instant) -> bool {
        let born_at = (self.age_starts == AgeStarts::AtOnce).then_some(now);
        self.add_job_born(job, born_at).is_some()
    }

    /// Adds a job and returns its ticket.
    pub(crate) fn add_job_born(&mut self, job: Job, born_at: Option<Instant>) -> Option<Arc<str>> {
        let app_id = if job.app.is_empty() { &self.first_app } else { &job.app };
        let app_id = Arc::clone(&self.apps.get(app_id)?.id);
        let life = job.life.as_ref().unwrap_or(&self.default_life);
        let course = life.settle(self.seed, &job.ticket);
        Some(self.jobs.add(job, app_id, course, born_at))
    }

    /// What a request has to wait for before it arrives.
    pub(crate) fn hold(&mut self, incoming: &Incoming<'_>, now: Instant) -> Option<Leash> {
        let app_id = self.identify(incoming, now).app_id;
        let names = self.names_of(incoming);
        self.holds.catch(names.subject(incoming.endpoint, app_id.as_deref()))
    }

    /// What the request names, or the job whose file it names.
    fn names_of(&mut self, incoming: &Incoming<'_>) -> Names {
        match incoming.file_token.and_then(|file_token| self.jobs.of_file(file_token)) {
            Some(held) => Names {
                ticket: Some(Arc::clone(&held.ticket)),
                document: Some(held.job.token.as_str().into()),
            },
            None => {
                Names { ticket: incoming.ticket.map(Arc::from), document: incoming.document.map(Arc::from) }
            }
        }
    }

    /// Records a request, counts it in its window and in the faults, and judges its access token.
    pub(crate) fn arrive(&mut self, incoming: Incoming<'_>, now: Instant) -> Arrival {
        let seen = self.identify(&incoming, now);
        let names = self.names_of(&incoming);
        let app_id = seen.app_id.as_deref();
        let user = user_token(incoming.authorization);
        let app = app_id.and_then(|id| self.apps.get_mut(id));
        let window = app.and_then(|app| app.window(incoming.endpoint, user.is_some()));
        let throttled = window.and_then(|window| window.admit(now).err());
        let fault = self.faults.strike(names.subject(incoming.endpoint, app_id));
        let arrival = Arrival {
            now,
            ordinal: self.journal.next_ordinal(),
            endpoint: incoming.endpoint,
            app_id: seen.app_id,
            user: user.map(str::to_owned),
            flaw: seen.flaw,
            throttled,
            fault,
        };
        self.record(&arrival, seen.generation, names, incoming);
        arrival
    }

    /// The app that asks: by access token, or by the body where a token is asked for.
    fn identify(&self, incoming: &Incoming<'_>, now: Instant) -> Seen {
        if incoming.endpoint != Endpoint::TenantToken {
            return self.tokens.judge(incoming.authorization, now);
        }
        let known = incoming.app_id.and_then(|id| self.apps.get(id));
        Seen { app_id: known.map(|app| Arc::clone(&app.id)), generation: None, flaw: None }
    }

    fn record(&mut self, arrival: &Arrival, generation: Option<u64>, names: Names, incoming: Incoming<'_>) {
        self.journal.push(Request {
            ordinal: arrival.ordinal,
            endpoint: arrival.endpoint,
            app_id: arrival.app_id.clone(),
            ticket: names.ticket,
            document: names.document,
            order: incoming.order.cloned().map(Arc::new),
            answer_lost: false,
            token_generation: generation,
            line: incoming.line.into(),
            headers: self.record_headers.then(|| incoming.headers.clone()),
            arrived_at: arrival.now,
            answered_at: None,
            abandoned_at: None,
            status: None,
            code: None,
            sent: None,
            throttled: arrival.throttled.is_some(),
            faulty: arrival.fault.is_some(),
        });
    }

    /// What every export endpoint checks before its own business: window, access token, the app's troubles.
    pub(crate) fn admit(&self, arrival: &Arrival) -> Result<Arc<str>, Answer> {
        if let Some(reset) = arrival.throttled {
            return Err(self.throttle(arrival, reset));
        }
        let (flaw, app_id) = (arrival.flaw, arrival.app_id.clone());
        let (None, Some(app_id)) = (flaw, app_id) else {
            return Err(self.refuse(arrival, self.token_refusal(flaw.unwrap_or(Flaw::Tenant))));
        };
        let lasting = self.apps.get(&*app_id).and_then(|app| match app.settings.quota {
            Some(0) => Some(Trouble::QuotaExhausted),
            _ => app.settings.trouble.clone(),
        });
        let passing = match &arrival.fault {
            Some(Fault::Trouble(trouble)) => Some(trouble.clone()),
            _ => None,
        };
        match passing.or(lasting) {
            Some(trouble) => Err(self.refuse(arrival, self.trouble_refusal(trouble, arrival.endpoint))),
            None => Ok(app_id),
        }
    }

    /// Writes a refusal with this request's log id.
    pub(crate) fn refuse(&self, arrival: &Arrival, refusal: Refusal) -> Answer {
        refusal.into_answer(&arrival.log_id(), self.switches.answers.log_id)
    }

    /// Adds what every answer carries, and takes a successful call from the quota.
    pub(crate) fn complete(&mut self, arrival: &Arrival, answer: Answer) -> Answer {
        let answer = match self.switches.answers.log_id_header {
            LogIdHeader::XTtLogid => answer.with_header("X-Tt-Logid", arrival.log_id()),
            LogIdHeader::XRequestId => answer.with_header("X-Request-Id", arrival.log_id()),
            LogIdHeader::Absent => answer,
        };
        let app = arrival.app_id.as_deref().and_then(|id| self.apps.get_mut(id));
        match app {
            Some(app) => app.complete(arrival, answer),
            None => answer,
        }
    }
}

/// The token of an `Authorization` header, if it is a user's.
fn user_token(authorization: Option<&str>) -> Option<&str> {
    let token = authorization?.strip_prefix("Bearer ")?.trim();
    token.starts_with("u-").then_some(token)
}
