//! Ended tickets that are polled again on request, and the pauses that the state file shows.

use super::downloads::done;
use super::fake_downloads::Delivery;
use super::fakes::*;
use crate::domain::event::*;
use crate::domain::*;
use crate::feishu::*;
use crate::store::{RETRIES_AT_ONCE, Retry, RetryId, TroubleRecord};

fn ask(store: &FakeStore, id: i64, ticket: &str) {
    let key = entry("default", ticket).key;
    store.with(|kept| kept.retries.push(Retry { id: RetryId(id), key }));
}

/// Fails the first time it is asked, and then is done.
fn fails_once() -> FakeApi {
    FakeApi::new(|_, nth| {
        let verdict = if nth == 1 { Verdict::Failed(ErrorKind::ExportTimeout) } else { completed() };
        (SECOND / 10, verdict)
    })
}

/// Promise: a request that comes while the engine runs is taken up within a second, once, and is gone from the
/// state file only together with what it changed.
#[tokio::test(start_paused = true)]
async fn a_request_is_taken_up_within_a_second() {
    let mut bench = Bench::new(fails_once()).tickets("default", ["1", "2"]);
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(bench.store.state_of("1"), TicketState::Failed);
    ask(&bench.store, 1, "1");
    tokio::time::sleep(SECOND + SECOND / 10).await;
    assert_eq!(bench.log.count(TICKET_RETRIED), 1);
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(bench.store.state_of("1"), TicketState::Completed);
    assert_eq!(bench.store.state_of("2"), TicketState::Failed);
    assert_eq!(bench.log.count(TICKET_RETRIED), 1);
    assert!(bench.store.with(|kept| kept.retries.is_empty()));
    running.stop.cancel();
    running.outcome.await.unwrap();
}

/// Promise: what was asked for while no watcher ran is done by the next start, even by one that ends when no
/// ticket is pending.
#[tokio::test(start_paused = true)]
async fn the_next_start_takes_up_what_was_asked_before_it() {
    let bench = Bench::new(fails_once()).tickets("default", ["1"]);
    bench.run().await;
    assert_eq!(bench.store.state_of("1"), TicketState::Failed);
    ask(&bench.store, 1, "1");
    let outcome = bench.run().await;
    assert_eq!(outcome.listed.of(TicketState::Completed), 1);
    assert!(bench.store.with(|kept| kept.retries.is_empty()));
    let polls = bench.api.with(|remote| remote.polls.len());
    bench.run().await;
    assert_eq!(bench.api.with(|remote| remote.polls.len()), polls, "asked for once");
}

/// Promise 6: while the state file can't be written a request is neither lost nor carried out again and again.
#[tokio::test(start_paused = true)]
async fn a_request_outlives_a_state_file_that_fails() {
    let api = FakeApi::new(|_, _| (SECOND / 10, Verdict::Failed(ErrorKind::ExportTimeout)));
    let mut bench = Bench::new(api).tickets("default", ["1"]);
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(10 * SECOND).await;
    bench.store.with(|kept| kept.fails = true);
    ask(&bench.store, 1, "1");
    tokio::time::sleep(30 * SECOND).await;
    assert_eq!(bench.log.count(TICKET_RETRIED), 1);
    assert_eq!(bench.store.with(|kept| kept.retries.len()), 1, "still in the file");
    bench.store.with(|kept| kept.fails = false);
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(bench.log.count(TICKET_RETRIED), 1);
    assert_eq!(bench.log.count(TICKET_FAILED), 2, "each verdict is announced");
    assert!(bench.store.with(|kept| kept.retries.is_empty()));
    running.stop.cancel();
    running.outcome.await.unwrap();
}

/// Promise: what can't be polled again is reported, and does not stand in the way of the next request.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_polled_again_is_said() {
    let bench = Bench::new(fails_once()).tickets("default", ["1", "2"]);
    bench.run().await;
    let mut shorter = bench;
    shorter.entries.retain(|entry| entry.key.id.as_str() != "1");
    for (id, ticket) in [(1, "1"), (2, "unknown"), (3, "2"), (4, "2")] {
        ask(&shorter.store, id, ticket);
    }
    shorter.run().await;
    assert_eq!(shorter.log.count(TICKET_RETRY_DROPPED), 3, "off the list, unknown, and pending already");
    assert_eq!(shorter.store.state_of("1"), TicketState::Failed);
    assert_eq!(shorter.store.state_of("2"), TicketState::Completed);
    assert!(shorter.store.with(|kept| kept.retries.is_empty()));
}

/// Promise: a ticket whose file could not be saved is polled again, with nothing left of that file; one whose file is
/// being fetched is not.
#[tokio::test(start_paused = true)]
async fn a_lost_file_is_asked_for_again() {
    let mut bench = done(|_, _| Delivery::answer(trouble())).tickets("default", ["1", "2"]);
    bench.settings.download = None;
    bench.run().await;
    bench = bench.downloading();
    for (ticket, state) in [("1", FileState::Expired), ("2", FileState::Waiting)] {
        let file = Some(Box::new(FileRecord { state, ..FileRecord::new() }));
        let row = TicketRecord { file, ..bench.store.row(ticket) };
        bench.store.with(|kept| kept.rows.insert(row.entry.key.clone(), row));
    }
    (1..=2).for_each(|id| ask(&bench.store, id, &id.to_string()));
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!((bench.log.count(TICKET_RETRIED), bench.log.count(TICKET_RETRY_DROPPED)), (1, 1));
    assert_eq!(bench.api.polls_of("1").len(), 2);
    assert_eq!(bench.api.polls_of("2").len(), 1);
    assert_ne!(bench.store.row("1").file_state(), Some(FileState::Expired));
    running.stop.cancel();
    running.outcome.await.unwrap();
}

/// Promise 4: a retry does not wait for the log, and the verdict before it is announced all the same.
#[tokio::test(start_paused = true)]
async fn a_retried_ticket_keeps_its_verdict_in_the_outbox() {
    let bench = Bench::new(fails_once()).tickets("default", ["1"]);
    bench.log.with(|log| log.fails = true);
    bench.run().await;
    ask(&bench.store, 1, "1");
    let outcome = bench.run().await;
    assert_eq!(bench.log.count(TICKET_RETRIED), 1);
    assert_eq!((outcome.listed.of(TicketState::Completed), outcome.unannounced), (1, 2));
    bench.log.with(|log| log.fails = false);
    bench.run().await;
    assert_eq!((bench.log.count(TICKET_FAILED), bench.log.count(TICKET_COMPLETED)), (1, 1));
}

/// Promise: what is known of the file's life outlasts a retry: the job is the same.
#[tokio::test(start_paused = true)]
async fn a_retry_keeps_what_is_known_of_the_job() {
    let api = FakeApi::new(|_, nth| {
        let verdict = match nth {
            1 => Verdict::Pending,
            2 => Verdict::Failed(ErrorKind::NoPermission),
            _ => completed(),
        };
        (SECOND / 10, verdict)
    });
    let bench = Bench::new(api).tickets("default", ["1"]);
    bench.run().await;
    ask(&bench.store, 1, "1");
    bench.run().await;
    let row = bench.store.row("1");
    assert_eq!(
        row.download_by,
        Some(START + 10 * MINUTE + SECOND / 10),
        "counted from the answer \"running\""
    );
}

/// Promise: the state file shows the pauses in force, soon after they begin and end.
#[tokio::test(start_paused = true)]
async fn pauses_are_in_the_state_file() {
    let api = FakeApi::new(|_, nth| {
        let verdict = if nth < 4 { Verdict::AppFault(PauseReason::ScopeMissing) } else { completed() };
        (SECOND / 10, verdict)
    });
    let bench = Bench::new(api).tickets("default", ["1"]);
    let running = bench.start();
    tokio::time::sleep(3 * SECOND / 2).await;
    let troubles = bench.store.with(|kept| kept.troubles.clone());
    assert_eq!(troubles.len(), 1);
    let TroubleRecord { app, trouble } = &troubles[0];
    assert_eq!((app.as_str(), trouble.endpoint), ("default", Endpoint::Query));
    assert_eq!((trouble.pause(), trouble.until), (Some(PauseReason::ScopeMissing), None));
    running.outcome.await.unwrap();
    assert!(bench.store.with(|kept| kept.troubles.is_empty()));
}

/// Promise 3: one ticket that is refused because a permission is missing, and asked about again and again, does not speak
/// against its app more than once.
#[tokio::test(start_paused = true)]
async fn a_ticket_that_is_refused_again_counts_once() {
    let api = FakeApi::new(|_, _| (SECOND / 10, Verdict::Refused));
    let mut bench = Bench::new(api).tickets("default", ["1"]);
    bench.settings.until_done = false;
    let running = bench.start();
    for id in 1..=15 {
        tokio::time::sleep(5 * SECOND).await;
        ask(&bench.store, id, "1");
    }
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(bench.log.count(TICKET_FAILED), 16);
    assert_eq!(bench.log.count(APP_SUSPECTED), 0);
    running.stop.cancel();
    running.outcome.await.unwrap();
}

/// Promise: many requests are all taken up within moments.
#[tokio::test(start_paused = true)]
async fn many_requests_are_taken_up_at_once() {
    let count = 3 * RETRIES_AT_ONCE as i64;
    let api = FakeApi::new(|_, _| (SECOND / 10, completed()));
    let mut bench = Bench::new(api).tickets("default", ["1"]);
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(5 * SECOND).await;
    (1..=count).for_each(|id| ask(&bench.store, id, "unknown"));
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(bench.log.count(TICKET_RETRY_DROPPED), 3 * RETRIES_AT_ONCE);
    running.stop.cancel();
    running.outcome.await.unwrap();
}
