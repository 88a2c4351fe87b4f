//! What is left after a process died, was kept from writing, or met another one.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use export_simulator::{Endpoint, FAILING_JOB_STATUSES, Job, Life, Scenario};
use fastrand::Rng;
use serde_json::Value;

use crate::harness::{Bench, Ended, PATIENCE, default_app};

const KILLS: usize = 20;

/// What is said of a ticket, in the log or by `status`.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    state: Value,
    file_token: Value,
    error: Value,
}

impl Said {
    /// From a line of the log, which leaves out what is absent.
    fn by_log(line: &Value) -> Self {
        Self {
            state: line["state"].clone(),
            file_token: line["file_token"].clone(),
            error: line["error.kind"].clone(),
        }
    }

    fn by_status(row: &Value) -> Self {
        Self {
            state: row["state"].clone(),
            file_token: row["file_token"].clone(),
            error: row["error"]["kind"].clone(),
        }
    }
}

/// Every verdict that any run announced.
#[derive(Default)]
struct Announced(BTreeMap<String, Vec<Said>>);

impl Announced {
    /// Takes a run's announcements. The state file must hold each of them already.
    fn add(&mut self, run: &Ended, states: &BTreeMap<String, Said>) {
        for line in run.lines.iter().filter(|line| is_verdict(line)) {
            let ticket = line["ticket"].as_str().unwrap().to_owned();
            let said = Said::by_log(line);
            assert_eq!(
                states.get(&ticket),
                Some(&said),
                "ticket {ticket}: announced, but not in the state file"
            );
            self.0.entry(ticket).or_default().push(said);
        }
    }
}

fn is_verdict(line: &Value) -> bool {
    let events = ["ticket.completed", "ticket.failed", "ticket.timed_out", "ticket.removed"];
    line["event"].as_str().is_some_and(|event| events.contains(&event))
}

fn states(bench: &Bench) -> BTreeMap<String, Said> {
    let rows = bench.tickets();
    rows.iter().map(|row| (row["ticket"].as_str().unwrap().to_owned(), Said::by_status(row))).collect()
}

/// Jobs that end one after the other for eight seconds, every fifth of them badly.
fn jobs_ending_by_and_by(rng: &mut Rng) -> Vec<Job> {
    let job = |number: usize| {
        let job = Job::new(format!("69{number:04}"), format!("doc{number}"));
        let after = Duration::from_millis(rng.u64(..8_000));
        let status = FAILING_JOB_STATUSES[number % FAILING_JOB_STATUSES.len()];
        if number.is_multiple_of(5) { job.fails_after(after, status) } else { job.succeeds_after(after) }
    };
    (0..300).map(job).collect()
}

/// Starts the batch and kills it at random: in one round a moment after its start, in the next a moment
/// after one of its verdicts.
fn run_and_kill(bench: &Bench, round: usize, rng: &mut Rng) -> Ended {
    let run = bench.start(&["--until-done"]);
    let moment = if round.is_multiple_of(2) {
        Duration::from_micros(rng.u64(..400_000))
    } else {
        let verdicts = rng.usize(1..8);
        let is_over = |line: &Value| line["event"] == "watcher.stopping";
        run.wait_log("verdicts", |lines| {
            lines.iter().filter(|line| is_verdict(line)).count() >= verdicts || lines.iter().any(is_over)
        });
        Duration::from_micros(rng.u64(..3_000))
    };
    // Not to wait for something: the moment of a crash is nobody's choice.
    std::thread::sleep(moment);
    run.kill()
}

/// Promises 4 and 6: twenty kills at random moments of one batch. Whatever a dead process announced was in
/// the state file by then, every ticket ends as its job did, each verdict is announced at least once, and
/// never two that differ. Not even a crash lets the budget be exceeded.
#[test]
fn twenty_kills_lose_nothing() {
    let seed = std::env::var("CRASH_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("CRASH_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let per = Duration::from_millis(100);
    let bench = Bench::with(Scenario::with_apps([default_app(20, per)]));
    bench.configure("");
    bench.write(
        "watcher.toml",
        &(bench.read("watcher.toml") + "rate_limit = { requests = 20, per = \"100ms\" }\n"),
    );
    bench.jobs(jobs_ending_by_and_by(&mut rng));

    let mut announced = Announced::default();
    for round in 0..KILLS {
        let dead = run_and_kill(&bench, round, &mut rng);
        announced.add(&dead, &states(&bench));
    }
    let last = bench.run();
    assert_eq!(last.code, Some(10), "{}", last.stderr);
    let states = states(&bench);
    announced.add(&last, &states);

    assert_eq!(bench.sim.throttled_count(), 0);
    compare_with_truth(&bench, &states, &announced);
}

fn compare_with_truth(bench: &Bench, states: &BTreeMap<String, Said>, announced: &Announced) {
    let jobs = bench.sim.jobs();
    assert_eq!(states.len(), jobs.len());
    for job in jobs {
        let state = &states[&job.ticket];
        match job.life {
            Some(Life::Succeeds { .. }) => assert_eq!(state.file_token, job.file_token, "{}", job.ticket),
            _ => assert_eq!(state.state, "failed", "{}", job.ticket),
        }
        let said =
            announced.0.get(&job.ticket).unwrap_or_else(|| panic!("{} was never announced", job.ticket));
        assert!(said.iter().all(|said| said == state), "{}: {said:?}", job.ticket);
    }
    let twice = announced.0.values().filter(|said| said.len() > 1).count();
    println!("{} verdicts, {twice} of them announced more than once", states.len());
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
fn verdicts_that_nobody_could_read_are_announced_later() {
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
