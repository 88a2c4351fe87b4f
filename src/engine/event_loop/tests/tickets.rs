//! Tickets through the engine: order, budget, lists, ends of a run.

use std::collections::HashSet;

use tokio::sync::oneshot;

use super::fakes::*;
use crate::domain::event::*;
use crate::domain::*;
use crate::engine::*;
use crate::feishu::*;

#[tokio::test(start_paused = true)]
async fn a_ticket_is_polled_until_its_file_is_there() {
    let bench = Bench::new(FakeApi::new(|_, nth| {
        (SECOND / 10, if nth < 4 { Verdict::Pending } else { completed() })
    }))
    .tickets("default", ["1"]);
    let outcome = bench.run().await;
    assert_eq!(outcome.end, End::Done);
    assert!(outcome.saved);
    let row = bench.store.row("1");
    assert_eq!((row.state, row.polls, bench.store.unannounced()), (TicketState::Completed, 4, 0));
    assert_eq!(row.download_by, row.progress.last_running_at.map(|at| at + ARTEFACT_LIFE));
    assert_eq!(bench.log.count(TICKET_COMPLETED), 1);
    assert_eq!(bench.log.field(TICKET_COMPLETED, "file_token").as_deref(), Some("box-1"));
    let gaps: Vec<_> =
        bench.api.polls_of("1").windows(2).map(|pair| (pair[1].at - pair[0].at).as_millis()).collect();
    assert_eq!(gaps, [4100, 5300, 6860], "initial 4 s, times 1.3, after each answer");
}

/// Promise 5: a verdict that may have come too late is no success without a word: it says so at warn, and what to do.
#[tokio::test(start_paused = true)]
async fn a_verdict_that_may_come_too_late_says_so() {
    for (created, level, words) in [
        (Some(120), "INFO", "completed: file token box-1, download by "),
        (Some(720), "WARN", "completed: file token box-1, may be gone since "),
        (None, "INFO", "completed: file token box-1, download at once: the age of the job is not known"),
    ] {
        let mut bench = Bench::new(FakeApi::new(|_, _| (SECOND / 10, completed()))).tickets("default", ["1"]);
        let now = bench.wall().as_millis();
        bench.entries[0].created_at = created.map(|ago| WallTime::from_millis(now - ago * 1000));
        let outcome = bench.run().await;
        assert_eq!(outcome.end, End::Done);
        assert_eq!(bench.store.state_of("1"), TicketState::Completed);
        let field = |name| bench.log.field(TICKET_COMPLETED, name).unwrap();
        assert_eq!(field("level"), level);
        assert!(field("message").contains(words), "{}", field("message"));
    }
}

/// Promise 1, as the server counts: by arrival, which is some time between sending and answer.
#[tokio::test(start_paused = true)]
async fn no_window_ever_holds_more_than_the_limit() {
    let mut slow = 0u32;
    let api = FakeApi::new(move |_, nth| {
        slow = (slow + 7) % 40;
        (SECOND / 10 * slow, if nth < 3 { Verdict::Pending } else { completed() })
    });
    let mut bench = Bench::new(api).tickets("default", (0..300).map(|ticket| ticket.to_string()));
    bench.apps = vec![app("default", 60)];
    assert_eq!(bench.run().await.end, End::Done);
    assert_eq!(bench.api.with(|remote| remote.polls.len()), 900);
    bench.api.assert_never_more_than(60);
    assert!(bench.api.with(|remote| remote.most_in_flight) <= 32);
}

/// Promise 1 across a clean restart: the second process knows what the first one sent.
#[tokio::test(start_paused = true)]
async fn the_budget_survives_a_restart() {
    let mut bench = Bench::new(FakeApi::new(|_, _| (SECOND * 2, Verdict::Pending)))
        .tickets("default", (0..200).map(|ticket| ticket.to_string()));
    bench.settings.until_done = false;
    for _ in 0..20 {
        let running = bench.start();
        tokio::time::sleep(7 * SECOND).await;
        running.stop.cancel();
        assert!(running.outcome.await.unwrap().saved);
    }
    assert!(bench.api.with(|remote| remote.polls.len()) > 200);
    bench.api.assert_never_more_than(100);
}

/// After a process that died without a word, requests of its last second count as sent.
#[tokio::test(start_paused = true)]
async fn the_budget_survives_a_crash() {
    let mut bench = Bench::new(FakeApi::new(|_, _| (SECOND * 2, Verdict::Pending)))
        .tickets("default", (0..200).map(|ticket| ticket.to_string()));
    bench.settings.until_done = false;
    for millis in [300, 650, 1700, 900, 20_000, 150_000, 20_000] {
        let running = bench.start();
        tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
        running.outcome.abort();
        let _ = running.outcome.await;
    }
    assert!(bench.api.with(|remote| remote.polls.len()) > 150);
    bench.api.assert_never_more_than(100);
}

/// What a process that died had in flight may arrive long after the next one began.
#[tokio::test(start_paused = true)]
async fn the_budget_survives_a_crash_with_requests_on_their_way() {
    let api = FakeApi::new(|_, nth| (if nth == 1 { SECOND * 14 } else { SECOND / 10 }, Verdict::Pending));
    let mut bench = Bench::new(api).tickets("default", (0..20).map(|ticket| ticket.to_string()));
    bench.apps = vec![app("default", 20)];
    bench.settings.until_done = false;
    for seconds in [3, 200] {
        let running = bench.start();
        tokio::time::sleep(SECOND * seconds).await;
        running.outcome.abort();
        let _ = running.outcome.await;
    }
    assert!(bench.api.with(|remote| remote.polls.len()) > 60);
    bench.api.assert_never_more_than(20);
}

/// Promise 1: what is assumed after a crash outlives a stop in good order, after which nothing is assumed.
#[tokio::test(start_paused = true)]
async fn the_budget_survives_a_crash_and_then_a_stop() {
    let mut bench = Bench::new(FakeApi::new(|_, _| (SECOND / 10, Verdict::Pending)))
        .tickets("default", (0..200).map(|ticket| ticket.to_string()));
    bench.settings.until_done = false;
    let dying = bench.start();
    tokio::time::sleep(3 * SECOND / 10).await;
    dying.outcome.abort();
    let _ = dying.outcome.await;
    for seconds in [5, 200] {
        let running = bench.start();
        tokio::time::sleep(SECOND * seconds).await;
        running.stop.cancel();
        running.outcome.await.unwrap();
    }
    assert!(bench.api.with(|remote| remote.polls.len()) > 200);
    bench.api.assert_never_more_than(100);
}

/// Promise 1: a stop gives up requests that are on their way. They may still arrive, so that their windows begin when
/// they would have been given up anyway.
#[tokio::test(start_paused = true)]
async fn the_budget_survives_a_stop_with_requests_on_their_way() {
    let api = FakeApi::new(|_, nth| (if nth == 1 { SECOND * 14 } else { SECOND / 10 }, Verdict::Pending));
    let mut bench = Bench::new(api).tickets("default", (0..20).map(|ticket| ticket.to_string()));
    bench.apps = vec![app("default", 20)];
    bench.settings.until_done = false;
    for seconds in [3, 200] {
        let running = bench.start();
        tokio::time::sleep(SECOND * seconds).await;
        running.stop.cancel();
        running.outcome.await.unwrap();
    }
    assert!(bench.api.with(|remote| remote.polls.len()) > 60);
    bench.api.assert_never_more_than(20);
}

/// Promise 5: the ticket that waits longest is next, and none is forgotten while there is budget.
#[tokio::test(start_paused = true)]
async fn no_ticket_goes_unpolled_while_budget_is_left() {
    let mut bench = Bench::new(FakeApi::new(|_, _| (SECOND / 10, Verdict::Pending)))
        .tickets("default", (0..150).map(|ticket| ticket.to_string()));
    bench.settings.deadline = Some(30 * MINUTE);
    assert_eq!(bench.run().await.end, End::Deadline);
    for ticket in 0..150 {
        let polls = bench.api.polls_of(&ticket.to_string());
        let longest = polls.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap();
        assert!(longest < 3 * MINUTE, "ticket {ticket} waited {longest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fresh_ticket_waits_and_one_of_unknown_age_does_not() {
    let mut bench =
        Bench::new(FakeApi::new(|_, _| (SECOND / 10, completed()))).tickets("default", ["old", "fresh"]);
    bench.entries[1].created_at = Some(WallTime::from_millis(START.as_millis() - 1000));
    let began = tokio::time::Instant::now();
    bench.run().await;
    assert!(bench.api.polls_of("old")[0].at - began < SECOND);
    let waited = bench.api.polls_of("fresh")[0].at - began;
    assert!(waited >= 3 * SECOND && waited < 4 * SECOND, "{waited:?}");
}

/// Promise 2.
#[tokio::test(start_paused = true)]
async fn hours_of_trouble_decide_nothing() {
    let api = FakeApi::new(|_, nth| (SECOND, if nth < 1000 { trouble() } else { completed() }));
    let bench = Bench::new(api).tickets("default", ["1"]);
    assert_eq!(bench.run().await.end, End::Done);
    assert_eq!(bench.store.state_of("1"), TicketState::Completed);
    assert_eq!(
        (bench.log.count(APP_DEGRADED), bench.log.count(APP_RECOVERED)),
        (1, 1),
        "an outage is two lines"
    );
}

#[tokio::test(start_paused = true)]
async fn giving_up_takes_answers_over_the_configured_time() {
    let mut bench =
        Bench::new(FakeApi::new(|_, _| (SECOND / 10, Verdict::Pending))).tickets("default", ["1"]);
    bench.settings.give_up_after = 30 * MINUTE;
    let began = tokio::time::Instant::now();
    bench.run().await;
    let took = began.elapsed();
    assert_eq!(bench.store.state_of("1"), TicketState::TimedOut);
    assert!(took >= 30 * MINUTE && took < 32 * MINUTE, "{took:?}");
    assert_eq!(bench.log.count(TICKET_TIMED_OUT), 1);
}

/// A poll that never ends, or panics, is a failed attempt of its ticket.
#[tokio::test(start_paused = true)]
async fn polls_that_hang_or_panic_are_failed_attempts() {
    let api = FakeApi::new(|ticket, nth| match (ticket, nth) {
        ("hangs", 1) => (100 * MINUTE, completed()),
        ("panics", 1) => (SECOND, PANIC),
        _ => (SECOND, completed()),
    });
    let bench = Bench::new(api).tickets("default", ["hangs", "panics"]);
    assert_eq!(bench.run().await.end, End::Done);
    assert_eq!(bench.store.row("hangs").polls, 2);
    assert_eq!(bench.store.row("panics").polls, 2);
    assert_eq!(bench.log.count(POLL_PANICKED), 1);
}

#[tokio::test(start_paused = true)]
async fn a_removed_ticket_is_left_alone_and_its_late_answer_dropped() {
    let mut bench = Bench::new(FakeApi::new(|_, _| (5 * SECOND, completed()))).tickets("default", ["1", "2"]);
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(SECOND).await;
    running.take_list(vec![entry("default", "2")]).await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(bench.store.state_of("1"), TicketState::Removed);
    assert_eq!(bench.store.state_of("2"), TicketState::Completed);
    assert_eq!(bench.log.count(TICKET_REMOVED), 1);

    running.take_list(bench.entries.clone()).await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(bench.store.state_of("1"), TicketState::Completed, "listed again, polled again");
    assert_eq!(bench.api.polls_of("1").len(), 2);
    assert_eq!(bench.api.polls_of("2").len(), 1);
    running.stop.cancel();
    running.outcome.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_corrected_token_starts_an_ended_ticket_anew() {
    let api = FakeApi::new(|_, nth| {
        (SECOND, if nth == 1 { Verdict::Failed(ErrorKind::DocumentNotFound) } else { completed() })
    });
    let mut bench = Bench::new(api).tickets("default", ["1"]);
    assert_eq!(bench.run().await.unsuccessful(), 1);
    assert_eq!(bench.run().await.unsuccessful(), 1, "an ended ticket stays ended");
    bench.entries[0].token = document("corrected");
    assert_eq!(bench.run().await.unsuccessful(), 0);
    assert_eq!(bench.store.state_of("1"), TicketState::Completed);
}

#[tokio::test(start_paused = true)]
async fn ended_tickets_are_kept_for_a_while_after_they_left_the_list() {
    let mut bench = Bench::new(FakeApi::new(|_, _| (SECOND, completed()))).tickets("default", ["1"]);
    bench.run().await;
    bench.entries.clear();
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(11 * 60 * MINUTE).await;
    assert_eq!(bench.store.with(|kept| kept.rows.len()), 1);
    tokio::time::sleep(3 * 60 * MINUTE).await;
    assert_eq!(bench.store.with(|kept| kept.rows.len()), 0);
    running.stop.cancel();
    running.outcome.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_polls_in_flight_end_but_not_for_ever() {
    let api = FakeApi::new(|ticket, _| (if ticket == "slow" { MINUTE } else { 5 * SECOND }, completed()));
    let bench = Bench::new(api).tickets("default", ["quick", "slow"]);
    let running = bench.start();
    tokio::time::sleep(SECOND).await;
    running.stop.cancel();
    let began = tokio::time::Instant::now();
    let outcome = running.outcome.await.unwrap();
    assert!(began.elapsed() < 9 * SECOND);
    assert_eq!(outcome.end, End::Stopped);
    assert_eq!(bench.store.state_of("quick"), TicketState::Completed);
    assert_eq!(bench.store.state_of("slow"), TicketState::Pending, "a stop is no failure");
    assert!(bench.store.with(|kept| kept.released.len() >= 3), "what was given up counts as sent");
}

/// A hundred thousand waiting tickets are entries in a heap; only polls in flight are tasks.
#[tokio::test(start_paused = true)]
async fn waiting_tickets_are_not_tasks() {
    let mut bench = Bench::new(FakeApi::new(|_, _| (5 * SECOND, Verdict::Pending)))
        .tickets("default", (0..100_000).map(|ticket| ticket.to_string()));
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(2 * SECOND).await;
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert!(tasks <= 32 + 4, "{tasks} tasks");
    assert_eq!(running.view.borrow().listed.of(TicketState::Pending), 100_000);
    running.stop.cancel();
    running.outcome.await.unwrap();
}

/// Promise 8: what the engine shows of itself moves with its loop, and with nothing else.
#[tokio::test(start_paused = true)]
async fn the_view_moves_with_the_loop() {
    let mut bench = Bench::new(FakeApi::new(|_, _| (SECOND, Verdict::Pending))).tickets("default", ["1"]);
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(10 * MINUTE).await;
    let turned = running.view.borrow().turned_at.unwrap();
    assert!(turned.elapsed() < 2 * MINUTE, "{:?}", turned.elapsed());
    running.outcome.abort();
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(running.view.borrow().turned_at, Some(turned), "a dead loop shows no sign of life");
}

/// A list that comes in parts is complete only at its end: until then nothing is removed for not being
/// named, and a batch does not end because no ticket is left.
#[tokio::test(start_paused = true)]
async fn a_list_in_parts_counts_once_it_is_complete() {
    let bench = Bench::new(FakeApi::new(|ticket, _| {
        (SECOND, if ticket == "2" { Verdict::Pending } else { completed() })
    }))
    .tickets("default", ["1", "2"]);
    let running = bench.start();
    running.commands.send(Command::ListPart(vec![entry("default", "1")])).await.unwrap();
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(bench.log.count(TICKET_REMOVED), 0);
    running.commands.send(Command::ListPart(vec![entry("default", "3")])).await.unwrap();
    running.commands.send(Command::ListEnd { kept: Kept::default() }).await.unwrap();
    let (answer, answered) = oneshot::channel();
    running.commands.send(Command::Answer(answer)).await.unwrap();
    answered.await.unwrap();
    assert_eq!(running.view.borrow().listed.of(TicketState::Pending), 1, "the list is carried out by then");
    let outcome = running.outcome.await.unwrap();
    assert_eq!(outcome.listed.of(TicketState::Completed), 2);
    assert_eq!(bench.log.count(TICKET_REMOVED), 1);
}

/// What could not be taken keeps its tickets, by whichever sign they are known.
#[tokio::test(start_paused = true)]
async fn tickets_that_are_kept_stay() {
    for kept in [
        Kept { files: HashSet::from(["list.toml".into()]), ..Kept::default() },
        Kept { all: true, ..Kept::default() },
    ] {
        let api = FakeApi::new(|_, _| (SECOND, Verdict::Pending));
        let mut bench = Bench::new(api).tickets("default", ["1"]);
        bench.settings.until_done = false;
        let running = bench.start();
        running.commands.send(Command::ListEnd { kept }).await.unwrap();
        tokio::time::sleep(MINUTE).await;
        assert_eq!(bench.log.count(TICKET_REMOVED), 0);
        assert!(bench.api.polls_of("1").len() > 5);
        running.commands.send(Command::ListEnd { kept: Kept::default() }).await.unwrap();
        tokio::time::sleep(SECOND).await;
        assert_eq!(bench.log.count(TICKET_REMOVED), 1);
    }
}
