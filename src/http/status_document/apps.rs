//! An app as scripts see it: how it does, as the state file or the engine says it, and what only the engine knows.

use std::time::Duration;

use crate::domain::{AppCondition, RateLimit, Trouble};
use crate::engine::AppView;
use serde::{Serialize, Serializer};

use super::view::Time;

/// An app's fields in the order in which they are printed. Absent ones are null; those that only the engine knows are
/// left out where the state file is all there is.
#[derive(Serialize)]
pub struct AppStatus {
    name: String,
    /// None where no watcher runs.
    state: Option<&'static str>,
    pause: Option<PauseStatus>,
    trouble: Option<TroubleStatus>,
    pending: usize,
    #[serde(flatten)]
    engine: Option<EngineStatus>,
}

/// What only the engine knows.
#[derive(Serialize)]
struct EngineStatus {
    budget_left: usize,
    rate_limit: LimitStatus,
    requests_this_month: u64,
}

/// Why an app's tickets are not polled.
#[derive(Serialize)]
struct PauseStatus {
    reason: &'static str,
    since: Time,
    until: Option<Time>,
    next: Option<Time>,
    hint: &'static str,
}

/// What is wrong with an app: a pause, or calls that fail.
#[derive(Serialize)]
struct TroubleStatus {
    endpoint: &'static str,
    reason: &'static str,
    message: Option<Box<str>>,
    since: Time,
    until: Option<Time>,
    next: Option<Time>,
    hint: &'static str,
}

#[derive(Serialize)]
struct LimitStatus {
    requests: u32,
    #[serde(rename = "per_seconds", serialize_with = "seconds")]
    per: Duration,
}

impl From<&AppView> for AppStatus {
    fn from(app: &AppView) -> Self {
        let engine = EngineStatus {
            budget_left: app.budget_left,
            rate_limit: app.rate_limit.into(),
            requests_this_month: app.requests_this_month,
        };
        let status = Self::new(app.name.as_str(), Some(app.condition()), app.trouble.as_ref(), app.pending);
        Self { engine: Some(engine), ..status }
    }
}

impl AppStatus {
    /// What the state file says of an app; without a condition where no watcher runs.
    #[must_use]
    pub fn new(
        name: &str,
        condition: Option<AppCondition>,
        trouble: Option<&Trouble>,
        pending: usize,
    ) -> Self {
        let pause = trouble.filter(|trouble| trouble.condition == AppCondition::Paused);
        Self {
            name: name.to_owned(),
            state: condition.map(AppCondition::as_str),
            pause: pause.map(PauseStatus::from),
            trouble: trouble.map(TroubleStatus::from),
            pending,
            engine: None,
        }
    }
}

impl From<&Trouble> for PauseStatus {
    fn from(trouble: &Trouble) -> Self {
        Self {
            reason: trouble.cause.as_str(),
            since: Time(trouble.since),
            until: trouble.until.map(Time),
            next: trouble.next.map(Time),
            hint: trouble.cause.hint(),
        }
    }
}

impl From<&Trouble> for TroubleStatus {
    fn from(trouble: &Trouble) -> Self {
        Self {
            endpoint: trouble.endpoint.as_str(),
            reason: trouble.cause.as_str(),
            message: trouble.message.clone(),
            since: Time(trouble.since),
            until: trouble.until.map(Time),
            next: trouble.next.map(Time),
            hint: trouble.cause.hint(),
        }
    }
}

impl From<RateLimit> for LimitStatus {
    fn from(limit: RateLimit) -> Self {
        Self { requests: limit.requests.get(), per: limit.per }
    }
}

/// A whole number wherever it is one, as nearly all are.
fn seconds<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    match span.subsec_nanos() {
        0 => serializer.serialize_u64(span.as_secs()),
        _ => serializer.serialize_f64(span.as_secs_f64()),
    }
}
