//! Strange answers: a gateway that answers in the API's place never fails a ticket, and a ticket that gets nonsense
//! while others are answered is not polled without end.

use std::time::Duration;

use super::fakes::*;
use crate::domain::event::*;
use crate::domain::*;
use crate::engine::*;
use crate::feishu::*;

const UNLISTED: Verdict = Verdict::Strange(Strange::UnlistedCode);
const NO_STATUS: Verdict = Verdict::Strange(Strange::NoStatus);
const SOON: Duration = SECOND.checked_div(10).unwrap();

/// All tickets get this for so long, and are completed afterwards.
fn during(outage: Duration, strange: Verdict) -> FakeApi {
    let began = tokio::time::Instant::now();
    FakeApi::new(move |_, _| (SOON, if began.elapsed() < outage { strange.clone() } else { completed() }))
}

/// Promise 2: five tickets and one alone outlast six minutes of pages, and an app-wide strange code or empty result.
#[tokio::test(start_paused = true)]
async fn an_outage_of_strange_answers_fails_no_ticket() {
    for (strange, tickets) in [(PAGE, 5), (PAGE, 1), (UNLISTED, 5), (NO_STATUS, 5), (NO_STATUS, 1)] {
        let bench = Bench::new(during(6 * MINUTE, strange.clone()))
            .tickets("default", (0..tickets).map(|ticket| ticket.to_string()));
        let outcome = bench.run().await;
        assert_eq!(outcome.listed.of(TicketState::Completed), tickets, "{strange:?}");
        assert_eq!((bench.log.count(APP_DEGRADED), bench.log.count(APP_RECOVERED)), (1, 1), "{strange:?}");
        assert_eq!(bench.log.count(APP_PAUSED), 0);
    }
}

/// Promise 2: no moment at which an outage begins condemns a ticket: every ticket has had proper answers, and some get
/// theirs late.
#[tokio::test(start_paused = true)]
async fn an_outage_in_the_middle_fails_no_ticket() {
    for (from, latency) in [(1, 0), (7, 3), (30, 14), (61, 1), (125, 14)] {
        let began = tokio::time::Instant::now();
        let api = FakeApi::new(move |ticket, nth| {
            let seconds = began.elapsed().as_secs();
            let slow = SECOND * (latency * (nth + ticket.parse::<u32>().unwrap()) % 15);
            let verdict = match seconds {
                _ if (from..from + 600).contains(&seconds) => PAGE,
                1000.. => completed(),
                _ => Verdict::Pending,
            };
            (SOON + slow, verdict)
        });
        let bench = Bench::new(api).tickets("default", (0..20).map(|ticket| ticket.to_string()));
        let outcome = bench.run().await;
        assert_eq!(outcome.listed.of(TicketState::Completed), 20, "from {from} s on");
    }
}

/// The opposite is bounded: a ticket that gets nonsense while others are answered fails, and so does a lone one with a
/// code that is not listed.
#[tokio::test(start_paused = true)]
async fn nonsense_while_others_are_answered_fails_the_ticket() {
    for (strange, kind) in [
        (PAGE, ErrorKind::MalformedAnswer),
        (UNLISTED, ErrorKind::UnknownCode),
        (NO_STATUS, ErrorKind::MalformedAnswer),
    ] {
        let api = FakeApi::new(move |ticket, nth| {
            let sound = if nth < 20 { Verdict::Pending } else { completed() };
            (SOON, if ticket == "sick" { strange.clone() } else { sound })
        });
        let bench = Bench::new(api).tickets("default", ["sick", "1", "2"]);
        let began = tokio::time::Instant::now();
        assert_eq!(bench.run().await.end, End::Done);
        assert_eq!(bench.store.row("sick").error.unwrap().kind, kind);
        assert_eq!(bench.log.count(APP_DEGRADED), 0, "the app is sound");
        assert!((5 * MINUTE..25 * MINUTE).contains(&began.elapsed()), "{:?}", began.elapsed());
    }
    let bench = Bench::new(FakeApi::new(|_, _| (SOON, UNLISTED))).tickets("default", ["1"]);
    let began = tokio::time::Instant::now();
    assert_eq!(bench.run().await.listed.of(TicketState::Failed), 1);
    assert!((5 * MINUTE..15 * MINUTE).contains(&began.elapsed()), "{:?}", began.elapsed());
}

/// A pause ends with its cause: an error of the export service shows that the token is taken.
#[tokio::test(start_paused = true)]
async fn an_envelope_with_another_code_ends_a_pause() {
    let internal_error = || Verdict::Retry { kind: ErrorKind::ServerError, pace: Pace::Usual };
    let api = FakeApi::new(move |ticket, nth| match nth {
        1 | 2 => (SOON, Verdict::TokenRejected),
        3..=30 => (SOON, internal_error()),
        _ => (SOON, if ticket == "1" { Verdict::Pending } else { completed() }),
    });
    api.with(|remote| remote.envelopes_on_trouble = true);
    let mut bench = Bench::new(api).tickets("default", ["2"]);
    bench.settings.deadline = Some(60 * MINUTE);
    let outcome = bench.run().await;
    assert_eq!(outcome.end, End::Done, "not stuck: {:?}", outcome.troubled);
    assert_eq!((bench.log.count(APP_PAUSED), bench.log.count(APP_RESUMED)), (1, 1));
}

/// A pause of the token endpoint ends with a grant, whatever becomes of the polls.
#[tokio::test(start_paused = true)]
async fn a_granted_token_ends_the_pause_of_the_token_endpoint() {
    let api = FakeApi::new(|_, nth| (SOON, if nth < 20 { trouble() } else { completed() })).with_tokens(
        |_, nth| {
            if nth <= 2 {
                Err(TokenTrouble::AppFault(PauseReason::CredentialsRejected))
            } else {
                Ok(Some(7200))
            }
        },
    );
    let bench = Bench::new(api).tickets("default", ["1", "2"]);
    let outcome = bench.run().await;
    assert_eq!(outcome.end, End::Done, "not stuck: {:?}", outcome.troubled);
    assert_eq!((bench.log.count(APP_PAUSED), bench.log.count(APP_RESUMED)), (1, 1));
    assert_eq!(bench.log.field(APP_PAUSED, "endpoint").as_deref(), Some("token"));
}

/// A query endpoint that refuses every fresh token is paused once: a granted token does not end its pause.
#[tokio::test(start_paused = true)]
async fn an_endpoint_that_refuses_every_fresh_token_does_not_flap() {
    let api = FakeApi::new(|_, _| (SOON, Verdict::TokenRejected));
    let mut bench = Bench::new(api).tickets("default", (0..20).map(|ticket| ticket.to_string()));
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(60 * MINUTE).await;
    assert_eq!((bench.log.count(APP_PAUSED), bench.log.count(APP_RESUMED)), (1, 0));
    assert!(bench.api.with(|remote| remote.fetches.len()) < 30);
    running.stop.cancel();
    running.outcome.await.unwrap();
}

/// What is not the API's shows nothing: a page does not end a pause.
#[tokio::test(start_paused = true)]
async fn a_page_ends_no_pause() {
    let api = FakeApi::new(|_, nth| {
        (SOON, if nth == 1 { Verdict::AppFault(PauseReason::IpNotAllowed) } else { PAGE })
    });
    let mut bench = Bench::new(api).tickets("default", ["1"]);
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(30 * MINUTE).await;
    assert_eq!((bench.log.count(APP_PAUSED), bench.log.count(APP_RESUMED)), (1, 0));
    running.stop.cancel();
    running.outcome.await.unwrap();
}
