//! Commands that fail, hang, leave processes behind, write megabytes, and do not read.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{AT_ONCE, EXPECTED, FAILED, Identities, assert_each_once, assert_not_held_up, bench_with};
use super::{failure_of, hook, said, script, send_rest};
use crate::harness::{Bench, PATIENCE};
use crate::saved::files_below;

/// Writes down the event as it came, in a file of its own for each try.
pub(crate) const TAKE: &str = "cat > \"$D/$FEISHU_EXPORT_ID.$$\"";

/// Takes the event once there is a file `repaired`; before that it does something else.
fn once_repaired(otherwise: &str) -> String {
    format!("[ ! -e \"$D.repaired\" ] || {{ {TAKE}; exit; }}\n{otherwise}")
}

/// The scripts, by the names of their hooks.
fn scripts() -> [(&'static str, String); 7] {
    let notes_sleeper = "sleep 1000 & echo $! > \"$D.pids/$$\"; wait";
    [
        ("sound", TAKE.to_owned()),
        ("fails", once_repaired("cat > /dev/null; echo 'disk full' >&2; exit 3")),
        ("holds", once_repaired(notes_sleeper)),
        ("too_long", once_repaired(notes_sleeper)),
        // What it leaves behind has its standard error, and lives for longer than any test.
        ("forks", format!("sleep 1000 > /dev/null & echo $! > \"$D.pids/$$\"\n{TAKE}")),
        ("shouts", once_repaired("head -c 4000000 /dev/zero | tr '\\0' x >&2; exit 1")),
        ("deaf", ": > \"$D/$FEISHU_EXPORT_ID.$$\"".to_owned()),
    ]
}

/// The processes that the command of a hook started and noted.
fn noted_by(bench: &Bench, name: &str) -> Vec<Pid> {
    let folder = bench.path(&format!("{name}.pids"));
    let read = |file: &Path| fs::read_to_string(folder.join(file)).unwrap().trim().parse().ok();
    files_below(&folder).iter().filter_map(|file| read(file).and_then(Pid::from_raw)).collect()
}

/// Whether it runs; one that ended and is not reaped does not.
fn is_alive(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn wait(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Promise 4: each event reaches each command that is sound in the end, whatever else that does or leaves. While one holds
/// its calls, all tickets end, all files are saved, the log says it, a list is read again, and the watcher stops; one that
/// takes too long is killed with all that it started.
#[test]
fn failing_commands_hold_up_nothing() {
    let bench = bench_with(|bench| {
        let one = |(name, lines): (&str, String)| {
            fs::create_dir(bench.path(&format!("{name}.pids"))).unwrap();
            let timeout = if name == "too_long" { "1s" } else { "10m" };
            hook(name, &format!("{}\ntimeout = \"{timeout}\"", script(bench, name, &lines)))
        };
        scripts().map(one).concat()
    });
    let running = bench.start(&[]);
    wait("the calls that are held", || noted_by(&bench, "holds").len() == AT_ONCE);
    let held = noted_by(&bench, "holds");
    assert_not_held_up(&bench, &running);
    let all = EXPECTED + 2;
    for name in ["sound", "forks", "deaf"] {
        wait(name, || files_below(&bench.path(name)).len() == all);
    }
    for (name, words) in [("fails", "exited with 3: disk full"), ("shouts", "exited with 1: xxx")] {
        running.wait_log(name, |lines| failure_of(lines, name).is_some());
        let message = failure_of(&running.log(), name).unwrap()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(words) && message.len() < 4096, "{message}");
    }
    running.wait_log("a command that is killed", |lines| failure_of(lines, "too_long").is_some());
    let killed = noted_by(&bench, "too_long");
    wait("the end of what it started", || {
        killed.iter().filter(|process| is_alive(**process)).count() <= AT_ONCE
    });
    assert!(held.iter().all(|process| is_alive(*process)), "the first calls are still held");
    assert_eq!(noted_by(&bench, "holds").len(), AT_ONCE);
    let first = running.stop();
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    for name in ["holds", "too_long"] {
        let started = noted_by(&bench, name);
        wait("the end of what was held", || !started.iter().any(|process| is_alive(*process)));
    }
    let left = noted_by(&bench, "forks");
    assert!(
        left.iter().all(|process| is_alive(*process)),
        "what a command leaves behind after its end is its own"
    );
    left.iter().for_each(|process| kill_process(*process, Signal::KILL).unwrap());

    for name in ["fails", "holds", "too_long", "shouts"] {
        bench.write(&format!("{name}.repaired"), "");
    }
    let last = send_rest(&bench, &["fails", "holds", "too_long", "shouts"]);
    assert_eq!(first.events("ticket.failed").len(), FAILED);
    let said = said(&[first.lines, last.lines].concat());
    assert_eq!(said.len(), all);
    let mut identities = Identities::default();
    for (name, _) in scripts() {
        let taken = tries(&bench, name, &mut identities);
        if name == "deaf" {
            assert_eq!(taken.len(), all, "{name} has nothing but ids");
        } else {
            assert_each_once(name, &identities, &taken, &said);
        }
    }
}

/// The ids that a command noted, one a try; what it wrote is an event with that id.
fn tries(bench: &Bench, name: &str, identities: &mut Identities) -> Vec<String> {
    let folder = bench.path(name);
    let id_of = |file: &Path| file.to_string_lossy().rsplit_once('.').unwrap().0.to_owned();
    let mut ids = Vec::new();
    for file in files_below(&folder) {
        let (id, body) = (id_of(&file), fs::read(folder.join(&file)).unwrap());
        if name != "deaf" {
            assert_eq!(identities.note(&body), id);
        }
        ids.push(id);
    }
    ids
}
