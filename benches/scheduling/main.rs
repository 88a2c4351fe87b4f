//! How soon the watcher finds finished exports, how soon it has their files, and at what price, beside other ways to do
//! it. All in virtual time: the figures are the same on every machine.
//!
//! `cargo bench --bench scheduling` prints a table a workload; `… -- polls`, `… -- files` or `… -- documents` one
//! part.
//! `benches/README.md` has the method and what came of it. `BENCH_SEEDS` sets the number of seeds (10).

#![expect(clippy::expect_used, reason = "a bench that can not be set up has nothing to say")]

mod artefacts;
mod documents;
mod exporters;
mod files;
mod goals;
mod rivals;
mod server;
mod watcher;
mod workload;

use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use feishu_export_watcher::config::load;
use feishu_export_watcher::engine::Settings;

use crate::goals::Goals;
use crate::rivals::Interval;
use crate::server::{LIFE, Server};
use crate::workload::{Job, WORKLOADS, Workload};

type Policy = (&'static str, Box<dyn Fn(Vec<Job>, u64) -> Server>);

/// Places among the policies.
const WATCHER: usize = 0;
const ORACLE: usize = 1;

/// What came of one run.
#[derive(Clone, Copy)]
struct Figures {
    makespan: f64,
    polls: f64,
    mean: f64,
    median: f64,
    p95: f64,
    worst: f64,
    lost: f64,
    throttled: f64,
}

fn main() {
    let seeds = std::env::var("BENCH_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(10);
    // Cargo itself passes `--bench`.
    let parts: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|named| named == part);
    println!(
        "{seeds} seeds; medians of the seeds, and of the watcher the worst in brackets. Times in seconds."
    );
    if wanted("polls") {
        measure_polls(seeds);
    }
    if wanted("files") {
        files::measure(shipped_settings(), seeds);
    }
    if wanted("documents") {
        documents::measure(shipped_settings(), seeds);
    }
}

fn measure_polls(seeds: u64) {
    let policies = policies(shipped_settings());
    let mut goals = Goals::default();
    for workload in &WORKLOADS {
        let runs: Vec<Vec<Figures>> =
            policies.iter().map(|(_, policy)| run(workload, policy, seeds).map(figures).collect()).collect();
        print_workload(workload, &policies, &runs);
        goals.judge(workload, &runs[WATCHER], &runs[ORACLE]);
    }
    goals.print();
}

fn policies(settings: Settings) -> Vec<Policy> {
    let fixed = Duration::from_secs(5);
    let doubling = Interval::Doubling { first: Duration::from_secs(1), longest: Duration::from_secs(60) };
    vec![
        ("watcher", Box::new(move |jobs, seed| watcher::of_tickets(jobs, &settings, seed))),
        ("oracle", Box::new(|jobs, seed| rivals::oracle(jobs, Rng::with_seed(seed)))),
        (
            "every 5 s, shared budget",
            Box::new(move |jobs, seed| rivals::with_budget(jobs, fixed, Rng::with_seed(seed))),
        ),
        (
            "every 5 s",
            Box::new(move |jobs, seed| {
                rivals::without_budget(jobs, Interval::Fixed(fixed), Rng::with_seed(seed))
            }),
        ),
        (
            "backoff 1 s × 2 to 60 s",
            Box::new(move |jobs, seed| rivals::without_budget(jobs, doubling, Rng::with_seed(seed))),
        ),
    ]
}

/// `[poll]` as it is shipped, which is what runs where nothing else is said.
fn shipped_settings() -> Settings {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/watcher.toml");
    let (config, _) = load(&path).expect("the shipped configuration is valid, a test says so");
    Settings {
        backoff: config.poll.backoff,
        give_up_after: config.poll.give_up_after,
        request_timeout: config.poll.request_timeout,
        max_in_flight: config.poll.max_in_flight,
        download: None,
        repeat_after: None,
        hooks: Vec::new(),
        keep: config.state.keep,
        until_done: false,
        deadline: None,
        seed: 0,
    }
}

/// Runs the workload once for each seed.
fn run(
    workload: &Workload,
    policy: &dyn Fn(Vec<Job>, u64) -> Server,
    seeds: u64,
) -> impl Iterator<Item = Server> {
    (1..=seeds).map(|seed| policy(workload.jobs(&mut Rng::with_seed(seed)), seed))
}

fn print_workload(workload: &Workload, policies: &[Policy], runs: &[Vec<Figures>]) {
    println!("\n### {}\n", workload.name);
    println!("| | makespan | polls a ticket | mean latency | median | p95 | worst | lost | throttled |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for (place, ((name, _), runs)) in policies.iter().zip(runs).enumerate() {
        print_row(name, runs, place == WATCHER);
    }
}

fn print_row(name: &str, runs: &[Figures], with_worst: bool) {
    let worst = with_worst.then_some(f64::max as Worse);
    let cell = |read: fn(&Figures) -> f64, digits| cell(runs.iter().map(read), digits, worst);
    println!(
        "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |",
        cell(|it| it.makespan, 0),
        cell(|it| it.polls, 2),
        cell(|it| it.mean, 1),
        cell(|it| it.median, 1),
        cell(|it| it.p95, 1),
        cell(|it| it.worst, 1),
        cell(|it| it.lost, 0),
        cell(|it| it.throttled, 0),
    );
}

/// The worse of two figures.
type Worse = fn(f64, f64) -> f64;

/// The median, and the worst in brackets if it is wanted.
fn cell(values: impl Iterator<Item = f64>, digits: usize, worse: Option<Worse>) -> String {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let median = values[values.len() / 2];
    let worst = worse.and_then(|worse| values.into_iter().reduce(worse));
    worst
        .map_or_else(|| format!("{median:.digits$}"), |worst| format!("{median:.digits$} ({worst:.digits$})"))
}

fn figures(server: Server) -> Figures {
    let detected = server.jobs().iter().zip(&server.detected);
    let mut latencies: Vec<f64> = detected
        .map(|(job, detected)| detected.map_or(f64::INFINITY, |at| at.saturating_sub(job.ends).as_secs_f64()))
        .collect();
    latencies.sort_by(f64::total_cmp);
    let count = latencies.len();
    let last = server.detected.iter().flatten().max().copied().unwrap_or_default();
    Figures {
        makespan: last.as_secs_f64(),
        polls: server.polls as f64 / count as f64,
        mean: latencies.iter().sum::<f64>() / count as f64,
        median: latencies[count / 2],
        p95: latencies[count * 95 / 100],
        worst: latencies[count - 1],
        lost: latencies.iter().filter(|latency| **latency > LIFE.as_secs_f64()).count() as f64,
        throttled: server.throttled as f64,
    }
}
