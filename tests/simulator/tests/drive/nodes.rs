//! Wiki nodes.

use std::time::Duration;

use export_simulator::{App, Endpoint, Fault, Node, Outcome, RateLimit, Scenario, Target, Trouble};
use serde_json::{Value, json};

use crate::client::{APP, Bench, pdf};

fn path(token: &str) -> String {
    format!("/open-apis/wiki/v2/spaces/get_node?token={token}")
}

fn bench() -> Bench {
    let bench = Bench::new(Scenario::default());
    for node in [
        Node::new("sheet").leads_to("sheet", "shtcn"),
        Node::new("shortcut").shortcut_to("sheet"),
        Node::new("closed").access(Outcome::Permission),
        Node::new("gone").access(Outcome::NotFound),
        Node::new("odd").access(Outcome::Refused { status: 400, code: 131_007 }),
    ] {
        bench.simulator.add_node(node);
    }
    bench
}

/// Promise: a node leads to its object, a shortcut to its target's, and one without a script to a docx of its own.
#[test]
fn nodes_lead_to_objects() {
    let bench = bench();
    let node = |token: &str| bench.get(&path(token)).json()["data"]["node"].clone();
    let object = |node: &Value| [&node["obj_type"], &node["obj_token"], &node["node_type"]].map(Value::clone);
    assert_eq!(object(&node("sheet")), ["sheet", "shtcn", "origin"].map(|text| json!(text)));
    let shortcut = node("shortcut");
    assert_eq!(object(&shortcut), ["sheet", "shtcn", "shortcut"].map(|text| json!(text)));
    assert_eq!(
        (&shortcut["node_token"], &shortcut["origin_node_token"]),
        (&json!("shortcut"), &json!("sheet"))
    );
    let made_up = node("made-up");
    assert_eq!(made_up["obj_type"], "docx");
    assert_eq!(made_up["obj_token"].as_str().unwrap().len(), 27);
    assert_eq!(object(&node("made-up")), object(&made_up), "the same each time");
    assert_eq!(bench.create(&pdf("made-up")).code(), 1_069_914, "a node is no document");
    assert_eq!(bench.create(&pdf(made_up["obj_token"].as_str().unwrap())).code(), 0);
    let asked = bench.simulator.requests();
    assert_eq!((asked[0].endpoint, asked[0].document.as_deref()), (Endpoint::Node, Some("sheet")));
}

/// Promise: every documented error, with HTTP 400.
#[test]
fn every_error_of_the_page() {
    let bench = bench();
    let long = "w".repeat(1_000);
    for (token, code) in
        [("closed", 131_006), ("gone", 131_005), ("odd", 131_007), ("", 131_002), (long.as_str(), 131_002)]
    {
        assert_eq!(bench.get(&path(token)).status_and_code(), (400, code), "{code}");
    }
    assert_eq!(bench.get("/open-apis/wiki/v2/spaces/get_node").code(), 131_002);
    bench.simulator.switch(|switches| switches.answers.unknown_node = Outcome::NotFound);
    assert_eq!(bench.get(&path("made-up")).status_and_code(), (400, 131_005));
    for code in [131_001, 131_002, 131_004, 131_005, 131_006, 131_007] {
        bench.simulator.fault(Target::node("sheet"), 1, Fault::answer(400, code, ""));
        assert_eq!(bench.get(&path("sheet")).status_and_code(), (400, code));
    }
    assert_eq!(bench.get(&path("sheet")).code(), 0);
}

/// Promise: lookups have a window of their own, and the faults of queries, by node.
#[test]
fn lookups_have_their_own_window_and_faults() {
    let limit = RateLimit::new(4, Duration::from_secs(60));
    let bench = Bench::new(Scenario::with_apps([App::default().rate_limit(limit)]));
    bench.simulator.fault(Target::node("one"), 1, Fault::Reset);
    bench.simulator.fault(Target::node("one"), 2, Fault::Html { status: 502 });
    bench.simulator.fault(Target::node("one"), 3, Fault::Trouble(Trouble::scope_missing()));
    assert!(bench.try_get(&path("one")).is_err());
    assert_eq!(bench.get(&path("one")).status, 502);
    let refused = bench.get(&path("one")).json();
    assert_eq!(refused["error"]["permission_violations"][0]["scope"], "wiki:node:read");
    assert_eq!(bench.get(&path("two")).code(), 0);
    assert_eq!(bench.get(&path("two")).status_and_code(), (429, 99_991_400));
    assert_eq!(bench.create(&pdf("doc")).code(), 0, "the create has its own window");
    bench.simulator.set_rate_limit(APP, RateLimit::default());
    bench.simulator.revoke_tokens(APP);
    assert_eq!(bench.get(&path("two")).status_and_code(), (400, 99_991_663));
}
