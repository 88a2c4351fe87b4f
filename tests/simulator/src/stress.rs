//! A scenario under other conditions: higher limits, shorter jobs, and faults that pass, at every endpoint.

use std::time::Duration;

use crate::{
    duration,
    fault::Fault,
    record::Endpoint,
    scenario::{FaultRule, Scenario},
};

const ENDPOINTS: [Endpoint; 6] = [
    Endpoint::TenantToken,
    Endpoint::Node,
    Endpoint::Permission,
    Endpoint::Create,
    Endpoint::Query,
    Endpoint::Download,
];

impl Scenario {
    /// Every app may send `times` as many requests in the same span.
    #[must_use]
    pub fn with_limits_times(mut self, times: usize) -> Self {
        for app in &mut self.apps {
            app.rate_limit.requests = app.rate_limit.requests.saturating_mul(times);
        }
        self
    }

    /// Every job of the scenario lives `times` as fast; files live as long as before.
    #[must_use]
    pub fn with_jobs_faster(mut self, times: f64) -> Self {
        self.life = self.life.faster(times);
        let part = |whole: Duration| duration::divided(whole, times);
        self.answers.initialising = part(self.answers.initialising);
        for batch in &mut self.batches {
            batch.life = batch.life.take().map(|life| life.faster(times));
        }
        let of_documents = self.documents.iter_mut().flat_map(|document| &mut document.jobs);
        for job in self.jobs.iter_mut().chain(of_documents).chain([&mut self.export]) {
            job.life = job.life.take().map(|life| life.faster(times));
            job.age = part(job.age);
        }
        self
    }

    /// About that share (0 to 1) of the requests to each endpoint meets a fault that is gone when they are repeated. Half
    /// of the creates among these make their job, and lose its ticket.
    #[must_use]
    pub fn with_passing_faults(mut self, share: f64) -> Self {
        for endpoint in ENDPOINTS {
            let faults = passing(endpoint);
            let each = share / faults.len() as f64;
            self.faults.extend(faults.into_iter().map(|fault| FaultRule::new(endpoint, each, fault)));
        }
        self
    }
}

fn passing(endpoint: Endpoint) -> Vec<Fault> {
    let mut faults = vec![
        Fault::Reset,
        Fault::Close,
        Fault::Hang,
        Fault::Html { status: 502 },
        Fault::Empty { status: 500 },
        Fault::Unavailable { retry_after: Some(1) },
    ];
    match endpoint {
        Endpoint::Create => {
            let lost = faults.clone().into_iter().map(Fault::lost);
            faults.extend(lost);
        }
        Endpoint::Download => faults.extend([Fault::HalfBody, Fault::ShortFile { by: 1 }, Fault::WrongStart]),
        _ => faults.push(Fault::HalfBody),
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        document::Document,
        job::{Job, Life},
    };

    #[test]
    fn limits_grow_and_every_job_is_shorter() {
        let after = |seconds| Life::Succeeds { after: Duration::from_millis(seconds) };
        let job = || Job::new("1", "doc").life(after(2_000));
        let scenario = Scenario {
            jobs: vec![job()],
            documents: vec![Document::new("doc").job(job())],
            export: job(),
            ..Scenario::default()
        };
        let scenario = scenario.with_limits_times(10).with_jobs_faster(10.0);
        assert_eq!(scenario.apps[0].rate_limit.requests, 1_000);
        assert_eq!(scenario.life, after(1_000));
        for job in [&scenario.jobs[0], &scenario.documents[0].jobs[0], &scenario.export] {
            assert_eq!(job.life, Some(after(200)));
        }
    }

    /// Promise: each endpoint is struck as often as asked for, and creates lose answers as well as jobs.
    #[test]
    fn the_shares_of_an_endpoint_add_up() {
        let scenario = Scenario::default().with_passing_faults(0.03);
        assert!(scenario.check().is_ok());
        for endpoint in ENDPOINTS {
            let rules = scenario.faults.iter().filter(|rule| rule.endpoint == Some(endpoint));
            let sum: f64 = rules.map(|rule| rule.share).sum();
            assert!((sum - 0.03).abs() < 1e-9, "{endpoint:?} {sum}");
        }
        let lost = scenario.faults.iter().filter(|rule| matches!(rule.fault, Fault::Lost(_))).count();
        assert_eq!(lost, 6);
    }
}
