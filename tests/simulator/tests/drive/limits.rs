//! The sliding window, as a client meets it.

use std::time::Duration;

use export_simulator::{App, Endpoint, RateLimit, Scenario, ThrottleStyle};

use crate::client::{APP, Bench, query_path};

const PER: Duration = Duration::from_secs(60);

fn bench(limit: RateLimit) -> Bench {
    Bench::new(Scenario::with_apps([App::default().rate_limit(limit), App::new("cli_other", "secret")]))
}

#[test]
fn the_third_of_two_has_to_wait() {
    let bench = bench(RateLimit::new(2, PER));
    let statuses: Vec<u16> = (0..3).map(|_| bench.query().status).collect();
    assert_eq!(statuses, [400, 400, 429]);
    let reply = bench.query();
    assert_eq!(reply.status_and_code(), (429, 99_991_400));
    assert_eq!(reply.header("X-Ogw-Ratelimit-Limit"), Some("2"));
    let reset: u64 = reply.header("X-Ogw-Ratelimit-Reset").unwrap().parse().unwrap();
    assert!((50..=60).contains(&reset), "{reset}");
    assert_eq!(bench.simulator.throttled_count(), 2);
    assert_eq!(
        bench.simulator.max_in_window(APP, Endpoint::Query, PER),
        4,
        "the journal counts refused ones"
    );
}

#[test]
fn windows_are_per_app_and_endpoint() {
    let mut bench = bench(RateLimit::new(1, PER));
    assert_eq!(bench.query().status, 400);
    assert_eq!(bench.query().status, 429);
    assert_eq!(bench.get("/open-apis/drive/v1/export_tasks/file/box/download").code(), 1_060_001);
    assert_eq!(bench.fetch_own_token().code(), 0, "the token endpoint has no window");
    bench.token = bench.simulator.issue_token("cli_other");
    assert_eq!(bench.query().status, 400);
}

#[test]
fn a_window_has_room_again() {
    let per = Duration::from_millis(100);
    let bench = bench(RateLimit::new(1, per));
    bench.query();
    while bench.query().status == 429 {}
    let requests = bench.simulator.requests();
    let admitted: Vec<_> = requests.iter().filter(|request| !request.throttled).collect();
    assert!(admitted[1].arrived_at - admitted[0].arrived_at >= per);
}

#[test]
fn refusals_take_every_form() {
    let cases = [
        (ThrottleStyle::Http429, 429, Some(99_991_400)),
        (ThrottleStyle::Legacy400, 400, Some(99_991_400)),
        (ThrottleStyle::Code9499, 400, Some(9499)),
        (ThrottleStyle::Code1069923, 429, Some(1_069_923)),
        (ThrottleStyle::Bare429, 429, None),
    ];
    let bench = bench(RateLimit::default());
    for (style, status, code) in cases {
        bench.simulator.set_rate_limit(APP, RateLimit::new(0, PER).style(style));
        let reply = bench.query();
        assert_eq!((reply.status, code.map(|_| reply.code())), (status, code));
        assert_eq!(reply.header("X-Ogw-Ratelimit-Reset"), Some("60"));
        if code == Some(9499) {
            assert_eq!(reply.json()["msg"], "too many request");
        }
    }
    let mut odd = RateLimit::new(0, PER);
    odd.reset = Some("soon".to_owned());
    bench.simulator.set_rate_limit(APP, odd.clone());
    assert_eq!(bench.query().header("X-Ogw-Ratelimit-Reset"), Some("soon"));
    odd.headers = false;
    bench.simulator.set_rate_limit(APP, odd);
    assert_eq!(bench.query().header("X-Ogw-Ratelimit-Reset"), None);
}

#[test]
fn headers_may_come_with_every_answer() {
    let mut limit = RateLimit::new(5, PER);
    limit.headers_always = true;
    let bench = bench(limit);
    assert_eq!(bench.query().header("X-Ogw-Ratelimit-Limit"), Some("5"));
}

#[test]
fn users_may_have_a_window_of_their_own() {
    let mut limit = RateLimit::new(1, PER);
    limit.users_share = false;
    let bench = bench(limit.clone());
    bench.simulator.accept_token(APP, "u-one");
    assert_eq!(bench.query().status, 400);
    assert_eq!(bench.query_with("Bearer u-one").status, 400);
    limit.users_share = true;
    bench.simulator.set_rate_limit(APP, limit);
    assert_eq!(bench.get(&query_path("1")).status, 400);
    assert_eq!(bench.query_with("Bearer u-one").status, 429);
}
