//! `status` as its users meet it: at a terminal, in a script, and in trouble.

use std::io::Read;
use std::time::{Duration, Instant};

use export_simulator::{DEFAULT_APP_ID, Job, Life};
use rustix::termios::{Winsize, tcsetwinsize};
use unicode_width::UnicodeWidthStr;

use crate::call::{BINARY, Call};
use crate::canaries::WRONG_SECRET;
use crate::harness::{Bench, PATIENCE};
use crate::outputs::{json_lines, stderr, stdout};
use crate::terminal::open_terminal;

/// Two apps with labelled tickets: 70 done and 71 failed of `team-a`, 72 done and 73 pending of `team-b`; no
/// watcher runs any more.
fn two_teams() -> Bench {
    let bench = Bench::new();
    let secret = "app_secret = { file = \"app_secret\" }";
    let sections = ["team-a", "team-b"].map(|name| bench.app_section(name, DEFAULT_APP_ID, secret));
    bench.write_config(&sections.concat());
    bench.sim.add_jobs([
        Job::new("70", "doc70").succeeds_after(Duration::ZERO),
        Job::new("71", "doc71").fails_after(Duration::ZERO, 107),
        Job::new("72", "doc72").succeeds_after(Duration::ZERO),
        Job::new("73", "doc73").life(Life::Forever),
    ]);
    let entry = |(ticket, app, label): (&str, &str, &str)| {
        format!(
            "[[ticket]]\nticket = \"{ticket}\"\ntoken = \"doc{ticket}\"\napp = \"team-{app}\"\nlabel = \"{label}\"\n"
        )
    };
    let list = [
        ("70", "a", "Weekly report"),
        ("71", "a", "周报 第四季度"),
        ("72", "b", "weekly plan"),
        ("73", "b", "=1+1;=2"),
    ];
    bench.write("watchlist.toml", &list.map(entry).concat());
    let running = bench.start(&[]);
    running.wait_event("ticket.completed", 2);
    running.wait_event("ticket.failed", 1);
    assert!(bench.sim.wait_until(PATIENCE, |journal| journal.polls_of("73").count() > 0));
    assert_eq!(running.stop().code, Some(0));
    bench
}

fn tickets(bench: &Bench, arguments: &[&str]) -> Vec<String> {
    let output = bench.output("status", &[&["--format", "jsonl"], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    let lines = json_lines(&stdout(&output));
    lines.iter().map(|line| line["ticket"].as_str().unwrap().to_owned()).collect()
}

/// Promise: apps, labels and states can be picked, each of several ways to say it, and all of them have to fit.
#[test]
fn tickets_can_be_picked() {
    let bench = two_teams();
    for (arguments, expected) in [
        (&["--app", "team-b"][..], &["72", "73"][..]),
        (&["--app", "team-b,team-a"], &["70", "71", "72", "73"]),
        (&["--app", "team-a", "--app", "team-b", "--state", "failed,pending"], &["71", "73"]),
        (&["--label", "WEEKLY"], &["70", "72"]),
        (&["--label", "第四"], &["71"]),
        (&["--label", "*report"], &[]),
        (&["--label", "plan", "--label", "周报"], &["71", "72"]),
        (&["--label", "weekly", "--app", "team-b", "--state", "completed"], &["72"]),
        (&["--limit", "3"], &["70", "71", "72"]),
        (&["--limit", "0"], &["70", "71", "72", "73"]),
    ] {
        assert_eq!(tickets(&bench, arguments), expected, "{arguments:?}");
    }
    let all = &bench.status()["summary"];
    let output = bench.output("status", &["--format", "json", "--app", "team-b", "--limit", "1"]);
    let picked = &json_lines(&stdout(&output))[0];
    assert_eq!((&picked["summary"], picked["tickets"].as_array().unwrap().len()), (all, 1));
}

/// Promise: an unknown app is a slip, and what was meant is named; one that only the configuration or
/// only the state file knows is none.
#[test]
fn a_slip_is_not_an_empty_list() {
    let bench = two_teams();
    let output = bench.output("status", &["--app", "team-a,taem-b"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""));
    assert_eq!(stderr(&output), "error: unknown app `taem-b`; did you mean `team-b`?\n");
    let output = bench.output("status", &["--app", "default"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("the state file know `team-a`, `team-b`"), "{}", stderr(&output));
    let output = bench.output("status", &["--state", "faild"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("'failed'"), "{}", stderr(&output));
    bench.reconfigure("team-b", "team-c");
    assert_eq!(tickets(&bench, &["--app", "team-b"]), ["72", "73"]);
    assert_eq!(tickets(&bench, &["--app", "team-c"]), [""; 0]);
    let table = stdout(&bench.output("status", &[]));
    assert!(table.contains("\nteam-b  1 pending, 1 completed; not in watcher.toml\n"), "{table}");
    assert!(table.contains("\nteam-c  no tickets\n"), "{table}");
}

/// Promise: in the table what needs action comes first, and what a limit leaves out is counted.
#[test]
fn the_table_shows_what_needs_action_first() {
    let bench = two_teams();
    let table = stdout(&bench.output("status", &["--limit", "2"]));
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[1].starts_with("failed     71 "), "{table}");
    assert!(lines[2].starts_with("completed  7"), "{table}");
    assert_eq!(lines[3], "… and 2 more (--limit 0 shows all)");
    assert!(table.contains("\nWhat to do\n  document_too_large  split the document"), "{table}");
    assert!(
        table.ends_with(
            "\n\nteam-a  1 completed, 1 failed\nteam-b  1 pending, 1 completed\n        \
             1 pending, 2 completed, 1 failed\nno watcher runs: nothing is polled\n"
        ),
        "{table}"
    );
}

/// Promise: a spreadsheet executes nothing, wherever it parts cells, and every program finds the columns.
#[test]
fn csv_is_for_spreadsheets() {
    let bench = two_teams();
    let output = stdout(&bench.output("status", &["--format", "csv", "--state", "pending"]));
    assert!(output.starts_with("app,ticket,token,label,state,"), "no byte order mark: {output}");
    let rows: Vec<Vec<String>> =
        csv::Reader::from_reader(output.as_bytes()).into_deserialize().collect::<Result<_, _>>().unwrap();
    assert_eq!(rows[0][..4], ["team-b", "73", "doc73", "'=1+1;'=2"]);
}

/// Promise: beside an invalid `watcher.toml` the state file can be named itself, and every mistake is shown.
#[test]
fn a_state_file_is_shown_without_its_configuration() {
    let bench = two_teams();
    let good = bench.read("watcher.toml");
    bench.write("watcher.toml", &good.replace("[apps.team-a]", "[apps.team-a"));
    let output = bench.output("status", &[]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(78), ""));
    let said = stderr(&output);
    assert!(said.starts_with(&format!("{}:", bench.path("watcher.toml").display())), "{said}");
    assert!(said.ends_with("fix this, or name the state file itself with --state-file\n"), "{said}");

    let without_config = |command: &str, arguments: &[&str]| {
        let mut call = bench.call(BINARY);
        call.current_dir(bench.folder.path())
            .args([command, "--state-file", "state.db"])
            .args(arguments)
            .output()
    };
    let output = without_config("status", &["--format", "jsonl"]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    assert_eq!(stdout(&output).lines().count(), 4);
    // No app is known to be missing where no configuration is read.
    assert!(!stdout(&without_config("status", &[])).contains("not in watcher.toml"));
    let planned = without_config("retry", &["--failed", "--dry-run"]);
    assert_eq!(stdout(&planned).lines().next(), Some("1 ticket would be polled again:"), "{planned:?}");
    let both = without_config("status", &["--config", "watcher.toml"]);
    assert_eq!(both.status.code(), Some(2));
}

/// Promise: a pause is shown while it is in force, with its reason and what to do, and the tickets that wait for
/// it; once the watcher is gone it is old news.
#[test]
fn pauses_are_shown_while_they_are_in_force() {
    let bench = Bench::new();
    bench.secret("app_secret", WRONG_SECRET);
    bench.jobs([Job::new("70", "doc70").life(Life::Forever)]);
    let running = bench.start(&[]);
    running.wait_event("app.paused", 1);
    let until = Instant::now() + PATIENCE;
    let table = loop {
        let table = stdout(&bench.output("status", &[]));
        // Known a moment later than it is logged.
        if table.contains("; paused") {
            break table;
        }
        assert!(Instant::now() < until, "waited in vain for a pause in\n{table}");
    };
    let row = table.lines().nth(1).unwrap();
    assert!(row.starts_with("pending  70") && row.ends_with("  waits for its app"), "{table}");
    let [app, hint] = table.lines().rev().take(2).collect::<Vec<_>>()[..] else { panic!("{table}") };
    let (app, hint) = (hint, app);
    assert!(app.starts_with("default  1 pending; paused for "), "{table}");
    assert!(app.ends_with(": app id, secret or token is wrong: app secret invalid"), "{table}");
    assert!(hint.starts_with("  put the right app_id and secret"), "{table}");
    running.kill();
    let table = stdout(&bench.output("status", &[]));
    assert!(!table.contains("paused") && table.contains("  waits for a watcher\n"), "{table}");
    assert!(table.ends_with("\ndefault  1 pending\nno watcher runs: nothing is polled\n"), "{table}");
}

/// What a command shows on a terminal of so many columns.
fn on_terminal(mut command: Call, columns: u16) -> String {
    let (mut ours, theirs) = open_terminal();
    tcsetwinsize(&theirs, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let process = command.stdout(theirs).spawn();
    let canaries = command.canaries();
    // The command holds its end of the terminal open, too.
    drop(command);
    let mut shown = Vec::new();
    // The end of a terminal is an error to its reader.
    let _ = ours.read_to_end(&mut shown);
    canaries.search("a terminal", &shown);
    assert_eq!(process.output().status.code(), Some(0));
    String::from_utf8(shown).unwrap().replace("\r\n", "\n")
}

/// Promise: on a terminal no line is too long, a long list is cut and says so, and there are colours unless they
/// are not wanted; in a pipe nothing is cut or coloured.
#[test]
fn a_terminal_is_not_a_pipe() {
    let bench = Bench::new();
    let id = |number: usize| (6_933_093_124_755_412_000 + number).to_string();
    let entry = |number: usize| {
        let (ticket, label) = (id(number), "周报".repeat(20));
        format!("[[ticket]]\nticket = \"{ticket}\"\ntoken = \"doc\"\nlabel = \"{label}\"\n")
    };
    bench.sim.add_jobs((0..60).map(|number| Job::new(id(number), "doc").life(Life::Forever)));
    bench.write("watchlist.toml", &(0..60).map(entry).collect::<String>());
    let running = bench.start(&[]);
    running.wait_event("watcher.started", 1);
    assert_eq!(running.stop().code, Some(0));
    let status = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = bench.command("status", arguments);
        command.env("TERM", "xterm").env_remove("NO_COLOR").envs(variables.iter().copied());
        command
    };
    let plain = on_terminal(status(&[], &[("NO_COLOR", "1")]), 80);
    assert!(plain.lines().all(|line| line.width() <= 80) && !plain.contains('\u{1b}'), "{plain}");
    assert!(plain.contains("\n… and 10 more (--limit 0 shows all)\n"), "{plain}");
    // Ages go on meanwhile.
    let shape =
        |text: &str| text.lines().map(|line| line.split_whitespace().take(3).count()).collect::<Vec<_>>();
    let dumb = on_terminal(status(&[], &[("TERM", "dumb")]), 80);
    assert_eq!(shape(&dumb), shape(&plain));
    assert!(!dumb.contains('\u{1b}'));
    let coloured = on_terminal(status(&[], &[("NO_COLOR", "")]), 80);
    assert!(coloured.contains("\u{1b}[1mSTATE\u{1b}[0m "), "{coloured}");
    let wide = on_terminal(status(&["--limit", "0"], &[("NO_COLOR", "1")]), 200);
    let piped = status(&[], &[("CLICOLOR_FORCE", "1")]).output();
    assert_eq!(wide.lines().count(), 1 + 60 + 1 + 2);
    assert_eq!(shape(&stdout(&piped)), shape(&wide));
    let jsonl = on_terminal(status(&["--format", "jsonl"], &[]), 80);
    assert_eq!(json_lines(&jsonl).len(), 60);
}
