//! What is wanted of the watcher, held against what it did.

use crate::Figures;
use crate::server::WINDOW;
use crate::workload::Workload;

/// What both parts of the bench look at.
pub(crate) struct Common {
    pub(crate) makespan: f64,
    pub(crate) lost: f64,
    pub(crate) throttled: f64,
}

/// What the part from documents on looks at.
pub(crate) struct Documents {
    pub(crate) makespan: f64,
    pub(crate) calls: f64,
    pub(crate) lost: f64,
    pub(crate) died: f64,
    pub(crate) throttled: f64,
}

/// Every goal, and how the watcher stands.
#[derive(Default)]
pub(crate) struct Goals(Vec<String>);

impl Goals {
    /// Judges the runs of one workload, a pair for each seed.
    pub(crate) fn judge(&mut self, workload: &Workload, watcher: &[Figures], oracle: &[Figures]) {
        let common = |it: &Figures| Common { makespan: it.makespan, lost: it.lost, throttled: it.throttled };
        self.judge_common(workload, watcher.iter().map(common), oracle.iter().map(common));
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

    /// Judges what is wanted with and without files.
    pub(crate) fn judge_common(
        &mut self,
        workload: &Workload,
        watcher: impl Iterator<Item = Common>,
        oracle: impl Iterator<Item = Common>,
    ) {
        let window = WINDOW.as_secs_f64();
        let (mut spare, mut lost, mut throttled) = (f64::MAX, 0.0_f64, 0.0_f64);
        for (it, best) in watcher.zip(oracle) {
            spare = spare.min(1.05 * best.makespan + window - it.makespan);
            lost = lost.max(if best.lost == 0.0 { it.lost } else { 0.0 });
            throttled = throttled.max(it.throttled);
        }
        let goal = "seconds to spare within 1.05 × the oracle's makespan and a window, worst seed";
        self.note(workload, goal, spare, 0.0, f64::MAX);
        self.note(workload, "files lost where the oracle loses none, worst seed", lost, 0.0, 0.0);
        self.note(workload, "throttled answers, worst seed", throttled, 0.0, 0.0);
    }

    /// Judges what is wanted from documents on.
    pub(crate) fn judge_documents(
        &mut self,
        workload: &Workload,
        watcher: impl Iterator<Item = Documents> + Clone,
        oracle: impl Iterator<Item = Documents>,
    ) {
        let worst = |read: fn(Documents) -> f64| watcher.clone().map(read).fold(0.0, f64::max);
        self.note(workload, "files lost, worst seed", worst(|it| it.lost), 0.0, 0.0);
        self.note(workload, "artefacts that died first, worst seed", worst(|it| it.died), 0.0, 0.0);
        self.note(workload, "throttled answers, worst seed", worst(|it| it.throttled), 0.0, 0.0);
        let (times, spare) = match workload.name {
            name if name.contains("outage") => return,
            name if name.contains("long at once") => (1.25, 0.0),
            _ => (1.06, WINDOW.as_secs_f64()),
        };
        let left = watcher.clone().zip(oracle).map(|(it, best)| times * best.makespan + spare - it.makespan);
        let goal =
            format!("seconds to spare within {times} × the oracle's makespan and {spare} s, worst seed");
        self.note(workload, &goal, left.fold(f64::MAX, f64::min), 0.0, f64::MAX);
        if workload.name.starts_with("2,000") {
            let calls = median(watcher.map(|it| it.calls));
            self.note(workload, "calls a document at most 3.15", calls, 3.0, 3.15);
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
