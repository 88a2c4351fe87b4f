//! The remote as far as scheduling meets it: it counts requests as they arrive, knows which jobs have ended, and keeps
//! each artefact for a while.

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;

use crate::workload::Job;

/// Requests that are answered in any window.
pub(crate) const LIMIT: usize = 100;
/// The window.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// How long an artefact lives.
pub(crate) const LIFE: Duration = Duration::from_secs(600);
/// Bytes a second of all downloads together.
const RATE: f64 = 20.0 * 1024.0 * 1024.0;

/// What the server says to a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Running,
    Done,
    /// Too many requests; there is room again after so long.
    Throttled(Duration),
}

/// What the server says to a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Artefact {
    There,
    Gone,
    /// Too many requests; there is room again after so long.
    Throttled(Duration),
}

/// While the line is cut no request arrives and no answer comes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) begins: Duration,
    pub(crate) ends: Duration,
}

/// Requests to one endpoint. Those that are refused do not count.
#[derive(Default)]
struct Counted(VecDeque<Duration>);

impl Counted {
    /// Counts a request unless there are too many; there is room again after so long.
    fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        while self.0.front().is_some_and(|counted| *counted + WINDOW <= now) {
            self.0.pop_front();
        }
        if self.0.len() >= LIMIT {
            return Err(self.0.front().map_or(WINDOW, |first| *first + WINDOW - now));
        }
        self.0.push_back(now);
        Ok(())
    }
}

/// The server, and what became of every job.
pub(crate) struct Server {
    jobs: Vec<Job>,
    rng: Rng,
    queries: Counted,
    downloads: Counted,
    creates: Counted,
    cut: Option<Cut>,
    /// When the line has sent all that it was given.
    line_free: Duration,
    /// When the client learned of each job's end.
    pub(crate) detected: Vec<Option<Duration>>,
    /// When the client had each artefact.
    pub(crate) saved: Vec<Option<Duration>>,
    pub(crate) polls: usize,
    /// Requests that arrived, to any endpoint.
    pub(crate) calls: usize,
    /// Whether a download of the job's artefact came too late.
    pub(crate) gone: Vec<bool>,
    pub(crate) throttled: usize,
}

impl Server {
    /// A server where each job is created by others at its time.
    pub(crate) fn new(jobs: Vec<Job>, rng: Rng) -> Self {
        let none = vec![None; jobs.len()];
        let gone = vec![false; jobs.len()];
        Self {
            jobs,
            rng,
            queries: Counted::default(),
            downloads: Counted::default(),
            creates: Counted::default(),
            cut: None,
            line_free: Duration::ZERO,
            detected: none.clone(),
            saved: none,
            polls: 0,
            calls: 0,
            gone,
            throttled: 0,
        }
    }

    /// A server where the client creates the jobs, of documents that are listed when the jobs say.
    pub(crate) fn of_documents(jobs: Vec<Job>, cut: Option<Cut>, rng: Rng) -> Self {
        Self { cut, ..Self::new(jobs, rng) }
    }

    /// The end of the cut, while the line is.
    pub(crate) fn cut_until(&self, now: Duration) -> Option<Duration> {
        self.cut.filter(|cut| (cut.begins..cut.ends).contains(&now)).map(|cut| cut.ends)
    }

    /// A create arrives: the job begins, and takes as long as it was to.
    ///
    /// # Errors
    /// Too many requests; there is room again after so long.
    pub(crate) fn create(&mut self, document: usize, now: Duration) -> Result<(), Duration> {
        self.calls += 1;
        self.creates.admit(now).inspect_err(|_| self.throttled += 1)?;
        let job = &mut self.jobs[document];
        *job = Job { created: now, ends: now + job.lasts(), ..*job };
        Ok(())
    }

    /// How long a request takes on its way there, and back.
    pub(crate) fn ways(&mut self) -> (Duration, Duration) {
        let mut way = || Duration::from_secs_f64(0.02 + 0.1 * self.rng.f64());
        (way(), way())
    }

    /// A query arrives.
    pub(crate) fn arrive(&mut self, job: usize, now: Duration) -> Reply {
        self.polls += 1;
        self.calls += 1;
        match self.queries.admit(now) {
            Err(room) => {
                self.throttled += 1;
                Reply::Throttled(room)
            }
            Ok(()) if self.jobs[job].ends <= now => Reply::Done,
            Ok(()) => Reply::Running,
        }
    }

    /// A download arrives.
    pub(crate) fn fetch(&mut self, job: usize, now: Duration) -> Artefact {
        self.calls += 1;
        match self.downloads.admit(now) {
            Err(room) => {
                self.throttled += 1;
                Artefact::Throttled(room)
            }
            Ok(()) if now < self.jobs[job].ends + LIFE => Artefact::There,
            Ok(()) => {
                self.gone[job] = true;
                Artefact::Gone
            }
        }
    }

    /// Puts so many bytes on the line, behind all others; returns when they are sent.
    pub(crate) fn send(&mut self, bytes: u64, now: Duration) -> Duration {
        self.line_free = self.line_free.max(now) + Duration::from_secs_f64(bytes as f64 / RATE);
        self.line_free
    }

    /// The client has all of the artefact.
    pub(crate) fn save(&mut self, job: usize, now: Duration) {
        self.saved[job].get_or_insert(now);
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

    pub(crate) fn all_saved(&self) -> bool {
        self.saved.iter().all(Option::is_some)
    }
}
