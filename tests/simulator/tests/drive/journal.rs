//! What the journal lists.

use std::time::Duration;

use export_simulator::{Endpoint, Scenario};

use crate::client::{APP, Bench, DOCUMENT, PATIENCE, TICKET, query_path};

#[test]
fn every_request_is_recorded_in_order() {
    let bench = Bench::new(Scenario { record_headers: true, ..Scenario::default() });
    bench.fetch_own_token();
    bench.query();
    bench.get("/favicon.ico");
    let requests = bench.simulator.requests();
    let seen: Vec<_> =
        requests.iter().map(|request| (request.ordinal, request.endpoint, request.code)).collect();
    let expected = [
        (1, Endpoint::TenantToken, Some(0)),
        (2, Endpoint::Query, Some(1_069_904)),
        (3, Endpoint::Other, None),
    ];
    assert_eq!(seen, expected);
    assert!(requests.iter().all(|request| request.app_id.as_deref() == Some(APP)));
    assert!(requests.iter().all(|request| request.answered_at.unwrap() >= request.arrived_at));
    assert!(requests.is_sorted_by_key(|request| request.arrived_at));
    assert_eq!(requests[1].ticket.as_deref(), Some(TICKET));
    assert_eq!(requests[1].token_generation, Some(1));
    assert_eq!(&*requests[1].line, format!("GET /open-apis/drive/v1/export_tasks/{TICKET}?token={DOCUMENT}"));
    assert_eq!(requests[1].headers.as_ref().unwrap()["host"], "simulator");
    assert_eq!(requests[2].status, Some(404));
}

#[test]
fn a_renewed_token_has_the_next_generation() {
    let mut bench = Bench::new(Scenario::default());
    bench.query();
    bench.simulator.revoke_tokens(APP);
    bench.query();
    bench.token = bench.simulator.issue_token(APP);
    bench.query();
    bench.token = "t-unknown".to_owned();
    bench.query();
    let polls = bench.simulator.polls_of(TICKET);
    let seen: Vec<_> = polls.iter().map(|poll| (poll.token_generation, poll.code.unwrap())).collect();
    let (good, bad) = (1_069_904, 99_991_663);
    assert_eq!(seen, [(Some(1), good), (Some(1), bad), (Some(2), good), (None, bad)]);
    assert_eq!(bench.simulator.journal(|journal| journal.with_code(bad).count()), 2);
}

#[test]
fn waiting_ends_by_condition_or_by_time() {
    let bench = Bench::new(Scenario::default());
    let few = Duration::from_millis(20);
    assert!(!bench.simulator.wait_until(few, |journal| !journal.is_empty()));
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| bench.simulator.wait_until(PATIENCE, |journal| journal.len() == 2));
        bench.get(&query_path("1"));
        bench.get(&query_path("2"));
        assert!(waiter.join().unwrap());
    });
    assert_eq!(bench.simulator.count(Endpoint::Query), 2);
}

#[test]
fn tasks_can_wait_too() {
    let bench = Bench::new(Scenario::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let few = Duration::from_millis(20);
        assert!(!bench.simulator.until(few, |journal| !journal.is_empty()).await);
        std::thread::scope(|scope| {
            scope.spawn(|| bench.query());
        });
        assert!(bench.simulator.until(PATIENCE, |journal| journal.len() == 1).await);
    });
}
