//! Tickets that a watch list starts over while the verdict before is not safely announced.

use super::fakes::*;
use crate::domain::event::*;
use crate::domain::*;
use crate::engine::*;

/// A ticket that was completed by a process whose log could not be written.
async fn unannounced() -> Bench {
    let bench = Bench::new(FakeApi::new(|_, _| (SECOND / 10, completed()))).tickets("default", ["1"]);
    bench.log.with(|log| log.fails = true);
    bench.run().await;
    assert!(!bench.store.row("1").announced);
    bench
}

fn corrected() -> WatchEntry {
    WatchEntry { token: document("corrected"), ..entry("default", "1") }
}

fn polls(bench: &Bench) -> usize {
    bench.api.with(|remote| remote.polls.len())
}

/// Promise 4: a verdict is in the log before a corrected list may wipe it out, also in the state file; then the
/// ticket starts over, and not even a batch ends before.
#[tokio::test(start_paused = true)]
async fn a_verdict_is_announced_before_its_ticket_starts_over() {
    let mut bench = unannounced().await;
    bench.entries = vec![corrected()];
    let running = bench.start();
    tokio::time::sleep(30 * SECOND).await;
    assert_eq!((polls(&bench), bench.store.row("1").token.as_str()), (1, "doc"));
    bench.log.with(|log| log.fails = false);
    assert_eq!(running.outcome.await.unwrap().end, End::Done);
    let row = bench.store.row("1");
    assert_eq!((polls(&bench), row.token.as_str(), row.announced), (2, "corrected", true));
    assert_eq!(bench.log.count(TICKET_COMPLETED), 3, "the first once by each process, and the second");
}

/// Where nothing can be announced for good, a batch ends all the same and leaves it to the next one.
#[tokio::test(start_paused = true)]
async fn a_batch_does_not_wait_for_a_log_that_is_gone() {
    let mut bench = unannounced().await;
    bench.entries = vec![corrected()];
    let began = tokio::time::Instant::now();
    let outcome = bench.run().await;
    assert_eq!((&outcome.end, polls(&bench)), (&End::Done, 1));
    assert!(
        outcome.unannounced > 0 && began.elapsed() < 3 * MINUTE,
        "{outcome:?} after {:?}",
        began.elapsed()
    );
    bench.log.with(|log| log.fails = false);
    assert_eq!(bench.run().await.end, End::Done);
    assert_eq!((polls(&bench), bench.store.row("1").token.as_str()), (2, "corrected"));
}

/// Promise 4: so it is with a ticket that was removed and is listed again.
#[tokio::test(start_paused = true)]
async fn a_removal_is_announced_before_its_ticket_comes_back() {
    let mut bench = Bench::new(FakeApi::new(|_, _| (SECOND / 10, crate::feishu::Verdict::Pending)))
        .tickets("default", ["1"]);
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(SECOND).await;
    bench.log.with(|log| log.fails = true);
    running.take_list(Vec::new()).await;
    tokio::time::sleep(5 * SECOND).await;
    let before = polls(&bench);
    running.take_list(bench.entries.clone()).await;
    tokio::time::sleep(30 * SECOND).await;
    assert_eq!((polls(&bench), bench.store.state_of("1")), (before, TicketState::Removed));
    bench.log.with(|log| log.fails = false);
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(bench.store.state_of("1"), TicketState::Pending);
    assert!(polls(&bench) > before);
}

/// Promise: what a later list says counts: one that takes the correction back, and one that drops the ticket, leave
/// it as it was. One that can't be read changes nothing.
#[tokio::test(start_paused = true)]
async fn a_later_list_changes_what_was_to_start_over() {
    let file = |entry: WatchEntry| std::collections::HashSet::from([entry.source.to_path_buf()]);
    let unreadable = Kept { files: file(corrected()), ..Kept::default() };
    for (later, kept, expected) in [
        (vec![entry("default", "1")], Kept::default(), 1),
        (Vec::new(), Kept::default(), 1),
        (Vec::new(), unreadable, 2),
        (vec![corrected()], Kept::default(), 2),
    ] {
        let mut bench = unannounced().await;
        bench.settings.until_done = false;
        let running = bench.start();
        running.take_list(vec![corrected()]).await;
        running.commands.send(Command::ListPart(later)).await.unwrap();
        running.commands.send(Command::ListEnd { kept }).await.unwrap();
        tokio::time::sleep(30 * SECOND).await;
        bench.log.with(|log| log.fails = false);
        tokio::time::sleep(30 * SECOND).await;
        assert_eq!(polls(&bench), expected);
    }
}

/// Promise 1: a process that died may have come further with such tickets than their rows tell.
#[tokio::test(start_paused = true)]
async fn the_budget_survives_a_crash_right_after_a_restart() {
    let tickets = ["1", "2", "3"];
    let mut bench = Bench::new(FakeApi::new(|_, _| (SECOND / 10, completed()))).tickets("default", tickets);
    // As many as a start may need for its access token, too.
    bench.apps = vec![app("default", 3)];
    bench.log.with(|log| log.fails = true);
    bench.run().await;
    bench.settings.until_done = false;
    bench.entries.iter_mut().for_each(|entry| entry.token = document("corrected"));
    tokio::time::sleep(2 * MINUTE).await;
    let running = bench.start();
    tokio::time::sleep(5 * SECOND).await;
    bench.log.with(|log| log.fails = false);
    while polls(&bench) < 6 {
        tokio::time::sleep(SECOND / 100).await;
    }
    // Most have arrived, and none is answered.
    tokio::time::sleep(SECOND / 16).await;
    running.outcome.abort();
    let _ = running.outcome.await;
    assert!(tickets.iter().all(|ticket| bench.store.row(ticket).token.as_str() == "doc"));
    let again = bench.start();
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(polls(&bench), 9);
    bench.api.assert_never_more_than(3);
    again.stop.cancel();
    again.outcome.await.unwrap();
}
