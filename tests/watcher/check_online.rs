//! `check --online`: each app's endpoints are asked, and what is wrong is said in words, with an exit code that parts what
//! needs a fix from what may pass.

use export_simulator::{App, DEFAULT_APP_ID, Document, Endpoint, Fault, Node, Outcome, Scenario, Trouble};

use crate::harness::Bench;
use crate::outputs::{files, stderr, stdout};
use crate::saved::DOWNLOAD;

/// A link and what the simulator calls its document.
const LINK: &str = "http://127.0.0.1/docx/doxcnOnline";
const WIKI_LINK: &str = "http://127.0.0.1/wiki/wikcnOnline";

/// A bench that downloads, with a document and a wiki node.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.configure(DOWNLOAD);
    list(&bench, &[LINK, WIKI_LINK]);
    bench
}

fn list(bench: &Bench, links: &[&str]) {
    let entry = |link: &&str| format!("[[document]]\nurl = \"{link}\"\nformat = \"pdf\"\n");
    bench.write("watchlist.toml", &links.iter().map(entry).collect::<String>());
}

/// The exit code, and what is printed after what the configuration alone shows.
fn ask(bench: &Bench) -> (Option<i32>, String) {
    let before = files(bench.folder.path());
    let output = bench.output("check", &["--online"]);
    assert_eq!(stderr(&output), "");
    assert_eq!(files(bench.folder.path()), before, "a check writes nothing");
    let said = stdout(&output);
    let (_, online) = said.split_once("\nvalid").unwrap_or_else(|| panic!("not valid:\n{said}"));
    let (_, online) = online.split_once('\n').unwrap();
    (output.status.code(), online.to_owned())
}

/// Promise: where all is well, every endpoint of a run is named, and each gets one request; documents at most three.
#[test]
fn all_is_fine() {
    let bench = bench();
    let more: Vec<_> = (0..9).map(|number| format!("{LINK}{number}")).collect();
    let links: Vec<_> = more.iter().map(String::as_str).chain([WIKI_LINK]).collect();
    list(&bench, &links);
    let (code, said) = ask(&bench);
    let expected = format!(
        "app default    access token: fine (expires in 2 h)\n  query: fine\n  download: fine\n  wiki node: fine\n  \
         document {WIKI_LINK}: fine\n  document {LINK}0: fine\n  document {LINK}1: fine\nonline: fine\n"
    );
    assert_eq!((code, said), (Some(0), expected));
    for (endpoint, count) in [
        (Endpoint::TenantToken, 1),
        (Endpoint::Query, 1),
        (Endpoint::Download, 1),
        (Endpoint::Node, 1),
        (Endpoint::Permission, 3),
        (Endpoint::Create, 0),
    ] {
        assert_eq!(bench.sim.count(endpoint), count, "{endpoint:?}");
    }
    // What the configuration does not use is not asked.
    bench.configure("");
    list(&bench, &[LINK]);
    let (code, said) = ask(&bench);
    assert_eq!((code, said.lines().count()), (Some(0), 4), "{said}");
}

/// What is done to the simulator, and what the check says of it.
type Case = (&'static str, fn(&Bench), i32, &'static [&'static str]);

const WRONG: i32 = 78;
const PASSING: i32 = 69;

/// Promise: each fault of an app or its host is said in words with what to do, and ends with 78, or 69 if it may pass.
#[test]
fn faults_of_apps_and_hosts_are_said() {
    const CASES: [Case; 11] = [
        (
            "wrong secret",
            |bench| bench.sim.set_secret(DEFAULT_APP_ID, "another-secret-4711"),
            WRONG,
            &[
                "access token: app id, secret or token is wrong: app secret invalid (code 10014",
                "put the right app_id",
            ],
        ),
        (
            "an app of the other platform",
            |bench| spoil(bench, Endpoint::TenantToken, Fault::answer(200, 10_014, "app id not exists")),
            WRONG,
            &["app id not exists (code 10014", "https://open.larksuite.com for one of Lark"],
        ),
        (
            "a host of the other platform",
            |bench| spoil(bench, Endpoint::Query, Fault::answer(400, 1_000_040_351, "incorrect domain name")),
            WRONG,
            &["query: no API at its base_url: incorrect domain name", "whichever the app belongs to"],
        ),
        (
            "no scope for exports",
            |bench| spoil(bench, Endpoint::Query, Fault::Trouble(Trouble::scope_missing())),
            WRONG,
            &[
                "query: API scope not granted",
                "add docs:document:export or drive:export:readonly,",
                "download: fine",
            ],
        ),
        (
            "no scope for nodes",
            |bench| spoil(bench, Endpoint::Node, Fault::Trouble(Trouble::scope_missing())),
            WRONG,
            &["query: fine", "wiki node: API scope not granted", "add wiki:node:read or wiki:node:retrieve,"],
        ),
        (
            "address not allowed",
            |bench| bench.sim.set_trouble(DEFAULT_APP_ID, Trouble::IpNotAllowed),
            WRONG,
            &["query: this machine's address is not allowed", "IP Whitelist"],
        ),
        (
            "quota used up",
            |bench| bench.sim.set_trouble(DEFAULT_APP_ID, Trouble::QuotaExhausted),
            PASSING,
            &["query: monthly quota used up (code 99991403"],
        ),
        (
            "another host",
            |bench| spoil(bench, Endpoint::TenantToken, Fault::PageNotFound),
            WRONG,
            &["access token: answer is not the API's JSON: 404 page not found", "look whether base_url"],
        ),
        (
            "a gateway in trouble",
            |bench| spoil(bench, Endpoint::Download, Fault::Html { status: 502 }),
            PASSING,
            &["query: fine", "download: server in trouble"],
        ),
        (
            "nothing listens",
            |bench| bench.sim.stop_listening(),
            PASSING,
            &["access token: server not reached: Connection refused", "look at base_url, proxy and firewall"],
        ),
        (
            "a text that drives a terminal",
            |bench| spoil(bench, Endpoint::Query, Fault::answer(400, 99_991_662, "\u{1b}[2J")),
            WRONG,
            &["app disabled or not installed: \\u{1b}[2J"],
        ),
    ];
    assert_said(&CASES);
}

/// Promise: a listed document that can't be exported is named with what to do; an app that may not ask for that is fine.
#[test]
fn documents_that_cannot_be_exported_are_said() {
    const CASES: [Case; 4] = [
        (
            "closed to the app",
            |bench| {
                let document = Document::new("doxcnOnline");
                bench.sim.add_document(Document { may_export: Some(false), ..document });
            },
            WRONG,
            &[
                "document http://127.0.0.1/docx/doxcnOnline: this app may not export it; add the app to the document",
            ],
        ),
        (
            "no such document",
            |bench| bench.sim.add_document(Document::new("doxcnOnline").access(Outcome::NotFound)),
            WRONG,
            &["/docx/doxcnOnline: there is none with this token and type (code 1063001", "correct the link"],
        ),
        (
            "no such node",
            |bench| bench.sim.add_node(Node::new("wikcnOnline").access(Outcome::NotFound)),
            WRONG,
            &[
                "wiki node: fine",
                "/wiki/wikcnOnline: there is none with this token and type (code 131005",
                "/docx/doxcnOnline: fine",
            ],
        ),
        (
            "no scope for the question",
            |bench| spoil(bench, Endpoint::Permission, Fault::Trouble(Trouble::scope_missing())),
            0,
            &[
                "not asked: the question needs an optional scope",
                "docs:permission.member:auth; exports",
                "online: fine",
            ],
        ),
    ];
    assert_said(&CASES);
}

fn spoil(bench: &Bench, endpoint: Endpoint, fault: Fault) {
    bench.sim.fault(endpoint, .., fault);
}

fn assert_said(cases: &[Case]) {
    for (what, spoil, expected, words) in cases {
        let bench = bench();
        spoil(&bench);
        let (code, said) = ask(&bench);
        assert_eq!(code, Some(*expected), "{what}:\n{said}");
        words.iter().for_each(|words| assert!(said.contains(words), "{what}: no {words:?} in\n{said}"));
        let last = said.lines().last().unwrap();
        assert_eq!(last == "online: fine", *expected == 0, "{what}:\n{said}");
        assert_eq!(bench.sim.count(Endpoint::Create), 0, "{what}: a job was started");
    }
}

/// Promise: an app for which nothing is listed costs no request, and one app's trouble keeps no other from being asked.
#[test]
fn each_listed_app_is_asked() {
    let other = App::new("cli_a1b2c3d4e5f60002", "the-secret-of-the-other");
    let bench = Bench::with(Scenario::with_apps([App::default(), other]));
    bench.secret("other_secret", "a-wrong-secret-for-it");
    let spare =
        bench.app_section("spare", "cli_a1b2c3d4e5f60003", "app_secret = { file = \"other_secret\" }");
    let broken =
        bench.app_section("broken", "cli_a1b2c3d4e5f60002", "app_secret = { file = \"other_secret\" }");
    bench.configure(&format!("{broken}{spare}"));
    let of_app = |app: &str| format!("[[ticket]]\nticket = \"{app}\"\ntoken = \"doc\"\napp = \"{app}\"\n");
    bench.write("watchlist.toml", &format!("{}{}", of_app("broken"), of_app("default")));
    let (code, said) = ask(&bench);
    assert_eq!(code, Some(WRONG), "{said}");
    let starts = [
        "app broken     access token: app id, secret or token is wrong",
        "app default    access token: fine",
        "  query: fine",
        "app spare      not asked: nothing is listed for it",
        "online: in trouble (to fix: 1, may pass: 0)",
    ];
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), starts.len(), "{said}");
    lines.iter().zip(starts).for_each(|(line, start)| assert!(line.starts_with(start), "{start}:\n{said}"));
    assert_eq!(bench.sim.count(Endpoint::TenantToken), 2);
}

/// Promise: nothing is sent while the configuration is invalid, or without the secrets.
#[test]
fn an_invalid_configuration_is_not_asked_about() {
    let bench = bench();
    let output = bench.output("check", &["--online", "--no-secrets"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    std::fs::remove_file(bench.path("app_secret")).unwrap();
    let output = bench.output("check", &["--online"]);
    assert_eq!(output.status.code(), Some(WRONG));
    assert!(stdout(&output).ends_with("invalid (errors: 1, warnings: 0)\n"), "{}", stdout(&output));
    assert!(stderr(&output).contains("nothing was asked online"), "{}", stderr(&output));
    assert!(bench.sim.requests().is_empty());
}
