//! A folder of the state file that can't be written. Root may write wherever modes forbid it, so as root a file
//! system of the test's own is made read-only; as any other user modes do it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use export_simulator::{Job, Life};

use crate::full_disk::{in_own_namespace, seen_by};
use crate::harness::{Bench, Ended, PATIENCE, Running};
use crate::outputs::{files, reconfigure};

/// Covers the folder by a view of it that can't be written: a mount can't be made read-only itself while files are
/// open for writing.
pub(crate) const COVER: &str = "mount --bind \"$DISK\" \"$DISK\" && mount -o remount,bind,ro \"$DISK\"";

/// The same below a running watcher, once the test says so.
const COVER_ON_REQUEST: &str = "( while ! [ -e \"$BENCH/cover\" ]; do kill -0 $$ || exit; sleep 0.02; done; \
     mount --bind \"$DISK\" \"$DISK\" && mount -o remount,bind,ro \"$DISK\" && touch \"$BENCH/covered\" \
     ) >/dev/null 2>&1 &";

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether this user may mount anything; said if not.
pub(crate) fn may_mount(bench: &Bench) -> bool {
    let tried = in_own_namespace(bench, COVER, &[]).try_spawn();
    let may = tried.is_ok_and(|process| process.output().status.success());
    if !may {
        println!("left out: this user may not mount anything");
    }
    may
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A bench whose state file lies in a folder of its own, made by a first run that completed ticket 70.
fn bench_with_folder() -> Bench {
    let bench = Bench::new();
    reconfigure(&bench, "[poll]", "[state]\npath = \"disk/state.db\"\n[poll]");
    bench.jobs([Job::new("70", "doc70").succeeds_after(Duration::ZERO)]);
    assert_eq!(bench.run().code, Some(0));
    bench
}

/// It is said with 74, and nothing was sent.
fn assert_refused(bench: &Bench, sent: usize, ended: &Ended) {
    assert_eq!(ended.code, Some(74), "{}", ended.stderr);
    assert!(
        ended.stderr.starts_with("error: ") && ended.stderr.contains("disk/state.db"),
        "{}",
        ended.stderr
    );
    assert_eq!((ended.stdout.as_str(), bench.sim.requests().len()), ("", sent));
}

/// Promise 6: a state file in a folder that can't be written is refused, stays as it was, and nothing is sent; once
/// it can be written all goes on.
#[test]
fn a_folder_that_cannot_be_written_at_the_start() {
    let bench = bench_with_folder();
    bench.sim.add_job(Job::new("71", "doc71").succeeds_after(Duration::ZERO));
    bench.list("watchlist.toml", [("70", "doc70"), ("71", "doc71")]);
    let (before, sent) = (files(&bench.path("disk")), bench.sim.requests().len());
    if is_root() {
        if may_mount(&bench) {
            let line = format!("{COVER} && exec \"$0\" \"$@\"");
            assert_refused(
                &bench,
                sent,
                &Running::start(in_own_namespace(&bench, &line, &["--until-done"])).wait(),
            );
        }
    } else {
        before.keys().for_each(|path| set_mode(path, 0o400));
        set_mode(&bench.path("disk"), 0o500);
        assert_refused(&bench, sent, &bench.run());
        set_mode(&bench.path("disk"), 0o700);
        before.keys().for_each(|path| set_mode(path, 0o600));
    }
    assert!(files(&bench.path("disk")) == before, "a file was changed, made or removed");
    let ended = bench.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.events("ticket.completed").len(), 1);
}

/// Lets ticket 71 end in a watcher whose folder has become read-only: its files are open already, and what they
/// take is durable. So the verdict is announced, and rightly.
fn assert_goes_on(bench: &Bench, run: Running) {
    bench.sim.finish_job("71");
    run.wait_event("ticket.completed", 1);
    let so_far = bench.sim.polls_of("70").len();
    assert!(bench.sim.wait_until(PATIENCE, |journal| journal.polls_of("70").count() >= so_far + 4));
    let ended = run.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.events("state.failed").len(), 0, "{}", ended.stdout);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

fn endless(bench: &Bench) {
    bench.jobs([Job::new("70", "doc70").life(Life::Forever), Job::new("71", "doc71").life(Life::Forever)]);
}

/// Promises 4 and 6: a folder that loses its modes while the watcher runs costs no verdict, and what could not be
/// cleared away at the end is found by the next start.
#[test]
fn a_folder_that_loses_its_modes_meanwhile() {
    let bench = Bench::new();
    reconfigure(&bench, "[poll]", "[state]\npath = \"disk/state.db\"\n[poll]");
    endless(&bench);
    let run = bench.start(&[]);
    bench.wait_tickets("rows", |tickets| tickets.len() == 2);
    set_mode(&bench.path("disk"), 0o500);
    assert_goes_on(&bench, run);
    set_mode(&bench.path("disk"), 0o700);
    assert_ends_well(&bench);
}

/// What was announced is in the state file, and the next start goes on from there.
fn assert_ends_well(bench: &Bench) {
    assert_eq!(bench.ticket("71")["state"], "completed");
    bench.sim.finish_job("70");
    let next = bench.run();
    assert_eq!((next.code, next.events("ticket.completed").len()), (Some(0), 1), "{}", next.stderr);
}

/// The same below a mount that has become read-only.
#[test]
fn a_mount_that_becomes_read_only_meanwhile() {
    let bench = Bench::new();
    reconfigure(&bench, "[poll]", "[state]\npath = \"disk/state.db\"\n[poll]");
    fs::create_dir(bench.path("disk")).unwrap();
    if !may_mount(&bench) {
        return;
    }
    endless(&bench);
    let run =
        Running::start(in_own_namespace(&bench, &format!("{COVER_ON_REQUEST} exec \"$0\" \"$@\""), &[]));
    bench.wait_tickets("rows", |tickets| tickets.len() == 2);
    fs::write(bench.path("cover"), "").unwrap();
    bench.wait_file("covered", "");
    assert!(fs::write(seen_by(&run, &bench.path("disk/letter")), "").is_err(), "it is not read-only");
    assert_goes_on(&bench, run);
    assert_ends_well(&bench);
}
