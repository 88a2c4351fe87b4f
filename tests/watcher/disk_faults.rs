//! A disk that fails: syncs and writes of the real binary are struck by a library that is loaded before the C
//! library (`faulty_disk.c`). Each test sees by what that leaves behind that calls were really struck.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use export_simulator::{Job, Life};

use crate::harness::{Bench, PATIENCE, Running, events};
use crate::outputs::copy_of_state;

/// What the system says (errno(3)).
const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;

/// Which calls fail, of which files, and how.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) calls: &'static str,
    /// The end of the files' names.
    pub(crate) files: &'static str,
    pub(crate) errno: i32,
}

const SYNC_OF_STATE: Fault = Fault { calls: "sync", files: "/state.db-wal", errno: EIO };

const SYNC_OF_LOG: Fault = Fault { calls: "sync", files: "/events.jsonl", errno: EIO };

/// A disk that fails while a file is there.
pub(crate) struct FaultyDisk {
    library: PathBuf,
    switch: PathBuf,
}

impl FaultyDisk {
    /// Compiles the library. There is a C compiler, or there were no SQLite.
    pub(crate) fn new(bench: &Bench) -> Self {
        let (library, switch) = (bench.path("faulty_disk.so"), bench.path("faulty"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/watcher/faulty_disk.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]).arg(&library).arg(source);
        assert!(compiler.arg("-ldl").status().unwrap().success());
        Self { library, switch }
    }

    /// A service on that disk.
    pub(crate) fn start(&self, bench: &Bench, fault: Fault) -> Running {
        let mut command = bench.command("run", &[]);
        command.env("LD_PRELOAD", &self.library).env("FAULTY_SWITCH", &self.switch);
        command.env("FAULTY_CALLS", fault.calls).env("FAULTY_FILES", fault.files);
        command.env("FAULTY_ERRNO", fault.errno.to_string());
        Running::start(command)
    }

    pub(crate) fn breaks(&self) {
        fs::write(&self.switch, "").unwrap();
    }

    pub(crate) fn works_again(&self) {
        fs::remove_file(&self.switch).unwrap();
    }

    /// Waits until so many calls were struck.
    pub(crate) fn wait_struck(&self, calls: u64) {
        let until = Instant::now() + PATIENCE;
        let mark = self.switch.with_extension("failed");
        while fs::metadata(&mark).map_or(0, |mark| mark.len()) < calls {
            assert!(Instant::now() < until, "calls are not struck");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Two jobs that do not end by themselves, with a log file beside standard output.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.configure("[log]\nfile = \"events.jsonl\"");
    bench.jobs([Job::new("70", "doc70").life(Life::Forever), Job::new("71", "doc71").life(Life::Forever)]);
    bench
}

fn wait_polls(bench: &Bench, more: usize) {
    let so_far = bench.sim.polls_of("70").len();
    assert!(bench.sim.wait_until(PATIENCE, |journal| journal.polls_of("70").count() >= so_far + more));
}

/// Starts a service, breaks the disk below its state file and ends job 71. That is said; polls go on, and whatever
/// is tried again and again, nothing is announced.
fn broken(bench: &Bench, disk: &FaultyDisk, fault: Fault) -> Running {
    let run = disk.start(bench, fault);
    bench.wait_tickets("first polls", |tickets| {
        tickets.len() == 2 && tickets.iter().all(|ticket| ticket["polls"].as_u64() > Some(0))
    });
    disk.breaks();
    bench.sim.finish_job("71");
    run.wait_event("state.failed", 1);
    // Long enough for several tries.
    disk.wait_struck(6);
    wait_polls(bench, 4);
    assert!(events(&run.log(), "ticket.completed").next().is_none(), "{:#?}", run.log());
    assert!(!bench.read("events.jsonl").contains("ticket.completed"));
    run
}

/// Once the disk works, all is made up for without a restart.
fn assert_recovers(fault: Fault) {
    let bench = bench();
    let disk = FaultyDisk::new(&bench);
    let run = broken(&bench, &disk, fault);
    disk.works_again();
    run.wait_event("ticket.completed", 1);
    let ended = run.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let place = |event: &str| ended.lines.iter().position(|line| line["event"] == event);
    assert!(place("state.failed") < place("state.recovered"), "{}", ended.stdout);
    assert!(place("state.recovered") < place("ticket.completed"), "{}", ended.stdout);
    let count = |event: &str| ended.events(event).len();
    assert_eq!((count("state.failed"), count("state.recovered"), count("ticket.completed")), (1, 1, 1));
    assert_outcome(&bench);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

/// A crash while the disk fails loses nothing, and the next start says nothing that contradicts.
fn assert_survives_a_kill(fault: Fault) {
    let bench = bench();
    let disk = FaultyDisk::new(&bench);
    let dead = broken(&bench, &disk, fault).kill();
    assert!(!dead.stderr.contains("panicked"), "{}", dead.stderr);
    drop(copy_of_state(&bench));
    let run = bench.start(&[]);
    run.wait_event("ticket.completed", 1);
    let ended = run.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.events("ticket.completed")[0]["ticket"], "71");
    assert_outcome(&bench);
}

/// The state file is sound and says what became of the jobs, and nothing is left to be announced.
fn assert_outcome(bench: &Bench) {
    drop(copy_of_state(bench));
    let expected = bench.sim.jobs().into_iter().find(|job| job.ticket == "71").unwrap().file_token;
    let ticket = bench.ticket("71");
    assert_eq!(
        (ticket["state"].as_str(), ticket["file_token"].as_str()),
        (Some("completed"), Some(&*expected))
    );
    assert_eq!(bench.ticket("70")["state"], "pending");
    assert_nothing_to_announce(bench);
}

fn assert_nothing_to_announce(bench: &Bench) {
    let run = bench.start(&[]);
    run.wait_event("watcher.started", 1);
    assert_eq!(run.stop().events("ticket.completed").len(), 0);
}

/// Promises 4 and 6: a verdict whose sync fails is not announced, although its bytes may be in the file.
#[test]
fn a_sync_that_fails_announces_nothing() {
    std::thread::scope(|scope| {
        scope.spawn(|| assert_recovers(SYNC_OF_STATE));
        scope.spawn(|| assert_survives_a_kill(SYNC_OF_STATE));
    });
}

/// Promises 4 and 6: writes that are cut short or fail, on a disk that is full, broken or became read-only, neither
/// damage the state file nor lose what is in it.
#[test]
fn a_write_that_breaks_off_damages_nothing() {
    let fault = |errno| Fault { calls: "write", files: "/state.db-wal", errno };
    std::thread::scope(|scope| {
        scope.spawn(move || assert_recovers(fault(ENOSPC)));
        scope.spawn(move || assert_recovers(fault(EIO)));
        scope.spawn(move || assert_recovers(fault(EROFS)));
        scope.spawn(move || assert_survives_a_kill(fault(EIO)));
    });
}

/// Promise 6: what can't be moved from the log into the database at the end stays in the log.
#[test]
fn a_database_that_cannot_be_written_at_the_end_loses_nothing() {
    let bench = bench();
    let disk = FaultyDisk::new(&bench);
    let run = disk.start(&bench, Fault { calls: "write", files: "/state.db", errno: EIO });
    bench.sim.finish_job("71");
    run.wait_event("ticket.completed", 1);
    disk.breaks();
    let ended = run.stop();
    assert_eq!(ended.code, Some(0), "all of it is durable: {}", ended.stderr);
    disk.wait_struck(1);
    assert_outcome(&bench);
}

/// A service whose log file can't be synced: job 71 ends, and its line is on standard output.
fn unsynced(bench: &Bench, disk: &FaultyDisk) -> Running {
    let run = disk.start(bench, SYNC_OF_LOG);
    run.wait_event("watcher.started", 1);
    disk.breaks();
    bench.sim.finish_job("71");
    run.wait_event("ticket.completed", 1);
    disk.wait_struck(2);
    assert!(!is_taken(bench), "gone from the outbox before its line was safe");
    run
}

/// Whether no verdict waits in the outbox.
fn is_taken(bench: &Bench) -> bool {
    let (_copy, connection) = copy_of_state(bench);
    connection.query_row("SELECT count(*) = 0 FROM outbox", (), |row| row.get(0)).unwrap()
}

/// Promise 4: as long as the log file can't be synced its verdicts do not count as announced: the next start after a
/// crash announces them once more.
#[test]
fn a_log_that_cannot_be_synced_is_not_safe() {
    let bench = bench();
    let disk = FaultyDisk::new(&bench);
    unsynced(&bench, &disk).kill();
    assert!(!is_taken(&bench));
    let run = bench.start(&[]);
    run.wait_event("ticket.completed", 1);
    assert_eq!(run.stop().code, Some(0));
    assert!(is_taken(&bench));
    assert_outcome(&bench);
}

/// Promise 4: once it can, they count without a restart.
#[test]
fn a_log_that_can_be_synced_again_is_safe() {
    let bench = bench();
    let disk = FaultyDisk::new(&bench);
    let run = unsynced(&bench, &disk);
    disk.works_again();
    let ended = run.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(is_taken(&bench));
    assert_outcome(&bench);
}
