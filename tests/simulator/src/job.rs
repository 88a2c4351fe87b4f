//! One export job, and what it is at a given age. Pure: the age is an argument.
//!
//! [`Life`] is what a scenario writes; it is settled once into a [`Course`], after which no chance is involved.

use std::time::Duration;

use fastrand::Rng;
use serde::Deserialize;

use crate::{duration, seed};

/// The failing values of `job_status` that the query page documents.
pub const FAILING_JOB_STATUSES: [i64; 9] = [3, 107, 108, 109, 110, 111, 122, 123, 6000];

/// An export job as the create endpoint would have left it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The job's id, path element of the query. May be empty only for jobs that the create endpoint makes.
    #[serde(default)]
    pub ticket: String,
    /// The source document's token, which the query must name too. May be empty as the ticket may.
    #[serde(default)]
    pub token: String,
    /// The app that created the job; empty for the scenario's first app.
    #[serde(default)]
    pub app: String,
    /// The one user token that may query it; without it every token of the app may.
    #[serde(default)]
    pub user: Option<String>,
    /// How and when it ends; without it the scenario's `life`.
    #[serde(default)]
    pub life: Option<Life>,
    /// How old it is when it is added.
    #[serde(default, with = "duration")]
    pub age: Duration,
    /// `file_name` of the result.
    #[serde(default = "default_file_name")]
    pub file_name: String,
    /// `file_extension`: docx, pdf, xlsx, csv, pptx, base.
    #[serde(default = "default_file_extension")]
    pub file_extension: String,
    /// `type`: doc, docx, sheet, bitable, slides.
    #[serde(default = "default_doc_type", rename = "type")]
    pub doc_type: String,
    /// `file_size` in bytes, as answered; may be negative.
    #[serde(default = "default_file_size")]
    pub file_size: i64,
    /// Leave `file_size` out of the answer.
    #[serde(default)]
    pub omit_file_size: bool,
    /// Bytes that the download sends, at most the scenario's cap; without it `file_size`, or 0 if that is negative.
    #[serde(default)]
    pub true_size: Option<u64>,
    /// `file_token` of the result; empty for one derived from the ticket.
    #[serde(default)]
    pub file_token: String,
    /// `job_error_msg` of a failed job.
    #[serde(default)]
    pub job_error_msg: String,
}

fn default_file_name() -> String {
    "docName".to_owned()
}

fn default_file_extension() -> String {
    "docx".to_owned()
}

fn default_doc_type() -> String {
    "docx".to_owned()
}

fn default_file_size() -> i64 {
    34_356
}

/// For jobs that the create endpoint makes: ticket, document, app, format and type are those of the request.
impl Default for Job {
    fn default() -> Self {
        Self::new("", "")
    }
}

impl Job {
    /// A job of the first app, with the scenario's life and a small Word file.
    pub fn new(ticket: impl Into<String>, token: impl Into<String>) -> Self {
        Self {
            ticket: ticket.into(),
            token: token.into(),
            app: String::new(),
            user: None,
            life: None,
            age: Duration::ZERO,
            file_name: default_file_name(),
            file_extension: default_file_extension(),
            doc_type: default_doc_type(),
            file_size: default_file_size(),
            omit_file_size: false,
            true_size: None,
            file_token: String::new(),
            job_error_msg: String::new(),
        }
    }

    /// Its file has no name of its own.
    pub(crate) fn has_default_name(&self) -> bool {
        self.file_name == default_file_name()
    }

    /// Names the app that created it.
    #[must_use]
    pub fn app(mut self, app_id: impl Into<String>) -> Self {
        self.app = app_id.into();
        self
    }

    /// Says how and when it ends.
    #[must_use]
    pub fn life(mut self, life: Life) -> Self {
        self.life = Some(life);
        self
    }

    /// Succeeds at that age; short for the commonest life.
    #[must_use]
    pub fn succeeds_after(self, after: Duration) -> Self {
        self.life(Life::Succeeds { after })
    }

    /// Fails at that age with that `job_status`.
    #[must_use]
    pub fn fails_after(self, after: Duration, job_status: i64) -> Self {
        self.life(Life::Fails { after, job_status })
    }
}

/// How a job's life goes. Every duration counts from the job's creation.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Life {
    /// `job_status` 0 with a file from that age on.
    Succeeds {
        /// Age at the end.
        #[serde(with = "duration")]
        after: Duration,
    },
    /// Any other final (or unknown) `job_status` from that age on.
    Fails {
        /// Age at the end.
        #[serde(with = "duration")]
        after: Duration,
        /// 3, 107, … or a number that no page lists.
        job_status: i64,
    },
    /// `job_status` 0 without a file token from that age on.
    NoFileToken {
        /// Age at which the status becomes 0.
        #[serde(with = "duration")]
        after: Duration,
        /// How long until the file token appears; without it, never.
        #[serde(default, deserialize_with = "duration::optional")]
        lasts: Option<Duration>,
    },
    /// The query itself is refused from that age on, say with 410 and 1069906.
    Refused {
        /// Age from which it is refused.
        #[serde(with = "duration")]
        after: Duration,
        /// HTTP status.
        status: u16,
        /// `code` of the envelope.
        code: i64,
    },
    /// Never ends.
    Forever,
    /// An age at the end drawn from a lognormal distribution, by the scenario's seed and the ticket.
    Lognormal {
        /// Half of the jobs end before that age.
        #[serde(with = "duration")]
        median: Duration,
        /// Spread: the standard deviation of the logarithm.
        sigma: f64,
        /// Share of the jobs (0 to 1) that end with one of [`FAILING_JOB_STATUSES`].
        #[serde(default)]
        failing: f64,
    },
}

impl Default for Life {
    fn default() -> Self {
        Self::Succeeds { after: Duration::from_secs(10) }
    }
}

impl Life {
    /// The same life, `times` as fast.
    pub(crate) fn faster(&self, times: f64) -> Self {
        let part = |whole| duration::divided(whole, times);
        let mut life = self.clone();
        match &mut life {
            Self::Succeeds { after } | Self::Fails { after, .. } | Self::Refused { after, .. } => {
                *after = part(*after);
            }
            Self::NoFileToken { after, lasts } => (*after, *lasts) = (part(*after), lasts.map(part)),
            Self::Lognormal { median, .. } => *median = part(*median),
            Self::Forever => {}
        }
        life
    }

    /// Draws what is left to chance; the same seed and ticket give the same course.
    pub(crate) fn settle(&self, seed: u64, ticket: &str) -> Course {
        match *self {
            Self::Succeeds { after } => Course::new(after, Ending::Success),
            Self::Fails { after, job_status } => Course::new(after, Ending::Failure { job_status }),
            Self::NoFileToken { after, lasts } => Course::new(
                after,
                Ending::NoFileToken { until: lasts.map(|lasts| after.saturating_add(lasts)) },
            ),
            Self::Refused { after, status, code } => Course::new(after, Ending::Refusal { status, code }),
            Self::Forever => Course::new(Duration::MAX, Ending::Success),
            Self::Lognormal { median, sigma, failing } => {
                let mut rng = Rng::with_seed(seed::mix(seed, ticket));
                let seconds = seed::lognormal(&mut rng, median.as_secs_f64(), sigma);
                let after = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
                Course::new(after, ending_by_chance(&mut rng, failing))
            }
        }
    }
}

fn ending_by_chance(rng: &mut Rng, failing: f64) -> Ending {
    let fails = rng.f64() < failing;
    match rng.choice(FAILING_JOB_STATUSES) {
        Some(job_status) if fails => Ending::Failure { job_status },
        _ => Ending::Success,
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    Success,
    Failure { job_status: i64 },
    NoFileToken { until: Option<Duration> },
    Refusal { status: u16, code: i64 },
}

/// A life with nothing left to chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Course {
    after: Duration,
    ending: Ending,
}

/// What a job is at one age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// `job_status` 1.
    Initialising,
    /// `job_status` 2.
    Processing,
    /// `job_status` 0 with a file.
    Succeeded,
    /// `job_status` 0 without a file.
    NoFileToken,
    /// Another `job_status`.
    Failed { job_status: i64 },
    /// The query is refused.
    Refused { status: u16, code: i64 },
}

impl Course {
    fn new(after: Duration, ending: Ending) -> Self {
        Self { after, ending }
    }

    /// The job at `age`; it initialises until `initialising` and processes until its end.
    pub(crate) fn phase_at(&self, age: Duration, initialising: Duration) -> Phase {
        if age < self.after {
            return if age < initialising { Phase::Initialising } else { Phase::Processing };
        }
        match self.ending {
            Ending::Success => Phase::Succeeded,
            Ending::Failure { job_status } => Phase::Failed { job_status },
            Ending::NoFileToken { until: Some(until) } if age >= until => Phase::Succeeded,
            Ending::NoFileToken { .. } => Phase::NoFileToken,
            Ending::Refusal { status, code } => Phase::Refused { status, code },
        }
    }

    /// The age at which the artefact comes to be; its own life counts from there.
    pub(crate) fn artefact_from(&self) -> Option<Duration> {
        match self.ending {
            Ending::Success => Some(self.after),
            Ending::NoFileToken { until } => until,
            Ending::Failure { .. } | Ending::Refusal { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn phases(life: Life, ages: [u32; 4]) -> [Phase; 4] {
        let course = life.settle(1, "6933093124755412345");
        ages.map(|age| course.phase_at(SECOND * age, SECOND))
    }

    #[test]
    fn initialises_processes_and_ends() {
        let life = Life::Succeeds { after: SECOND * 10 };
        let expected = [Phase::Initialising, Phase::Processing, Phase::Processing, Phase::Succeeded];
        assert_eq!(phases(life, [0, 1, 9, 10]), expected);
        let life = Life::Fails { after: SECOND * 2, job_status: 107 };
        let failed = Phase::Failed { job_status: 107 };
        assert_eq!(phases(life, [0, 1, 2, 999]), [Phase::Initialising, Phase::Processing, failed, failed]);
    }

    #[test]
    fn the_file_token_may_come_late_or_never() {
        let life = Life::NoFileToken { after: SECOND, lasts: Some(SECOND * 2) };
        let expected = [Phase::Initialising, Phase::NoFileToken, Phase::NoFileToken, Phase::Succeeded];
        assert_eq!(phases(life.clone(), [0, 1, 2, 3]), expected);
        assert_eq!(life.settle(1, "x").artefact_from(), Some(SECOND * 3));
        let never = Life::NoFileToken { after: SECOND, lasts: None };
        assert_eq!(phases(never.clone(), [1, 2, 3, 9_999]), [Phase::NoFileToken; 4]);
        assert_eq!(never.settle(1, "x").artefact_from(), None);
    }

    #[test]
    fn a_refused_job_and_one_without_end() {
        let life = Life::Refused { after: SECOND, status: 410, code: 1_069_906 };
        assert_eq!(phases(life, [0, 1, 2, 3])[1], Phase::Refused { status: 410, code: 1_069_906 });
        assert_eq!(phases(Life::Forever, [1, 60, 3600, u32::MAX]), [Phase::Processing; 4]);
    }

    #[test]
    fn chance_depends_on_seed_and_ticket_only() {
        let life = Life::Lognormal { median: SECOND * 20, sigma: 0.8, failing: 0.25 };
        assert_eq!(life.settle(1, "a"), life.settle(1, "a"));
        assert_ne!(life.settle(1, "a"), life.settle(2, "a"));
        assert_ne!(life.settle(1, "a"), life.settle(1, "b"));
        let courses: Vec<_> = (0..2_000).map(|n| life.settle(1, &n.to_string())).collect();
        let failing = courses.iter().filter(|course| course.artefact_from().is_none()).count();
        assert!((400..600).contains(&failing), "{failing}");
        let early = courses.iter().filter(|course| course.after < SECOND * 20).count();
        assert!((900..1_100).contains(&early), "{early}");
    }
}
