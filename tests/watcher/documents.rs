//! Documents in the watch list: each ends as a right file, in the order of the list, by as few jobs as its generations
//! allow. What a single answer to a create means is the matter of `fault_matrix/`.

use std::time::Duration;

use export_simulator::{Document, Endpoint, Fault, Job, Life, Node, Outcome, Scenario, Target};
use feishu_export_watcher::domain::WallTime;
use rustix::process::Signal;
use serde_json::Value;

use crate::exports::{bench_with_documents, done_at_once, linked, made_of, pass_waits, pdfs, row_of};
use crate::harness::{Bench, Ended, PATIENCE};
use crate::outputs::stderr;
use crate::saved::{assert_row_saved, files_below};

/// Entries, each with the document, type and format that its create must name.
const EVERY_KIND: [(&str, [&str; 4]); 16] = [
    ("docs/doccnA", ["doc", "doccnA", "docx", ""]),
    ("docs/doccnA", ["doc", "doccnA", "pdf", ""]),
    ("docx/doxcnA", ["docx", "doxcnA", "docx", ""]),
    ("docx/doxcnA?from=wiki#heading", ["docx", "doxcnA", "pdf", ""]),
    ("sheets/shtcnA", ["sheet", "shtcnA", "xlsx", ""]),
    ("sheets/shtcnA?sheet=0b1e2f", ["sheet", "shtcnA", "csv", "0b1e2f"]),
    ("base/bascnA", ["bitable", "bascnA", "xlsx", ""]),
    ("base/bascnA?table=tblA&view=vewA", ["bitable", "bascnA", "csv", "tblA"]),
    ("base/bascnA", ["bitable", "bascnA", "base", ""]),
    ("slides/sldcnA", ["slides", "sldcnA", "pptx", ""]),
    ("slides/sldcnA", ["slides", "sldcnA", "pdf", ""]),
    ("wiki/wikcnDocx", ["docx", "doxcnB", "docx", ""]),
    ("wiki/wikcnSheet", ["sheet", "shtcnB", "xlsx", ""]),
    ("wiki/wikcnSheet?sheet=0b1e2f", ["sheet", "shtcnB", "csv", "0b1e2f"]),
    ("wiki/wikcnBase?table=tblB", ["bitable", "bascnB", "csv", "tblB"]),
    ("wiki/wikcnSlides", ["slides", "sldcnB", "pptx", ""]),
];

/// Promise 5: a document of every kind in every format, also behind a wiki node and beside a ticket, ends as a file with
/// the right content; exports are created in the order of the list, each once.
#[test]
fn every_kind_in_every_format_ends_as_a_file() {
    let nodes = [("Docx", "docx"), ("Sheet", "sheet"), ("Base", "bitable"), ("Slides", "slides")];
    let objects = ["doxcnB", "shtcnB", "bascnB", "sldcnB"];
    let nodes = nodes.iter().zip(objects);
    let nodes = nodes.map(|((name, kind), token)| Node::new(format!("wikcn{name}")).leads_to(*kind, token));
    let scenario = Scenario { nodes: nodes.collect(), ..done_at_once() };
    let entries = EVERY_KIND.map(|(path, [_, _, format, _])| linked(path, format)).concat();
    let ticket = "[[ticket]]\nticket = \"70\"\ntoken = \"doc70\"\n";
    let bench = bench_with_documents(scenario, &format!("{entries}{ticket}"));
    bench.sim.add_job(Job::new("70", "doc70").succeeds_after(Duration::ZERO));
    // One request at a time, so that none overtakes another.
    let limit = "rate_limit = { requests = 1, per = \"10ms\" }\n";
    bench.write("watcher.toml", &(bench.read("watcher.toml") + limit));
    run_to(&bench, 0);

    let rows = bench.tickets();
    assert_eq!(rows.len(), EVERY_KIND.len() + 1);
    rows.iter().for_each(|row| assert_row_saved(&bench, row));
    assert_eq!(files_below(&bench.path("exports")).len(), rows.len(), "and nothing else");
    let orders = bench.sim.journal(|journal| {
        let orders = journal.of(Endpoint::Create).filter_map(|create| create.order.clone());
        orders
            .map(|it| [it.doc_type.clone(), it.token.clone(), it.file_extension.clone(), it.sub_id.clone()])
            .collect::<Vec<_>>()
    });
    assert_eq!(orders, EVERY_KIND.map(|(_, order)| order.map(str::to_owned)), "in the order of the list");
    let sent = bench.sim.requests().len();
    run_to(&bench, 0);
    assert_eq!(bench.sim.requests().len(), sent, "what is saved is not exported again");
}

/// Runs the batch, which must end so.
fn run_to(bench: &Bench, code: i32) -> Ended {
    let ended = bench.run();
    assert_eq!(ended.code, Some(code), "{}\n{}", ended.stderr, ended.stdout);
    ended
}

/// Design section 4: entries that lead to one object in one format share one job and one file, each with a row of its own;
/// the export ends with the last of them.
#[test]
fn entries_of_one_object_share_one_export() {
    let wiki = linked("wiki/wikcnA", "pdf");
    let bench = bench_with_documents(done_at_once(), &format!("{}{wiki}", pdfs(["doxcnA"])));
    bench.sim.add_node(Node::new("wikcnA").leads_to("docx", "doxcnA"));
    bench.sim.add_document(Document::new("doxcnA").job(Job::default().life(Life::Forever)));
    let run = bench.start(&["--until-done"]);
    run.wait_event("document.created", 1);
    let shared = |rows: &[Value]| rows.len() == 2 && rows.iter().all(|row| row["ticket"].is_string());
    let rows = bench.wait_tickets("two rows with a ticket", shared);
    assert_eq!(rows[0]["ticket"], rows[1]["ticket"], "{rows:#?}");

    bench.write("watchlist.toml", &wiki);
    run.signal(Signal::HUP);
    run.wait_event("watchlist.loaded", 2);
    bench.sim.finish_job(rows[0]["ticket"].as_str().unwrap());
    assert_eq!(run.wait().code, Some(0));
    assert_row_saved(&bench, &row_of(&bench, "wikcnA"));
    bench.write("watchlist.toml", &format!("{}{wiki}", pdfs(["doxcnA"])));
    run_to(&bench, 0);
    let rows = bench.tickets();
    rows.iter().for_each(|row| assert_row_saved(&bench, row));
    assert_eq!(rows[0]["file"], rows[1]["file"], "{rows:#?}");
    assert_eq!(made_of(&bench, "doxcnA").tickets.len(), 1);
}

/// A document, or wiki node, that is not exported: its entry, and the kind of its failure.
fn hopeless() -> [(&'static str, String, &'static str); 8] {
    let pdf = |token: &'static str, kind| (token, pdfs([token]), kind);
    let wiki = |token: &'static str, kind| (token, linked(&format!("wiki/{token}"), "pdf"), kind);
    [
        pdf("doxcnShut", "no_permission"),
        pdf("doxcnGone", "document_deleted"),
        pdf("doxcnNone", "document_not_found"),
        pdf("doxcnOdd", "invalid_param"),
        wiki("wikcnShut", "no_permission"),
        wiki("wikcnNone", "document_not_found"),
        wiki("wikcnSheet", "type_mismatch"),
        wiki("wikcnMind", "type_mismatch"),
    ]
}

/// Promise 5: a document that can't be exported ends the batch with 10, and log and `status` say why; it is asked for once,
/// and holds up no other.
#[test]
fn a_document_that_can_not_be_exported_is_named() {
    let shut = [
        ("doxcnShut", Outcome::Permission),
        ("doxcnGone", Outcome::Deleted),
        ("doxcnNone", Outcome::NotFound),
        ("doxcnOdd", Outcome::InvalidParam),
    ];
    let list = hopeless().map(|(_, entry, _)| entry).concat() + &pdfs(["doxcnFine"]);
    let bench = bench_with_documents(done_at_once(), &list);
    for (token, access) in shut {
        bench.sim.add_document(Document::new(token).access(access));
    }
    bench.sim.add_node(Node::new("wikcnShut").access(Outcome::Permission));
    bench.sim.add_node(Node::new("wikcnNone").access(Outcome::NotFound));
    bench.sim.add_node(Node::new("wikcnSheet").leads_to("sheet", "shtcnA"));
    bench.sim.add_node(Node::new("wikcnMind").leads_to("mindnote", "bmncnA"));
    let ended = run_to(&bench, 10);

    let failed = ended.events("document.failed");
    assert_eq!(failed.len(), hopeless().len(), "{}", ended.stdout);
    for (token, _, kind) in hopeless() {
        let row = row_of(&bench, token);
        assert_eq!((&row["state"], &row["error"]["kind"]), (&"failed".into(), &kind.into()), "{row:#}");
        assert_eq!((&row["ticket"], &row["generation"]), (&Value::Null, &0.into()), "{row:#}");
        let line = failed.iter().find(|line| line["document"].as_str().unwrap().ends_with(token)).unwrap();
        assert_eq!((&line["error.kind"], &line["ticket"]), (&kind.into(), &Value::Null), "{line}");
        assert!(line["error.hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{line}");
    }
    assert_row_saved(&bench, &row_of(&bench, "doxcnFine"));
    let sent = bench.sim.requests().len();
    run_to(&bench, 10);
    assert_eq!(bench.sim.requests().len(), sent, "the same is not asked again");
}

/// Exports that are made again: what befalls their jobs, how many are made, and how they end.
fn repeated() -> Vec<(&'static str, Vec<Job>, usize, &'static str)> {
    let fails = |status| Job::default().fails_after(Duration::ZERO, status);
    let late = Job { age: Duration::from_secs(1200), ..Job::default() };
    vec![
        ("doxcn3", vec![fails(3), Job::default()], 2, "saved"),
        ("doxcn108", vec![fails(108), Job::default()], 2, "saved"),
        ("doxcn122", vec![fails(122), fails(122), fails(122), Job::default()], 4, "saved"),
        ("doxcnLate", vec![late, Job::default()], 2, "saved"),
        ("doxcnLost", vec![fails(3)], 4, "internal_error"),
        ("doxcn107", vec![fails(107), Job::default()], 1, "document_too_large"),
    ]
}

/// Promise 5: an export whose job failed by the server's trouble, or whose file was lost, is made again after 1, 5 and 20
/// minutes, and no more; meanwhile it is pending, and no verdict is announced.
#[test]
fn an_export_that_may_succeed_is_made_again_three_times() {
    let bench = bench_with_documents(done_at_once(), &pdfs(repeated().iter().map(|(token, ..)| *token)));
    for (token, jobs, ..) in repeated() {
        bench.sim.add_document(jobs.into_iter().fold(Document::new(token), Document::job));
    }
    let mut failed = 0;
    for (again, minutes) in [(5, 1), (2, 5), (2, 20)] {
        let run = bench.start(&["--until-done"]);
        run.wait_event("document.again", again);
        let pending = |rows: &[Value]| rows.iter().filter(|row| row["state"] == "pending").count() == again;
        bench.wait_tickets("what is made again is pending, all else decided", pending);
        let ended = run.stop();
        assert_eq!(ended.code, Some(11), "{}", ended.stderr);
        let said = ended.events("document.again");
        assert_eq!(said.len(), again, "{}", ended.stdout);
        let wait = 60_000 * minutes;
        assert!(said.iter().all(|line| line["next_try_ms"] == wait), "{said:#?}");
        failed += ended.events("ticket.failed").len();
        pass_waits(&bench);
    }
    let last = run_to(&bench, 10);
    for (token, _, generations, end) in repeated() {
        let (row, made) = (row_of(&bench, token), made_of(&bench, token));
        assert_eq!((made.tickets.len(), &row["generation"]), (generations, &generations.into()), "{row:#}");
        if end == "saved" {
            assert_row_saved(&bench, &row);
        } else {
            assert_eq!((&row["state"], &row["error"]["kind"]), (&"failed".into(), &end.into()), "{row:#}");
        }
    }
    assert_eq!(failed + last.events("ticket.failed").len(), 2, "107 at once, the other in the end");
}

/// `retry` by label, link and ticket makes a new generation of each export, and of no other.
#[test]
fn a_person_may_have_an_export_made_again() {
    let tokens = ["doxcnB", "doxcnC", "doxcnD", "doxcnA"];
    let list = tokens.map(|token| linked(&format!("docx/{token}"), "pdf")).concat();
    let bench = bench_with_documents(done_at_once(), &format!("{list}label = \"weekly report\"\n"));
    for token in tokens {
        let failing = Job::default().fails_after(Duration::ZERO, 110);
        bench.sim.add_document(Document::new(token).job(failing).job(Job::default()));
    }
    run_to(&bench, 10);
    let ticket = row_of(&bench, "doxcnC")["ticket"].as_str().unwrap().to_owned();
    let link = "https://acme.feishu.cn/docx/doxcnB?from=from_copylink";
    let asked = bench.output("retry", &["weekly report", link, &ticket]);
    assert_eq!(asked.status.code(), Some(0), "{}", stderr(&asked));
    run_to(&bench, 10);
    for (token, generations) in tokens.into_iter().zip([2, 2, 1, 2]) {
        let row = row_of(&bench, token);
        assert_eq!(
            (&row["generation"], made_of(&bench, token).tickets.len()),
            (&generations.into(), generations)
        );
        if generations == 2 {
            assert_row_saved(&bench, &row);
        }
    }
}

/// Design section 4: the answer to a create is kept whose entry left the list meanwhile, and serves the entry when it comes
/// back, before the answer or after it: one job, however often the list changes.
#[test]
fn the_answer_to_a_create_outlives_its_entry() {
    for comes_back_before in [true, false] {
        let list = pdfs(["doxcnA"]);
        let bench = bench_with_documents(done_at_once(), &list);
        let held = bench.sim.hold(Target::document("doxcnA"), 1);
        let run = bench.start(&[]);
        assert!(bench.sim.wait_until_held(held, 1, PATIENCE));
        let reload = |text: &str, times| {
            bench.write("watchlist.toml", text);
            run.signal(Signal::HUP);
            run.wait_event("watchlist.loaded", times);
        };
        reload("", 2);
        if comes_back_before {
            reload(&list, 3);
        }
        bench.sim.release(held);
        run.wait_event("document.created", 1);
        if !comes_back_before {
            assert_eq!(bench.sim.count(Endpoint::Query), 0, "no entry wants it");
            reload(&list, 3);
        }
        run.wait_event("file.saved", 1);
        assert_eq!(run.stop().code, Some(0));
        assert_row_saved(&bench, &row_of(&bench, "doxcnA"));
        assert_eq!(made_of(&bench, "doxcnA").tickets.len(), 1);
    }
}

/// Design section 4: an export whose create was not answered waits a minute, and no restart prolongs that, or cuts it short.
/// What was on its way when a process died counts as not answered.
#[test]
fn a_lost_answer_waits_through_restarts() {
    let bench = bench_with_documents(done_at_once(), &pdfs(["doxcnLost", "doxcnHeld"]));
    bench.sim.fault(Target::document("doxcnLost"), 1, Fault::lost(Fault::Reset));
    let held = bench.sim.hold(Target::document("doxcnHeld"), 1);
    let run = bench.start(&["--log-level", "debug"]);
    run.wait_event("document.retry", 1);
    assert!(bench.sim.wait_until_held(held, 1, PATIENCE));
    let planned = |token| row_of(&bench, token)["next_poll_at"].as_str().map(str::to_owned);
    bench.wait_tickets("the lost answer is noted", |_| planned("doxcnLost").is_some());
    run.kill();
    let (first, died) = (planned("doxcnLost"), WallTime::now());
    assert_eq!(planned("doxcnHeld"), None);
    for _ in 0..2 {
        let run = bench.start(&[]);
        run.wait_event("watcher.started", 1);
        assert_eq!(run.stop().code, Some(0));
        assert_eq!(planned("doxcnLost"), first);
    }
    let earliest = died + Duration::from_secs(60);
    assert!(planned("doxcnHeld").is_some_and(|at| at >= earliest.to_string()), "{:?}", planned("doxcnHeld"));
    bench.sim.release(held);
    pass_waits(&bench);
    run_to(&bench, 0);
    for (token, jobs) in [("doxcnLost", 2), ("doxcnHeld", 1)] {
        assert_row_saved(&bench, &row_of(&bench, token));
        assert_eq!(made_of(&bench, token).tickets.len(), jobs, "{token}");
    }
}
