//! How things stand right now, as gauges: a pure function of the engine's view, the log's queues and the time.
//! A gauge that has nothing to say is left out.

use feishu_export_watcher::domain::{AppCondition, PauseReason, TicketState, Trouble};
use feishu_export_watcher::watch::{AppView, METRICS_NAMESPACE, Now, Snapshot};
use prometheus::proto::{Gauge, LabelPair, Metric, MetricFamily, MetricType};
use tokio::time::Instant;

/// A sink of the log, and how many lines wait for it.
type Waiting = (&'static str, usize);

/// The gauges.
pub(super) fn families(view: &Snapshot, log: &[Waiting], now: Now) -> Vec<MetricFamily> {
    let mut families = of_apps(&view.apps, now);
    families.extend(of_engine(view, now));
    let waiting = log.iter().map(|(sink, lines)| sample(&[("sink", sink)], number(*lines)));
    families.push(family(
        "log_lines_waiting",
        "Lines of the log that are not written yet, by sink.",
        waiting.collect(),
    ));
    families.retain(|family| !family.get_metric().is_empty());
    families
}

fn of_engine(view: &Snapshot, now: Now) -> [MetricFamily; 4] {
    let moment = |at: Option<Instant>| at.map_or(0.0, |at| timestamp(at, now));
    let one = |name, help, value| family(name, help, vec![sample(&[], value)]);
    [
        one(
            "loop_last_turn_timestamp_seconds",
            "When the main loop last took a turn, which it does every second at least; 0 before the first one.",
            moment(view.turned_at),
        ),
        one(
            "state_last_answer_timestamp_seconds",
            "When the state file's writer, asked every second, last showed that it does not hang; 0 before the \
             first time.",
            moment(view.store_answered_at),
        ),
        one("state_failing", "1 while the state file can't be written.", flag(view.state_failing)),
        one(
            "verdicts_unannounced",
            "Verdicts that are not yet both in the state file and safely in the log.",
            number(view.unannounced),
        ),
    ]
}

fn of_apps(apps: &[AppView], now: Now) -> Vec<MetricFamily> {
    vec![
        each(apps, "budget_left_requests", BUDGET_LEFT, |app| Some(number(app.budget_left))),
        each(apps, "budget_limit_requests", BUDGET_LIMIT, |app| Some(app.rate_limit.requests.get().into())),
        each(apps, "requests_this_month", THIS_MONTH, |app| Some(app.requests_this_month as f64)),
        each(apps, "oldest_overdue_seconds", OVERDUE, |app| Some(overdue(app, now))),
        each(apps, "app_degraded", "1 while requests of the app fail one after the other.", |app| {
            Some(flag(app.condition() == AppCondition::Degraded))
        }),
        each(apps, "app_pause_until_timestamp_seconds", PAUSE_UNTIL, |app| {
            Some(app.trouble.as_ref()?.until?.as_millis() as f64 / 1000.0)
        }),
        each(apps, "token_end_timestamp_seconds", TOKEN_END, |app| Some(timestamp(app.token_ends_at?, now))),
        each_of(apps, "app_paused", PAUSED, "reason", |app| {
            let pause = app.trouble.as_ref().and_then(Trouble::pause);
            let is = |reason| pause == Some(reason);
            PauseReason::ALL.map(|reason| (reason.as_str(), flag(is(reason)))).into()
        }),
        each_of(apps, "tickets", TICKETS, "state", |app| {
            TicketState::ALL.map(|state| (state.as_str(), number(app.known.of(state)))).into()
        }),
    ]
}

const BUDGET_LEFT: &str =
    "Polls that the app may send right now; apps with the same host and app id share, and show, one budget.";
const BUDGET_LIMIT: &str = "Requests that the app's rate_limit allows within its time.";
const THIS_MONTH: &str =
    "Requests of this month, UTC, that count against the platform's quota, of all apps with this budget.";
const OVERDUE: &str = "For how long the app's ticket has been due that is next in line; 0 if none is. A pause does not stop it.";
const PAUSE_UNTIL: &str = "When the app's pause ends, where that is known.";
const TOKEN_END: &str = "When the app's access token ends; none for one that others keep fresh. An app without anything to poll \
     renews none.";
const PAUSED: &str = "1 while the app's tickets are not polled for this reason.";
const TICKETS: &str = "Tickets in the state file, listed or not, by state.";

fn overdue(app: &AppView, now: Now) -> f64 {
    app.next_due.map_or(0.0, |due| now.at.saturating_duration_since(due).as_secs_f64())
}

/// A moment of the monotonic clock in seconds since the epoch.
fn timestamp(at: Instant, now: Now) -> f64 {
    let wall = now.wall + at.saturating_duration_since(now.at);
    (wall - now.at.saturating_duration_since(at)).as_millis() as f64 / 1000.0
}

fn number(count: usize) -> f64 {
    count as f64
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn each(apps: &[AppView], name: &str, help: &str, value: impl Fn(&AppView) -> Option<f64>) -> MetricFamily {
    let samples = apps.iter().filter_map(|app| Some(sample(&[("app", app.name.as_str())], value(app)?)));
    family(name, help, samples.collect())
}

fn each_of(
    apps: &[AppView],
    name: &str,
    help: &str,
    label: &str,
    values: impl Fn(&AppView) -> Vec<(&'static str, f64)>,
) -> MetricFamily {
    let samples = apps.iter().flat_map(|app| {
        let of_app = |(word, value)| sample(&[("app", app.name.as_str()), (label, word)], value);
        values(app).into_iter().map(of_app).collect::<Vec<_>>()
    });
    family(name, help, samples.collect())
}

fn family(name: &str, help: &str, samples: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(format!("{METRICS_NAMESPACE}_{name}"));
    family.set_help(help.to_owned());
    family.set_field_type(MetricType::GAUGE);
    family.set_metric(samples);
    family
}

fn sample(labels: &[(&str, &str)], value: f64) -> Metric {
    let label = |(name, value): &(&str, &str)| {
        let mut label = LabelPair::default();
        label.set_name((*name).to_owned());
        label.set_value((*value).to_owned());
        label
    };
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_gauge(gauge);
    metric.set_label(labels.iter().map(label).collect());
    metric
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use feishu_export_watcher::domain::{AppName, BudgetKey, Endpoint, RateLimit, WallTime};
    use feishu_export_watcher::watch::Counts;
    use prometheus::TextEncoder;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// 2026-11-22T10:00:00Z
    const WALL: WallTime = WallTime::from_millis(1_795_341_600_000);

    fn app(now: Now) -> AppView {
        AppView {
            name: AppName::new("default"),
            pending: 2,
            known: [TicketState::Pending, TicketState::Pending, TicketState::Removed].into_iter().collect(),
            next_due: Some(now.at + 3 * SECOND),
            token_ends_at: Some(now.at + 100 * SECOND),
            trouble: None,
            budget: BudgetKey::from("b"),
            rate_limit: RateLimit { requests: 100.try_into().unwrap(), per: 60 * SECOND },
            budget_left: 7,
            requests_this_month: 1204,
        }
    }

    fn now() -> Now {
        Now { at: Instant::now() + 1000 * SECOND, wall: WALL }
    }

    fn shown(view: &Snapshot, now: Now) -> String {
        let families = families(view, &[("stdout", 0), ("file", 12)], now);
        TextEncoder::new().encode_to_string(&families).unwrap().replace("feishu_export_watcher_", "")
    }

    fn has(text: &str, lines: &[&str]) {
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "no {line} in\n{text}");
        }
    }

    /// Promise: before the first turn a heartbeat is 0, and no app is shown.
    #[test]
    fn nothing_is_made_up_before_the_first_turn() {
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
        let of = |app| Snapshot { apps: vec![app], ..Snapshot::default() };
        let limited =
            AppView { trouble: pause(PauseReason::RateLimited, Some(WALL + 60 * SECOND)), ..app(now) };
        let text = shown(&of(limited), now);
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
        let text = shown(&of(broken), now);
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
}
