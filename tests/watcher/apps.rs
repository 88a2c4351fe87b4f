//! One app's trouble: how loud it is, whom it leaves alone, and what ends it.

use std::time::{Duration, Instant};

use export_simulator::{App, DEFAULT_APP_ID, Endpoint, Fault, Job, Journal, Life, Scenario, Target, Trouble};
use rustix::process::Signal;
use serde_json::Value;

use crate::canaries::{APP_SECRET, WRONG_SECRET};
use crate::exports::document;
use crate::harness::{Bench, PATIENCE, Running, events};
use crate::saved::DOWNLOAD;

const APPS: [&str; 4] = ["north", "east", "south", "west"];

/// The one whose secret is wrong.
const BAD: &str = "south";

const EACH: usize = 6;

fn secret_of(app: &str) -> String {
    format!("c4narySecretOf-{app}")
}

/// Four apps with tickets whose jobs are done; the secret file of one of them is wrong.
fn four_apps() -> Bench {
    let app = |name| App::new(format!("cli_{name}"), secret_of(name));
    let bench = Bench::with(Scenario::with_apps(APPS.map(app)));
    let mut sections = String::new();
    let mut list = String::new();
    for name in APPS {
        let file = format!("{name}.secret");
        bench.secret(&file, &if name == BAD { WRONG_SECRET.to_owned() } else { secret_of(name) });
        let credentials = format!("app_secret = {{ file = \"{file}\" }}");
        sections += &bench.app_section(name, &format!("cli_{name}"), &credentials);
        for number in 0..EACH {
            let ticket = format!("{name}-{number}");
            bench
                .sim
                .add_job(Job::new(&ticket, "doc").app(format!("cli_{name}")).succeeds_after(Duration::ZERO));
            list += &format!("[[ticket]]\nticket = \"{ticket}\"\ntoken = \"doc\"\napp = \"{name}\"\n");
        }
    }
    bench.write_config(&sections);
    bench.write("watchlist.toml", &list);
    bench
}

/// When an app asked for access tokens.
fn token_requests(journal: &Journal, name: &str) -> Vec<Instant> {
    let app_id = format!("cli_{name}");
    let asked =
        journal.of(Endpoint::TenantToken).filter(|request| request.app_id.as_deref() == Some(&app_id));
    asked.map(|request| request.arrived_at).collect()
}

/// Waits until the others are done and the bad app's secret was refused that often; then looks whether
/// only that app was affected.
fn wait_for_refusals(bench: &Bench, run: &Running, refusals: usize) {
    run.wait_event("ticket.completed", EACH * (APPS.len() - 1));
    assert!(bench.sim.wait_until(PATIENCE, |journal| token_requests(journal, BAD).len() >= refusals));
    run.wait_event("app.paused", 1);
    let log = run.log();
    let paused: Vec<_> = events(&log, "app.paused").collect();
    assert_eq!(paused.len(), 1, "once, however often it is tried: {paused:#?}");
    assert_eq!((&paused[0]["app"], &paused[0]["reason"]), (&BAD.into(), &"credentials_rejected".into()));
    for row in bench.wait_tickets("all", |rows| rows.len() == EACH * APPS.len()) {
        let expected = if row["app"] == BAD { "pending" } else { "completed" };
        assert_eq!(row["state"], expected, "{row}");
        assert_eq!(row["error"], Value::Null, "an app's fault leaves no mark on a ticket: {row}");
    }
}

fn all_is_well(bench: &Bench, run: Running, token_requests_of_bad: usize) {
    run.wait_event("ticket.completed", EACH * APPS.len());
    let ended = run.stop();
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.events("app.paused").len(), 1);
    assert_eq!(ended.events("app.resumed").len(), 1);
    assert_eq!(bench.sim.throttled_count(), 0);
    bench.sim.journal(|journal| {
        let asked = token_requests(journal, BAD);
        assert_eq!(asked.len(), token_requests_of_bad);
        // The clocks of both sides need not agree to the millisecond.
        let least = [Duration::from_millis(1990), Duration::from_millis(3990)];
        for (pair, least) in asked.windows(2).zip(least) {
            assert!(pair[1] - pair[0] >= least, "tried again after {:?}", pair[1] - pair[0]);
        }
        for name in APPS.into_iter().filter(|name| *name != BAD) {
            assert_eq!(token_requests(journal, name).len(), 1, "{name}");
        }
        assert_eq!(journal.of(Endpoint::Query).count(), EACH * APPS.len(), "one poll a ticket does");
    });
}

/// Promise 3: a wrong secret in one app of four leaves the others untouched, costs one token request for each
/// try, and heals once the file is corrected: by itself, no signal, no restart, or with SIGHUP at once.
#[test]
fn a_wrong_secret_heals_when_its_file_is_corrected() {
    std::thread::scope(|scope| {
        scope.spawn(heals_by_itself);
        scope.spawn(heals_with_sighup);
    });
}

fn heals_by_itself() {
    let bench = four_apps();
    let run = bench.start(&[]);
    wait_for_refusals(&bench, &run, 2);
    bench.secret(&format!("{BAD}.secret"), &(secret_of(BAD) + "\n"));
    all_is_well(&bench, run, 3);
}

fn heals_with_sighup() {
    let bench = four_apps();
    let run = bench.start(&[]);
    wait_for_refusals(&bench, &run, 3);
    bench.secret(&format!("{BAD}.secret"), &secret_of(BAD));
    let asked = Instant::now();
    run.signal(Signal::HUP);
    run.wait_event("app.resumed", 1);
    assert!(asked.elapsed() < Duration::from_secs(5), "after three refusals the next try is 8 s away");
    all_is_well(&bench, run, 4);
}

fn wait_for_polls(bench: &Bench, more: usize) {
    let polls = bench.sim.count(Endpoint::Query) + more;
    assert!(bench.sim.wait_until(PATIENCE, |journal| journal.of(Endpoint::Query).count() >= polls));
}

fn running_jobs(bench: &Bench, count: usize) {
    bench.jobs((0..count).map(|number| Job::new(number.to_string(), "doc").life(Life::Forever)));
}

fn finish_jobs(bench: &Bench) {
    for job in bench.sim.jobs() {
        bench.sim.finish_job(&job.ticket);
    }
}

/// A revoked access token costs exactly one more fetch, however many polls carry it, and pauses no app.
#[test]
fn a_revoked_token_is_fetched_once_more() {
    let bench = Bench::new();
    running_jobs(&bench, 10);
    let run = bench.start(&["--until-done"]);
    wait_for_polls(&bench, 20);
    bench.sim.revoke_tokens(DEFAULT_APP_ID);
    run.wait_event("token.refreshed", 2);
    finish_jobs(&bench);
    let ended = run.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(bench.sim.count(Endpoint::TenantToken), 2);
    assert_eq!(ended.events("token.rejected").len(), 1);
    assert_eq!(ended.events("app.paused").len(), 0);
}

/// Promise 3, and exit code 69: an app whose every access token is refused is paused once, and so is one whose tenant keeps
/// what is left of its monthly calls for exports that were started; a batch that has nothing else left ends after 60 s and
/// names apps and reasons, their tickets and documents are pending as before.
#[test]
fn a_batch_that_only_a_person_can_help_ends() {
    let app = App { trouble: Some(Trouble::TokensRefused), ..App::default() };
    let small = App::new("cli_small", APP_SECRET);
    let life = Life::Succeeds { after: Duration::ZERO };
    let bench = Bench::with(Scenario { life, ..Scenario::with_apps([app, small]) });
    let secret = "app_secret = { file = \"app_secret\" }";
    let sections = bench.app_section("default", DEFAULT_APP_ID, secret)
        + &bench.app_section("small", "cli_small", &format!("{secret}\ntenant = \"acme\""));
    bench.write_config(&format!("{DOWNLOAD}{sections}[tenants.acme]\nmonthly_calls = {MONTHLY_CALLS}\n"));
    bench.jobs((0..5).map(|number| Job::new(number.to_string(), "doc")));
    let list = bench.read("watchlist.toml").replace("[[ticket]]\n", "[[ticket]]\napp = \"default\"\n");
    let documents =
        (0..20).map(|number| document("docx", &format!("doxcn{number}"), "pdf") + "app = \"small\"\n");
    bench.write("watchlist.toml", &(list + &documents.collect::<String>()));
    let began = Instant::now();
    let ended = bench.run();
    assert_eq!(ended.code, Some(69), "{}", ended.stderr);
    assert!(began.elapsed() >= Duration::from_secs(60), "{:?}", began.elapsed());
    for said in [
        "app default is paused: app id, secret or token is wrong: Invalid access token",
        "; put the right app_id and secret",
        "; then run again\n  its secret or token: file /",
        "app small is paused: monthly calls kept for started exports",
        "raise monthly_calls of the tenant",
    ] {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
    let of_app = |event, app| ended.events(event).iter().filter(|line| line["app"] == app).count();
    assert_eq!(of_app("app.paused", "default"), 1);
    let fetches = bench.sim.journal(|journal| {
        let fetches = journal.of(Endpoint::TenantToken);
        fetches.filter(|it| it.app_id.as_deref() == Some(DEFAULT_APP_ID)).count()
    });
    assert!((3..=8).contains(&fetches), "{fetches} token requests, with probes after 2, 4, 8 … s");
    // Until the first export ended, four calls were kept for each; then the three that it took, and one.
    let saved = of_app("file.saved", "small");
    assert!((7..=9).contains(&saved), "{saved} files");
    assert_eq!(bench.count("pending"), 5 + 20 - saved as u64);
    let paused: Vec<_> =
        ended.events("app.paused").into_iter().filter(|line| line["app"] == "small").collect();
    assert_eq!(paused.len(), 1, "{paused:#?}");
    assert_eq!((&paused[0]["endpoint"], &paused[0]["reason"]), (&"create".into(), &"quota_reserved".into()));
    assert_eq!(ended.events("quota.low").len(), usize::from(3 * saved >= 27), "{}", ended.stdout);
    let calls = bench.sim.requests().iter().filter(|it| it.app_id.as_deref() == Some("cli_small")).count();
    assert!(calls <= MONTHLY_CALLS + 1, "{calls} calls, one of them for the access token");
}

/// Of these nine exports have three each.
const MONTHLY_CALLS: usize = 30;

/// A ready-made user token from a file: it is used as it is, its successor is taken while the app runs, and
/// one that is refused pauses the app until the file holds a better one. No token is ever fetched.
#[test]
fn a_token_kept_by_others_is_read_again() {
    let app = App { user_tokens: vec!["u-c4nary-first".to_owned()], ..App::default() };
    let bench = Bench::with(Scenario { record_headers: true, ..Scenario::with_apps([app]) });
    bench.write_config(&bench.app_section("default", DEFAULT_APP_ID, "access_token = { file = \"token\" }"));
    bench.secret("token", "u-c4nary-first\n");
    running_jobs(&bench, 2);
    let run = bench.start(&["--until-done"]);
    wait_for_polls(&bench, 2);
    // Replaced in good time.
    bench.sim.accept_token(DEFAULT_APP_ID, "u-c4nary-second");
    bench.secret("token", "u-c4nary-second");
    wait_for_token(&bench, "u-c4nary-second");
    // Replaced too late.
    bench.sim.revoke_token("u-c4nary-second");
    run.wait_event("app.paused", 1);
    bench.sim.accept_token(DEFAULT_APP_ID, "u-c4nary-third");
    bench.secret("token", "u-c4nary-third");
    run.wait_event("app.resumed", 1);
    finish_jobs(&bench);
    let ended = run.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.events("app.paused")[0]["reason"], "credentials_rejected");
    assert_eq!(ended.events("app.paused").len(), 1);
    assert_eq!(bench.sim.count(Endpoint::TenantToken), 0);
}

fn wait_for_token(bench: &Bench, token: &str) {
    let wanted = format!("Bearer {token}");
    let carries = |request: &export_simulator::Request| {
        request.headers.as_ref().is_some_and(|headers| headers["authorization"] == wanted)
    };
    assert!(bench.sim.wait_until(PATIENCE, |journal| journal.all().iter().any(carries)));
}

/// Promise 3: a missing scope, a blocked address and a used-up quota pause the app, once and loudly; its
/// tickets stay pending without a mark, and go on when the trouble is over: by itself, or for the quota,
/// which is tried hourly, with SIGHUP.
#[test]
fn an_app_in_trouble_is_paused_until_it_is_over() {
    std::thread::scope(|scope| {
        scope.spawn(|| in_trouble(Trouble::scope_missing(), "scope_missing", false));
        scope.spawn(|| in_trouble(Trouble::IpNotAllowed, "ip_not_allowed", false));
        scope.spawn(|| in_trouble(Trouble::QuotaExhausted, "quota_exhausted", true));
    });
}

fn in_trouble(trouble: Trouble, reason: &str, needs_signal: bool) {
    let bench = Bench::new();
    running_jobs(&bench, 5);
    let run = bench.start(&[]);
    wait_for_polls(&bench, 5);
    bench.sim.set_trouble(DEFAULT_APP_ID, trouble);
    run.wait_event("app.paused", 1);
    if !needs_signal {
        // A probe, by which nothing changes.
        wait_for_polls(&bench, 1);
    }
    for row in bench.wait_tickets("all", |rows| rows.len() == 5) {
        assert_eq!((&row["state"], &row["error"]), (&"pending".into(), &Value::Null), "{row}");
    }
    bench.sim.set_trouble(DEFAULT_APP_ID, None);
    finish_jobs(&bench);
    if needs_signal {
        run.signal(Signal::HUP);
    }
    run.wait_event("ticket.completed", 5);
    let ended = run.stop();
    let paused = ended.events("app.paused");
    assert_eq!(paused.len(), 1, "{paused:#?}");
    assert_eq!((&paused[0]["reason"], &paused[0]["level"]), (&reason.into(), &"ERROR".into()));
    assert!(paused[0]["error.log_id"].is_string(), "{}", paused[0]);
    assert_eq!(ended.events("app.resumed").len(), 1);
}

/// Promise 3, over real connections to one host: while as many polls of one app hang as may be in flight, the other
/// app's tickets all complete, each at its first poll, and not one of the hanging ones ends before.
#[test]
fn a_hanging_app_holds_up_no_other() {
    const TICKETS: usize = 100;
    const IN_FLIGHT: usize = 32;
    let apps = ["hangs", "sound"];
    let bench =
        Bench::with(Scenario::with_apps(apps.map(|name| App::new(format!("cli_{name}"), APP_SECRET))));
    let (mut sections, mut list) = (String::new(), String::new());
    for name in apps {
        sections +=
            &bench.app_section(name, &format!("cli_{name}"), "app_secret = { file = \"app_secret\" }");
        for number in 0..TICKETS {
            let ticket = format!("{name}-{number}");
            let job = Job::new(&ticket, "doc").app(format!("cli_{name}"));
            bench.sim.add_job(job.succeeds_after(Duration::ZERO));
            list += &format!("[[ticket]]\nticket = \"{ticket}\"\ntoken = \"doc\"\napp = \"{name}\"\n");
        }
    }
    bench.write_config(&sections);
    bench.reconfigure("request_timeout = \"2s\"", "request_timeout = \"60s\"");
    bench.write("watchlist.toml", &list);
    // The sound app's queries come last, when the other one has taken all that it may.
    let late = bench.sim.hold(Target::endpoint(Endpoint::TenantToken).of_app("cli_sound"), 1);
    bench.sim.fault(Target::endpoint(Endpoint::Query).of_app("cli_hangs"), .., Fault::Hang);

    let run = bench.start(&[]);
    assert!(bench.sim.wait_until(PATIENCE, |journal| journal.waiting_count() == IN_FLIGHT));
    bench.sim.release(late);
    run.wait_event("ticket.completed", TICKETS);
    bench.sim.journal(|journal| {
        assert_eq!(journal.waiting_count(), IN_FLIGHT, "none of the hanging polls ended");
        assert_eq!(journal.of(Endpoint::Query).count(), IN_FLIGHT + TICKETS);
    });
    run.kill();
}
