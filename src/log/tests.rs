//! The log as a whole: from an event to lines in sinks that stall, fail and come back.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use tracing::{Level, debug, error, info, trace, warn};

use super::queue::LINES_MAX;
use super::record::Record;
use super::setup::start;
use super::sink::{Sink, Stdout};
use super::{Format, LogHandle, LogSetup, TextForm, Verdict, build};
use crate::domain::WallTime;
use crate::domain::event::VERDICT_TARGET;

mod fake;

use fake::Fake;

const OWN: &str = "feishu_export_watcher::engine";

fn setup(directives: &str, stdout: Fake, file: Option<PathBuf>) -> LogSetup {
    LogSetup {
        format: Format::Json,
        directives: directives.to_owned(),
        file,
        stdout: Box::new(stdout),
        stderr: Box::new(io::sink()),
    }
}

/// Logs what `work` logs and waits until it is written.
fn logged(setup: LogSetup, work: impl FnOnce()) -> LogHandle {
    let (subscriber, handle) = build(setup).unwrap();
    tracing::subscriber::with_default(subscriber, work);
    settle(&handle).unwrap();
    handle
}

#[tokio::main(flavor = "current_thread")]
async fn settle(handle: &LogHandle) -> io::Result<()> {
    handle.settle().await
}

#[tokio::main(flavor = "current_thread")]
async fn flush(handle: &LogHandle, within: Duration) -> io::Result<()> {
    handle.flush(within).await
}

fn verdict(number: u32) {
    info!(target: VERDICT_TARGET, event = "ticket.completed", number, "ready");
}

/// Hands a verdict over to a sink, as the outbox does.
#[tokio::main(flavor = "current_thread")]
async fn hand_over(handle: &LogHandle, sink: &str, message: &str) -> io::Result<()> {
    let sink = handle.sinks().into_iter().find(|it| it.name() == sink).unwrap();
    let payload = format!(r#"{{"timestamp":"{}","level":"INFO","message":"{message}"}}"#, WallTime::now());
    sink.write_synced(vec![Verdict::parse(&payload.into()).unwrap()]).await
}

/// A log over fake sinks, which real files can't be made to imitate.
fn over(stdout: &Fake, file: Option<&Fake>, stderr: &Fake) -> LogHandle {
    let file = file.map(|file| ("log file f".to_owned(), file.clone()));
    let stdout = Stdout::new(Box::new(stdout.clone()), Arc::default());
    let sinks = start(Format::Json, stdout, file, Box::new(stderr.clone())).unwrap();
    LogHandle { sinks, suspend: Arc::default() }
}

fn record(target: &'static str, message: &str) -> Record {
    let mut record = Record::new(WallTime::now(), Level::INFO, target);
    record.add("message", message);
    record
}

/// Logs a line of the lowest rank.
fn push(handle: &LogHandle, message: &str) {
    handle.sinks.iter().for_each(|sink| sink.push(&record(OWN, message)));
}

fn messages(text: &str) -> Vec<String> {
    let parse = |line| serde_json::from_str::<serde_json::Value>(line).unwrap();
    text.lines().map(|line| parse(line)["message"].as_str().unwrap().to_owned()).collect()
}

fn wait_until(what: &str, mut met: impl FnMut() -> bool) {
    let start = Instant::now();
    while !met() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn fields_keep_their_order_and_their_kind() {
    let out = Fake::default();
    logged(setup("info", out.clone(), None), || {
        let nothing: Option<&str> = None;
        info!(
            target: OWN,
            event = "app.paused",
            app = "default",
            until = %"2026-11-22T02:00:00.000Z",
            file_size = 7_u64,
            error.code = -1_i64,
            error.log_id = nothing,
            ok = true,
            ratio = 0.5,
            none = f64::NAN,
            level = "mine",
            "paused {}", "once"
        );
    });
    let text = out.text();
    assert!(text.starts_with("{\"timestamp\":\"2"));
    let rest = text.split_once(',').unwrap().1;
    assert_eq!(
        rest,
        "\"level\":\"INFO\",\"target\":\"feishu_export_watcher::engine\",\"message\":\"paused once\",\
         \"event\":\"app.paused\",\"app\":\"default\",\"until\":\"2026-11-22T02:00:00.000Z\",\
         \"file_size\":7,\"error.code\":-1,\"ok\":true,\"ratio\":0.5,\
         \"field.level\":\"mine\"}\n"
    );
}

#[test]
fn an_error_is_logged_with_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("can't write the state file")]
    struct Outer(#[source] io::Error);
    let out = Fake::default();
    logged(setup("info", out.clone(), None), || {
        let cause = Outer(io::Error::other("disk full"));
        error!(target: OWN, error = &cause as &dyn std::error::Error, "failed");
    });
    assert!(out.text().contains("\"error\":\"can't write the state file: disk full\""));
}

#[test]
fn verdicts_are_written_even_with_the_log_off() {
    for directives in ["off", "error", "hyper=trace", "feishu_export_watcher::verdict=off"] {
        let out = Fake::default();
        let handle = logged(setup(directives, out.clone(), None), || info!(target: OWN, "chatter"));
        hand_over(&handle, "stdout", "ready").unwrap();
        assert_eq!(messages(&out.text()), ["ready"], "{directives}");
    }
}

#[test]
fn other_crates_are_logged_only_when_they_warn() {
    let out = Fake::default();
    logged(setup("trace,hyper=trace", out.clone(), None), || {
        trace!(target: "hyper::proto", "authorization: Bearer t-secret");
        info!(target: "reqwest", "t-secret");
        info!(target: "feishu_export_watchers", "t-secret");
        warn!(target: "reqwest", "warned");
        trace!(target: OWN, "own");
    });
    assert_eq!(messages(&out.text()), ["warned", "own"]);
}

#[test]
fn a_level_holds_for_this_program() {
    let out = Fake::default();
    logged(setup("warn,feishu_export_watcher::feishu=debug", out.clone(), None), || {
        info!(target: OWN, "no");
        debug!(target: "feishu_export_watcher::feishu", "yes");
        tracing::info_span!(target: "feishu_export_watcher::feishu", "span", hidden = 1).in_scope(|| {
            warn!(target: OWN, "also");
        });
    });
    assert_eq!(messages(&out.text()), ["yes", "also"]);
    assert!(!out.text().contains("hidden"));
}

#[test]
fn text_on_the_terminal_json_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    std::fs::write(&path, "{\"torn").unwrap();
    let out = Fake::default();
    let text = LogSetup {
        format: Format::Text(TextForm { colour: false, columns: None, zone: TimeZone::UTC }),
        ..setup("info", out.clone(), Some(path.clone()))
    };
    let both = || {
        warn!(target: OWN, event = "app.paused", "paused");
        info!(target: VERDICT_TARGET, event = "ticket.completed", label = "weekly", state = "completed", file_token = "box", "ready");
    };
    logged(text, both);
    let shown = out.text();
    let shown: Vec<_> = shown.lines().collect();
    assert!(shown[0].ends_with(" WARN  app.paused  paused"), "{shown:?}");
    assert!(shown[1].contains(" completed  weekly ") && shown[1].ends_with(" box"), "{shown:?}");
    let file = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = file.lines().collect();
    assert_eq!(lines[0], "{\"torn");
    assert_eq!(messages(lines[2]), ["ready"]);
    assert_eq!(lines.len(), 3);
}

#[test]
fn a_moved_file_is_left_and_a_new_one_begun() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("events.jsonl"), folder.path().join("events.jsonl.1"));
    let (subscriber, handle) = build(setup("info", Fake::default(), Some(path.clone()))).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        info!(target: OWN, "before");
        settle(&handle).unwrap();
        std::fs::rename(&path, &moved).unwrap();
        handle.reopen();
        info!(target: OWN, "after");
        settle(&handle).unwrap();
    });
    let lines = |path: &Path| messages(&std::fs::read_to_string(path).unwrap());
    assert_eq!((lines(&moved), lines(&path)), (vec!["before".to_owned()], vec!["after".to_owned()]));
}

/// Promise 4: a verdict counts as announced only once it stands in the file that has the log's name, whatever became of
/// the one before; that is reported once.
#[test]
fn a_file_that_was_taken_away_swallows_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("events.jsonl"), folder.path().join("events.jsonl.1"));
    let copied = || (std::fs::copy(&path, &moved).unwrap(), std::fs::write(&path, "").unwrap()).1;
    for take_away in [
        &(|| std::fs::remove_file(&path).unwrap()) as &dyn Fn(),
        &|| std::fs::rename(&path, &moved).unwrap(),
        &copied,
        &|| std::fs::remove_dir_all(folder.path()).unwrap(),
    ] {
        let out = Fake::default();
        let (_subscriber, handle) = build(setup("info", out.clone(), Some(path.clone()))).unwrap();
        hand_over(&handle, "file", "first").unwrap();
        take_away();
        for message in ["second", "third"] {
            hand_over(&handle, "file", message).unwrap();
            assert!(std::fs::read_to_string(&path).unwrap().contains(message));
        }
        settle(&handle).unwrap();
        assert_eq!(out.text().matches("was removed, moved or cut short").count(), 1, "{}", out.text());
        std::fs::remove_file(&path).unwrap();
    }
}

/// Promise 4: the same for a file that is taken away between writing and syncing.
#[test]
fn a_file_that_is_taken_away_before_it_is_synced_gets_the_lines_anew() {
    let (out, file) = (Fake::default(), Fake::default());
    file.set(|inner| inner.swallows = true);
    let handle = over(&out, Some(&file), &Fake::default());
    hand_over(&handle, "file", "verdict").unwrap();
    assert_eq!(messages(&file.text()), ["verdict"]);
    assert_eq!(file.get(|inner| inner.reopened), 1);
}

/// Promise 4: where a removed file can't be made anew, no verdict counts as announced until it can.
#[test]
fn a_removed_file_that_cannot_be_made_anew_takes_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let out = Fake::default();
    let (_subscriber, handle) = build(setup("info", out.clone(), Some(path.clone()))).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    for _ in 0..3 {
        assert!(hand_over(&handle, "file", "verdict").is_err());
    }
    std::fs::remove_dir(&path).unwrap();
    hand_over(&handle, "file", "verdict").unwrap();
    assert_eq!(messages(&std::fs::read_to_string(&path).unwrap()), ["verdict"]);
    settle(&handle).unwrap();
    assert_eq!(out.text().matches("can't be written: it is not a regular file").count(), 1);
}

#[test]
fn lines_wait_for_a_file_that_cannot_be_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("events.jsonl"), folder.path().join("moved"));
    let out = Fake::default();
    let (subscriber, handle) = build(setup("info", out.clone(), Some(path.clone()))).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        std::fs::rename(&path, &moved).unwrap();
        std::fs::create_dir(&path).unwrap();
        handle.reopen();
        info!(target: OWN, "line");
        assert!(settle(&handle).is_err());
        wait_until("the failure is reported", || out.text().contains("can't be written"));
        std::fs::remove_dir(&path).unwrap();
        settle(&handle).unwrap();
    });
    assert_eq!(messages(&std::fs::read_to_string(&path).unwrap()), ["line"]);
    assert_eq!(out.text().matches("can't be written").count(), 1);
}

#[test]
fn a_sink_that_recovers_has_every_line_once() {
    let (out, stderr) = (Fake::default(), Fake::default());
    out.fail(3, io::ErrorKind::StorageFull);
    let handle = over(&out, None, &stderr);
    let wanted: Vec<_> = (0..20).map(|number| format!("line {number}")).collect();
    wanted.iter().for_each(|message| push(&handle, message));
    flush(&handle, Duration::from_secs(20)).unwrap();
    assert_eq!(messages(&out.text()), wanted);
    assert_eq!(stderr.text().lines().count(), 1, "one note a stretch: {}", stderr.text());
}

/// Promise 4: a batch that fails does not count as written, and is not kept: its sender hands it over again.
#[test]
fn a_batch_that_fails_is_its_senders() {
    let (out, file) = (Fake::default(), Fake::default());
    file.fail(2, io::ErrorKind::StorageFull);
    let handle = over(&out, Some(&file), &Fake::default());
    for _ in 0..2 {
        let failure = hand_over(&handle, "file", "verdict").unwrap_err();
        assert_eq!(failure.kind(), io::ErrorKind::StorageFull);
    }
    push(&handle, "line");
    settle(&handle).unwrap();
    assert_eq!(messages(&file.text()), ["line"]);
    hand_over(&handle, "file", "verdict").unwrap();
    assert_eq!(messages(&file.text()), ["line", "verdict"]);
    assert_eq!(out.text().matches("log file f can't be written").count(), 1);
}

/// Promise 4: a batch behind a line that can't be written is answered, too.
#[test]
fn a_batch_does_not_wait_behind_a_line_that_fails() {
    let (out, file) = (Fake::default(), Fake::default());
    file.fail(2, io::ErrorKind::StorageFull);
    let handle = over(&out, Some(&file), &Fake::default());
    push(&handle, "line");
    wait_until("the first try", || file.get(|inner| inner.writes > 0));
    assert!(hand_over(&handle, "file", "verdict").is_err());
    while hand_over(&handle, "file", "verdict").is_err() {}
    assert_eq!(messages(&file.text()), ["line", "verdict"]);
}

#[test]
fn a_batch_that_may_not_have_lasted_is_handed_over_again() {
    let (out, file) = (Fake::default(), Fake::default());
    file.fail_to_sync(1);
    let handle = over(&out, Some(&file), &Fake::default());
    assert_eq!(hand_over(&handle, "file", "verdict").unwrap_err().to_string(), "EIO");
    hand_over(&handle, "file", "verdict").unwrap();
    assert_eq!(messages(&file.text()), ["verdict", "verdict"]);
    assert_eq!(file.get(|inner| inner.reopened), 1);
}

#[test]
fn a_disk_that_takes_lines_and_does_not_sync_is_reported_once() {
    let (out, file) = (Fake::default(), Fake::default());
    file.fail_to_sync(1000);
    let handle = over(&out, Some(&file), &Fake::default());
    for number in 1..=3 {
        assert!(hand_over(&handle, "file", "verdict").is_err());
        push(&handle, "line");
        wait_until("the line", || file.text().matches("line").count() == number);
    }
    assert_eq!(out.text().matches("log file f can't be written").count(), 1);
}

#[test]
fn a_stalled_pipe_holds_up_neither_the_caller_nor_the_file() {
    let (out, file) = (Fake::default(), Fake::default());
    out.set(|inner| inner.stalled = true);
    let handle = over(&out, Some(&file), &Fake::default());
    for number in 0..LINES_MAX + 100 {
        push(&handle, "chatter");
        if number % 1000 == 0 {
            hand_over(&handle, "file", "verdict").unwrap();
        }
    }
    assert!(handle.waiting().iter().any(|(sink, lines)| *sink == "stdout" && *lines >= LINES_MAX));
    let stall = flush(&handle, Duration::from_millis(50)).unwrap_err();
    assert_eq!(stall.kind(), io::ErrorKind::TimedOut);
    out.set(|inner| inner.stalled = false);
    flush(&handle, Duration::from_secs(20)).unwrap();
    wait_until("the gap is reported", || out.text().contains(" log lines were left out"));
    wait_until("all is written", || handle.waiting() == [("stdout", 0), ("file", 0)]);
}

#[test]
fn a_closed_pipe_is_given_up_where_a_file_has_the_verdicts() {
    let (out, file) = (Fake::default(), Fake::default());
    out.fail(100, io::ErrorKind::BrokenPipe);
    let handle = over(&out, Some(&file), &Fake::default());
    for _ in 0..3 {
        push(&handle, "line");
        for sink in ["stdout", "file"] {
            hand_over(&handle, sink, "verdict").unwrap();
        }
    }
    assert_eq!(out.get(|inner| inner.writes), 1);
    assert_eq!(file.text().matches("standard output is closed").count(), 1);
    assert_eq!(messages(&file.text()).iter().filter(|message| *message == "verdict").count(), 3);
}

#[test]
fn a_closed_pipe_without_a_file_takes_no_verdict() {
    let (out, stderr) = (Fake::default(), Fake::default());
    out.fail(1000, io::ErrorKind::BrokenPipe);
    let handle = over(&out, None, &stderr);
    for _ in 0..3 {
        let failure = hand_over(&handle, "stdout", "verdict").unwrap_err();
        assert_eq!(failure.kind(), io::ErrorKind::BrokenPipe);
    }
    push(&handle, "line");
    assert_eq!(flush(&handle, Duration::from_millis(50)).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(stderr.text().matches("standard output can't be written").count(), 1);
}

#[test]
fn a_progress_bar_makes_room_for_each_line() {
    let out = Fake::default();
    let (subscriber, handle) = build(setup("info", out.clone(), None)).unwrap();
    let calls = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&calls);
    handle.set_suspend(Some(Arc::new(move |write: &mut dyn FnMut()| {
        *counted.lock().unwrap() += 1;
        write();
    })));
    tracing::subscriber::with_default(subscriber, || {
        verdict(1);
        settle(&handle).unwrap();
        handle.set_suspend(None);
        verdict(2);
        settle(&handle).unwrap();
    });
    assert_eq!(*calls.lock().unwrap(), 1);
    assert_eq!(out.text().lines().count(), 2);
}
