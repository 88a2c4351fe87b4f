//! What the engine notes of its work, and what it shows for gauges.

use std::path::PathBuf;

use super::fakes::*;
use crate::domain::*;
use crate::engine::*;
use crate::feishu::*;

fn polls(bench: &Bench, app: &str, result: &str) -> f64 {
    bench.metric(&format!("polls_total{{app=\"{app}\",result=\"{result}\"}}"))
}

fn pauses(bench: &Bench, app: &str, reason: &str) -> f64 {
    bench.metric(&format!("pauses_total{{app=\"{app}\",reason=\"{reason}\"}}"))
}

fn finished(bench: &Bench, kind: &str, outcome: &str) -> f64 {
    bench.metric(&format!(
        "tickets_finished_total{{app=\"default\",error_kind=\"{kind}\",outcome=\"{outcome}\"}}"
    ))
}

fn of_default(bench: &Bench, name: &str) -> f64 {
    bench.metric(&format!("{name}{{app=\"default\"}}"))
}

/// Promise: every poll is counted once, by what it brought, with its lag and its answer's time.
#[tokio::test(start_paused = true)]
async fn a_poll_counts_once() {
    let api = FakeApi::new(|_, nth| {
        let verdict = match nth {
            1 => Verdict::Pending,
            2 => Verdict::Throttled { reset: Some(52 * SECOND) },
            3 => trouble(),
            4 => Verdict::Unclear(ErrorKind::NoFileToken),
            5 => Verdict::Postponed,
            6 => PANIC,
            _ => completed(),
        };
        (2 * SECOND, verdict)
    });
    let bench = Bench::new(api).tickets("default", ["1"]);
    assert_eq!(bench.run().await.end, End::Done);
    for result in ["pending", "throttled", "server_error", "unclear", "postponed", "network", "completed"] {
        assert_eq!(polls(&bench, "default", result), 1.0, "{result}");
    }
    for result in ["failed", "token_rejected", "app_fault"] {
        assert_eq!(polls(&bench, "default", result), 0.0, "{result}");
    }
    assert_eq!(bench.metric("requests_total{app=\"default\",endpoint=\"query\"}"), 7.0);
    assert_eq!(bench.metric("requests_total{app=\"default\",endpoint=\"token\"}"), 1.0);
    assert_eq!(bench.metric("throttles_total{app=\"default\",endpoint=\"query\"}"), 1.0);
    assert_eq!(pauses(&bench, "default", "rate_limited"), 1.0);
    assert_eq!(of_default(&bench, "poll_duration_seconds_count"), 7.0);
    let took = of_default(&bench, "poll_duration_seconds_sum");
    assert!((12.0..14.1).contains(&took), "{took}");
    assert_eq!(of_default(&bench, "poll_lag_seconds_count"), 7.0);
    let lag = of_default(&bench, "poll_lag_seconds_sum");
    assert!((54.0..55.0).contains(&lag), "the throttled poll waited for the app, no other did: {lag}");
    let hour = bench.meters.last_hour(&AppName::new("default"), START + 200 * SECOND);
    let sum = |count: fn(&Minute) -> u32| hour.iter().map(count).sum::<u32>();
    assert_eq!((sum(|it| it.proper), sum(|it| it.troubled)), (5, 3), "polls and a token, each once");
    let late = bench.meters.last_hour(&AppName::new("default"), START + 2 * 3600 * SECOND);
    assert_eq!(late, [Minute::default(); MINUTES]);
}

/// Promise: what is left of a file's life is measured when its token is known, and only where it is known.
#[tokio::test(start_paused = true)]
async fn slack_is_measured_at_the_verdict() {
    let api = FakeApi::new(|ticket, nth| {
        (SECOND, if ticket == "seen" && nth == 1 { Verdict::Pending } else { completed() })
    });
    let mut bench = Bench::new(api).tickets("default", ["seen", "unknown", "created", "late"]);
    let ago = |seconds: i64| Some(WallTime::from_millis(START.as_millis() - seconds * 1000));
    bench.entries[2].created_at = ago(300);
    bench.entries[3].created_at = ago(1000);
    bench.run().await;
    let of = |what: &str| of_default(&bench, &format!("download_slack_seconds_{what}"));
    assert_eq!(of("count"), 3.0);
    // Seen running by a poll sent at 0.1, found at 6.1; the second is found at 1.1, the third too late.
    assert!((of("sum") - (594.0 + 298.9)).abs() < 0.1, "{}", of("sum"));
    let up_to =
        |le: &str| bench.metric(&format!("download_slack_seconds_bucket{{app=\"default\",le=\"{le}\"}}"));
    assert_eq!(["0", "240", "300", "590", "600"].map(up_to), [1.0, 1.0, 2.0, 2.0, 3.0]);
}

/// Promise: a throttled answer counts for the app that got it, a pause for each app that it stops.
#[tokio::test(start_paused = true)]
async fn a_shared_budget_is_throttled_once() {
    let mut throttled = false;
    let api = FakeApi::new(move |_, _| {
        let first = !std::mem::replace(&mut throttled, true);
        (SECOND, if first { Verdict::Throttled { reset: None } } else { completed() })
    });
    let mut bench = Bench::new(api);
    bench.apps = vec![app("a", 100), App { name: AppName::new("b"), ..app("a", 100) }];
    bench.settings.max_in_flight = 1.try_into().unwrap();
    bench = bench.tickets("a", ["1"]).tickets("b", ["2"]);
    bench.run().await;
    let throttles = |app| bench.metric(&format!("throttles_total{{app=\"{app}\",endpoint=\"query\"}}"));
    assert_eq!((throttles("a"), throttles("b")), (1.0, 0.0));
    assert_eq!((polls(&bench, "a", "throttled"), polls(&bench, "b", "throttled")), (1.0, 0.0));
    assert_eq!((pauses(&bench, "a", "rate_limited"), pauses(&bench, "b", "rate_limited")), (1.0, 1.0));
}

/// Promise: an ended ticket counts once, by its outcome, and by its error's kind where it came to nothing.
#[tokio::test(start_paused = true)]
async fn ends_are_counted_by_outcome() {
    let api = FakeApi::new(|ticket, _| {
        let verdict = match ticket {
            "done" => completed(),
            "large" => Verdict::Failed(ErrorKind::DocumentTooLarge),
            "strange" => Verdict::Strange(Strange::UnlistedCode),
            "moved" => Verdict::Postponed,
            "left" => trouble(),
            _ => Verdict::Pending,
        };
        (SECOND / 10, verdict)
    });
    let all = ["done", "large", "strange", "moved", "left", "slow"];
    let mut bench = Bench::new(api).tickets("default", all);
    bench.settings.until_done = false;
    bench.settings.give_up_after = 30 * MINUTE;
    let running = bench.start();
    tokio::time::sleep(MINUTE).await;
    running
        .take_list(bench.entries.iter().filter(|it| it.key.id.as_str() != "left").cloned().collect())
        .await;
    tokio::time::sleep(40 * MINUTE).await;
    for (kind, outcome) in [
        ("", "completed"),
        ("document_too_large", "failed"),
        ("unknown_code", "failed"),
        ("server_error", "timed_out"),
        ("", "timed_out"),
        ("", "removed"),
    ] {
        assert_eq!(finished(&bench, kind, outcome), 1.0, "{outcome} {kind}");
    }
    let known = running.view.borrow().apps[0].known;
    let counts: Vec<_> = TicketState::ALL.iter().map(|state| known.of(*state)).collect();
    assert_eq!(counts, [0, 1, 2, 2, 1], "left or listed");
    running.stop.cancel();
    running.outcome.await.unwrap();
}

/// Promise: an app's fault shows as its pause, and tokens by what came of asking for them.
#[tokio::test(start_paused = true)]
async fn tokens_are_counted_by_what_came_of_them() {
    let api = FakeApi::new(|_, nth| (SECOND, if nth < 30 { Verdict::Pending } else { completed() }))
        .with_tokens(|_, nth| match nth {
            1 => Err(TokenTrouble::AppFault(PauseReason::CredentialsRejected)),
            3 => Err(TokenTrouble::Retry(ErrorKind::Network)),
            4 => Err(TokenTrouble::Throttled { reset: None }),
            _ => Ok(Some(1200)),
        });
    let bench = Bench::new(api).tickets("default", ["1"]);
    assert_eq!(bench.run().await.end, End::Done);
    let renewals =
        |result| bench.metric(&format!("token_renewals_total{{app=\"default\",result=\"{result}\"}}"));
    let all = ["renewed", "unchanged", "failed", "throttled", "refused"].map(renewals);
    assert_eq!(all, [2.0, 0.0, 1.0, 1.0, 1.0]);
    assert_eq!(bench.metric("throttles_total{app=\"default\",endpoint=\"token\"}"), 1.0);
    assert_eq!(bench.metric("requests_total{app=\"default\",endpoint=\"token\"}"), 5.0);
    assert_eq!(pauses(&bench, "default", "credentials_rejected"), 1.0);
}

/// Promise: a state file that can't be written shows as errors, each try once.
#[tokio::test(start_paused = true)]
async fn commits_are_counted_with_their_errors() {
    let mut bench = Bench::new(FakeApi::new(|_, _| (SECOND, completed())))
        .tickets("default", (0..20).map(|ticket| ticket.to_string()));
    bench.settings.until_done = false;
    bench.store.with(|kept| kept.fails = true);
    let running = bench.start();
    tokio::time::sleep(10 * SECOND).await;
    let errors = bench.metric("state_commit_errors_total");
    assert!((5.0..12.0).contains(&errors), "{errors}");
    assert_eq!(bench.metric("state_commits_total"), errors);
    bench.store.with(|kept| kept.fails = false);
    tokio::time::sleep(10 * SECOND).await;
    running.stop.cancel();
    running.outcome.await.unwrap();
    let (commits, written) =
        (bench.metric("state_commits_total"), bench.store.with(|kept| kept.commits) as f64);
    assert_eq!(commits - bench.metric("state_commit_errors_total"), written);
    assert_eq!(bench.metric("state_commit_duration_seconds_count"), commits);
    assert_eq!(bench.metric("state_commit_tickets_count"), commits);
    let tickets = bench.metric("state_commit_tickets_sum");
    assert!(tickets >= 20.0 * errors, "every try holds all of them: {tickets}");
    let took = bench.metric("state_commit_duration_seconds_sum");
    assert!((took / commits - 0.01).abs() < 0.002, "{took} for {commits}");
}

/// Promise: only a list that was taken as a whole counts as a success.
#[tokio::test(start_paused = true)]
async fn a_list_that_is_taken_in_part_is_no_success() {
    let mut bench = Bench::new(FakeApi::new(|_, _| (SECOND, Verdict::Pending))).tickets("default", ["1"]);
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(MINUTE).await;
    let loads = |result| bench.metric(&format!("watchlist_loads_total{{result=\"{result}\"}}"));
    let success = || bench.metric("watchlist_last_success_timestamp_seconds");
    let began = START.as_millis() as f64 / 1000.0;
    assert_eq!((loads("whole"), loads("partial"), success()), (1.0, 0.0, began));
    let kept = Kept { files: [PathBuf::from("list.toml")].into(), ..Kept::default() };
    running.commands.send(Command::ListEnd { kept }).await.unwrap();
    tokio::time::sleep(MINUTE).await;
    assert_eq!((loads("whole"), loads("partial"), success()), (1.0, 1.0, began));
    running.take_list(bench.entries.clone()).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!((loads("whole"), loads("partial")), (2.0, 1.0));
    assert!(success() >= began + 120.0);
    running.stop.cancel();
    running.outcome.await.unwrap();
}

/// Promise: the view says since when the next ticket is due, also in a pause, and when the token ends.
#[tokio::test(start_paused = true)]
async fn the_view_shows_what_is_overdue() {
    let mut bench = Bench::new(FakeApi::new(|_, nth| {
        let fault = Verdict::AppFault(PauseReason::QuotaExhausted);
        (SECOND, if nth == 1 { Verdict::Pending } else { fault })
    }))
    .tickets("default", ["1", "2"]);
    bench.settings.until_done = false;
    let began = tokio::time::Instant::now();
    let running = bench.start();
    tokio::time::sleep(3 * SECOND).await;
    let due = running.view.borrow().apps[0].next_due.unwrap() - began;
    assert!(due > 4 * SECOND && due < 6 * SECOND, "not yet: {due:?}");
    let ends = running.view.borrow().apps[0].token_ends_at.unwrap() - began;
    assert_eq!(ends.as_secs(), 7200);
    tokio::time::sleep(10 * MINUTE).await;
    let late = running.view.borrow().apps[0].next_due.unwrap() - began;
    assert!(late < 20 * SECOND, "the pause does not move it: {late:?}");
    running.stop.cancel();
    running.outcome.await.unwrap();
}
