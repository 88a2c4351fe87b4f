//! The same for downloads: every fault in every phase, with a size that is known and one that is not. Each cell has an
//! app of its own, so that one process plays all cells of a table at once.

use std::fs;
use std::path::Path;
use std::time::Duration;

use export_simulator::{App, Download, Endpoint, Fault, HoldId, Job, Journal, Scenario, Simulator};
use rustix::process::Signal;
use serde_json::Value;

use super::cell::{PHASES, Phase, Said, THROTTLED_FOR, is_pause, lines_of};
use super::download_table::{Outcome, Row, rows};
use super::table::throttled;
use super::{by_app, snake_case};
use crate::canaries::{APP_SECRET, traced};
use crate::harness::{Bench, PATIENCE};
use crate::saved::{DOWNLOAD, assert_row_saved, download_of, files_below};

/// Bytes of every file.
const SIZE: i64 = 1000;

/// Promises 2, 3 and 5, cell by cell: each answer to a download means what its row says, no throttle in force is cut
/// short by it, every pause is announced once, and in the end every file is whole or said to be lost.
#[test]
fn every_answer_to_a_download_means_what_the_table_says() {
    let chosen: Vec<_> = rows().into_iter().filter(|row| !row.takes_time()).collect();
    play_both(&chosen, "60s");
}

/// The same where the watcher's time limits matter.
#[test]
fn every_silence_of_a_download_means_what_the_table_says() {
    let chosen: Vec<_> = rows().into_iter().filter(Row::takes_time).collect();
    play_both(&chosen, "2s");
}

/// The faults that have a row here, as serde spells them.
pub(super) fn faults() -> impl Iterator<Item = String> {
    rows().into_iter().map(|row| snake_case(&format!("{:?}", row.fault)))
}

fn play_both(rows: &[Row], limit: &str) {
    std::thread::scope(|scope| {
        for is_size_known in [true, false] {
            scope.spawn(move || play(rows, is_size_known, limit));
        }
    });
}

/// A cell: an app of its own.
#[derive(Debug)]
struct Cell {
    number: usize,
    row: Row,
    phase: Phase,
    expected: Outcome,
    /// Keep the two downloads of a cell that is struck during a throttle.
    held: Option<[HoldId; 2]>,
}

impl Cell {
    fn app(&self) -> String {
        format!("c{}", self.number)
    }

    fn app_id(&self) -> String {
        format!("cli_{}", self.number)
    }

    fn ticket(&self) -> String {
        self.number.to_string()
    }

    /// The ticket whose download begins the throttle.
    fn other(&self) -> String {
        format!("{}-other", self.number)
    }

    fn tickets(&self) -> Vec<String> {
        let both = [self.ticket(), self.other()];
        both.into_iter().take(if self.phase == Phase::During { 2 } else { 1 }).collect()
    }

    fn name(&self) -> String {
        format!("{:?}, {:?}, app c{}", self.row, self.phase, self.number)
    }

    fn set_up(&mut self, sim: &Simulator, is_size_known: bool) {
        sim.add_app(App::new(self.app_id(), APP_SECRET));
        sim.add_jobs(self.tickets().into_iter().map(|ticket| Job {
            file_name: ticket.clone(),
            file_extension: self.row.extension.to_owned(),
            file_size: SIZE,
            omit_file_size: !is_size_known,
            ..Job::new(ticket, "doc").app(self.app_id()).succeeds_after(Duration::ZERO)
        }));
        let subject = download_of(&self.ticket());
        let from = if self.phase == Phase::After { 2 } else { 1 };
        sim.fault(subject.clone(), from..=from + self.row.times - 1, self.row.fault.clone());
        match self.phase {
            Phase::First => {}
            Phase::After => drop(sim.fault(subject, 1, throttled(429, 99_991_400, "", 1))),
            Phase::During => {
                let other = download_of(&self.other());
                let throttle = throttled(429, 99_991_400, "", THROTTLED_FOR.as_secs());
                sim.fault(other.clone(), 1, throttle);
                self.held = Some([sim.hold(subject, 1), sim.hold(other, 1)]);
            }
        }
    }

    /// Lets the throttle begin, and then the fault strike. Blocks until the watcher has come so far.
    fn strike(&self, sim: &Simulator, wait_paused: impl Fn(&str)) {
        if let Some([subject, other]) = self.held {
            let on_their_way = [subject, other].map(|hold| sim.wait_until_held(hold, 1, PATIENCE));
            assert_eq!(on_their_way, [true; 2], "{}", self.name());
            sim.release(other);
            wait_paused(&self.app());
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
            Outcome::Throttled if self.phase != Phase::During => Some("rate_limited"),
            _ => None,
        };
        throttle.into_iter().chain(own).collect()
    }

    /// What the log must say of the file: events, and why.
    fn story(&self) -> Vec<(&'static str, &'static str)> {
        let (retry, saved) = ("file.retry", ("file.saved", ""));
        match self.expected {
            Outcome::Again(kind) => vec![(retry, kind), saved],
            Outcome::SavedOdd => {
                vec![(retry, "wrong_content"), (retry, "wrong_content"), ("file.saved", "wrong_content")]
            }
            Outcome::Failed(kind) => vec![("file.failed", kind)],
            Outcome::FailedThird(kind) => vec![(retry, kind), (retry, kind), ("file.failed", kind)],
            Outcome::ExpiredTwice => vec![(retry, "expired"), ("file.expired", "expired")],
            _ => vec![saved],
        }
    }
}

fn cells(rows: &[Row], is_size_known: bool) -> Vec<Cell> {
    let all = rows.iter().flat_map(|row| PHASES.map(|phase| (row.clone(), phase)));
    // The other download proves the new token before it is refused.
    let is_certain =
        |(row, phase): &(Row, Phase)| *phase != Phase::During || row.known != Outcome::RejectedTwice;
    let all = all.filter(is_certain);
    let cell = |(number, (row, phase)): (usize, (Row, Phase))| {
        let expected = if is_size_known { row.known } else { row.unknown };
        Cell { number, row, phase, expected, held: None }
    };
    all.enumerate().map(cell).collect()
}

fn bench_for(cells: &mut [Cell], is_size_known: bool, limit: &str) -> Bench {
    let download = Download { content_length: is_size_known, ..Download::default() };
    let bench = Bench::with(Scenario { download, ..Scenario::default() });
    let mut sections = format!("{DOWNLOAD}idle_timeout = \"{limit}\"\n");
    let mut list = String::new();
    for cell in cells {
        cell.set_up(&bench.sim, is_size_known);
        let credentials = "app_secret = { file = \"app_secret\" }";
        sections += &bench.app_section(&cell.app(), &cell.app_id(), credentials);
        for ticket in cell.tickets() {
            list +=
                &format!("[[ticket]]\nticket = \"{ticket}\"\ntoken = \"doc\"\napp = \"{}\"\n", cell.app());
        }
    }
    bench.write_config(&sections);
    bench.reconfigure("request_timeout = \"2s\"", &format!("request_timeout = \"{limit}\""));
    bench.write("watchlist.toml", &list);
    bench
}

/// Plays these rows in one process.
fn play(rows: &[Row], is_size_known: bool, limit: &str) {
    let mut cells = cells(rows, is_size_known);
    let bench = bench_for(&mut cells, is_size_known, limit);
    let level = if traced() { "trace" } else { "debug" };
    let run = bench.start(&["--until-done", "--log-level", level]);
    let paused = |app: &str, reason: &str| {
        run.wait_log(app, |lines| {
            lines.iter().any(|line| line["app"] == app && is_pause(line, "download", reason))
        });
    };
    cells.iter().for_each(|cell| cell.strike(&bench.sim, |app| paused(app, "rate_limited")));
    // A used-up quota is tried hourly, or now. Throttles are in force then, and must not be cut short by this.
    let quotas: Vec<_> = cells.iter().filter(|cell| cell.pauses().contains(&"quota_exhausted")).collect();
    if !quotas.is_empty() {
        quotas.iter().for_each(|cell| paused(&cell.app(), "quota_exhausted"));
        run.signal(Signal::HUP);
    }
    let ended = run.wait();
    let said = by_app(ended.lines);
    let rows = bench.tickets();
    println!("{} cells, {} tickets, {} requests", cells.len(), rows.len(), bench.sim.requests().len());
    bench.sim.journal(|journal| cells.iter().for_each(|cell| judge_log(cell, &said, journal)));
    cells.iter().for_each(|cell| judge_file(cell, &rows, &bench));
    let saved = rows.iter().filter(|row| row["file"]["state"] == "saved").count();
    assert_eq!(files_below(&bench.path("exports")).len(), saved, "nothing else is left");
    let code = if saved < rows.len() { 10 } else { 0 };
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
}

/// What the log says of the file and the app, in this order.
fn judge_log(cell: &Cell, said: &Said, journal: &Journal) {
    let lines = lines_of(said, &cell.app());
    let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    // Trouble of the app shows in its pauses.
    let of_app = ["throttled", "token_rejected"];
    let of_file = lines.iter().filter(|line| line["ticket"] == *cell.ticket());
    let story: Vec<_> = of_file
        .map(|line| (text(line, "event"), text(line, "error.kind")))
        .filter(|(event, kind)| event.starts_with("file.") && !of_app.contains(&kind.as_str()))
        .collect();
    let story: Vec<_> = story.iter().map(|(event, kind)| (event.as_str(), kind.as_str())).collect();
    assert_eq!(story, cell.story(), "{}\n{lines:#?}", cell.name());
    let pauses: Vec<_> = lines.iter().filter(|line| line["event"] == "app.paused").collect();
    assert!(pauses.iter().all(|line| line["endpoint"] == "download"), "{}\n{lines:#?}", cell.name());
    let reasons: Vec<_> = pauses.iter().map(|line| text(line, "reason")).collect();
    assert_eq!(reasons, cell.pauses(), "{}\n{lines:#?}", cell.name());
    let of_pauses = |line: &&Value| line["event"] == "app.paused" || line["event"] == "app.resumed";
    let last = lines.iter().rfind(of_pauses);
    assert!(last.is_none_or(|line| line["event"] == "app.resumed"), "{}\n{lines:#?}", cell.name());
    let rejected = lines.iter().any(|line| line["event"] == "token.rejected");
    let expected = matches!(cell.expected, Outcome::TokenRejected | Outcome::RejectedTwice);
    assert_eq!(rejected, expected, "{}\n{lines:#?}", cell.name());
    if cell.phase == Phase::During {
        assert_left_alone(&cell.name(), &cell.app_id(), Endpoint::Download, journal);
    }
}

/// The throttle lasted as long as the server had named, whatever was answered meanwhile.
pub(super) fn assert_left_alone(name: &str, app_id: &str, endpoint: Endpoint, journal: &Journal) {
    let requests = journal.of(endpoint).filter(|it| it.app_id.as_deref() == Some(app_id));
    let mut requests = requests.collect::<Vec<_>>().into_iter();
    let begun = requests.next().and_then(|throttled| throttled.answered_at).unwrap();
    // Held until the throttle began, the next was sent before.
    for request in requests.skip(1) {
        let after = request.arrived_at - begun;
        // The clocks of both sides need not agree to the millisecond.
        assert!(after + Duration::from_millis(10) >= THROTTLED_FOR, "{name} asks after {after:?}");
    }
}

/// What lies in the folder in the end.
fn judge_file(cell: &Cell, rows: &[Value], bench: &Bench) {
    let row_of = |ticket: &str| rows.iter().find(|row| row["ticket"] == ticket).unwrap();
    if cell.phase == Phase::During {
        assert_row_saved(bench, row_of(&cell.other()));
    }
    let row = row_of(&cell.ticket());
    let file = &row["file"];
    let (state, kind) = (file["state"].as_str().unwrap(), file["error"]["kind"].as_str());
    match cell.expected {
        Outcome::Failed(reason) | Outcome::FailedThird(reason) => {
            assert_eq!((state, kind), ("failed", Some(reason)), "{}\n{row:#}", cell.name());
        }
        Outcome::ExpiredTwice => assert_eq!((state, kind), ("expired", Some("expired")), "{row:#}"),
        Outcome::AsSent => assert_as_sent(cell, bench, file),
        Outcome::SavedOdd => {
            assert_eq!(kind, Some("wrong_content"), "{row:#}");
            assert_as_sent(cell, bench, file);
        }
        _ => assert_row_saved(bench, row),
    }
}

/// The spoilt body was taken for the file.
fn assert_as_sent(cell: &Cell, bench: &Bench, file: &Value) {
    assert_eq!(file["state"], "saved", "{}\n{file:#}", cell.name());
    let found = fs::read(Path::new(file["path"].as_str().unwrap())).unwrap();
    let right: Vec<_> = bench.sim.file_of(&cell.ticket()).pieces().flatten().collect();
    let is_as_sent = match cell.row.fault {
        Fault::ShortFile { by } => found == right[..right.len() - usize::try_from(by).unwrap()],
        Fault::LongFile { by } => {
            found.starts_with(&right) && found.len() == right.len() + usize::try_from(by).unwrap()
        }
        Fault::WrongStart => found.starts_with(b"?") && found.len() == right.len(),
        Fault::Html { .. } => found.starts_with(b"<html>"),
        Fault::Empty { .. } => found.is_empty(),
        _ => false,
    };
    assert!(is_as_sent, "{}\n{}", cell.name(), String::from_utf8_lossy(&found));
}
