//! Documents in watch lists, what the simulator made of them, and a way past waits of minutes.

use std::fmt::Write as _;

use export_simulator::{Life, Made, Order, Scenario};
use rusqlite::Connection;
use serde_json::Value;

use crate::harness::Bench;
use crate::saved::DOWNLOAD;

/// A scenario whose jobs are done from the beginning.
pub(crate) fn done_at_once() -> Scenario {
    Scenario { life: Life::Succeeds { after: std::time::Duration::ZERO }, ..Scenario::default() }
}

/// A bench whose files go to `exports`; `list` is the watch list.
pub(crate) fn bench_with_documents(scenario: Scenario, list: &str) -> Bench {
    let bench = Bench::with(scenario);
    bench.configure(DOWNLOAD);
    bench.write("watchlist.toml", list);
    bench
}

/// An entry that names its document by token and type.
pub(crate) fn document(doc_type: &str, token: &str, format: &str) -> String {
    format!("[[document]]\ntoken = \"{token}\"\ntype = \"{doc_type}\"\nformat = \"{format}\"\n")
}

/// An entry that names its document by a link.
pub(crate) fn linked(path: &str, format: &str) -> String {
    format!("[[document]]\nurl = \"https://acme.feishu.cn/{path}\"\nformat = \"{format}\"\n")
}

/// Entries of docx documents, exported as pdf.
pub(crate) fn pdfs<'a>(tokens: impl IntoIterator<Item = &'a str>) -> String {
    tokens.into_iter().fold(String::new(), |mut list, token| {
        write!(list, "{}", document("docx", token, "pdf")).unwrap();
        list
    })
}

/// The jobs that the simulator made of a docx document as pdf.
pub(crate) fn made_of(bench: &Bench, token: &str) -> Made {
    let order = Order::new(token, "docx", "pdf");
    let mut made = bench.sim.made().into_iter().filter(|((_, it), _)| *it == order);
    made.next().map(|(_, made)| made).unwrap_or_default()
}

/// The row of the only entry with that document token, or wiki node.
pub(crate) fn row_of(bench: &Bench, token: &str) -> Value {
    let mut rows = bench.tickets();
    rows.retain(|row| row["document"]["token"] == token);
    assert_eq!(rows.len(), 1, "{token}: {rows:#?}");
    rows.remove(0)
}

/// As though the moments had come for which pending entries wait: those of the state file that no process has open.
/// Answers that were lost are known to be lost.
pub(crate) fn pass_waits(bench: &Bench) {
    let connection = Connection::open(bench.path("state.db")).unwrap();
    connection.execute("UPDATE tickets SET next_poll_at = 0 WHERE state = 'pending'", ()).unwrap();
    connection.close().unwrap();
}
