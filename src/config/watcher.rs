//! `watcher.toml`: its text, as it stands, to a [`Config`] or a list of everything that is wrong with it.
//!
//! `[state]`, `[log]` and `[poll]` of the shipped `config/watcher.toml` are compiled in and fill what a
//! file leaves out, so that what the comments there promise is what happens. `watchlist`, `server` and
//! `apps` never come from there.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::apps::{self, AppsReading};
use super::document;
use super::durations::Bounds;
use super::problem::Problem;
use super::report::FileReport;
use super::section::{Field, Origin, Section};
use super::server::{self, ServerReading, ServerSection};
use super::settings::{Config, LogConfig, LogFormat, PollConfig, StateConfig, WatchSource, WatchSourceKind};
use super::sources::is_pattern;
use super::state::{self, StateReading};
use super::text_file::{self, Refusal};
use crate::domain::{AppName, parse_directives};
use crate::schedule::{Backoff, BackoffError};

/// The shipped file: documentation and defaults in one.
pub(super) const DEFAULTS: &str = include_str!("../../config/watcher.toml");

/// Bytes of a `watcher.toml` at most.
pub(super) const SIZE_MAX: u64 = 1 << 20;

pub(super) const KEYS: &[&str] = &["watchlist", "state", "log", "poll", "server", "apps"];
pub(super) const LOG_KEYS: &[&str] = &["format", "level", "file"];
pub(super) const POLL_KEYS: &[&str] = &[
    "initial_interval",
    "multiplier",
    "max_interval",
    "jitter",
    "give_up_after",
    "request_timeout",
    "max_in_flight",
];

pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const INTERVAL: Bounds = Bounds { least: Duration::from_millis(1), most: DAY, words: "from 1ms to 1d" };
const GIVE_UP: Bounds =
    Bounds { least: Duration::from_millis(1), most: DAY.saturating_mul(3650), words: "from 1ms to 3650d" };
const REQUEST_TIMEOUT: Bounds =
    Bounds { least: Duration::from_millis(10), most: Duration::from_secs(300), words: "from 10ms to 5m" };

/// What could be made of a `watcher.toml`. The parts are there even if the whole is not, so that the watch
/// lists can be checked in the same run.
#[derive(Debug)]
pub(super) struct WatcherFile {
    /// Present if and only if no problem is an error.
    pub(super) config: Option<Config>,
    /// The watch lists that were named properly.
    pub(super) sources: Vec<WatchSource>,
    /// The names of the apps, also of those with errors; none if that can't be told.
    pub(super) app_names: Option<Vec<AppName>>,
    /// Where the server listens, as far as that can be told.
    pub(super) listen: Option<SocketAddr>,
    pub(super) problems: Vec<Problem>,
}

/// Reads and checks the file at `path`, an absolute path.
pub(super) fn read(path: &Arc<Path>) -> WatcherFile {
    take(path, text_file::read(path, SIZE_MAX))
}

/// Checks what lay at `path`.
pub(super) fn take(path: &Arc<Path>, content: Result<String, Refusal>) -> WatcherFile {
    match content {
        Ok(text) => check(path, &text),
        Err(refusal) => {
            let problems = vec![refusal.into_problem(path)];
            let (config, app_names, listen) = (None, None, None);
            WatcherFile { config, sources: Vec::new(), app_names, listen, problems }
        }
    }
}

/// Checks a text. Relative paths start at the folder of `path`.
pub(super) fn check(path: &Arc<Path>, text: &str) -> WatcherFile {
    let defaults_report = FileReport::new(&Path::new("built-in defaults").into(), DEFAULTS);
    let defaults_document = document::parse(&defaults_report, 0, DEFAULTS);
    let defaults_origin = Origin { report: &defaults_report, offset: 0 };
    let defaults = Section::root(defaults_origin, defaults_document.as_ref(), KEYS);

    let report = FileReport::new(path, text);
    let repaired = document::without_keyless_lines(&report, text);
    let document = document::parse(&report, 0, &repaired);
    let root = Section::root(Origin { report: &report, offset: 0 }, document.as_ref(), KEYS);
    let parts = read_parts(path, &root, &defaults);
    root.finish();

    let clean = !report.has_errors() && !defaults_report.has_errors();
    let mut problems = report.into_problems();
    problems.extend(defaults_report.into_problems());
    let (app_names, sources, listen) = (parts.apps.names.clone(), parts.sources.clone(), parts.server.listen);
    let config = parts.into_config(path).filter(|_| clean);
    WatcherFile { config, sources, app_names, listen, problems }
}

struct Parts {
    sources: Vec<WatchSource>,
    state: StateReading,
    log: Option<LogConfig>,
    poll: Option<PollConfig>,
    server: ServerReading,
    apps: AppsReading,
}

impl Parts {
    fn into_config(self, path: &Arc<Path>) -> Option<Config> {
        let (apps, credential_places) = self.apps.apps?;
        let server = match self.server.config {
            ServerSection::Absent => None,
            ServerSection::Bad => return None,
            ServerSection::Good(server) => Some(server),
        };
        Some(Config {
            path: Arc::clone(path),
            watchlist: self.sources,
            state: StateConfig { path: self.state.path?, keep: self.state.keep? },
            log: self.log?,
            poll: self.poll?,
            server,
            apps,
            credential_places,
        })
    }
}

fn read_parts(path: &Path, root: &Section<'_>, defaults: &Section<'_>) -> Parts {
    let folder = path.parent().unwrap_or(Path::new(""));
    let state = defaults.subsection("state", state::KEYS, None);
    let log = defaults.subsection("log", LOG_KEYS, None);
    let poll = defaults.subsection("poll", POLL_KEYS, None);
    Parts {
        sources: read_sources(root, folder),
        state: state::read(&root.subsection("state", state::KEYS, Some(&state)), folder),
        log: read_log(&root.subsection("log", LOG_KEYS, Some(&log)), folder),
        poll: read_poll(&root.subsection("poll", POLL_KEYS, Some(&poll))),
        server: server::read(root),
        apps: apps::read(root, folder),
    }
}

fn read_sources(root: &Section<'_>, folder: &Path) -> Vec<WatchSource> {
    let expected = "an array of paths and patterns, such as [\"watchlist.toml\", \"watchlist.d/*.toml\"]";
    let Some(field) = root.required("watchlist", expected) else {
        return Vec::new();
    };
    let elements = field.array(expected).unwrap_or_default();
    if elements.is_empty() && matches!(field.value(), toml::de::DeValue::Array(_)) {
        field.unfit::<()>("at least one path or pattern");
    }
    elements.iter().filter_map(|element| read_source(element, folder)).collect()
}

fn read_source(field: &Field<'_>, folder: &Path) -> Option<WatchSource> {
    let path = field.path(folder)?;
    let text = field.text("a path")?;
    let kind = if is_pattern(text) {
        // The folder may itself hold characters that mean something in a pattern.
        let folder = glob::Pattern::escape(folder.to_str().or_else(|| {
            field.unfit(
                "a pattern below a folder \
            whose name is UTF-8",
            )
        })?);
        let pattern = Path::new(&folder).join(text).to_str()?.to_owned();
        if let Err(error) = glob::Pattern::new(&pattern) {
            return field.unfit(&format!("a pattern such as \"watchlist.d/*.toml\" ({})", error.msg));
        }
        if text.split('/').any(|component| component == "**") {
            return field
                .unfit("a pattern that names each level of folders, such as \"*/*.toml\", without **");
        }
        WatchSourceKind::Glob(pattern)
    } else {
        WatchSourceKind::File(path)
    };
    Some(WatchSource { kind, position: field.position() })
}

fn read_log(section: &Section<'_>, folder: &Path) -> Option<LogConfig> {
    section.finish();
    let format = section.required("format", FORMATS).and_then(|field| read_format(&field));
    let level = section.required("level", LEVELS);
    let level = level.and_then(|field| field.text_where(LEVELS, |text| parse_directives(text).is_ok()));
    let file = match section.field("file") {
        Some(field) => Some(field.path(folder)?),
        None => None,
    };
    Some(LogConfig { format: format?, level: level?.to_owned(), file })
}

const FORMATS: &str = "\"auto\", \"json\" or \"text\"";
const LEVELS: &str = "\"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or tracing directives such as \
    \"info,feishu_export_watcher::feishu=debug\"";

fn read_format(field: &Field<'_>) -> Option<LogFormat> {
    match field.text(FORMATS)? {
        "auto" => Some(LogFormat::Auto),
        "json" => Some(LogFormat::Json),
        "text" => Some(LogFormat::Text),
        _ => field.unfit(FORMATS),
    }
}

fn read_poll(section: &Section<'_>) -> Option<PollConfig> {
    section.finish();
    let duration = |key, bounds| section.required(key, "a duration").and_then(|field| field.duration(bounds));
    let backoff = read_backoff(section);
    let give_up_after = duration("give_up_after", GIVE_UP);
    let request_timeout = duration("request_timeout", REQUEST_TIMEOUT);
    let expected = "a whole number from 1 to 1024";
    let max_in_flight = section.required("max_in_flight", expected);
    let max_in_flight = max_in_flight.and_then(|field| field.whole_number(1..1025, expected));
    Some(PollConfig {
        backoff: backoff?,
        give_up_after: give_up_after?,
        request_timeout: request_timeout?,
        max_in_flight: NonZeroUsize::new(usize::try_from(max_in_flight?).ok()?)?,
    })
}

fn read_backoff(section: &Section<'_>) -> Option<Backoff> {
    let duration = |key| section.required(key, "a duration").and_then(|field| field.duration(INTERVAL));
    let number = |key, least, most, expected| {
        section.required(key, expected).and_then(|field| field.number(least, most, expected))
    };
    let initial = duration("initial_interval");
    let multiplier = number("multiplier", 1.0, 100.0, "a number from 1 to 100");
    let max = duration("max_interval");
    let jitter = number("jitter", 0.0, 0.9, "a number from 0 to 0.9");
    match Backoff::new(initial?, multiplier?, max?, jitter?) {
        Ok(backoff) => Some(backoff),
        Err(error) => {
            section.error_at(blamed_keys(error), || error.to_string());
            None
        }
    }
}

fn blamed_keys(error: BackoffError) -> &'static [&'static str] {
    match error {
        BackoffError::ZeroInterval => &["initial_interval"],
        BackoffError::MaxBelowInitial => &["max_interval", "initial_interval"],
        BackoffError::Multiplier => &["multiplier"],
        BackoffError::Jitter => &["jitter"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_states_the_bounds() {
        for (key, bounds) in [
            ("initial_interval", INTERVAL),
            ("max_interval", INTERVAL),
            ("give_up_after", GIVE_UP),
            ("request_timeout", REQUEST_TIMEOUT),
            ("keep", state::KEEP),
        ] {
            let before = &DEFAULTS[..DEFAULTS.find(&format!("\n{key} = ")).unwrap()];
            let comment = before.rsplit("\n\n").next().unwrap().rsplit(" = ").next().unwrap();
            assert!(comment.contains(bounds.words.trim_start_matches("from ")), "{key}: {comment}");
        }
    }
}
