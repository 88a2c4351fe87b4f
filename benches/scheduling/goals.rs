//! What is wanted of the watcher, held against what it did.

use crate::Figures;
use crate::server::WINDOW;
use crate::workload::Workload;

/// Every goal, and how the watcher stands.
#[derive(Default)]
pub(crate) struct Goals(Vec<String>);

impl Goals {
    /// Judges the runs of one workload, a pair for each seed.
    pub(crate) fn judge(&mut self, workload: &Workload, watcher: &[Figures], oracle: &[Figures]) {
        let pairs = || watcher.iter().zip(oracle);
        let window = WINDOW.as_secs_f64();
        let over =
            pairs().map(|(it, best)| it.makespan - (1.05 * best.makespan + window)).fold(f64::MIN, f64::max);
        self.note(
            workload,
            "seconds to spare within 1.05 × the oracle's makespan and a window, worst seed",
            -over,
            0.0,
            f64::MAX,
        );
        let lost = pairs().map(|(it, best)| if best.lost == 0.0 { it.lost } else { 0.0 }).fold(0.0, f64::max);
        self.note(workload, "files lost where the oracle loses none, worst seed", lost, 0.0, 0.0);
        let throttled = watcher.iter().map(|it| it.throttled).fold(0.0, f64::max);
        self.note(workload, "throttled answers, worst seed", throttled, 0.0, 0.0);
        let polls = median(watcher.iter().map(|it| it.polls));
        match workload.name {
            name if name.contains("100 a minute") || name.starts_with("900 short") => {
                self.note(workload, "polls a ticket at most 1.10", polls, 1.0, 1.10);
            }
            name if name.contains(" 10 a minute") => {
                self.note(workload, "polls a ticket at most 2.8", polls, 1.0, 2.8);
                let latency = median(watcher.iter().map(|it| it.median));
                self.note(workload, "median latency at most 3.3 s", latency, 0.0, 3.3);
            }
            _ => {}
        }
    }

    fn note(&mut self, workload: &Workload, goal: &str, found: f64, least: f64, most: f64) {
        let word = if (least..=most).contains(&found) { "met" } else { "MISSED" };
        self.0.push(format!("| {} | {goal} | {found:.2} | {word} |", workload.name));
    }

    /// Prints them all.
    pub(crate) fn print(&self) {
        println!("\n### Goals\n\n| workload | goal | found | |\n|---|---|---|---|");
        for line in &self.0 {
            println!("{line}");
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
