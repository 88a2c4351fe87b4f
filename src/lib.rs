//! Exports documents of Feishu and Lark, follows each export until it yields its file token, and saves its file.
//!
//! The program is a thin shell around six front doors: [`InitPlan`] writes a first configuration, [`add`] appends to a
//! watch list, [`check`] examines both, [`Watcher`] watches, [`status`] reads the state file, [`plan_retry`] leaves requests in it. Behind them lie the rooms:
//!
//! | module | is for | may use |
//! |---|---|---|
//! | [`domain`] | the words as plain types: ticket, app, verdict, the one table of answers, event names | nothing |
//! | [`schedule`] | backoff, budget, queue; pure, on the caller's clock | domain |
//! | [`config`] | `watcher.toml` and watch lists, checked, with every problem at once | domain, schedule |
//! | [`feishu`] | the remote: client, secrets, wire format, verdicts | domain |
//! | [`store`] | the state file behind its traits | domain |
//! | [`files`] | where the bodies of artefacts go: names, temporary files, the folder | domain |
//! | [`log`] | `tracing` events and verdicts as JSON or text lines | domain |
//! | [`engine`] | the loop that owns every ticket, and its decisions | domain, schedule, store, feishu, files |
//! | `deliver` | consumers of what is durable: the log, and hooks | domain, store, log |
//! | [`http`] | health, status and metrics over HTTP | domain, engine, store |
//! | [`service`] | the service manager's protocol | domain, engine |
//! | `app` | the front doors, which wire the rooms together | all |
//!
//! No import runs the other way. `crash_points`, which any room may pass, does nothing but in tests.

mod app;
pub mod config;
#[doc(hidden)]
pub mod crash_points;
mod deliver;
pub mod domain;
pub mod engine;
pub mod feishu;
pub mod files;
pub mod http;
pub mod log;
pub mod schedule;
pub mod service;
pub mod store;

pub use app::add::{AddError, AddReport, AddRequest, add};
pub use app::check::{CheckReport, check};
pub use app::check_online::meaning::{Finding, OnlineRow};
pub use app::check_online::{OnlinePlan, OnlineReport};
pub use app::error::{CommandError, ErrorClass};
pub use app::hook_test::{HookTest, test_hook};
pub use app::init::{AppId, AppIdError, FirstConfig, InitError, InitPlan};
pub use app::live_list::ReloadRequest;
pub use app::retry::{RetryOutcome, RetryPlan, RetrySelection, plan_retry};
pub use app::retry_hook::HookRetry;
pub use app::run::{Connections, RunOptions, Watcher, load, set_up_log};
pub use app::state_file::StateFile;
pub use app::status::{AppReport, StatusQuery, StatusReport, status};
pub use config::{ConfigError, parse_duration, read_server_address};
pub use engine::{AppView, End, Outcome, Snapshot, Undelivered};
