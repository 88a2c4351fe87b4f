//! What happens in the engine, counted and timed for monitoring. Write-only: nothing is read
//! back from here, and nothing decides by it. How things stand at a moment is the snapshot's affair.
//!
//! A label holds an app's name or a word of a closed list, never anything that a ticket or the server says.

mod app;
mod results;

use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

use self::app::AppFamilies;
pub(super) use self::app::AppMeters;
use crate::domain::{AppName, WallTime};
use crate::store::Batch;

/// What the names of all metrics begin with.
pub const METRICS_NAMESPACE: &str = "feishu_export_watcher";

/// A commit waits for the disk: a good one takes milliseconds, one that is shared with others may take seconds.
const COMMIT_SECONDS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Up to what a batch holds at most.
const COMMIT_TICKETS: [f64; 9] = [0.0, 1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 2048.0, 4096.0];

/// Where engine and front note what they do. Clones write to the same meters; they are seen once they are
/// [registered](Meters::register).
#[derive(Clone, Debug)]
pub struct Meters {
    registry: Registry,
    apps: AppFamilies,
    commits: IntCounter,
    commit_errors: IntCounter,
    commit_seconds: Histogram,
    commit_tickets: Histogram,
    lists_taken: IntCounterVec,
    list_success: Gauge,
    list_look: Gauge,
    rejected_files: IntGauge,
    rejected_entries: IntCounter,
}

impl Meters {
    /// Meters at zero.
    ///
    /// # Errors
    /// A name or a label is none that Prometheus knows: a defect of this program.
    pub fn new() -> prometheus::Result<Self> {
        let maker = Maker(Registry::new());
        let meters = Self {
            registry: maker.0.clone(),
            apps: AppFamilies::new(&maker)?,
            commits: maker.counter("state_commits_total", "Tries to write the state file, failed ones included.")?,
            commit_errors: maker.counter(
                "state_commit_errors_total",
                "Tries to write the state file that failed.",
            )?,
            commit_seconds: maker.histogram(
                "state_commit_duration_seconds",
                "How long a try to write the state file took, its sync to the disk included.",
                &COMMIT_SECONDS,
            )?,
            commit_tickets: maker.histogram(
                "state_commit_tickets",
                "Tickets that a try to write the state file held.",
                &COMMIT_TICKETS,
            )?,
            lists_taken: maker.counters(
                "watchlist_loads_total",
                "Watch lists taken, that of the start included; partial if something of it was left out.",
                &["result"],
            )?,
            list_success: maker.gauge(
                "watchlist_last_success_timestamp_seconds",
                "When a watch list was last taken as a whole; 0 before the first time.",
            )?,
            list_look: maker.gauge(
                "watchlist_last_look_timestamp_seconds",
                "When the files of the watch list were last looked at to the end; 0 before the first time.",
            )?,
            rejected_files: maker.add(IntGauge::with_opts(opts(
                "watchlist_rejected_files",
                "Files and patterns of the watch list that are left out for now because they can't be taken.",
            )))?,
            rejected_entries: maker.counter(
                "watchlist_entries_rejected_total",
                "Errors that were found in watch lists, each of them an entry, or a file, that can't be taken.",
            )?,
        };
        for result in ["whole", "partial"] {
            meters.lists_taken.get_metric_with_label_values(&[result])?;
        }
        Ok(meters)
    }

    /// Has the registry show them.
    ///
    /// # Errors
    /// The registry shows them already.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.clone()))
    }

    /// The meters of one app.
    pub(super) fn for_app(&self, app: &AppName) -> AppMeters {
        self.apps.for_app(app)
    }

    /// The state file was, or could not be, written.
    pub(super) fn commit_ended(&self, tickets: usize, took: Duration, written: bool) {
        self.commits.inc();
        if !written {
            self.commit_errors.inc();
        }
        self.commit_seconds.observe(took.as_secs_f64());
        self.commit_tickets.observe(tickets as f64);
    }

    /// The engine has carried out a watch list, as a whole or what could be taken of it.
    pub(super) fn list_taken(&self, whole: bool, now: WallTime) {
        self.lists_taken.with_label_values(&[if whole { "whole" } else { "partial" }]).inc();
        if whole {
            self.list_success.set(seconds(now));
        }
    }

    /// The files of the watch list were looked at.
    pub(crate) fn lists_looked_at(&self, now: WallTime) {
        self.list_look.set(seconds(now));
    }

    /// Watch lists were read: so many files or patterns are left out now, and so many errors were found.
    pub(crate) fn lists_read(&self, rejected_files: usize, errors: usize) {
        // In this order: where the files show, their errors are counted.
        self.rejected_entries.inc_by(errors as u64);
        self.rejected_files.set(i64::try_from(rejected_files).unwrap_or(i64::MAX));
    }
}

/// To a registry they are one collector, known by the first of them.
impl Collector for Meters {
    fn desc(&self) -> Vec<&Desc> {
        self.commits.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }
}

/// How many tickets a batch writes or takes out.
pub(super) fn tickets_in(batch: &Batch) -> usize {
    batch.tickets.len() + batch.forgotten.len()
}

fn seconds(at: WallTime) -> f64 {
    at.as_millis() as f64 / 1000.0
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(METRICS_NAMESPACE)
}

/// Makes meters, each of which the registry shows.
struct Maker(Registry);

impl Maker {
    fn add<M: Collector + Clone + 'static>(&self, meter: prometheus::Result<M>) -> prometheus::Result<M> {
        let meter = meter?;
        self.0.register(Box::new(meter.clone()))?;
        Ok(meter)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.add(IntCounter::with_opts(opts(name, help)))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.add(IntCounterVec::new(opts(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<Gauge> {
        self.add(Gauge::with_opts(opts(name, help)))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Histogram> {
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
        self.add(Histogram::with_opts(opts))
    }

    /// One for each app.
    fn histograms(&self, name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<HistogramVec> {
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
        self.add(HistogramVec::new(opts, &["app"]))
    }
}
