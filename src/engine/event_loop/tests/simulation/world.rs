//! What a seed decides: apps, jobs and their fates, and what goes wrong at the remote, and when.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use fastrand::Rng;

use super::super::fake_documents::document_of;
use super::super::fakes::*;
use super::CALM_AFTER;
use super::artefacts::Artefacts;
use super::documents::Documents;
use crate::domain::*;
use crate::feishu::*;

/// A job and its fate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    /// When it ends, since the beginning.
    pub(super) ends: Duration,
    pub(super) succeeds: bool,
}

/// A stretch of time in which something is wrong with an app.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    pub(super) from: Duration,
    pub(super) until: Duration,
    pub(super) verdict: fn(Duration) -> Verdict,
}

/// A stretch of time in which an app gets no access token.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenStretch {
    from: Duration,
    until: Duration,
    trouble: fn(Duration) -> TokenTrouble,
}

/// Everything that one seed decides.
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) rng: Rng,
    pub(super) apps: Vec<App>,
    pub(super) jobs: HashMap<String, Job>,
    troubles: Vec<Vec<Trouble>>,
    /// The same at the token endpoint.
    token_troubles: Vec<Vec<TokenStretch>>,
    pub(super) artefacts: Artefacts,
    pub(super) documents: Documents,
    /// Nothing goes wrong at all: then files must be found in time.
    pub(super) is_calm: bool,
    /// Polls take as long as they are drawn to, and some of them fail.
    is_moody: bool,
}

impl World {
    pub(super) fn drawn(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let is_calm = seed.is_multiple_of(4);
        let count = rng.usize(1..=3);
        let mut apps: Vec<_> =
            (0..count).map(|number| app(&format!("app{number}"), rng.u32(10..=100))).collect();
        if seed.is_multiple_of(3) {
            share_budget(&mut apps);
        }
        let jobs = (0..rng.usize(5..=80)).map(|number| {
            let of = rng.usize(..count);
            let seconds = 8.0 * (rng.f64() * 4.0 - 1.0).exp();
            let created = if rng.bool() { 0 } else { rng.u64(..CALM_AFTER.as_secs()) };
            let ends = SECOND.mul_f64(seconds) + SECOND * u32::try_from(created).unwrap();
            (format!("app{of}-{number}"), Job { ends, succeeds: rng.u8(..) < 220 })
        });
        let jobs = jobs.collect();
        let troubles = (0..count).map(|_| if is_calm { Vec::new() } else { troubles(&mut rng) }).collect();
        let token_troubles =
            (0..count).map(|_| if is_calm { Vec::new() } else { token_troubles(&mut rng) }).collect();
        let (artefacts, documents) = (Artefacts::default(), Documents::default());
        let world = Self {
            seed,
            rng,
            apps,
            jobs,
            troubles,
            token_troubles,
            artefacts,
            documents,
            is_calm,
            is_moody: true,
        };
        let (mut artefacts, documents) = (Artefacts::drawn(&world), Documents::drawn(&world));
        artefacts.fates.extend(documents.artefacts());
        Self { artefacts, documents, ..world }
    }

    /// Nothing is left to chance, and nothing goes wrong with the remote: these apps, and jobs that end well, at these
    /// moments.
    pub(super) fn written<const N: usize>(apps: Vec<App>, jobs: [(&str, Duration); N]) -> Self {
        let job = |(ticket, ends): (&str, _)| (ticket.to_owned(), Job { ends, succeeds: true });
        Self {
            seed: 0,
            rng: Rng::with_seed(0),
            jobs: jobs.into_iter().map(job).collect(),
            troubles: vec![Vec::new(); apps.len()],
            token_troubles: vec![Vec::new(); apps.len()],
            artefacts: Artefacts::default(),
            documents: Documents::default(),
            apps,
            is_calm: false,
            is_moody: false,
        }
    }

    /// The app at that place is throttled between these seconds, and the answer names until when.
    pub(super) fn throttled(mut self, place: usize, from: u32, until: u32) -> Self {
        let verdict = |left| Verdict::Throttled { reset: Some(left) };
        self.troubles[place].push(Trouble { from: SECOND * from, until: SECOND * until, verdict });
        self
    }

    /// Every ticket, in order.
    pub(super) fn tickets(&self) -> Vec<String> {
        let mut tickets: Vec<_> = self.jobs.keys().cloned().collect();
        tickets.sort();
        tickets
    }

    /// The apps that send from the budget of that one, itself included.
    pub(super) fn sharing_with(&self, app: &App) -> impl Iterator<Item = &App> {
        let budget = app.budget_key();
        self.apps.iter().filter(move |other| other.budget_key() == budget)
    }

    /// How long it takes to ask once for each ticket of the app's budget.
    pub(super) fn sweep(&self, app: &App) -> Duration {
        let together: Vec<_> = self.sharing_with(app).map(|app| app.name.as_str()).collect();
        let all = self.jobs.keys().chain(self.documents.fates.keys());
        app.rate_limit.time_for(all.filter(|ticket| together.contains(&&ticket[..4])).count())
    }

    /// The remote, with a mind of its own about latencies and passing faults.
    pub(super) fn api(&self) -> FakeApi {
        let mut rng = Rng::with_seed(self.seed ^ 0x5eed);
        let (jobs, troubles) = (self.jobs.clone(), self.troubles.clone());
        let (is_calm, is_moody) = (self.is_calm, self.is_moody);
        let (token_troubles, began) = (self.token_troubles.clone(), tokio::time::Instant::now());
        let artefacts: HashMap<_, _> =
            self.jobs.keys().map(|ticket| (ticket.clone(), self.artefacts.described(ticket))).collect();
        let exports = self.documents.fates.clone();
        let api = FakeApi::new(move |ticket, _| {
            let now = began.elapsed();
            let place: usize = ticket[3..4].parse().unwrap();
            let latency = if is_moody { SECOND.mul_f64(0.02 + 0.2 * rng.f64()) } else { SECOND / 10 };
            if let Some(trouble) = troubles[place].iter().find(|it| it.from <= now && now < it.until) {
                return (latency, (trouble.verdict)(trouble.until - now));
            }
            let passing = is_moody && !is_calm && now < CALM_AFTER;
            match rng.u32(..100) {
                0..4 if passing => (SECOND.mul_f64(15.0 * rng.f64()), network()),
                4..8 if passing => (latency, trouble_of_server()),
                8 if passing => (latency, PAGE),
                9 if passing => (latency, PANIC),
                _ => match jobs.get(ticket) {
                    Some(job) => (latency, answer(*job, &artefacts[ticket], now)),
                    None => (latency, exports[document_of(ticket)].job_end(ticket)),
                },
            }
        })
        .with_downloads(self.artefacts.script())
        .with_tokens(move |app, nth| {
            let now = began.elapsed();
            let place: usize = app[3..4].parse().unwrap();
            match token_troubles[place].iter().find(|it| it.from <= now && now < it.until) {
                Some(stretch) => Err((stretch.trouble)(stretch.until - now)),
                None => Ok(Some(if nth.is_multiple_of(2) { 300 } else { 7200 })),
            }
        });
        let api = self.documents.play(api, self.seed);
        let ended = self.jobs.iter().map(|(ticket, job)| (ticket.clone(), began + job.ends));
        api.with(|remote| remote.artefacts.ended = ended.collect());
        api
    }
}

/// The second app has another name for the first one's app id, with tickets, token and troubles of its own.
fn share_budget(apps: &mut [App]) {
    if let [first, second, ..] = apps {
        second.app_id = first.app_id.clone();
        second.rate_limit = first.rate_limit;
    }
}

fn network() -> Verdict {
    Verdict::Retry { kind: ErrorKind::Network, pace: Pace::Usual }
}

fn trouble_of_server() -> Verdict {
    Verdict::Retry { kind: ErrorKind::ServerError, pace: Pace::Slow }
}

fn answer(job: Job, artefact: &Artefact, now: Duration) -> Verdict {
    match job {
        Job { ends, .. } if now < ends => Verdict::Pending,
        Job { succeeds: true, .. } => Verdict::Completed(Box::new(artefact.clone())),
        Job { .. } => Verdict::Failed(ErrorKind::DocumentTooLarge),
    }
}

pub(super) fn troubles(rng: &mut Rng) -> Vec<Trouble> {
    let kinds: [fn(Duration) -> Verdict; 7] = [
        |left| Verdict::Throttled { reset: Some(left) },
        |_| Verdict::Throttled { reset: None },
        |_| Verdict::AppFault(PauseReason::ScopeMissing),
        |_| Verdict::AppFault(PauseReason::QuotaExhausted),
        |_| network(),
        |_| trouble_of_server(),
        |_| PAGE,
    ];
    let trouble = |rng: &mut Rng| {
        let from = SECOND * rng.u32(..1500);
        let until = (from + SECOND * rng.u32(1..300)).min(CALM_AFTER);
        Trouble { from, until, verdict: kinds[rng.usize(..kinds.len())] }
    };
    (0..rng.usize(..4)).map(|_| trouble(rng)).collect()
}

fn token_troubles(rng: &mut Rng) -> Vec<TokenStretch> {
    let kinds: [fn(Duration) -> TokenTrouble; 5] = [
        |left| TokenTrouble::Throttled { reset: Some(left) },
        |_| TokenTrouble::Throttled { reset: None },
        |_| TokenTrouble::AppFault(PauseReason::CredentialsRejected),
        |_| TokenTrouble::Retry(ErrorKind::Network),
        |_| TokenTrouble::Retry(ErrorKind::ServerError),
    ];
    let stretch = |rng: &mut Rng| {
        let from = SECOND * rng.u32(..1500);
        let until = (from + SECOND * rng.u32(1..600)).min(CALM_AFTER);
        TokenStretch { from, until, trouble: kinds[rng.usize(..kinds.len())] }
    };
    (0..rng.usize(..3)).map(|_| stretch(rng)).collect()
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let budgets: Vec<_> = self.apps.iter().map(|app| app.rate_limit.requests).collect();
        let shared = self.sharing_with(&self.apps[0]).count();
        writeln!(
            f,
            "{} jobs, requests a minute: {budgets:?} (of {shared} apps the first), calm: {}",
            self.jobs.len(),
            self.is_calm
        )?;
        for (place, troubles) in self.troubles.iter().enumerate() {
            for Trouble { from, until, verdict } in troubles {
                writeln!(f, "  app{place} from {from:?} to {until:?}: {:?}", verdict(*until - *from))?;
            }
        }
        for (place, stretches) in self.token_troubles.iter().enumerate() {
            for TokenStretch { from, until, trouble } in stretches {
                writeln!(
                    f,
                    "  token of app{place} from {from:?} to {until:?}: {:?}",
                    trouble(*until - *from)
                )?;
            }
        }
        write!(f, "{}{}", self.artefacts, self.documents)
    }
}
