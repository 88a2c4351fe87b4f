//! An app as scripts see it: what the engine shows of it, which no state file knows.

use std::time::Duration;

use feishu_export_watcher::domain::RateLimit;
use feishu_export_watcher::watch::{AppView, PauseView};
use serde::{Serialize, Serializer};

use super::view::Time;

/// An app's fields in the order in which they are printed. Absent ones are null.
#[derive(Serialize)]
pub(crate) struct AppStatus {
    name: String,
    state: &'static str,
    pause: Option<PauseStatus>,
    pending: usize,
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
    next: Time,
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
        Self {
            name: app.name.as_str().to_owned(),
            state: match (&app.pause, app.degraded) {
                (Some(_), _) => "paused",
                (None, true) => "degraded",
                (None, false) => "active",
            },
            pause: app.pause.map(PauseStatus::from),
            pending: app.pending,
            budget_left: app.budget_left,
            rate_limit: app.rate_limit.into(),
            requests_this_month: app.requests_this_month,
        }
    }
}

impl From<PauseView> for PauseStatus {
    fn from(pause: PauseView) -> Self {
        Self {
            reason: pause.reason.as_str(),
            since: Time(pause.since),
            until: pause.until.map(Time),
            next: Time(pause.next),
            hint: pause.reason.hint(),
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
