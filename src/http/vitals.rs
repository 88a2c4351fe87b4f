//! Whether the watcher lives and is ready, judged by the engine's view of itself. Decides nothing by a
//! timer of its own: a loop that stands still shows nothing new.

use std::time::Duration;

use tokio::time::Instant;

use crate::engine::{AppView, Snapshot};

/// The loop runs every second, and at a stop waits at most 8 s for polls in flight.
const TURN_WITHIN: Duration = Duration::from_secs(10);

/// The state file's writer is asked once a second. A disk that is slow to sync is not one that hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Before its first run the engine reads the state file. A hundred thousand tickets take a second or two;
/// a loading that takes this long hangs.
const LOAD_WITHIN: Duration = Duration::from_secs(60);

/// Whether the main loop moves; in either case with a line about it. Feishu and the disk make no difference.
pub(super) fn live(view: &Snapshot, began: Instant, now: Instant) -> Result<String, String> {
    let age = now - view.turned_at.unwrap_or(began);
    let (line, limit) = match view.turned_at {
        Some(_) => (format!("the main loop last moved {} s ago", age.as_secs()), TURN_WITHIN),
        None => (format!("the state file has been loading for {} s", age.as_secs()), LOAD_WITHIN),
    };
    if age <= limit { Ok(line) } else { Err(line) }
}

/// Whether the watcher can do its work; if not, a reason a line.
pub(super) fn ready(view: &Snapshot, stopping: bool, began: Instant, now: Instant) -> Result<String, String> {
    if stopping {
        return Err("the watcher is stopping".to_owned());
    }
    // The last view of a loop that stands still may be outdated.
    let line = live(view, began, now)?;
    if view.turned_at.is_none() {
        return Err(line);
    }
    let reasons: Vec<_> = trouble_with_state(view, now).into_iter().chain(unanswered(&view.apps)).collect();
    if reasons.is_empty() { Ok("ready".to_owned()) } else { Err(reasons.join("\n")) }
}

/// What is wrong with the loop or the state file, if anything is; a state file that is being loaded is not yet.
pub(super) fn trouble(view: &Snapshot, began: Instant, now: Instant) -> Option<String> {
    match live(view, began, now) {
        Err(line) => Some(line),
        Ok(_) => view.turned_at.and_then(|_| trouble_with_state(view, now)),
    }
}

fn trouble_with_state(view: &Snapshot, now: Instant) -> Option<String> {
    if view.state_failing {
        return Some("the state file can't be written; the log says why (state.failed)".to_owned());
    }
    match view.store_answered_at {
        Some(at) if now - at <= ANSWER_WITHIN => None,
        Some(at) => Some(format!("the state file's writer last answered {} s ago", (now - at).as_secs())),
        None => Some("the state file's writer has not answered yet".to_owned()),
    }
}

/// The trouble of every app that has open tickets; none if one of them gets proper answers.
fn unanswered(apps: &[AppView]) -> Vec<String> {
    let reason = |app: &AppView| {
        let trouble = app.trouble.as_ref().filter(|trouble| trouble.stops_answers())?;
        Some(format!("app {} {}", app.name, trouble.summary_and_hint()))
    };
    let open = apps.iter().filter(|app| app.pending > 0);
    open.map(reason).collect::<Option<_>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use crate::domain::{
        AppCondition, AppName, BudgetKey, Counts, Endpoint, ErrorKind, PauseReason, RateLimit, Trouble,
        WallTime,
    };

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn app(name: &str, reason: Option<PauseReason>) -> AppView {
        let at = WallTime::from_millis(1_795_341_600_000);
        AppView {
            name: AppName::new(name),
            pending: 1,
            known: Counts::default(),
            files: Default::default(),
            alive_until: None,
            next_due: None,
            token_ends_at: None,
            trouble: reason.map(|reason| Trouble::from_pause(Endpoint::Query, reason, at, None, at)),
            budget: BudgetKey::from("b"),
            rate_limit: RateLimit { requests: NonZeroU32::MIN, per: SECOND },
            budget_left: 1,
            requests_this_month: 0,
            tenant_calls_this_month: None,
            tenant: None,
        }
    }

    /// An engine that turned, and a writer that answered, so many seconds before now.
    fn engine(turned: u32, answered: u32) -> (Snapshot, Instant) {
        let now = Instant::now() + 1000 * SECOND;
        let view = Snapshot {
            turned_at: Some(now - turned * SECOND),
            store_answered_at: Some(now - answered * SECOND),
            apps: vec![app("a", None), app("b", None)],
            ..Snapshot::default()
        };
        (view, now)
    }

    fn lives(view: &Snapshot, now: Instant) -> Result<String, String> {
        live(view, now - 900 * SECOND, now)
    }

    fn reasons(view: &Snapshot, is_stopping: bool, now: Instant) -> Result<String, Vec<String>> {
        let verdict = ready(view, is_stopping, now - 900 * SECOND, now);
        verdict.map_err(|reasons| reasons.lines().map(str::to_owned).collect())
    }

    /// Promise 8: a loop that stands still is seen; nothing else is held against it.
    #[test]
    fn live_is_a_loop_that_moves() {
        let (mut view, now) = engine(10, 500);
        view.state_failing = true;
        view.apps = vec![app("a", Some(PauseReason::CredentialsRejected))];
        assert_eq!(lives(&view, now).unwrap(), "the main loop last moved 10 s ago");
        let (view, now) = engine(14, 0);
        assert_eq!(lives(&view, now).unwrap_err(), "the main loop last moved 14 s ago");
        assert_eq!(reasons(&view, false, now).unwrap_err(), ["the main loop last moved 14 s ago"]);
    }

    /// Promise 8: a state file that takes long to read is no reason for a restart, one that hangs is.
    #[test]
    fn loading_has_its_time() {
        let began = Instant::now();
        let at = |seconds| began + seconds * SECOND;
        let view = Snapshot::default();
        assert_eq!(live(&view, began, at(60)).unwrap(), "the state file has been loading for 60 s");
        assert_eq!(live(&view, began, at(61)).unwrap_err(), "the state file has been loading for 61 s");
        assert_eq!(
            ready(&view, false, began, at(3)).unwrap_err(),
            "the state file has been loading for 3 s",
            "no list is taken yet"
        );
    }

    /// Promise 8: a watcher is ready that can write, and poll for one app at least; else every reason is named.
    #[test]
    fn ready_says_what_is_missing() {
        let (view, now) = engine(1, 10);
        assert_eq!(reasons(&view, false, now).unwrap(), "ready");
        assert_eq!(reasons(&view, true, now).unwrap_err(), ["the watcher is stopping"]);

        let mut view = view;
        view.apps = vec![app("a", Some(PauseReason::RateLimited)), app("b", None)];
        assert!(reasons(&view, false, now).is_ok(), "one app of two goes on");
        view.apps[1] = app("b", Some(PauseReason::CredentialsRejected));
        view.state_failing = true;
        let found = reasons(&view, false, now).unwrap_err();
        assert!(found[0].starts_with("the state file can't be written"), "{found:?}");
        assert!(found[1].starts_with("app a is paused: rate limit; "), "{found:?}");
        assert!(
            found[2].starts_with("app b is paused: app id, secret or token is wrong; put the right"),
            "{found:?}"
        );

        let (mut view, now) = engine(1, 1);
        let calls = |condition| {
            let since = WallTime::from_millis(1_795_341_600_000);
            Some(Trouble::from_calls(condition, Endpoint::Token, ErrorKind::Network, since))
        };
        view.apps[0].trouble = calls(AppCondition::Degraded);
        view.apps[1].pending = 0;
        let found = reasons(&view, false, now).unwrap_err();
        assert!(found[0].starts_with("app a is degraded: server not reached; polling goes on"), "{found:?}");
        view.apps[0].trouble = calls(AppCondition::Active);
        assert!(reasons(&view, false, now).is_ok(), "two calls that failed are no outage");
        view.apps[0] = app("a", Some(PauseReason::CredentialsRejected));
        view.apps[0].pending = 0;
        assert!(reasons(&view, false, now).is_ok(), "nothing waits for an answer");

        let (mut view, now) = engine(1, 11);
        let hangs = reasons(&view, false, now).unwrap_err();
        assert_eq!(hangs, ["the state file's writer last answered 11 s ago"]);
        view.store_answered_at = None;
        let silent = reasons(&view, false, now).unwrap_err();
        assert_eq!(silent, ["the state file's writer has not answered yet"]);
    }
}
