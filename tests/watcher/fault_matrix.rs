//! Every fault of the simulator, at every endpoint, in every phase: what the watcher makes of it. The tables in `table.rs`,
//! `download_table.rs` and `create_table.rs` are the test; each cell has an app of its own, so that one process plays all of them at once.

mod cell;
mod create_table;
mod creates;
mod download_table;
mod downloads;
mod table;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use export_simulator::{
    Endpoint, Fault, Journal, Request, RunningShape, Scenario, SuccessShape, ThrottleStyle, Trouble,
};
use rustix::process::Signal;
use serde_json::Value;

use self::cell::{Cell, PHASES, Phase, Said, THROTTLED_FOR, lines_of};
use self::table::{Ill, Row, Verdict, rows};
use crate::canaries::traced;
use crate::harness::{Bench, PATIENCE, Running};

/// Promises 2 and 3, cell by cell: each answer gets the verdict of its row, no throttle in force is cut short by it,
/// every pause is announced once, and in the end every ticket has the fate of its job.
#[test]
fn every_answer_means_what_the_table_says() {
    play(rows().into_iter().filter(|row| !row.times_out()).collect(), "60s");
}

/// The same for requests that end by the watcher's own time limit.
#[test]
fn every_silence_means_what_the_table_says() {
    play(rows().into_iter().filter(Row::times_out).collect(), "2s");
}

/// A new fault of the simulator needs a row here: what the watcher makes of it.
#[test]
fn the_table_names_everything_that_the_simulator_can_do() {
    let mut missing = BTreeSet::new();
    macro_rules! variants {
        ($kind:ty) => {
            let refused = serde_json::from_str::<$kind>("\"?\"").unwrap_err().to_string();
            missing.extend(spelled(&refused).into_iter().map(|variant| (stringify!($kind), variant)));
        };
    }
    variants!(Fault);
    // These change only the file of a download.
    let of_files = ["short_file", "long_file", "wrong_start"];
    // These are for creates; elsewhere they are an app's trouble, or the fault within.
    let of_creates = ["lost", "trouble"];
    for (faults, others) in [
        (downloads::faults().collect::<BTreeSet<_>>(), &of_creates[..]),
        (creates::faults().collect(), &of_files[..]),
    ] {
        let has_row = |fault: &str| faults.contains(fault) || others.contains(&fault);
        assert!(missing.iter().all(|(_, fault)| has_row(fault)), "{missing:?} and {faults:?}");
    }
    missing.retain(|(_, fault)| !of_files.contains(&fault.as_str()) && !of_creates.contains(&fault.as_str()));
    variants!(Trouble);
    variants!(ThrottleStyle);
    variants!(RunningShape);
    variants!(SuccessShape);
    assert_eq!(missing.len(), 17 + 7 + 5 + 9 + 3, "{missing:?}");
    for row in rows() {
        let (kind, shown) = match row.ill {
            Ill::Fault(it) => ("Fault", format!("{it:?}")),
            Ill::Trouble(it) => ("Trouble", format!("{it:?}")),
            Ill::Full(it) => ("ThrottleStyle", format!("{it:?}")),
            Ill::Running(it) => ("RunningShape", format!("{it:?}")),
            Ill::Success(it) => ("SuccessShape", format!("{it:?}")),
        };
        missing.remove(&(kind, snake_case(&shown)));
    }
    assert_eq!(missing, BTreeSet::new(), "without a row");
}

/// The variants that an error of serde offers: "unknown variant `?`, expected one of `reset`, `close` …".
fn spelled(refused: &str) -> Vec<String> {
    let offered = refused.split_once("expected").unwrap().1;
    offered.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The variant's name of a debug output, as serde spells it.
fn snake_case(shown: &str) -> String {
    let name = shown.split(|sign: char| !sign.is_alphanumeric()).next().unwrap_or_default();
    let mut spelled = String::new();
    for sign in name.chars() {
        if sign.is_uppercase() && !spelled.is_empty() {
            spelled.push('_');
        }
        spelled.extend(sign.to_lowercase());
    }
    spelled
}

fn cells(rows: Vec<Row>) -> Vec<Cell> {
    let mut cells = Vec::new();
    for Row { ill, query, token } in rows {
        let columns = [(Endpoint::Query, Some(query)), (Endpoint::TenantToken, token)];
        for (endpoint, phases) in
            columns.into_iter().filter_map(|(endpoint, phases)| Some((endpoint, phases?)))
        {
            for (phase, expected) in PHASES.into_iter().zip(phases) {
                cells.push(Cell::new(cells.len(), ill.clone(), endpoint, phase, expected));
            }
        }
    }
    cells
}

/// Plays these rows in one process.
fn play(rows: Vec<Row>, request_timeout: &str) {
    let mut cells = cells(rows);
    let bench = Bench::with(Scenario::default());
    let (mut sections, mut list, mut tickets) = (String::new(), String::new(), 0);
    for cell in &mut cells {
        cell.set_up(&bench.sim);
        for app in cell.apps() {
            sections += &bench.app_section(&app, &cell.app_id(), "app_secret = { file = \"app_secret\" }");
        }
        for (ticket, app) in cell.tickets() {
            list += &format!("[[ticket]]\nticket = \"{ticket}\"\ntoken = \"doc\"\napp = \"{app}\"\n");
            tickets += 1;
        }
    }
    bench.write_config(&sections);
    bench.reconfigure("request_timeout = \"2s\"", &format!("request_timeout = \"{request_timeout}\""));
    bench.write("watchlist.toml", &list);

    let level = if traced() { "trace" } else { "debug" };
    let run = bench.start(&["--until-done", "--log-level", level]);
    strike(&bench, &run, &mut cells);
    let ended = run.wait();
    assert_eq!(ended.code, Some(10), "some jobs failed: {}", ended.stderr);
    let said = by_app(ended.lines);
    let rows = bench.tickets();
    assert_eq!(rows.len(), tickets);
    println!("{} cells, {tickets} tickets, {} requests", cells.len(), bench.sim.requests().len());
    bench.sim.journal(|journal| cells.iter().for_each(|cell| judge(cell, &said, &rows, journal)));
}

/// Lets every cell's fault strike as soon as its moment has come, until all were seen.
fn strike(bench: &Bench, run: &Running, cells: &mut [Cell]) {
    let (mut said, mut seen) = (Said::new(), 0);
    let until = Instant::now() + PATIENCE;
    let mut left: Vec<_> = cells.iter_mut().collect();
    let mut is_hung_up = false;
    while !left.is_empty() {
        let fresh = run.log_since(seen);
        seen += fresh.len();
        for (app, lines) in by_app(fresh) {
            said.entry(app).or_default().extend(lines);
        }
        left.retain_mut(|cell| !cell.step(&bench.sim, &said));
        // A used-up quota is tried hourly, or now. Throttles are in force then, and must not be cut short by this.
        if !is_hung_up && left.iter().all(|cell| cell.expected == Verdict::RejectedTwice) {
            run.signal(Signal::HUP);
            is_hung_up = true;
        }
        let stuck = left.first().map(|cell| format!("{cell:#?}\n{:#?}", lines_of(&said, &cell.subject)));
        assert!(
            Instant::now() < until,
            "{} cells wait in vain, one of them {}",
            left.len(),
            stuck.unwrap_or_default()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn by_app(lines: Vec<Value>) -> Said {
    let mut said = Said::new();
    for line in lines {
        if let Some(app) = line["app"].as_str() {
            said.entry(app.to_owned()).or_default().push(line);
        }
    }
    said
}

/// What is known once all is over.
fn judge(cell: &Cell, said: &Said, rows: &[Value], journal: &Journal) {
    let lines = lines_of(said, &cell.subject);
    let paused = lines.iter().filter(|line| line["event"] == "app.paused");
    let announced: Vec<_> = paused
        .map(|line| {
            (line["endpoint"].as_str().unwrap_or_default(), line["reason"].as_str().unwrap_or_default())
        })
        .collect();
    assert_eq!(announced, cell.pauses(), "{}\n{lines:#?}", cell.name());
    let of_pauses = |line: &&Value| line["event"] == "app.paused" || line["event"] == "app.resumed";
    let last = lines.iter().rfind(of_pauses);
    assert!(last.is_none_or(|line| line["event"] == "app.resumed"), "{}\n{lines:#?}", cell.name());
    for (ticket, app) in cell.tickets() {
        let row = rows.iter().find(|row| row["ticket"] == *ticket && row["app"] == *app).unwrap();
        let (state, kind) = cell.fate_of(&ticket);
        let expected = (&Value::from(state), &Value::from(kind));
        assert_eq!((&row["state"], &row["error"]["kind"]), expected, "{}\n{row:#}", cell.name());
    }
    if cell.phase == Phase::During {
        assert_left_alone(cell, journal);
    }
}

/// The throttle lasted as long as the server had named, whatever was answered meanwhile.
fn assert_left_alone(cell: &Cell, journal: &Journal) {
    let id = cell.app_id();
    let queries: Vec<_> =
        journal.of(Endpoint::Query).filter(|it| it.app_id.as_deref() == Some(&id)).collect();
    // Held until the throttle began, it was sent before.
    let was_sent_before =
        |query: &Request| cell.endpoint == Endpoint::Query && query.ordinal == queries[1].ordinal;
    let begun = queries[0].answered_at.unwrap();
    for query in queries[1..].iter().filter(|query| !was_sent_before(query)) {
        let after = query.arrived_at - begun;
        // The clocks of both sides need not agree to the millisecond.
        assert!(after + Duration::from_millis(10) >= THROTTLED_FOR, "{} asks after {after:?}", cell.name());
    }
}
