//! How soon the files are there: the same workloads with a download each.

use std::num::NonZeroUsize;
use std::time::Duration;

use fastrand::Rng;
use feishu_export_watcher::engine::{DownloadSettings, Settings};

use crate::goals::{Common, Goals};
use crate::server::{LIFE, Server};
use crate::workload::WORKLOADS;
use crate::{ORACLE, Policy, WATCHER, Worse, cell, rivals, run, watcher};

/// What came of one run.
struct Figures {
    /// Until the last file is saved.
    makespan: f64,
    lost: f64,
    /// How long the artefacts still lived when they were saved: the median, and the least.
    slack: f64,
    least_slack: f64,
    throttled: f64,
}

/// Measures all workloads and prints what came of it.
pub(crate) fn measure(settings: Settings, seeds: u64) {
    let policies = policies(settings);
    let mut goals = Goals::default();
    for workload in &WORKLOADS {
        let runs: Vec<Vec<Figures>> =
            policies.iter().map(|(_, policy)| run(workload, policy, seeds).map(figures).collect()).collect();
        println!("\n### {}, with files\n", workload.name);
        println!("| | makespan | lost | slack, median | least | throttled |\n|---|---|---|---|---|---|");
        for (place, ((name, _), runs)) in policies.iter().zip(&runs).enumerate() {
            print_row(name, runs, place == WATCHER);
        }
        let common = |it: &Figures| Common { makespan: it.makespan, lost: it.lost, throttled: it.throttled };
        goals.judge_common(workload, runs[WATCHER].iter().map(common), runs[ORACLE].iter().map(common));
    }
    goals.print();
}

/// `[download]` as it is shipped.
pub(crate) fn with_downloads(settings: Settings) -> Settings {
    let download = DownloadSettings {
        max_in_flight: NonZeroUsize::new(4).expect("four is not zero"),
        idle_timeout: Duration::from_secs(30),
    };
    Settings { download: Some(download), ..settings }
}

fn policies(settings: Settings) -> Vec<Policy> {
    let settings = with_downloads(settings);
    let pause = Duration::from_secs(5);
    vec![
        ("watcher", Box::new(move |jobs, seed| watcher::of_tickets(jobs, &settings, seed))),
        ("oracle", Box::new(|jobs, seed| rivals::oracle_with_files(jobs, Rng::with_seed(seed)))),
        ("one loop", Box::new(move |jobs, seed| rivals::one_loop(jobs, pause, Rng::with_seed(seed)))),
    ]
}

fn print_row(name: &str, runs: &[Figures], with_worst: bool) {
    let cell =
        |read: fn(&Figures) -> f64, worse: Worse| cell(runs.iter().map(read), 0, with_worst.then_some(worse));
    println!(
        "| {name} | {} | {} | {} | {} | {} |",
        cell(|it| it.makespan, f64::max),
        cell(|it| it.lost, f64::max),
        cell(|it| it.slack, f64::min),
        cell(|it| it.least_slack, f64::min),
        cell(|it| it.throttled, f64::max),
    );
}

fn figures(server: Server) -> Figures {
    let saved = server.jobs().iter().zip(&server.saved);
    let mut slacks: Vec<f64> = saved
        .filter_map(|(job, saved)| Some((job.ends + LIFE).as_secs_f64() - (*saved)?.as_secs_f64()))
        .collect();
    slacks.sort_by(f64::total_cmp);
    let last = server.saved.iter().flatten().max().copied().unwrap_or_default();
    Figures {
        makespan: last.as_secs_f64(),
        lost: (server.jobs().len() - slacks.len()) as f64,
        slack: slacks[slacks.len() / 2],
        least_slack: slacks[0],
        throttled: server.throttled as f64,
    }
}
