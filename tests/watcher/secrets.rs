//! Promise 7: secrets and access tokens appear nowhere, whatever a server or a proxy answers. Every bench looks for
//! them (see `canaries`); here is what the answers of a hostile server add, and proof that the search finds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use export_simulator::{App, DEFAULT_APP_ID, Endpoint, Fault, Job, Life, Scenario, Target};

use crate::canaries::{APP_SECRET, traced};
use crate::harness::{Bench, PATIENCE, Running, events};
use crate::http::{get, served};

const USER_TOKEN: &str = "u-c4naryUserTokenDoNotPrint";
const USER_APP: &str = "cli_user000000000001";

/// An app with a secret and one with a ready-made token, at the finest level, into a log file, too.
fn bench() -> Bench {
    let mut user = App::new(USER_APP, APP_SECRET);
    user.user_tokens = vec![USER_TOKEN.to_owned()];
    let bench = Bench::with(Scenario::with_apps([App::default(), user]));
    bench.secret("user_token", USER_TOKEN);
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
        html(500, format!("<p>app_secret={APP_SECRET}</p>")),
        html(200, format!("POST {APP_SECRET}")),
        Fault::Redirect { status: 302, location: format!("http://127.0.0.1:1/?secret={APP_SECRET}") },
        Fault::Reset,
        Fault::answer(200, 10_015, format!("app secret {APP_SECRET} is invalid")),
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let (app_id, ticket) = (format!("cli_spoilt{number}"), format!("8{number}"));
        bench.sim.add_app(App::new(&app_id, APP_SECRET));
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

/// A query endpoint that repeats the access token in every way; nine polls meet that.
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
        Fault::answer(400, 12_345_678, format!("unknown token {token}")),
        Fault::Redirect { status: 307, location: format!("http://127.0.0.1:1/?access_token={token}") },
        Fault::WrongJson,
        Fault::Reset,
        Fault::answer(400, 99_991_663, format!("Invalid access token {token} for authorization")),
    ];
    for (nth, fault) in (1..).zip(faults) {
        bench.sim.fault(ticket, nth, fault);
    }
}

/// The other commands, whose words are searched as well.
fn ask_beside(bench: &Bench) {
    for format in ["table", "json", "jsonl", "csv"] {
        let status = bench.output("status", &["--format", format]);
        assert!(String::from_utf8_lossy(&status.stdout).contains("73"), "{format}");
    }
    for arguments in [&[][..], &["--help"]] {
        assert_eq!(bench.output("check", arguments).status.code(), Some(0));
        bench.output("health", arguments);
        bench.output("retry", &[&["--failed", "--dry-run"], arguments].concat());
    }
    bench.output("run", &["--help"]);
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
    spoil_queries(&bench, "74", APP_SECRET);

    let mut command = bench.command("run", &["--log-level", "trace"]);
    command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
    let running = Running::start(command);
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

    ask_beside(&bench);
    for ticket in ["71", "74", "75"] {
        bench.sim.finish_job(ticket);
    }
    running.wait_event("ticket.completed", 8);
    let ended = running.stop();
    // The answers did reach these places, their secrets taken out.
    let state = String::from_utf8_lossy(&std::fs::read(bench.path("state.db")).unwrap()).into_owned();
    for (place, text) in [("log", &ended.stdout), ("file", &bench.read("events.jsonl")), ("state", &state)] {
        assert!(text.contains("[hidden]"), "nothing was taken out in the {place}");
    }
}

/// A second access token comes into use and is repeated as well; then nothing listens for a while.
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

/// The mode is what it says: every process logs at its finest, and otherwise none does.
#[test]
fn every_process_is_traced_where_that_was_asked_for() {
    let bench = Bench::new();
    bench.jobs([Job::new("70", "doc70").life(Life::Forever)]);
    let running = bench.start(&[]);
    assert!(bench.sim.wait_until(PATIENCE, |journal| journal.polls_of("70").count() > 2));
    assert_eq!(running.stop().events("poll.pending").is_empty(), !traced());
}

/// What a search says that finds something.
fn found(search: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(search)).unwrap_err();
    panic.downcast_ref::<String>().unwrap().clone()
}

/// The search can fail: what a watch list carries into log, state and HTTP answers, and a server into a file's name,
/// is found in each of these places, plain and in another form.
#[test]
fn a_planted_secret_is_found_in_all_that_is_written() {
    const PLANTED: &str = "c4nary.Planted-Where+It/IsCarried";
    let reversed: String = PLANTED.chars().rev().collect();
    let (bench, address) = served(Bench::new());
    bench.reconfigure("[poll]", "[log]\nfile = \"events.jsonl\"\n[poll]");
    let mut job = Job::new("70", "doc70").succeeds_after(Duration::ZERO);
    job.file_name = PLANTED.to_owned();
    bench.jobs([job]);
    bench.write("watchlist.toml", &format!("{}label = \"{reversed}\"\n", bench.read("watchlist.toml")));
    let running = bench.start(&[]);
    running.wait_event("ticket.completed", 1);

    bench.canaries.plant(PLANTED);
    let assert_names = |said: String, places: &[&str]| {
        let both = ["\"plain\"", "\"reversed\""];
        assert!(places.iter().chain(&both).all(|text| said.contains(text)), "{said}");
    };
    assert_names(found(|| drop(get(address, "/status"))), &["an HTTP answer"]);
    assert_names(found(|| drop(bench.output("status", &["--format", "csv"]))), &["standard output"]);
    assert_names(found(|| drop(running.stop())), &["standard output"]);
    assert_names(found(|| drop(bench)), &["/state.db\"", "/events.jsonl\"", "/watchlist.toml\""]);
}

/// The same of what others see of a process: a planted argument, and a variable that the test did not give it.
#[test]
fn a_planted_secret_is_found_in_a_process_list() {
    const PLANTED: &str = "c4nary.Planted-WhereItIsSeen";
    let bench = Bench::new();
    bench.write(PLANTED, "");
    bench.write("variable", &format!("export PLANTED={PLANTED}\n"));
    // Both go on until they are killed.
    let line_of = |program: &str, line: &str| {
        let mut call = bench.call(program);
        call.args(line.splitn(2, ' ')).current_dir(bench.folder.path());
        call.spawn()
    };
    let argument = line_of("tail", &format!("-f {PLANTED}"));
    let variable = line_of("sh", "-c . ./variable; exec tail -f variable");
    let comm = format!("/proc/{}/comm", variable.pid().as_raw_nonzero());
    while std::fs::read_to_string(&comm).unwrap() != "tail\n" {
        std::thread::sleep(Duration::from_millis(2));
    }
    bench.canaries.plant_in(&bench.path("variable"), PLANTED);
    assert!(found(|| argument.look()).contains("cmdline: "));
    assert!(found(|| variable.look()).contains("environ: "));
}
