//! The types that a checked `watcher.toml` yields.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::problem::Position;
use crate::domain::{App, Hook, NameTemplate};
use crate::schedule::Backoff;

/// A checked `watcher.toml`. All paths are absolute.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file itself.
    pub path: Arc<Path>,
    /// Where the watch lists lie, in the order given.
    pub watchlist: Vec<WatchSource>,
    /// The state file.
    pub state: StateConfig,
    /// The log.
    pub log: LogConfig,
    /// How tickets are polled.
    pub poll: PollConfig,
    /// How files are downloaded; none where they are not.
    pub download: Option<DownloadConfig>,
    /// The server for probes and people; none where it is not wanted.
    pub server: Option<ServerConfig>,
    /// What takes events.
    pub hooks: Vec<Hook>,
    /// On whose behalf; at least one, ordered by name.
    pub apps: Vec<App>,
    /// Where each app's credentials are named, in the order of `apps`.
    pub(super) credential_places: Vec<Position>,
    /// Where each hook's command, or else its secret or address, is named, in the order of `hooks`.
    pub(super) hook_places: Vec<Position>,
}

/// An entry of `watchlist`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchSource {
    /// A file, or a pattern for files.
    pub kind: WatchSourceKind,
    /// Where `watcher.toml` names it.
    pub position: Position,
}

/// How an entry of `watchlist` names files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchSourceKind {
    /// One file, which must exist and be valid.
    File(PathBuf),
    /// A pattern in the syntax of the `glob` crate, which may match none; a bad file is left out.
    Glob(String),
}

/// Section `[state]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateConfig {
    /// The SQLite file.
    pub path: PathBuf,
    /// How long finished tickets that left the watch list are kept.
    pub keep: Duration,
}

/// Section `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// What stdout looks like.
    pub format: LogFormat,
    /// A level's name or `tracing` directives, which [`crate::domain::parse_directives`] takes.
    pub level: String,
    /// Also append JSON lines to this file.
    pub file: Option<PathBuf>,
}

/// What the log on stdout looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Section `[poll]`.
#[derive(Clone, Debug, PartialEq)]
pub struct PollConfig {
    /// Intervals between the polls of one ticket.
    pub backoff: Backoff,
    /// How long a ticket is followed, longer than zero.
    pub give_up_after: Duration,
    /// Time for one request, 10 ms to 5 min.
    pub request_timeout: Duration,
    /// Requests at once per app, 1 to 1024.
    pub max_in_flight: NonZeroUsize,
}

/// Section `[download]`.
#[derive(Clone, Debug, PartialEq)]
pub struct DownloadConfig {
    /// The folder of all files.
    pub folder: PathBuf,
    /// How files are named below it.
    pub name: NameTemplate,
    /// Transfers at once per app, 1 to 64.
    pub max_in_flight: NonZeroUsize,
    /// No byte for this long is a broken transfer, 1 s to 10 min.
    pub idle_timeout: Duration,
    /// Permissions of a saved file, 0o600 to 0o777; its owner may read and write it.
    pub mode: u32,
}

/// Section `[server]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where it listens, never port 0. Reachable from other machines only if the file allows that.
    pub listen: SocketAddr,
}
