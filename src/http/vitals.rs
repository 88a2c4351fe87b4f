//! Whether the watcher lives and is ready, judged by what the engine shows of itself. Decides nothing by a
//! timer of its own: a loop that stands still shows nothing new, and that is what is seen here.

use std::time::Duration;

use crate::domain::Trouble;
use crate::engine::{AppView, Snapshot};
use tokio::time::Instant;

/// The loop takes a turn every second, and at a stop waits at most 8 s for polls in flight.
const TURN_WITHIN: Duration = Duration::from_secs(10);

/// The state file's writer is asked once a second. A disk that is slow to sync is not one that hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Before its first turn the engine reads the state file. A hundred thousand tickets take a second or two;
/// whatever takes this long hangs.
const LOAD_WITHIN: Duration = Duration::from_secs(60);

/// Where the clock stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// Now.
    pub(super) now: Instant,
    /// When the run began.
    pub(super) began: Instant,
}

impl Times {
    fn since(self, moment: Instant) -> Duration {
        self.now.saturating_duration_since(moment)
    }
}

/// Whether the main loop moves; in either case a line that says so. Nothing that Feishu or the disk does is
/// held against it.
pub(super) fn live(view: &Snapshot, times: Times) -> Result<String, String> {
    match view.turned_at.map(|turned| times.since(turned)) {
        Some(age) if age <= TURN_WITHIN => Ok(moved(age)),
        Some(age) => Err(moved(age)),
        None if times.since(times.began) <= LOAD_WITHIN => Ok(loading(times)),
        None => Err(loading(times)),
    }
}

/// Whether the watcher can do its work; if not, a reason a line.
pub(super) fn ready(view: &Snapshot, stopping: bool, times: Times) -> Result<String, Vec<String>> {
    if stopping {
        return Err(vec!["the watcher is stopping".to_owned()]);
    }
    // What a loop that stands still showed last may no longer be true.
    live(view, times).map_err(|reason| vec![reason])?;
    if view.turned_at.is_none() {
        return Err(vec![loading(times)]);
    }
    let mut reasons = Vec::new();
    reasons.extend(trouble_with_state(view, times));
    reasons.extend(unanswered(&view.apps));
    if reasons.is_empty() { Ok("ready".to_owned()) } else { Err(reasons) }
}

fn trouble_with_state(view: &Snapshot, times: Times) -> Option<String> {
    if view.state_failing {
        return Some("the state file can't be written; the log says why (state.failed)".to_owned());
    }
    match view.store_answered_at.map(|answered| times.since(answered)) {
        Some(age) if age <= ANSWER_WITHIN => None,
        Some(age) => Some(format!("the state file's writer last answered {} s ago", age.as_secs())),
        None => Some("the state file's writer has not answered yet".to_owned()),
    }
}

/// What is wrong with every app that has open tickets, if none of them gets proper answers.
fn unanswered(apps: &[AppView]) -> Vec<String> {
    let open = || apps.iter().filter(|app| app.pending > 0);
    let stopped = |app: &AppView| app.trouble.as_ref().is_some_and(Trouble::stops_answers);
    if !open().all(stopped) {
        return Vec::new();
    }
    let reason =
        |app: &AppView| Some(format!("app {} {}", app.name, app.trouble.as_ref()?.summary_and_hint()));
    open().filter_map(reason).collect()
}

fn moved(age: Duration) -> String {
    format!("the main loop last moved {} s ago", age.as_secs())
}

fn loading(times: Times) -> String {
    format!("the state file has been loading for {} s", times.since(times.began).as_secs())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use crate::domain::Counts;
    use crate::domain::{
        AppCondition, AppName, BudgetKey, Endpoint, ErrorKind, PauseReason, RateLimit, WallTime,
    };

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn app(name: &str, reason: Option<PauseReason>) -> AppView {
        let at = WallTime::from_millis(1_795_341_600_000);
        AppView {
            name: AppName::new(name),
            pending: 1,
            known: Counts::default(),
            next_due: None,
            token_ends_at: None,
            trouble: reason.map(|reason| Trouble::from_pause(Endpoint::Query, reason, at, None, at)),
            budget: BudgetKey::from("b"),
            rate_limit: RateLimit { requests: NonZeroU32::MIN, per: SECOND },
            budget_left: 1,
            requests_this_month: 0,
        }
    }

    /// An engine that turned, and a writer that answered, so many seconds before now.
    fn engine(turned: u32, answered: u32) -> (Snapshot, Times) {
        let now = Instant::now() + 1000 * SECOND;
        let view = Snapshot {
            turned_at: Some(now - turned * SECOND),
            store_answered_at: Some(now - answered * SECOND),
            apps: vec![app("a", None), app("b", None)],
            ..Snapshot::default()
        };
        (view, Times { now, began: now - 900 * SECOND })
    }

    /// Promise 8: a loop that stands still is seen; nothing else is held against it.
    #[test]
    fn live_is_a_loop_that_moves() {
        let (mut view, times) = engine(10, 500);
        view.state_failing = true;
        view.apps = vec![app("a", Some(PauseReason::CredentialsRejected))];
        assert_eq!(live(&view, times).unwrap(), "the main loop last moved 10 s ago");
        let (view, times) = engine(14, 0);
        assert_eq!(live(&view, times).unwrap_err(), "the main loop last moved 14 s ago");
        assert_eq!(ready(&view, false, times).unwrap_err(), ["the main loop last moved 14 s ago"]);
    }

    /// Promise 8: a state file that takes long to read is no reason for a restart, one that hangs is.
    #[test]
    fn loading_has_its_time() {
        let began = Instant::now();
        let at = |seconds| Times { now: began + seconds * SECOND, began };
        let view = Snapshot::default();
        assert_eq!(live(&view, at(60)).unwrap(), "the state file has been loading for 60 s");
        assert_eq!(live(&view, at(61)).unwrap_err(), "the state file has been loading for 61 s");
        assert_eq!(
            ready(&view, false, at(3)).unwrap_err(),
            ["the state file has been loading for 3 s"],
            "no list is taken yet"
        );
    }

    /// Promise 8: ready is who can write, and poll for one app at least; else every reason is named.
    #[test]
    fn ready_says_what_is_missing() {
        let (view, times) = engine(1, 10);
        assert_eq!(ready(&view, false, times).unwrap(), "ready");
        assert_eq!(ready(&view, true, times).unwrap_err(), ["the watcher is stopping"]);

        let mut view = view;
        view.apps = vec![app("a", Some(PauseReason::RateLimited)), app("b", None)];
        assert!(ready(&view, false, times).is_ok(), "one app of two goes on");
        view.apps[1] = app("b", Some(PauseReason::CredentialsRejected));
        view.state_failing = true;
        let reasons = ready(&view, false, times).unwrap_err();
        assert!(reasons[0].starts_with("the state file can't be written"), "{reasons:?}");
        assert!(reasons[1].starts_with("app a is paused: rate limit; "), "{reasons:?}");
        assert!(
            reasons[2].starts_with("app b is paused: app id, secret or token is wrong; put the right"),
            "{reasons:?}"
        );

        let (mut view, times) = engine(1, 1);
        let calls = |condition| {
            let since = WallTime::from_millis(1_795_341_600_000);
            Some(Trouble::from_calls(condition, Endpoint::Token, ErrorKind::Network, since))
        };
        view.apps[0].trouble = calls(AppCondition::Degraded);
        view.apps[1].pending = 0;
        let reasons = ready(&view, false, times).unwrap_err();
        assert!(
            reasons[0].starts_with("app a is degraded: server not reached; polling goes on"),
            "{reasons:?}"
        );
        view.apps[0].trouble = calls(AppCondition::Active);
        assert!(ready(&view, false, times).is_ok(), "two calls that failed are no outage");
        view.apps[0] = app("a", Some(PauseReason::CredentialsRejected));
        view.apps[0].pending = 0;
        assert!(ready(&view, false, times).is_ok(), "nothing waits for an answer");

        let (mut view, times) = engine(1, 11);
        let hangs = ready(&view, false, times).unwrap_err();
        assert_eq!(hangs, ["the state file's writer last answered 11 s ago"]);
        view.store_answered_at = None;
        let silent = ready(&view, false, times).unwrap_err();
        assert_eq!(silent, ["the state file's writer has not answered yet"]);
    }
}
