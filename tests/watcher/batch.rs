//! `run --until-done`: exit codes, summary, progress bar, and a second run of a finished batch.

use std::time::{Duration, Instant};

use export_simulator::{Job, Life};

use crate::call::BINARY;
use crate::harness::{Bench, Ended};
use crate::outputs::{json_lines, stderr, stdout};

/// What to do about a file whose sure time is over.
const TO_DO_IF_GONE: &str =
    "  may be gone  download the file at once; if it is gone, export the document again";

fn done(ticket: &str) -> Job {
    Job::new(ticket, format!("doc{ticket}")).succeeds_after(Duration::ZERO)
}

fn failing(ticket: &str) -> Job {
    Job::new(ticket, format!("doc{ticket}")).fails_after(Duration::ZERO, 107)
}

fn endless(ticket: &str) -> Job {
    Job::new(ticket, format!("doc{ticket}")).life(Life::Forever)
}

/// Standard output holds the log alone, and standard error exactly these lines: no bar without a terminal.
fn assert_said(bench: &Bench, ended: &Ended, summary: &[&str]) {
    assert_eq!(json_lines(&ended.stdout).len(), ended.lines.len());
    let lines: Vec<_> = ended.stderr.lines().collect();
    let state_file = format!("; state file {}", bench.path("state.db").display());
    assert_eq!(lines.len(), summary.len(), "{}", ended.stderr);
    assert_eq!(lines[0], format!("{}{state_file}", summary[0]));
    assert_eq!(lines[1..], summary[1..]);
}

/// Promise: a script learns from the exit code whether every ticket has its file.
#[test]
fn a_batch_that_went_well() {
    let bench = Bench::new();
    bench.jobs([done("70"), done("71")]);
    let ended = bench.run();
    assert_eq!(ended.code, Some(0));
    assert_said(&bench, &ended, &["2 completed, 0 failed, 0 timed out, 0 pending"]);
    assert!(ended.events("ticket.completed").iter().all(|line| line["level"] == "INFO"), "{}", ended.stdout);
}

/// Promise 5: a verdict that comes twelve minutes after the export does not look like success.
#[test]
fn a_batch_that_comes_too_late() {
    let bench = Bench::new();
    bench.jobs([done("70")]);
    let list = bench.read("watchlist.toml");
    let created = feishu_export_watcher::domain::WallTime::now() - Duration::from_secs(720);
    bench.write("watchlist.toml", &format!("{list}created_at = {created}\n"));
    let ended = bench.run();
    assert_eq!(ended.code, Some(0));
    let said: Vec<_> = ended.stderr.lines().collect();
    assert!(
        said[0].starts_with("1 completed (1 file may be gone), 0 failed, 0 timed out, 0 pending; "),
        "{said:?}"
    );
    assert!(
        said[1].starts_with("  completed  docName  box") && said[1].ends_with(", may be gone"),
        "{said:?}"
    );
    assert_eq!(said[2..], ["", "What to do", TO_DO_IF_GONE]);
    let completed = &ended.events("ticket.completed")[0];
    assert_eq!(completed["level"], "WARN");
    assert!(completed["message"].as_str().unwrap().contains("may be gone since"), "{completed}");
}

/// Promise: failed tickets show in the exit code, and a finished batch that is run again says the same without
/// a single request.
#[test]
fn a_batch_with_failures_that_is_run_again() {
    let bench = Bench::new();
    bench.jobs([done("70"), failing("71")]);
    for round in 1..=2 {
        let ended = bench.run();
        assert_eq!(ended.code, Some(10), "round {round}");
        let said = ended.stderr.as_str();
        assert!(said.starts_with("1 completed, 1 failed, 0 timed out, 0 pending; "), "{said}");
        assert!(said.contains("\n  failed     doc71  document_too_large (107)\n"), "{said}");
        assert!(
            said.contains("\n  document_too_large  split the document or choose another format"),
            "{said}"
        );
        assert_eq!(ended.events("ticket.completed").len(), usize::from(round == 1), "round {round}");
        assert_eq!(bench.sim.requests().len(), 3, "round {round}: a token and two polls in all");
    }
}

/// Promise: the deadline ends a batch on time and shows in the exit code, whatever failed besides.
#[test]
fn a_batch_that_is_too_slow() {
    let bench = Bench::new();
    bench.jobs([failing("70"), endless("71")]);
    let began = Instant::now();
    let ended = bench.start(&["--until-done", "--deadline", "2s"]).wait();
    assert_eq!(ended.code, Some(11));
    assert!((Duration::from_secs(2)..Duration::from_secs(10)).contains(&began.elapsed()));
    assert!(ended.stderr.starts_with("0 completed, 1 failed, 0 timed out, 1 pending; "), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("\nthe deadline passed; run again to go on\n"), "{}", ended.stderr);
}

/// Promise: the exit code of a batch says that a signal stopped it.
#[test]
fn a_batch_that_is_stopped() {
    let bench = Bench::new();
    bench.jobs([endless("70")]);
    let running = bench.start(&["--until-done"]);
    running.wait_event("watcher.started", 1);
    let ended = running.stop();
    assert_eq!(ended.code, Some(11));
    assert_said(
        &bench,
        &ended,
        &["0 completed, 0 failed, 0 timed out, 1 pending", "stopped; run again to go on"],
    );
}

/// Promise: with nothing to watch a batch is done at once, without a request.
#[test]
fn an_empty_batch_is_done() {
    let bench = Bench::new();
    bench.write("watchlist.toml", "");
    let ended = bench.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let config = bench.path("watcher.toml").display().to_string();
    let add = format!("  feishu-export-watcher add URL --format pdf --config {config}");
    let summary = "0 completed, 0 failed, 0 timed out, 0 pending";
    assert_said(&bench, &ended, &[summary, "nothing is listed; add documents:", &add]);
    assert!(bench.sim.requests().is_empty());
}

/// Promise: on a terminal there is a bar that says how far it is and how long the rest takes; the log stays clean.
#[test]
fn a_terminal_shows_a_bar() {
    let Some((bench, shown)) = on_a_terminal("> \"$BENCH/out.jsonl\"") else { return };
    assert!(shown.contains(" 1/3 done, 1 failed, about "), "{shown:?}");
    assert!(shown.contains("0 completed, 1 failed, 0 timed out, 2 pending; state file "), "{shown:?}");
    let log = json_lines(&bench.read("out.jsonl"));
    assert!(log.iter().any(|line| line["event"] == "ticket.failed"));
}

/// Promise: where log and bar share a terminal, the log is text and no line of it is torn by the bar.
#[test]
fn a_terminal_shows_log_and_bar() {
    let Some((_, shown)) = on_a_terminal("") else { return };
    let line = |wanted: &str| shown.split(['\n', '\r']).any(|line| line.contains(wanted));
    assert!(line(" 1/3 done, 1 failed, about "), "{shown:?}");
    assert!(line(" doc70                            document_too_large (107)"), "{shown:?}");
    assert!(!shown.contains("{\"timestamp\""), "{shown:?}");
    assert!(!shown.contains("0/0 done"), "a full bar before anything is known: {shown:?}");
}

/// Runs a batch with a failure until its deadline on a pseudo terminal of `script` (util-linux), with a
/// redirection of the shell; none where there is no `script`.
fn on_a_terminal(redirection: &str) -> Option<(Bench, String)> {
    let bench = Bench::new();
    bench.jobs([failing("70"), endless("71"), endless("72")]);
    let line = format!(
        "stty cols 80 rows 24; '{}' run --config '{}' --until-done --deadline 2500ms {redirection}",
        BINARY,
        bench.path("watcher.toml").display()
    );
    let mut script = bench.call("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env("BENCH", bench.folder.path());
    match script.env("TERM", "xterm").try_spawn() {
        Ok(process) => {
            let output = process.output();
            assert_eq!(output.status.code(), Some(11), "{}{}", stdout(&output), stderr(&output));
            Some((bench, stdout(&output)))
        }
        Err(error) => {
            println!("left out: no pseudo terminal without script of util-linux ({error})");
            None
        }
    }
}
