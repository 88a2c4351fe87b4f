//! What goes wrong on the way more than once or at length, and everything that a job can come to. What a single
//! answer means is the matter of `fault_matrix.rs`.

use std::time::Duration;

use export_simulator::{
    App, Endpoint, Fault, Job, Life, RateLimit, Scenario, Simulator, Target, ThrottleStyle,
};
use serde_json::Value;

use crate::canaries::APP_SECRET;
use crate::harness::{Bench, default_app, peak_memory};

const MIB: u64 = 1 << 20;

/// Slow, but in time.
const DAWDLING: Fault = Fault::Slow { bytes: 64, every: Duration::from_millis(20) };

/// Faults that are the call's own affair.
fn faults_of_calls() -> Vec<Fault> {
    let raw = |status, body: &str| Fault::Raw {
        status,
        content_type: "application/json".to_owned(),
        body: body.to_owned(),
    };
    vec![
        Fault::Reset,
        Fault::Close,
        Fault::Hang,
        Fault::Stall,
        Fault::Delay { by: Duration::from_secs(3) },
        Fault::Slow { bytes: 1, every: Duration::from_millis(100) },
        DAWDLING,
        Fault::HalfBody,
        Fault::WrongJson,
        Fault::InvalidUtf8,
        Fault::Empty { status: 200 },
        Fault::Empty { status: 204 },
        Fault::Empty { status: 500 },
        Fault::Html { status: 502 },
        Fault::Html { status: 200 },
        Fault::Html { status: 403 },
        Fault::Unavailable { retry_after: Some(1) },
        Fault::Unavailable { retry_after: None },
        raw(200, "[]"),
        raw(200, r#"{"code":0,"data":null}"#),
        raw(200, r#"{"code":0,"data":{"result":{"file_token":"box"}}}"#),
        raw(200, r#"{"code":0,"data":{"result":{"job_status":0,"file_token":""}}}"#),
        raw(200, r#"{"code":0,"data":{"result":{"job_status":77}}}"#),
        raw(407, "proxy"),
        raw(408, "late"),
        Fault::answer(500, 1_069_901, "internal error"),
        Fault::answer(200, 1_069_901, "internal error"),
        Fault::answer(200, 600, "hybrid deployment"),
        Fault::answer(400, 9499, "Bad request"),
        Fault::answer(400, 4711, "a code that no page lists"),
        Fault::answer(200, 4711, "a code that no page lists"),
        Fault::answer(500, 0, "success"),
    ]
}

/// A bench with a ticket for each fault, whose first `times` polls meet it. The jobs are done: without
/// the faults one poll each would do.
fn struck(scenario: Scenario, faults: Vec<Fault>, times: u64) -> Bench {
    let bench = Bench::with(scenario);
    bench.jobs(
        (0..faults.len()).map(|number| Job::new(format!("{number}"), "doc").succeeds_after(Duration::ZERO)),
    );
    for (number, fault) in faults.into_iter().enumerate() {
        bench.sim.fault(number.to_string().as_str(), 1..=times, fault);
    }
    bench
}

/// Runs the batch; every ticket must complete with the file token of its job.
fn all_complete(bench: &Bench, faults: &[Fault]) -> Vec<Value> {
    let ended = bench.run();
    let trouble: Vec<_> = bench.tickets().into_iter().filter(|row| row["state"] != "completed").collect();
    assert!(trouble.is_empty(), "{trouble:#?} of {faults:?}");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for (job, row) in bench.sim.jobs().iter().map(|job| (job, bench.ticket(&job.ticket))) {
        assert_eq!(row["file_token"], job.file_token);
        assert_eq!(row["error"], Value::Null, "a completed ticket has no trouble left");
    }
    ended.lines
}

/// Promise 2: whatever goes wrong with a poll, however often the same in a row, the ticket is asked for
/// again until its job says what came of it.
#[test]
fn no_fault_decides_a_ticket() {
    let faults = faults_of_calls();
    let bench = struck(Scenario::with_apps([App::default()]), faults.clone(), 2);
    bench.reconfigure("request_timeout = \"2s\"", "request_timeout = \"1s\"");
    // The server must not count more than the watcher does: three polls a ticket.
    bench.sim.set_rate_limit(export_simulator::DEFAULT_APP_ID, RateLimit::new(500, Duration::from_secs(1)));
    bench.write(
        "watcher.toml",
        &(bench.read("watcher.toml") + "rate_limit = { requests = 500, per = \"1s\" }\n"),
    );
    let lines = all_complete(&bench, &faults);
    for (number, fault) in faults.iter().enumerate() {
        let struck = bench.sim.polls_of(&number.to_string()).iter().filter(|poll| poll.faulty).count();
        // An answer that only dawdles is an answer.
        let expected = if *fault == DAWDLING { 1 } else { 2 };
        assert_eq!(struck, expected, "{fault:?}");
    }
    let paused: Vec<_> = lines.iter().filter(|line| line["event"] == "app.paused").collect();
    assert!(paused.is_empty(), "none of these is the app's fault: {paused:#?}");
    let degraded = lines.iter().filter(|line| line["event"] == "app.degraded").count();
    assert_eq!(degraded, 0, "a second of trouble is no outage");
}

/// A bench with one app for each style in which the platform refuses requests over its limit.
fn throttling_bench() -> Bench {
    let styles = [
        ThrottleStyle::Http429,
        ThrottleStyle::Legacy400,
        ThrottleStyle::Code9499,
        ThrottleStyle::Code1069923,
        ThrottleStyle::Bare429,
    ];
    let limit = |style| RateLimit::new(5, Duration::from_secs(1)).style(style);
    let app = |(number, style)| App::new(format!("cli_{number}"), APP_SECRET).rate_limit(limit(style));
    let bench = Bench::with(Scenario::with_apps(styles.into_iter().enumerate().map(app)));
    let credentials = "app_secret = { file = \"app_secret\" }";
    let section = |number| bench.app_section(&format!("a{number}"), &format!("cli_{number}"), credentials);
    bench.write_config(&(0..styles.len()).map(section).collect::<String>());
    let mut list = String::new();
    for (app, number) in (0..styles.len()).flat_map(|app| (0..12).map(move |number| (app, number))) {
        let ticket = format!("{app}{number:02}");
        bench.sim.add_job(Job::new(&ticket, "doc").app(format!("cli_{app}")).succeeds_after(Duration::ZERO));
        list += &format!("[[ticket]]\nticket = \"{ticket}\"\ntoken = \"doc\"\napp = \"a{app}\"\n");
    }
    bench.write("watchlist.toml", &list);
    bench
}

/// Promise 2: where another process spends from the same budget, the server's refusals in every style pause
/// the app until the moment the server names, and no ticket fails.
#[test]
fn a_server_with_less_room_than_configured_is_waited_for() {
    let bench = throttling_bench();
    let lines = all_complete(&bench, &[]);
    assert!(bench.sim.throttled_count() > 0);
    for app in 0..5 {
        let of_app = |event: &str| {
            lines.iter().filter(|line| line["event"] == event && line["app"] == format!("a{app}")).count()
        };
        let (paused, resumed) = (of_app("app.paused"), of_app("app.resumed"));
        assert!(paused >= 1 && paused == resumed, "app a{app}: {paused} pauses, {resumed} ends");
    }
}

/// Promise 7: a redirect is trouble of its poll. The host that it names gets no request, so neither the
/// access token nor the document's.
#[test]
fn no_redirect_is_followed() {
    let other = Simulator::spawn(Scenario::default()).unwrap();
    let location = format!("{}/open-apis/drive/v1/export_tasks/1?token=doc", other.base_url());
    let redirect = |status| Fault::Redirect { status, location: location.clone() };
    let faults: Vec<_> = [301, 302, 303, 307, 308].map(redirect).into();
    let bench = struck(Scenario::default(), faults.clone(), 2);
    // Credentials must not follow either.
    bench.sim.fault(Endpoint::TenantToken, 1, redirect(307));
    let ended = bench.start(&["--until-done", "--deadline", "30s"]).wait();
    assert_eq!(other.requests().len(), 0, "{:?}", other.requests());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.events("ticket.completed").len(), faults.len());
}

/// Every final `job_status`, and the name of its failure.
const STATUSES: [(i64, &str); 9] = [
    (3, "internal_error"),
    (107, "document_too_large"),
    (108, "export_timeout"),
    (109, "block_no_permission"),
    (110, "no_permission"),
    (111, "document_deleted"),
    (122, "copy_in_progress"),
    (123, "document_not_found"),
    (6000, "too_many_images"),
];

/// Every permanent code, with a status that it comes with.
const CODES: [(u16, i64, &str); 6] = [
    (403, 1_069_902, "no_permission"),
    (400, 1_069_904, "invalid_param"),
    (410, 1_069_906, "document_deleted"),
    (404, 1_069_906, "document_deleted"),
    (404, 1_069_914, "document_not_found"),
    (400, 1_069_918, "type_mismatch"),
];

/// Design 4.4: every final `job_status` and code fails its ticket at its first answer, under its own name.
#[test]
fn each_final_failure_has_its_name() {
    let bench = Bench::new();
    let by_status = STATUSES.map(|(job_status, _)| Life::Fails { after: Duration::ZERO, job_status });
    let by_code = CODES.map(|(status, code, _)| Life::Refused { after: Duration::ZERO, status, code });
    let lives = by_status.into_iter().chain(by_code);
    bench.jobs(lives.enumerate().map(|(number, life)| Job::new(number.to_string(), "doc").life(life)));
    let ended = bench.run();
    assert_eq!(ended.code, Some(10), "{}", ended.stderr);
    assert_eq!(ended.events("ticket.failed").len(), STATUSES.len() + CODES.len());

    for line in ended.events("ticket.failed") {
        let row = bench.ticket(line["ticket"].as_str().unwrap());
        let number: usize = line["ticket"].as_str().unwrap().parse().unwrap();
        let error = &row["error"];
        match STATUSES.get(number) {
            Some((status, kind)) => assert_eq!(
                (&error["kind"], &error["job_status"]),
                (&(*kind).into(), &(*status).into()),
                "{row}"
            ),
            None => {
                let (status, code, kind) = CODES[number - STATUSES.len()];
                let expected = (&kind.into(), &code.into(), &status.into());
                assert_eq!((&error["kind"], &error["code"], &error["http_status"]), expected, "{row}");
            }
        }
        assert_logged(&row, line);
    }
}

/// Log and state file say the same of a failure, and enough to act on it.
fn assert_logged(row: &Value, line: &Value) {
    assert_eq!((&row["state"], &row["polls"]), (&"failed".into(), &1.into()), "{row}");
    for field in ["kind", "hint", "log_id"] {
        let text = &row["error"][field];
        assert!(text.as_str().is_some_and(|text| !text.is_empty()), "{field}: {row}");
        assert_eq!(line[format!("error.{field}")], *text);
    }
}

/// An answer of 256 MiB, with its length announced or not, to as many polls as may be in flight and to a
/// request for an access token: peak memory stays under 64 MiB, and the tickets complete.
#[test]
fn a_huge_answer_costs_no_memory() {
    let huge = |content_length| Fault::Huge { bytes: 256 * MIB, content_length };
    let faults: Vec<_> = (0..32).map(|number| huge(number % 2 == 0)).collect();
    let bench = struck(Scenario::with_apps([default_app(500, Duration::from_secs(1))]), faults, 1);
    bench.sim.fault(Target::endpoint(Endpoint::TenantToken), 1, huge(false));
    let run = bench.start(&[]);
    run.wait_event("ticket.completed", 32);
    let peak = peak_memory(run.pid());
    println!("peak memory {:.1} MiB", peak as f64 / MIB as f64);
    assert!(peak < 64 * MIB, "{peak} bytes");
    assert_eq!(run.stop().code, Some(0));
    for number in 0..32 {
        assert!(bench.sim.polls_of(&number.to_string())[0].faulty, "{number} was not struck");
    }
}
