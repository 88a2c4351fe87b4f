//! Polls a second of the whole watcher, with verdict, schedule, state file and log, beside a bare loop's.

use std::io;

use crate::bare_loop;
use crate::daemon::{Place, list_of};
use crate::figures::{Spread, judged};
use crate::server::Server;

/// Connections of both, which is the watcher's `max_in_flight` as shipped.
const CONNECTIONS: usize = 32;

const TICKETS: usize = 20_000;

/// A ticket is said to be running so often, then it is done.
const RUNNING: u8 = 2;

/// As fast as tickets can be polled: no ticket waits for an interval or a budget.
const POLL: &str = "[poll]\ninitial_interval = \"1ms\"\nmultiplier = 1\nmax_interval = \"1ms\"\njitter = 0\n";
const APP: &str = "rate_limit = { requests = 10000, per = \"1ms\" }";

/// The least share of the bare loop's polls that is wanted.
const WANTED: f64 = 0.6;

/// Runs both in turn, `rounds` times, and prints the rates.
pub(crate) fn measure(rounds: usize) -> io::Result<()> {
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..rounds {
        let (watcher, bare) = (watcher()?, bare()?);
        rates.iter_mut().zip([watcher, bare, watcher / bare]).for_each(|(rates, rate)| rates.push(rate));
    }
    let [watcher, bare, ratio] = rates.map(Spread::new);
    println!("\n### Polls a second\n\n| | polls a second |\n|---|---|");
    println!("| watcher | {watcher:.0} |\n| bare loop | {bare:.0} |\n| ratio, pair by pair | {ratio:.2} |");
    println!("\n{}", judged("ratio at least 0.6", &format!("{:.2}", ratio.median), ratio.median >= WANTED));
    Ok(())
}

/// A batch from the first poll to the last; every ticket completes.
fn watcher() -> io::Result<f64> {
    let server = Server::start(TICKETS, RUNNING)?;
    let place = Place::new(&server, POLL, APP)?;
    place.list(&list_of(0..TICKETS as u64))?;
    assert!(place.start(&["--until-done"])?.ended(), "every ticket completes");
    assert_eq!(server.queries(), queries() as u64, "no poll is sent in vain");
    Ok(server.rate())
}

fn bare() -> io::Result<f64> {
    let server = Server::start(TICKETS, RUNNING)?;
    assert!(bare_loop::run(&server, CONNECTIONS, TICKETS, queries())?.success(), "no poll fails");
    assert_eq!(server.queries(), queries() as u64);
    Ok(server.rate())
}

fn queries() -> usize {
    TICKETS * (usize::from(RUNNING) + 1)
}
