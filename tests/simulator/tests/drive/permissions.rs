//! May the caller export a document?

use std::time::Duration;

use export_simulator::{App, Document, Endpoint, Fault, Node, Outcome, RateLimit, Scenario, Target};

use crate::client::Bench;

fn path(token: &str, query: &str) -> String {
    format!("/open-apis/drive/v1/permissions/{token}/members/auth?{query}")
}

/// Promise: the script decides; what is no such question, or no such document, is 1063001.
#[test]
fn the_answer_follows_the_script() {
    let bench = Bench::new(Scenario::default());
    let typed = Document { doc_type: Some("sheet".to_owned()), ..Document::new("typed") };
    bench.simulator.add_document(typed);
    bench.simulator.add_document(Document::new("closed").access(Outcome::Permission));
    bench.simulator.add_document(Document { may_export: Some(false), ..Document::new("forbidden") });
    bench.simulator.add_document(Document::new("deleted").access(Outcome::Deleted));
    bench.simulator.add_node(Node::new("node").leads_to("docx", "forbidden"));
    bench.simulator.add_node(Node { may_export: Some(true), ..Node::new("open").leads_to("docx", "closed") });
    bench.simulator.add_node(Node::new("shut").access(Outcome::Permission));
    bench.simulator.add_node(Node::new("gone").access(Outcome::NotFound));
    let rows = [
        ("any", "type=docx&action=export", Some(true)),
        ("typed", "type=sheet&action=export", Some(true)),
        ("typed", "type=docx&action=export", None),
        ("closed", "type=docx&action=export", Some(false)),
        ("forbidden", "type=docx&action=export", Some(false)),
        ("forbidden", "type=docx&action=view", Some(true)),
        ("deleted", "type=docx&action=export", None),
        ("node", "type=wiki&action=export", Some(false)),
        ("open", "type=wiki&action=export", Some(true)),
        ("shut", "type=wiki&action=export", Some(false)),
        ("gone", "type=wiki&action=export", None),
        ("any", "type=wiki&action=export", Some(true)),
        ("any", "type=folder&action=export", None),
        ("any", "type=docx&action=steal", None),
        ("any", "action=export", None),
        ("any", "type=docx", None),
    ];
    for (token, query, expected) in rows {
        let reply = bench.get(&path(token, query));
        assert_eq!(reply.json()["data"]["auth_result"].as_bool(), expected, "{token} {query}");
        let status_and_code = if expected.is_some() { (200, 0) } else { (400, 1_063_001) };
        assert_eq!(reply.status_and_code(), status_and_code, "{token} {query}");
    }
}

/// Promise: checks have a window of their own, and the faults of queries, by document.
#[test]
fn checks_have_their_own_window_and_faults() {
    let limit = RateLimit::new(2, Duration::from_secs(60));
    let bench = Bench::new(Scenario::with_apps([App::default().rate_limit(limit)]));
    let target = Target::endpoint(Endpoint::Permission).of_document("doc");
    bench.simulator.fault(target, 1, Fault::Empty { status: 500 });
    let statuses = [(); 3].map(|()| bench.get(&path("doc", "type=docx&action=export")).status);
    assert_eq!(statuses, [500, 200, 429]);
    assert_eq!(bench.query().status, 400);
}
