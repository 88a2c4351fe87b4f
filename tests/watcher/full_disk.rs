//! A full disk below the state file: on a small file system of the test's own, which only root may mount (as any
//! other user these tests report that they are left out), and by a limit to the size of files, which any user may set.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use export_simulator::{Job, Life};
use rustix::process::{Resource, Rlimit, prlimit};

use crate::call::Call;
use crate::harness::{Bench, PATIENCE, Running, events};
use crate::outputs::reconfigure;

/// Mounts a megabyte at `$DISK` where no other process sees it, and becomes the rest of the line.
pub(crate) const MOUNT: &str = "mount -t tmpfs -o size=1m none \"$DISK\" || exit 99; ";

/// A bench whose state file is to lie on a disk of its own; none where none can be mounted.
pub(crate) fn bench_with_disk() -> Option<Bench> {
    let bench = Bench::new();
    reconfigure(&bench, "[poll]", "[state]\npath = \"disk/state.db\"\n[poll]");
    fs::create_dir(bench.path("disk")).unwrap();
    let tried = in_own_namespace(&bench, MOUNT, &[]).try_spawn();
    if tried.is_ok_and(|process| process.output().status.success()) {
        return Some(bench);
    }
    println!("left out: this user may not mount a file system of its own");
    None
}

/// The shell line in a mount namespace of its own; `$0` and `$@` are the binary and its arguments.
pub(crate) fn in_own_namespace(bench: &Bench, line: &str, arguments: &[&str]) -> Call {
    let mut command = bench.call("unshare");
    let run = bench.command("run", arguments);
    command.args(["--mount", "sh", "-c", line]).arg(run.get_program()).args(run.get_args());
    command.env("DISK", bench.path("disk")).env("BENCH", bench.folder.path());
    command
}

/// Promise 6: a disk that is full at the start is said with 74; the state file stays as it was.
#[test]
fn a_disk_that_is_full_at_the_start() {
    let Some(bench) = bench_with_disk() else { return };
    bench.jobs([Job::new("70", "doc70").succeeds_after(Duration::ZERO)]);
    // A first run leaves a state file, which is then put on the full disk.
    assert_eq!(bench.run().code, Some(0));
    let sent = bench.sim.requests().len();
    let line = format!(
        "{MOUNT} cp \"$BENCH/copy.db\" \"$DISK/state.db\"; head -c 2m /dev/zero > \"$DISK/filler\" 2>/dev/null; \
         \"$0\" \"$@\"; code=$?; cp \"$DISK/state.db\" \"$BENCH/after.db\"; exit $code"
    );
    fs::rename(bench.path("disk/state.db"), bench.path("copy.db")).unwrap();
    let ended = Running::start(in_own_namespace(&bench, &line, &["--until-done"])).wait();
    assert_eq!(ended.code, Some(74), "{}", ended.stderr);
    assert!(ended.stderr.contains("disk/state.db; look at its disk (space"), "{}", ended.stderr);
    assert!(fs::read(bench.path("after.db")).unwrap() == fs::read(bench.path("copy.db")).unwrap());
    assert_eq!(bench.sim.requests().len(), sent);
}

/// Promises 4 and 6: a disk that fills up while the watcher runs is said once; polls go on, nothing is announced
/// that is not committed, and once there is space again everything is, without a restart.
#[test]
fn a_disk_that_fills_up_meanwhile() {
    let Some(bench) = bench_with_disk() else { return };
    bench.jobs([Job::new("70", "doc70").life(Life::Forever), Job::new("71", "doc71").life(Life::Forever)]);
    let running = Running::start(in_own_namespace(&bench, &format!("{MOUNT} exec \"$0\" \"$@\""), &[]));
    running.wait_event("watcher.started", 1);
    wait_polls(&bench, "70", 2);
    let filler = seen_by(&running, &bench.path("disk/filler"));
    fill(&filler);
    bench.sim.finish_job("71");
    running.wait_event("state.failed", 1);
    let so_far = bench.sim.polls_of("70").len();
    wait_polls(&bench, "70", so_far + 4);
    running.wait_log("no announcement", |lines| events(lines, "ticket.completed").next().is_none());

    fs::remove_file(&filler).unwrap();
    assert_made_up_for(running);
}

/// What the disk held up is announced, once; and the trouble was said once.
fn assert_made_up_for(running: Running) {
    running.wait_event("ticket.completed", 1);
    running.wait_event("state.recovered", 1);
    let ended = running.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.events("state.failed").len(), 1, "{}", ended.stdout);
    assert_eq!(ended.events("ticket.completed").len(), 1);
    let position = |event: &str| ended.lines.iter().position(|line| line["event"] == event);
    assert!(position("state.recovered") < position("ticket.completed"), "{}", ended.stdout);
}

/// The limit in force, as the kernel knows it: no file may grow beyond so many bytes.
fn limit_files(running: &Running, bytes: Option<u64>) {
    let limit = prlimit(Some(running.pid()), Resource::Fsize, Rlimit { current: bytes, maximum: None });
    limit.unwrap();
}

/// The watcher after a line of the shell. A process that exceeds the limit gets a signal first, which is fatal
/// unless it is ignored.
fn ignoring_the_signal(bench: &Bench, line: &str, arguments: &[&str]) -> Call {
    bench.shell(&format!("trap '' XFSZ; {line} exec \"$0\" \"$@\""), "run", arguments)
}

/// The first promise above, by a limit of half a kilobyte.
#[test]
fn files_that_may_not_grow_at_the_start() {
    let bench = Bench::new();
    bench.jobs([Job::new("70", "doc70").succeeds_after(Duration::ZERO)]);
    assert_eq!(bench.run().code, Some(0));
    let (before, sent) = (fs::read(bench.path("state.db")).unwrap(), bench.sim.requests().len());
    let ended = Running::start(ignoring_the_signal(&bench, "ulimit -S -f 1;", &["--until-done"])).wait();
    assert_eq!(ended.code, Some(74), "{}", ended.stderr);
    assert!(ended.stderr.contains("state.db; look at its disk (space"), "{}", ended.stderr);
    assert!(fs::read(bench.path("state.db")).unwrap() == before);
    assert_eq!((ended.events("watcher.started").len(), bench.sim.requests().len()), (0, sent));
    assert_eq!(bench.run().code, Some(0));
}

/// The second, by a limit that is set while it runs and lifted again.
#[test]
fn files_that_may_not_grow_any_more() {
    let bench = Bench::new();
    bench.jobs([Job::new("70", "doc70").life(Life::Forever), Job::new("71", "doc71").life(Life::Forever)]);
    let running = Running::start(ignoring_the_signal(&bench, "", &[]));
    running.wait_event("watcher.started", 1);
    wait_polls(&bench, "70", 2);
    // Below one page, so that there is room for none.
    limit_files(&running, Some(1000));
    bench.sim.finish_job("71");
    running.wait_event("state.failed", 1);
    // Long enough for several tries.
    let so_far = bench.sim.polls_of("70").len();
    wait_polls(&bench, "70", so_far + 6);
    assert!(events(&running.log(), "ticket.completed").next().is_none());

    limit_files(&running, None);
    assert_made_up_for(running);
}

fn wait_polls(bench: &Bench, ticket: &str, count: usize) {
    assert!(bench.sim.wait_until(PATIENCE, |journal| journal.polls_of(ticket).count() >= count));
}

/// The path as it is for a process in another mount namespace.
pub(crate) fn seen_by(running: &Running, path: &Path) -> PathBuf {
    let root = format!("/proc/{}/root", running.pid().as_raw_nonzero());
    Path::new(&root).join(path.strip_prefix("/").unwrap())
}

/// Writes until nothing fits any more.
pub(crate) fn fill(path: &Path) {
    let mut filler = fs::File::create(path).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
}
