//! The request budget as the server counts it.

use std::time::Duration;

use export_simulator::{Endpoint, Job, Life, Scenario};

use crate::harness::{Bench, default_app};

const PER: Duration = Duration::from_secs(10);

/// Promise 1, with a stop and a restart in the middle: 300 jobs of lognormal length, median 1.3 s, under
/// 60 requests per 10 s. No answer is throttled, and the run takes at most half again as long as one poll
/// a ticket would, plus one window.
#[test]
fn three_hundred_tickets_and_no_throttled_answer() {
    let bench = Bench::with(Scenario::with_apps([default_app(60, PER)]));
    bench.configure("");
    let limited = bench.read("watcher.toml") + "rate_limit = { requests = 60, per = \"10s\" }\n";
    bench.write("watcher.toml", &limited.replace("\"100ms\"", "\"4s\"").replace("\"1s\"", "\"60s\""));
    let life = Life::Lognormal { median: Duration::from_millis(1300), sigma: 1.0, failing: 0.0 };
    bench.jobs(
        (0..300).map(|number| Job::new(format!("69{number:04}"), format!("doc{number}")).life(life.clone())),
    );

    let began = std::time::Instant::now();
    let first = bench.start(&["--until-done"]);
    first.wait_event("ticket.completed", 100);
    assert_eq!(first.stop().code, Some(11));
    assert_eq!(bench.run().code, Some(0));
    let took = began.elapsed();

    assert_eq!(bench.sim.throttled_count(), 0);
    assert!(bench.sim.max_in_window(export_simulator::DEFAULT_APP_ID, Endpoint::Query, PER) <= 60);
    let one_poll_each = PER * 300 / 60;
    assert!(took <= one_poll_each.mul_f64(1.5) + PER, "{took:?}");
    println!("300 tickets in {took:?}, {} polls", bench.sim.count(Endpoint::Query));
}
