//! The folder of files: one that can't be written, one that goes away, one that is full, one on another file system.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use export_simulator::{Fault, Job};
use serde_json::Value;

use crate::call::Call;
use crate::disk_faults::{self, FaultyDisk};
use crate::full_disk::{MOUNT, fill, in_own_namespace, seen_by};
use crate::harness::{Bench, Ended, Running, events};
use crate::outputs::{reconfigure, stdout};
use crate::read_only::{COVER, is_root, may_mount, set_mode};
use crate::saved::{
    assert_exports, assert_saved, bench_with_downloads, done, download_of, files_below, hash, hash_of,
    path_of, wait_for_temporary,
};

/// What the system says of a quota that is used up, or of a disk that fails (errno(3)).
const EDQUOT: i32 = 122;
const EIO: i32 = 5;

/// A file that takes several writes.
const LARGE: i64 = 2 << 20;

fn large(ticket: &str) -> Job {
    Job { file_size: LARGE, ..done(ticket) }
}

/// It is said with 78, which names the folder, and nothing was sent.
fn assert_refused(bench: &Bench, ended: &Ended, folder: &str) {
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    let names_it = ended.stderr.starts_with("error: ") && ended.stderr.contains(folder);
    assert!(names_it, "{}", ended.stderr);
    assert_eq!((ended.stdout.as_str(), bench.sim.requests().len()), ("", 0));
}

/// Promise 5: a folder in which no file can be saved is refused at the start with 78, before anything is sent. `check`
/// names it as well.
#[test]
fn a_folder_that_cannot_be_made() {
    let bench = bench_with_downloads("");
    bench.jobs([done("70")]);
    fs::write(bench.path("exports"), "a file").unwrap();
    assert_refused(&bench, &bench.run(), "exports");
    let check = bench.output("check", &[]);
    assert!(stdout(&check).contains("folder of downloads"), "{check:?}");
    assert_eq!(bench.read("exports"), "a file");
}

/// The same for one that may only be read.
#[test]
fn a_folder_that_may_only_be_read() {
    let bench = bench_with_downloads("");
    bench.jobs([done("70")]);
    fs::create_dir(bench.path("exports")).unwrap();
    if !is_root() {
        set_mode(&bench.path("exports"), 0o500);
        assert_refused(&bench, &bench.run(), "exports");
        set_mode(&bench.path("exports"), 0o700);
    } else if may_mount_at(&bench) {
        let line = format!("{COVER} && exec \"$0\" \"$@\"");
        assert_refused(
            &bench,
            &Running::start(in_folder(&bench, &line, &["--until-done"])).wait(),
            "exports",
        );
    }
    let ended = bench.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_saved(&bench, "70");
}

/// A process that has the folder as its disk, in a mount namespace of its own.
fn in_folder(bench: &Bench, line: &str, arguments: &[&str]) -> Call {
    let mut call = in_own_namespace(bench, line, arguments);
    call.env("DISK", bench.path("exports"));
    call
}

/// Whether this user may mount anything at the folder.
fn may_mount_at(bench: &Bench) -> bool {
    fs::create_dir(bench.path("disk")).unwrap();
    may_mount(bench)
}

/// Lets a process meet trouble with its disk while a file is fetched: the trouble is said once, at error, however often
/// it is met; once it is over the file is saved by itself, and nothing else is left.
fn assert_survives(
    bench: &Bench,
    run: Running,
    kind: &str,
    begin: impl FnOnce(&Running),
    end: impl FnOnce(&Running),
    content: impl FnOnce(&Running) -> Vec<u8>,
) {
    begin(&run);
    run.wait_event("file.retry", 1);
    bench.wait_tickets("several tries", |rows| rows[0]["file"]["attempts"].as_u64() > Some(2));
    assert!(events(&run.log(), "file.saved").next().is_none());
    end(&run);
    run.wait_event("file.saved", 1);
    assert_eq!(hash([content(&run)]), hash_of(&bench.sim.file_of("70")));
    let ended = run.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // At the level debug each try is a line.
    let retries = ended.events("file.retry").into_iter().filter(|line| line["level"] == "ERROR");
    let [said] = retries.collect::<Vec<_>>()[..] else { panic!("{}", ended.stdout) };
    assert_eq!(said["error.kind"], kind, "{said}");
    assert_eq!(bench.ticket("70")["file"]["error"], Value::Null);
}

/// Promise 5: a disk that is full costs no file: there is room again, and the file is saved without a restart.
#[test]
fn a_full_disk_is_waited_for() {
    let bench = bench_with_downloads("");
    if !may_mount_at(&bench) {
        return;
    }
    reconfigure(&bench, "folder = \"exports\"", "folder = \"disk\"");
    // No room is reserved for a size that is not named.
    bench.jobs([Job { file_size: 300_000, omit_file_size: true, ..done("70") }]);
    let held = bench.sim.hold(download_of("70"), 1);
    let run = Running::start(in_own_namespace(&bench, &format!("{MOUNT} exec \"$0\" \"$@\""), &[]));
    run.wait_event("ticket.completed", 1);
    let at = |run: &Running, name: &str| seen_by(run, &bench.path("disk").join(name));
    let begin = |run: &Running| {
        fill(&at(run, "filler"));
        bench.sim.release(held);
    };
    let end = |run: &Running| fs::remove_file(at(run, "filler")).unwrap();
    let content = |run: &Running| {
        let names: Vec<_> =
            fs::read_dir(at(run, "")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["T-70.docx"]);
        fs::read(at(run, "T-70.docx")).unwrap()
    };
    assert_survives(&bench, run, "disk_full", begin, end, content);
}

/// The same for calls of the system that fail below `exports`.
fn assert_survives_fault(fault: disk_faults::Fault, kind: &str) {
    let bench = bench_with_downloads("");
    bench.jobs([large("70")]);
    let held = bench.sim.hold(download_of("70"), 1);
    let disk = FaultyDisk::new(&bench);
    let run = disk.start(&bench, fault);
    run.wait_event("ticket.completed", 1);
    let begin = |_: &Running| {
        disk.breaks();
        bench.sim.release(held);
        disk.wait_struck(2);
    };
    let content = |_: &Running| fs::read(bench.path(&path_of("70"))).unwrap();
    assert_survives(&bench, run, kind, begin, |_| disk.works_again(), content);
    assert_saved(&bench, "70");
    assert_exports(&bench, &["T-70.docx"]);
}

/// Promise 5: the same for a quota that is used up.
#[test]
fn a_used_up_quota_is_waited_for() {
    assert_survives_fault(disk_faults::Fault { calls: "write", files: ".tmp", errno: EDQUOT }, "disk_full");
}

/// Promise 6: a body that could not be synced is not called saved; it is fetched again.
#[test]
fn a_body_that_is_not_synced_is_not_saved() {
    assert_survives_fault(
        disk_faults::Fault { calls: "sync", files: ".tmp", errno: EIO },
        "folder_unwritable",
    );
}

/// Promise 6: a file of which the body is synced, and the folder is not, is not fetched again, however long that takes.
#[test]
fn a_folder_that_is_not_synced_costs_no_second_transfer() {
    let bench = bench_with_downloads("");
    bench.jobs([large("70")]);
    let held = bench.sim.hold(download_of("70"), 1);
    let disk = FaultyDisk::new(&bench);
    let run = disk.start(&bench, disk_faults::Fault { calls: "sync", files: "/exports", errno: EIO });
    run.wait_event("ticket.completed", 1);
    disk.breaks();
    bench.sim.release(held);
    disk.wait_struck(3);
    assert!(events(&run.log(), "file.saved").next().is_none());
    assert_eq!(bench.ticket("70")["file"]["state"], "waiting");
    disk.works_again();
    run.wait_event("file.saved", 1);
    assert_eq!(run.stop().code, Some(0));
    assert_eq!(bench.sim.downloads_of("70").len(), 1);
    assert_saved(&bench, "70");
    assert_exports(&bench, &["T-70.docx"]);
}

/// Promise 6: a folder that goes away in a transfer, and comes back, costs no file.
#[test]
fn a_folder_that_goes_away_and_comes_back() {
    let bench = bench_with_downloads("");
    bench.jobs([large("70")]);
    // Slow enough for the folder to go meanwhile: 32 pieces.
    bench.sim.fault(download_of("70"), 1, Fault::Slow { bytes: 64 << 10, every: Duration::from_millis(50) });
    let run = bench.start(&[]);
    let (folder, away) = (bench.path("exports"), bench.path("away"));
    wait_for_temporary(&bench, 1);
    fs::rename(&folder, &away).unwrap();
    // Something that is not a folder is in its place, so that it is not made anew.
    fs::write(&folder, "").unwrap();
    run.wait_event("file.retry", 1);
    let said = events(&run.log(), "file.retry").next().unwrap().clone();
    assert_eq!((&said["error.kind"], &said["level"]), (&"folder_unwritable".into(), &"ERROR".into()));
    fs::remove_file(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    run.wait_event("file.saved", 1);
    assert_eq!(run.stop().code, Some(0));
    assert_saved(&bench, "70");
    // What lay in the folder while it was away is swept by the next start.
    assert_eq!(bench.run().code, Some(0));
    assert_exports(&bench, &["T-70.docx"]);
}

/// Promise 6: the folder may lie on another file system than the state file.
#[test]
fn a_folder_on_another_file_system() {
    let Ok(other) = tempfile::Builder::new().prefix("exports").tempdir_in("/dev/shm") else {
        println!("left out: there is no /dev/shm");
        return;
    };
    let bench = bench_with_downloads("");
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    if device(other.path()) == device(bench.folder.path()) {
        println!("left out: /dev/shm is the file system of temporary folders");
        return;
    }
    reconfigure(&bench, "folder = \"exports\"", &format!("folder = \"{}\"", other.path().display()));
    bench.jobs([large("70")]);
    assert_eq!(bench.run().code, Some(0));
    let file = assert_saved(&bench, "70");
    assert_eq!(file["path"], other.path().join("T-70.docx").to_str().unwrap());
    assert_eq!(files_below(other.path()).len(), 1);
}
