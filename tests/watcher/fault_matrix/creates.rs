//! The same for creates and wiki nodes: every fault in every phase. Each cell has an app of its own, so that one process
//! plays all cells of a table at once. A second process takes up what waits for minutes.

use std::time::{Duration, Instant};

use export_simulator::{App, Endpoint, Fault, HoldId, Journal, Node, Simulator, Target};
use rustix::process::Signal;
use serde_json::Value;

use super::cell::{PHASES, Phase, Said, THROTTLED_FOR, is_pause, lines_of};
use super::create_table::{LOST_WAIT, Outcome, Row, rows};
use super::downloads::assert_left_alone;
use super::table::throttled;
use super::{by_app, snake_case};
use crate::canaries::{APP_SECRET, traced};
use crate::exports::{document, done_at_once, made_of, pass_waits};
use crate::harness::{Bench, PATIENCE, Running};

/// Promises 2 and 3, cell by cell: each answer to a create, or about a wiki node, means what its row says, no throttle in
/// force is cut short by it, every pause is announced once, and in the end every document has its fate, by at most one job
/// more than answers were lost.
#[test]
fn every_answer_to_a_create_means_what_the_table_says() {
    play_both(&rows().into_iter().filter(|row| !row.takes_time()).collect::<Vec<_>>(), "5m");
}

/// The same where the watcher's time limits matter.
#[test]
fn every_silence_of_a_create_means_what_the_table_says() {
    play_both(&rows().into_iter().filter(Row::takes_time).collect::<Vec<_>>(), "2s");
}

/// The faults that have a row here, as serde spells them.
pub(super) fn faults() -> impl Iterator<Item = String> {
    rows().into_iter().map(|row| snake_case(&format!("{:?}", row.fault)))
}

/// A cell: an app of its own.
#[derive(Debug)]
struct Cell {
    number: usize,
    row: Row,
    endpoint: Endpoint,
    phase: Phase,
    expected: Outcome,
    /// Keep the two requests of a cell that is struck during a throttle.
    held: Option<[HoldId; 2]>,
}

impl Cell {
    fn app(&self) -> String {
        format!("c{}", self.number)
    }

    fn app_id(&self) -> String {
        format!("cli_{}", self.number)
    }

    /// The document that meets the fault.
    fn subject(&self) -> String {
        format!("doxcn{}", self.number)
    }

    /// The one whose request begins the throttle.
    fn other(&self) -> String {
        format!("doxcn{}Other", self.number)
    }

    fn documents(&self) -> Vec<String> {
        let both = [self.subject(), self.other()];
        both.into_iter().take(if self.phase == Phase::During { 2 } else { 1 }).collect()
    }

    fn is_node(&self) -> bool {
        self.endpoint == Endpoint::Node
    }

    fn endpoint_name(&self) -> &'static str {
        if self.is_node() { "node" } else { "create" }
    }

    /// The requests that one of its documents leads to.
    fn target(&self, token: &str) -> Target {
        if self.is_node() { Target::node(node_of(token)) } else { Target::document(token) }
    }

    fn name(&self) -> String {
        format!("{:?}, {} {:?}, app {}", self.row.fault, self.endpoint_name(), self.phase, self.app())
    }

    fn entries(&self) -> String {
        let entry = |token: &String| {
            let named = if self.is_node() {
                document("wiki", &node_of(token), "pdf")
            } else {
                document("docx", token, "pdf")
            };
            format!("{named}app = \"{}\"\n", self.app())
        };
        self.documents().iter().map(entry).collect()
    }

    fn set_up(&mut self, sim: &Simulator) {
        sim.add_app(App::new(self.app_id(), APP_SECRET));
        for token in self.documents().iter().filter(|_| self.is_node()) {
            sim.add_node(Node::new(node_of(token)).leads_to("docx", token));
        }
        let subject = self.target(&self.subject());
        let from = if self.phase == Phase::After { 2 } else { 1 };
        sim.fault(subject.clone(), from..=from + self.row.times - 1, self.row.fault.clone());
        match self.phase {
            Phase::First => {}
            Phase::After => drop(sim.fault(subject, 1, throttled(429, 99_991_400, "", 1))),
            Phase::During => {
                let other = self.target(&self.other());
                sim.fault(other.clone(), 1, throttled(429, 99_991_400, "", THROTTLED_FOR.as_secs()));
                self.held = Some([sim.hold(subject, 1), sim.hold(other, 1)]);
            }
        }
    }

    /// Lets the throttle begin, and then the fault strike. Blocks until the watcher has come so far.
    fn strike(&self, sim: &Simulator, log: &mut Log<'_>) {
        if let Some([subject, other]) = self.held {
            let on_their_way = [subject, other].map(|hold| sim.wait_until_held(hold, 1, PATIENCE));
            assert_eq!(on_their_way, [true; 2], "{}", self.name());
            sim.release(other);
            log.wait_paused(self, "rate_limited");
            sim.release(subject);
        }
    }

    /// The pauses that the app must have announced, one after the other.
    fn pauses(&self) -> Vec<&'static str> {
        let throttle = (self.phase != Phase::First).then_some("rate_limited");
        let own = match self.expected {
            Outcome::AppFault(reason) => Some(reason),
            Outcome::RejectedTwice => Some("credentials_rejected"),
            // What is throttled already is not throttled anew.
            Outcome::Throttled | Outcome::LostThrottled if self.phase != Phase::During => {
                Some("rate_limited")
            }
            _ => None,
        };
        throttle.into_iter().chain(own).collect()
    }

    /// What the log must say of the document: events, why, and whether it waits as a lost answer has it.
    fn story(&self) -> Vec<(&'static str, &'static str, bool)> {
        let done = ("ticket.completed", "", false);
        match self.expected {
            Outcome::Again(kind) => vec![("document.retry", kind, false), done],
            Outcome::Lost(kind) => vec![("document.retry", kind, true)],
            Outcome::LostThrottled => vec![("document.retry", "throttled", true)],
            Outcome::Failed(kind) => vec![("document.failed", kind, false)],
            _ => vec![done],
        }
    }

    /// Whether nothing more is to come of it in this process: each document is decided or waits for a minute, and no
    /// pause is in force.
    fn is_over(&self, lines: &[Value]) -> bool {
        let ends = lines.iter().filter(|line| {
            ["ticket.completed", "document.failed"].map(Value::from).contains(&line["event"]) || is_lost(line)
        });
        let of_pauses = |line: &&Value| line["event"] == "app.paused" || line["event"] == "app.resumed";
        let last = lines.iter().rfind(of_pauses);
        ends.count() >= self.documents().len() && last.is_none_or(|line| line["event"] == "app.resumed")
    }
}

/// The wiki node that leads to a document.
fn node_of(token: &str) -> String {
    token.replace("doxcn", "wikcn")
}

/// The answer to a create was lost.
fn is_lost(line: &Value) -> bool {
    let wait = line["next_try_ms"].as_u64().map(Duration::from_millis);
    line["event"] == "document.retry" && wait.is_some_and(|wait| wait >= LOST_WAIT)
}

fn play_both(rows: &[Row], limit: &str) {
    std::thread::scope(|scope| {
        for endpoint in [Endpoint::Create, Endpoint::Node] {
            scope.spawn(move || play(rows, endpoint, limit));
        }
    });
}

fn cells(rows: &[Row], endpoint: Endpoint) -> Vec<Cell> {
    let all = rows.iter().flat_map(|row| PHASES.map(|phase| (row.clone(), phase)));
    // The other request proves the new token before it is refused.
    let is_certain =
        |(row, phase): &(Row, Phase)| *phase != Phase::During || row.create != Outcome::RejectedTwice;
    let cell = |(number, (row, phase)): (usize, (Row, Phase))| {
        let expected = if endpoint == Endpoint::Create { row.create } else { row.node };
        Cell { number, row, endpoint, phase, expected, held: None }
    };
    all.filter(is_certain).enumerate().map(cell).collect()
}

fn bench_for(cells: &mut [Cell], limit: &str) -> Bench {
    let bench = Bench::with(done_at_once());
    let (mut sections, mut list) = (String::new(), String::new());
    for cell in cells {
        cell.set_up(&bench.sim);
        let credentials = "app_secret = { file = \"app_secret\" }";
        sections += &bench.app_section(&cell.app(), &cell.app_id(), credentials);
        list += &cell.entries();
    }
    bench.write_config(&sections);
    bench.reconfigure("request_timeout = \"2s\"", &format!("request_timeout = \"{limit}\""));
    bench.write("watchlist.toml", &list);
    bench
}

/// Plays these rows: in one process until nothing happens for a minute, then in another to the end.
fn play(rows: &[Row], endpoint: Endpoint, limit: &str) {
    let mut cells = cells(rows, endpoint);
    let bench = bench_for(&mut cells, limit);
    let run = bench.start(&["--log-level", if traced() { "trace" } else { "debug" }]);
    let mut log = Log::new(&run);
    cells.iter().for_each(|cell| cell.strike(&bench.sim, &mut log));
    // A used-up quota is tried hourly, or now. Throttles are in force then, and must not be cut short by this.
    let quotas: Vec<_> = cells.iter().filter(|cell| cell.pauses().contains(&"quota_exhausted")).collect();
    quotas.iter().for_each(|cell| log.wait_paused(cell, "quota_exhausted"));
    run.signal(Signal::HUP);
    cells.iter().for_each(|cell| log.wait(cell, |lines| cell.is_over(lines)));
    let ended = run.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let said = by_app(ended.lines);
    bench.sim.journal(|journal| cells.iter().for_each(|cell| judge_log(cell, &said, journal)));

    pass_waits(&bench);
    let code = if cells.iter().any(|cell| matches!(cell.expected, Outcome::Failed(_))) { 10 } else { 0 };
    let ended = bench.run();
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    let rows = bench.tickets();
    println!("{} cells, {} documents, {} requests", cells.len(), rows.len(), bench.sim.requests().len());
    cells.iter().for_each(|cell| judge_fate(cell, &rows, &bench));
}

/// The log so far, by app.
struct Log<'r> {
    run: &'r Running,
    said: Said,
    seen: usize,
}

impl<'r> Log<'r> {
    fn new(run: &'r Running) -> Self {
        Self { run, said: Said::new(), seen: 0 }
    }

    /// Waits until the lines of a cell's app satisfy a condition.
    fn wait(&mut self, cell: &Cell, condition: impl Fn(&[Value]) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !condition(lines_of(&self.said, &cell.app())) {
            let lines = lines_of(&self.said, &cell.app());
            assert!(Instant::now() < until, "{} waits in vain: {lines:#?}", cell.name());
            std::thread::sleep(Duration::from_millis(5));
            let fresh = self.run.log_since(self.seen);
            self.seen += fresh.len();
            for (app, lines) in by_app(fresh) {
                self.said.entry(app).or_default().extend(lines);
            }
        }
    }

    fn wait_paused(&mut self, cell: &Cell, reason: &str) {
        self.wait(cell, |lines| lines.iter().any(|line| is_pause(line, cell.endpoint_name(), reason)));
    }
}

/// What the log says of the document and the app, in this order.
fn judge_log(cell: &Cell, said: &Said, journal: &Journal) {
    let lines = lines_of(said, &cell.app());
    let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    let token = if cell.is_node() { node_of(&cell.subject()) } else { cell.subject() };
    let of_document = |line: &&Value| line["document"] == token || line["token"] == token;
    let events = ["document.retry", "document.failed", "ticket.completed"];
    // Trouble of the app shows in its pauses.
    let is_of_app =
        |line: &Value| !is_lost(line) && line["event"] == "document.retry" && line["next_try_ms"].is_null();
    let story: Vec<_> = lines
        .iter()
        .filter(of_document)
        .filter(|line| events.contains(&text(line, "event").as_str()) && !is_of_app(line))
        .map(|line| (text(line, "event"), text(line, "error.kind"), is_lost(line)))
        .collect();
    let story: Vec<_> =
        story.iter().map(|(event, kind, lost)| (event.as_str(), kind.as_str(), *lost)).collect();
    assert_eq!(story, cell.story(), "{}\n{lines:#?}", cell.name());
    let pauses: Vec<_> = lines.iter().filter(|line| line["event"] == "app.paused").collect();
    let endpoint = cell.endpoint_name();
    assert!(pauses.iter().all(|line| line["endpoint"] == endpoint), "{}\n{lines:#?}", cell.name());
    let reasons: Vec<_> = pauses.iter().map(|line| text(line, "reason")).collect();
    assert_eq!(reasons, cell.pauses(), "{}\n{lines:#?}", cell.name());
    let rejected = lines.iter().any(|line| line["event"] == "token.rejected");
    let expected = matches!(cell.expected, Outcome::TokenRejected | Outcome::RejectedTwice);
    assert_eq!(rejected, expected, "{}\n{lines:#?}", cell.name());
    if cell.phase == Phase::During {
        assert_left_alone(&cell.name(), &cell.app_id(), cell.endpoint, journal);
    }
}

/// What became of its documents in the end, and by how many jobs.
fn judge_fate(cell: &Cell, rows: &[Value], bench: &Bench) {
    for token in cell.documents() {
        let listed = if cell.is_node() { node_of(&token) } else { token.clone() };
        let row = rows.iter().find(|row| row["document"]["token"] == listed).unwrap();
        let made = made_of(bench, &token);
        let (state, kind, jobs) = match cell.expected {
            Outcome::Failed(kind) if token == cell.subject() => ("failed", Some(kind), 0),
            _ => ("completed", None, 1),
        };
        assert_eq!((row["state"].as_str(), row["error"]["kind"].as_str()), (Some(state), kind), "{row:#}");
        let most = jobs + made.lost;
        assert!((jobs..=most).contains(&made.tickets.len()), "{}: {made:?}", cell.name());
        let makes_one =
            matches!(cell.row.fault, Fault::Lost(_)) && !cell.is_node() && token == cell.subject();
        assert!(!makes_one || made.tickets.len() == 2, "{}: {made:?}", cell.name());
    }
}
