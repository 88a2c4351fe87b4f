//! From documents to files: how soon all are there, at how many calls, and whether any artefact was fetched too late.

use std::time::Duration;

use fastrand::Rng;
use feishu_export_watcher::engine::Settings;

use crate::goals::{Documents, Goals};
use crate::server::{Cut, LIFE, Server};
use crate::workload::{DOCUMENTS, Job, Workload};
use crate::{ORACLE, WATCHER, Worse, cell, exporters, files, run, watcher};

type Policy = (&'static str, Box<dyn Fn(Vec<Job>, Option<Cut>, u64) -> Server>);

/// In the middle of the five thousand: with every seed it begins at another moment of the budget's window.
fn outage(seed: u64) -> Cut {
    let begins = Duration::from_secs(1500 + 6 * (seed % 10));
    Cut { begins, ends: begins + Duration::from_secs(240) }
}

/// What came of one run.
struct Figures {
    /// Until the last file is saved, or known to be gone.
    makespan: f64,
    /// Requests that arrived, a document.
    calls: f64,
    /// Documents without a file in the end.
    lost: f64,
    /// Documents whose artefact died before it was fetched: with luck the export was made again.
    died: f64,
    /// How long the artefacts still lived when they were saved: the least.
    least_slack: f64,
    throttled: f64,
}

/// Measures all workloads and prints what came of it.
pub(crate) fn measure(settings: Settings, seeds: u64) {
    let policies = policies(settings);
    let mut goals = Goals::default();
    for workload in &DOCUMENTS {
        let cut = |seed| workload.name.contains("outage").then(|| outage(seed));
        let runs = |policy: &Policy| -> Vec<Figures> {
            run(workload, &|jobs, seed| policy.1(jobs, cut(seed), seed), seeds).map(figures).collect()
        };
        let runs: Vec<Vec<Figures>> = policies.iter().map(runs).collect();
        print_workload(workload, &policies, &runs);
        let judged = |it: &Figures| Documents {
            makespan: it.makespan,
            calls: it.calls,
            lost: it.lost,
            died: it.died,
            throttled: it.throttled,
        };
        goals.judge_documents(workload, runs[WATCHER].iter().map(judged), runs[ORACLE].iter().map(judged));
    }
    goals.print();
}

fn policies(settings: Settings) -> Vec<Policy> {
    let settings = files::with_downloads(settings);
    let rng = Rng::with_seed;
    vec![
        ("watcher", Box::new(move |jobs, cut, seed| watcher::of_documents(jobs, cut, &settings, seed))),
        ("oracle", Box::new(move |jobs, cut, seed| exporters::oracle(jobs, cut, rng(seed)))),
        (
            "create all, then poll",
            Box::new(move |jobs, cut, seed| exporters::all_at_once(jobs, cut, rng(seed))),
        ),
        ("one by one", Box::new(move |jobs, cut, seed| exporters::one_by_one(jobs, cut, rng(seed)))),
    ]
}

fn print_workload(workload: &Workload, policies: &[Policy], runs: &[Vec<Figures>]) {
    println!("\n### {}, from documents\n", workload.name);
    println!("| | makespan | calls a document | lost | artefacts died | least slack | throttled |");
    println!("|---|---|---|---|---|---|---|");
    for (place, ((name, _), runs)) in policies.iter().zip(runs).enumerate() {
        print_row(name, runs, place == WATCHER);
    }
}

fn print_row(name: &str, runs: &[Figures], with_worst: bool) {
    let cell = |read: fn(&Figures) -> f64, digits, worse: Worse| {
        cell(runs.iter().map(read), digits, with_worst.then_some(worse))
    };
    println!(
        "| {name} | {} | {} | {} | {} | {} | {} |",
        cell(|it| it.makespan, 0, f64::max),
        cell(|it| it.calls, 2, f64::max),
        cell(|it| it.lost, 0, f64::max),
        cell(|it| it.died, 0, f64::max),
        cell(|it| it.least_slack, 0, f64::min),
        cell(|it| it.throttled, 0, f64::max),
    );
}

fn figures(server: Server) -> Figures {
    let documents = server.jobs().len();
    let saved = server.jobs().iter().zip(&server.saved);
    let slacks =
        saved.filter_map(|(job, saved)| Some((job.ends + LIFE).as_secs_f64() - (*saved)?.as_secs_f64()));
    let ends = server.saved.iter().chain(&server.detected).flatten();
    Figures {
        makespan: ends.max().copied().unwrap_or_default().as_secs_f64(),
        calls: server.calls as f64 / documents as f64,
        lost: server.saved.iter().filter(|saved| saved.is_none()).count() as f64,
        died: server.gone.iter().filter(|gone| **gone).count() as f64,
        least_slack: slacks.reduce(f64::min).unwrap_or_default(),
        throttled: server.throttled as f64,
    }
}
