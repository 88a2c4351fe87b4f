//! Apps through the engine: whose fault is whose, and what each costs.

use std::collections::HashMap;

use super::fakes::*;
use crate::domain::event::*;
use crate::domain::*;
use crate::engine::*;
use crate::feishu::*;

/// Promise 3: one broken app of four leaves the others untouched, costs a handful of token requests
/// and heals by itself when the secret is corrected.
#[tokio::test(start_paused = true)]
async fn a_wrong_secret_pauses_one_app_and_heals() {
    let began = tokio::time::Instant::now();
    let api = FakeApi::new(|_, nth| (SECOND, if nth < 3 { Verdict::Pending } else { completed() }))
        .with_tokens(move |app, _| {
            let broken = app == "b" && began.elapsed() < 5 * MINUTE;
            if broken {
                Err(TokenTrouble::AppFault(PauseReason::CredentialsRejected))
            } else {
                Ok(Some(7200))
            }
        });
    let mut bench = Bench::new(api);
    bench.apps = ["a", "b", "c", "d"].map(|name| app(name, 100)).into();
    for name in ["a", "b", "c", "d"] {
        bench = bench.tickets(name, (0..20).map(|ticket| format!("{name}{ticket}")));
    }
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(running.view.borrow().listed.of(TicketState::Completed), 60, "the other three are done");
    assert_eq!(running.view.borrow().listed.of(TicketState::Failed), 0);
    assert_eq!(
        running.view.borrow().apps[1].trouble.as_ref().and_then(Trouble::pause),
        Some(PauseReason::CredentialsRejected)
    );
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(running.view.borrow().listed.of(TicketState::Completed), 80);
    let asked = bench.api.with(|remote| remote.fetches.iter().filter(|sent| sent.app == "b").count());
    assert!(asked <= 10, "{asked} token requests");
    assert_eq!((bench.log.count(APP_PAUSED), bench.log.count(APP_RESUMED)), (1, 1), "once and loudly");
    running.stop.cancel();
    running.outcome.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_fetched_anew_once() {
    let api = FakeApi::new(|_, nth| (SECOND, if nth < 4 { Verdict::Pending } else { completed() }));
    let bench = Bench::new(api).tickets("default", (0..30).map(|ticket| ticket.to_string()));
    let running = bench.start();
    tokio::time::sleep(3 * SECOND).await;
    bench.api.with(|remote| remote.revoked.push("t-default-1".into()));
    running.outcome.await.unwrap();
    assert_eq!(bench.api.with(|remote| remote.fetches.len()), 2, "one for all thirty polls");
    assert_eq!((bench.log.count(TOKEN_REJECTED), bench.log.count(APP_PAUSED)), (1, 0));
    assert!(bench.store.with(|kept| kept.rows.values().all(|row| row.state == TicketState::Completed)));
}

#[tokio::test(start_paused = true)]
async fn tokens_that_are_always_refused_are_the_apps_fault() {
    let api = FakeApi::new(|_, _| (SECOND, Verdict::TokenRejected));
    let bench = Bench::new(api).tickets("default", (0..30).map(|ticket| ticket.to_string()));
    let outcome = bench.run().await;
    assert_eq!(outcome.end, End::Stuck);
    assert_eq!(outcome.troubled.len(), 1);
    assert_eq!(outcome.troubled[0].1.pause(), Some(PauseReason::CredentialsRejected));
    assert_eq!(outcome.listed.of(TicketState::Pending), 30);
    let (polls, fetches) = bench.api.with(|remote| (remote.polls.len(), remote.fetches.len()));
    assert!(polls <= 30 + 32 + 6 && fetches <= 9, "{polls} polls, {fetches} fetches");
    assert_eq!(bench.log.count(APP_PAUSED), 1);
}

#[tokio::test(start_paused = true)]
async fn tokens_are_renewed_before_they_end_and_not_fetched_for_nothing() {
    let api = FakeApi::new(|_, _| (SECOND, Verdict::Pending)).with_tokens(|_, _| Ok(Some(1200)));
    let mut bench = Bench::new(api).tickets("default", ["1"]);
    bench.settings.deadline = Some(60 * MINUTE);
    bench.run().await;
    let fetches: Vec<_> = bench.api.with(|remote| remote.fetches.iter().map(|sent| sent.at).collect());
    assert_eq!(fetches.len(), 4, "every 15 of 60 minutes");
    assert!(
        bench.api.with(|remote| remote.polls.iter().all(|sent| sent.access_token.starts_with("t-default-")))
    );
    assert_eq!(bench.log.count(TOKEN_REJECTED), 0);

    let idle = Bench::new(FakeApi::new(|_, _| (SECOND, completed())));
    idle.run().await;
    assert_eq!(idle.api.with(|remote| remote.fetches.len()), 0, "nothing to poll, nothing asked");
}

#[tokio::test(start_paused = true)]
async fn a_life_of_one_second_still_works() {
    let api = FakeApi::new(|_, nth| (SECOND, if nth < 3 { Verdict::Pending } else { completed() }))
        .with_tokens(|_, _| Ok(Some(1)));
    let bench = Bench::new(api).tickets("default", ["1"]);
    assert_eq!(bench.run().await.end, End::Done);
    assert_eq!(bench.api.with(|remote| remote.fetches.len()), 3);
}

#[tokio::test(start_paused = true)]
async fn trouble_at_the_token_endpoint_holds_up_no_app_that_has_a_token() {
    let throttled = TokenTrouble::Throttled { reset: Some(10 * MINUTE) };
    for trouble in [TokenTrouble::Retry(ErrorKind::Network), throttled] {
        // Renewal is tried from minute 15 on; the token in use ends in minute 20.
        let api = FakeApi::new(|_, nth| (SECOND, if nth < 25 { Verdict::Pending } else { completed() }))
            .with_tokens(move |_, nth| if nth == 1 { Ok(Some(1200)) } else { Err(trouble) });
        let bench = Bench::new(api).tickets("default", ["1"]);
        let began = tokio::time::Instant::now();
        let running = bench.start();
        while !running.outcome.is_finished() {
            assert_eq!(
                running.view.borrow().apps.first().and_then(|app| app.trouble.clone()),
                None,
                "it is polled"
            );
            tokio::time::sleep(SECOND).await;
        }
        assert_eq!(running.outcome.await.unwrap().end, End::Done);
        assert!(began.elapsed() > 15 * MINUTE && began.elapsed() < 20 * MINUTE, "{:?}", began.elapsed());
        assert!(bench.api.with(|remote| remote.fetches.len()) > 1, "renewal was tried");
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_stops_all_who_share_the_budget_for_as_long_as_named() {
    let mut throttled = false;
    let api = FakeApi::new(move |_, _| {
        let first = !std::mem::replace(&mut throttled, true);
        (SECOND, if first { Verdict::Throttled { reset: Some(52 * SECOND) } } else { completed() })
    });
    let mut bench = Bench::new(api);
    bench.apps = vec![app("a", 100), App { name: AppName::new("b"), ..app("a", 100) }];
    bench.settings.max_in_flight = 1.try_into().unwrap();
    bench = bench.tickets("a", ["1", "2"]).tickets("b", ["3", "4", "5"]);
    bench.run().await;
    let sent: Vec<_> = bench.api.with(|remote| remote.polls.iter().map(|sent| sent.at).collect());
    let gap = sent.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(gap >= 52 * SECOND && gap < 54 * SECOND, "{gap:?}");
    assert_eq!((bench.log.count(APP_PAUSED), bench.log.count(APP_RESUMED)), (2, 2));
    assert_eq!(bench.store.row("1").progress.attempt, 0, "a throttled poll is no failed attempt");
}

#[tokio::test(start_paused = true)]
async fn a_used_up_quota_is_probed_once_an_hour() {
    let began = tokio::time::Instant::now();
    let api = FakeApi::new(move |_, _| {
        let used_up = began.elapsed() < 5 * 60 * MINUTE;
        (SECOND, if used_up { Verdict::AppFault(PauseReason::QuotaExhausted) } else { completed() })
    });
    let mut bench = Bench::new(api).tickets("default", ["1", "2"]);
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(7 * 60 * MINUTE).await;
    assert_eq!(running.view.borrow().listed.of(TicketState::Completed), 2);
    assert_eq!(bench.api.with(|remote| remote.polls.len()), 2 + 5 + 1, "both, five probes, the rest");
    assert_eq!(bench.log.field(APP_PAUSED, "until").as_deref(), Some("2026-12-01T00:00:00.000Z"));
    running.stop.cancel();
    running.outcome.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pause_stops_the_clock_of_giving_up() {
    let api = FakeApi::new(|_, nth| match nth {
        1 => (SECOND, Verdict::Pending),
        2..=30 => (SECOND, Verdict::AppFault(PauseReason::ScopeMissing)),
        31 => (SECOND, Verdict::Pending),
        _ => (SECOND, completed()),
    });
    let mut bench = Bench::new(api).tickets("default", ["1"]);
    bench.settings.until_done = false;
    bench.settings.give_up_after = 30 * MINUTE;
    let running = bench.start();
    tokio::time::sleep(180 * MINUTE).await;
    assert_eq!(bench.store.state_of("1"), TicketState::Completed);
    running.stop.cancel();
    running.outcome.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hangup_tries_a_paused_app_at_once() {
    let began = tokio::time::Instant::now();
    let api = FakeApi::new(|_, _| (SECOND / 10, completed())).with_tokens(move |_, _| {
        let broken = began.elapsed() < 10 * MINUTE;
        if broken { Err(TokenTrouble::AppFault(PauseReason::SecretUnreadable)) } else { Ok(Some(7200)) }
    });
    let mut bench = Bench::new(api).tickets("default", ["1"]);
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(10 * MINUTE + SECOND).await;
    running.commands.send(Command::TryAgain).await.unwrap();
    tokio::time::sleep(SECOND).await;
    assert_eq!(running.view.borrow().listed.of(TicketState::Completed), 1);
    running.stop.cancel();
    running.outcome.await.unwrap();
}

/// An app whose server hangs uses its own places, not those of the others.
#[tokio::test(start_paused = true)]
async fn a_hanging_app_starves_no_other() {
    let api = FakeApi::new(|ticket, _| {
        if ticket.starts_with('h') { (MINUTE * 60, completed()) } else { (SECOND, completed()) }
    });
    let mut bench = Bench::new(api);
    bench.apps = vec![app("hangs", 100), app("sound", 100)];
    bench = bench
        .tickets("hangs", (0..100).map(|ticket| format!("h{ticket}")))
        .tickets("sound", (0..100).map(|ticket| format!("s{ticket}")));
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(running.view.borrow().listed.of(TicketState::Completed), 100);
    running.stop.cancel();
    running.outcome.await.unwrap();
}

/// One ticket whose every answer speaks against the app does not keep the others from being polled.
#[tokio::test(start_paused = true)]
async fn one_sick_ticket_does_not_block_its_app() {
    for sick in [Verdict::AppFault(PauseReason::WrongBaseUrl), Verdict::TokenRejected] {
        let api = FakeApi::new(move |ticket, nth| match ticket {
            "sick" => (SECOND, sick.clone()),
            _ => (SECOND, if nth < 10 { Verdict::Pending } else { completed() }),
        });
        let mut bench = Bench::new(api)
            .tickets("default", ["sick"])
            .tickets("default", (0..20).map(|ticket| ticket.to_string()));
        bench.settings.until_done = false;
        let running = bench.start();
        tokio::time::sleep(120 * MINUTE).await;
        assert_eq!(running.view.borrow().listed.of(TicketState::Completed), 20);
        assert_eq!(running.view.borrow().listed.of(TicketState::Failed), 0);
        let paused = bench.log.count(APP_PAUSED);
        assert!(paused < 150, "{paused} pauses in two hours");
        running.stop.cancel();
        running.outcome.await.unwrap();
    }
}

/// A renewal that is refused is no reason to pause while the token in use still works.
#[tokio::test(start_paused = true)]
async fn a_refused_renewal_waits_for_the_old_token_to_end() {
    let api = FakeApi::new(|_, _| (SECOND, Verdict::Pending)).with_tokens(|_, nth| {
        if nth == 1 { Ok(Some(1200)) } else { Err(TokenTrouble::AppFault(PauseReason::CredentialsRejected)) }
    });
    let bench = Bench::new(api).tickets("default", ["1"]);
    let began = tokio::time::Instant::now();
    let outcome = bench.run().await;
    assert_eq!(outcome.end, End::Stuck);
    assert!(began.elapsed() >= 20 * MINUTE, "the old token served to its end");
    assert_eq!((bench.log.count(APP_PAUSED), bench.log.count(APP_RESUMED)), (1, 0));
    let fetches = bench.api.with(|remote| remote.fetches.len());
    assert!(fetches <= 20, "{fetches} token requests");
}

/// Slow answers of the volley in which a fault was found neither prolong nor repeat its pause.
#[tokio::test(start_paused = true)]
async fn late_answers_do_not_pause_anew() {
    let api = FakeApi::new(|ticket, nth| match (ticket, nth) {
        (_, 2..) => (SECOND / 10, completed()),
        (ticket, _) => (SECOND * ticket.parse().unwrap(), Verdict::AppFault(PauseReason::AppUnavailable)),
    });
    let bench = Bench::new(api).tickets("default", (1..15).map(|ticket| ticket.to_string()));
    assert_eq!(bench.run().await.end, End::Done);
    assert_eq!((bench.log.count(APP_PAUSED), bench.log.count(APP_RESUMED)), (1, 1));
}

/// An envelope that is only strange, or asks to come back, still shows that the cause of the pause is gone.
#[tokio::test(start_paused = true)]
async fn strange_answers_end_a_pause_too() {
    for strange in [Verdict::Postponed, Verdict::Strange(Strange::NoStatus)] {
        let api = FakeApi::new(move |_, nth| {
            (SECOND, if nth == 1 { Verdict::AppFault(PauseReason::IpNotAllowed) } else { strange.clone() })
        });
        let mut bench = Bench::new(api).tickets("default", ["1", "2"]);
        bench.settings.give_up_after = 60 * MINUTE;
        let outcome = bench.run().await;
        assert_eq!((outcome.unsuccessful(), outcome.end), (2, End::Done), "bounded, as without a pause");
        assert_eq!((bench.log.count(APP_PAUSED), bench.log.count(APP_RESUMED)), (1, 1));
    }
}

/// A token that is revoked while its renewal is refused is missed at once, not after the renewal's wait.
#[tokio::test(start_paused = true)]
async fn a_revoked_token_does_not_wait_for_the_renewals_turn() {
    let api = FakeApi::new(|_, _| (SECOND, Verdict::Pending)).with_tokens(|_, nth| {
        if nth == 1 { Ok(Some(1200)) } else { Err(TokenTrouble::AppFault(PauseReason::CredentialsRejected)) }
    });
    let mut bench = Bench::new(api).tickets("default", (0..40).map(|ticket| ticket.to_string()));
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(18 * MINUTE).await;
    assert_eq!(bench.log.count(TOKEN_RETRY), 1, "reported once");
    bench.api.with(|remote| remote.revoked.push("t-default-1".into()));
    while bench.log.count(TOKEN_REJECTED) == 0 {
        tokio::time::sleep(SECOND).await;
    }
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(bench.log.count(APP_PAUSED), 1);
    running.stop.cancel();
    running.outcome.await.unwrap();
}

/// A throttled token endpoint is left alone for as long as it named, by all apps that share the budget.
#[tokio::test(start_paused = true)]
async fn a_throttled_token_endpoint_is_left_alone() {
    let mut throttled = false;
    let api = FakeApi::new(|_, _| (SECOND, completed())).with_tokens(move |_, _| {
        let first = !std::mem::replace(&mut throttled, true);
        if first { Err(TokenTrouble::Throttled { reset: Some(30 * SECOND) }) } else { Ok(Some(7200)) }
    });
    let mut bench = Bench::new(api).tickets("a", ["1"]);
    bench.entries.extend([entry("b", "2")]);
    bench.entries[1].created_at = Some(START + SECOND);
    bench.apps = vec![app("a", 100), App { name: AppName::new("b"), ..app("a", 100) }];
    assert_eq!(bench.run().await.end, End::Done);
    let fetches: Vec<_> = bench.api.with(|remote| remote.fetches.iter().map(|sent| sent.at).collect());
    assert_eq!(fetches.len(), 3);
    assert!(fetches[1] - fetches[0] >= 30 * SECOND, "{:?}", fetches[1] - fetches[0]);
    assert_eq!((bench.log.count(APP_PAUSED), bench.log.count(APP_RESUMED)), (2, 2));
    assert_eq!(bench.log.field(APP_PAUSED, "endpoint").as_deref(), Some("token"));
}

/// Requests that count against the quota are counted through restarts and begin anew with the month.
#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_month() {
    let mut bench = Bench::new(FakeApi::new(|_, _| (SECOND, Verdict::Pending))).tickets("default", ["1"]);
    bench.settings.until_done = false;
    let count = |running: &Running| running.view.borrow().apps[0].requests_this_month;
    let mut sent = 0;
    for _ in 0..2 {
        let running = bench.start();
        tokio::time::sleep(10 * MINUTE).await;
        assert!(count(&running) > sent);
        running.stop.cancel();
        running.outcome.await.unwrap();
        sent = bench.api.with(|remote| remote.polls.len() as u64);
        let kept: Vec<_> = bench.store.with(|kept| kept.tallies.values().cloned().collect());
        assert_eq!(kept.iter().map(|tally| tally.requests).collect::<Vec<_>>(), [sent], "without tokens");
    }
    let month_end = START.next_month().since(START);
    tokio::time::advance(month_end).await;
    let running = bench.start();
    tokio::time::sleep(MINUTE).await;
    assert!((1..sent).contains(&count(&running)), "{}", count(&running));
}

/// A throttle that was named behind a fault goes on when the fault is over, and is announced as what it is.
#[tokio::test(start_paused = true)]
async fn a_throttle_behind_a_fault_is_announced_when_the_fault_is_over() {
    let api = FakeApi::new(|ticket, nth| match (ticket, nth) {
        ("b", 1) => (10 * SECOND, Verdict::Throttled { reset: Some(MINUTE) }),
        ("a", 1) => (SECOND, Verdict::AppFault(PauseReason::ScopeMissing)),
        ("a", 2) => (20 * SECOND, Verdict::Pending),
        _ => (SECOND, completed()),
    });
    let mut bench = Bench::new(api);
    bench.apps = vec![app("a", 100), App { name: AppName::new("b"), ..app("a", 100) }];
    bench = bench.tickets("a", ["a"]).tickets("b", ["b"]);
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(3 * MINUTE).await;
    let sent: Vec<_> = bench.api.with(|remote| remote.polls.iter().map(|sent| sent.at).collect());
    let gap = sent.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(gap >= MINUTE, "the server counted on: {gap:?}");
    assert_eq!((bench.log.count(APP_PAUSED), bench.log.count(APP_RESUMED)), (3, 2));
    assert_eq!(running.view.borrow().listed.of(TicketState::Completed), 2);
    let reasons = bench.log.with(|log| {
        let of_a = |line: &&HashMap<String, String>| line.get("app").is_some_and(|app| app == "a");
        log.lines.iter().filter(of_a).filter_map(|line| line.get("reason").cloned()).collect::<Vec<_>>()
    });
    assert_eq!(reasons, ["scope_missing", "rate_limited", "rate_limited"]);
    running.stop.cancel();
    running.outcome.await.unwrap();
}

/// Promise: calls that fail show from the second in a row on, before they are an outage, with the last message and
/// since when; in the state file as well. An accepted answer ends it.
#[tokio::test(start_paused = true)]
async fn failing_calls_show_before_they_are_an_outage() {
    let began = tokio::time::Instant::now();
    let api = FakeApi::new(move |_, _| {
        let fails = (8 * SECOND..14 * SECOND).contains(&began.elapsed());
        (SECOND / 10, if fails { trouble() } else { Verdict::Pending })
    });
    let mut bench = Bench::new(api).tickets("default", ["1", "2", "3"]);
    bench.settings.deadline = Some(MINUTE);
    let running = bench.start();
    let mut seen = Vec::new();
    while !running.outcome.is_finished() {
        let shown = running.view.borrow().apps.first().and_then(|app| app.trouble.clone());
        let noted = bench.store.with(|kept| kept.troubles.first().map(|record| record.trouble.clone()));
        seen.push((shown, noted));
        tokio::time::sleep(SECOND / 2).await;
    }
    let (shown, _) = seen.iter().find(|(shown, _)| shown.is_some()).unwrap();
    let shown = shown.as_ref().unwrap();
    assert_eq!((shown.condition, shown.endpoint), (AppCondition::Active, Endpoint::Query));
    assert!(!shown.stops_answers() && shown.pause().is_none());
    assert!(seen.iter().any(|(_, noted)| noted.as_ref() == Some(shown)), "in the state file");
    assert_eq!(seen.last().unwrap(), &(None, None), "it is over");
    assert_eq!(bench.log.count(APP_DEGRADED), 0);
}
