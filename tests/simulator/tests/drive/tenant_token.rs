//! The tenant-token endpoint.

use std::{collections::BTreeSet, time::Duration};

use export_simulator::{App, DEFAULT_APP_SECRET, Scenario, Trouble};

use serde_json::json;

use crate::client::{APP, Bench};

#[test]
fn a_token_is_handed_out_flat_and_works() {
    let mut bench = Bench::new(Scenario::default());
    let body = bench.fetch_own_token().json();
    assert_eq!((&body["code"], body.get("data")), (&0.into(), None));
    let expire = body["expire"].as_u64().unwrap();
    assert!((7198..=7200).contains(&expire), "{expire}");
    bench.token = body["tenant_access_token"].as_str().unwrap().to_owned();
    assert!(bench.token.starts_with("t-"));
    assert_eq!(bench.query().code(), 1_069_904, "the token is good, the ticket is not");
    assert_eq!(bench.fetch_own_token().json()["tenant_access_token"], bench.token.as_str());
}

#[test]
fn refusals_come_with_status_200_and_no_token() {
    let bench = Bench::new(Scenario::default());
    for (app_id, secret, code) in
        [("", "x", 10_003), (APP, "", 10_003), ("cli_unknown", "x", 10_014), (APP, "wrong", 10_014)]
    {
        let reply = bench.fetch_token(app_id, secret);
        assert_eq!(reply.status_and_code(), (200, code));
        assert!(reply.json().get("expire").is_none() && reply.json().get("tenant_access_token").is_none());
    }
    bench.simulator.switch(|switches| {
        switches.tokens.refusal_status = 400;
        switches.tokens.wrong_secret_code = 10_015;
    });
    assert_eq!(bench.fetch_token(APP, "wrong").status_and_code(), (400, 10_015));
    bench.simulator.set_secret(APP, "wrong");
    assert_eq!(bench.fetch_token(APP, "wrong").code(), 0);
    bench.simulator.set_trouble(APP, Trouble::Disabled);
    assert_eq!(bench.fetch_token(APP, "wrong").code(), 10_014);
    bench.simulator.set_trouble(APP, Trouble::IpNotAllowed);
    assert_eq!(bench.fetch_token(APP, "wrong").code(), 0, "the allow-list does not guard the token endpoint");
}

#[test]
fn the_message_distinguishes_the_two_meanings_of_10014_apart() {
    let bench = Bench::new(Scenario::default());
    assert_eq!(bench.fetch_token(APP, "wrong").json()["msg"], "app secret invalid");
    assert_eq!(bench.fetch_token("cli_unknown", "x").json()["msg"], "app id not exists");
}

#[test]
fn an_app_id_that_could_be_none_is_an_invalid_param_with_empty_data() {
    let bench = Bench::new(Scenario::default());
    for malformed in ["", "cli_", "a1b2c3d4e5f60001", "cli_a1b2 c3d4", "'cli_a1b2c3d4e5f60001'"] {
        let body = bench.fetch_token(malformed, "x").json();
        assert_eq!(body, json!({"code": 10_003, "msg": "invalid param", "data": {}}), "{malformed}");
    }
}

#[test]
fn the_path_may_end_in_a_slash() {
    let bench = Bench::new(Scenario::default());
    let body = json!({"app_id": APP, "app_secret": DEFAULT_APP_SECRET});
    let path = "/open-apis/auth/v3/tenant_access_token/internal/";
    assert_eq!(bench.post(path, &body).status_and_code(), (200, 0));
}

#[test]
fn below_the_renewal_threshold_each_call_brings_another() {
    let app = App { token_lifetime: Duration::from_secs(10), ..App::default() };
    let bench = Bench::new(Scenario::with_apps([app]));
    let tokens: Vec<_> =
        (0..2).map(|_| bench.fetch_own_token().json()["tenant_access_token"].clone()).collect();
    assert_ne!(tokens[0], tokens[1]);
}

#[test]
fn a_revoked_token_may_come_back_by_switch() {
    let bench = Bench::new(Scenario::default());
    bench.simulator.switch(|switches| switches.tokens.reissue_revoked = true);
    bench.simulator.revoke_tokens(APP);
    assert_eq!(bench.fetch_own_token().json()["tenant_access_token"], bench.token.as_str());
    assert_eq!(bench.query().code(), 99_991_663);
    bench.simulator.switch(|switches| switches.tokens.reissue_revoked = false);
    assert_ne!(bench.fetch_own_token().json()["tenant_access_token"], bench.token.as_str());
}

/// A test that searches for secrets gets all of them, also those that are no longer valid.
#[test]
fn every_secret_that_was_ever_good_is_known() {
    let app = App { user_tokens: vec!["u-listed".to_owned()], ..App::default() };
    let bench = Bench::new(Scenario::with_apps([app]));
    bench.simulator.accept_token(APP, "u-accepted");
    bench.simulator.set_secret(APP, "second-secret");
    bench.simulator.add_app(App::new("cli_other", "other-secret"));
    bench.simulator.add_app(App::new("cli_other", "its-second-secret"));
    bench.simulator.revoke_tokens(APP);
    let second = bench.simulator.issue_token(APP);
    assert_ne!(second, bench.token);
    let mut expected =
        [DEFAULT_APP_SECRET, "u-listed", "u-accepted", "second-secret", "other-secret"].to_vec();
    expected.extend(["its-second-secret", &bench.token, &second]);
    assert!(bench.simulator.secrets().iter().eq(expected.into_iter().collect::<BTreeSet<_>>()));
}
