//! What happens in the engine, counted and timed for whoever watches the watcher. Write-only: nothing is read
//! back from here, and nothing decides by it. How things stand at a moment is the snapshot's affair.
//!
//! A label holds an app's name or a word of a closed list, never anything that a ticket or the server says.

mod app;
mod results;

use std::time::Duration;

use prometheus::core::Collector;
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
        let meters = Self {
            apps: AppFamilies::new()?,
            commits: counter("state_commits_total", "Tries to write the state file, failed ones included.")?,
            commit_errors: counter(
                "state_commit_errors_total",
                "Tries to write the state file that failed.",
            )?,
            commit_seconds: histogram(
                "state_commit_duration_seconds",
                "How long a try to write the state file took, its sync to the disk included.",
                &COMMIT_SECONDS,
            )?,
            commit_tickets: histogram(
                "state_commit_tickets",
                "Tickets that a try to write the state file held.",
                &COMMIT_TICKETS,
            )?,
            lists_taken: counters(
                "watchlist_loads_total",
                "Watch lists taken, that of the start included; partial if something of it was left out.",
                &["result"],
            )?,
            list_success: gauge(
                "watchlist_last_success_timestamp_seconds",
                "When a watch list was last taken as a whole; 0 before the first time.",
            )?,
            list_look: gauge(
                "watchlist_last_look_timestamp_seconds",
                "When the files of the watch list were last looked at to the end; 0 before the first time.",
            )?,
            rejected_files: IntGauge::with_opts(opts(
                "watchlist_rejected_files",
                "Files and patterns of the watch list that are left out for now because they can't be taken.",
            ))?,
            rejected_entries: counter(
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
    /// The registry has something of the same name.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        let own: [Box<dyn Collector>; 9] = [
            Box::new(self.commits.clone()),
            Box::new(self.commit_errors.clone()),
            Box::new(self.commit_seconds.clone()),
            Box::new(self.commit_tickets.clone()),
            Box::new(self.lists_taken.clone()),
            Box::new(self.list_success.clone()),
            Box::new(self.list_look.clone()),
            Box::new(self.rejected_files.clone()),
            Box::new(self.rejected_entries.clone()),
        ];
        own.into_iter().chain(self.apps.collectors()).try_for_each(|collector| registry.register(collector))
    }

    /// The meters of one app.
    pub(super) fn of_app(&self, app: &AppName) -> AppMeters {
        self.apps.of(app)
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

fn histogram_opts(name: &str, help: &str, buckets: &[f64]) -> HistogramOpts {
    HistogramOpts::new(name, help).namespace(METRICS_NAMESPACE).buckets(buckets.to_vec())
}

fn counter(name: &str, help: &str) -> prometheus::Result<IntCounter> {
    IntCounter::with_opts(opts(name, help))
}

fn counters(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
    IntCounterVec::new(opts(name, help), labels)
}

fn gauge(name: &str, help: &str) -> prometheus::Result<Gauge> {
    Gauge::with_opts(opts(name, help))
}

fn histogram(name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Histogram> {
    Histogram::with_opts(histogram_opts(name, help, buckets))
}

fn histograms(name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<HistogramVec> {
    HistogramVec::new(histogram_opts(name, help, buckets), &["app"])
}
