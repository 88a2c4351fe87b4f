//! Follows export tickets of Feishu and Lark until each yields its file token.
//!
//! The program is a thin shell around four front doors: [`Watcher`] watches, [`check`] looks at the
//! configuration, [`status`] reads the state file, [`plan_retry`] leaves requests in it. Behind them lie the
//! rooms:
//!
//! | module | is for | may use |
//! |---|---|---|
//! | [`domain`] | the words: ticket, app, failure kinds, pause reasons, what the API's numbers mean, event names | nothing |
//! | [`schedule`] | backoff, budget, queue; pure, on the caller's clock | domain |
//! | [`config`] | what the TOML says → what is accepted | domain, schedule |
//! | [`feishu`] | the remote: client, secrets, wire format, verdicts | domain |
//! | [`store`] | the state file | domain |
//! | [`engine`] | the engine: one loop that owns every ticket | domain, schedule, store, feishu |
//! | `deliver` | consumers of verdicts: the log | domain, store, log |
//!
//! No import runs the other way. `crash_points`, which the binary and any room may pass, uses nothing and is
//! nothing but in tests.

mod app;
pub mod config;
#[doc(hidden)]
pub mod crash_points;
mod deliver;
pub mod domain;
pub mod engine;
pub mod feishu;
pub mod http;
pub mod log;
pub mod schedule;
pub mod service;
pub mod store;

pub use app::check::{CheckReport, check};
pub use app::error::{CommandError, ErrorClass};
pub use app::live_list::ReloadRequest;
pub use app::retry::{RetryOutcome, RetryPlan, RetrySelection, plan_retry};
pub use app::run::{Hooks, RunOptions, Watcher, load, set_up_log};
pub use app::state_file::StateFile;
pub use app::status::{AppReport, StatusQuery, StatusReport, status};
pub use config::{ConfigError, parse_duration, read_server_address};
pub use engine::{AppView, End, Outcome, Snapshot};
