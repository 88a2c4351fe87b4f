//! Requests that are held on their way.

use std::thread;

use export_simulator::{Endpoint, Life, Trouble};

use crate::client::{APP, Bench, PATIENCE, TICKET};

/// A held request has not arrived: nothing is recorded, and what changes meanwhile is what it meets.
#[test]
fn a_held_request_meets_the_world_of_its_release() {
    let bench = Bench::with_job(|job| job.life(Life::Forever));
    let hold = bench.simulator.hold(TICKET, 2);
    assert_eq!(bench.query().code(), 0);
    thread::scope(|scope| {
        let held = scope.spawn(|| bench.query());
        assert!(bench.simulator.wait_until_held(hold, 1, PATIENCE));
        assert_eq!((bench.simulator.held(hold), bench.simulator.count(Endpoint::Query)), (1, 1));
        bench.simulator.set_trouble(APP, Trouble::Disabled);
        bench.simulator.release(hold);
        assert_eq!(held.join().unwrap().status_and_code(), (400, 99_991_662));
    });
    assert_eq!((bench.simulator.held(hold), bench.simulator.count(Endpoint::Query)), (0, 2));
    bench.simulator.set_trouble(APP, None);
    assert_eq!(bench.query().code(), 0, "nothing is held any more");
}
