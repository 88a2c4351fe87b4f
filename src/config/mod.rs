//! What the TOML files say, checked into types that can't be wrong.
//!
//! A file is parsed into a raw document with the place of every key and value (`document`), which readers walk by
//! name and type (`section`): `watcher.toml` in `watcher`, `download`, `server`, `hooks`, `apps` and `tenants` (`secret_source` and `ca_file` in both), watch lists in
//! `watch_list`, `entry`, `document_entry` and `document_token`. They go on after a mistake, so that one run reports everything (`report`, `problem`).
//! `additions` checks what is to be appended to a list. `list_watcher` sees which watch lists changed while the program runs. Defaults are the shipped
//! `config/watcher.toml` itself. Secrets are not read here but for a check that they are there (`secrets`); `hook_programs` looks for those of hooks.
//!
//! Whatever stands in a file is hostile until it is checked: size, nesting and the length of reports are
//! bounded, and no message repeats a value of `watcher.toml`, which may be a secret in the wrong place.

mod additions;
mod apps;
mod ca_file;
mod clashes;
mod document;
mod document_entry;
mod document_token;
mod download;
mod durations;
mod entry;
mod hook_programs;
mod hooks;
mod list_watcher;
mod load;
mod problem;
mod report;
mod secret_source;
mod secrets;
mod section;
mod server;
mod settings;
mod shipped;
mod sources;
mod tenants;
#[cfg(test)]
mod tests;
mod text_file;
mod watch_list;
mod watcher;

pub use additions::{Additions, Draft, Offer};
pub use durations::parse_duration;
pub use hook_programs::{check_hook_programs, find_program};
pub use list_watcher::{ListNews, ListWatcher, Recalled, ReloadMode};
pub use load::{Loaded, ServerAddress, load, load_all, read_again, read_server_address};
pub use problem::{ConfigError, Position, Problem, Severity};
pub use secrets::check_secrets;
pub use settings::{
    Config, DownloadConfig, LogConfig, LogFormat, PollConfig, ServerConfig, StateConfig, WatchSource,
    WatchSourceKind,
};
pub(crate) use shipped::{APP_ID as SHIPPED_APP_ID, LIST as SHIPPED_LIST};
pub use watch_list::Lists;
pub(crate) use watcher::DEFAULTS as SHIPPED_CONFIG;
