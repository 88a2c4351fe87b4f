//! Signs of life: the loop's own turns and the state file's answers, which health and watchdog follow.

use tokio::time::Instant;

use super::fakes::*;
use crate::engine::Snapshot;

fn idle() -> Bench {
    let mut bench = Bench::new(FakeApi::new(|_, _| (SECOND, completed())));
    bench.settings.until_done = false;
    bench
}

fn ages(view: &Snapshot) -> (std::time::Duration, std::time::Duration) {
    (view.turned_at.unwrap().elapsed(), view.store_answered_at.unwrap().elapsed())
}

/// Promise 8: an engine that has nothing to do differs from one that stands still.
#[tokio::test(start_paused = true)]
async fn an_idle_engine_shows_that_it_lives() {
    let bench = idle();
    let running = bench.start();
    for _ in 0..20 {
        tokio::time::sleep(MINUTE + SECOND / 3).await;
        let (turned, answered) = ages(&running.view.borrow());
        assert!(turned <= SECOND && answered <= 2 * SECOND, "{turned:?} {answered:?}");
    }
}

/// Promise 8: a refused commit is an answer; a commit without end is none.
#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_differs_from_one_that_refuses() {
    let bench = idle().tickets("default", ["1"]);
    bench.store.with(|kept| kept.fails = true);
    let running = bench.start();
    tokio::time::sleep(MINUTE).await;
    assert!(running.view.borrow().state_failing);
    assert!(ages(&running.view.borrow()).1 <= 2 * SECOND);
    bench.store.with(|kept| kept.hangs = true);
    let hung = Instant::now();
    tokio::time::sleep(MINUTE).await;
    let (turned, answered) = ages(&running.view.borrow());
    assert!(turned <= SECOND, "the loop goes on");
    assert!(answered >= hung.elapsed() - 2 * SECOND, "{answered:?}");
}

/// Promise 8: a stop that has to wait for polls in flight, and for a state file that hangs, is still seen to move.
#[tokio::test(start_paused = true)]
async fn a_slow_stop_shows_that_it_lives() {
    let mut bench = Bench::new(FakeApi::new(|_, _| (MINUTE, completed()))).tickets("default", ["1", "2"]);
    bench.settings.until_done = false;
    bench.settings.request_timeout = 2 * MINUTE;
    let running = bench.start();
    tokio::time::sleep(2 * SECOND).await;
    bench.store.with(|kept| kept.slow = vec![MINUTE; 3]);
    running.stop.cancel();
    while !running.outcome.is_finished() {
        let turned = running.view.borrow().turned_at.unwrap().elapsed();
        assert!(turned <= 5 * SECOND, "{turned:?}");
        tokio::time::sleep(SECOND).await;
    }
}
