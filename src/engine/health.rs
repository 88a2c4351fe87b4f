//! Whether an app's calls are answered: a run of failing ones is an outage. Pure.
//!
//! A run is the app's, not an endpoint's: one server answers all of them, and the trouble shows the call
//! that failed last.

use std::time::Duration;

use super::now::Now;
use crate::domain::{AppCondition, Endpoint, ErrorKind, Trouble};
use crate::feishu::Detail;

/// So many failing calls in a row …
const OUTAGE: u32 = 5;

/// … over at least this long are an outage: a handful of sick tickets among sound ones is none.
const OUTAGE_AFTER: Duration = Duration::from_secs(30);

/// So many are shown as the app's trouble.
const TROUBLE: u32 = 2;

/// A server that has never answered is reported sooner: most likely the address is wrong.
const NEVER_REACHED: u32 = 2;

/// How an app's calls went.
#[derive(Debug, Default)]
pub(super) struct Health {
    failures: Option<Failures>,
    degraded: bool,
    /// Some request was answered in this life of the daemon.
    reached: bool,
}

/// A run of calls that failed without saying anything about ticket or app.
#[derive(Debug)]
struct Failures {
    count: u32,
    since: Now,
    /// The last of them.
    endpoint: Endpoint,
    kind: ErrorKind,
    message: Option<Box<str>>,
}

impl Health {
    /// Whether a run of failing calls is an outage.
    #[must_use]
    pub(super) const fn is_degraded(&self) -> bool {
        self.degraded
    }

    /// What is wrong, from the second failing call in a row on.
    #[must_use]
    pub(super) fn trouble(&self) -> Option<Trouble> {
        let run = self.failures.as_ref().filter(|run| self.degraded || run.count >= TROUBLE)?;
        let condition = if self.degraded { AppCondition::Degraded } else { AppCondition::Active };
        let trouble = Trouble::from_calls(condition, run.endpoint, run.kind, run.since.wall);
        Some(trouble.with_message(run.message.clone()))
    }

    /// A call failed without saying anything about ticket or app. Says whether an outage begins.
    pub(super) fn call_failed(
        &mut self,
        endpoint: Endpoint,
        kind: ErrorKind,
        detail: &Detail,
        now: Now,
    ) -> bool {
        let (count, since) = self.failures.as_ref().map_or((0, now), |run| (run.count, run.since));
        let (count, message) = (count.saturating_add(1), detail.message.clone());
        self.failures = Some(Failures { count, since, endpoint, kind, message });
        let lasting = count >= OUTAGE && now.at - since.at >= OUTAGE_AFTER;
        let outage = lasting || (!self.reached && count >= NEVER_REACHED);
        outage && !std::mem::replace(&mut self.degraded, true)
    }

    /// The server answered with something that can be understood. Says whether an outage ends.
    pub(super) fn call_answered(&mut self) -> bool {
        self.reached = true;
        self.failures = None;
        std::mem::take(&mut self.degraded)
    }

    /// The token endpoint answered: the server is there, whatever becomes of the polls.
    pub(super) const fn reached(&mut self) {
        self.reached = true;
    }

    /// The wall clock was set back: the moment that people read follows.
    pub(super) fn clock_set_back(&mut self, by: Duration) {
        if let Some(run) = &mut self.failures {
            run.since.wall = run.since.wall - by;
        }
    }
}
