//! Hostile surroundings: a standard output that is closed, links where files should be, names that are secrets.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use export_simulator::Job;

use crate::harness::Bench;

fn with_one_ticket() -> Bench {
    let bench = Bench::new();
    bench.jobs([Job::new("1", "doc1").succeeds_after(Duration::ZERO)]);
    bench
}

/// An exit code is what it is, also when standard error takes nothing.
#[test]
fn a_full_standard_error_changes_no_exit_code() {
    let bench = with_one_ticket();
    let full = || Stdio::from(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let mut batch = bench.command("run", &["--until-done"]);
    assert_eq!(batch.stdout(Stdio::null()).stderr(full()).output().status.code(), Some(0));
    bench.write("watcher.toml", "nonsense = 1\n");
    for subcommand in ["run", "check", "status"] {
        let mut bad = bench.command(subcommand, &[]);
        let output = bad.stdout(Stdio::null()).stderr(full()).output();
        assert_eq!(output.status.code(), Some(78), "{subcommand}");
    }
}

/// Promise: a standard output that takes nothing is named.
#[test]
fn a_full_standard_output_is_named() {
    let bench = with_one_ticket();
    for (subcommand, arguments) in [
        ("status", &[][..]),
        ("status", &["--format", "json"]),
        ("status", &["--format", "csv"]),
        ("check", &[]),
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = bench.command(subcommand, arguments).stdout(full).output();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{subcommand}: {said}");
        assert!(
            said.contains("error: failed to write to standard output: No space left"),
            "{subcommand}: {said}"
        );
    }
}

/// A link in the lock file's place is refused, and what it leads to stays as it was.
#[test]
fn a_link_for_a_lock_is_refused() {
    let bench = with_one_ticket();
    bench.write("victim", "precious");
    std::os::unix::fs::symlink(bench.path("victim"), bench.path("state.db.lock")).unwrap();
    let ended = bench.run();
    assert_eq!(ended.code, Some(74), "{}", ended.stderr);
    assert!(ended.stderr.contains("state.db.lock"), "{}", ended.stderr);
    assert_eq!(bench.read("victim"), "precious");
}

/// A limit on file sizes is a full disk to the program, not its death.
#[test]
fn a_limit_on_file_sizes_is_an_error_like_any_other() {
    let bench = with_one_ticket();
    let output = bench.shell("ulimit -f 0; exec \"$0\" \"$@\"", "run", &["--until-done"]).output();
    assert_eq!(output.status.code(), Some(74), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A secret that stands where the name of its place belongs is not repeated anywhere.
#[test]
fn a_secret_given_as_a_name_is_not_repeated() {
    const SECRET: &str = "Qx7yB1c2D3e4F5g6H7i8J9k0L1m2N3o4";
    let bench = with_one_ticket();
    bench.canaries.plant_in(&bench.path("watcher.toml"), SECRET);
    for place in ["env", "credential"] {
        let config = bench.read("watcher.toml");
        bench.reconfigure("file = \"app_secret\"", &format!("{place} = \"{SECRET}\""));
        let check = bench.output("check", &[]);
        assert!(String::from_utf8_lossy(&check.stdout).contains("app_secret of app `default`"), "{check:?}");
        let running = bench.start(&[]);
        running.wait_event("app.paused", 1);
        running.stop();
        bench.write("watcher.toml", &config);
    }
}
