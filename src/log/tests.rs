//! The log as a whole: from an event to lines in sinks that stall, fail and come back.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::domain::event::VERDICT_TARGET;
use crate::engine::Announcer;
use jiff::tz::TimeZone;
use tracing::{debug, error, info, trace, warn};

use super::outlet::Outlets;
use super::queue::Bounds;
use super::record::Record;
use super::setup::start;
use super::sink::Sink;
use super::{Format, LogHandle, LogSetup, TextForm, build};

const OWN: &str = "feishu_export_watcher::engine";

/// A sink that does as it is told. Clones share everything.
#[derive(Clone, Default)]
struct Fake(Arc<(Mutex<Inner>, Condvar)>);

#[derive(Default)]
struct Inner {
    taken: Vec<u8>,
    /// What the next calls run into, before anything goes well again; `None` is a call that goes well.
    write_errors: VecDeque<Option<io::Error>>,
    sync_errors: VecDeque<io::Error>,
    /// Bytes taken by one call at most; zero for no limit.
    chunk: usize,
    stalled: bool,
    writes: usize,
    reopened: usize,
}

impl Fake {
    fn set(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn fail(&self, times: usize, kind: io::ErrorKind) {
        self.set(|inner| inner.write_errors.extend((0..times).map(|_| Some(kind.into()))));
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().taken.clone()).unwrap()
    }

    fn get<T>(&self, look: impl FnOnce(&Inner) -> T) -> T {
        look(&self.0.0.lock().unwrap())
    }
}

impl Write for Fake {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut inner = self.0.1.wait_while(self.0.0.lock().unwrap(), |inner| inner.stalled).unwrap();
        inner.writes += 1;
        if let Some(Some(error)) = inner.write_errors.pop_front() {
            return Err(error);
        }
        let count = if inner.chunk == 0 { bytes.len() } else { bytes.len().min(inner.chunk) };
        inner.taken.extend(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Fake {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(self, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let failure = self.0.0.lock().unwrap().sync_errors.pop_front();
        failure.map_or(Ok(()), Err)
    }

    fn reopen(&mut self) -> io::Result<bool> {
        self.set(|inner| inner.reopened += 1);
        Ok(true)
    }

    fn break_line(&mut self) {
        self.set(|inner| inner.taken.push(b'\n'));
    }
}

fn setup(directives: &str, stdout: Fake, file: Option<PathBuf>) -> LogSetup {
    LogSetup {
        format: Format::Json,
        directives: directives.to_owned(),
        file,
        stdout: Box::new(stdout),
        stderr: Box::new(io::sink()),
    }
}

/// Logs what `work` logs and waits until it is settled.
fn logged(setup: LogSetup, work: impl FnOnce()) -> LogHandle {
    let (subscriber, handle) = build(setup).unwrap();
    tracing::subscriber::with_default(subscriber, work);
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

/// A log over fake sinks, which real files can't be told to imitate.
fn over(stdout: &Fake, file: Option<&Fake>, stderr: &Fake, bounds: Bounds) -> LogHandle {
    let file = file.map(|file| ("log file f".to_owned(), file.clone()));
    let stdout = super::sink::Stdout::new(Box::new(stdout.clone()), Arc::default());
    let outlets = start(Format::Json, stdout, file, Box::new(stderr.clone()), bounds).unwrap();
    LogHandle { outlets, suspend: Arc::default() }
}

fn push(outlets: &Outlets, target: &'static str, message: &str) {
    let mut record = Record::about_the_log(tracing::Level::INFO, message.to_owned());
    record.target = target;
    outlets.push(&record);
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
    let handle = logged(setup("info", out.clone(), None), || {
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
            r#type = "docx",
            "paused {}", "once"
        );
    });
    settle(&handle).unwrap();
    let text = out.text();
    assert!(text.starts_with("{\"timestamp\":\"2"));
    let rest = text.split_once(',').unwrap().1;
    assert_eq!(
        rest,
        "\"level\":\"INFO\",\"target\":\"feishu_export_watcher::engine\",\"message\":\"paused once\",\
         \"event\":\"app.paused\",\"app\":\"default\",\"until\":\"2026-11-22T02:00:00.000Z\",\
         \"file_size\":7,\"error.code\":-1,\"ok\":true,\"ratio\":0.5,\
         \"field.level\":\"mine\",\"type\":\"docx\"}\n"
    );
}

#[test]
fn an_error_is_told_with_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("can't write the state file")]
    struct Outer(#[source] io::Error);
    let out = Fake::default();
    let handle = logged(setup("info", out.clone(), None), || {
        let cause = Outer(io::Error::other("disk full"));
        error!(target: OWN, error = &cause as &dyn std::error::Error, "failed");
    });
    settle(&handle).unwrap();
    assert!(out.text().contains("\"error\":\"can't write the state file: disk full\""));
}

#[test]
fn verdicts_are_written_even_with_the_log_off() {
    for directives in ["off", "error", "hyper=trace", "feishu_export_watcher::verdict=off"] {
        let out = Fake::default();
        let handle = logged(setup(directives, out.clone(), None), || {
            verdict(1);
            debug!(target: VERDICT_TARGET, "not a verdict");
            info!(target: OWN, "chatter");
        });
        settle(&handle).unwrap();
        assert_eq!(messages(&out.text()), ["ready"], "{directives}");
    }
}

#[test]
fn other_crates_are_heard_only_when_they_warn() {
    let out = Fake::default();
    let handle = logged(setup("trace,hyper=trace", out.clone(), None), || {
        trace!(target: "hyper::proto", "authorization: Bearer t-secret");
        info!(target: "reqwest", "t-secret");
        info!(target: "feishu_export_watchers", "t-secret");
        warn!(target: "reqwest", "warned");
        trace!(target: OWN, "own");
    });
    settle(&handle).unwrap();
    assert_eq!(messages(&out.text()), ["warned", "own"]);
}

#[test]
fn a_level_holds_for_this_program() {
    let out = Fake::default();
    let handle = logged(setup("warn,feishu_export_watcher::feishu=debug", out.clone(), None), || {
        info!(target: OWN, "no");
        debug!(target: "feishu_export_watcher::feishu", "yes");
        tracing::info_span!(target: "feishu_export_watcher::feishu", "span", hidden = 1).in_scope(|| {
            warn!(target: OWN, "also");
        });
    });
    settle(&handle).unwrap();
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
    settle(&logged(text, both)).unwrap();
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
        verdict(1);
        wait_until("the line", || std::fs::read_to_string(&path).is_ok_and(|text| text.ends_with('\n')));
        std::fs::rename(&path, &moved).unwrap();
        handle.reopen();
        verdict(2);
        settle(&handle).unwrap();
    });
    let lines = |path: &Path| std::fs::read_to_string(path).unwrap().lines().count();
    assert_eq!((lines(&moved), lines(&path)), (1, 1), "what was moved is read there");
}

/// Promise 4: a verdict counts as announced only once it stands in the file that has the log's name, whatever became of
/// the one before; that is said once.
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
        let (subscriber, handle) = build(setup("info", out.clone(), Some(path.clone()))).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            verdict(1);
            settle(&handle).unwrap();
            verdict(2);
            wait_until("the line", || std::fs::read_to_string(&path).unwrap().contains("\"number\":2"));
            take_away();
            verdict(3);
            settle(&handle).unwrap();
            let holds =
                |number| std::fs::read_to_string(&path).unwrap().contains(&format!("\"number\":{number}"));
            assert!(holds(2) && holds(3));
            verdict(4);
            settle(&handle).unwrap();
            assert!(holds(4));
            wait_until("the note", || out.text().contains("was removed, moved or cut short"));
        });
        assert_eq!(out.text().matches("was removed, moved or cut short").count(), 1, "{}", out.text());
        std::fs::remove_file(&path).unwrap();
    }
}

/// Promise 4: where a removed file can't be made anew, no verdict in it counts as announced until it can.
#[test]
fn a_removed_file_that_cannot_be_made_anew_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let (subscriber, handle) = build(setup("info", Fake::default(), Some(path.clone()))).unwrap();
    let removed = std::fs::File::open(&path).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        (1..=3).for_each(verdict);
        assert!(settle(&handle).is_err());
        assert!(settle(&handle).is_err(), "tried again after a pause");
        let written = removed.metadata().unwrap().len();
        assert!(written < 2000, "{written} bytes went into a file that nobody finds");
        std::fs::remove_dir(&path).unwrap();
        flush(&handle, Duration::from_secs(20)).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("ready"));
    });
}

#[test]
fn a_file_that_cannot_be_opened_again_leaves_the_old_one_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("events.jsonl"), folder.path().join("moved"));
    let out = Fake::default();
    let (subscriber, handle) = build(setup("info", out.clone(), Some(path.clone()))).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        std::fs::rename(&path, &moved).unwrap();
        std::fs::create_dir(&path).unwrap();
        handle.reopen();
        verdict(1);
        settle(&handle).unwrap();
        wait_until("the failure is told", || out.text().contains("can't be opened again"));
        assert_eq!(messages(&std::fs::read_to_string(&moved).unwrap()), ["ready"]);
        std::fs::remove_dir(&path).unwrap();
        verdict(2);
        settle(&handle).unwrap();
        assert_eq!(messages(&std::fs::read_to_string(&path).unwrap()), ["ready"]);
    });
    assert_eq!(out.text().matches("can't be opened again").count(), 1);
}

#[test]
fn a_sink_that_recovers_has_every_line_once() {
    let (out, stderr) = (Fake::default(), Fake::default());
    out.set(|inner| {
        inner.chunk = 50;
        inner.write_errors.push_back(None);
    });
    out.fail(5, io::ErrorKind::StorageFull);
    let handle = over(&out, None, &stderr, Bounds::default());
    for number in 0..20 {
        push(&handle.outlets, VERDICT_TARGET, &format!("verdict {number}"));
    }
    flush(&handle, Duration::from_secs(20)).unwrap();
    let wanted: Vec<_> = (0..20).map(|number| format!("verdict {number}")).collect();
    assert_eq!(messages(&out.text()), wanted);
    assert_eq!(stderr.text().lines().count(), 1, "one note a stretch: {}", stderr.text());
}

#[test]
fn settling_tells_the_truth() {
    let (out, file) = (Fake::default(), Fake::default());
    file.fail(1, io::ErrorKind::StorageFull);
    let handle = over(&out, Some(&file), &Fake::default(), Bounds::default());
    push(&handle.outlets, VERDICT_TARGET, "verdict");
    wait_until("the first try", || file.get(|inner| inner.writes > 0));
    file.fail(1, io::ErrorKind::StorageFull);
    assert_eq!(settle(&handle).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.text(), "");
    flush(&handle, Duration::from_secs(20)).unwrap();
    assert_eq!(messages(&file.text())[0], "verdict");
    wait_until("the note", || out.text().contains("log file f can't be written"));
}

#[test]
fn what_a_failed_sync_puts_in_doubt_is_written_again() {
    let (out, file) = (Fake::default(), Fake::default());
    file.set(|inner| inner.sync_errors.push_back(io::Error::other("EIO")));
    let handle = over(&out, Some(&file), &Fake::default(), Bounds::default());
    push(&handle.outlets, VERDICT_TARGET, "verdict");
    push(&handle.outlets, OWN, "chatter");
    assert_eq!(settle(&handle).unwrap_err().to_string(), "EIO");
    flush(&handle, Duration::from_secs(20)).unwrap();
    assert_eq!(messages(&file.text()), ["verdict", "chatter", "verdict"]);
    assert_eq!(file.get(|inner| inner.reopened), 1);
}

#[test]
fn a_stalled_pipe_holds_up_neither_the_caller_nor_the_file() {
    let (out, file) = (Fake::default(), Fake::default());
    out.set(|inner| inner.stalled = true);
    let bounds = Bounds { lines: 100, ..Bounds::default() };
    let handle = over(&out, Some(&file), &Fake::default(), bounds);
    for number in 0..1000 {
        push(&handle.outlets, OWN, "chatter");
        push(&handle.outlets, VERDICT_TARGET, &format!("verdict {number}"));
    }
    wait_until("the file has the verdicts", || file.text().contains("verdict 999"));
    let stall = flush(&handle, Duration::from_millis(50)).unwrap_err();
    assert_eq!(stall.kind(), io::ErrorKind::TimedOut);
    out.set(|inner| inner.stalled = false);
    flush(&handle, Duration::from_secs(20)).unwrap();
    let seen = messages(&out.text());
    assert_eq!(seen.iter().filter(|message| message.starts_with("verdict")).count(), 1000);
    wait_until("the gap is told", || out.text().contains("log lines were left out"));
}

#[test]
fn a_closed_pipe_is_given_up_where_a_file_carries_the_verdicts() {
    let (out, file) = (Fake::default(), Fake::default());
    out.fail(100, io::ErrorKind::BrokenPipe);
    let handle = over(&out, Some(&file), &Fake::default(), Bounds::default());
    for number in 0..3 {
        push(&handle.outlets, VERDICT_TARGET, &format!("verdict {number}"));
        flush(&handle, Duration::from_secs(20)).unwrap();
    }
    assert_eq!(out.get(|inner| inner.writes), 1);
    assert_eq!(file.text().matches("standard output is closed").count(), 1);
    assert_eq!(file.text().matches("verdict ").count(), 3);
}

#[test]
fn a_closed_pipe_without_a_file_never_settles() {
    let (out, stderr) = (Fake::default(), Fake::default());
    out.fail(1000, io::ErrorKind::BrokenPipe);
    let handle = over(&out, None, &stderr, Bounds::default());
    push(&handle.outlets, VERDICT_TARGET, "verdict");
    for _ in 0..3 {
        assert_eq!(settle(&handle).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
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

#[test]
fn what_was_logged_is_written_after_everybody_let_go() {
    let out = Fake::default();
    drop(logged(setup("info", out.clone(), None), || (0..50).for_each(verdict)));
    wait_until("the last line", || out.text().lines().count() == 50);
}
