//! Files of finished exports: each ends whole under its name, through broken transfers, stops and kills, or is said to
//! be lost. What a single answer means is the matter of `fault_matrix/`.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use export_simulator::{Endpoint, Fault, Job, Life};
use feishu_export_watcher::domain::WallTime;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Bench, Ended, Running, events};
use crate::saved::{
    DOWNLOAD, assert_all_saved, assert_exports, assert_saved, bench_with_downloads, done, download_of,
    downloads, files_below, path_of, wait_for_downloads, wait_for_temporary,
};

/// Longer than a test takes: a transfer that stands still is still under way.
const PATIENT: &str = "idle_timeout = \"10m\"";

/// A batch whose tickets are all completed and whose files are all saved.
fn run_to_success(bench: &Bench) -> Ended {
    let ended = bench.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, ended.stdout);
    ended
}

/// Promise 5: a batch ends with every file under its title, with the hash that log and `status` name; each is announced
/// after its ticket.
#[test]
fn a_batch_ends_with_files() {
    let bench = bench_with_downloads("");
    let pdf = Job { file_extension: "pdf".to_owned(), file_size: 3 << 20, ..done("71") };
    let csv = Job { file_extension: "csv".to_owned(), file_size: 0, ..done("72") };
    bench.jobs([done("70"), pdf, csv]);
    let ended = run_to_success(&bench);
    assert_exports(&bench, &["T-70.docx", "T-71.pdf", "T-72.csv"]);
    let said: Vec<_> = ended.lines.iter().map(|line| (line["event"].as_str(), &line["ticket"])).collect();
    for ticket in ["70", "71", "72"] {
        let file = assert_saved(&bench, ticket);
        assert_eq!(file["attempts"], 1, "{file}");
        let place = |event| said.iter().position(|line| *line == (Some(event), &ticket.into())).unwrap();
        assert!(place("ticket.completed") < place("file.saved"), "{said:?}");
        let line = &ended.lines[place("file.saved")];
        for (field, name) in [("path", "file.path"), ("sha256", "file.sha256"), ("size", "file.size")] {
            assert_eq!(line[name], file[field], "{line}");
        }
        assert_eq!(line["level"], "INFO");
    }
    assert!(ended.stderr.starts_with("3 completed"), "{}", ended.stderr);
    let again = run_to_success(&bench);
    assert_eq!(
        (downloads(&bench), again.events("file.saved").len()),
        (3, 0),
        "what is saved is not fetched again"
    );
}

/// A saved file has the mode of the configuration, whatever the umask; folders of the template are made.
#[test]
fn names_and_modes_are_those_of_the_configuration() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench =
        bench_with_downloads("name = \"{app}/{ticket}/{file_name}.{file_extension}\"\nmode = \"0604\"");
    bench.jobs([done("70")]);
    let ended = Running::start(bench.shell("umask 077; exec \"$0\" \"$@\"", "run", &["--until-done"])).wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_saved(&bench, "70");
    assert_exports(&bench, &["default/70/T-70.docx"]);
    let mode = fs::metadata(bench.path("exports/default/70/T-70.docx")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o604, "{mode:o}");
}

/// Ends a process that is in the middle of two transfers; nothing of them lies under a final name.
fn end_in_a_transfer(arguments: &[&str], end: impl FnOnce(Running) -> Ended) -> (Bench, Ended) {
    let bench = bench_with_downloads(PATIENT);
    let large = |ticket| Job { file_size: 2 << 20, ..done(ticket) };
    bench.jobs([large("70"), large("71")]);
    for ticket in ["70", "71"] {
        bench.sim.fault(download_of(ticket), 1, Fault::Stall);
    }
    let run = bench.start(arguments);
    wait_for_downloads(&bench, "70", 1);
    wait_for_downloads(&bench, "71", 1);
    wait_for_temporary(&bench, 2);
    let ended = end(run);
    assert!(!bench.path(&path_of("70")).exists() && !bench.path(&path_of("71")).exists());
    assert_eq!(ended.events("file.saved").len(), 0);
    (bench, ended)
}

/// The next run fetches both files again, and leaves nothing else behind.
fn assert_fetched_again(bench: &Bench) {
    let next = run_to_success(bench);
    assert_eq!(next.events("file.saved").len(), 2, "{}", next.stdout);
    assert_all_saved(bench, &["70", "71"]);
    assert_eq!(downloads(bench), 4, "each a second time");
    assert_exports(bench, &["T-70.docx", "T-71.docx"]);
}

fn stop_in_a_transfer(arguments: &[&str], signal: Signal, code: i32) {
    let asked = Instant::now();
    let (bench, ended) = end_in_a_transfer(arguments, |run| {
        run.signal(signal);
        run.wait()
    });
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    assert!(asked.elapsed() < Duration::from_secs(60), "a stop waits for no transfer");
    assert_exports(&bench, &[]);
    assert_eq!(bench.ticket("70")["file"]["state"], "waiting");
    assert_fetched_again(&bench);
}

/// Promises 5 and 6: a stop gives up transfers at once. A batch says with 11 that files are missing, and the next run
/// fetches them.
#[test]
fn a_stop_in_a_transfer_loses_no_file() {
    std::thread::scope(|scope| {
        scope.spawn(|| stop_in_a_transfer(&["--until-done"], Signal::INT, 11));
        scope.spawn(|| stop_in_a_transfer(&["--until-done"], Signal::TERM, 11));
        scope.spawn(|| stop_in_a_transfer(&[], Signal::TERM, 0));
    });
}

/// The same for a deadline that passes meanwhile.
#[test]
fn a_deadline_in_a_transfer_loses_no_file() {
    let (bench, ended) = end_in_a_transfer(&["--until-done", "--deadline", "2s"], Running::wait);
    assert_eq!(ended.code, Some(11), "{}", ended.stderr);
    assert_fetched_again(&bench);
}

/// Promise 6: a kill in a transfer leaves no file under its name that is not whole, and the temporary files are swept.
#[test]
fn a_kill_in_a_transfer_loses_no_file() {
    let (bench, ended) = end_in_a_transfer(&[], Running::kill);
    assert_eq!(ended.code, None);
    let other = ".feishu-export-0123456789abcdef-0123456789abcdef.tmp";
    fs::write(bench.path("exports").join(other), "of another state file").unwrap();
    let next = run_to_success(&bench);
    assert_eq!(next.events("file.saved").len(), 2);
    assert_saved(&bench, "70");
    assert_exports(&bench, &[other, "T-70.docx", "T-71.docx"]);
}

/// A bench with ten tickets, of which the first is struck in its first download.
fn one_of_ten_struck(keys: &str, fault: Fault) -> (Bench, Ended) {
    let bench = bench_with_downloads(keys);
    bench.jobs((70..80).map(|number| done(&number.to_string())));
    bench.sim.fault(download_of("70"), 1, fault);
    let ended = bench.start(&["--until-done", "--log-level", "debug"]).wait();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, ended.stdout);
    for number in 70..80 {
        let file = assert_saved(&bench, &number.to_string());
        assert_eq!(file["attempts"], if number == 70 { 2 } else { 1 }, "{file}");
        assert!(file["error"].is_null(), "{file}");
    }
    (bench, ended)
}

/// Promise 5: one 502 costs no file.
#[test]
fn one_gateway_error_loses_no_file() {
    let (_, ended) = one_of_ten_struck("", Fault::Html { status: 502 });
    let retries = ended.events("file.retry");
    assert_eq!((retries.len(), &retries[0]["error.kind"]), (1, &"server_error".into()), "{retries:#?}");
    assert!(retries[0]["next_try_ms"].is_u64() && retries[0]["ticket"] == "70", "{retries:#?}");
}

/// Promise 5: one transfer that stands still holds up no other file, and is begun anew.
#[test]
fn one_hung_transfer_loses_no_file() {
    for fault in [Fault::Hang, Fault::Stall] {
        let (bench, ended) = one_of_ten_struck("idle_timeout = \"1s\"\nmax_in_flight = 2", fault);
        let saved = ended.events("file.saved");
        let order: Vec<_> = saved.iter().map(|line| line["ticket"].as_str().unwrap()).collect();
        assert_eq!(order.last(), Some(&"70"), "{order:?}");
        assert_eq!(bench.sim.downloads_of("70").len(), 2);
    }
}

/// Promise 5: a file that was deleted before it could be fetched never looks like success: exit code, log, `status` and
/// summary say so, and so does a run after it.
#[test]
fn a_missed_window_is_no_success() {
    let bench = bench_with_downloads("");
    bench.jobs([done("70"), Job { age: Duration::from_secs(1200), ..done("71") }]);
    let ended = bench.run();
    assert_eq!(ended.code, Some(10), "{}", ended.stderr);
    let [expired] = ended.events("file.expired")[..] else { panic!("{}", ended.stdout) };
    assert_eq!((&expired["ticket"], &expired["level"]), (&"71".into(), &"WARN".into()));
    assert!(
        ended.stderr.contains("expired") && ended.stderr.contains("export the document again"),
        "{}",
        ended.stderr
    );
    let row = bench.ticket("71");
    assert_eq!(
        (&row["file"]["state"], &row["file"]["error"]["kind"]),
        (&"expired".into(), &"expired".into())
    );
    assert_saved(&bench, "70");
    assert_exports(&bench, &["T-70.docx"]);
    let sent = downloads(&bench);
    assert_eq!(
        (bench.run().code, downloads(&bench)),
        (Some(10), sent),
        "it is said again, and not asked again"
    );
}

/// The same where the watch list says how old the export is: one refusal is enough.
#[test]
fn a_missed_window_that_the_list_names() {
    let bench = bench_with_downloads("");
    let age = Duration::from_secs(720);
    bench.jobs([Job { age, ..done("70") }]);
    let list = bench.read("watchlist.toml");
    bench.write("watchlist.toml", &format!("{list}created_at = {}\n", WallTime::now() - age));
    let ended = bench.run();
    assert_eq!((ended.code, ended.events("file.expired").len()), (Some(10), 1), "{}", ended.stderr);
    assert_eq!(downloads(&bench), 1);
}

/// Promise 6: a file that exists already is left alone, whatever is in it, and so is a link.
#[test]
fn what_has_the_name_is_left_alone() {
    let bench = bench_with_downloads("");
    fs::create_dir(bench.path("exports")).unwrap();
    fs::write(bench.path(&path_of("70")), "mine").unwrap();
    fs::write(bench.path("exports/t-71.DOCX"), "mine as well").unwrap();
    std::os::unix::fs::symlink("nowhere", bench.path(&path_of("72"))).unwrap();
    bench.jobs([done("70"), done("71"), done("72")]);
    run_to_success(&bench);
    assert_all_saved(&bench, &["70", "71", "72"]);
    assert_eq!(bench.read(&path_of("70")), "mine");
    assert_eq!(bench.read("exports/t-71.DOCX"), "mine as well");
    let link = fs::read_link(bench.path(&path_of("72"))).unwrap();
    assert_eq!(link.to_str(), Some("nowhere"));
    let all = ["T-70 (2).docx", "T-70.docx", "T-71 (2).docx", "T-72 (2).docx", "T-72.docx", "t-71.DOCX"];
    assert_exports(&bench, &all);
}

/// Promise 6: exports of one title get names of their own.
#[test]
fn one_title_many_times() {
    let bench = bench_with_downloads("");
    bench.jobs((70..90).map(|number| Job { file_name: "周报/../x".to_owned(), ..done(&number.to_string()) }));
    run_to_success(&bench);
    let rows = bench.tickets();
    let paths: BTreeSet<_> = rows
        .iter()
        .map(|row| assert_saved(&bench, row["ticket"].as_str().unwrap())["path"].to_string())
        .collect();
    assert_eq!((paths.len(), files_below(&bench.path("exports")).len()), (20, 20), "{paths:#?}");
}

/// A ticket whose entry says `download = false` completes without a file; the others get theirs.
#[test]
fn an_entry_may_do_without_its_file() {
    let bench = bench_with_downloads("");
    bench.jobs([done("70"), done("71")]);
    let list = bench.read("watchlist.toml");
    bench.write("watchlist.toml", &format!("{list}download = false\n"));
    run_to_success(&bench);
    assert_exports(&bench, &["T-70.docx"]);
    assert_eq!(
        (bench.ticket("71")["state"].as_str(), &bench.ticket("71")["file"]),
        (Some("completed"), &Value::Null)
    );
    assert_eq!(bench.sim.downloads_of("71").len(), 0);
}

/// Without `[download]` nothing is fetched, and no line is about files. Once the section is there, a file that may still
/// live is fetched.
#[test]
fn without_the_section_nothing_is_downloaded() {
    let bench = Bench::new();
    bench.jobs([done("70")]);
    let ended = run_to_success(&bench);
    assert!(ended.lines.iter().all(|line| !line["event"].as_str().unwrap_or("").starts_with("file.")));
    assert_eq!((downloads(&bench), &bench.ticket("70")["file"]), (0, &Value::Null));
    assert!(!bench.path("exports").exists());

    bench.configure(DOWNLOAD);
    run_to_success(&bench);
    assert_saved(&bench, "70");
    assert_eq!(bench.sim.polls_of("70").len(), 1, "what is decided is not asked again");
}

/// A ticket that leaves the list once it is completed still gets its file.
#[test]
fn a_completed_ticket_that_leaves_the_list_gets_its_file() {
    let bench = bench_with_downloads("");
    bench.jobs([done("70"), done("71").life(Life::Forever)]);
    let held = bench.sim.hold(download_of("70"), 1);
    let run = bench.start(&[]);
    run.wait_event("ticket.completed", 1);
    bench.list("watchlist.toml", [("71", "doc71")]);
    run.signal(Signal::HUP);
    run.wait_event("watchlist.loaded", 2);
    bench.sim.release(held);
    run.wait_event("file.saved", 1);
    assert_eq!(run.stop().code, Some(0));
    assert_saved(&bench, "70");
}

/// Promise 5: a transfer that stands still holds up no poll, and counts against `max_in_flight` alone.
#[test]
fn a_transfer_holds_up_no_poll() {
    let bench = bench_with_downloads(&format!("{PATIENT}\nmax_in_flight = 1"));
    bench.jobs([done("70"), done("71")]);
    bench.sim.fault(Endpoint::Download, 1, Fault::Stall);
    let run = bench.start(&[]);
    run.wait_event("ticket.completed", 2);
    wait_for_temporary(&bench, 1);
    bench.jobs([done("72")]);
    run.signal(Signal::HUP);
    run.wait_event("ticket.completed", 3);
    assert_eq!(downloads(&bench), 1, "one at a time");
    assert_eq!(run.stop().code, Some(0));
}

/// `retry` of a ticket whose file expired polls it again and fetches the file, if there is one by now.
#[test]
fn an_expired_file_is_fetched_again_on_request() {
    let bench = bench_with_downloads("");
    bench.jobs([done("70")]);
    bench.sim.fault(download_of("70"), 1..=2, Fault::answer(400, 1_060_001, "invalid parameter"));
    assert_eq!(bench.run().code, Some(10));
    assert_eq!(bench.ticket("70")["file"]["state"], "expired");
    let retry = bench.output("retry", &["--failed"]);
    assert_eq!(retry.status.code(), Some(0), "{}", String::from_utf8_lossy(&retry.stderr));
    run_to_success(&bench);
    assert_saved(&bench, "70");
    assert_exports(&bench, &["T-70.docx"]);
}

/// Promise 3: an app whose downloads are refused for a missing scope is paused for its downloads; its polls and the
/// files of the other app go on, and nothing is lost.
#[test]
fn a_missing_scope_pauses_downloads_alone() {
    let bench = bench_with_downloads("");
    bench.jobs([done("70"), done("71")]);
    let scope = bench.sim.fault(Endpoint::Download, .., Fault::answer(400, 99_991_672, "Access denied"));
    let run = bench.start(&[]);
    run.wait_event("app.paused", 1);
    run.wait_event("ticket.completed", 2);
    let paused = events(&run.log(), "app.paused").next().unwrap().clone();
    assert_eq!(
        (&paused["endpoint"], &paused["reason"]),
        (&"download".into(), &"scope_missing".into()),
        "{paused}"
    );
    bench.jobs([done("72")]);
    run.signal(Signal::HUP);
    run.wait_event("ticket.completed", 3);
    bench.sim.clear_fault(scope);
    run.wait_event("file.saved", 3);
    let ended = run.stop();
    assert_eq!(ended.events("app.paused").len(), 1, "{}", ended.stdout);
    assert_all_saved(&bench, &["70", "71", "72"]);
}
