//! Signals, and what changes in the folder while the watcher runs.

use std::fs;
use std::time::{Duration, Instant};

use export_simulator::{Endpoint, Fault, Job, Life};
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Bench, PATIENCE, Running, events};

/// A bench with one job that is done and one that runs; their first polls are answered a second late.
fn answered_late() -> Bench {
    let bench = Bench::new();
    bench.jobs([
        Job::new("1", "doc1").succeeds_after(Duration::ZERO),
        Job::new("2", "doc2").life(Life::Forever),
    ]);
    for ticket in ["1", "2"] {
        bench.sim.fault(ticket, 1, Fault::Delay { by: Duration::from_secs(1) });
    }
    bench
}

fn wait_for_polls(bench: &Bench, ticket: &str, count: usize) {
    assert!(
        bench.sim.wait_until(PATIENCE, |journal| journal.polls_of(ticket).count() >= count),
        "ticket {ticket} was not polled"
    );
}

/// Stops it with two polls in flight: these may end, and a verdict is written and announced; no other poll is
/// sent.
fn stop_in_flight(arguments: &[&str], signal: Signal, code: i32) {
    let bench = answered_late();
    let run = bench.start(arguments);
    wait_for_polls(&bench, "1", 1);
    wait_for_polls(&bench, "2", 1);
    run.signal(signal);
    let ended = run.wait();
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    assert_eq!(bench.sim.count(Endpoint::Query), 2, "no new polls");
    let said: Vec<_> = ended.lines.iter().filter_map(|line| line["event"].as_str()).collect();
    let place =
        |event| said.iter().position(|said| *said == event).unwrap_or_else(|| panic!("{event}: {said:?}"));
    assert!(place("watcher.stopping") < place("ticket.completed"), "{said:?}");
    assert!(place("ticket.completed") < place("watcher.stopped"), "{said:?}");
    assert_eq!((bench.count("completed"), bench.count("pending")), (1, 1));
}

/// Design 4.6: the first SIGTERM or SIGINT lets polls in flight end; a service exits with 0, a batch with 11
/// because a ticket is pending.
#[test]
fn polls_in_flight_may_end() {
    std::thread::scope(|scope| {
        scope.spawn(|| stop_in_flight(&[], Signal::TERM, 0));
        scope.spawn(|| stop_in_flight(&[], Signal::INT, 0));
        scope.spawn(|| stop_in_flight(&["--until-done"], Signal::TERM, 11));
    });
}

/// Design 4.6: the second signal ends the process at once with 130, although a poll hangs.
#[test]
fn a_second_signal_ends_it_at_once() {
    let bench = Bench::new();
    bench.reconfigure("request_timeout = \"2s\"", "request_timeout = \"30s\"");
    bench.jobs([Job::new("1", "doc1").life(Life::Forever)]);
    bench.sim.fault("1", 1, Fault::Hang);
    let run = bench.start(&[]);
    wait_for_polls(&bench, "1", 1);
    run.signal(Signal::TERM);
    run.wait_event("watcher.stopping", 1);
    let asked = Instant::now();
    run.signal(Signal::INT);
    assert_eq!(run.wait().code, Some(130));
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    // Nothing is broken by it.
    bench.sim.finish_job("1");
    assert_eq!(bench.run().code, Some(0));
}

/// A service that polls job 1, which does not end.
fn service() -> (Bench, Running) {
    let bench = Bench::new();
    bench.jobs([Job::new("1", "doc1").life(Life::Forever)]);
    bench.sim.add_job(Job::new("2", "doc2").life(Life::Forever));
    let run = bench.start(&[]);
    wait_for_polls(&bench, "1", 1);
    (bench, run)
}

fn reload(run: &Running, event: &str) -> Value {
    let seen = events(&run.log(), event).count();
    run.signal(Signal::HUP);
    run.wait_event(event, seen + 1);
    events(&run.log(), event).last().unwrap().clone()
}

/// Design 4.2 and 4.6: SIGHUP takes a new list. A ticket that left it is announced as removed and polled no
/// more; listed again it is polled again, and its verdict is announced.
#[test]
fn sighup_takes_a_new_list() {
    let (bench, run) = service();
    bench.list("watchlist.toml", [("2", "doc2")]);
    let loaded = reload(&run, "watchlist.loaded");
    assert_eq!((&loaded["added"], &loaded["removed"], &loaded["tickets"]), (&1.into(), &1.into(), &1.into()));
    run.wait_event("ticket.removed", 1);
    let polls = bench.sim.polls_of("1").len();
    wait_for_polls(&bench, "2", 4);
    // One may have been on its way.
    assert!(bench.sim.polls_of("1").len() <= polls + 1, "a removed ticket is not polled");
    assert_eq!(bench.ticket("1")["state"], "removed");

    let polls = bench.sim.polls_of("1").len();
    bench.list("watchlist.toml", [("1", "doc1"), ("2", "doc2")]);
    assert_eq!(reload(&run, "watchlist.loaded")["restarted"], 1);
    wait_for_polls(&bench, "1", polls + 1);
    bench.sim.finish_job("1");
    run.wait_event("ticket.completed", 1);
    assert_eq!(run.stop().events("ticket.completed")[0]["ticket"], "1");
}

/// Promise: under nohup a terminal that goes away is no reload: SIGHUP stays ignored.
#[test]
fn an_ignored_sighup_stays_ignored() {
    let bench = Bench::new();
    bench.jobs([Job::new("1", "doc1").life(Life::Forever)]);
    let run = Running::start(bench.shell("trap '' HUP; exec \"$0\" \"$@\"", "run", &[]));
    wait_for_polls(&bench, "1", 1);
    let status = fs::read_to_string(format!("/proc/{}/status", run.pid().as_raw_nonzero())).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & 1, 1, "{ignored}");
    run.signal(Signal::HUP);
    let polls = bench.sim.polls_of("1").len();
    wait_for_polls(&bench, "1", polls + 2);
    let ended = run.stop();
    assert_eq!((ended.code, ended.events("watchlist.loaded").len()), (Some(0), 1));
}

/// Promise 6: a bad list on SIGHUP is said, with its place, and takes nothing away.
#[test]
fn a_bad_list_changes_nothing() {
    let (bench, run) = service();
    bench.write("watchlist.toml", "[[ticket]]\nticket = 6933093124755412345\ntoken = \"doc1\"\n");
    reload(&run, "watchlist.rejected");
    let line = |line: &Value| line["message"].as_str().is_some_and(|text| text.contains("watchlist.toml:2:"));
    run.wait_log("the place", |lines| lines.iter().any(line));
    let polls = bench.sim.polls_of("1").len();
    wait_for_polls(&bench, "1", polls + 2);
    bench.wait_tickets("ticket 1", |rows| rows.len() == 1 && rows[0]["state"] == "pending");
    bench.sim.finish_job("1");
    run.wait_event("ticket.completed", 1);
    let ended = run.stop();
    assert_eq!(ended.code, Some(0));
    let loaded = ended.events("watchlist.loaded");
    assert_eq!((&loaded[1]["kept_files"], &loaded[1]["removed"]), (&1.into(), &0.into()));
    assert_eq!(ended.events("ticket.removed").len(), 0);
}

/// Design 4.6: a changed `watcher.toml` is said once for each change, and not applied.
#[test]
fn a_changed_configuration_is_reported_and_not_applied() {
    let (bench, run) = service();
    bench.reconfigure("watchlist = [\"watchlist.toml\"]", "watchlist = [\"other.toml\"]");
    let changed = reload(&run, "config.changed");
    assert!(changed["message"].as_str().unwrap().contains("restart"), "{changed}");
    run.wait_event("watchlist.loaded", 2);
    // The old list is read, of which the new configuration knows nothing.
    bench.list("watchlist.toml", [("1", "doc1"), ("2", "doc2")]);
    assert_eq!(reload(&run, "watchlist.loaded")["added"], 1);
    wait_for_polls(&bench, "2", 1);
    assert_eq!(run.stop().events("config.changed").len(), 1);
}

/// After a rename, SIGHUP opens the log file anew; not a line is lost in between. Should the watcher notice the rename
/// before the signal, it says so, and repeats verdicts that were not safe yet.
#[test]
fn the_log_file_is_opened_anew() {
    let bench = Bench::new();
    bench.configure("[log]\nfile = \"events.jsonl\"");
    bench.jobs([Job::new("1", "doc1").life(Life::Forever), Job::new("2", "doc2").life(Life::Forever)]);
    let run = bench.start(&[]);
    bench.sim.finish_job("1");
    // File and standard output are written by a thread each.
    bench.wait_file("events.jsonl", "ticket 1 completed");
    fs::rename(bench.path("events.jsonl"), bench.path("events.jsonl.1")).unwrap();
    reload(&run, "watchlist.loaded");
    bench.sim.finish_job("2");
    bench.wait_file("events.jsonl", "ticket 2 completed");
    let ended = run.stop();
    let (old, new) = (bench.read("events.jsonl.1"), bench.read("events.jsonl"));
    assert!(old.contains("ticket 1 completed") && new.contains("ticket 2 completed"), "{old}\n\n{new}");
    let written = old + &new;
    let lost: Vec<_> = ended.stdout.lines().filter(|line| !written.contains(line)).collect();
    assert!(lost.iter().all(|line| line.contains("log.failed")), "not in the files: {lost:#?}");
}

/// Promise 6: a bad file that only a pattern matched is left out and said; the tickets it listed before stay
/// as they were, and are polled, while the rest of the list is taken. So on SIGHUP, and at a start.
#[test]
fn a_bad_file_of_a_pattern_takes_nothing_away() {
    let bench = Bench::new();
    bench.reconfigure("[\"watchlist.toml\"]", "[\"watchlist.toml\", \"lists/*.toml\"]");
    fs::create_dir(bench.path("lists")).unwrap();
    for ticket in ["1", "2", "3"] {
        bench.sim.add_job(Job::new(ticket, "doc").life(Life::Forever));
    }
    bench.list("watchlist.toml", [("1", "doc")]);
    bench.list("lists/more.toml", [("2", "doc")]);
    let run = bench.start(&[]);
    wait_for_polls(&bench, "2", 1);

    bench.write("lists/more.toml", "[[ticket]]\nticket = \"2\"\ntokn = \"doc\"\n");
    bench.list("watchlist.toml", [("1", "doc"), ("3", "doc")]);
    let rejected = reload(&run, "watchlist.rejected");
    assert!(rejected["path"].as_str().unwrap().ends_with("lists/more.toml"), "{rejected}");
    wait_for_polls(&bench, "3", 1);
    let polls = bench.sim.polls_of("2").len();
    wait_for_polls(&bench, "2", polls + 1);
    assert_eq!(run.stop().events("ticket.removed").len(), 0);

    let again = bench.start(&[]);
    again.wait_event("watchlist.rejected", 1);
    bench.sim.finish_job("2");
    again.wait_event("ticket.completed", 1);
    assert_eq!(again.stop().events("ticket.completed")[0]["ticket"], "2");
    assert_eq!(bench.count("pending"), 2);
}
