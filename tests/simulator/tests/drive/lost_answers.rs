//! Creates whose job is made, and whose ticket does not arrive.

use std::time::Duration;

use export_simulator::{App, Endpoint, Fault, Made, Order, RateLimit, Scenario, Target};
use serde_json::json;

use crate::client::{APP, Bench, CREATE, DOCUMENT, PATIENCE, pdf, query_path};

const PER: Duration = Duration::from_secs(60);

fn made(bench: &Bench) -> Made {
    let all = bench.simulator.made();
    all.get(&(APP.into(), Order::new(DOCUMENT, "docx", "pdf"))).cloned().unwrap_or_default()
}

/// Promise: in each form the journal counts one job and one lost answer, and the next create makes the second job.
#[test]
fn every_form_is_counted() {
    let forms = [
        Fault::lost(Fault::Reset),
        Fault::lost(Fault::Close),
        Fault::lost(Fault::Empty { status: 500 }),
        Fault::lost(Fault::Html { status: 502 }),
        Fault::HalfBody,
    ];
    for fault in forms {
        let bench = Bench::new(Scenario::default());
        bench.simulator.fault(Target::document(DOCUMENT), 1, fault.clone());
        let reply = bench.try_create(&pdf(DOCUMENT));
        let ticket =
            reply.ok().and_then(|reply| serde_json::from_slice::<serde_json::Value>(&reply.body).ok());
        assert_eq!(ticket, None, "{fault:?}");
        let first = made(&bench);
        assert_eq!((first.tickets.len(), first.lost, first.never_polled), (1, 1, 1), "{fault:?}");
        let second = bench.ticket_of(DOCUMENT);
        bench.get(&query_path(&second));
        let both = made(&bench);
        assert_eq!((both.tickets.len(), both.lost, both.never_polled), (2, 1, 1), "{fault:?}");
        assert!(both.is_within(1) && !first.tickets.iter().any(|ticket| **ticket == *second));
        bench.ticket_of(DOCUMENT);
        assert!(!made(&bench).is_within(1), "one surplus job without a lost answer");
    }
}

/// Promise: an answer that never comes is lost, and so is one whose client leaves before it comes.
#[test]
fn an_answer_that_is_not_awaited_is_lost() {
    let late = Fault::Delay { by: PER };
    for (fault, is_lost_at_once) in [(Fault::lost(Fault::Hang), true), (late, false)] {
        let bench = Bench::new(Scenario::default());
        bench.simulator.fault(Target::document(DOCUMENT), 1, fault);
        let stream = bench.send_post(CREATE, &pdf(DOCUMENT)).unwrap();
        assert!(bench.simulator.wait_until(PATIENCE, |journal| journal.waiting_count() == 1));
        assert_eq!(made(&bench).lost, usize::from(is_lost_at_once));
        drop(stream);
        assert!(bench.simulator.wait_until(PATIENCE, |journal| journal.lost_answers().count() == 1));
        assert!(bench.simulator.wait_until(PATIENCE, |journal| journal.waiting_count() == 0));
        assert_eq!((made(&bench).tickets.len(), made(&bench).lost), (1, 1));
    }
}

/// Promise: without a lost answer nothing is counted as one, and faults that strike first make no job.
#[test]
fn other_faults_lose_nothing() {
    let bench = Bench::new(Scenario::default());
    let document = || Target::document(DOCUMENT);
    bench.simulator.fault(document(), 1, Fault::Reset);
    bench.simulator.fault(document(), 2, Fault::Delay { by: Duration::from_millis(1) });
    bench.simulator.fault(document(), 3, Fault::Slow { bytes: 20, every: Duration::from_millis(1) });
    assert!(bench.try_create(&pdf(DOCUMENT)).is_err());
    assert_eq!(made(&bench), Made::default());
    let tickets = [bench.ticket_of(DOCUMENT), bench.ticket_of(DOCUMENT)];
    let sent =
        |journal: &export_simulator::Journal| journal.all().iter().any(|request| request.sent.is_some());
    assert!(bench.simulator.wait_until(PATIENCE, sent));
    assert_eq!((made(&bench).tickets.len(), made(&bench).lost), (tickets.len(), 0));
}

/// Promise: creates have a window of their own, and one beyond it makes no job and is seen in the journal.
#[test]
fn creates_have_a_budget_of_their_own() {
    let bench = Bench::new(Scenario::with_apps([App::default().rate_limit(RateLimit::new(2, PER))]));
    bench.simulator.fault(Target::document(DOCUMENT), 3, Fault::lost(Fault::Reset));
    for status in [200, 200] {
        assert_eq!(bench.create(&pdf(DOCUMENT)).status, status);
    }
    assert!(bench.try_create(&pdf(DOCUMENT)).is_err());
    assert_eq!(bench.create(&pdf(DOCUMENT)).status_and_code(), (429, 99_991_400));
    assert_eq!(bench.query().status, 400, "the query has its own window");
    assert_eq!((made(&bench).tickets.len(), made(&bench).lost), (2, 0));
    assert_eq!(bench.simulator.max_in_window(APP, Endpoint::Create, PER), 4);
    assert_eq!(bench.simulator.throttled_count(), 2);
}

/// Promise: formats, sheets and apps are counted apart.
#[test]
fn exports_are_counted_apart() {
    let mut bench = Bench::new(Scenario::with_apps([App::default(), App::new("cli_other", "secret")]));
    bench.create(&pdf(DOCUMENT));
    bench.create(&json!({"file_extension": "docx", "token": DOCUMENT, "type": "docx"}));
    for sub_id in ["a", "b"] {
        bench.create(&json!({"file_extension": "csv", "token": "sht", "type": "sheet", "sub_id": sub_id}));
    }
    bench.token = bench.simulator.issue_token("cli_other");
    bench.create(&pdf(DOCUMENT));
    let made = bench.simulator.made();
    assert_eq!((made.len(), made.values().all(|jobs| jobs.tickets.len() == 1)), (5, true));
}
