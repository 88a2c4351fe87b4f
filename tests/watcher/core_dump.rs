//! Memory holds secrets, so it is written to no core dump and shown to no other process of the same user.

use std::fs;
use std::os::unix::fs::chown;
use std::process::Output;
use std::time::Duration;

use export_simulator::{Job, Life};
use rustix::process::Signal;

use crate::call::{BINARY, Call, core_limits};
use crate::harness::{Bench, Running};
use crate::http::{get, served};
use crate::outputs::stdout;

/// Promise 7: a crash leaves no picture of memory behind, although the parent allowed one of any size.
#[test]
fn a_crash_dumps_no_memory() {
    let bench = Bench::new();
    bench.jobs([Job::new("70", "doc70").life(Life::Forever)]);
    let mut shell = bench.shell("ulimit -c unlimited; exec \"$0\" \"$@\"", "run", &[]);
    shell.current_dir(bench.folder.path());
    let running = Running::start(shell);
    running.wait_event("token.refreshed", 1);
    assert_eq!(core_limits(running.pid()), ["0", "0"]);
    running.signal(Signal::ABORT);
    let ended = running.wait();
    assert_eq!((ended.code, ended.core_dumped), (None, false));
}

/// The beginning of a command line that runs the rest as an ordinary user: the user `nobody`, if this is root; none
/// where that is impossible.
fn as_ordinary_user(bench: &Bench) -> Option<Vec<&'static str>> {
    if !rustix::process::geteuid().is_root() {
        return Some(Vec::new());
    }
    let prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    let tried = by(bench, &prefix, &[BINARY, "--version"]).try_spawn();
    if !tried.is_ok_and(|process| process.output().status.success()) {
        println!("left out: the user `nobody` may not run the binary, or there is no setpriv of util-linux");
        return None;
    }
    for entry in fs::read_dir(bench.folder.path()).unwrap() {
        chown(entry.unwrap().path(), Some(65534), Some(65534)).unwrap();
    }
    chown(bench.folder.path(), Some(65534), Some(65534)).unwrap();
    Some(prefix.to_vec())
}

/// The rest of a command line as that user.
fn by(bench: &Bench, user: &[&str], rest: &[&str]) -> Call {
    let words = [user, rest].concat();
    let mut command = bench.call(words[0]);
    command.args(&words[1..]);
    command
}

/// Promise 7: what lies in memory and environment is closed to other processes of the same user; what the watcher
/// itself reads of `/proc` is there: files by descriptor (secrets, lists, the log), and its own figures.
#[test]
fn an_ordinary_user_runs_it_and_reads_no_memory() {
    let (bench, address) = served(Bench::new());
    bench.reconfigure("[poll]", "[log]\nfile = \"events.jsonl\"\n[poll]");
    bench.jobs([Job::new("70", "doc70").succeeds_after(Duration::ZERO)]);
    let Some(user) = as_ordinary_user(&bench) else { return };
    let config = bench.path("watcher.toml");
    let run = [BINARY, "run", "--config", config.to_str().unwrap()];
    let running = Running::start(by(&bench, &user, &run));
    running.wait_event("ticket.completed", 1);
    bench.wait_file("events.jsonl", "ticket.completed");
    let scrape = get(address, "/metrics").body;
    for figure in ["process_open_fds", "process_max_fds", "process_threads", "process_resident_memory_bytes"]
    {
        let line = scrape.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(' '));
        assert!(line.is_some_and(|value| value.parse::<f64>().unwrap() > 0.0), "{figure} in\n{scrape}");
    }

    let read = |path: &str| -> Output { by(&bench, &user, &["head", "-c1", path]).output() };
    assert_eq!(stdout(&read("/proc/self/environ")).len(), 1, "of itself");
    for file in ["environ", "maps"] {
        let path = format!("/proc/{}/{file}", running.pid().as_raw_nonzero());
        assert!(!read(&path).status.success(), "{path} is open to the same user");
    }
    assert_eq!(running.stop().code, Some(0));
}
