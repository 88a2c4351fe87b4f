//! A stand-in for the Feishu export API on loopback, for tests, the demo and the benchmarks.
//!
//! It serves the endpoints for tenant tokens, wiki nodes and permissions, and those that create, query and download
//! exports, as the documentation describes them. It keeps the rate limit and the life of access tokens, lets jobs age,
//! injects faults, and records every request. It shares no code with the client, so that one misreading cannot pass on
//! both sides.
//!
//! [`Scenario`] says what there is at the start, [`Simulator`] runs it and changes it, [`Journal`] lists what arrived.
//!
//! ```
//! use std::time::Duration;
//! use export_simulator::{Fault, Job, Scenario, Simulator};
//!
//! let simulator = Simulator::spawn(Scenario::default())?;
//! simulator.add_job(Job::new("6933093124755412345", "docbc").succeeds_after(Duration::from_secs(2)));
//! simulator.fault("6933093124755412345", 1, Fault::Reset);
//! println!("{}", simulator.base_url());
//! assert_eq!(simulator.throttled_count(), 0);
//! # Ok::<(), export_simulator::StartError>(())
//! ```
//!
//! | module | what it knows |
//! |---|---|
//! | `job`, `window`, `access_token`, `target`, `fault`, `hold` | the rules, pure: `now` or the age is an argument |
//! | `export_file` | the bytes of a download |
//! | `document`, `order` | which job a create makes |
//! | `job_book`, `world` | all that changes, behind one lock |
//! | `record`, `made` | the journal, and what it says of created jobs |
//! | `query`, `create`, `download`, `node`, `permission`, `tenant_token` | one endpoint each |
//! | `scenario`, `stress` | the start, and the same with higher limits, shorter jobs and more faults |
//! | `refusals` | what stands before every endpoint: window, access token, the app's troubles |
//! | `answer`, `wire`, `connection` | from an answer to bytes, and how faults spoil them |
//! | `route`, `handler`, `server`, `simulator` | from a socket to the world, and the handle for tests |

mod access_token;
mod answer;
mod app;
mod connection;
mod create;
mod document;
mod download;
mod duration;
mod export_file;
mod fault;
mod handler;
mod hold;
mod job;
mod job_book;
mod made;
mod node;
mod order;
mod permission;
mod query;
mod record;
mod refusals;
mod route;
mod scenario;
mod seed;
mod server;
mod simulator;
mod stress;
mod switches;
mod target;
mod tenant_token;
mod window;
mod wire;
mod world;

pub use app::{App, DEFAULT_APP_ID, DEFAULT_APP_SECRET, RateLimit, ThrottleStyle, Trouble};
pub use document::Document;
pub use export_file::ExportFile;
pub use fault::{Fault, FaultId};
pub use hold::HoldId;
pub use job::{FAILING_JOB_STATUSES, Job, Life};
pub use made::Made;
pub use node::Node;
pub use order::Order;
pub use record::{Endpoint, Journal, Request, Sent};
pub use scenario::{AgeStarts, Batch, FaultRule, Scenario, ScenarioError};
pub use simulator::{Simulator, StartError};
pub use switches::{
    Answers, Disposition, Download, LogIdHeader, LogIdPlace, Outcome, RunningShape, SuccessShape, Switches,
    Tokens,
};
pub use target::{Nth, Target};
