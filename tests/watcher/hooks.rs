//! Hooks as people and receivers meet them: what a command and a webhook are given, what shows of a hook that fails, how its
//! events are sent again, and that neither a batch nor a stop waits for one longer than promised.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process};
use serde_json::Value;

use crate::harness::{Bench, Ended, PATIENCE};
use crate::http::{get, served, wait_answer};
use crate::outputs::{stderr, stdout};
use crate::receiver::{OK, Received, Receiver, SIGNING_KEY, UNAVAILABLE, webhook};
use crate::saved::{DOWNLOAD, done, path_of};

/// A hook of the configuration; `target` are the keys of what it calls.
fn hook(name: &str, events: &str, target: &str) -> String {
    format!("[[hook]]\nname = \"{name}\"\nevents = [{events}]\n{target}\n")
}

/// Writes a script of the bench's folder, for which `$D` is that folder; returns the key that has it called.
fn script(bench: &Bench, name: &str, lines: &str) -> String {
    let folder = bench.folder.path().display();
    bench.write(name, &format!("#!/bin/sh\nD='{folder}'\n{lines}\n"));
    fs::set_permissions(bench.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    format!("command = [\"{folder}/{name}\"]")
}

/// A bench with jobs that are done, downloads, and what else the configuration has.
fn bench_with(jobs: &[&str], more: impl Fn(&Bench) -> String) -> Bench {
    let bench = Bench::new();
    bench.secret("hook_secret", SIGNING_KEY);
    let more = more(&bench);
    bench.configure(&format!("{more}\n{DOWNLOAD}"));
    bench.jobs(jobs.iter().map(|ticket| done(ticket)));
    bench
}

/// The line of that event in the log, without what a hook is not given, and behind the id, which it alone has.
fn as_given(ended: &Ended, event: &str, given: &Value) -> Value {
    let mut line = ended.events(event)[0].clone();
    let line = line.as_object_mut().unwrap();
    line.remove("target");
    line.insert("id".to_owned(), given["id"].clone());
    Value::Object(line.clone())
}

/// Promise 4: a command gets each event once it is true, as the log has it, and nothing of the watcher's environment.
#[test]
fn a_command_gets_the_event() {
    let bench = bench_with(&["70"], |bench| {
        let take = script(
            bench,
            "take",
            "cat > \"$D/$FEISHU_EXPORT_EVENT.json\"\n\
             [ -z \"$FEISHU_EXPORT_PATH\" ] || cp -- \"$FEISHU_EXPORT_PATH\" \"$D/copy\"\n\
             env > \"$D/$FEISHU_EXPORT_EVENT.env\"",
        );
        hook("archive", "\"ticket.completed\", \"file.saved\"", &take)
    });
    let mut run = bench.command("run", &["--until-done"]);
    run.env("WATCHER_VARIABLE", "of the watcher").env("LANG", "C.UTF-8");
    let ended = crate::harness::Running::start(run).wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for event in ["ticket.completed", "file.saved"] {
        let given = bench.read(&format!("{event}.json"));
        assert!(given.starts_with("{\"id\":\""), "{given}");
        let given: Value = serde_json::from_str(&given).unwrap();
        assert_eq!(given, as_given(&ended, event, &given));
        let variables = bench.read(&format!("{event}.env"));
        let has = |name: &str, value: &str| variables.lines().any(|line| line == format!("{name}={value}"));
        assert!(has("FEISHU_EXPORT_EVENT", event) && has("FEISHU_EXPORT_TICKET", "70"), "{variables}");
        assert!(
            has("FEISHU_EXPORT_ID", given["id"].as_str().unwrap()) && has("LANG", "C.UTF-8"),
            "{variables}"
        );
        assert!(!variables.contains("WATCHER_VARIABLE"), "{variables}");
        assert_eq!(variables.contains("FEISHU_EXPORT_PATH="), event == "file.saved");
    }
    let saved = fs::read(bench.path(&path_of("70"))).unwrap();
    assert!(fs::read(bench.path("copy")).unwrap() == saved, "the file was there before its event");
    assert!(!ended.stderr.contains("hook archive"), "{}", ended.stderr);
    assert_eq!(bench.status()["hooks"][0]["taken"], 2);
}

/// Promise 4: a webhook gets the same, by Standard Webhooks.
#[test]
fn a_webhook_gets_the_event() {
    let receiver = Receiver::new(|_| OK);
    let bench =
        bench_with(&["70"], |_| hook("chat", "\"ticket.completed\", \"file.saved\"", &webhook(&receiver)));
    let ended = bench.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let received = receiver.wait(2);
    assert_eq!(received.len(), 2);
    for Received { line, .. } in &received {
        assert_eq!(line, "POST /hook HTTP/1.1");
    }
    for event in ["ticket.completed", "file.saved"] {
        let request = received.iter().find(|it| it.json()["event"] == event).unwrap();
        let given = request.json();
        assert_eq!(given, as_given(&ended, event, &given));
        assert_eq!(given["id"], request.header("webhook-id"));
        assert_eq!(request.header("content-type"), "application/json");
        request.verify();
    }
}

/// Promise: a hook that fails shows with the reason in log, `status`, `/status` and metrics, and once it is repaired,
/// `retry --hook` has everything sent at once.
#[test]
fn a_hook_that_fails_is_seen_and_sent_again() {
    let bench = bench_with(&["70"], |bench| {
        let fail = "echo try >> \"$D/tries\"\n[ -e \"$D/repaired\" ] || { echo 'disk full' >&2; exit 3; }\n\
                    cat > \"$D/taken\"";
        hook("archive", "\"file.saved\"", &script(bench, "fail", fail))
    });
    let (bench, address) = served(bench);
    let running = bench.start(&[]);
    // The second try comes after 5 s, the third a minute later.
    bench.wait_file("tries", "try\ntry\n");
    running.wait_event("hook.failed", 1);
    let log = running.log();
    let failed: Vec<_> = log.iter().filter(|line| line["event"] == "hook.failed").collect();
    assert_eq!((&failed[0]["level"], &failed[0]["hook"]), (&"WARN".into(), &"archive".into()));
    let message = failed[0]["error.message"].as_str().unwrap();
    assert!(message.contains("disk full") && message.contains('3'), "{message}");
    let scrape = wait_answer(address, "/metrics", "the hook", |answer| {
        answer.body.contains("feishu_export_watcher_hook_events_waiting{hook=\"archive\"} 1\n")
    });
    assert!(scrape.body.contains("hook_last_error_timestamp_seconds{hook=\"archive\"} 1"), "{}", scrape.body);
    for status in [bench.status(), get(address, "/status").json()] {
        let hook = &status["hooks"][0];
        assert_eq!((&hook["name"], &hook["state"]), (&"archive".into(), &"active".into()), "{hook}");
        assert_eq!((&hook["waiting"], &hook["taken"]), (&1.into(), &0.into()), "{hook}");
        assert_eq!(hook["last_error"]["message"], message, "{hook}");
    }
    let until = Instant::now() + PATIENCE;
    let table = loop {
        let table = stdout(&bench.output("status", &[]));
        if table.contains("\nhook archive  1 event waits, next try in ") {
            break table;
        }
        assert!(Instant::now() < until, "{table}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(table.contains("`feishu-export-watcher hook test archive`"), "{table}");
    assert!(table.contains("`feishu-export-watcher retry --hook archive`"), "{table}");

    let unknown = bench.output("retry", &["--hook", "archiv"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("did you mean `archive`?"), "{}", stderr(&unknown));
    bench.write("repaired", "");
    let asked = Instant::now();
    let retry = bench.output("retry", &["--hook", "archive"]);
    assert_eq!(retry.status.code(), Some(0), "{}", stderr(&retry));
    assert_eq!(stdout(&retry), "1 event of hook archive will be sent again\n");
    assert_eq!(stderr(&retry), "done: the watcher sends them within 5 s\n");
    bench.wait_file("taken", "file.saved");
    assert!(asked.elapsed() < Duration::from_secs(30), "not by itself after a minute");
    wait_answer(address, "/status", "the hook that took it", |answer| {
        let hook = &answer.json()["hooks"][0];
        hook["waiting"] == 0 && hook["taken"] == 1
    });
    running.wait_event("hook.recovered", 1);
    let nothing = bench.output("retry", &["--hook", "archive"]);
    assert_eq!((nothing.status.code(), stdout(&nothing)), (Some(0), String::new()));
    assert_eq!(running.stop().code, Some(0));
}

/// Promise: events of a hook that left the configuration are dropped, and their number is said.
#[test]
fn a_hook_that_left_is_dropped() {
    let failing =
        |_: &Bench| hook("archive", "\"ticket.completed\", \"file.saved\"", "command = [\"false\"]");
    let bench = bench_with(&["70"], failing);
    let running = bench.start(&[]);
    running.wait_event("file.saved", 1);
    running.wait_event("hook.failed", 1);
    let stopped = running.stop();
    let failed = stopped.events("hook.failed");
    let warnings = failed.iter().filter(|line| line["level"] == "WARN").count();
    assert_eq!((stopped.code, warnings), (Some(0), 1), "one warning an outage");
    assert_eq!(bench.status()["hooks"][0]["waiting"], 2);
    bench.reconfigure(&failing(&bench), "");
    let running = bench.start(&[]);
    running.wait_event("hook.dropped", 1);
    let ended = running.stop();
    let dropped = ended.events("hook.dropped")[0];
    assert_eq!((&dropped["hook"], &dropped["rows"]), (&"archive".into(), &2.into()), "{dropped}");
    assert_eq!(bench.status()["hooks"], Value::Array(Vec::new()));
}

/// Promise: a batch gives a receiver that comes back its time, and ends as soon as that took everything.
#[test]
fn a_batch_waits_for_a_receiver_that_comes_back() {
    let receiver = Receiver::new(|number| if number == 0 { UNAVAILABLE } else { OK });
    let bench = bench_with(&["70"], |_| hook("chat", "\"file.saved\"", &webhook(&receiver)));
    let began = Instant::now();
    let ended = bench.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(began.elapsed() < Duration::from_secs(40), "it ends once all is taken");
    let received = receiver.wait(2);
    assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"));
    assert_eq!(ended.events("hook.awaited").len(), 1);
    assert!(!ended.stderr.contains("hook chat"), "{}", ended.stderr);
}

/// Promise: a batch does not wait for what can't be tried in its time, says what is left, and ends as its exports did.
#[test]
fn a_batch_says_what_its_hooks_have_not_taken() {
    let receiver = Receiver::new(|_| "HTTP/1.1 503 Service Unavailable\r\nretry-after: 600\r\n");
    let bench = bench_with(&["70", "71"], |_| hook("chat", "\"file.saved\"", &webhook(&receiver)));
    let began = Instant::now();
    let ended = bench.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(began.elapsed() < Duration::from_secs(40), "the next try is in ten minutes");
    let said = "\nhook chat: 2 events wait; they go out with the next run\n";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    receiver.wait(1);
}

/// Promise: a hook is tried with a sample that says so, whether a watcher runs or not, and the exit code is its answer.
#[test]
fn a_hook_is_tested() {
    let receiver = Receiver::new(|_| OK);
    let bench = bench_with(&[], |bench| {
        let refuse = script(bench, "refuse", "cat > \"$D/sample.json\"; echo no >&2; exit 4");
        let events = "\"ticket.failed\", \"file.saved\"";
        hook("archive", events, &refuse) + &hook("chat", "\"app.paused\"", &webhook(&receiver))
    });
    let test = |name: &str| {
        let config = bench.path("watcher.toml");
        let mut call = bench.call(crate::call::BINARY);
        call.args(["hook", "test", name, "--config"]).arg(config).output()
    };
    let refused = test("archive");
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    let said = stdout(&refused);
    assert!(said.contains("/refuse, ticket.failed: not taken, after ") && said.contains("no"), "{said}");
    let sample: Value = serde_json::from_str(&bench.read("sample.json")).unwrap();
    assert_eq!((&sample["event"], &sample["sample"]), (&"ticket.failed".into(), &true.into()));
    assert!(sample["id"].as_str().unwrap().starts_with("sample-"), "{sample}");
    let taken = test("chat");
    assert_eq!(taken.status.code(), Some(0), "{}", stderr(&taken));
    assert!(stdout(&taken).contains(", app.paused: taken in "), "{}", stdout(&taken));
    receiver.wait(1)[0].verify();
    let unknown = test("chatt");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("did you mean `chat`?"), "{}", stderr(&unknown));
    assert!(!bench.path("state.db").exists(), "nothing is written");
}

/// Promise: a stop does not wait for a command that hangs, and leaves no process of it behind; the event goes out later.
#[test]
fn a_stop_ends_a_command_that_hangs() {
    let bench = bench_with(&["70"], |bench| {
        let hang = "sleep 1000 & echo $! > \"$D/child\"; mv \"$D/child\" \"$D/sleeping\"; wait";
        hook("archive", "\"file.saved\"", &script(bench, "hang", hang))
    });
    let running = bench.start(&[]);
    bench.wait_file("sleeping", "\n");
    let sleeping = bench.read("sleeping").trim().parse().ok().and_then(Pid::from_raw).unwrap();
    let asked = Instant::now();
    assert_eq!(running.stop().code, Some(0));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    let until = Instant::now() + PATIENCE;
    while is_alive(sleeping) {
        assert!(Instant::now() < until, "the process that the command started is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(bench.status()["hooks"][0]["waiting"], 1);
}

/// Whether it runs; one that ended and was not reaped does not.
fn is_alive(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    test_kill_process(process).is_ok() && stat.is_ok_and(|stat| !stat.contains(") Z "))
}
