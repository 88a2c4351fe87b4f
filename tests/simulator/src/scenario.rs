//! The scenario: everything that a simulator starts with, as a value or as a TOML file.
//!
//! Unknown keys are errors, and so are jobs and faults that name an app which is not there.

use std::collections::HashSet;

use serde::Deserialize;
use thiserror::Error;

use crate::{
    app::App,
    document::Document,
    fault::Fault,
    job::{Job, Life},
    node::Node,
    record::Endpoint,
    switches::{Answers, Download, Tokens},
    target::{Nth, Target},
};

/// What a simulator starts with.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// Port on 127.0.0.1; 0 for any free one.
    pub port: u16,
    /// Seed of everything left to chance.
    pub seed: u64,
    /// Keep the headers of every request in the journal.
    pub record_headers: bool,
    /// When the jobs of the scenario, and those added later, begin to age.
    pub age_starts: AgeStarts,
    /// The life of jobs that have none of their own, and of those made by the create endpoint.
    pub life: Life,
    /// The apps; the first one is that of jobs that name none.
    #[serde(rename = "app")]
    pub apps: Vec<App>,
    /// Single jobs.
    #[serde(rename = "job")]
    pub jobs: Vec<Job>,
    /// Jobs in bulk.
    #[serde(rename = "jobs")]
    pub batches: Vec<Batch>,
    /// The job that a create makes of a document without a script.
    pub export: Job,
    /// Documents with a script.
    #[serde(rename = "document")]
    pub documents: Vec<Document>,
    /// Wiki nodes with a script.
    #[serde(rename = "node")]
    pub nodes: Vec<Node>,
    /// Faults in place from the start.
    #[serde(rename = "fault")]
    pub faults: Vec<FaultRule>,
    /// How queries and refusals look.
    pub answers: Answers,
    /// The token endpoint.
    pub tokens: Tokens,
    /// The download endpoint.
    pub download: Download,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            port: 0,
            seed: 0,
            record_headers: false,
            age_starts: AgeStarts::AtOnce,
            life: Life::default(),
            apps: vec![App::default()],
            jobs: Vec::new(),
            batches: Vec::new(),
            export: Job::default(),
            documents: Vec::new(),
            nodes: Vec::new(),
            faults: Vec::new(),
            answers: Answers::default(),
            tokens: Tokens::default(),
            download: Download::default(),
        }
    }
}

/// When a job that is not made by the create endpoint begins to age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgeStarts {
    /// When it is added; at the server's start for the jobs of the scenario.
    AtOnce,
    /// When it is first queried.
    FirstQuery,
}

/// Many jobs alike. Table `[[jobs]]` of a scenario.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// How many.
    pub count: u64,
    /// Ticket of the first; the others follow by ones.
    pub first_ticket: u64,
    /// The app that created them; empty for the first app.
    #[serde(default)]
    pub app: String,
    /// Their life; without it the scenario's.
    #[serde(default)]
    pub life: Option<Life>,
}

impl Batch {
    /// The jobs; the document token of ticket `n` is `doc` followed by `n` in 19 digits.
    pub fn jobs(&self) -> impl Iterator<Item = Job> {
        (0..self.count).map(|offset| {
            let ticket = self.first_ticket.saturating_add(offset);
            let mut job = Job::new(ticket.to_string(), format!("doc{ticket:019}")).app(self.app.clone());
            job.life.clone_from(&self.life);
            job
        })
    }
}

/// A fault and the requests that it strikes. Table `[[fault]]` of a scenario.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// Only queries of that ticket, or downloads of its file where `endpoint` is `download`.
    #[serde(default)]
    pub ticket: Option<String>,
    /// Only creates of that document's exports, or what `endpoint` says of it, or of that wiki node.
    #[serde(default)]
    pub document: Option<String>,
    /// Only requests of that app.
    #[serde(default)]
    pub app: Option<String>,
    /// Only that endpoint.
    #[serde(default)]
    pub endpoint: Option<Endpoint>,
    /// The first request it strikes, counted from 1 among those that fit.
    #[serde(default = "first")]
    pub from: u64,
    /// The last one; without it there is no last one.
    #[serde(default)]
    pub to: Option<u64>,
    /// Which share of these it strikes, 0 to 1, by the scenario's seed.
    #[serde(default = "all")]
    pub share: f64,
    /// What goes wrong.
    pub fault: Fault,
}

fn first() -> u64 {
    1
}

fn all() -> f64 {
    1.0
}

impl FaultRule {
    /// That share of all requests to an endpoint.
    pub fn new(endpoint: Endpoint, share: f64, fault: Fault) -> Self {
        let (ticket, document, app) = (None, None, None);
        Self { ticket, document, app, endpoint: Some(endpoint), from: first(), to: None, share, fault }
    }

    pub(crate) fn into_parts(self) -> (Target, Nth, Fault) {
        let (app_id, ticket, document) = (self.app, self.ticket, self.document);
        let target = Target { endpoint: self.endpoint, app_id, ticket, document };
        (target, Nth::from(self.from..=self.to.unwrap_or(u64::MAX)), self.fault)
    }
}

/// What is wrong with a scenario.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// The text is not TOML of that shape; the cause names line and column.
    #[error("parse the scenario: {0}")]
    Toml(#[from] toml::de::Error),
    /// There must be one.
    #[error("find an app: the scenario has none")]
    NoApp,
    /// App ids name windows and tokens, and must differ.
    #[error("distinguish apps: {0:?} is there twice")]
    SameApp(String),
    /// A job, batch or fault names an app that is not there.
    #[error("find the app {0:?}, which a job or fault names")]
    UnknownApp(String),
    /// Two documents, or two nodes, have one token.
    #[error("distinguish documents and nodes: {0:?} is there twice")]
    SameDocument(String),
    /// A `[[job]]` without ticket or token.
    #[error("find a job: [[job]] needs a ticket and a token")]
    NamelessJob,
    /// Shares lie between 0 and 1.
    #[error("strike a share of requests: {0} is not between 0 and 1")]
    Share(f64),
    /// A lognormal life needs a spread that is a number, not negative, and a share between 0 and 1.
    #[error("draw a lognormal life: sigma must be 0 or more, failing between 0 and 1")]
    Lognormal,
}

impl Scenario {
    /// A scenario with these apps and nothing else.
    pub fn with_apps(apps: impl IntoIterator<Item = App>) -> Self {
        Self { apps: apps.into_iter().collect(), ..Self::default() }
    }

    /// Reads a scenario and checks it.
    ///
    /// # Errors
    ///
    /// If the text is not TOML of that shape, or contradicts itself.
    pub fn from_toml(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)?;
        scenario.check()?;
        Ok(scenario)
    }

    pub(crate) fn check(&self) -> Result<(), ScenarioError> {
        let mut ids = HashSet::new();
        if self.apps.is_empty() {
            return Err(ScenarioError::NoApp);
        }
        if let Some(app) = self.apps.iter().find(|app| !ids.insert(app.app_id.as_str())) {
            return Err(ScenarioError::SameApp(app.app_id.clone()));
        }
        let of_jobs = self.jobs.iter().map(|job| job.app.as_str());
        let of_batches = self.batches.iter().map(|batch| batch.app.as_str());
        let of_faults = self.faults.iter().filter_map(|rule| rule.app.as_deref());
        let mut named = of_jobs.chain(of_batches).filter(|id| !id.is_empty()).chain(of_faults);
        if let Some(unknown) = named.find(|id| !ids.contains(id)) {
            return Err(ScenarioError::UnknownApp(unknown.to_owned()));
        }
        if self.jobs.iter().any(|job| job.ticket.is_empty() || job.token.is_empty()) {
            return Err(ScenarioError::NamelessJob);
        }
        if let Some(rule) = self.faults.iter().find(|rule| !(0.0..=1.0).contains(&rule.share)) {
            return Err(ScenarioError::Share(rule.share));
        }
        self.check_documents()?;
        if self.lives().all(is_drawable) { Ok(()) } else { Err(ScenarioError::Lognormal) }
    }

    fn check_documents(&self) -> Result<(), ScenarioError> {
        let (mut documents, mut nodes) = (HashSet::new(), HashSet::new());
        let mut of_documents = self.documents.iter().map(|document| document.token.as_str());
        let mut of_nodes = self.nodes.iter().map(|node| node.token.as_str());
        let twice = of_documents.find(|&token| !documents.insert(token));
        match twice.or_else(|| of_nodes.find(|&token| !nodes.insert(token))) {
            Some(token) => Err(ScenarioError::SameDocument(token.to_owned())),
            None => Ok(()),
        }
    }

    fn lives(&self) -> impl Iterator<Item = &Life> {
        let of_documents = self.documents.iter().flat_map(|document| &document.jobs);
        let jobs = self.jobs.iter().chain(of_documents).chain([&self.export]);
        let of_batches = self.batches.iter().filter_map(|batch| batch.life.as_ref());
        jobs.filter_map(|job| job.life.as_ref()).chain(of_batches).chain([&self.life])
    }
}

fn is_drawable(life: &Life) -> bool {
    match life {
        Life::Lognormal { sigma, failing, .. } => *sigma >= 0.0 && (0.0..=1.0).contains(failing),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Scenario::from_toml("").unwrap(), Scenario::default());
    }

    #[test]
    fn the_shipped_example_is_valid() {
        let scenario = Scenario::from_toml(include_str!("../scenarios/example.toml")).unwrap();
        assert!(scenario.apps.len() > 1 && !scenario.jobs.is_empty() && !scenario.faults.is_empty());
        assert!(!scenario.documents.is_empty() && !scenario.nodes.is_empty());
    }

    #[test]
    fn every_spelling_of_the_readme_is_read() {
        let lives = r#"{ succeeds = { after = 1 } }, { fails = { after = "1s", job_status = 3 } },
            { no_file_token = { after = "1s" } }, { no_file_token = { after = "1s", lasts = "2s" } },
            { refused = { after = "1s", status = 410, code = 1069906 } }, "forever",
            { lognormal = { median = "20s", sigma = 0.8, failing = 0.1 } }"#;
        let faults = r#""reset", "close", "hang", "stall", "half_body", "wrong_json", "invalid_utf8",
            "page_not_found", { delay = { by = 0.5 } }, { slow = { bytes = 1, every = "1ms" } },
            { empty = { status = 200 } }, { html = { status = 502 } }, { unavailable = {} },
            { unavailable = { retry_after = 3 } }, { huge = { bytes = 268435456 } },
            { redirect = { status = 302, location = "http://127.0.0.1:1/" } },
            "wrong_start", { short_file = { by = 1 } }, { long_file = { by = 1 } },
            { answer = { status = 429, code = 99991400, headers = [["Retry-After", "1"]] } },
            { trouble = "disabled" }, { trouble = { scope_missing = {} } },
            { lost = "reset" }, { lost = { empty = { status = 500 } } },
            { raw = { status = 200, content_type = "text/plain", body = "?" } }"#;
        let troubles = r#""disabled", "not_installed", "ip_not_allowed", "quota_exhausted", "tokens_refused",
            { scope_missing = {} }, { refused = { status = 400, code = 21000 } }"#;
        let styles = r#""http429", "legacy400", "code9499", "code1069923", "bare429""#;
        let shapes = r#""full", "status_only", "no_status", "no_result", "null_result", "null_data", "no_data",
            "zero_empty_token", "zero_no_token""#;
        let outcomes = r#""fine", "permission", "not_found", "deleted", "invalid_param",
            { refused = { status = 404, code = 1 } }"#;
        assert_eq!(read_all::<Life>(lives), 7);
        assert_eq!(read_all::<Fault>(faults), 25);
        assert_eq!(read_all::<crate::app::Trouble>(troubles), 7);
        assert_eq!(read_all::<crate::app::ThrottleStyle>(styles), 5);
        assert_eq!(read_all::<crate::switches::RunningShape>(shapes), 9);
        assert_eq!(read_all::<crate::switches::Outcome>(outcomes), 6);
    }

    fn read_all<T: serde::de::DeserializeOwned>(values: &str) -> usize {
        #[derive(Deserialize)]
        struct List<T> {
            list: Vec<T>,
        }
        toml::from_str::<List<T>>(&format!("list = [{values}]")).unwrap().list.len()
    }

    #[test]
    fn a_batch_numbers_its_jobs() {
        let text = "[[jobs]]\ncount = 2\nfirst_ticket = 6933093124755412345\nlife = \"forever\"";
        let jobs: Vec<Job> = Scenario::from_toml(text).unwrap().batches[0].jobs().collect();
        assert_eq!(jobs[1].ticket, "6933093124755412346");
        assert_eq!(jobs[1].token, "doc6933093124755412346");
        assert_eq!(jobs[1].life, Some(Life::Forever));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let refused = |text: &str| Scenario::from_toml(text).unwrap_err().to_string();
        assert!(refused("prot = 1").contains("unknown field `prot`"));
        assert!(refused("[[fault]]\nfault = { slow = { bites = 1 } }").contains("bites"));
        assert!(refused("app = []").contains("none"));
        assert!(refused("[[app]]\n[[app]]").contains("twice"));
        assert!(refused("[[job]]\nticket = \"1\"\ntoken = \"d\"\napp = \"cli_x\"").contains("cli_x"));
        assert!(refused("[[job]]\nticket = \"1\"").contains("token"));
        assert!(refused("[[document]]\ntoken = \"d\"\n[[document]]\ntoken = \"d\"").contains("twice"));
        assert!(refused("[[node]]\ntoken = \"d\"\n[[node]]\ntoken = \"d\"").contains("twice"));
        assert!(refused("[[fault]]\nshare = 3.0\nfault = \"reset\"").contains('3'));
        let life = "life = { lognormal = { median = \"1s\", sigma = -1 } }";
        assert!(refused(life).contains("sigma"));
        assert!(refused("life = { succeeds = { after = \"soon\" } }").contains("soon"));
    }
}
