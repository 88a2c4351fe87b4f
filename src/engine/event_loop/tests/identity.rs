//! Refused tickets: whether the documents are closed to the app, or another app created the jobs.

use super::fakes::*;
use crate::domain::event::*;
use crate::domain::*;
use crate::engine::*;
use crate::feishu::*;

const SOON: std::time::Duration = SECOND.checked_div(10).unwrap();

fn numbers(count: u32) -> impl Iterator<Item = String> {
    (1..=count).map(|number| number.to_string())
}

/// An app whose tickets up to this number are another app's; the others are finished.
fn refusing_up_to(last: u32) -> FakeApi {
    FakeApi::new(move |ticket, _| {
        (SOON, if ticket.parse::<u32>().unwrap() <= last { Verdict::Refused } else { completed() })
    })
}

/// Promise 3: fifty refusals at the head of the list do not keep the good tickets behind them from being polled.
#[tokio::test(start_paused = true)]
async fn refusals_at_the_head_of_the_list_hide_no_good_ticket() {
    let bench = Bench::new(refusing_up_to(50)).tickets("default", numbers(55));
    let began = tokio::time::Instant::now();
    let outcome = bench.run().await;
    assert!(began.elapsed() < MINUTE, "{:?}", began.elapsed());
    assert_eq!(outcome.end, End::Done);
    assert_eq!(outcome.listed.of(TicketState::Completed), 5);
    assert_eq!(
        outcome.listed.of(TicketState::Failed),
        50,
        "the app is proven: the documents are closed to it"
    );
    assert_eq!(bench.log.count(APP_PAUSED) + bench.log.count(APP_SUSPECTED), 0);
    assert_eq!(bench.store.row("1").error.unwrap().kind, ErrorKind::NoPermission);
}

/// Promise 5: other tickets are polled in time beside a thousand refused ones, once all were asked for the first time,
/// which takes ten minutes at a hundred a minute.
#[tokio::test(start_paused = true)]
async fn a_thousand_refused_tickets_take_no_turn_from_the_others() {
    let api = FakeApi::new(|ticket, nth| {
        let good = ticket.parse::<u32>().unwrap().is_multiple_of(200);
        // Trouble proves nothing: the refused tickets wait.
        (
            SOON,
            if !good {
                Verdict::Refused
            } else if nth < 30 {
                trouble()
            } else {
                completed()
            },
        )
    });
    let mut bench = Bench::new(api).tickets("default", numbers(1000));
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(40 * MINUTE).await;
    for good in ["200", "400", "600", "800", "1000"] {
        let polls = bench.api.polls_of(good);
        let longest = polls[1..].windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap();
        assert!(longest <= MINUTE + 3 * SECOND, "{good} waited {longest:?}");
    }
    let refused = bench.api.polls_of("1");
    assert!(
        refused.windows(2).all(|pair| pair[1].at - pair[0].at >= 5 * MINUTE),
        "at least five minutes apart"
    );
    running.stop.cancel();
    running.outcome.await.unwrap();
}

/// Promise 3: where nothing is left but refusals, and never a proper answer came, the app is suspected once, and loudly;
/// its tickets stay pending, also through restarts, and a batch does not wait for ever.
#[tokio::test(start_paused = true)]
async fn nothing_but_refusals_are_the_apps_fault() {
    let bench = Bench::new(refusing_up_to(100)).tickets("default", numbers(100));
    let wrong_identity = TroubleCause::App(PauseReason::WrongIdentity);
    for run in 1..=3 {
        let outcome = bench.run().await;
        assert_eq!((outcome.end, outcome.troubled[0].1.cause), (End::Stuck, wrong_identity));
        assert_eq!(outcome.listed.of(TicketState::Pending), 100);
        assert_eq!(bench.log.count(APP_SUSPECTED), run, "once a run");
    }
}

/// Promise 3: refusals of another app id, before a restart, are asked about again before they are judged.
#[tokio::test(start_paused = true)]
async fn refusals_of_an_earlier_app_id_are_asked_about_again() {
    let mut bench = Bench::new(refusing_up_to(30)).tickets("default", numbers(30));
    assert_eq!(bench.run().await.end, End::Stuck);
    let right = App { app_id: "cli_right".into(), ..app("default", 100) };
    bench.store.with(|kept| kept.proven.push(right.budget_key()));
    bench.apps = vec![right];
    bench.api = FakeApi::new(|_, _| (SOON, completed()));
    assert_eq!(bench.run().await.listed.of(TicketState::Completed), 30);
}

/// Fewer than ten are the documents', as soon as every ticket was asked.
#[tokio::test(start_paused = true)]
async fn a_few_refusals_fail_once_every_ticket_was_asked() {
    let bench = Bench::new(refusing_up_to(9)).tickets("default", numbers(9));
    let outcome = bench.run().await;
    assert_eq!((outcome.end, outcome.listed.of(TicketState::Failed)), (End::Done, 9));
}

/// What is proven belongs to host and app id, and lasts: another app under an old name is not proven by it, and an app
/// that was renamed stays proven.
#[tokio::test(start_paused = true)]
async fn what_is_proven_belongs_to_the_app_id() {
    let mut bench = Bench::new(refusing_up_to(40)).tickets("default", ["41"]);
    bench.run().await;
    assert_eq!(bench.store.with(|kept| kept.proven.len()), 1);

    let renamed = App { name: AppName::new("renamed"), ..app("default", 100) };
    bench.apps = vec![renamed];
    bench.entries.clear();
    bench = bench.tickets("renamed", numbers(20));
    assert_eq!(bench.run().await.listed.of(TicketState::Failed), 20, "a refusal of a proven app is final");

    bench.apps = vec![App { app_id: "cli_another".into(), ..app("default", 100) }];
    bench.entries.clear();
    bench = bench.tickets("default", (21..=40).map(|number| number.to_string()));
    let outcome = bench.run().await;
    assert_eq!((outcome.end, outcome.listed.of(TicketState::Pending)), (End::Stuck, 20));
}

/// An app that is put right is polled again at once after SIGHUP, and by itself within five minutes.
#[tokio::test(start_paused = true)]
async fn a_suspected_app_that_is_put_right_goes_on() {
    for by_hangup in [true, false] {
        let began = tokio::time::Instant::now();
        let api = FakeApi::new(move |_, _| {
            (SOON, if began.elapsed() < 10 * MINUTE { Verdict::Refused } else { completed() })
        });
        let mut bench = Bench::new(api).tickets("default", numbers(30));
        bench.settings.until_done = false;
        let running = bench.start();
        tokio::time::sleep(10 * MINUTE + SECOND).await;
        if by_hangup {
            running.commands.send(Command::TryAgain).await.unwrap();
            tokio::time::sleep(SECOND).await;
        } else {
            tokio::time::sleep(5 * MINUTE).await;
        }
        assert_eq!(running.view.borrow().listed.of(TicketState::Completed), 30);
        assert_eq!((bench.log.count(APP_SUSPECTED), bench.log.count(APP_RECOVERED)), (1, 1));
        running.stop.cancel();
        running.outcome.await.unwrap();
    }
}

/// Refused tickets keep no other one from being judged: with them alone left, an unlisted code counts by itself, and the
/// batch is stuck then.
#[tokio::test(start_paused = true)]
async fn an_unlisted_code_beside_refusals_is_judged() {
    let api = FakeApi::new(|ticket, _| {
        (SOON, if ticket == "odd" { Verdict::Strange(Strange::UnlistedCode) } else { Verdict::Refused })
    });
    let bench = Bench::new(api).tickets("default", numbers(11)).tickets("default", ["odd"]);
    let outcome = bench.run().await;
    assert_eq!((outcome.end, outcome.listed.of(TicketState::Failed)), (End::Stuck, 1));
    assert_eq!(bench.store.row("odd").error.unwrap().kind, ErrorKind::UnknownCode);
}

/// Trouble of a call does not bring a refused ticket back to the pace of the others.
#[tokio::test(start_paused = true)]
async fn a_refused_ticket_keeps_its_pace_in_trouble() {
    let api = FakeApi::new(|_, nth| (SOON, if nth == 1 { Verdict::Refused } else { trouble() }));
    let mut bench = Bench::new(api).tickets("default", numbers(20));
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(60 * MINUTE).await;
    let polls = bench.api.polls_of("1");
    assert!(polls.windows(2).all(|pair| pair[1].at - pair[0].at >= 5 * MINUTE) && polls.len() >= 10);
    running.stop.cancel();
    running.outcome.await.unwrap();
}

/// A state file of a version that kept no proof: what was answered before proves the app.
#[tokio::test(start_paused = true)]
async fn answered_tickets_of_an_older_state_file_prove_their_app() {
    let mut bench = Bench::new(refusing_up_to(40)).tickets("default", ["41"]);
    bench.run().await;
    bench.store.with(|kept| kept.proven.clear());
    bench = bench.tickets("default", numbers(20));
    assert_eq!(bench.run().await.listed.of(TicketState::Failed), 20);
}
