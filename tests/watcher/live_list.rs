//! Watch lists that change while the watcher runs, without a signal.

use std::fs;
use std::os::unix::fs::symlink;

use export_simulator::{Job, Life};
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Bench, PATIENCE, Running, events, resident_memory};
use crate::outputs::stdout;

const FOLDERS: &str = "[\"watchlist.toml\", \"lists/*.toml\"]";

/// Jobs `1` to `count`, of which only the first is listed by `watchlist.toml`, and an empty folder `lists`.
fn bench(count: usize) -> Bench {
    let bench = Bench::new();
    bench.reconfigure("[\"watchlist.toml\"]", FOLDERS);
    fs::create_dir(bench.path("lists")).unwrap();
    bench.sim.add_jobs((1..=count).map(|job| Job::new(job.to_string(), "doc").life(Life::Forever)));
    bench.list("watchlist.toml", [("1", "doc")]);
    bench
}

fn polled(bench: &Bench, ticket: &str, count: usize) {
    let seen = bench.sim.wait_until(PATIENCE, |journal| journal.polls_of(ticket).count() >= count);
    assert!(seen, "ticket {ticket} was not polled");
}

/// What was rejected, and why, by file name.
fn rejected(run: &Running) -> Vec<String> {
    let said = run.log();
    let text = |line: &Value| line["message"].as_str().unwrap().to_owned();
    events(&said, "watchlist.rejected").map(text).collect()
}

fn count(said: &[String], file: &str) -> usize {
    said.iter().filter(|line| line.contains(file)).count()
}

/// Part 1 and "Bad input": files that are half-written, binary or unreadable at the start are reported once, whatever
/// is added, fixed and swapped afterwards; that is taken without a signal; and no polls suffer.
#[test]
fn changes_are_taken_without_a_signal() {
    let bench = bench(4);
    bench.write("lists/half.toml", "[[ticket]]\nticket = \"2\"\ntok");
    fs::write(bench.path("lists/binary.toml"), b"\x7fELF\x02\xff\xfe\x00").unwrap();
    symlink("nowhere", bench.path("lists/gone.toml")).unwrap();
    let run = bench.start(&[]);
    polled(&bench, "1", 2);
    // As an editor writes, as a script drops a file, and as a ConfigMap is mounted.
    bench.list("lists/half.toml", [("2", "doc")]);
    bench.list("lists/dropped.toml", [("3", "doc")]);
    polled(&bench, "2", 1);
    polled(&bench, "3", 1);
    let before = bench.sim.polls_of("1").len();
    swap_in(&bench, "4");
    polled(&bench, "4", 1);
    polled(&bench, "1", before + 2);
    let said = rejected(&run);
    for file in ["half.toml", "binary.toml", "gone.toml"] {
        assert_eq!(count(&said, file), 2, "the file and what is wrong with it, once each: {said:#?}");
    }
    let ended = run.stop();
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.events("ticket.removed").len(), 0);
}

/// Lists `ticket` in `lists/map.toml`, a link through a link to a folder, which is then swapped for another.
fn swap_in(bench: &Bench, ticket: &str) {
    for (version, ticket) in [("..1", "1"), ("..2", ticket)] {
        fs::create_dir(bench.path("lists").join(version)).unwrap();
        bench.list(&format!("lists/{version}/map.toml"), [(ticket, "doc")]);
    }
    let link = |to: &str, name: &str| symlink(to, bench.path("lists").join(name)).unwrap();
    link("..1", "..data");
    link("..data/map.toml", "map.toml");
    link("..2", "..data_tmp");
    fs::rename(bench.path("lists/..data_tmp"), bench.path("lists/..data")).unwrap();
    fs::remove_dir_all(bench.path("lists/..1")).unwrap();
}

/// Promise 6: a named list that turns bad, and one that vanishes, keep their tickets; a file that is taken out of
/// a folder takes its tickets along.
#[test]
fn what_is_bad_is_kept_and_what_is_taken_out_is_removed() {
    let bench = bench(3);
    bench.list("lists/a.toml", [("2", "doc")]);
    bench.list("lists/b.toml", [("1", "doc")]);
    let run = bench.start(&[]);
    polled(&bench, "2", 1);
    fs::remove_file(bench.path("watchlist.toml")).unwrap();
    fs::remove_file(bench.path("lists/a.toml")).unwrap();
    run.wait_event("ticket.removed", 1);
    assert_eq!(count(&rejected(&run), "no such file"), 1);
    let before = bench.sim.polls_of("1").len();
    polled(&bench, "1", before + 2);
    bench.list("watchlist.toml", [("1", "doc"), ("3", "doc")]);
    polled(&bench, "3", 1);
    let ended = run.stop();
    let removed = ended.events("ticket.removed");
    assert_eq!((removed.len(), &removed[0]["ticket"]), (1, &Value::from("2")));
}

/// Promise 6: a folder that vanishes, and one that is emptied, take no pending ticket away: that is said once, and the
/// tickets are polled on. SIGHUP confirms that it is meant.
#[test]
fn a_folder_that_vanishes_is_asked_about() {
    for lose in [
        |bench: &Bench| fs::rename(bench.path("lists"), bench.path("away")).unwrap(),
        |bench: &Bench| fs::remove_file(bench.path("lists/a.toml")).unwrap(),
    ] {
        let bench = bench(3);
        bench.list("lists/a.toml", [("2", "doc")]);
        let run = bench.start(&[]);
        polled(&bench, "2", 1);
        bench.wait_tickets("both", |tickets| tickets.len() == 2);
        lose(&bench);
        run.wait_event("watchlist.rejected", 1);
        bench.list("watchlist.toml", [("1", "doc"), ("3", "doc")]);
        let before = bench.sim.polls_of("2").len();
        polled(&bench, "3", 1);
        polled(&bench, "2", before + 2);
        assert_eq!(rejected(&run).len(), 1, "{:#?}", rejected(&run));
        assert!(rejected(&run)[0].contains("/lists/*.toml: "), "{:#?}", rejected(&run));
        assert_eq!(events(&run.log(), "ticket.removed").count(), 0);
        run.signal(Signal::HUP);
        run.wait_event("ticket.removed", 1);
        assert_eq!(run.stop().events("ticket.removed")[0]["ticket"], "2");
    }
}

/// Promise 6: a mount that is late costs no ticket and ends no service: `check` says what is missing, and a run goes on
/// with what the state file knows.
#[test]
fn a_folder_that_is_late_is_waited_for() {
    for is_emptied in [false, true] {
        let bench = bench(3);
        bench.list("watchlist.toml", [("", ""); 0]);
        bench.list("lists/a.toml", [("2", "doc")]);
        let run = bench.start(&[]);
        polled(&bench, "2", 1);
        assert_eq!(run.stop().code, Some(0));
        fs::rename(bench.path("lists"), bench.path("away")).unwrap();
        let reason = if is_emptied {
            fs::create_dir(bench.path("lists")).unwrap();
            "matches no file any more"
        } else {
            "no such folder"
        };
        let check = bench.output("check", &[]);
        let said = stdout(&check);
        assert_eq!(check.status.code(), Some(78), "{said}");
        assert_eq!(said.matches(reason).count(), 1, "{said}");
        assert!(said.contains(&format!("{}:1:32: error: watch list ", bench.path("watcher.toml").display())));

        let run = bench.start(&["--until-done"]);
        let before = bench.sim.polls_of("2").len();
        polled(&bench, "2", before + 1);
        let _ = fs::remove_dir(bench.path("lists"));
        fs::rename(bench.path("away"), bench.path("lists")).unwrap();
        bench.list("lists/b.toml", [("3", "doc")]);
        polled(&bench, "3", 1);
        bench.sim.finish_job("2");
        bench.sim.finish_job("3");
        let ended = run.wait();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(ended.events("ticket.completed").len(), 2);
        let rejected = ended.events("watchlist.rejected");
        assert!(
            rejected.len() == 1 && rejected[0]["message"].as_str().unwrap().contains(reason),
            "{rejected:#?}"
        );
        assert_eq!(ended.events("ticket.removed").len(), 0);
    }
}

/// Where no list could be read and nothing is known, a service ends with the code of a bad configuration; a batch
/// does so where nothing is pending.
#[test]
fn with_nothing_to_go_on_with_it_ends() {
    let bench = bench(1);
    fs::remove_dir(bench.path("lists")).unwrap();
    bench.list("watchlist.toml", [("", ""); 0]);
    for arguments in [&[][..], &["--until-done"]] {
        let ended = bench.start(arguments).wait();
        assert_eq!(ended.code, Some(78), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("/lists: no such folder") && ended.stdout.is_empty(),
            "{}",
            ended.stderr
        );
    }
    bench.list("watchlist.toml", [("1", "doc")]);
    bench.sim.finish_job("1");
    assert_eq!(bench.run().code, Some(0), "something is listed");
    bench.list("watchlist.toml", [("", ""); 0]);
    assert_eq!(bench.run().code, Some(78), "a batch with nothing left");
    let service = bench.start(&[]);
    service.wait_event("watcher.started", 1);
    assert_eq!(service.stop().code, Some(0));
}

/// Reloads leave nothing behind: ten more of them keep memory within half of what it was. A thread that reads a list for
/// the first time keeps 8 MiB of what its parser frees, whenever that is; ten lists kept by mistake take 40 MiB and more.
#[test]
fn reloads_leave_nothing_behind() {
    let bench = Bench::new();
    let tickets: Vec<_> = (0..20_000).map(|ticket| (format!("{ticket:019}"), "doc")).collect();
    bench.list("watchlist.toml", tickets);
    let run = bench.start(&[]);
    run.wait_event("watchlist.loaded", 1);
    let mut memory = Vec::new();
    for reload in 1..=25 {
        run.signal(Signal::HUP);
        run.wait_event("watchlist.loaded", reload + 1);
        memory.push(resident_memory(run.pid()));
    }
    let (settled, last) = (memory[14], memory[24]);
    assert!(last <= settled + settled / 2, "bytes after each reload: {memory:?}");
    run.stop();
}

/// Locks that SQLite holds on the state file, as the kernel knows them (proc_locks(5)).
fn state_locks(run: &Running) -> usize {
    let pid = run.pid().as_raw_nonzero().to_string();
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks.lines().filter(|line| line.contains("POSIX") && line.split(' ').any(|word| word == pid)).count()
}

/// Promise 6: a link to the state file among the watch lists does not cost it its locks, without which another
/// process would take away the log that is written.
#[test]
fn a_link_to_the_state_file_is_not_opened() {
    let bench = bench(1);
    let run = bench.start(&[]);
    polled(&bench, "1", 2);
    bench.wait_tickets("its row", |tickets| tickets.len() == 1);
    let locks = state_locks(&run);
    assert!(locks > 0);
    symlink("../state.db", bench.path("lists/soft.toml")).unwrap();
    symlink("../state.db-shm", bench.path("lists/shm.toml")).unwrap();
    run.wait_log("both refused", |lines| events(lines, "watchlist.rejected").count() >= 4);
    assert_eq!(state_locks(&run), locks);
    drop(rusqlite::Connection::open(bench.path("state.db")).unwrap().execute_batch("SELECT * FROM tickets"));
    assert!(bench.path("state.db-wal").exists());
    run.stop();
}
