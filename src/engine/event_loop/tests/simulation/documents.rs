//! What a seed decides about documents: which are listed, some of them twice, and what creates, nodes and jobs bring.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use fastrand::Rng;

use super::super::fake_documents::*;
use super::super::fakes::*;
use super::CALM_AFTER;
use super::artefacts::Fate;
use super::world::{Trouble, World, troubles};
use crate::domain::*;
use crate::feishu::*;

/// What becomes of a document.
#[derive(Clone, Debug, Default)]
pub(super) struct Export {
    /// What the first creates bring.
    creates: Vec<Fault>,
    /// What the first jobs come to; all later ones succeed.
    jobs: Vec<JobEnd>,
    /// How long its jobs run.
    lasts: Duration,
    /// The create is refused, or each job fails, for this reason, which no new job puts right.
    pub(super) hopeless: Option<ErrorKind>,
    /// It is the create that is refused.
    is_refused: bool,
    artefact: Fate,
}

/// What a create may bring in place of a ticket.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Nothing, and there is a job or not.
    Lost(bool),
    /// Nothing in time.
    Late,
    Page,
    Panic,
    Server,
    Throttled,
}

/// What a job comes to in place of an artefact that can be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JobEnd {
    Fails(ErrorKind),
    /// The artefact is gone at once.
    Gone,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Documents {
    /// As they are listed at the beginning.
    pub(super) entries: Vec<WatchEntry>,
    /// By document.
    pub(super) fates: HashMap<String, Export>,
    /// What wiki nodes lead to.
    pub(super) nodes: HashMap<String, String>,
    /// Stretches in which something is wrong with creates, by app.
    troubles: Vec<Vec<Trouble>>,
    /// The same with nodes.
    of_nodes: Vec<Vec<Trouble>>,
    is_calm: bool,
}

impl Export {
    fn drawn(rng: &mut Rng, is_calm: bool) -> Self {
        use Fault::*;
        let creates = [Lost(true), Lost(false), Late, Page, Panic, Server, Throttled];
        let jobs = [
            JobEnd::Fails(ErrorKind::InternalError),
            JobEnd::Fails(ErrorKind::ExportTimeout),
            JobEnd::Fails(ErrorKind::CopyInProgress),
            JobEnd::Gone,
        ];
        let reasons = [ErrorKind::NoPermission, ErrorKind::DocumentTooLarge, ErrorKind::DocumentDeleted];
        let count = |rng: &mut Rng, most: usize| if is_calm || rng.bool() { 0 } else { rng.usize(1..=most) };
        let (create_faults, job_ends) = (count(rng, 3), count(rng, 4));
        let hopeless = (rng.u32(..8) == 0).then(|| reasons[rng.usize(..reasons.len())]);
        Self {
            creates: (0..create_faults).map(|_| creates[rng.usize(..creates.len())]).collect(),
            jobs: (0..job_ends).map(|_| jobs[rng.usize(..jobs.len())]).collect(),
            lasts: SECOND.mul_f64(8.0 * (rng.f64() * 4.0 - 1.0).exp()),
            hopeless,
            is_refused: rng.bool(),
            artefact: Fate::drawn(rng, is_calm).of_export(),
        }
    }

    /// What the job of a ticket comes to.
    pub(super) fn job_end(&self, ticket: &str) -> Verdict {
        let number: usize = ticket.rsplit_once('.').unwrap().1.parse().unwrap();
        match (self.hopeless, self.jobs.get(number - 1)) {
            (Some(reason), _) => Verdict::Failed(reason),
            (None, Some(JobEnd::Fails(kind))) => Verdict::Failed(*kind),
            (None, _) => completed(),
        }
    }

    /// Whether a job may fail for that reason.
    pub(super) fn may_fail(&self, kind: ErrorKind) -> bool {
        self.hopeless == Some(kind) || self.jobs.contains(&JobEnd::Fails(kind))
    }

    /// Whether the artefact of that ticket is gone at once.
    pub(super) fn is_gone(&self, ticket: &str) -> bool {
        let number: usize = ticket.rsplit_once('.').unwrap().1.parse().unwrap();
        self.jobs.get(number - 1) == Some(&JobEnd::Gone)
    }

    fn creation(&self, nth: u32) -> Creation {
        let nothing = |verdict| Creation {
            end: CreateEnd::Nothing { job: nth.is_multiple_of(2), verdict },
            ..Creation::ticket()
        };
        let creation = match self.creates.get(nth as usize - 1) {
            Some(Fault::Lost(job)) => Creation::lost(*job).after(15 * SECOND * (nth % 3) / 3),
            Some(Fault::Late) => Creation::ticket().after(MINUTE),
            Some(Fault::Page) => nothing(PAGE),
            Some(Fault::Panic) => nothing(PANIC),
            Some(Fault::Server) => Creation::refused(trouble()),
            Some(Fault::Throttled) => Creation::refused(Verdict::Throttled { reset: Some(5 * SECOND) }),
            None if self.is_refused && self.hopeless.is_some() => {
                Creation::refused(Verdict::Failed(self.hopeless.unwrap()))
            }
            None => Creation::ticket(),
        };
        Creation { lasts: Some(self.lasts), ..creation }
    }
}

/// What a create brings while something is wrong with the app.
fn troubled(verdict: Verdict, nth: u32) -> Creation {
    match verdict {
        Verdict::Throttled { .. } | Verdict::AppFault(_) => Creation::refused(verdict),
        verdict => {
            Creation { end: CreateEnd::Nothing { job: nth.is_multiple_of(3), verdict }, ..Creation::ticket() }
        }
    }
}

impl Documents {
    /// By a generator of its own, so that histories without documents stay as they are.
    pub(super) fn drawn(world: &World) -> Self {
        // One calm history in three has documents, and one of the others.
        if !matches!(world.seed % 12, 0 | 2 | 5 | 7) {
            return Self::default();
        }
        let mut rng = Rng::with_seed(world.seed ^ 0xd0c5);
        let is_calm = world.is_calm;
        let mut documents = Self { is_calm, ..Self::default() };
        for number in 0..rng.usize(1..=25) {
            let app = world.apps[rng.usize(..world.apps.len())].name.to_string();
            let token = format!("{app}-d{number}");
            let (direct, nodes) = [(1, 0), (1, 0), (0, 1), (1, 1), (0, 2)][rng.usize(..5)];
            if direct > 0 {
                documents.entries.push(document_entry(&app, "docx", &token, "pdf"));
            }
            for node in 0..nodes {
                let name = format!("{app}-w{number}-{node}");
                documents.entries.push(document_entry(&app, "wiki", &name, "pdf"));
                documents.nodes.insert(name, token.clone());
            }
            documents.fates.insert(token, Export::drawn(&mut rng, is_calm));
        }
        rng.shuffle(&mut documents.entries);
        let mut of_apps =
            || world.apps.iter().map(|_| if is_calm { Vec::new() } else { troubles(&mut rng) }).collect();
        documents.troubles = of_apps();
        documents.of_nodes = of_apps();
        documents
    }

    /// How artefacts of exports come, by document.
    pub(super) fn artefacts(&self) -> impl Iterator<Item = (String, Fate)> {
        self.fates.iter().map(|(token, export)| {
            let mut fate = export.artefact.clone();
            for (number, end) in (1..).zip(&export.jobs) {
                if *end == JobEnd::Gone {
                    fate.lose(ticket_of(token, number));
                }
            }
            (token.clone(), fate)
        })
    }

    /// The document that an entry leads to.
    pub(super) fn of_entry<'a>(&'a self, entry: &'a WatchEntry) -> &'a str {
        let token = entry.token.as_str();
        self.nodes.get(token).map_or(token, String::as_str)
    }

    /// Has a remote bring all this.
    pub(super) fn play(&self, api: FakeApi, seed: u64) -> FakeApi {
        let (fates, nodes, is_calm) = (self.fates.clone(), self.nodes.clone(), self.is_calm);
        let (troubles, of_nodes) = (self.troubles.clone(), self.of_nodes.clone());
        let (began, mut rng) = (tokio::time::Instant::now(), Rng::with_seed(seed ^ 0x90de));
        let trouble_at = move |all: &[Vec<Trouble>], token: &str| {
            let (now, place) = (began.elapsed(), token[3..4].parse::<usize>().unwrap());
            let trouble = all[place].iter().find(|it| it.from <= now && now < it.until);
            trouble.map(|it| (it.verdict)(it.until - now))
        };
        // A create that met a trouble of the whole app has not met the document's fate.
        let mut met = HashMap::<String, u32>::new();
        let api = api.with_creates(move |token, nth| {
            if let Some(verdict) = trouble_at(&troubles, token) {
                return Creation { lasts: Some(fates[token].lasts), ..troubled(verdict, nth) };
            }
            let nth = met.entry(token.to_owned()).or_default();
            *nth += 1;
            fates[token].creation(*nth)
        });
        api.with_nodes(move |node, _| {
            let latency = SECOND.mul_f64(0.02 + 0.2 * rng.f64());
            if let Some(verdict) = trouble_at(&of_nodes, node) {
                return (latency, Err(verdict));
            }
            let passing = !is_calm && began.elapsed() < CALM_AFTER;
            match rng.u32(..20) {
                0 if passing => (15 * SECOND, Err(trouble())),
                1 if passing => (latency, Err(PAGE)),
                2 if passing => (latency, Err(PANIC)),
                _ => (latency, Ok(docx(&nodes[node]))),
            }
        })
    }
}

impl fmt::Display for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, all) in [("creates", &self.troubles), ("nodes", &self.of_nodes)] {
            for (place, troubles) in all.iter().enumerate() {
                for Trouble { from, until, verdict } in troubles {
                    let verdict = verdict(*until - *from);
                    writeln!(f, "  {what} of app{place} from {from:?} to {until:?}: {verdict:?}")?;
                }
            }
        }
        let mut fates: Vec<_> = self.fates.iter().collect();
        fates.sort_by_key(|(token, _)| *token);
        fates.into_iter().try_for_each(|(token, export)| writeln!(f, "  {token}: {export:?}"))
    }
}
