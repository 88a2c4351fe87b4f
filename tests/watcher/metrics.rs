//! `/metrics`: what a Prometheus sees of a whole run, and that it is no more than it should.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use export_simulator::{App, DEFAULT_APP_ID, DEFAULT_APP_SECRET, Fault, Job, Scenario, Trouble};
use rustix::process::Signal;

use crate::harness::{Bench, PATIENCE, Running};
use crate::http::{get, served};

/// The second app, whose quota is used up.
const LARK: &str = "cli_lark";

/// What a server or a user says, and no label may hold.
const FOREIGN: &str = "a text from elsewhere";

/// A watcher that met a bit of everything, and what it shows of that.
pub(crate) struct Scripted {
    pub(crate) scrape: String,
    bench: Bench,
    running: Running,
}

/// Two apps. The first one's tickets end in every way, some after trouble; the second's wait for its quota, but
/// for one that leaves the list. At the end one of two lists is bad.
pub(crate) fn scripted() -> Scripted {
    let (bench, address) = served(bench());
    let running = bench.start(&[]);
    running.wait_event("ticket.completed", 5);
    running.wait_event("ticket.failed", 2);
    running.wait_event("app.paused", 2);
    list(&bench, &[101]);
    bench.write("more.toml", "[[ticket]]\nticket = 7\n");
    running.signal(Signal::HUP);
    let settled = [
        "tickets_finished_total{app=\"default\",error_kind=\"\",outcome=\"completed\"} 5",
        "tickets_finished_total{app=\"lark\",error_kind=\"\",outcome=\"removed\"} 1",
        // Two at once, and the probe that the signal asked for.
        "polls_total{app=\"lark\",result=\"app_fault\"} 3",
        "app_paused{app=\"default\",reason=\"rate_limited\"} 0",
        "app_paused{app=\"lark\",reason=\"quota_exhausted\"} 1",
        "tickets{app=\"lark\",state=\"removed\"} 1",
        "watchlist_rejected_files 1",
        "verdicts_unannounced 0",
        "hook_events_taken_total{hook=\"takes\"} 5",
        "hook_events_waiting{hook=\"refuses\"} 2",
    ];
    let scrape = wait_scrape(address, &settled);
    Scripted { scrape, bench, running }
}

fn bench() -> Bench {
    let lark = App { trouble: Some(Trouble::QuotaExhausted), ..App::new(LARK, DEFAULT_APP_SECRET) };
    let bench = Bench::with(Scenario::with_apps([App::default(), lark]));
    let done = |number| Job::new(ticket(number), document(number)).succeeds_after(Duration::ZERO);
    bench.sim.add_jobs([1, 2, 4, 5, 6, 7].map(done));
    bench.sim.add_jobs([101, 102].map(|number| done(number).app(LARK)));
    let mut large = Job::new(ticket(3), document(3)).fails_after(Duration::ZERO, 107);
    large.job_error_msg = FOREIGN.to_owned();
    bench.sim.add_job(large);
    let throttle = Fault::Answer {
        status: 429,
        code: 99_991_400,
        msg: FOREIGN.to_owned(),
        headers: vec![("x-ogw-ratelimit-reset".to_owned(), "1".to_owned())],
    };
    bench.sim.fault(ticket(4).as_str(), 1, throttle);
    bench.sim.fault(ticket(5).as_str(), 1, Fault::Html { status: 502 });
    bench.sim.fault(ticket(6).as_str(), 1, Fault::Reset);
    bench.sim.fault(ticket(7).as_str(), 1.., Fault::answer(404, 1_069_914, FOREIGN));
    let credentials = "app_secret = { file = \"app_secret\" }";
    let apps = [("default", DEFAULT_APP_ID), ("lark", LARK)];
    let sections: String = apps.iter().map(|(name, id)| bench.app_section(name, id, credentials)).collect();
    let hook = |name: &str, event: &str, program: &str| {
        format!("[[hook]]\nname = \"{name}\"\nevents = [\"{event}\"]\ncommand = [\"{program}\"]\n")
    };
    let hooks = hook("takes", "ticket.completed", "true") + &hook("refuses", "ticket.failed", "false");
    bench.write_config(&format!("[log]\nfile = \"events.jsonl\"\n{hooks}{sections}"));
    bench.reconfigure("\"watchlist.toml\"]", "\"watchlist.toml\", \"more.toml\"]");
    list(&bench, &[101, 102]);
    bench.write("more.toml", "");
    bench
}

fn ticket(number: u32) -> String {
    format!("69330931247554{number:05}")
}

fn document(number: u32) -> String {
    format!("docbcZVGtv1papC6jAV{number:05}")
}

/// The first app's tickets, one of them with a known age, and these of the second.
fn list(bench: &Bench, of_lark: &[u32]) {
    let created = jiff::Timestamp::now() - Duration::from_secs(60);
    let mut text = String::new();
    let of_default = (1..=7).map(|number| ("default", number));
    for (app, number) in of_default.chain(of_lark.iter().map(|number| ("lark", *number))) {
        let (ticket, token) = (ticket(number), document(number));
        writeln!(text, "[[ticket]]\nticket = \"{ticket}\"\ntoken = \"{token}\"").unwrap();
        writeln!(text, "app = \"{app}\"\nlabel = \"{FOREIGN}\"").unwrap();
        if number == 2 {
            writeln!(text, "created_at = {created}").unwrap();
        }
    }
    bench.write("watchlist.toml", &text);
}

/// Scrapes until every one of these lines is there, without the prefix.
fn wait_scrape(address: SocketAddr, lines: &[&str]) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = get(address, "/metrics");
        assert_eq!(answer.status, 200, "{answer:?}");
        let is_there = |line: &&&str| answer.body.contains(&format!("\nfeishu_export_watcher_{line}\n"));
        let missing: Vec<_> = lines.iter().filter(|line| !is_there(line)).collect();
        if missing.is_empty() {
            return answer.body;
        }
        assert!(Instant::now() < until, "waited in vain for {missing:#?} in\n{}", answer.body);
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What depends on when and where the test runs: a part of a name is enough.
const VARIES: [&str; 14] = [
    "_bucket{",
    "_sum{",
    "_sum ",
    "_timestamp_seconds",
    "process_",
    "state_commits_total",
    "state_commit_duration",
    "state_commit_tickets",
    "budget_left",
    "requests_this_month",
    "log_lines_waiting",
    "watchlist_loads_total",
    "watchlist_entries_rejected_total",
    "oldest_overdue",
];

/// The scrape with `*` for every value that varies, and for the version.
fn masked(scrape: &str) -> String {
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    let line = |line: &str| match line.rsplit_once(' ') {
        Some((series, _)) if !line.starts_with('#') && VARIES.iter().any(|part| line.contains(part)) => {
            format!("{series} *\n")
        }
        _ => format!("{line}\n"),
    };
    scrape.lines().map(line).collect::<String>().replace(&version, "version=\"*\"")
}

/// Promise: names, types, helps and labels are what dashboards and alerts are written for, and what is counted
/// is what happened. `UPDATE_GOLDEN=1` writes the file instead, to be read before it is committed.
#[test]
fn a_scrape_is_as_expected() {
    let Scripted { scrape, bench: _bench, running } = scripted();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/watcher/golden/metrics.txt");
    let found = masked(&scrape);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap();
    let added: Vec<_> = found.lines().filter(|line| !expected.lines().any(|it| it == *line)).collect();
    let gone: Vec<_> = expected.lines().filter(|line| !found.lines().any(|it| it == *line)).collect();
    assert!(found == expected, "not expected: {added:#?}\nmissing: {gone:#?}");
    assert_eq!(running.stop().code, Some(0));
}

/// Promise: the file's version is said, so that no Prometheus has to guess.
#[test]
fn a_scrape_says_its_format() {
    let (bench, address) = served(Bench::new());
    bench.jobs([Job::new("70", "doc70").succeeds_after(Duration::ZERO)]);
    let running = bench.start(&[]);
    running.wait_event("watcher.started", 1);
    let answer = get(address, "/metrics");
    assert!(
        answer.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{}",
        answer.head
    );
}

/// Promise: no label holds a ticket, a document, a file token, an app id, or anything that a server or a user
/// wrote.
#[test]
fn a_scrape_shows_nothing_that_is_not_its_own() {
    let Scripted { scrape, bench, running } = scripted();
    let mut foreign = vec![FOREIGN.to_owned(), DEFAULT_APP_ID.to_owned()];
    foreign.extend([LARK, "more.toml", "127.0.0.1"].map(str::to_owned));
    for row in bench.tickets() {
        let error = &row["error"];
        let said = [&row["ticket"], &row["token"], &row["file_token"], &row["file_name"], &error["log_id"]];
        foreign.extend(said.iter().filter_map(|text| text.as_str()).map(str::to_owned));
    }
    assert!(foreign.len() > 20, "{foreign:?}");
    for text in foreign {
        assert!(!scrape.contains(&text), "{text:?} is in\n{scrape}");
    }
    assert_eq!(running.stop().code, Some(0));
}

/// Promise: two Prometheus that scrape at once, and a hundred, are all answered in full; polls go on.
#[test]
fn many_scrapes_at_once_are_answered() {
    let (bench, address) = served(Bench::new());
    bench.jobs([Job::new("70", "doc70").succeeds_after(Duration::ZERO)]);
    let running = bench.start(&[]);
    running.wait_event("watcher.started", 1);
    let scrapes: Vec<_> = (0..60).map(|_| std::thread::spawn(move || get(address, "/metrics"))).collect();
    for scrape in scrapes {
        let answer = scrape.join().unwrap();
        assert_eq!(answer.status, 200);
        assert!(
            answer.body.ends_with("\n") && answer.body.contains("process_virtual_memory_bytes "),
            "whole"
        );
    }
    running.wait_event("ticket.completed", 1);
    assert_eq!(running.stop().code, Some(0));
}

/// Promise: a list that can't be taken shows for as long as that is so, with what is wrong in it.
#[test]
fn a_bad_list_shows_until_it_is_fixed() {
    let (bench, address) = served(Bench::new());
    bench.jobs([Job::new("70", "doc70").succeeds_after(Duration::ZERO)]);
    let running = bench.start(&[]);
    running.wait_event("watcher.started", 1);
    let good = bench.read("watchlist.toml");
    wait_scrape(address, &["watchlist_rejected_files 0", "watchlist_entries_rejected_total 0"]);
    bench.write("watchlist.toml", &format!("{good}[[ticket]]\nticket = 7\n[[ticket]]\ntoken = \"d\"\n"));
    running.signal(Signal::HUP);
    wait_scrape(address, &["watchlist_rejected_files 1"]);
    // Once more: the first may have met the counter before and the gauge after the change.
    let bad = wait_scrape(address, &["watchlist_rejected_files 1"]);
    let errors = value(&bad, "watchlist_entries_rejected_total");
    assert!(errors >= 3.0, "an id that is no text, and two fields that are missing: {errors}");
    bench.write("watchlist.toml", &good);
    running.signal(Signal::HUP);
    let fixed = wait_scrape(address, &["watchlist_rejected_files 0"]);
    assert!(value(&fixed, "watchlist_entries_rejected_total") >= errors, "what was counted stays");
    assert_eq!(running.stop().code, Some(0));
}

fn value(scrape: &str, series: &str) -> f64 {
    let start = format!("feishu_export_watcher_{series} ");
    scrape.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
}
