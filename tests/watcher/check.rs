//! Bad configuration and bad watch lists: every problem is named with its place and remedy, and nothing is
//! started.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use export_simulator::{Job, Life};

use crate::canaries::APP_SECRET;
use crate::full_disk::{bench_with_disk, in_own_namespace};
use crate::harness::Bench;
use crate::outputs::{files, reconfigure, stderr, stdout};

const INVALID: Option<i32> = Some(78);

/// A bench with a configuration and a list of known lines; the base URL is in line 5.
fn bench() -> Bench {
    let bench = Bench::new();
    restore(&bench);
    bench
}

fn restore(bench: &Bench) {
    let config = format!(
        "watchlist = [\"watchlist.toml\"]\n\
         [poll]\n\
         jitter = 0.1\n\
         [apps.default]\n\
         base_url = \"{}\"\n\
         app_id = \"cli_a1b2c3d4e5f60001\"\n\
         app_secret = {{ file = \"app_secret\" }}\n\
         rate_limit = {{ requests = 100, per = \"60s\" }}\n",
        bench.sim.base_url()
    );
    bench.write("watcher.toml", &config);
    bench.write(
        "watchlist.toml",
        "[[ticket]]\nticket = \"6933093124755412345\"\ntoken = \"docbcZVGtv1papC6jAVGiyabcef\"\napp = \"default\"\n",
    );
}

/// Puts other text in place of a line, counted from 1.
fn replace_line(bench: &Bench, file: &str, number: usize, with: &str) {
    let text = bench.read(file);
    let lines = text.lines().enumerate().map(|(at, line)| if at + 1 == number { with } else { line });
    bench.write(file, &lines.collect::<Vec<_>>().join("\n"));
}

/// `check` and `run` refuse with 78 and name every one of the places with its remedy; nothing is sent and no
/// file is made or changed.
fn assert_refused(bench: &Bench, what: &str, expected: &[(&str, &str)]) {
    let before = files(bench.folder.path());
    let check = bench.output("check", &[]);
    let run = bench.output("run", &["--until-done"]);
    for (output, said, silent) in
        [(&check, stdout(&check), stderr(&check)), (&run, stderr(&run), stdout(&run))]
    {
        assert_eq!(output.status.code(), INVALID, "{what}: {said}");
        assert_eq!(silent, "", "{what}");
        for (place, remedy) in expected {
            let start = format!("{}: error: ", bench.path(place).display());
            let found = said.lines().any(|line| line.starts_with(&start) && line.contains(remedy));
            assert!(found, "{what}: no {start:?} with {remedy:?} in\n{said}");
        }
    }
    assert_eq!(files(bench.folder.path()), before, "{what}");
    assert!(bench.sim.requests().is_empty(), "{what}");
}

/// Promise: a slip in `watcher.toml` is refused with its place and what would be accepted, before
/// anything is started.
#[test]
fn each_slip_in_the_configuration_is_named() {
    let bench = bench();
    for (line, text, column, remedy) in [
        (3, "jiter = 0.1", 1, "did you mean `jitter`?"),
        (3, "jitter = \"much\"", 10, "expected a number from 0 to 0.9, found a string"),
        (3, "max_interval = \"4 parsecs\"", 16, "expected a duration from 1ms to 1d"),
        (3, "request_timeout = 15", 19, "expected a duration from 10ms to 5m"),
        (3, "multiplier = 0.9", 14, "expected a number from 1 to 100"),
        (3, "multiplier = nan", 14, "expected a number from 1 to 100"),
        (3, "max_in_flight = 0", 17, "expected a whole number from 1 to 1024"),
        (3, "jitter = ", 10, "not valid TOML"),
        (5, "base_url = \"http://example.com\"", 12, "use https (http is accepted only to loopback)"),
        (7, "app_secret = \"abc\"", 14, "never stands in the configuration itself"),
        (8, "rate_limit = { requests = 0, per = \"60s\" }", 27, "expected a whole number from 1"),
        (8, "rate_limit = { requests = 100, per = \"0s\" }", 38, "expected a duration from 1ms"),
    ] {
        replace_line(&bench, "watcher.toml", line, text);
        assert_refused(&bench, text, &[(&format!("watcher.toml:{line}:{column}"), remedy)]);
        restore(&bench);
    }
    bench.write("watcher.toml", "watchlist = [\"watchlist.toml\"]\n[apps]\n");
    assert_refused(&bench, "no app", &[("watcher.toml:2:1", "such as [apps.default]")]);
}

/// Promise: a slip in a watch list is refused with its place and remedy.
#[test]
fn each_slip_in_a_watch_list_is_named() {
    let bench = bench();
    for (line, text, place, remedy) in [
        (3, "token = \"https://x.feishu.cn/docx/abc\"", "3:9", "not its URL; the token in it is `abc`"),
        (3, "token = \"null\"", "3:9", "is a placeholder"),
        (2, "ticket = \"\"", "2:10", "expected 1 to 128 letters"),
        (2, "ticket = 6933093124755412345", "2:10", "a number would lose digits"),
        (4, "app = \"defualt\"", "4:7", "unknown app `defualt`; expected `default`"),
        (
            4,
            "[[ticket]]\nticket = \"6933093124755412345\"\ntoken = \"other\"",
            "4:1",
            "stands already in line 1 with another token",
        ),
    ] {
        replace_line(&bench, "watchlist.toml", line, text);
        assert_refused(&bench, text, &[(&format!("watchlist.toml:{place}"), remedy)]);
        restore(&bench);
    }
    fs::write(bench.path("watchlist.toml"), b"[[ticket]]\nlabel = \"\xff\"").unwrap();
    assert_refused(&bench, "not UTF-8", &[("watchlist.toml:2:10", "UTF-8")]);
    fs::remove_file(bench.path("watchlist.toml")).unwrap();
    assert_refused(&bench, "missing", &[("watcher.toml:1:14", "no such file")]);
}

/// Promise: one report names everything that is wrong in all files, so that they are fixed in one go.
#[test]
fn one_report_has_all_problems_of_all_files() {
    let bench = bench();
    replace_line(&bench, "watcher.toml", 3, "jiter = 0.1\nmultiplier = 0");
    replace_line(&bench, "watcher.toml", 8, "app_secret = { env = \"X\", file = \"x\" }");
    replace_line(&bench, "watchlist.toml", 3, "token = \"\"\ncolour = 1");
    replace_line(&bench, "watchlist.toml", 2, "ticket = 1");
    let expected = [
        ("watcher.toml:3:1", "`jitter`"),
        ("watcher.toml:4:14", "`multiplier`"),
        ("watcher.toml:8:14", "exactly one of"),
        ("watchlist.toml:2:10", "`ticket`"),
        ("watchlist.toml:3:9", "`token`"),
        ("watchlist.toml:4:1", "`colour`"),
    ];
    assert_refused(&bench, "everything", &expected);
}

/// Promise: what only deserves a look is said and does not fail; the same entry twice is one ticket.
#[test]
fn warnings_do_not_fail() {
    let bench = bench();
    let twice = bench.read("watchlist.toml").repeat(2);
    bench.write("watchlist.toml", &twice);
    let check = bench.output("check", &[]);
    let said = stdout(&check);
    assert_eq!(check.status.code(), Some(0), "{said}");
    let warning = format!("{}:5:1: warning: ", bench.path("watchlist.toml").display());
    assert!(said.contains(&warning) && said.contains("it is taken once"), "{said}");

    fs::set_permissions(bench.path("app_secret"), fs::Permissions::from_mode(0o644)).unwrap();
    let check = bench.output("check", &[]);
    assert_eq!(check.status.code(), Some(0));
    assert!(stdout(&check).contains("warning: app_secret of app `default`"), "{}", stdout(&check));

    bench.sim.add_job(
        Job::new("6933093124755412345", "docbcZVGtv1papC6jAVGiyabcef").succeeds_after(Duration::ZERO),
    );
    let ended = bench.run();
    assert_eq!((ended.code, ended.events("ticket.completed").len()), (Some(0), 1), "{}", ended.stdout);
    assert_eq!(ended.events("watchlist.warning").len(), 1);
}

/// Promise: a secret that can't be read is a problem, unless `--no-secrets` says that this user may not read it.
#[test]
fn secrets_are_checked_unless_no_secrets() {
    let bench = bench();
    fs::remove_file(bench.path("app_secret")).unwrap();
    let check = bench.output("check", &[]);
    assert_eq!(check.status.code(), INVALID);
    let problem =
        format!("{}:7:14: error: app_secret of app `default`", bench.path("watcher.toml").display());
    assert!(stdout(&check).contains(&problem), "{}", stdout(&check));
    assert_eq!(bench.output("check", &["--no-secrets"]).status.code(), Some(0));
}

/// Promise: what check says of a secret, a run says as well; what one takes, the other takes.
#[test]
fn check_and_run_read_a_secret_alike() {
    let bench = bench();
    for (secret, fault) in [
        ("'s3cret'", "stands in quotes; leave them out"),
        ("two words", "is not one line of letters, digits and signs without blanks"),
        (" \n", "is empty"),
    ] {
        bench.write("app_secret", secret);
        let check = bench.output("check", &[]);
        assert_eq!(check.status.code(), INVALID, "{secret}");
        assert!(stdout(&check).contains(&format!("/app_secret: {fault}\n")), "{}", stdout(&check));
        let running = bench.start(&[]);
        running.wait_event("app.paused", 1);
        let ended = running.stop();
        let pause = ended.events("app.paused")[0];
        assert_eq!(pause["reason"], "secret_unreadable");
        let message = pause["error.message"].as_str().unwrap();
        assert!(message.ends_with(&format!("/app_secret {fault}")), "{message}");
    }
    let padded = format!("\u{feff} {} \r\n", APP_SECRET);
    bench.write("app_secret", &padded);
    assert_eq!(bench.output("check", &[]).status.code(), Some(0));
    bench.sim.add_job(
        Job::new("6933093124755412345", "docbcZVGtv1papC6jAVGiyabcef").succeeds_after(Duration::ZERO),
    );
    assert_eq!(bench.run().code, Some(0));
}

/// Promise: a good configuration is answered with the paths as they are understood, and with nothing else
/// done: no file, no request.
#[test]
fn paths_are_shown_resolved_and_nothing_is_touched() {
    let bench = bench();
    let text = bench.read("watcher.toml");
    let head = "[state]\npath = \"deep/state.db\"\n[log]\nfile = \"events.jsonl\"\n\
        [download]\nfolder = \"saved/\"\n[poll]";
    let lists = "[\"watchlist.toml\", \"watchlist.d/*.toml\"]";
    bench.write("watcher.toml", &text.replace("[poll]", head).replace("[\"watchlist.toml\"]", lists));
    fs::create_dir(bench.path("watchlist.d")).unwrap();
    let before = files(bench.folder.path());
    let check = bench.output("check", &[]);
    assert_eq!((check.status.code(), stderr(&check).as_str()), (Some(0), ""));
    for path in [
        "watcher.toml",
        "deep/state.db",
        "events.jsonl",
        "saved (",
        "watchlist.toml",
        "watchlist.d/*.toml",
        "app_secret",
    ] {
        let path = bench.path(path).display().to_string();
        assert!(stdout(&check).contains(&path), "no {path} in\n{}", stdout(&check));
    }
    assert_eq!(files(bench.folder.path()), before);
    assert!(bench.sim.requests().is_empty());
}

/// Promise: what would end a run at once although the configuration is valid is said, and nothing is made to
/// find it out.
#[test]
fn what_cannot_be_written_is_reported() {
    let bench = bench();
    bench.write("letter", "a letter");
    fs::create_dir(bench.path("folder")).unwrap();
    let text = bench.read("watcher.toml");
    let at = |name: &str| bench.path(name).display().to_string();
    for (section, reason) in [
        (
            "[log]\nfile = \"letter/log.jsonl\"",
            format!("log file {}: {} is not a folder", at("letter/log.jsonl"), at("letter")),
        ),
        ("[log]\nfile = \"folder\"", format!("log file {}: it is not a regular file", at("folder"))),
        ("[state]\npath = \"letter/s.db\"", format!("failed to resolve {}", at("letter/s.db"))),
    ] {
        bench.write("watcher.toml", &text.replace("[poll]", &format!("{section}\n[poll]")));
        let before = files(bench.folder.path());
        let check = bench.output("check", &[]);
        let expected = format!("warning: a run would end at once: {reason}");
        assert!(stdout(&check).contains(&expected), "{}", stdout(&check));
        assert!(stdout(&check).ends_with("valid (warnings: 1)\n"), "{}", stdout(&check));
        assert_eq!(files(bench.folder.path()), before);
        assert!([Some(74), INVALID].contains(&bench.run().code));
    }
    bench.write("watcher.toml", &text.replace("[poll]", "[state]\npath = \"new/deep/s.db\"\n[poll]"));
    let said = stdout(&bench.output("check", &[]));
    assert!(
        said.contains(&format!("s.db ({} does not exist yet; it will be created)\n", at("new/deep"))),
        "{said}"
    );
    assert!(said.ends_with("\nvalid\n"), "{said}");
    assert!(!bench.path("new").exists());
    bench.write("watcher.toml", &text.replace("[poll]", "[download]\nfolder = \"letter\"\n[poll]"));
    let said = stdout(&bench.output("check", &[]));
    let expected =
        format!("at once: folder of downloads {}: {} is not a folder\n", at("letter"), at("letter"));
    assert!(said.contains(&expected), "{said}");
}

/// Promise: the same of a file system that takes no writing. (Root may write wherever that is not so.)
#[test]
fn what_is_read_only_is_reported() {
    let Some(bench) = bench_with_disk() else { return };
    bench.jobs([]);
    let files = "[log]\nfile = \"disk/logs/events.jsonl\"\n[download]\nfolder = \"disk/saved\"\n[poll]";
    reconfigure(&bench, "[poll]", files);
    let line = |command: &str| {
        let line =
            format!("mount -t tmpfs -o ro none \"$DISK\" || exit 99; exec \"$0\" {command} --config \"$3\"");
        in_own_namespace(&bench, &line, &[]).output()
    };
    let said = stdout(&line("check"));
    let disk = bench.path("disk").display().to_string();
    for what in ["state file", "log file", "folder of downloads"] {
        let expected = format!("warning: a run would end at once: {what} {disk}/");
        assert!(said.contains(&expected), "{said}");
    }
    assert_eq!(said.matches(&format!("this user may not make files in {disk}\n")).count(), 3, "{said}");
    assert_eq!(line("run").status.code(), INVALID);
}

/// Promise 6: a bad file that only a pattern matched takes nothing away: its tickets stay as they were, the
/// rest goes on, and it is said in the log; `check` fails it.
#[test]
fn a_bad_file_of_a_pattern_stops_nothing() {
    let bench = Bench::new();
    let text =
        bench.read("watcher.toml").replace("[\"watchlist.toml\"]", "[\"watchlist.toml\", \"d/*.toml\"]");
    bench.write("watcher.toml", &text);
    fs::create_dir(bench.path("d")).unwrap();
    bench.sim.add_job(Job::new("70", "doc70").life(Life::Forever));
    bench.sim.add_job(Job::new("71", "doc71").life(Life::Forever));
    bench.list("watchlist.toml", [("70", "doc70")]);
    bench.list("d/a.toml", [("71", "doc71")]);
    let first = bench.start(&[]);
    first.wait_event("watcher.started", 1);
    assert_eq!(first.stop().code, Some(0));

    bench.write("d/a.toml", "[[ticket]]\nticket = 71\n");
    assert_eq!(bench.output("check", &[]).status.code(), INVALID);
    bench.sim.finish_job("70");
    let second = bench.start(&[]);
    second.wait_event("ticket.completed", 1);
    let ended = second.stop();
    let place = format!("{}:2:10: error", bench.path("d/a.toml").display());
    let rejected = ended.events("watchlist.rejected");
    assert!(rejected.iter().any(|line| line["message"].as_str().unwrap().contains(&place)), "{rejected:?}");
    assert_eq!(bench.ticket("71")["state"], "pending");
}

/// Promise 7: a secret pasted into the configuration is refused without being repeated, however it stands
/// there.
#[test]
fn a_pasted_secret_is_never_repeated() {
    const CANARY: &str = "canary1Pasted2Secret3";
    let bench = bench();
    bench.canaries.plant_in(&bench.path("watcher.toml"), CANARY);
    for pasted in [
        format!("app_secret = \"{CANARY}\""),
        format!("app_secret = {CANARY}"),
        format!("app_secret = \"{CANARY}"),
        format!("app_secret = '''\n{CANARY}\n'''"),
        format!("app_secret = [\"{CANARY}\"]"),
        format!("app_secret = {{ value = \"{CANARY}\" }}"),
        format!("app_secret = {{ {CANARY} = 1 }}"),
        format!("app_secret = {{ env = \"{CANARY} \" }}"),
        format!("app_secret = {{ credential = \"{CANARY}/\" }}"),
        format!("access_token = \"{CANARY}\""),
        format!("secret = \"{CANARY}\""),
        CANARY.to_owned(),
        format!("{CANARY} = 1"),
        format!("[apps.other]\napp_id = \"{CANARY} \""),
        format!("[apps.other]\nbase_url = \"https://user:{CANARY}@open.feishu.cn\""),
        format!("[apps]\nother = \"{CANARY}\""),
    ] {
        replace_line(&bench, "watcher.toml", 7, &pasted);
        for command in ["check", "run", "status"] {
            let output = bench.output(command, &[]);
            assert_eq!(output.status.code(), INVALID, "{command}: {pasted}");
            let said = stdout(&output) + &stderr(&output);
            assert!(said.contains(": error: "), "{command}: {pasted}: {said}");
        }
        restore(&bench);
    }
}

/// Promise: `check` finds a hook that would fail each time, by its program or its secret, runs and sends nothing, and shows
/// neither a key nor an address.
#[test]
fn hooks_are_looked_at_and_not_called() {
    let bench = bench();
    let write = |program: &str, secret: &str| {
        restore(&bench);
        bench.write("hook_secret", secret);
        let mode = fs::Permissions::from_mode(0o600);
        fs::set_permissions(bench.path("hook_secret"), mode).unwrap();
        bench.write("runs", "#!/bin/sh\ntouch \"$0.called\"\n");
        fs::set_permissions(bench.path("runs"), fs::Permissions::from_mode(0o755)).unwrap();
        let hooks = format!(
            "\n[[hook]]\nname = \"a\"\nevents = [\"file.saved\"]\ncommand = [\"{program}\"]\n\
             [[hook]]\nname = \"b\"\nevents = [\"file.saved\"]\nurl = \"http://127.0.0.1:9/T0000CANARY\"\n\
             secret = {{ file = \"hook_secret\" }}\n"
        );
        bench.write("watcher.toml", &(bench.read("watcher.toml") + &hooks));
    };
    let good = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n";
    write("./runs", good);
    let output = bench.output("check", &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let said = stdout(&output) + &stderr(&output);
    let warning = "warning: hook b takes file.saved, but no file is saved without [download]";
    assert!(said.contains(warning), "{said}");
    assert!(said.contains("hook b") && said.contains("http://127.0.0.1:9 (path not shown), file "), "{said}");
    write("./walks", "whsec_hunter2");
    let output = bench.output("check", &[]);
    assert_eq!(output.status.code(), INVALID);
    let bad = stdout(&output) + &stderr(&output);
    for expected in [
        "watcher.toml:13:11: error: command of hook `a`: ",
        "/walks: no such file",
        "watcher.toml:18:10: error: secret of hook `b`: file ",
        "is not `whsec_` and the base64",
    ] {
        assert!(bad.contains(expected), "{expected}\n{bad}");
    }
    for text in [said, bad] {
        assert!(
            !text.contains("T0000CANARY") && !text.contains("hunter2") && !text.contains("MDEy"),
            "{text}"
        );
    }
    assert!(!bench.path("runs.called").exists());
}
