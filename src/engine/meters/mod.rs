//! What happens in the engine, counted and timed for monitoring. Write-only: nothing is read
//! back from here but by people, and nothing decides by it. How things stand at a moment is the snapshot's affair.
//!
//! A label holds an app's name or a word of a closed list, never anything that a ticket or the server says.

mod app;
mod last_hour;
mod results;
mod texts;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::proto::MetricFamily;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Registry,
    register_gauge_with_registry, register_histogram_vec_with_registry, register_histogram_with_registry,
    register_int_counter_vec_with_registry, register_int_counter_with_registry,
};

pub(super) use self::app::AppMeters;
use self::last_hour::LastHour;
pub use self::last_hour::{MINUTES, Minute};
use self::texts::*;
use crate::domain::{AppName, WallTime};
use crate::store::Batch;

/// What the names of all metrics begin with.
pub const METRICS_NAMESPACE: &str = "feishu_export_watcher";

/// Where engine and server note what they do. Clones write to the same meters.
#[derive(Clone, Debug)]
pub struct Meters {
    registry: Registry,
    requests: IntCounterVec,
    throttles: IntCounterVec,
    polls: IntCounterVec,
    pauses: IntCounterVec,
    renewals: IntCounterVec,
    finished: IntCounterVec,
    lag: HistogramVec,
    duration: HistogramVec,
    slack: HistogramVec,
    exports_created: IntCounterVec,
    files: IntCounterVec,
    file_bytes: IntCounterVec,
    /// The sum of `file_bytes`, for the progress bar.
    bytes: IntCounter,
    file_failures: IntCounterVec,
    file_transfer: HistogramVec,
    file_slack: HistogramVec,
    commits: IntCounter,
    commit_errors: IntCounter,
    commit_seconds: Histogram,
    commit_tickets: Histogram,
    lists_taken: IntCounterVec,
    list_success: Gauge,
    list_scan: Gauge,
    rejected_files: Gauge,
    rejected_entries: IntCounter,
    /// Held for as long as it takes to count one answer, or to copy an hour.
    answers: Arc<Mutex<BTreeMap<AppName, LastHour>>>,
}

impl Meters {
    /// Meters at zero.
    ///
    /// # Errors
    /// A name or a label is none that Prometheus knows: a defect of this program.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new_custom(Some(METRICS_NAMESPACE.to_owned()), None)?;
        let counter = |(name, help)| register_int_counter_with_registry!(name, help, registry);
        let counters = |(name, help): Text, labels: &[&str]| {
            register_int_counter_vec_with_registry!(name, help, labels, registry)
        };
        let gauge = |(name, help)| register_gauge_with_registry!(name, help, registry);
        let opts =
            |(name, help): Text, buckets: &[f64]| HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let histogram = |text, buckets| register_histogram_with_registry!(opts(text, buckets), registry);
        let histograms =
            |text, buckets| register_histogram_vec_with_registry!(opts(text, buckets), &["app"], registry);
        let meters = Self {
            requests: counters(REQUESTS, &["app", "endpoint"])?,
            throttles: counters(THROTTLES, &["app", "endpoint"])?,
            polls: counters(POLLS, &["app", "result"])?,
            pauses: counters(PAUSES, &["app", "reason"])?,
            renewals: counters(RENEWALS, &["app", "result"])?,
            finished: counters(FINISHED, &["app", "outcome", "error_kind"])?,
            lag: histograms(LAG, &LAG_SECONDS)?,
            duration: histograms(DURATION, &POLL_SECONDS)?,
            slack: histograms(SLACK, &SLACK_SECONDS)?,
            exports_created: counters(EXPORTS_CREATED, &["app"])?,
            files: counters(FILES, &["app", "outcome"])?,
            file_bytes: counters(FILE_BYTES, &["app"])?,
            bytes: IntCounter::new(FILE_BYTES.0, FILE_BYTES.1)?,
            file_failures: counters(FILE_FAILURES, &["app", "error_kind"])?,
            file_transfer: histograms(FILE_TRANSFER, &TRANSFER_SECONDS)?,
            file_slack: histograms(FILE_SLACK, &SLACK_SECONDS)?,
            commits: counter(COMMITS)?,
            commit_errors: counter(COMMIT_ERRORS)?,
            commit_seconds: histogram(COMMIT_DURATION, &COMMIT_SECONDS[..])?,
            commit_tickets: histogram(COMMITTED_TICKETS, &COMMIT_TICKETS[..])?,
            lists_taken: counters(LISTS_TAKEN, &["result"])?,
            list_success: gauge(LIST_SUCCESS)?,
            list_scan: gauge(LIST_SCAN)?,
            rejected_files: gauge(REJECTED_FILES)?,
            rejected_entries: counter(REJECTED_ENTRIES)?,
            registry: registry.clone(),
            answers: Arc::default(),
        };
        // Every series is there from the start: one that appears with its first event has no increase by it.
        for result in ["whole", "partial"] {
            meters.lists_taken.with_label_values(&[result]);
        }
        Ok(meters)
    }

    /// All of them as they stand.
    #[must_use]
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    /// The answers to an app's requests in each of the last sixty minutes, the oldest first.
    #[must_use]
    pub fn last_hour(&self, app: &AppName, now: WallTime) -> [Minute; MINUTES] {
        // A count is whole whatever became of the thread that held it.
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(app).map(|hour| hour.minutes(now)).unwrap_or([Minute::default(); MINUTES])
    }

    fn answered(&self, app: &AppName, is_proper: bool, now: WallTime) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.entry(app.clone()).or_default().note(is_proper, now);
    }

    /// Bytes of artefacts that came, of all apps.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.get()
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

    /// The files of the watch list were scanned.
    pub(crate) fn lists_scanned(&self, now: WallTime) {
        self.list_scan.set(seconds(now));
    }

    /// Watch lists were read: so many files or patterns are left out now, and so many errors were found.
    pub(crate) fn lists_read(&self, rejected_files: usize, errors: usize) {
        // In this order: where the files show, their errors are counted.
        self.rejected_entries.inc_by(errors as u64);
        self.rejected_files.set(rejected_files as f64);
    }
}

/// How many tickets a batch writes or takes out.
pub(super) fn tickets_in(batch: &Batch) -> usize {
    batch.tickets.len() + batch.forgotten.len()
}

fn seconds(at: WallTime) -> f64 {
    at.as_millis() as f64 / 1000.0
}
