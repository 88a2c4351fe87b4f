//! A stand-in for the Feishu export API on loopback, for tests, the demo and the benchmarks.
//!
//! It serves the create, query, download and tenant-token endpoints as the documentation describes them, keeps the
//! rate limit and the life of access tokens, lets jobs age, injects faults, and records every request. It shares no
//! code with the client, so that one misreading cannot pass on both sides.
//!
//! [`Scenario`] says what there is at the start.

mod access_token;
mod app;
mod duration;
mod fault;
mod job;
mod record;
mod scenario;
mod seed;
mod switches;
mod window;

pub use app::{App, DEFAULT_APP_ID, DEFAULT_APP_SECRET, RateLimit, ThrottleStyle, Trouble};
pub use fault::{Fault, FaultId, Nth, Target};
pub use job::{FAILING_JOB_STATUSES, Job, Life};
pub use record::{Endpoint, Journal, Request};
pub use scenario::{AgeStarts, Batch, FaultRule, Scenario, ScenarioError};
pub use switches::{
    Answers, Disposition, Download, LogIdHeader, LogIdPlace, Outcome, RunningShape, SuccessShape,
    Switches, Tokens,
};
