//! Clocks that are set and machines that sleep: neither a storm nor a stall, and moments that are true.

use std::sync::atomic::Ordering;

use super::fakes::*;
use crate::domain::event::*;
use crate::domain::*;
use crate::feishu::*;

const HOUR: i64 = 3_600_000;

/// Sixty tickets; the n-th poll of each completes it if `done` says so.
fn bench(done: impl Fn(u32) -> bool + Send + 'static) -> Bench {
    let script = move |_: &str, nth| (SECOND, if done(nth) { completed() } else { Verdict::Pending });
    let mut bench =
        Bench::new(FakeApi::new(script)).tickets("default", (0..60).map(|ticket| ticket.to_string()));
    bench.settings.until_done = false;
    bench
}

fn polls(bench: &Bench) -> usize {
    bench.api.with(|remote| remote.polls.len())
}

/// Neither a storm nor a stall: the minutes after a step see about as many polls as those before it.
#[tokio::test(start_paused = true)]
async fn a_step_changes_nothing_about_the_pace() {
    for by in [-HOUR, HOUR, 24 * 365 * HOUR, -24 * 365 * HOUR] {
        let bench = bench(|_| false);
        let running = bench.start();
        tokio::time::sleep(20 * MINUTE).await;
        let before = polls(&bench);
        tokio::time::sleep(5 * MINUTE).await;
        let usual = polls(&bench) - before;
        bench.shift.fetch_add(by, Ordering::Relaxed);
        let before = polls(&bench);
        tokio::time::sleep(5 * MINUTE).await;
        let after = polls(&bench) - before;
        assert!(after.abs_diff(usual) <= usual / 5, "{by}: {usual} before, {after} after");
        bench.api.assert_never_more_than(100);
        assert_eq!(bench.log.count(CLOCK_STEPPED), 1, "{by}");
        assert_eq!(bench.log.count(TICKET_TIMED_OUT), 0, "{by}");
        drop(running);
    }
}

/// Promise 5: a deadline that was noted before the clock was set back is not an hour late, neither for a job
/// that was running nor for a file that waits to be fetched.
#[tokio::test(start_paused = true)]
async fn download_by_stays_true_when_the_clock_is_set_back() {
    let bench = bench(|nth| nth > 20);
    let running = bench.start();
    tokio::time::sleep(3 * MINUTE).await;
    bench.shift.fetch_sub(HOUR, Ordering::Relaxed);
    let late = |bench: &Bench| bench.wall() + 10 * MINUTE;
    while bench.log.count(TICKET_COMPLETED) < 60 {
        tokio::time::sleep(SECOND).await;
        let rows = bench.store.with(|kept| kept.rows.values().cloned().collect::<Vec<_>>());
        for row in rows.iter().filter(|row| row.state == TicketState::Completed) {
            let until = row.download_by.unwrap();
            assert!(until <= late(&bench), "{until} is too late");
            assert!(until > row.finished_at.unwrap(), "and not too early: {until}");
        }
    }
    bench.shift.fetch_sub(HOUR, Ordering::Relaxed);
    tokio::time::sleep(5 * SECOND).await;
    assert!(bench.store.with(|kept| kept.rows.values().all(|row| row.download_by.unwrap() <= late(&bench))));
    drop(running);
}

/// The same where the clock was set back while the watcher was down: then nothing is known.
#[tokio::test(start_paused = true)]
async fn download_by_is_unknown_when_the_clock_was_set_back_meanwhile() {
    let bench = bench(|nth| nth > 8);
    let running = bench.start();
    tokio::time::sleep(20 * SECOND).await;
    running.stop.cancel();
    running.outcome.await.unwrap();
    assert!(bench.store.row("0").progress.last_running_at.is_some());
    bench.shift.fetch_sub(HOUR, Ordering::Relaxed);
    let running = bench.start();
    while bench.log.count(TICKET_COMPLETED) < 60 {
        tokio::time::sleep(SECOND).await;
    }
    let late = bench.wall() + 10 * MINUTE;
    let rows = bench.store.with(|kept| kept.rows.values().cloned().collect::<Vec<_>>());
    assert!(rows.iter().all(|row| row.download_by.is_none_or(|until| until <= late)));
    drop(running);
}

/// A machine that slept for longer than its access token lives fetches a new one, and no poll carries the old.
#[tokio::test(start_paused = true)]
async fn a_token_that_ended_in_a_sleep_is_not_used() {
    let bench = bench(|_| false);
    let running = bench.start();
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(bench.api.with(|remote| remote.fetches.len()), 1);
    bench.shift.fetch_add(8 * HOUR, Ordering::Relaxed);
    let before = polls(&bench);
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(bench.api.with(|remote| remote.fetches.len()), 2);
    let used = bench.api.with(|remote| {
        remote.polls[before..].iter().map(|sent| sent.access_token.clone()).collect::<Vec<_>>()
    });
    assert!(used.len() > 60 && used.iter().all(|token| token == "t-default-2"), "{used:?}");
    drop(running);
}

/// Promise 1: a clock that is set forward, and a restart right after it, free no slot early.
#[tokio::test(start_paused = true)]
async fn a_restart_after_a_step_keeps_the_budget() {
    let bench = bench(|_| false).tickets("default", (100..300).map(|ticket| ticket.to_string()));
    let running = bench.start();
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(polls(&bench), 100, "the budget is spent");
    bench.shift.fetch_add(HOUR, Ordering::Relaxed);
    tokio::time::sleep(3 * SECOND).await;
    running.stop.cancel();
    running.outcome.await.unwrap();
    let running = bench.start();
    tokio::time::sleep(2 * MINUTE).await;
    bench.api.assert_never_more_than(100);
    drop(running);
}

/// Promise 1 and pauses on a busy machine: what is counted from an answer is not counted from before it, should it have
/// come while the loop was held up.
#[tokio::test(start_paused = true)]
async fn an_answer_in_a_long_turn_counts_from_when_it_came() {
    let mut bench = Bench::new(FakeApi::new(|_, _| (SECOND, completed()))).tickets("default", ["1", "2"]);
    bench.per_look = 7;
    bench.run().await;
    let ended = bench.store.with(|kept| {
        let queries = kept.released.iter().filter(|release| release.endpoint == Endpoint::Query);
        queries.map(|release| release.at.as_millis()).collect::<Vec<_>>()
    });
    // In two turns, at least one look more lies between them.
    assert_eq!(ended[1..], [ended[0] + bench.per_look], "one turn took both, each as of a look of its own");
}
