//! State file and outbox through the engine: durable, then announced, then gone.

use super::fakes::*;
use crate::domain::event::*;
use crate::domain::*;
use crate::engine::End;
use crate::feishu::Verdict;

/// Promise 4: while the state file can't be written nothing is announced, polls go on, and everything
/// is made up for when it can.
#[tokio::test(start_paused = true)]
async fn nothing_is_announced_that_is_not_committed() {
    let mut bench = Bench::new(FakeApi::new(|_, _| (SECOND, completed())))
        .tickets("default", (0..20).map(|ticket| ticket.to_string()));
    bench.settings.until_done = false;
    bench.store.with(|kept| kept.fails = true);
    let running = bench.start();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(bench.api.with(|remote| remote.polls.len()), 20, "polls go on");
    assert_eq!(bench.log.count(TICKET_COMPLETED), 0);
    assert_eq!(bench.log.count(STATE_FAILED), 1, "reported once");
    assert!(running.view.borrow().state_failing);
    bench.store.with(|kept| kept.fails = false);
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(bench.log.count(TICKET_COMPLETED), 20);
    assert_eq!(bench.log.count(STATE_RECOVERED), 1);
    running.stop.cancel();
    assert!(running.outcome.await.unwrap().saved);
    assert_eq!(bench.store.unannounced(), 0);
}

/// Promise 6: a state file that was moved away ends the service at once, be there something to write or not, and
/// that is reported once; nothing is announced.
#[tokio::test(start_paused = true)]
async fn a_moved_state_file_ends_the_service() {
    for (ticket_ends, within) in [(true, 2 * SECOND), (false, 3 * SECOND)] {
        let answer = move || if ticket_ends { completed() } else { Verdict::Pending };
        let mut bench =
            Bench::new(FakeApi::new(move |_, _| (SECOND / 10, answer()))).tickets("default", ["1"]);
        bench.settings.until_done = false;
        bench.store.with(|kept| kept.moved = true);
        let log = bench.log.clone();
        let running = bench.start();
        tokio::time::sleep(within).await;
        assert_eq!((log.count(STATE_FAILED), log.count(WATCHER_STOPPING)), (1, 1), "{ticket_ends}");
        let outcome = running.outcome.await.unwrap();
        assert_eq!((outcome.end, outcome.saved), (End::StateLost, false));
        assert_eq!((log.count(STATE_FAILED), log.count(TICKET_COMPLETED)), (1, 0));
    }
}

/// What was sent while the state file failed for longer than any budget remembers counts against the month's quota
/// all the same, also if nothing is sent afterwards.
#[tokio::test(start_paused = true)]
async fn a_long_failure_hides_no_request_from_the_quota() {
    let mut bench = Bench::new(FakeApi::new(|_, _| (SECOND, completed()))).tickets("default", ["1", "2"]);
    bench.settings.until_done = false;
    bench.store.with(|kept| kept.fails = true);
    let running = bench.start();
    tokio::time::sleep(3 * MINUTE).await;
    bench.store.with(|kept| kept.fails = false);
    tokio::time::sleep(5 * SECOND).await;
    let counted = bench.store.with(|kept| kept.tallies.values().map(|tally| tally.requests).sum::<u64>());
    assert_eq!(counted, 2);
    running.stop.cancel();
    running.outcome.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_end_without_a_writable_state_file_says_so() {
    let bench = Bench::new(FakeApi::new(|_, _| (SECOND, completed()))).tickets("default", ["1"]);
    bench.store.with(|kept| kept.fails = true);
    let began = tokio::time::Instant::now();
    let outcome = bench.run().await;
    assert!(!outcome.saved);
    assert_eq!(bench.log.count(TICKET_COMPLETED), 0);
    assert!(began.elapsed() < 10 * SECOND);
}

/// Promise 4: a verdict whose line may not have arrived is announced again by the next start.
#[tokio::test(start_paused = true)]
async fn a_verdict_that_was_not_safely_logged_is_announced_at_the_next_start() {
    let bench = Bench::new(FakeApi::new(|_, _| (SECOND, completed()))).tickets("default", ["1"]);
    bench.log.with(|log| log.fails = true);
    let outcome = bench.run().await;
    assert_eq!(outcome.unannounced, 1);
    assert_eq!(bench.store.state_of("1"), TicketState::Completed);
    assert_eq!(bench.store.unannounced(), 1);

    bench.log.with(|log| log.fails = false);
    bench.run().await;
    assert_eq!((bench.log.count(TICKET_COMPLETED), bench.store.unannounced()), (1, 0));
    bench.run().await;
    assert_eq!(bench.log.count(TICKET_COMPLETED), 1, "and then no more");
}

/// Counters are written together, not one commit a poll.
#[tokio::test(start_paused = true)]
async fn poll_counters_share_a_commit() {
    let api = FakeApi::new(|_, _| (SECOND / 2, Verdict::Pending));
    let mut bench = Bench::new(api).tickets("default", (0..100).map(|ticket| ticket.to_string()));
    bench.settings.deadline = Some(5 * SECOND);
    bench.run().await;
    let commits = bench.store.with(|kept| kept.commits);
    assert!(commits <= 7, "{commits} commits");
    assert_eq!(bench.store.row("7").polls, 1);
}

/// Two runs with one seed send the same requests at the same moments.
#[tokio::test(start_paused = true)]
async fn one_seed_replays_one_history() {
    let mut histories = Vec::new();
    for seed in [7, 7, 8] {
        let api = FakeApi::new(|_, nth| (SECOND / 3, if nth < 6 { Verdict::Pending } else { completed() }));
        let mut bench = Bench::new(api).tickets("default", (0..40).map(|ticket| ticket.to_string()));
        bench.settings.backoff = crate::schedule::Backoff::new(4 * SECOND, 1.3, MINUTE, 0.5).unwrap();
        bench.settings.seed = seed;
        let began = tokio::time::Instant::now();
        bench.run().await;
        let polls: Vec<_> = bench
            .api
            .with(|remote| remote.polls.iter().map(|sent| (sent.ticket.clone(), sent.at - began)).collect());
        histories.push(polls);
    }
    assert_eq!(histories[0], histories[1]);
    assert_ne!(histories[0], histories[2]);
}

/// A commit that is under way when the run ends is waited for; should it fail, its verdict goes into the
/// next one. Nothing is called saved that is not.
#[tokio::test(start_paused = true)]
async fn a_commit_that_fails_during_the_stop_loses_nothing() {
    let mut bench = Bench::new(FakeApi::new(|_, _| (SECOND, completed()))).tickets("default", ["1"]);
    bench.settings.until_done = false;
    bench.store.with(|kept| kept.slow = vec![SECOND * 6]);
    let running = bench.start();
    tokio::time::sleep(SECOND * 3 / 2).await;
    running.stop.cancel();
    let outcome = running.outcome.await.unwrap();
    assert!(outcome.saved);
    assert_eq!(bench.store.state_of("1"), TicketState::Completed);
}
