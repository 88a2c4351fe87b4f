//! How things stand right now, as gauges that are made for each scrape from the engine's view, the log's queues and
//! the time. A gauge without a value for an app is left out.

use prometheus::{GaugeVec, Opts, Registry};
use tokio::time::Instant;

use crate::domain::{ARTEFACT_LIFE, AppCondition, FileState, PauseReason, TicketState, Trouble};
use crate::engine::{AppView, METRICS_NAMESPACE, Now, Snapshot};

/// Name, help, and the value where there is something to show.
type OfApp = (&'static str, &'static str, fn(&AppView, Now) -> Option<f64>);

const OF_APP: [OfApp; 9] = [
    (
        "budget_left_requests",
        "Polls that the app may send right now; apps with the same host and app id share, and show, one budget.",
        |app, _| Some(app.budget_left as f64),
    ),
    ("budget_limit_requests", "Requests that the app's rate_limit allows within its time.", |app, _| {
        Some(app.rate_limit.requests.get().into())
    }),
    (
        "requests_this_month",
        "Requests of this month, UTC, that count against the platform's quota, of all apps with this budget.",
        |app, _| Some(app.requests_this_month as f64),
    ),
    (
        "oldest_overdue_seconds",
        "For how long the app's ticket has been due that is next in line; 0 if none is. A pause does not stop it.",
        |app, now| Some(app.next_due.map_or(0.0, |due| (now.at - due).as_secs_f64())),
    ),
    ("files_waiting", "Files that are to be fetched, or are about to get their names.", |app, _| {
        Some(app.files[FileState::Waiting] as f64)
    }),
    (
        "file_life_left_seconds",
        "For how long the most urgent of the app's waiting files is sure to live, or can if its age is not known; 600, a \
         whole life, if none waits.",
        |app, now| {
            let waits = app.files[FileState::Waiting] > 0;
            let left = app.alive_until.filter(|_| waits).map(|until| until.saturating_duration_since(now.at));
            Some(left.unwrap_or(ARTEFACT_LIFE).as_secs_f64())
        },
    ),
    ("app_degraded", "1 while requests of the app fail one after the other.", |app, _| {
        Some(flag(app.condition() == AppCondition::Degraded))
    }),
    ("app_pause_until_timestamp_seconds", "When the app's pause ends, where that is known.", |app, _| {
        Some(app.trouble.as_ref()?.until?.as_millis() as f64 / 1000.0)
    }),
    (
        "token_end_timestamp_seconds",
        "When the app's access token ends; none for one that others keep fresh. An app without anything to poll \
         renews none.",
        |app, now| Some(timestamp(app.token_ends_at?, now)),
    ),
];

/// Adds all gauges to a registry.
///
/// # Errors
/// Two metrics have one name: a defect of this program.
pub(super) fn register(
    registry: &Registry,
    view: &Snapshot,
    log: &[(&str, usize)],
    now: Now,
) -> prometheus::Result<()> {
    let since_epoch = |at: Option<Instant>| at.map_or(0.0, |at| timestamp(at, now));
    let of_engine = [
        (
            "loop_last_turn_timestamp_seconds",
            "When the main loop last ran, which it does every second at least; 0 before the first time.",
            since_epoch(view.turned_at),
        ),
        (
            "state_last_answer_timestamp_seconds",
            "When the state file's writer, asked every second, last showed that it does not hang; 0 before the \
             first time.",
            since_epoch(view.store_answered_at),
        ),
        ("state_failing", "1 while the state file can't be written.", flag(view.state_failing)),
        (
            "verdicts_unannounced",
            "Verdicts that are not yet both in the state file and safely in the log.",
            view.unannounced as f64,
        ),
    ];
    for (name, help, value) in of_engine {
        add(registry, name, help, [], [([], value)])?;
    }
    for (name, help, value) in OF_APP {
        let values = view.apps.iter().filter_map(|app| Some(([app.name.as_str()], value(app, now)?)));
        add(registry, name, help, ["app"], values)?;
    }
    let pauses = view.apps.iter().flat_map(|app| {
        let pause = app.trouble.as_ref().and_then(Trouble::pause);
        let reasons = PauseReason::ALL.iter();
        reasons.map(move |reason| ([app.name.as_str(), reason.as_str()], flag(pause == Some(*reason))))
    });
    let help = "1 while the app's tickets are not polled for this reason.";
    add(registry, "app_paused", help, ["app", "reason"], pauses)?;
    let tickets = view.apps.iter().flat_map(|app| {
        let states = TicketState::ALL.iter();
        states.map(|state| ([app.name.as_str(), state.as_str()], app.known.of(*state) as f64))
    });
    let help = "Tickets in the state file, listed or not, by state.";
    add(registry, "tickets", help, ["app", "state"], tickets)?;
    let lines = log.iter().map(|(sink, lines)| ([*sink], *lines as f64));
    add(registry, "log_lines_waiting", "Lines of the log that are not written yet, by sink.", ["sink"], lines)
}

/// Adds a gauge with a value for each set of labels.
pub(super) fn add<'a, const N: usize>(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: [&str; N],
    values: impl IntoIterator<Item = ([&'a str; N], f64)>,
) -> prometheus::Result<()> {
    let gauges = GaugeVec::new(opts(name, help), &labels)?;
    values.into_iter().for_each(|(labels, value)| gauges.with_label_values(&labels).set(value));
    registry.register(Box::new(gauges))
}

pub(super) fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(METRICS_NAMESPACE)
}

/// A moment of the monotonic clock in seconds since the epoch.
fn timestamp(at: Instant, now: Now) -> f64 {
    (now.wall + (at - now.at) - (now.at - at)).as_millis() as f64 / 1000.0
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus::TextEncoder;

    use super::*;
    use crate::domain::{AppName, BudgetKey, Counts, Endpoint, RateLimit, WallTime};

    const SECOND: Duration = Duration::from_secs(1);

    /// 2026-11-22T10:00:00Z
    const WALL: WallTime = WallTime::from_millis(1_795_341_600_000);

    fn app(now: Now) -> AppView {
        AppView {
            name: AppName::new("default"),
            pending: 2,
            known: [(TicketState::Pending, 2), (TicketState::Removed, 1)].into_iter().collect(),
            files: Default::default(),
            alive_until: None,
            next_due: Some(now.at + 3 * SECOND),
            token_ends_at: Some(now.at + 100 * SECOND),
            trouble: None,
            budget: BudgetKey::from("b"),
            rate_limit: RateLimit { requests: 100.try_into().unwrap(), per: 60 * SECOND },
            budget_left: 7,
            requests_this_month: 1204,
            tenant_calls_this_month: None,
            tenant: None,
        }
    }

    fn now() -> Now {
        Now { at: Instant::now() + 1000 * SECOND, wall: WALL }
    }

    fn shown(view: &Snapshot, now: Now) -> String {
        let registry = Registry::new();
        register(&registry, view, &[("stdout", 0), ("file", 12)], now).unwrap();
        TextEncoder::new().encode_to_string(&registry.gather()).unwrap().replace("feishu_export_watcher_", "")
    }

    fn has(text: &str, lines: &[&str]) {
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "no {line} in\n{text}");
        }
    }

    /// Promise: before the first run of the loop a heartbeat is 0, and no app is shown.
    #[test]
    fn nothing_is_made_up_before_the_first_run() {
        let text = shown(&Snapshot::default(), now());
        has(
            &text,
            &[
                "loop_last_turn_timestamp_seconds 0",
                "state_last_answer_timestamp_seconds 0",
                "state_failing 0",
                "verdicts_unannounced 0",
                "log_lines_waiting{sink=\"file\"} 12",
            ],
        );
        assert!(!text.contains("app"), "{text}");
    }

    /// Promise: moments are shown by the wall clock, ages by the monotonic one.
    #[test]
    fn an_app_at_work_is_shown() {
        let now = now();
        let mut view = Snapshot {
            apps: vec![app(now)],
            turned_at: Some(now.at - SECOND / 2),
            store_answered_at: Some(now.at - 30 * SECOND),
            unannounced: 3,
            state_failing: true,
            ..Snapshot::default()
        };
        let text = shown(&view, now);
        has(
            &text,
            &[
                "loop_last_turn_timestamp_seconds 1795341599.5",
                "state_last_answer_timestamp_seconds 1795341570",
                "state_failing 1",
                "verdicts_unannounced 3",
                "tickets{app=\"default\",state=\"pending\"} 2",
                "tickets{app=\"default\",state=\"removed\"} 1",
                "tickets{app=\"default\",state=\"failed\"} 0",
                "oldest_overdue_seconds{app=\"default\"} 0",
                "token_end_timestamp_seconds{app=\"default\"} 1795341700",
                "budget_left_requests{app=\"default\"} 7",
                "budget_limit_requests{app=\"default\"} 100",
                "requests_this_month{app=\"default\"} 1204",
                "app_degraded{app=\"default\"} 0",
            ],
        );
        assert!(!text.contains("pause_until"), "{text}");
        assert_eq!(text.matches("app_paused{").count(), PauseReason::ALL.len());
        assert!(!text.lines().any(|line| line.starts_with("app_paused{") && line.ends_with('1')), "{text}");
        view.apps[0].next_due = Some(now.at - 90 * SECOND);
        has(&shown(&view, now), &["oldest_overdue_seconds{app=\"default\"} 90"]);
    }

    /// Promise: a pause shows by its reason alone, and its end only where that is known.
    #[test]
    fn a_pause_is_shown_by_its_reason() {
        let now = now();
        let pause =
            |reason, until| Some(Trouble::from_pause(Endpoint::Query, reason, WALL, until, WALL + SECOND));
        let view = |app| Snapshot { apps: vec![app], ..Snapshot::default() };
        let limited =
            AppView { trouble: pause(PauseReason::RateLimited, Some(WALL + 60 * SECOND)), ..app(now) };
        let text = shown(&view(limited), now);
        has(
            &text,
            &[
                "app_paused{app=\"default\",reason=\"rate_limited\"} 1",
                "app_paused{app=\"default\",reason=\"scope_missing\"} 0",
                "app_pause_until_timestamp_seconds{app=\"default\"} 1795341660",
            ],
        );
        let broken = AppView {
            trouble: pause(PauseReason::ScopeMissing, None),
            known: Counts::default(),
            next_due: None,
            token_ends_at: None,
            ..app(now)
        };
        let text = shown(&view(broken), now);
        has(
            &text,
            &[
                "app_paused{app=\"default\",reason=\"rate_limited\"} 0",
                "app_paused{app=\"default\",reason=\"scope_missing\"} 1",
                "oldest_overdue_seconds{app=\"default\"} 0",
            ],
        );
        assert!(!text.contains("pause_until") && !text.contains("token_end"), "{text}");
    }

    /// Promise: the file that is next to be lost shows, and where none waits nothing seems to be.
    #[test]
    fn the_most_urgent_file_shows() {
        let now = now();
        for (waiting, until, left) in
            [(0, Some(100), 600), (2, Some(100), 100), (2, None, 600), (2, Some(0), 0)]
        {
            let mut app = AppView { alive_until: until.map(|it| now.at + it * SECOND), ..app(now) };
            app.files[FileState::Waiting] = waiting;
            let text = shown(&Snapshot { apps: vec![app], ..Snapshot::default() }, now);
            has(
                &text,
                &[
                    &format!("files_waiting{{app=\"default\"}} {waiting}"),
                    &format!("file_life_left_seconds{{app=\"default\"}} {left}"),
                ],
            );
        }
    }
}
