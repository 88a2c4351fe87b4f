//! Documents in the number that people have, with everything that is likely to go wrong on their way to files.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use export_simulator::{DEFAULT_APP_ID, Endpoint, Life, Made, Node, Scenario};
use serde_json::Value;

use crate::exports::{document, pass_waits};
use crate::harness::{Bench, Running, default_app, events};
use crate::saved::{DOWNLOAD, assert_row_saved, files_below};

/// The platform's own limit, which the simulator gets tenfold.
const REQUESTS: usize = 100;
const TIMES: usize = 10;

/// Requests of a hundred that meet a fault, at every endpoint.
const FAULTY: f64 = 0.03;

/// Longer than any of these batches takes.
const PATIENCE: Duration = Duration::from_secs(1800);

/// How much of it is played: usually as much as fits into a round of tests, with the limits' minute and the waits after
/// lost answers cut short. All of it with `BATCH=full` in the environment.
struct Size {
    documents: usize,
    kills: usize,
    per: Duration,
    is_full: bool,
}

impl Size {
    fn from_environment() -> Self {
        let is_full = std::env::var("BATCH").is_ok_and(|size| size == "full");
        let seconds = Duration::from_secs;
        if is_full {
            Self { documents: 2_000, kills: 5, per: seconds(60), is_full }
        } else {
            Self { documents: 200, kills: 2, per: seconds(5), is_full }
        }
    }

    /// Jobs are a tenth as long as short ones usually are.
    fn scenario(&self) -> Scenario {
        let life = Life::Lognormal { median: Duration::from_secs(8), sigma: 1.0, failing: 0.0 };
        let scenario = Scenario { seed: 7, life, ..Scenario::with_apps([default_app(REQUESTS, self.per)]) };
        let nodes = (0..self.documents).filter(|number| number % 10 == 0);
        let nodes = nodes
            .map(|number| Node::new(format!("wikcn{number}")).leads_to("docx", format!("doxcn{number}")));
        Scenario { nodes: nodes.collect(), ..scenario }
            .with_limits_times(TIMES)
            .with_jobs_faster(10.0)
            .with_passing_faults(FAULTY)
    }

    fn bench(&self) -> Bench {
        let bench = Bench::with(self.scenario());
        bench.configure(&format!("{DOWNLOAD}idle_timeout = \"2s\""));
        let (requests, per) = (REQUESTS * TIMES, self.per.as_secs());
        let limit = format!("rate_limit = {{ requests = {requests}, per = \"{per}s\" }}\n");
        let config = bench.read("watcher.toml") + &limit;
        bench
            .write("watcher.toml", &config.replace("\"100ms\"", "\"500ms\"").replace("\"1s\"\n", "\"6s\"\n"));
        bench.write("watchlist.toml", &(0..self.documents).map(entry).collect::<String>());
        bench
    }
}

/// Of formats that have first bytes of their own: others have nothing that shows a spoilt file of the right size.
fn entry(number: usize) -> String {
    match number % 10 {
        0 => document("wiki", &format!("wikcn{number}"), "pdf"),
        1 => document("sheet", &format!("shtcn{number}"), "xlsx"),
        2 => document("bitable", &format!("bascn{number}"), "xlsx"),
        3 => document("slides", &format!("sldcn{number}"), "pptx"),
        _ => document("docx", &format!("doxcn{number}"), "pdf"),
    }
}

fn start(bench: &Bench) -> Running {
    bench.start(&["--until-done", "--log-level", "debug"])
}

/// Waits until the log satisfies a condition, for as long as a batch may take.
fn wait(run: &Running, condition: impl Fn(&[Value]) -> bool) {
    let (until, mut lines) = (Instant::now() + PATIENCE, Vec::new());
    while !condition(&lines) {
        assert!(Instant::now() < until, "waited in vain; the end of the log:\n{:#?}", lines.last());
        std::thread::sleep(Duration::from_millis(20));
        lines.extend(run.log_since(lines.len()));
    }
}

/// What the log of a process says: files that are saved, and creates whose answers were lost.
fn saved_and_lost(lines: &[Value]) -> (usize, usize) {
    let is_lost = |line: &&Value| line["next_try_ms"].as_u64().is_some_and(|wait| wait >= 60_000);
    (events(lines, "file.saved").count(), events(lines, "document.retry").filter(is_lost).count())
}

/// Runs the rest to its end. What waits for a minute is taken up by another process at once, unless there is time.
fn conclude(bench: &Bench, size: &Size, mut left: usize, announced: &mut BTreeSet<String>) {
    loop {
        let run = start(bench);
        let is_over = |lines: &[Value]| events(lines, "watcher.stopped").count() > 0;
        wait(&run, |lines| {
            let (saved, lost) = saved_and_lost(lines);
            is_over(lines) || !size.is_full && lost > 0 && saved + lost >= left
        });
        let ended = if is_over(&run.log()) { run.wait() } else { run.stop() };
        announced.extend(saved(&ended.lines));
        if ended.code == Some(0) {
            return;
        }
        assert_eq!(ended.code, Some(11), "{}", ended.stderr);
        left -= saved_and_lost(&ended.lines).0;
        pass_waits(bench);
    }
}

/// Paths of files that a log calls saved.
fn saved(lines: &[Value]) -> impl Iterator<Item = String> {
    events(lines, "file.saved").map(|line| line["file.path"].as_str().unwrap().to_owned())
}

/// Promises 1, 5 and 6: documents by the hundred under ten times the platform's limits, 3 % of whose requests fail at every
/// endpoint, through SIGKILLs: as many right files, each once, each announced; no request too many, and at most one surplus
/// job for each answer that was lost on its way, or with the process that it reached.
#[test]
fn documents_by_the_hundred_through_faults_and_deaths() {
    let size = Size::from_environment();
    let (bench, began, mut announced) = (size.bench(), Instant::now(), BTreeSet::new());
    for _ in 0..size.kills {
        let run = start(&bench);
        wait(&run, |lines| saved_and_lost(lines).0 >= size.documents / (size.kills + 1));
        announced.extend(saved(&run.kill().lines));
        if !size.is_full {
            pass_waits(&bench);
        }
    }
    let is_saved = |row: &&Value| row["file"]["state"] == "saved";
    let left = size.documents - bench.tickets().iter().filter(is_saved).count();
    conclude(&bench, &size, left, &mut announced);
    let took = began.elapsed();

    let rows = bench.tickets();
    assert_eq!(rows.len(), size.documents);
    rows.iter().for_each(|row| assert_row_saved(&bench, row));
    assert_eq!(files_below(&bench.path("exports")).len(), size.documents, "each once, and nothing else");
    assert_eq!(announced.len(), size.documents);
    assert!(rows.iter().all(|row| row["generation"] == 1), "no file was lost");
    let made = bench.sim.made();
    assert_eq!(made.len(), size.documents);
    for (order, Made { tickets, lost, never_polled }) in &made {
        assert!(tickets.len() <= 1 + lost + never_polled, "{order:?}: {tickets:?}, {lost} lost");
    }
    let sum = |of: fn(&Made) -> usize| made.values().map(of).sum::<usize>();
    let (jobs, lost) = (sum(|made| made.tickets.len()), sum(|made| made.lost));
    assert!(lost > 0, "answers were lost");
    for endpoint in [Endpoint::Node, Endpoint::Create, Endpoint::Query, Endpoint::Download] {
        let most = bench.sim.max_in_window(DEFAULT_APP_ID, endpoint, size.per);
        assert!(most <= REQUESTS * TIMES, "{endpoint:?}: {most}");
    }
    assert_eq!(bench.sim.throttled_count(), 0);
    let struck = bench.sim.requests().iter().filter(|request| request.faulty).count();
    println!(
        "{} files in {took:.1?}; {jobs} jobs, {lost} answers lost, {} jobs never polled, {struck} of {} requests struck",
        size.documents,
        sum(|made| made.never_polled),
        bench.sim.requests().len(),
    );
}
