//! What is exported, when, and how long each job takes: seeded, so that one seed is one history.

use std::f64::consts::TAU;
use std::time::Duration;

use fastrand::Rng;

/// One export job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    /// When it is created, since the beginning.
    pub(crate) created: Duration,
    /// When it ends, since the beginning.
    pub(crate) ends: Duration,
    /// Bytes of its artefact.
    pub(crate) size: u64,
}

impl Job {
    /// How long it takes.
    pub(crate) fn lasts(&self) -> Duration {
        self.ends - self.created
    }
}

/// A kind of day.
pub(crate) struct Workload {
    /// As it is printed.
    pub(crate) name: &'static str,
    jobs: usize,
    /// Jobs created in a minute; none where all are created at once.
    a_minute: Option<f64>,
    /// Of how many jobs one is long.
    long: Long,
}

enum Long {
    None,
    OneIn(usize),
    All,
}

/// The workloads, from the most to the least ordinary.
pub(crate) const WORKLOADS: [Workload; 7] = [
    Workload { name: "2,000 short, 100 a minute", jobs: 2_000, a_minute: Some(100.0), long: Long::None },
    Workload { name: "1,500 short, 60 a minute", jobs: 1_500, a_minute: Some(60.0), long: Long::None },
    Workload { name: "300 short, 10 a minute", jobs: 300, a_minute: Some(10.0), long: Long::None },
    Workload { name: "300 short at once", jobs: 300, a_minute: None, long: Long::None },
    Workload { name: "900 short at once", jobs: 900, a_minute: None, long: Long::None },
    Workload { name: "900 long, 30 a minute", jobs: 900, a_minute: Some(30.0), long: Long::All },
    Workload {
        name: "1,500, 50 a minute, a fifth long",
        jobs: 1_500,
        a_minute: Some(50.0),
        long: Long::OneIn(5),
    },
];

/// The workloads that start from documents, which are listed when the jobs say. The last one has an outage.
pub(crate) const DOCUMENTS: [Workload; 5] = [
    Workload { name: "2,000 short at once", jobs: 2_000, a_minute: None, long: Long::None },
    Workload { name: "1,500 at once, a fifth long", jobs: 1_500, a_minute: None, long: Long::OneIn(5) },
    Workload { name: "5,000 long at once", jobs: 5_000, a_minute: None, long: Long::All },
    Workload { name: "300 short, 10 a minute", jobs: 300, a_minute: Some(10.0), long: Long::None },
    Workload { name: "5,000 long at once, an outage of 4 min", jobs: 5_000, a_minute: None, long: Long::All },
];

impl Workload {
    /// The jobs in the order of their creation.
    pub(crate) fn jobs(&self, rng: &mut Rng) -> Vec<Job> {
        let job = |number: usize| {
            let minutes = self.a_minute.map_or(0.0, |rate| number as f64 / rate);
            let created = Duration::from_secs_f64(minutes * 60.0);
            let long = match self.long {
                Long::None => false,
                Long::OneIn(count) => rng.usize(..count) == 0,
                Long::All => true,
            };
            let seconds = if long { lognormal(rng, 240.0, 0.6) } else { lognormal(rng, 8.0, 1.0) };
            Job { created, ends: created + Duration::from_secs_f64(seconds), size: 0 }
        };
        let mut jobs: Vec<_> = (0..self.jobs).map(job).collect();
        for job in &mut jobs {
            job.size = (lognormal(rng, 2.0, 1.0) * f64::from(1 << 20)) as u64;
        }
        jobs
    }
}

/// A lognormal number by its median and the standard deviation of its logarithm (Box and Muller's method).
fn lognormal(rng: &mut Rng, median: f64, sigma: f64) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    median * (sigma * radius * (TAU * rng.f64()).cos()).exp()
}
