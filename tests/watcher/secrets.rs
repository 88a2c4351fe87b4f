//! Promise 7: secrets and access tokens appear nowhere, whatever a server or a proxy answers.

use std::fs;
use std::time::Duration;

use export_simulator::{App, DEFAULT_APP_ID, Endpoint, Fault, Job, Life, Scenario, Target};

use crate::harness::{Bench, PATIENCE, Running, events};
use crate::outputs::files;

const SECRET: &str = "c4naryAppSecretDoNotPrint";
const USER_TOKEN: &str = "u-c4naryUserTokenDoNotPrint";
const USER_APP: &str = "cli_user000000000001";

/// What was looked at, by name.
type Places = Vec<(String, Vec<u8>)>;

/// An app with a secret and one with a ready-made token, at the finest level, into a log file, too.
fn bench() -> Bench {
    let mut user = App::new(USER_APP, "unused");
    user.user_tokens = vec![USER_TOKEN.to_owned()];
    let mut scenario = Scenario::with_apps([App::new(DEFAULT_APP_ID, SECRET), user]);
    scenario.record_headers = true;
    let bench = Bench::with(scenario);
    bench.write("app_secret", SECRET);
    bench.write("user_token", USER_TOKEN);
    bench.configure("[log]\nfile = \"events.jsonl\"");
    let user = format!(
        "[apps.user]\nbase_url = \"{}\"\napp_id = \"{USER_APP}\"\naccess_token = {{ file = \"user_token\" }}\n",
        bench.sim.base_url()
    );
    bench.write("watcher.toml", &(bench.read("watcher.toml") + &user));
    bench
}

/// Tickets that end in every way; "71", "74" and "75" are held back.
fn add_jobs(bench: &Bench, token: &str) {
    bench.write("watchlist.toml", "");
    let mut failed = Job::new("73", "doc73").fails_after(Duration::ZERO, 3);
    failed.job_error_msg = format!("could not export with {token}");
    add_job(bench, "default", failed);
    add_job(bench, "default", Job::new("71", "doc71").life(Life::Forever));
    add_job(bench, "default", Job::new("72", "doc72").life(Life::Forever));
    add_job(bench, "default", Job::new("74", "doc74").life(Life::Forever));
    add_job(bench, "user", Job::new("75", "doc75").life(Life::Forever).app(USER_APP));
    bench.sim.fault("72", 1, Fault::answer(403, 1_069_902, format!("{token} has no permission")));
}

/// An app for each way in which a token endpoint repeats the secret before it answers, with a ticket each.
fn add_apps_with_spoilt_tokens(bench: &Bench) {
    let html = |status, body| Fault::Raw { status, content_type: "text/html".into(), body };
    let faults = [
        html(500, format!("<p>app_secret={SECRET}</p>")),
        html(200, format!("POST {SECRET}")),
        Fault::Redirect { status: 302, location: format!("http://127.0.0.1:1/?secret={SECRET}") },
        Fault::Reset,
        Fault::answer(200, 10_015, format!("app secret {SECRET} is invalid")),
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let (app_id, ticket) = (format!("cli_spoilt{number}"), format!("8{number}"));
        bench.sim.add_app(App::new(&app_id, SECRET));
        bench.sim.fault(Target::endpoint(Endpoint::TenantToken).of_app(&app_id), 1, fault);
        add_job(bench, &format!("spoilt{number}"), Job::new(&ticket, format!("doc{ticket}")).app(&app_id));
        bench.sim.finish_job(&ticket);
        let app = format!(
            "[apps.spoilt{number}]\nbase_url = \"{}\"\napp_id = \"{app_id}\"\napp_secret = {{ file = \"app_secret\" }}\n",
            bench.sim.base_url()
        );
        bench.write("watcher.toml", &(bench.read("watcher.toml") + &app));
    }
}

/// Adds a job and lists it.
fn add_job(bench: &Bench, app: &str, job: Job) {
    let (ticket, token) = (&job.ticket, &job.token);
    let entry = format!("[[ticket]]\nticket = \"{ticket}\"\ntoken = \"{token}\"\napp = \"{app}\"\n");
    bench.write("watchlist.toml", &(bench.read("watchlist.toml") + &entry));
    bench.sim.add_job(job);
}

/// A query endpoint that repeats the access token in every way.
fn spoil_queries(bench: &Bench, ticket: &str, token: &str) {
    let raw = |status, body: String| Fault::Raw { status, content_type: "text/html".into(), body };
    let envelope = format!(
        "{{\"code\":1069901,\"msg\":\"x\",\"error\":{{\"log_id\":\"{token}\",\"message\":\"{token}\"}}}}"
    );
    let faults = [
        raw(500, format!("Authorization: Bearer {token}")),
        raw(200, format!("Bearer {token}")),
        raw(403, format!("<html>{token}")),
        raw(200, envelope),
        Fault::answer(400, 12_345_678, format!("who is {token}?")),
        Fault::Redirect { status: 307, location: format!("http://127.0.0.1:1/?access_token={token}") },
        Fault::WrongJson,
        Fault::Reset,
        Fault::answer(400, 99_991_663, format!("Invalid access token {token} for authorization")),
    ];
    for (nth, fault) in (1..).zip(faults) {
        bench.sim.fault(ticket, nth, fault);
    }
}

/// Everything that the watcher left in its folder, but for the files that are there to hold secrets.
fn left_behind(bench: &Bench) -> Places {
    let mut found = files(bench.folder.path());
    found.retain(|path, _| !path.ends_with("app_secret") && !path.ends_with("user_token"));
    found.into_iter().map(|(path, bytes)| (path.display().to_string(), bytes)).collect()
}

/// What the other commands print.
fn said_beside(bench: &Bench) -> Places {
    let mut said = Places::new();
    let commands: [(&str, &[&str]); 6] = [
        ("status", &["--format", "table"]),
        ("status", &["--format", "json"]),
        ("status", &["--format", "csv"]),
        ("check", &[]),
        ("check", &["--help"]),
        ("run", &["--help"]),
    ];
    for (command, arguments) in commands {
        let output =
            bench.command(command, arguments).env("FEISHU_EXPORT_WATCHER_LOG", "info").output().unwrap();
        said.push((format!("{command} {arguments:?}"), [output.stdout, output.stderr].concat()));
    }
    said
}

/// Where a needle is found.
fn leaks(places: &Places, needles: &[String]) -> Vec<String> {
    let holds =
        |bytes: &[u8], needle: &str| bytes.windows(needle.len()).any(|part| part == needle.as_bytes());
    let hits = places.iter().flat_map(|(place, bytes)| {
        needles.iter().filter(|needle| holds(bytes, needle)).map(move |needle| format!("{needle} in {place}"))
    });
    hits.collect()
}

/// Every access token that reached the simulator, and those that it would hand out.
fn tokens_seen(bench: &Bench) -> Vec<String> {
    let mut tokens: Vec<String> = bench
        .sim
        .requests()
        .iter()
        .filter_map(|request| {
            request.headers.as_ref()?.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
        })
        .map(str::to_owned)
        .collect();
    tokens.push(bench.sim.issue_token(DEFAULT_APP_ID));
    tokens.sort();
    tokens.dedup();
    tokens
}

/// Secrets and access tokens are in no stream, no file and no process list, at the finest level, while token
/// endpoint and queries fail in every way and repeat them.
#[test]
fn secrets_appear_nowhere() {
    let bench = bench();
    let first_token = bench.sim.issue_token(DEFAULT_APP_ID);
    add_jobs(&bench, &first_token);
    add_apps_with_spoilt_tokens(&bench);
    spoil_queries(&bench, "71", &first_token);
    spoil_queries(&bench, "75", USER_TOKEN);
    bench.sim.fault("75", 10, Fault::answer(500, 2, format!("of another request: {first_token}")));
    // What the server saw with the token request it may repeat in any other answer.
    spoil_queries(&bench, "74", SECRET);

    let mut command = bench.command("run", &["--log-level", "trace"]);
    command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
    let running = Running::of(command);
    running.wait_event("ticket.failed", 2);
    running.wait_log("a refused token of each app", |lines| {
        let of = |app| events(lines, "token.rejected").any(|line| line["app"] == app);
        of("default") && of("user")
    });
    running.wait_log("five tokens after trouble", |lines| {
        let late =
            |line: &&serde_json::Value| line["app"].as_str().is_some_and(|app| app.starts_with("spoilt"));
        events(lines, "ticket.completed").filter(late).count() == 5
    });
    change_token_and_cut_connection(&bench, &running);

    let mut places = left_behind(&bench);
    places.extend(said_beside(&bench));
    for file in ["cmdline", "comm"] {
        let path = format!("/proc/{}/{file}", running.pid().as_raw_nonzero());
        places.push((path.clone(), fs::read(path).unwrap()));
    }
    for ticket in ["71", "74", "75"] {
        bench.sim.finish_job(ticket);
    }
    running.wait_event("ticket.completed", 8);
    let ended = running.stop();
    places.extend(left_behind(&bench));
    places.push(("stdout".into(), ended.stdout.into_bytes()));
    places.push(("stderr".into(), ended.stderr.into_bytes()));

    let mut needles = tokens_seen(&bench);
    assert!(needles.len() >= 3, "two tokens of the app and one of the user: {needles:?}");
    needles.push(SECRET.to_owned());
    assert_eq!(leaks(&places, &needles), [""; 0]);
    assert_looked_everywhere(&places);
}

/// A second access token comes into use and is repeated as well; then nobody listens for a while.
fn change_token_and_cut_connection(bench: &Bench, running: &Running) {
    bench.sim.revoke_tokens(DEFAULT_APP_ID);
    let second_token = bench.sim.issue_token(DEFAULT_APP_ID);
    let target = Target::ticket("71");
    let repeated = bench.sim.fault(target, .., Fault::answer(500, 1, format!("Bearer {second_token}")));
    running.wait_log("the second token in an answer", |lines| {
        events(lines, "poll.retry").any(|line| line["error.http_status"] == 500 && line["error.code"] == 1)
    });
    bench.sim.clear_fault(repeated);
    bench.sim.stop_listening();
    running.wait_log("a refused connection", |lines| {
        let refused = |text: &str| text.contains("refused");
        events(lines, "poll.retry").any(|line| line["error.message"].as_str().is_some_and(refused))
    });
    bench.sim.listen_again().unwrap();
    let before = bench.sim.polls_of("71").len();
    assert!(bench.sim.wait_until(PATIENCE, |journal| journal.polls_of("71").count() > before));
}

/// The search finds what is there: the answers with secrets did reach the log, their secrets taken out, and
/// a needle that every place of a kind must hold is found in it.
fn assert_looked_everywhere(places: &Places) {
    let found = |needle: &str| leaks(places, &[needle.to_owned()]).join("\n");
    let hidden = found("[hidden]");
    for place in ["stdout", "events.jsonl", "state.db", "status"] {
        assert!(hidden.contains(place), "no text with something taken out in {place}: {hidden}");
    }
    let documents = found("doc73");
    for place in ["state.db", "stdout", "events.jsonl", "watchlist.toml"] {
        assert!(documents.contains(place), "{place}: {documents}");
    }
    assert!(found("--log-level").contains("/cmdline") && found("Usage:").contains("--help"));
    assert!(places.iter().any(|(place, bytes)| place.ends_with("-wal") && !bytes.is_empty()));
    assert!(places.iter().any(|(place, _)| place.ends_with(".lock")));
    let mut planted = vec![("a place".to_owned(), b"x".repeat(5000))];
    planted[0].1.extend(SECRET.bytes());
    assert_eq!(leaks(&planted, &[SECRET.to_owned()]).len(), 1);
}
