//! Bodies on their way to a final name: full disks, closed folders, names that are taken, stops, deaths, restarts.

use tokio::time::sleep;

use super::downloads::{done, whole};
use super::fake_downloads::*;
use super::fake_files::Step;
use super::fakes::*;
use crate::domain::event::*;
use crate::domain::*;
use crate::engine::*;
use crate::store::{Retry, RetryId};

/// A body that comes within ten seconds.
fn slowly(ticket: &str, _: u32) -> Delivery {
    Delivery::dripping(&content_of(ticket), 5, 2 * SECOND)
}

fn corrected() -> WatchEntry {
    WatchEntry { token: document("corrected"), ..entry("default", "1") }
}

async fn stop(running: Running) -> Outcome {
    running.stop.cancel();
    running.outcome.await.unwrap()
}

/// The process dies, and with it all that it has under way.
async fn kill(bench: &Bench, running: Running) {
    bench.files.end_process();
    running.outcome.abort();
    let _ = running.outcome.await;
}

/// Promise 5: where there is no room, no request is sent: none that the server counts, none of a budget, none of the
/// month's quota. A file that waits for room is saved once there is some, and holds up the end of a batch until then.
#[tokio::test(start_paused = true)]
async fn a_full_disk_costs_no_request() {
    let mut bench = done(whole).tickets("default", ["1", "2"]);
    bench.apps = vec![app("default", 2)];
    bench.files.with(|disk| disk.full = true);
    let running = bench.start();
    sleep(2 * MINUTE).await;
    assert_eq!(bench.api.downloads(), 0);
    assert!(!running.outcome.is_finished(), "files wait");
    assert_eq!(bench.file("1").error.unwrap().kind, ErrorKind::DiskFull);
    let errors = bench.log.with(|log| {
        let retries = log.lines.iter().filter(|line| line["event"] == FILE_RETRY);
        retries.filter(|line| line["level"] == "ERROR").count()
    });
    assert_eq!(errors, 1, "the disk is news once");
    bench.files.with(|disk| disk.full = false);
    let outcome = running.outcome.await.unwrap();
    assert_eq!((outcome.end, outcome.files[FileState::Saved]), (End::Done, 2));
    let (asked, polled) = (bench.api.downloads(), bench.api.with(|remote| remote.polls.len()));
    assert_eq!(asked, 2);
    let counted = bench.store.with(|kept| kept.tallies.values().map(|tally| tally.requests).sum::<u64>());
    assert_eq!(counted, (asked + polled) as u64);
    bench.assert_sound();
}

/// Promise 5: room that is gone while a body comes is met the same way.
#[tokio::test(start_paused = true)]
async fn a_disk_that_fills_up_is_tried_again() {
    let bench = done(slowly).tickets("default", ["1"]);
    let running = bench.start();
    sleep(5 * SECOND).await;
    bench.files.with(|disk| disk.full = true);
    sleep(MINUTE).await;
    assert_eq!((bench.api.downloads(), bench.files.temporary()), (1, 0));
    bench.files.with(|disk| disk.full = false);
    running.outcome.await.unwrap();
    assert_eq!(bench.api.downloads(), 2);
    bench.assert_saved("1");
    bench.assert_sound();
}

/// Promise 6: a body that can't be given its name is not fetched again, however long that takes.
#[tokio::test(start_paused = true)]
async fn a_closed_folder_keeps_the_body_waiting() {
    let bench = done(slowly).tickets("default", ["1"]);
    let running = bench.start();
    sleep(5 * SECOND).await;
    bench.files.with(|disk| disk.closed = true);
    sleep(20 * MINUTE).await;
    assert_eq!(
        (bench.file_state("1"), bench.file("1").error.unwrap().kind),
        (FileState::Waiting, ErrorKind::FolderUnwritable)
    );
    assert_eq!(bench.files.temporary(), 1);
    bench.files.with(|disk| disk.closed = false);
    running.outcome.await.unwrap();
    assert_eq!(bench.api.downloads(), 1);
    bench.assert_saved("1");
    assert!(bench.file("1").error.is_none());
    bench.assert_sound();
}

/// Promise 6: a name that something else has by now is left alone.
#[tokio::test(start_paused = true)]
async fn a_taken_name_is_left_alone() {
    let bench = done(slowly).tickets("default", ["1", "2"]);
    bench.files.put_foreign("/files/untitled.docx");
    let running = bench.start();
    sleep(5 * SECOND).await;
    bench.files.with(|disk| disk.closed = true);
    sleep(20 * SECOND).await;
    bench.files.put_foreign("/files/untitled (2).docx");
    bench.files.put_foreign("/files/untitled (3).docx");
    bench.files.with(|disk| disk.closed = false);
    running.outcome.await.unwrap();
    ["1", "2"].iter().for_each(|ticket| bench.assert_saved(ticket));
    assert_eq!((bench.api.downloads(), bench.log.count(FILE_SAVED)), (2, 2));
    bench.assert_sound();
}

/// Promise 5: a body that is gone before it got its name is fetched again.
#[tokio::test(start_paused = true)]
async fn a_lost_body_is_fetched_again() {
    let bench = done(slowly).tickets("default", ["1"]);
    let running = bench.start();
    sleep(5 * SECOND).await;
    bench.files.with(|disk| disk.closed = true);
    sleep(20 * SECOND).await;
    bench.files.lose();
    bench.files.with(|disk| disk.closed = false);
    running.outcome.await.unwrap();
    assert_eq!((bench.api.downloads(), bench.log.count(FILE_SAVED)), (2, 1));
    bench.assert_saved("1");
    bench.assert_sound();
}

/// Promise 5: a ticket that leaves the list before its file came is completed all the same, and its file is saved.
#[tokio::test(start_paused = true)]
async fn a_ticket_off_the_list_gets_its_file() {
    let bench = done(slowly).tickets("default", ["1", "2"]);
    let mut bench = bench;
    bench.settings.until_done = false;
    bench.files.with(|disk| disk.full = true);
    let running = bench.start();
    sleep(5 * SECOND).await;
    running.take_list(Vec::new()).await;
    sleep(5 * SECOND).await;
    bench.files.with(|disk| disk.full = false);
    sleep(MINUTE).await;
    ["1", "2"].iter().for_each(|ticket| bench.assert_saved(ticket));
    assert_eq!((bench.log.count(FILE_SAVED), bench.log.count(TICKET_REMOVED)), (2, 0));
    stop(running).await;
    bench.assert_sound();
}

/// A ticket whose list says later that its file is not wanted is no longer waited for.
#[tokio::test(start_paused = true)]
async fn a_file_that_is_no_longer_wanted_is_not_fetched() {
    let mut bench = done(whole).tickets("default", ["1", "2"]);
    bench.files.with(|disk| disk.full = true);
    let running = bench.start();
    sleep(5 * SECOND).await;
    bench.entries[0].download = false;
    running.take_list(bench.entries.clone()).await;
    sleep(5 * SECOND).await;
    bench.files.with(|disk| disk.full = false);
    let outcome = running.outcome.await.unwrap();
    assert_eq!((outcome.end, outcome.files[FileState::Saved]), (End::Done, 1));
    assert_eq!((bench.store.row("1").file, bench.api.downloads_of("1").len()), (None, 0));
    bench.assert_sound();
}

/// Promise 6: a stop waits for no transfer. The next process starts it over.
#[tokio::test(start_paused = true)]
async fn a_stop_gives_transfers_up() {
    let bench = done(slowly).tickets("default", ["1"]);
    let running = bench.start();
    sleep(5 * SECOND).await;
    let stopped = tokio::time::Instant::now();
    let outcome = stop(running).await;
    assert_eq!((outcome.end, outcome.files[FileState::Waiting], outcome.saved), (End::Stopped, 1, true));
    assert!(stopped.elapsed() < SECOND, "{:?}", stopped.elapsed());
    bench.assert_sound();
    assert_eq!(bench.file_state("1"), FileState::Waiting);
    bench.run().await;
    bench.assert_saved("1");
    assert_eq!((bench.api.downloads(), bench.api.polls_of("1").len()), (2, 1));
    bench.assert_sound();
}

/// Promise 6: wherever on a file's way a process dies, the next one ends with that file whole, once, announced, with
/// nothing left beside it; and what was whole and named is not fetched again.
#[tokio::test(start_paused = true)]
async fn a_file_outlives_a_death_at_every_step() {
    use Step::*;
    for (step, downloads) in [(Begun, 1), (Received, 2), (Written, 2), (Placing, 1), (Renamed, 1), (Swept, 1)]
    {
        let bench = done(whole).tickets("default", ["1"]);
        bench.files.with(|disk| disk.doom = Some(step));
        let running = bench.start();
        bench.files.died().await;
        kill(&bench, running).await;
        bench.run().await;
        bench.assert_saved("1");
        bench.assert_sound();
        assert_eq!(bench.files.saved().len(), 1, "{step:?}");
        assert_eq!(bench.log.count(FILE_SAVED), 1, "{step:?}");
        assert_eq!(bench.api.downloads(), downloads, "{step:?}");
    }
}

/// Promise 1: a process that dies may have sent downloads that no batch noted.
#[tokio::test(start_paused = true)]
async fn the_budget_of_downloads_survives_a_crash() {
    let mut bench = done(|ticket, nth| Delivery { head: 3 * SECOND, ..whole(ticket, nth) });
    // Enough for the access token of the next process as well, which has to ask for it at once.
    bench.apps = vec![app("default", 10)];
    bench.settings.download.as_mut().unwrap().max_in_flight = 10.try_into().unwrap();
    bench.settings.until_done = false;
    let bench = bench.tickets("default", (0..15).map(|ticket| ticket.to_string()));
    let running = bench.start();
    while bench.api.downloads() < 10 {
        sleep(SECOND / 100).await;
    }
    // The verdicts are durable by then, and no head has come.
    sleep(SECOND).await;
    kill(&bench, running).await;
    let running = bench.start();
    sleep(5 * MINUTE).await;
    bench.api.assert_never_more_than(10);
    assert_eq!(bench.files.saved().len(), 15);
    stop(running).await;
    bench.assert_sound();
}

/// Promise 1: downloads that were on their way when the process died may arrive late, also where polls go one by one.
#[tokio::test(start_paused = true)]
async fn downloads_of_a_dead_process_may_arrive_late() {
    let mut bench = done(|ticket, nth| Delivery { head: 3 * SECOND, ..whole(ticket, nth) });
    bench.apps = vec![app("default", 3)];
    bench.settings.until_done = false;
    bench.settings.max_in_flight = 1.try_into().unwrap();
    let bench = bench.tickets("default", ["1", "2", "3", "4", "5"]);
    let running = bench.start();
    while bench.api.downloads() < 3 {
        sleep(SECOND / 100).await;
    }
    kill(&bench, running).await;
    let died = tokio::time::Instant::now();
    let running = bench.start();
    sleep(5 * MINUTE).await;
    let next = bench.api.with(|remote| remote.artefacts.downloads[3].at);
    assert!(next - died >= MINUTE + bench.settings.request_timeout, "{:?}", next - died);
    stop(running).await;
    bench.assert_sound();
}

/// Promise 6: what a ticket that starts over leaves behind is removed: the whole body that waited, and the one that was
/// still to come.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_wanted_is_removed() {
    for waits_for in [5, 15] {
        let mut bench = done(slowly).tickets("default", ["1"]);
        bench.settings.until_done = false;
        let running = bench.start();
        sleep(3 * SECOND).await;
        bench.store.with(|kept| kept.fails = true);
        sleep(waits_for * SECOND).await;
        running.take_list(vec![corrected()]).await;
        sleep(30 * SECOND).await;
        bench.store.with(|kept| kept.fails = false);
        sleep(30 * SECOND).await;
        bench.assert_saved("1");
        assert_eq!((bench.files.saved().len(), bench.api.downloads()), (1, 2));
        stop(running).await;
        bench.assert_sound();
    }
}

/// Promise: a file that is lost is fetched again on request, with nothing left of its failure.
#[tokio::test(start_paused = true)]
async fn a_lost_file_can_be_asked_for_again() {
    let bench = done(|ticket, nth| match (ticket, nth) {
        ("gone", 1 | 2) => Delivery::answer(GONE),
        ("no", 1) => Delivery::answer(crate::feishu::Verdict::Refused),
        _ => whole(ticket, nth),
    });
    let bench = bench.tickets("default", ["gone", "no"]);
    bench.run().await;
    assert_eq!((bench.file_state("gone"), bench.file_state("no")), (FileState::Expired, FileState::Failed));
    for (id, ticket) in [(1, "gone"), (2, "no")] {
        let key = entry("default", ticket).key;
        bench.store.with(|kept| kept.retries.push(Retry { id: RetryId(id), key }));
    }
    let outcome = bench.run().await;
    assert_eq!(outcome.files[FileState::Saved], 2);
    for ticket in ["gone", "no"] {
        bench.assert_saved(ticket);
        assert!(bench.file(ticket).error.is_none());
        assert_eq!((bench.file(ticket).attempts, bench.api.polls_of(ticket).len()), (1, 2));
    }
    bench.assert_sound();
}

/// Promise 5: tickets that were completed while nothing was downloaded get their files as long as these may live.
#[tokio::test(start_paused = true)]
async fn files_of_earlier_tickets_come_while_they_may_live() {
    for (after, downloads) in [(9, 1), (11, 0)] {
        let mut bench = done(whole).tickets("default", ["1"]);
        let settings = bench.settings.download.take();
        bench.run().await;
        assert!(bench.store.row("1").file.is_none());
        sleep(after * MINUTE).await;
        bench.settings.download = settings;
        bench.run().await;
        assert_eq!((bench.api.downloads(), bench.files.saved().len()), (downloads, downloads));
        bench.assert_sound();
    }
}
