//! Tickets that a watch list starts over while the verdict before is not yet announced, or not even durable.

use super::fakes::*;
use crate::domain::event::*;
use crate::domain::*;

fn corrected() -> WatchEntry {
    WatchEntry { token: document("corrected"), ..entry("default", "1") }
}

fn polls(bench: &Bench) -> usize {
    bench.api.with(|remote| remote.polls.len())
}

/// Promise 4: a ticket starts over at once, while neither log nor state file takes anything, and each verdict of its
/// lives is announced, in order.
#[tokio::test(start_paused = true)]
async fn a_ticket_that_starts_over_loses_no_verdict() {
    let mut bench =
        Bench::new(FakeApi::new(|_, _| (SECOND / 10, completed()))).tickets("default", ["1", "2"]);
    bench.settings.until_done = false;
    bench.store.with(|kept| kept.fails = true);
    let running = bench.start();
    tokio::time::sleep(5 * SECOND).await;
    running.take_list(vec![corrected(), entry("default", "2")]).await;
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!((polls(&bench), bench.store.unannounced()), (3, 0));
    assert_eq!(running.view.borrow().unannounced, 3);
    bench.store.with(|kept| kept.fails = false);
    tokio::time::sleep(5 * SECOND).await;
    let tokens: Vec<_> = bench.log.with(|log| {
        let verdicts = log.lines.iter().filter(|line| line["event"] == TICKET_COMPLETED);
        verdicts.map(|line| line["token"].clone()).collect()
    });
    assert_eq!(tokens, ["doc", "doc", "corrected"]);
    assert_eq!(running.view.borrow().unannounced, 0);
    running.stop.cancel();
    assert_eq!(running.outcome.await.unwrap().unannounced, 0);
    assert_eq!(bench.store.with(|kept| kept.lost.clone()), Vec::<String>::new());
}

/// Promise 4: so it is with a ticket that was removed and is listed again.
#[tokio::test(start_paused = true)]
async fn a_removal_is_announced_although_its_ticket_came_back() {
    let mut bench = Bench::new(FakeApi::new(|_, _| (SECOND / 10, crate::feishu::Verdict::Pending)))
        .tickets("default", ["1"]);
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(SECOND).await;
    bench.log.with(|log| log.fails = true);
    running.take_list(Vec::new()).await;
    tokio::time::sleep(5 * SECOND).await;
    running.take_list(bench.entries.clone()).await;
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!((bench.store.state_of("1"), bench.log.count(TICKET_REMOVED)), (TicketState::Pending, 0));
    bench.log.with(|log| log.fails = false);
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(bench.log.count(TICKET_REMOVED), 1);
    running.stop.cancel();
    running.outcome.await.unwrap();
}

/// Promise 1: a process that died may have come further with such tickets than their rows show.
#[tokio::test(start_paused = true)]
async fn the_budget_survives_a_crash_right_after_a_restart() {
    let tickets = ["1", "2", "3"];
    let mut bench = Bench::new(FakeApi::new(|_, _| (SECOND / 10, completed()))).tickets("default", tickets);
    // As many as a start may need for its access token, too.
    bench.apps = vec![app("default", 3)];
    bench.run().await;
    bench.settings.until_done = false;
    bench.entries.iter_mut().for_each(|entry| entry.token = document("corrected"));
    tokio::time::sleep(2 * MINUTE).await;
    bench.store.with(|kept| kept.fails = true);
    let running = bench.start();
    while polls(&bench) < 6 {
        tokio::time::sleep(SECOND / 100).await;
    }
    // Most have arrived, and none is answered.
    tokio::time::sleep(SECOND / 16).await;
    running.outcome.abort();
    let _ = running.outcome.await;
    assert!(tickets.iter().all(|ticket| bench.store.row(ticket).entry.token.as_str() == "doc"));
    bench.store.with(|kept| kept.fails = false);
    let again = bench.start();
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(polls(&bench), 9);
    bench.api.assert_never_more_than(3);
    again.stop.cancel();
    again.outcome.await.unwrap();
}
