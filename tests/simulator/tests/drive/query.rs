//! The query endpoint: every answer shape, every refusal, every switch.

use std::time::Duration;

use export_simulator::{
    AgeStarts, App, FAILING_JOB_STATUSES, Job, Life, LogIdHeader, LogIdPlace, Outcome, RunningShape,
    Scenario, SuccessShape, Trouble,
};
use serde_json::{Value, json};

use crate::client::{APP, Bench, DOCUMENT, TICKET, query_path, read, send};

#[test]
fn a_job_runs_and_succeeds() {
    let bench = Bench::with_job(|job| job.life(Life::Forever));
    assert_eq!(bench.query().result()["job_status"], 1, "initialising");
    bench.simulator.switch(|switches| switches.answers.initialising = Duration::ZERO);
    assert_eq!(bench.query().result()["job_status"], 2);
    bench.simulator.finish_job(TICKET);
    let reply = bench.query();
    let expected = json!({
        "file_extension": "docx", "type": "docx", "file_name": "docName", "file_size": 34_356,
        "file_token": bench.simulator.jobs()[0].file_token, "job_error_msg": "success", "job_status": 0,
    });
    assert_eq!(
        (reply.status, reply.json()["msg"].clone(), reply.result()),
        (200, json!("success"), expected)
    );
    assert!(reply.header("X-Tt-Logid").is_some());
}

#[test]
fn a_job_fails_with_any_status() {
    let bench = Bench::with_job(|mut job| {
        job.job_error_msg = "too large".to_owned();
        job
    });
    for job_status in FAILING_JOB_STATUSES.into_iter().chain([4711]) {
        bench.simulator.fail_job(TICKET, job_status);
        let result = bench.query().result();
        assert_eq!(
            (&result["job_status"], &result["job_error_msg"]),
            (&json!(job_status), &json!("too large"))
        );
        assert_eq!(result["file_token"], "");
    }
}

#[test]
fn running_answers_take_every_shape() {
    let bench = Bench::with_job(|job| job.life(Life::Forever));
    let data = |shape| {
        bench.simulator.switch(|switches| switches.answers.running = shape);
        bench.query().json().get("data").cloned()
    };
    let full = json!({"file_extension": "docx", "type": "docx", "file_name": "", "file_token": "", "file_size": 0,
        "job_error_msg": "", "job_status": 1});
    assert_eq!(data(RunningShape::Full), Some(json!({ "result": full })));
    assert_eq!(data(RunningShape::StatusOnly), Some(json!({"result": {"job_status": 1}})));
    assert_eq!(data(RunningShape::NoStatus), Some(json!({"result": {}})));
    assert_eq!(data(RunningShape::NoResult), Some(json!({})));
    assert_eq!(data(RunningShape::NullResult), Some(json!({"result": null})));
    assert_eq!(data(RunningShape::NullData), Some(Value::Null));
    assert_eq!(data(RunningShape::NoData), None);
    assert_eq!(
        data(RunningShape::ZeroEmptyToken),
        Some(json!({"result": {"job_status": 0, "file_token": ""}}))
    );
    assert_eq!(data(RunningShape::ZeroNoToken), Some(json!({"result": {"job_status": 0}})));
}

#[test]
fn success_can_say_less_or_more() {
    let bench = Bench::with_job(|job| job.succeeds_after(Duration::ZERO));
    bench.simulator.switch(|switches| switches.answers.success = SuccessShape::Minimal);
    assert_eq!(bench.query().result().as_object().unwrap().len(), 2);
    bench.simulator.switch(|switches| switches.answers.success = SuccessShape::Extended);
    assert!(bench.query().result()["extra"].is_object());
}

#[test]
fn a_file_token_may_be_missing() {
    let bench = Bench::with_job(|job| job.life(Life::NoFileToken { after: Duration::ZERO, lasts: None }));
    let result = bench.query().result();
    assert_eq!((&result["job_status"], &result["file_token"]), (&json!(0), &json!("")));
}

#[test]
fn the_document_token_is_needed_and_must_match() {
    let bench = Bench::with_job(|job| job);
    let path = format!("/open-apis/drive/v1/export_tasks/{TICKET}");
    for query in ["", "?token=", "?token=other"] {
        assert_eq!(bench.get(&format!("{path}{query}")).status_and_code(), (400, 1_069_904), "{query}");
    }
    bench.simulator.switch(|switches| switches.answers.mismatched_token = Outcome::Fine);
    assert_eq!(bench.get(&format!("{path}?token=other")).code(), 0);
}

#[test]
fn unknown_and_forgotten_tickets_follow_the_switch() {
    let bench = Bench::with_job(|job| job);
    bench.simulator.remove_job(TICKET);
    let outcomes = [
        (Outcome::InvalidParam, (400, 1_069_904)),
        (Outcome::NotFound, (404, 1_069_914)),
        (Outcome::Deleted, (410, 1_069_906)),
        (Outcome::Permission, (403, 1_069_902)),
        (Outcome::Refused { status: 200, code: 600 }, (200, 600)),
        (Outcome::Fine, (200, 0)),
    ];
    for (outcome, expected) in outcomes {
        bench.simulator.switch(|switches| switches.answers.unknown_ticket = outcome);
        assert_eq!(bench.query().status_and_code(), expected);
    }
    bench.simulator.switch(|switches| {
        switches.answers.unknown_ticket = Outcome::Deleted;
        switches.answers.deleted_status = 404;
        switches.answers.forgotten_after = Some(Duration::from_secs(60));
    });
    let mut old = Job::new(TICKET, DOCUMENT);
    old.age = Duration::from_secs(61);
    bench.simulator.add_job(old);
    assert_eq!(bench.query().status_and_code(), (404, 1_069_906));
}

#[test]
fn only_the_creator_may_ask() {
    let bench = Bench::new(Scenario::with_apps([App::default(), App::new("cli_other", "secret")]));
    bench.simulator.add_job(Job::new(TICKET, DOCUMENT).app("cli_other").succeeds_after(Duration::ZERO));
    assert_eq!(bench.query().status_and_code(), (403, 1_069_902));
    bench.simulator.switch(|switches| switches.answers.other_identity = Outcome::NotFound);
    assert_eq!(bench.query().status_and_code(), (404, 1_069_914));
    bench.simulator.switch(|switches| switches.answers.other_identity = Outcome::Fine);
    assert_eq!(bench.query().result()["job_status"], 0);
}

#[test]
fn a_user_is_an_identity_of_its_own() {
    let user_tokens = vec!["u-one".to_owned(), "u-two".to_owned()];
    let app = App { user_tokens, ..App::default() };
    let bench = Bench::new(Scenario::with_apps([app]));
    let mut job = Job::new(TICKET, DOCUMENT);
    job.user = Some("u-one".to_owned());
    bench.simulator.add_job(job);
    assert_eq!(bench.query_with("Bearer u-one").code(), 0);
    assert_eq!(bench.query_with("Bearer u-two").code(), 1_069_902);
    assert_eq!(bench.query().code(), 1_069_902, "the app itself is not that user");
    bench.simulator.expire_tokens(APP);
    assert_eq!(bench.query_with("Bearer u-one").code(), 99_991_677);
    bench.simulator.revoke_token("u-one");
    assert_eq!(bench.query_with("Bearer u-one").code(), 99_991_668);
}

#[test]
fn bad_access_tokens_have_their_codes() {
    let bench = Bench::with_job(|job| job);
    for (authorization, code) in [
        ("", 99_991_661),
        ("t-without-bearer", 99_991_661),
        ("Bearer t-never-issued", 99_991_663),
        ("Bearer u-never-issued", 99_991_668),
        ("Bearer eyJhbGciOi", 99_991_668),
        ("Bearer a-app", 99_991_664),
        ("Bearer nonsense", 99_991_671),
    ] {
        assert_eq!(bench.query_with(authorization).status_and_code(), (400, code), "{authorization}");
    }
    bench.simulator.switch(|switches| {
        switches.answers.access_token_status = 401;
        switches.answers.tenant_token_code = 99_991_665;
    });
    bench.simulator.revoke_tokens(APP);
    assert_eq!(bench.query().status_and_code(), (401, 99_991_665));
}

#[test]
fn troubles_of_an_app_refuse_everything() {
    let bench = Bench::with_job(|job| job);
    for (trouble, expected) in [
        (Trouble::Disabled, (400, 99_991_662)),
        (Trouble::NotInstalled, (400, 99_991_673)),
        (Trouble::IpNotAllowed, (400, 99_991_401)),
        (Trouble::QuotaExhausted, (429, 99_991_403)),
        (Trouble::TokensRefused, (400, 99_991_663)),
        (Trouble::Refused { status: 500, code: 2200 }, (500, 2200)),
    ] {
        bench.simulator.set_trouble(APP, trouble);
        assert_eq!(bench.query().status_and_code(), expected);
    }
    bench.simulator.set_trouble(APP, Trouble::scope_missing());
    let body = bench.query().json();
    assert_eq!(body["code"], 99_991_672);
    assert_eq!(body["error"]["permission_violations"][0]["scope"], "docs:document:export");
    assert!(body["error"]["troubleshooter"].as_str().unwrap().contains("log_id="));
    bench.simulator.set_trouble(APP, None);
    assert_eq!(bench.query().code(), 0);
}

#[test]
fn the_quota_counts_successful_calls_only() {
    let bench = Bench::with_job(|job| job);
    bench.simulator.set_quota(APP, 2);
    bench.simulator.switch(|switches| switches.answers.unknown_ticket = Outcome::NotFound);
    let codes: Vec<i64> =
        [TICKET, "1", TICKET, TICKET].map(|ticket| bench.get(&query_path(ticket)).code()).into();
    assert_eq!(codes, [0, 1_069_914, 0, 99_991_403]);
}

/// An app's own shapes win, and concern no other app.
#[test]
fn an_app_may_have_shapes_of_its_own() {
    let bench = Bench::with_job(|job| job.life(Life::Forever));
    bench.simulator.set_running_shape(APP, RunningShape::NullData);
    assert_eq!(bench.query().json()["data"], Value::Null);
    bench.simulator.add_app(App::new("cli_other", "secret"));
    bench.simulator.add_job(Job::new("other", DOCUMENT).app("cli_other").life(Life::Forever));
    let other = format!("Bearer {}", bench.simulator.issue_token("cli_other"));
    let line = format!("GET {}", query_path("other"));
    let reply = send(bench.simulator.address(), &line, &[("Authorization", &other)], "").and_then(read);
    assert_eq!(reply.unwrap().result()["file_token"], "");
    bench.simulator.set_running_shape(APP, None);
    assert_eq!(bench.query().result()["file_token"], "");
    bench.simulator.finish_job(TICKET);
    bench.simulator.set_success_shape(APP, SuccessShape::Minimal);
    assert_eq!(bench.query().result().as_object().unwrap().len(), 2);
}

#[test]
fn the_log_id_moves_by_switch() {
    let bench = Bench::new(Scenario::default());
    let reply = bench.query();
    let log_id = reply.header("X-Tt-Logid").unwrap().to_owned();
    assert_eq!(reply.json()["error"]["log_id"], log_id.as_str());
    bench.simulator.switch(|switches| {
        switches.answers.log_id = LogIdPlace::TopLevel;
        switches.answers.log_id_header = LogIdHeader::XRequestId;
    });
    let reply = bench.query();
    assert_eq!(reply.header("X-Request-Id"), reply.json()["log_id"].as_str());
    assert_ne!(reply.header("X-Request-Id"), Some(log_id.as_str()));
    assert_eq!(reply.header("X-Tt-Logid"), None);
}

#[test]
fn age_may_begin_with_the_first_query() {
    let bench = Bench::new(Scenario { age_starts: AgeStarts::FirstQuery, ..Scenario::default() });
    bench.simulator.switch(|switches| switches.answers.forgotten_after = Some(Duration::from_nanos(1)));
    bench.simulator.add_job(Job::new(TICKET, DOCUMENT));
    assert_eq!(bench.query().code(), 0, "its age was zero");
    assert_eq!(bench.query().code(), 1_069_904, "and is more now");
}
