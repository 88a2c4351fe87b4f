//! The line that `systemctl status` shows: counts of tickets, and trouble that an operator should look at. A
//! pure function of the engine's view and the time.

use std::time::Duration;

use crate::domain::words::{grouped, span};
use crate::domain::{Counts, FileState, TicketState, Trouble, WallTime, escape, files_in_words};
use crate::engine::{AppView, Now, Snapshot};
use tokio::time::Instant;

/// So many apps in trouble are named, those first that an operator has to fix; the others are counted.
const APPS: usize = 3;

/// Characters of an app's name at most.
const NAME_MAX: usize = 40;

/// Characters of an app's trouble at most.
const TROUBLE_MAX: usize = 160;

/// Loop and writer show life once a second. After this long without, something is wrong with them.
const STILL: Duration = Duration::from_secs(10);

/// "1,204 pending, 31 done, 2 failed; app default paused 38 s: rate limit".
pub(super) fn line(seen: &Snapshot, now: Now) -> String {
    let mut parts = vec![counts(&seen.listed)];
    parts.extend(exports(seen));
    parts.extend(files(seen, now));
    parts.extend(stillness(seen, now));
    if seen.state_failing {
        parts.push(state_failing(seen.unannounced));
    }
    parts.extend(apps(&seen.apps, now.wall));
    // A line break would begin a message of its own.
    escape(&parts.join("; ")).into_owned()
}

/// The last line. The rest of the stop takes seconds.
pub(super) fn last_line(listed: &Counts) -> String {
    format!("stopping: {}", counts(listed))
}

fn counts(listed: &Counts) -> String {
    let of = |state| listed.of(state);
    format!(
        "{} pending, {} done, {} failed",
        grouped(of(TicketState::Pending)),
        grouped(of(TicketState::Completed)),
        grouped(of(TicketState::Failed) + of(TicketState::TimedOut))
    )
}

/// "exports 412 of 2,000 created": the others wait for their turn.
fn exports(seen: &Snapshot) -> Option<String> {
    let [created, documents] = [seen.created, seen.documents].map(grouped);
    (seen.documents > 0).then(|| format!("exports {created} of {documents} created"))
}

/// "files 3 waiting, 12 saved, the first lives 4 min more".
fn files(seen: &Snapshot, now: Now) -> Option<String> {
    let first =
        seen.apps.iter().filter(|app| app.files[FileState::Waiting] > 0).filter_map(|app| app.alive_until);
    let left = first.min().map(|until| match until.saturating_duration_since(now.at) {
        Duration::ZERO => ", the first may be gone".to_owned(),
        left => format!(", the first lives {} more", span(left)),
    });
    Some(format!("files {}{}", files_in_words(&seen.files)?, left.unwrap_or_default()))
}

/// A standstill that only a restart ends, by the watchdog or a person. A loop that stands still takes no answers.
fn stillness(seen: &Snapshot, now: Now) -> Option<String> {
    let still = |since: Option<Instant>, words: &str| {
        let age = now.at.saturating_duration_since(since?);
        (age >= STILL).then(|| format!("{words} for {}", span(age)))
    };
    still(seen.turned_at, "the engine has stood still")
        .or_else(|| still(seen.store_answered_at, "the state file's writer has not answered"))
}

fn state_failing(unannounced: usize) -> String {
    match unannounced {
        0 => "the state file can't be written".to_owned(),
        1 => "the state file can't be written, 1 verdict waits".to_owned(),
        more => format!("the state file can't be written, {} verdicts wait", grouped(more)),
    }
}

fn apps(apps: &[AppView], now: WallTime) -> Vec<String> {
    let mut troubled: Vec<_> = apps.iter().filter_map(|app| Some((app, app.trouble.as_ref()?))).collect();
    troubled.sort_by_key(|(_, trouble)| trouble.urgency());
    let words = |(app, trouble): &(&AppView, &Trouble)| {
        let (name, trouble) = (app.name.as_str(), trouble.summary(now, None));
        format!("app {} {}", cut(name, NAME_MAX), cut(&trouble, TROUBLE_MAX))
    };
    let mut parts: Vec<_> = troubled.iter().take(APPS).map(words).collect();
    match troubled.len().saturating_sub(APPS) {
        0 => {}
        1 => parts.push("1 more app in trouble".to_owned()),
        more => parts.push(format!("{} more apps in trouble", grouped(more))),
    }
    parts
}

fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::domain::{AppCondition, AppName, BudgetKey, Endpoint, ErrorKind, PauseReason, RateLimit};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The moment of the view.
    fn now() -> Now {
        Now { at: Instant::now(), wall: WallTime::from_millis(1_700_000_000_000) }
    }

    fn app(name: &str) -> AppView {
        AppView {
            name: AppName::new(name),
            pending: 1,
            known: Counts::default(),
            files: Default::default(),
            alive_until: None,
            next_due: None,
            token_ends_at: None,
            trouble: None,
            budget: BudgetKey::from(name),
            rate_limit: RateLimit { requests: 100.try_into().unwrap(), per: 60 * SECOND },
            budget_left: 100,
            requests_this_month: 0,
            tenant_calls_this_month: None,
            tenant: None,
        }
    }

    pub(in super::super) fn paused(
        name: &str,
        reason: PauseReason,
        until: Option<u64>,
        next: u64,
    ) -> AppView {
        let wall = now().wall;
        let after = |seconds| wall + Duration::from_secs(seconds);
        let pause = Trouble::from_pause(Endpoint::Query, reason, wall, until.map(after), after(next));
        AppView { trouble: Some(pause), ..app(name) }
    }

    fn of_apps(apps: impl Into<Vec<AppView>>) -> String {
        let now = now();
        line(&Snapshot { apps: apps.into(), turned_at: Some(now.at), ..Snapshot::default() }, now)
    }

    #[test]
    fn says_what_the_issue_asks_for() {
        use TicketState::{Completed, Failed, Pending, Removed, TimedOut};
        let listed = [(Pending, 1204), (Completed, 31), (Failed, 1), (TimedOut, 1), (Removed, 5)];
        let listed = listed.into_iter().collect();
        let apps = vec![paused("default", PauseReason::RateLimited, Some(38), 38)];
        let seen = Snapshot { listed, apps, ..Snapshot::default() };
        assert_eq!(
            line(&seen, now()),
            "1,204 pending, 31 done, 2 failed; app default paused 38 s: rate limit"
        );
        assert_eq!(last_line(&listed), "stopping: 1,204 pending, 31 done, 2 failed");
    }

    #[test]
    fn says_what_waits_to_be_fetched() {
        let now = now();
        let waiting = |seconds: Option<u64>| {
            let mut app = AppView { alive_until: seconds.map(|it| now.at + SECOND * it as u32), ..app("a") };
            app.files[FileState::Waiting] = 2;
            app
        };
        let of = |apps: Vec<AppView>| {
            let mut seen = Snapshot { apps, turned_at: Some(now.at), ..Snapshot::default() };
            (seen.files[FileState::Waiting], seen.files[FileState::Saved]) = (3, 12);
            line(&seen, now).split_off("0 pending, 0 done, 0 failed; ".len())
        };
        for (apps, words) in [
            (vec![waiting(Some(500)), waiting(Some(240))], ", the first lives 4 min more"),
            (vec![waiting(Some(0))], ", the first may be gone"),
            (vec![waiting(None)], ""),
        ] {
            assert_eq!(of(apps), format!("files 3 waiting, 12 saved{words}"));
        }
    }

    #[test]
    fn says_how_many_exports_are_created() {
        let seen = Snapshot { documents: 2000, created: 412, ..Snapshot::default() };
        assert_eq!(line(&seen, now()), "0 pending, 0 done, 0 failed; exports 412 of 2,000 created");
    }

    #[test]
    fn says_how_long_a_pause_lasts() {
        for (reason, until, next, words) in [
            (PauseReason::RateLimited, Some(0), 0, "paused, about to go on: rate limit"),
            (PauseReason::RateLimited, Some(600), 600, "paused 10 min: rate limit"),
            (PauseReason::QuotaExhausted, Some(864_000), 3600, "paused 10 d: monthly quota used up"),
            (PauseReason::ScopeMissing, None, 240, "paused, tried again in 4 min: API scope not granted"),
            (PauseReason::WrongBaseUrl, None, 0, "paused, being tried again: no API at its base_url"),
        ] {
            let expected = format!("0 pending, 0 done, 0 failed; app default {words}");
            assert_eq!(of_apps([paused("default", reason, until, next)]), expected);
        }
    }

    #[test]
    fn what_must_be_fixed_comes_first_and_the_rest_is_counted() {
        let outage =
            Trouble::from_calls(AppCondition::Degraded, Endpoint::Query, ErrorKind::Network, now().wall);
        let failing = AppView { trouble: Some(outage), ..app("b") };
        let apps = [
            paused("a", PauseReason::RateLimited, Some(60), 60),
            failing.clone(),
            app("fine"),
            paused("c", PauseReason::QuotaExhausted, Some(7200), 3600),
            paused("d", PauseReason::IpNotAllowed, None, 2),
        ];
        assert_eq!(
            of_apps(apps.clone()),
            "0 pending, 0 done, 0 failed; \
             app d paused, tried again in 2 s: this machine's address is not allowed; \
             app c paused 2 h: monthly quota used up; \
             app b degraded for 0 s: server not reached; \
             1 more app in trouble"
        );
        let more = apps.into_iter().chain([failing.clone(), failing]).collect::<Vec<_>>();
        assert!(of_apps(more).ends_with("; 3 more apps in trouble"));
    }

    #[test]
    fn says_that_the_state_file_fails() {
        for (unannounced, words) in [(0, ""), (1, ", 1 verdict waits"), (1204, ", 1,204 verdicts wait")] {
            let seen = Snapshot { state_failing: true, unannounced, ..Snapshot::default() };
            assert_eq!(
                line(&seen, now()),
                format!("0 pending, 0 done, 0 failed; the state file can't be written{words}")
            );
        }
    }

    /// Promise: a program that lives and does nothing shows it in its line.
    #[test]
    fn says_what_stands_still() {
        let shown = now();
        let seen =
            Snapshot { turned_at: Some(shown.at), store_answered_at: Some(shown.at), ..Snapshot::default() };
        let after = |seconds| Now { at: shown.at + seconds * SECOND, ..shown };
        assert_eq!(line(&seen, after(9)), "0 pending, 0 done, 0 failed");
        assert_eq!(
            line(&seen, after(42)),
            "0 pending, 0 done, 0 failed; the engine has stood still for 42 s"
        );
        let hung = Snapshot { turned_at: Some(after(42).at), ..seen };
        assert_eq!(
            line(&hung, after(43)),
            "0 pending, 0 done, 0 failed; the state file's writer has not answered for 43 s"
        );
    }

    /// Whatever an app is called, the line is one line, escaped and of a bounded length.
    #[test]
    fn no_name_can_break_the_line() {
        let evil = paused(&"x\nWATCHDOG=1\n\u{1b}[2J".repeat(100), PauseReason::IpNotAllowed, None, 200_000);
        let line = of_apps(vec![evil; 1000]);
        assert!(!line.contains(char::is_control), "{line}");
        assert!(line.contains("x\\u{a}WATCHDOG=1\\u{a}"), "{line}");
        assert!(line.len() < 1500, "{} bytes", line.len());
        assert!(line.ends_with("; 997 more apps in trouble"), "{line}");
    }
}
