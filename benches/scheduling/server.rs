//! The remote as far as scheduling meets it: it counts requests as they arrive, and knows which jobs have ended.

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;

use crate::workload::Job;

/// Requests that are answered in any window.
pub(crate) const LIMIT: usize = 100;
/// The window.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);

/// What the server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Running,
    Done,
    /// Too many requests; there is room again after so long.
    Throttled(Duration),
}

/// The server, and what became of every job.
pub(crate) struct Server {
    jobs: Vec<Job>,
    rng: Rng,
    counted: VecDeque<Duration>,
    /// When the client learned of each job's end.
    pub(crate) detected: Vec<Option<Duration>>,
    pub(crate) polls: usize,
    pub(crate) throttled: usize,
}

impl Server {
    pub(crate) fn new(jobs: Vec<Job>, rng: Rng) -> Self {
        let detected = vec![None; jobs.len()];
        Self { jobs, rng, counted: VecDeque::new(), detected, polls: 0, throttled: 0 }
    }

    /// How long a request takes on its way there, and back.
    pub(crate) fn ways(&mut self) -> (Duration, Duration) {
        let mut way = || Duration::from_secs_f64(0.02 + 0.1 * self.rng.f64());
        (way(), way())
    }

    /// A request arrives. Those that are refused do not count.
    pub(crate) fn arrive(&mut self, job: usize, now: Duration) -> Reply {
        self.polls += 1;
        while self.counted.front().is_some_and(|counted| *counted + WINDOW <= now) {
            self.counted.pop_front();
        }
        if self.counted.len() >= LIMIT {
            self.throttled += 1;
            let room = self.counted.front().map_or(WINDOW, |first| *first + WINDOW - now);
            return Reply::Throttled(room);
        }
        self.counted.push_back(now);
        if self.jobs[job].ends <= now { Reply::Done } else { Reply::Running }
    }

    /// The client learns at `now` that the job has ended.
    pub(crate) fn detect(&mut self, job: usize, now: Duration) {
        self.detected[job].get_or_insert(now);
    }

    pub(crate) fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    pub(crate) fn all_detected(&self) -> bool {
        self.detected.iter().all(Option::is_some)
    }
}
