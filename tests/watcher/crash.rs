//! What is left after a process died, was kept from writing, or met another one.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use export_simulator::{Endpoint, Job, Life};
use serde_json::Value;

use crate::harness::{Bench, PATIENCE};

mod files;
mod hooks;
mod lists;
mod memory;
mod oracle;
mod rounds;

/// The budget of the rounds: small enough to be felt.
const REQUESTS: usize = 20;
const PER: Duration = Duration::from_millis(100);

fn is_verdict(line: &Value) -> bool {
    let events =
        ["ticket.completed", "ticket.failed", "ticket.timed_out", "ticket.removed", "document.failed"];
    line["event"].as_str().is_some_and(|event| events.contains(&event))
}

/// Promise 6: a log file whose last line a crash cut short is continued on a line of its own.
#[test]
fn a_torn_line_is_ended_before_the_next() {
    let bench = Bench::new();
    bench.configure("[log]\nfile = \"events.jsonl\"");
    bench.jobs([
        Job::new("1", "doc1").succeeds_after(Duration::ZERO),
        Job::new("2", "doc2").life(Life::Forever),
    ]);
    let first = bench.start(&[]);
    bench.wait_file("events.jsonl", "ticket 1 completed");
    first.kill();
    let text = bench.read("events.jsonl");
    let torn = text.len() - text.lines().last().unwrap().len() / 2 - 1;
    fs::write(bench.path("events.jsonl"), &text[..torn]).unwrap();
    bench.sim.finish_job("2");
    assert_eq!(bench.run().code, Some(0));

    let after = bench.read("events.jsonl");
    assert!(after.starts_with(&format!("{}\n", &text[..torn])), "{after}");
    let unreadable = after.lines().filter(|line| serde_json::from_str::<Value>(line).is_err());
    assert_eq!(unreadable.count(), 1, "only the torn line itself:\n{after}");
    assert!(after.lines().any(|line| line.contains("ticket 2 completed")), "{after}");
}

/// Promise 6: of two watchers on one state file the second ends with 12, names the first, sends nothing
/// and says nothing in the log; the first goes on.
#[test]
fn a_second_watcher_is_turned_away() {
    let bench = Bench::new();
    bench.jobs([Job::new("1", "doc1").life(Life::Forever)]);
    let first = bench.start(&[]);
    first.wait_event("token.refreshed", 1);
    for arguments in [&[][..], &["--until-done"]] {
        let second = bench.start(arguments).wait();
        assert_eq!(second.code, Some(12), "{}", second.stderr);
        let holder = format!("process {})", first.pid().as_raw_nonzero());
        assert!(second.stderr.contains(&holder), "{}", second.stderr);
        assert_eq!(second.stdout, "");
    }
    assert_eq!(bench.sim.count(Endpoint::TenantToken), 1, "the second asks for nothing");
    let polls = bench.sim.count(Endpoint::Query);
    assert!(bench.sim.wait_until(PATIENCE, |journal| journal.of(Endpoint::Query).count() > polls + 1));
    bench.sim.finish_job("1");
    first.wait_event("ticket.completed", 1);
    assert_eq!(first.stop().code, Some(0));
    assert_eq!(bench.ticket("1")["state"], "completed");
}

/// Promise 4: verdicts that were committed but could not be written anywhere are not counted as announced.
/// The batch says so with its exit code, the next start announces them, and the one after that has no more
/// to say.
#[test]
fn verdicts_that_could_not_be_written_are_announced_later() {
    let full = || Stdio::from(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    // Of a pipe whose reader is gone.
    let closed = || Stdio::from(std::io::pipe().unwrap().1);
    std::thread::scope(|scope| {
        scope.spawn(|| unread(full()));
        scope.spawn(|| unread(closed()));
    });
}

fn unread(stdout: Stdio) {
    let bench = Bench::new();
    bench.jobs((0..5).map(|n| Job::new(n.to_string(), format!("doc{n}")).succeeds_after(Duration::ZERO)));
    let output = bench.command("run", &["--until-done"]).stdout(stdout).output();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("5 verdicts could not be logged"), "{stderr}");
    assert_eq!(bench.count("completed"), 5);

    let polls = bench.sim.count(Endpoint::Query);
    let second = bench.run();
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    assert_eq!(second.events("ticket.completed").len(), 5);
    assert_eq!(bench.sim.count(Endpoint::Query), polls, "what is decided is not asked again");
    assert_eq!(bench.run().events("ticket.completed").len(), 0);
}
