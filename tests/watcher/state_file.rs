//! A state file that can't be used, or not yet, and `status` in every situation.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use export_simulator::{Job, Life};
use rustix::process::Signal;

use crate::harness::{Bench, PATIENCE, Running};
use crate::outputs::{files, json_lines, reconfigure, stderr, stdout};

const UNUSABLE: Option<i32> = Some(74);

/// A bench with one ticket in each of three states, and their state file closed in good order.
fn three_states() -> Bench {
    let bench = Bench::new();
    bench.jobs([
        Job::new("70", "doc70").succeeds_after(Duration::ZERO),
        Job::new("71", "doc71").fails_after(Duration::ZERO, 107),
        Job::new("72", "doc72").life(Life::Forever),
    ]);
    let running = bench.start(&[]);
    running.wait_event("ticket.completed", 1);
    running.wait_event("ticket.failed", 1);
    assert!(bench.sim.wait_until(PATIENCE, |journal| journal.polls_of("72").count() > 0));
    assert_eq!(running.stop().code, Some(0));
    bench
}

/// `run` ends with 74 and says why; nothing below the bench changed and nothing was sent.
fn assert_unusable(bench: &Bench, reason: &str) {
    // An empty lock may be left beside the state file.
    let relevant = || {
        let mut files = files(bench.folder.path());
        files.retain(|path, _| path.extension().is_none_or(|it| it != "lock"));
        files
    };
    let (before, sent) = (relevant(), bench.sim.requests().len());
    let ended = bench.run();
    assert_eq!(ended.code, UNUSABLE, "{reason}: {}", ended.stderr);
    assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains(reason), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    assert!(relevant() == before, "{reason}: a file was changed, made or removed");
    assert_eq!(bench.sim.requests().len(), sent);
}

/// Promise: a folder in the place of the state file is refused by every command with the same words, and nothing is left
/// behind, no lock beside it either.
#[test]
fn a_folder_is_no_state_file() {
    let bench = Bench::new();
    bench.jobs([Job::new("70", "doc70")]);
    fs::create_dir(bench.path("there")).unwrap();
    let text = bench.read("watcher.toml");
    let names = || {
        let entries = fs::read_dir(bench.folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<std::collections::BTreeSet<_>>()
    };
    let before = names();
    for (path, reason, code) in [
        (".", "`path`: expected the path of a file, not of a folder", Some(78)),
        ("state.db/", "`path`: expected the path of a file, not of a folder", Some(78)),
        ("there", "it is a folder", UNUSABLE),
    ] {
        bench.write("watcher.toml", &text.replace("[poll]", &format!("[state]\npath = \"{path}\"\n[poll]")));
        for (command, arguments) in
            [("run", &["--until-done"][..]), ("status", &[]), ("retry", &["70"]), ("check", &[])]
        {
            let output = bench.output(command, arguments);
            let said = stdout(&output) + &stderr(&output);
            assert_eq!(said.matches(reason).count(), 1, "{command} {path}: {said}");
            if command != "check" || code == Some(78) {
                assert_eq!(output.status.code(), code, "{command} {path}: {said}");
            }
            assert_eq!(names(), before, "{command} {path}");
        }
    }
}

/// Promise 6: what lies in the state file's place and is none of ours is refused and left byte for byte as it
/// was.
#[test]
fn what_is_no_state_file_is_left_alone() {
    let bench = Bench::new();
    bench.jobs([Job::new("70", "doc70")]);
    fs::create_dir(bench.path("state.db")).unwrap();
    assert_unusable(&bench, "it is a folder");
    fs::remove_dir(bench.path("state.db")).unwrap();
    for text in ["short".to_owned(), "my only copy of a letter\n".repeat(1000)] {
        bench.write("state.db", &text);
        assert_unusable(&bench, "is not a sound state file");
        assert_eq!(bench.output("status", &[]).status.code(), UNUSABLE);
    }
    let other = rusqlite::Connection::open(bench.path("other.db")).unwrap();
    other.execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    drop(other);
    reconfigure(&bench, "[poll]", "[state]\npath = \"other.db\"\n[poll]");
    assert_unusable(&bench, "belongs to another program");
}

/// Promise 6: a damaged state file is neither used nor made worse.
#[test]
fn a_damaged_state_file_is_left_alone() {
    let bench = three_states();
    let mut bytes = fs::read(bench.path("state.db")).unwrap();
    for byte in bytes.iter_mut().skip(4096).step_by(7) {
        *byte ^= 0x5a;
    }
    fs::write(bench.path("state.db"), bytes).unwrap();
    assert_unusable(&bench, "is left untouched, move it away or restore a copy");
    let status = bench.output("status", &[]);
    assert_eq!((status.status.code(), stdout(&status).as_str()), (UNUSABLE, ""));
    assert!(stderr(&status).contains("state.db"), "{}", stderr(&status));
}

/// Promise 6: what a newer version wrote is not touched by an older one.
#[test]
fn a_newer_state_file_is_left_alone() {
    let bench = three_states();
    let newer = rusqlite::Connection::open(bench.path("state.db")).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    newer.close().unwrap();
    assert_unusable(&bench, "written by a newer version (schema 99");
    assert_eq!(bench.output("status", &[]).status.code(), UNUSABLE);
}

/// Promise: where no state file can be made, nothing is started. (A path below a file: not even root can.)
#[test]
fn a_folder_that_cannot_be_made_is_reported() {
    let bench = Bench::new();
    bench.jobs([Job::new("70", "doc70")]);
    bench.write("letter", "a letter");
    reconfigure(&bench, "[poll]", "[state]\npath = \"letter/state.db\"\n[poll]");
    assert_unusable(&bench, &bench.path("letter").display().to_string());
    assert_eq!(bench.output("status", &[]).status.code(), UNUSABLE);
}

/// A watcher with tickets 70 and 71 that are never done, polled and noted.
fn busy_watcher(bench: &Bench) -> Running {
    bench.jobs([Job::new("70", "doc70").life(Life::Forever), Job::new("71", "doc71").life(Life::Forever)]);
    let running = bench.start(&[]);
    bench.wait_tickets("polls", |tickets| {
        tickets.len() == 2 && tickets.iter().all(|ticket| ticket["polls"].as_u64() > Some(0))
    });
    running
}

/// Promises 4 and 6: a state file that is moved away or replaced under a running watcher is said, ends it with 74, and
/// neither it nor what lies in its place is written; put back, the next start announces what was held back.
#[test]
fn a_state_file_moved_meanwhile_ends_the_watcher() {
    for replaced in [false, true] {
        let bench = Bench::new();
        let running = busy_watcher(&bench);
        let aside = bench.path("aside.db");
        fs::rename(bench.path("state.db"), &aside).unwrap();
        if replaced {
            bench.write("state.db", "a letter");
        }
        bench.sim.finish_job("71");
        let ended = running.wait();
        assert_eq!(ended.code, UNUSABLE, "{}", ended.stderr);
        let [failed] = ended.events("state.failed")[..] else { panic!("{}", ended.stdout) };
        let reason = failed["error.message"].as_str().unwrap();
        assert!(reason.contains("was moved or replaced while in use"), "{reason}");
        assert_eq!(ended.events("watcher.stopping")[0]["end"], "state_lost");
        assert_eq!(ended.events("ticket.completed").len(), 0);
        assert!(!replaced || bench.read("state.db") == "a letter");

        fs::rename(&aside, bench.path("state.db")).unwrap();
        let running = bench.start(&[]);
        running.wait_event("ticket.completed", 1);
        assert_eq!(running.stop().code, Some(0));
        assert!(bench.ticket("70")["polls"].as_u64() > Some(0));
    }
}

/// Promise: before the first run `status` is an empty list, not an error; where it looked is said.
#[test]
fn no_state_yet_is_an_empty_list() {
    let bench = Bench::new();
    for (format, empty) in [("table", "no tickets\n"), ("jsonl", ""), ("json", ""), ("csv", "")] {
        let status = bench.output("status", &["--format", format]);
        assert_eq!(status.status.code(), Some(0));
        let said = stdout(&status);
        match format {
            "json" => assert_eq!(json_lines(&said)[0]["tickets"], serde_json::json!([])),
            "csv" => assert!(said.starts_with("app,ticket,token,") && said.lines().count() == 1, "{said}"),
            _ => assert_eq!(said, empty),
        }
        let state = bench.path("state.db").display().to_string();
        let expected = format!(
            "nothing ran yet: there is no state file {state}; next:\n  feishu-export-watcher run --until-done"
        );
        assert!(stderr(&status).starts_with(&expected), "{}", stderr(&status));
    }
    assert!(!bench.path("state.db").exists() && !bench.path("state.db.lock").exists());
    fs::write(bench.path("state.db"), b"").unwrap();
    assert_eq!(bench.status()["summary"]["pending"], 0);
}

/// Promise: `status` shows the truth while the watcher runs and after it stopped, and changes nothing.
#[test]
fn status_reads_beside_a_watcher_and_after_it() {
    let bench = Bench::new();
    bench.jobs([Job::new("70", "doc70").life(Life::Forever)]);
    let running = bench.start(&[]);
    bench.sim.add_job(Job::new("71", "doc71").succeeds_after(Duration::ZERO));
    bench.list("watchlist.toml", [("70", "doc70"), ("71", "doc71")]);
    running.wait_event("watcher.started", 1);
    running.signal(Signal::HUP);
    running.wait_event("ticket.completed", 1);
    let during = bench.status();
    assert_eq!((&during["summary"]["pending"], &during["summary"]["completed"]), (&1.into(), &1.into()));
    assert_eq!(during["tickets"][1]["file_name"], "docName");
    assert_eq!(running.stop().code, Some(0));
    let before = files(bench.folder.path());
    assert_eq!(bench.ticket("70")["state"], "pending");
    assert!(bench.ticket("70")["polls"].as_u64().unwrap() > 0);
    assert!(files(bench.folder.path()) == before, "status changed a file");
}

/// Promise: `--state` shows those states only, the summary all; a state that does not exist is a slip.
#[test]
fn states_can_be_picked() {
    let bench = three_states();
    let of = |states: &str| {
        let output = bench.output("status", &["--format", "jsonl", "--state", states]);
        let lines = json_lines(&stdout(&output));
        lines.iter().map(|line| line["ticket"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("failed"), ["71"]);
    assert_eq!(of("pending,completed"), ["70", "72"]);
    assert_eq!(of("removed"), [""; 0]);
    let table = stdout(&bench.output("status", &["--state", "failed"]));
    assert!(table.contains("\n1 of 3 tickets matches\n"), "{table}");
    assert!(table.contains("\ndefault  1 pending, 1 completed, 1 failed\n"), "{table}");
    let slip = bench.output("status", &["--state", "done"]);
    assert_eq!(slip.status.code(), Some(2));
    assert!(stderr(&slip).contains("pending, completed, failed, timed_out, removed"), "{}", stderr(&slip));
}

/// Promise: `status | head` ends quietly and well.
#[test]
fn a_reader_may_leave_early() {
    let bench = Bench::new();
    bench.list("watchlist.toml", (0..3000).map(|number| (format!("69{number:04}"), format!("doc{number}"))));
    let running = bench.start(&[]);
    running.wait_event("watcher.started", 1);
    assert_eq!(running.stop().code, Some(0));
    for format in ["table", "json", "jsonl", "csv"] {
        let mut command = bench.command("status", &["--format", format]);
        let mut status = command.spawn();
        let mut out = status.child.stdout.take().unwrap();
        std::io::Read::read_exact(&mut out, &mut [0; 10]).unwrap();
        drop(out);
        let output = status.output();
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{format}");
    }
}

/// Promise 7: state file, lock and log can be read by their owner only, whatever the umask.
#[test]
fn files_are_private() {
    let bench = Bench::new();
    bench.jobs([Job::new("70", "doc70").life(Life::Forever)]);
    reconfigure(
        &bench,
        "[poll]",
        "[state]\npath = \"state/s.db\"\n[log]\nfile = \"log/events.jsonl\"\n[poll]",
    );
    let running = Running::start(bench.shell("umask 000; exec \"$0\" \"$@\"", "run", &[]));
    running.wait_event("watcher.started", 1);
    assert!(bench.sim.wait_until(PATIENCE, |journal| journal.polls_of("70").count() > 2));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let found: Vec<_> =
        ["state", "log"].into_iter().flat_map(|folder| files(&bench.path(folder)).into_keys()).collect();
    assert!(found.len() >= 5, "state file, its log and index, the lock, the log: {found:?}");
    for path in found {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert_eq!((mode(&bench.path("state")), mode(&bench.path("log"))), (0o700, 0o700));
}
