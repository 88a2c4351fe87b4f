//! The log: form of the lines, fields of the verdicts, levels, and text from a hostile server.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use export_simulator::{Fault, Job, Life};
use rustix::process::Signal;
use serde_json::{Map, Value};

use crate::harness::{Bench, Ended, PATIENCE, Running};
use crate::outputs::{json_lines, reconfigure, stderr, stdout};

const VERDICTS: [&str; 4] = ["ticket.completed", "ticket.failed", "ticket.removed", "ticket.timed_out"];

/// The keys of a line in their order: `serde_json` sorts them.
fn keys(line: &str) -> Vec<String> {
    struct Keys(Vec<String>);
    impl<'de> serde::Deserialize<'de> for Keys {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(Seen)
        }
    }
    struct Seen;
    impl<'de> serde::de::Visitor<'de> for Seen {
        type Value = Keys;
        fn expecting(&self, form: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            form.write_str("an object")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
            let mut keys = Vec::new();
            while let Some((key, _)) = map.next_entry::<String, Value>()? {
                keys.push(key);
            }
            Ok(Keys(keys))
        }
    }
    let Keys(keys) = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    keys
}

/// A run in which one ticket completes, one fails, one times out and one is removed.
fn four_verdicts(arguments: &[&str]) -> (Bench, Ended) {
    let bench = Bench::new();
    reconfigure(&bench, "[poll]", "[poll]\ngive_up_after = \"2500ms\"");
    let mut failed = Job::new("71", "doc71").fails_after(Duration::ZERO, 109);
    failed.job_error_msg = "a block is forbidden".to_owned();
    bench.jobs([
        Job::new("70", "doc70").succeeds_after(Duration::ZERO),
        failed,
        Job::new("72", "doc72").life(Life::Forever),
        Job::new("73", "doc73").life(Life::Forever),
    ]);
    let running = bench.start(arguments);
    // A second poll comes after the answer to the first.
    assert!(bench.sim.wait_until(PATIENCE, |journal| journal.polls_of("73").count() > 1));
    bench.list("watchlist.toml", [("70", "doc70"), ("71", "doc71"), ("72", "doc72")]);
    running.signal(Signal::HUP);
    for event in VERDICTS {
        running.wait_event(event, 1);
    }
    let ended = running.stop();
    (bench, ended)
}

/// Promise: a program that reads the log gets one object a line, whose first five keys are always the
/// same, at the finest level too.
#[test]
fn every_line_is_an_object_with_five_leading_keys() {
    let (_, ended) = four_verdicts(&["--log-level", "trace"]);
    assert!(ended.lines.len() > 15, "{}", ended.stdout);
    for line in ended.stdout.lines() {
        let keys = keys(line);
        assert_eq!(keys[..5], ["timestamp", "level", "target", "message", "event"], "{line}");
        let mut once = keys.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), keys.len(), "a key stands twice: {line}");
        let value: Map<String, Value> = serde_json::from_str(line).unwrap();
        assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].map(Value::from).contains(&value["level"]));
        assert!(value.values().all(|value| !value.is_object() && !value.is_array() && !value.is_null()));
    }
}

/// Promise: a verdict carries these fields and no others, and what is not known is left out.
#[test]
fn verdicts_carry_exactly_their_fields() {
    const OF_LINE: &str = "timestamp level target message event";
    const OF_TICKET: &str = "app ticket token state polls first_seen_at";
    let (bench, ended) = four_verdicts(&[]);
    let of = |event: &str| {
        ended.stdout.lines().find(|line| line.contains(&format!("\"event\":\"{event}\""))).unwrap()
    };
    for (event, more) in [
        (
            "ticket.completed",
            "last_polled_at finished_at job_status file_token file_name file_extension doc_type file_size",
        ),
        (
            "ticket.failed",
            "last_polled_at finished_at job_status error.kind error.code error.job_status error.http_status \
             error.message error.hint error.log_id",
        ),
        ("ticket.timed_out", "last_polled_at finished_at job_status"),
        ("ticket.removed", "last_polled_at finished_at job_status"),
    ] {
        let mut expected: Vec<_> =
            [OF_LINE, OF_TICKET, more].iter().flat_map(|words| words.split_whitespace()).collect();
        let mut found = keys(of(event));
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "{event}");
        assert_as_in_status(&serde_json::from_str(of(event)).unwrap(), &bench);
    }
}

/// Every field has the value and type that `status` shows, the error's below `error`.
fn assert_as_in_status(line: &Map<String, Value>, bench: &Bench) {
    let shown = bench.ticket(line["ticket"].as_str().unwrap());
    for (name, value) in line {
        if ["timestamp", "level", "target", "message", "event"].contains(&name.as_str()) {
            continue;
        }
        let there = name.split('.').fold(&shown, |object, key| &object[key]);
        assert_eq!(there, value, "{name}");
    }
    assert!(line["polls"].is_u64() && line["job_status"].is_i64(), "{line:?}");
}

/// Promise: label and the moment until which a file is sure to live are carried where they are known.
#[test]
fn label_and_download_by_are_carried() {
    let bench = Bench::new();
    bench.jobs([Job::new("70", "doc70").succeeds_after(Duration::ZERO)]);
    let entry = bench.read("watchlist.toml") + "label = \"周报\"\ncreated_at = 2020-01-02T03:04:05+08:00\n";
    bench.write("watchlist.toml", &entry);
    let ended = bench.run();
    let line = ended.events("ticket.completed")[0];
    assert_eq!((&line["label"], &line["download_by"]), (&"周报".into(), &"2020-01-01T19:14:05.000Z".into()));
}

/// Promise: what an export was created with is carried into log and status, for scripts that create it again, where the answer
/// does not say it better.
#[test]
fn what_an_export_was_created_with_is_carried() {
    let bench = Bench::new();
    bench.jobs([
        Job::new("70", "doc70").succeeds_after(Duration::ZERO),
        Job::new("71", "doc71").fails_after(Duration::ZERO, 107),
    ]);
    let list = bench.read("watchlist.toml");
    let more = "type = \"sheet\"\nfile_extension = \"csv\"\nsub_id = \"0b1e2f\"\n";
    bench.write("watchlist.toml", &list.replace("[[ticket]]\n", &format!("[[ticket]]\n{more}")));
    let ended = bench.run();
    let failed = ended.events("ticket.failed")[0];
    assert_eq!((&failed["doc_type"], &failed["file_extension"]), (&"sheet".into(), &"csv".into()));
    let completed = ended.events("ticket.completed")[0];
    assert_ne!(completed["file_extension"], "csv", "the answer says");
    for line in [failed, completed] {
        assert_eq!(line["sub_id"], "0b1e2f");
        assert_as_in_status(line.as_object().unwrap(), &bench);
    }
}

/// Promise: verdicts are written whatever the level is set to, and with `off` nothing else.
#[test]
fn verdicts_are_written_at_every_level() {
    let (_, ended) = four_verdicts(&["--log-level", "off"]);
    let mut events: Vec<_> = ended.lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    events.sort_unstable();
    assert_eq!(events, VERDICTS);
}

/// Promise: the flag wins over the variable, the variable over the file; an empty variable counts as none.
#[test]
fn the_nearest_level_wins() {
    let bench = Bench::new();
    bench.jobs([Job::new("70", "doc70").succeeds_after(Duration::ZERO)]);
    let levels = |file: &str, variable: Option<&str>, flag: &[&str]| {
        bench.configure(&format!("[log]\nlevel = \"{file}\""));
        let _ = fs::remove_file(bench.path("state.db"));
        let mut command = bench.command("run", &["--until-done"]);
        command.args(flag).env_remove("FEISHU_EXPORT_WATCHER_LOG");
        command.envs(variable.map(|value| ("FEISHU_EXPORT_WATCHER_LOG", value)));
        let ended = Running::start(command).wait();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        (ended.events("watcher.started").len(), ended.events("ticket.completed").len())
    };
    assert_eq!(levels("info", None, &[]), (1, 1));
    assert_eq!(levels("info", Some("off"), &[]), (0, 1));
    assert_eq!(levels("off", Some("info"), &[]), (1, 1));
    assert_eq!(levels("info", Some(""), &[]), (1, 1));
    assert_eq!(levels("off", Some("off"), &["--log-level", "info"]), (1, 1));
}

/// Promise: a level that does not exist is refused before anything is started, by the code of where it was
/// said, with the levels that there are.
#[test]
fn a_level_that_does_not_exist_is_refused() {
    let bench = Bench::new();
    bench.jobs([Job::new("70", "doc70")]);
    let assert_refused = |output: &std::process::Output, code: i32, place: &str| {
        let said = stdout(output) + &stderr(output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(place) && said.contains("trace"), "no {place:?} in {said}");
    };
    assert_refused(&bench.output("run", &["--log-level", "inof"]), 2, "`inof` is no level");
    let mut by_variable = bench.command("run", &[]);
    assert_refused(&by_variable.env("FEISHU_EXPORT_WATCHER_LOG", "inof").output(), 2, "`inof` is no level");
    bench.configure("[log]\nlevel = \"inof\"");
    let place = format!("{}:7:9: error: ", bench.path("watcher.toml").display());
    assert_refused(&bench.output("run", &[]), 78, &place);
    assert_refused(&bench.output("check", &[]), 78, &place);
    assert!(!bench.path("state.db").exists() && bench.sim.requests().is_empty());
}

/// Promise: nothing that a server puts into a name reaches a terminal as a command, in no form of log and
/// status; as JSON it comes through whole.
#[test]
fn a_hostile_name_is_shown_escaped() {
    const NAME: &str = "a\u{1b}[2J\u{1b}]0;x\u{7}\r\nINFO forged\u{202e}fdp.exe\0\u{9b}1m\u{2028}\u{200b}";
    let bench = Bench::new();
    let mut job = Job::new("70", "doc70").succeeds_after(Duration::ZERO);
    job.file_name = NAME.to_owned();
    // Without a space it stands unquoted in a line of text.
    job.file_extension = "\u{1b}[31mpdf\u{202e}".to_owned();
    let mut failed = Job::new("71", "doc71").fails_after(Duration::ZERO, 3);
    failed.job_error_msg = NAME.to_owned();
    bench.jobs([job, failed]);
    bench.configure("[log]\nformat = \"text\"\nfile = \"events.jsonl\"");
    let ended = bench.run();
    assert_eq!(ended.code, Some(10), "{}", ended.stderr);
    assert!(ended.stdout.contains(" completed  doc70 "), "{}", ended.stdout);
    let file = bench.read("events.jsonl");
    let mut texts = vec![ended.stdout, ended.stderr, file.clone()];
    for format in ["table", "json", "jsonl"] {
        texts.push(stdout(&bench.output("status", &["--format", format])));
    }
    for text in &texts {
        let bad = |character: char| {
            (character.is_control() && character != '\n')
                || ['\u{202e}', '\u{2028}', '\u{200b}'].contains(&character)
        };
        assert!(!text.contains(bad), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("INFO forged")), "{text:?}");
    }
    let csv = stdout(&bench.output("status", &["--format", "csv"]));
    assert!(!csv.contains(|character: char| character.is_control() && !matches!(character, '\r' | '\n')));
    let lines = json_lines(&file);
    let completed = lines.iter().find(|line| line["event"] == "ticket.completed").unwrap();
    assert_eq!(completed["file_name"], NAME);
    assert_eq!(bench.ticket("70")["file_name"], NAME);
}

/// Promise: the log file gets JSON whatever standard output gets, and is added to.
#[test]
fn the_log_file_is_json() {
    let bench = Bench::new();
    bench.jobs([Job::new("70", "doc70").succeeds_after(Duration::ZERO)]);
    bench.configure("[log]\nformat = \"text\"\nfile = \"log/events.jsonl\"");
    fs::create_dir(bench.path("log")).unwrap();
    fs::write(bench.path("log/events.jsonl"), "{\"torn\":").unwrap();
    let ended = bench.run();
    assert!(ended.lines.is_empty() && ended.stdout.contains(" completed  doc70 "), "{}", ended.stdout);
    let text = bench.read("log/events.jsonl");
    let (torn, rest) = text.split_once('\n').unwrap();
    assert_eq!(torn, "{\"torn\":");
    assert_eq!(json_lines(rest).len(), ended.stdout.lines().count());

    bench.configure("[log]\nformat = \"json\"\nfile = \"log/events.jsonl\"");
    let ended = bench.run();
    assert!(bench.read("log/events.jsonl").ends_with(&ended.stdout), "both get the same bytes");
}

/// Promise: at debug every poll is there, and what was not answered well names the server's log id.
#[test]
fn debug_shows_every_poll() {
    let bench = Bench::new();
    bench.jobs([Job::new("70", "doc70").life(Life::Forever)]);
    bench.sim.fault("70", 2, Fault::answer(400, 1_069_901, "internal error"));
    let running = bench.start(&["--log-level", "debug"]);
    running.wait_event("poll.pending", 2);
    running.wait_event("poll.retry", 1);
    assert!(bench.sim.wait_until(PATIENCE, |journal| journal.polls_of("70").count() > 2));
    bench.sim.finish_job("70");
    running.wait_event("ticket.completed", 1);
    let ended = running.stop();
    let retry = ended.events("poll.retry")[0];
    assert_eq!((&retry["level"], &retry["ticket"]), (&"DEBUG".into(), &"70".into()));
    assert_eq!((&retry["error.kind"], &retry["error.code"]), (&"server_error".into(), &1_069_901.into()));
    assert!(retry["error.log_id"].as_str().is_some_and(|id| !id.is_empty()), "{retry}");
    let shown = ended.events("poll.pending").len() + ended.events("poll.retry").len() + 1;
    assert_eq!(shown, bench.sim.polls_of("70").len());
}

/// Promise 6: a log file that is the state file by another name is refused before anything is written to it, by
/// `check` as well, whether or not the state file is there yet.
#[test]
fn no_line_goes_into_the_state_file() {
    let bench = Bench::new();
    bench.configure("[log]\nfile = \"events.jsonl\"");
    bench.jobs([Job::new("70", "doc70").life(Life::Forever)]);
    let (state, log) = (bench.path("state.db"), bench.path("events.jsonl"));
    let assert_refused = || {
        for (command, arguments) in [("check", &[][..]), ("run", &["--until-done"])] {
            let output = bench.output(command, arguments);
            let said = stdout(&output) + &stderr(&output);
            assert_eq!(output.status.code(), Some(78), "{command}: {said}");
            assert!(said.contains("[log] file: ") && said.contains("which is the state file"), "{said}");
        }
    };
    symlink("state.db", &log).unwrap();
    assert_refused();
    assert!(!state.exists());
    fs::remove_file(&log).unwrap();

    let running = bench.start(&[]);
    bench.wait_file("events.jsonl", "watcher.started");
    assert_eq!(running.stop().code, Some(0));
    fs::remove_file(&log).unwrap();

    let before = fs::read(&state).unwrap();
    assert_eq!(bench.ticket("70")["state"], "pending");
    symlink("state.db", &log).unwrap();
    assert_refused();
    assert!(fs::read(&state).unwrap() == before);
}

/// Promise 4: a verdict that is announced stands in the log file, also if that was removed, moved or emptied under the
/// running watcher.
#[test]
fn a_log_file_that_was_taken_away_swallows_no_verdict() {
    let bench = Bench::new();
    bench.configure("[log]\nfile = \"events.jsonl\"");
    bench.jobs(["70", "71", "72"].map(|ticket| Job::new(ticket, "doc").life(Life::Forever)));
    let path = bench.path("events.jsonl");
    let running = bench.start(&[]);
    bench.wait_file("events.jsonl", "watcher.started");
    for (ticket, take_away) in [
        ("70", &(|| fs::remove_file(&path).unwrap()) as &dyn Fn()),
        ("71", &|| fs::rename(&path, bench.path("events.jsonl.1")).unwrap()),
        ("72", &|| fs::File::create(&path).map(drop).unwrap()),
    ] {
        take_away();
        bench.sim.finish_job(ticket);
        bench.wait_file("events.jsonl", &format!("ticket {ticket} completed"));
    }
    let ended = running.stop();
    assert_eq!((ended.code, ended.events("ticket.completed").len()), (Some(0), 3));
    let noticed = ended.events("log.failed");
    assert!(!noticed.is_empty() && noticed.iter().all(|line| line["level"] == "WARN"), "{noticed:#?}");
}
