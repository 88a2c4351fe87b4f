//! One cell of the table: an app of its own, whose way to the moment of the fault is made certain by holding the
//! request that is to meet it.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use export_simulator::{
    App, Endpoint, Fault, HoldId, Job, Life, RateLimit, Simulator, Target, ThrottleStyle,
};
use serde_json::Value;

use super::table::{Ill, Verdict, throttled};
use crate::canaries::APP_SECRET;

/// When the fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first request of the app to that endpoint.
    First,
    /// A request that was on its way when the app's queries began to be throttled.
    During,
    /// The first request after a throttle of that endpoint ended.
    After,
}

pub(super) const PHASES: [Phase; 3] = [Phase::First, Phase::During, Phase::After];

/// Longer than the watcher's own time limit for a request that hangs.
pub(super) const THROTTLED_FOR: Duration = Duration::from_secs(10);

/// A cell at work.
#[derive(Debug)]
pub(super) struct Cell {
    /// The place in the row of cells, which makes names.
    number: usize,
    pub(super) ill: Ill,
    pub(super) endpoint: Endpoint,
    pub(super) phase: Phase,
    pub(super) expected: Verdict,
    /// The app, as the configuration names it, whose request meets the fault.
    pub(super) subject: String,
    /// Keeps the request that is to meet the fault.
    subject_held: Option<HoldId>,
    /// Keeps the other one until both are on their way.
    other_held: Option<HoldId>,
    /// Keeps queries out of the trouble that is meant for the token endpoint.
    queries_held: Option<HoldId>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The request that begins the throttle is on its way.
    Begun,
    /// The request that is to meet the fault may be on its way.
    Waiting,
    /// The fault strikes; so many lines were written before.
    Struck(usize),
    /// It is over.
    Fixed,
}

/// The log, by app.
pub(super) type Said = HashMap<String, Vec<Value>>;

impl Cell {
    pub(super) fn new(number: usize, ill: Ill, endpoint: Endpoint, phase: Phase, expected: Verdict) -> Self {
        Self {
            subject: format!("c{number}"),
            number,
            ill,
            endpoint,
            phase,
            expected,
            subject_held: None,
            other_held: None,
            queries_held: None,
            stage: Stage::Begun,
        }
    }

    pub(super) fn app_id(&self) -> String {
        format!("cli_{}", self.number)
    }

    /// The names of its apps. Where a token is fetched while queries are throttled there are two with one budget, of
    /// which only one gets its token before: an app whose queries are throttled begins no fetch.
    pub(super) fn apps(&self) -> Vec<String> {
        let twins = self.endpoint == Endpoint::TenantToken && self.phase == Phase::During;
        let names = [format!("c{}", self.number), format!("c{}-twin", self.number)];
        names.into_iter().take(if twins { 2 } else { 1 }).collect()
    }

    /// The tickets, with the apps that list them: the one that meets the fault, and another one where two are needed.
    pub(super) fn tickets(&self) -> Vec<(String, String)> {
        let apps = self.apps();
        let first = (self.ticket(), apps[0].clone());
        let second = (format!("{}-other", self.number), apps.last().unwrap().clone());
        if self.phase == Phase::During { vec![first, second] } else { vec![first] }
    }

    fn ticket(&self) -> String {
        self.number.to_string()
    }

    fn fails(&self) -> bool {
        !matches!(self.ill, Ill::Success(_)) && self.number % 2 == 1
    }

    /// What a ticket must come to.
    pub(super) fn fate_of(&self, ticket: &str) -> (&'static str, Option<&'static str>) {
        let is_subject = ticket == self.ticket();
        match self.expected {
            Verdict::Failed(kind) if is_subject => ("failed", Some(kind)),
            Verdict::Refused if is_subject => ("failed", Some("no_permission")),
            _ if is_subject && self.fails() => ("failed", Some("document_too_large")),
            _ => ("completed", None),
        }
    }

    /// Puts apps and jobs into the simulator, and everything in the way of the first requests.
    pub(super) fn set_up(&mut self, sim: &Simulator) {
        let id = self.app_id();
        sim.add_app(App::new(&id, APP_SECRET));
        for (ticket, _) in self.tickets() {
            let life = match self.ill {
                Ill::Running(_) if ticket == self.ticket() => Life::Forever,
                _ if ticket == self.ticket() && self.fails() => {
                    Life::Fails { after: Duration::ZERO, job_status: 107 }
                }
                _ => Life::Succeeds { after: Duration::ZERO },
            };
            sim.add_job(Job::new(ticket, "doc").app(&id).life(life));
        }
        let asked = Target::endpoint(self.endpoint).of_app(&id);
        let queries = Target::endpoint(Endpoint::Query).of_app(&id);
        match (self.endpoint, self.phase) {
            (_, Phase::First) => self.subject_held = Some(sim.hold(asked, 1)),
            (_, Phase::After) => {
                sim.fault(asked.clone(), 1, throttled(429, 99_991_400, "", 1));
                self.subject_held = Some(sim.hold(asked, 2));
            }
            (Endpoint::TenantToken, Phase::During) => {
                sim.fault(queries.clone(), 1, Self::throttle());
                self.subject_held = Some(sim.hold(asked, 2));
            }
            (_, Phase::During) => {
                let other = format!("{}-other", self.number);
                sim.fault(other.as_str(), 1, Self::throttle());
                self.other_held = Some(sim.hold(other.as_str(), 1));
                self.subject_held = Some(sim.hold(self.ticket().as_str(), 1));
            }
        }
        if self.endpoint == Endpoint::TenantToken && matches!(self.ill, Ill::Trouble(_)) {
            let from = if self.phase == Phase::During { 2 } else { 1 };
            self.queries_held = Some(sim.hold(queries, from..));
        }
    }

    fn throttle() -> Fault {
        throttled(429, 99_991_400, "", THROTTLED_FOR.as_secs())
    }

    /// Takes the next step if its time has come. Says whether there is none left.
    pub(super) fn step(&mut self, sim: &Simulator, said: &Said) -> bool {
        match self.stage {
            Stage::Begun => {
                let both = |hold| is_held(sim, hold) && is_held(sim, self.subject_held);
                if self.other_held.is_none_or(|other| both(Some(other))) {
                    self.other_held.into_iter().for_each(|other| sim.release(other));
                    self.stage = Stage::Waiting;
                }
            }
            Stage::Waiting => {
                if is_held(sim, self.subject_held) && self.is_in_phase(said) {
                    self.befall(sim);
                    self.stage = Stage::Struck(lines_of(said, &self.subject).len());
                    self.subject_held.into_iter().for_each(|held| sim.release(held));
                }
            }
            Stage::Struck(before) => {
                let since = &lines_of(said, &self.subject)[before..];
                if let Some(verdict) = self.observed(since) {
                    assert_eq!(verdict, self.expected, "{}\n{since:#?}", self.name());
                    self.assert_still_throttled(since);
                    self.fix(sim);
                    self.stage = Stage::Fixed;
                }
            }
            Stage::Fixed => return true,
        }
        false
    }

    /// Whether the app has come to where the fault is to strike. Finds out which of two apps is the subject.
    fn is_in_phase(&mut self, said: &Said) -> bool {
        if self.phase != Phase::During {
            return true;
        }
        let apps = self.apps();
        let without_token = apps
            .iter()
            .find(|app| !lines_of(said, app).iter().any(|line| line["event"] == "token.refreshed"));
        if let Some(app) = without_token {
            self.subject.clone_from(app);
        }
        apps.iter().all(|app| lines_of(said, app).iter().any(|line| is_pause(line, "query", "rate_limited")))
    }

    /// The fault, whatever it is, strikes the next request.
    fn befall(&self, sim: &Simulator) {
        let id = self.app_id();
        let next = match self.endpoint {
            Endpoint::Query => Target::ticket(self.ticket()),
            other => Target::endpoint(other).of_app(&id),
        };
        match &self.ill {
            Ill::Fault(fault) => drop(sim.fault(next, self.times(), fault.clone())),
            Ill::Trouble(trouble) => sim.set_trouble(&id, trouble.clone()),
            Ill::Full(style) if self.endpoint == Endpoint::TenantToken => {
                sim.fault(next, 1, refusal_of(*style));
            }
            Ill::Full(style) => {
                let full = RateLimit::new(0, Duration::from_secs(1)).style(*style);
                sim.set_rate_limit(&id, RateLimit { reset: Some("1".to_owned()), ..full });
            }
            Ill::Running(shape) => sim.set_running_shape(&id, *shape),
            Ill::Success(shape) => sim.set_success_shape(&id, *shape),
        }
    }

    /// Which of its next requests meet the fault. A refused ticket may be polled again before it is judged.
    fn times(&self) -> RangeInclusive<u64> {
        if self.expected == Verdict::Refused { 1..=u64::MAX } else { 1..=1 }
    }

    /// All is well again, and the job comes to its end.
    fn fix(&self, sim: &Simulator) {
        let id = self.app_id();
        match &self.ill {
            Ill::Fault(_) | Ill::Success(_) => {}
            Ill::Trouble(_) => sim.set_trouble(&id, None),
            Ill::Full(_) => sim.set_rate_limit(&id, RateLimit::default()),
            Ill::Running(_) => {
                sim.set_running_shape(&id, None);
                if self.fails() { sim.fail_job(&self.ticket(), 107) } else { sim.finish_job(&self.ticket()) }
            }
        }
        self.queries_held.into_iter().for_each(|held| sim.release(held));
    }

    /// The verdict that the watcher showed, if it did.
    fn observed(&self, since: &[Value]) -> Option<Verdict> {
        match self.endpoint {
            Endpoint::Query => self.observed_poll(since),
            _ => since.iter().find_map(observed_fetch),
        }
    }

    fn observed_poll(&self, since: &[Value]) -> Option<Verdict> {
        let ticket = self.ticket();
        let line = since.iter().find(|line| line["ticket"] == *ticket)?;
        let kind: &'static str = name(&line["error.kind"]);
        let is_rejected = since.iter().any(|line| line["event"] == "token.rejected");
        Some(match line["event"].as_str()? {
            "ticket.completed" => Verdict::Truth,
            "ticket.failed" if kind == "document_too_large" => Verdict::Truth,
            "ticket.failed" => Verdict::Failed(kind),
            "poll.pending" => Verdict::Pending,
            _ => match kind {
                "network" | "server_error" => Verdict::Retry(kind),
                "malformed_answer" | "no_file_token" | "unknown_job_status" | "unknown_code" => {
                    Verdict::Unclear(kind)
                }
                "no_permission" => Verdict::Refused,
                "throttled" => Verdict::Throttled,
                "token_rejected" if !is_rejected => panic!("not said aloud: {line}"),
                "token_rejected" if self.expected == Verdict::RejectedTwice => {
                    let paused = |line| is_pause(line, "query", "credentials_rejected");
                    since.iter().find(|line| paused(line)).map(|_| Verdict::RejectedTwice)?
                }
                "token_rejected" => Verdict::TokenRejected,
                reason => Verdict::Fault(reason),
            },
        })
    }

    /// The throttle in force when the fault's answer came was still in force afterwards.
    fn assert_still_throttled(&self, since: &[Value]) {
        // The second refusal comes when the throttle is over.
        if self.phase == Phase::During && self.expected != Verdict::RejectedTwice {
            let resumed = since.iter().any(|line| line["event"] == "app.resumed");
            assert!(!resumed, "{}: the throttle was over before the answer came\n{since:#?}", self.name());
        }
    }

    /// The pauses that the subject must have announced, one after the other.
    pub(super) fn pauses(&self) -> Vec<(&'static str, &'static str)> {
        let endpoint = if self.endpoint == Endpoint::Query { "query" } else { "token" };
        let throttle = match self.phase {
            Phase::First => None,
            Phase::During => Some(("query", "rate_limited")),
            Phase::After => Some((endpoint, "rate_limited")),
        };
        let own = match self.expected {
            Verdict::Fault(reason) => Some((endpoint, reason)),
            Verdict::RejectedTwice => Some(("query", "credentials_rejected")),
            // What is throttled already is not throttled anew.
            Verdict::Throttled if self.phase == Phase::During && endpoint == "query" => None,
            Verdict::Throttled => Some((endpoint, "rate_limited")),
            _ => None,
        };
        throttle.into_iter().chain(own).collect()
    }

    pub(super) fn name(&self) -> String {
        format!("{:?}, {:?} {:?}, app {}", self.ill, self.endpoint, self.phase, self.subject)
    }
}

fn is_held(sim: &Simulator, hold: Option<HoldId>) -> bool {
    hold.is_some_and(|hold| sim.held(hold) > 0)
}

/// What the log said of an app.
pub(super) fn lines_of<'a>(said: &'a Said, app: &str) -> &'a [Value] {
    said.get(app).map_or(&[], Vec::as_slice)
}

pub(super) fn is_pause(line: &Value, endpoint: &str, reason: &str) -> bool {
    line["event"] == "app.paused" && line["endpoint"] == endpoint && line["reason"] == reason
}

fn observed_fetch(line: &Value) -> Option<Verdict> {
    match line["event"].as_str()? {
        "token.refreshed" => Some(Verdict::Granted),
        "token.retry" => Some(Verdict::Retry(name(&line["error.kind"]))),
        "app.paused" if line["reason"] == "rate_limited" => Some(Verdict::Throttled),
        "app.paused" => Some(Verdict::Fault(name(&line["reason"]))),
        _ => None,
    }
}

/// A name that lives as long as those of the table.
fn name(value: &Value) -> &'static str {
    value.as_str().unwrap_or_default().to_owned().leak()
}

/// The refusal of a full window as an answer of the token endpoint.
fn refusal_of(style: ThrottleStyle) -> Fault {
    match style {
        ThrottleStyle::Http429 => throttled(429, 99_991_400, "", 1),
        ThrottleStyle::Legacy400 => throttled(400, 99_991_400, "", 1),
        ThrottleStyle::Code9499 => throttled(400, 9499, "too many request", 1),
        ThrottleStyle::Code1069923 => throttled(429, 1_069_923, "", 1),
        ThrottleStyle::Bare429 => throttled(429, 0, "Too Many Requests", 1),
    }
}
