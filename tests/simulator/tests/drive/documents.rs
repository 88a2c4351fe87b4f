//! What the create endpoint makes of documents, and what it refuses.

use std::time::Duration;

use export_simulator::{Document, Fault, Job, Node, Outcome, Scenario, Trouble};
use serde_json::{Value, json};

use crate::client::{Bench, CREATE, DOCUMENT, pdf, query_path};

fn order(token: &str, doc_type: &str, extension: &str, sub_id: &str) -> Value {
    json!({"file_extension": extension, "token": token, "type": doc_type, "sub_id": sub_id})
}

/// Promise: the refusals of the create page, in the order type and format, document.
#[test]
fn the_checks_of_the_create_page() {
    let bench = Bench::new(Scenario::default());
    let sheet = Document { doc_type: Some("sheet".to_owned()), ..Document::new("sheet") };
    let hybrid = Outcome::Refused { status: 200, code: 600 };
    for document in [
        Document::new("known"),
        Document::new("deleted").access(Outcome::Deleted),
        Document::new("closed").access(Outcome::Permission),
        Document::new("hybrid").access(hybrid),
        sheet,
    ] {
        bench.simulator.add_document(document);
    }
    bench.simulator.add_node(Node::new("node"));
    let unscripted = |unknown| bench.simulator.switch(|all| all.answers.unknown_document = unknown);
    let rows = [
        (order("known", "docx", "pdf", ""), (200, 0)),
        (order("any", "bitable", "xlsx", ""), (200, 0)),
        (order("any", "slides", "pptx", ""), (200, 0)),
        (order("sheet", "sheet", "csv", "0b"), (200, 0)),
        (order("sheet", "sheet", "csv", ""), (400, 1_069_904)),
        (order("sheet", "docx", "pdf", ""), (404, 1_069_914)),
        (order("known", "docx", "xlsx", ""), (400, 1_069_918)),
        (order("deleted", "docx", "pptx", ""), (400, 1_069_918)),
        (order("deleted", "docx", "pdf", ""), (404, 1_069_906)),
        (order("closed", "docx", "pdf", ""), (403, 1_069_902)),
        (order("hybrid", "docx", "pdf", ""), (200, 600)),
        (order("node", "docx", "pdf", ""), (404, 1_069_914)),
        (order("", "docx", "pdf", ""), (400, 1_069_904)),
    ];
    for (order, expected) in rows {
        assert_eq!(bench.create(&order).status_and_code(), expected, "{order}");
    }
    unscripted(Outcome::NotFound);
    assert_eq!(bench.create(&pdf("any")).status_and_code(), (404, 1_069_914));
    assert_eq!(bench.create(&pdf("known")).status_and_code(), (200, 0));
    assert_eq!(bench.simulator.made().len(), 4, "a refused order makes nothing");
}

/// Promise: each export of a document has the script's jobs one after the other, the last one again and again.
#[test]
fn generations_follow_the_script() {
    let text = r#"
        [export]
        life = "forever"
        [[document]]
        token = "docbcZVGtv1papC6jAVGiyabcef"
        title = "report"
        [[document.job]]
        life = { fails = { after = 0, job_status = 122 } }
        [[document.job]]
        ticket = "77"
        life = { succeeds = { after = 0 } }
        file_size = 5000"#;
    let bench = Bench::new(Scenario::from_toml(text).unwrap());
    let result = |ticket: &str| bench.get(&query_path(ticket)).result();
    let tickets = [(); 3].map(|()| bench.ticket_of(DOCUMENT));
    assert_eq!(result(&tickets[0])["job_status"], 122);
    for ticket in &tickets[1..] {
        let done = result(ticket);
        let seen = [&done["job_status"], &done["file_size"], &done["file_name"], &done["file_extension"]];
        assert_eq!(seen, [&json!(0), &json!(5000), &json!("report"), &json!("pdf")]);
    }
    assert_eq!((&*tickets[1], tickets[2].len()), ("77", 19), "a ticket of the script is used once");
    let unscripted = bench.ticket_of("another");
    assert_eq!(bench.get(&format!("{CREATE}/{unscripted}?token=another")).result()["job_status"], 1);
    assert_eq!(bench.simulator.tickets_of(DOCUMENT), tickets);
}

/// Promise: thousands of documents need no script, and a seed gives them the same tickets in any order.
#[test]
fn tickets_do_not_depend_on_the_order_of_arrival() {
    let made = |documents: [&str; 2]| {
        let bench = Bench::new(Scenario::default());
        documents.map(|document| bench.ticket_of(document))
    };
    let ([one, two], [other_two, other_one]) = (made(["one", "two"]), made(["two", "one"]));
    assert_eq!((&one, &two), (&other_one, &other_two));
    assert!(one != two && one.len() == 19 && two.len() == 19);
}

/// Promise: what can happen to a query can happen to the create of one document, and spares the others.
#[test]
fn one_document_may_have_faults() {
    let throttled = Fault::answer(429, 99_991_400, "");
    let rows = [
        (Fault::Html { status: 502 }, 502, None),
        (Fault::Empty { status: 500 }, 500, None),
        (Fault::Raw { status: 200, content_type: "text/html".to_owned(), body: "{}".to_owned() }, 200, None),
        (throttled, 429, Some(99_991_400)),
        (Fault::Trouble(Trouble::TokensRefused), 400, Some(99_991_663)),
        (Fault::Trouble(Trouble::scope_missing()), 400, Some(99_991_672)),
        (Fault::Trouble(Trouble::QuotaExhausted), 429, Some(99_991_403)),
    ];
    for (fault, status, code) in rows {
        let bench = Bench::new(Scenario::default());
        bench.simulator.fault(export_simulator::Target::document("struck"), 1, fault.clone());
        assert_eq!(bench.create(&pdf("other")).status_and_code(), (200, 0));
        let reply = bench.create(&pdf("struck"));
        assert_eq!((reply.status, code.map(|_| reply.code())), (status, code), "{fault:?}");
        assert!(bench.simulator.tickets_of("struck").is_empty(), "{fault:?} strikes before the job is made");
        assert_eq!(bench.create(&pdf("struck")).status_and_code(), (200, 0));
        assert_eq!(bench.simulator.tickets_of("struck").len(), 1);
    }
}

/// Promise: a job's file is the document's, from the order to the last byte.
#[test]
fn the_file_of_a_made_job_is_known() {
    let export = Job { file_size: 1_000, ..Job::default() }.succeeds_after(Duration::ZERO);
    let bench = Bench::new(Scenario { export, ..Scenario::default() });
    let ticket = bench.ticket_of(DOCUMENT);
    let result = bench.get(&query_path(&ticket)).result();
    let file_token = result["file_token"].as_str().unwrap();
    let body = bench.get(&format!("{CREATE}/file/{file_token}/download")).body;
    assert!(body.starts_with(b"%PDF-") && body.len() == 1_000);
    assert!(body == bench.simulator.file_of(&ticket).pieces().flatten().collect::<Vec<u8>>());
    let documents: Vec<_> = bench.simulator.requests().into_iter().map(|request| request.document).collect();
    assert!(documents.iter().all(|document| document.as_deref() == Some(DOCUMENT)), "{documents:?}");
}
