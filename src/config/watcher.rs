//! `watcher.toml`: its text, as it stands, to a [`Config`] or a list of everything that is wrong with it.
//!
//! `[state]`, `[log]` and `[poll]` of the shipped `config/watcher.toml` are compiled in and fill what a
//! file leaves out, so that what the comments there promise is what happens. `watchlist`, `download`, `server`,
//! `hook`, `apps` and `tenants` never come from there.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::apps::{self, NamedApp};
use super::document;
use super::download;
use super::durations::{Bounds, DAY};
use super::hooks;
use super::problem::Problem;
use super::report::FileReport;
use super::section::{Field, Origin, Section};
use super::server;
use super::settings::{Config, LogConfig, PollConfig, StateConfig, WatchSource, WatchSourceKind};
use super::sources::is_pattern;
use super::tenants;
use super::text_file;
use crate::domain::parse_directives;
use crate::schedule::Backoff;

/// The shipped file: documentation and defaults in one.
pub(crate) const DEFAULTS: &str = include_str!("../../config/watcher.toml");

/// Bytes of a `watcher.toml` at most.
pub(super) const SIZE_MAX: u64 = 1 << 20;

pub(super) const KEYS: &[&str] =
    &["watchlist", "state", "log", "poll", "download", "server", "hook", "apps", "tenants"];
pub(super) const STATE_KEYS: &[&str] = &["path", "keep"];
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

const INTERVAL: Bounds = Bounds { least: Duration::from_millis(1), most: DAY, words: "from 1ms to 1d" };
const KEEP: Bounds =
    Bounds { least: Duration::ZERO, most: DAY.saturating_mul(3650), words: "from 0s to 3650d" };
const GIVE_UP: Bounds =
    Bounds { least: Duration::from_millis(1), most: DAY.saturating_mul(3650), words: "from 1ms to 3650d" };
const REQUEST_TIMEOUT: Bounds =
    Bounds { least: Duration::from_millis(10), most: Duration::from_secs(300), words: "from 10ms to 5m" };

/// What a `watcher.toml` says. The parts are there even if the whole is not, so that the watch lists can be checked in
/// the same run.
#[derive(Debug, Default)]
pub(super) struct WatcherFile {
    /// Present if and only if no problem is an error.
    pub(super) config: Option<Config>,
    /// The watch lists that were named properly.
    pub(super) sources: Vec<WatchSource>,
    /// The apps as watch lists may name them, also those with errors; none if they are unknown.
    pub(super) named_apps: Option<Vec<NamedApp>>,
    /// Where the server listens, as far as that is known.
    pub(super) listen: Option<SocketAddr>,
    pub(super) problems: Vec<Problem>,
}

/// Reads and checks the file at `path`, an absolute path.
pub(super) fn read(path: &Arc<Path>) -> WatcherFile {
    match text_file::read(path, SIZE_MAX) {
        Ok(text) => check(path, &text),
        Err(refusal) => WatcherFile { problems: vec![refusal.into_problem(path)], ..WatcherFile::default() },
    }
}

/// Checks a text. Relative paths start at the folder of `path`.
pub(super) fn check(path: &Arc<Path>, text: &str) -> WatcherFile {
    let defaults_report = FileReport::new(&Path::new("built-in defaults").into(), DEFAULTS);
    let defaults_document = document::parse(&defaults_report, 0, DEFAULTS);
    let defaults_origin = Origin { report: &defaults_report, offset: 0, discreet: false };
    let defaults = Section::root(defaults_origin, defaults_document.as_ref(), KEYS);

    let report = FileReport::new(path, text);
    let repaired = document::without_keyless_lines(&report, text);
    let document = document::parse(&report, 0, &repaired);
    let root = Section::root(Origin { report: &report, offset: 0, discreet: false }, document.as_ref(), KEYS);
    let mut file = read_sections(path, &root, &defaults);

    file.config = file.config.filter(|_| !report.has_errors());
    file.problems = report.into_problems();
    file
}

/// Reads every section, so that all problems are reported.
fn read_sections(path: &Arc<Path>, root: &Section<'_>, defaults: &Section<'_>) -> WatcherFile {
    let folder = path.parent().unwrap_or(Path::new(""));
    let [state, log, poll] = [("state", STATE_KEYS), ("log", LOG_KEYS), ("poll", POLL_KEYS)]
        .map(|(key, keys)| (key, keys, defaults.subsection(key, keys, None)));
    let [state, log, poll] =
        [&state, &log, &poll].map(|(key, keys, defaults)| root.subsection(key, keys, Some(defaults)));
    let watchlist = read_sources(root, folder);
    let (state, log, poll) = (read_state(&state, folder), read_log(&log, folder), read_poll(&poll));
    let (download, server) = (download::read(root, folder), server::read(root));
    let hooks = hooks::read(root, folder);
    let tenants = tenants::read(root);
    let apps = apps::read(root, folder, &tenants);
    if apps.named.is_some() {
        tenants.warn_of_unnamed();
    }
    let (sources, named_apps, listen) = (watchlist.clone(), apps.named, server.listen);
    let config = || {
        let (path, (apps, credential_places)) = (Arc::clone(path), apps.apps?);
        let (hooks, hook_places) = hooks?;
        let (state, log, poll, download, server) = (state?, log?, poll?, download?, server.config?);
        Some(Config {
            path,
            watchlist,
            state,
            log,
            poll,
            download,
            server,
            hooks,
            apps,
            credential_places,
            hook_places,
        })
    };
    WatcherFile { config: config(), sources, named_apps, listen, problems: Vec::new() }
}

fn read_sources(root: &Section<'_>, folder: &Path) -> Vec<WatchSource> {
    let expected = "an array of paths and patterns, such as [\"watchlist.toml\", \"watchlist.d/*.toml\"]";
    let Some(field) = root.required("watchlist", expected) else {
        return Vec::new();
    };
    let elements = field.array(expected).unwrap_or_default();
    if elements.is_empty() && matches!(field.value, toml::de::DeValue::Array(_)) {
        field.unfit::<()>("at least one path or pattern");
    }
    elements.iter().filter_map(|element| read_source(element, folder)).collect()
}

fn read_source(field: &Field<'_>, folder: &Path) -> Option<WatchSource> {
    let path = field.path(folder)?;
    let text = field.text("a path")?;
    let kind = if is_pattern(text) {
        // The folder may itself hold characters that mean something in a pattern.
        let folder =
            folder.to_str().or_else(|| field.unfit("a pattern below a folder whose name is UTF-8"))?;
        let folder = glob::Pattern::escape(folder);
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

fn read_state(section: &Section<'_>, folder: &Path) -> Option<StateConfig> {
    let path = section.required("path", "a path").and_then(|field| field.path(folder));
    let keep = section.duration("keep", KEEP);
    Some(StateConfig { path: path?, keep: keep? })
}

fn read_log(section: &Section<'_>, folder: &Path) -> Option<LogConfig> {
    let format = section.required("format", FORMATS);
    let format = format.and_then(|field| field.text(FORMATS)?.parse().ok().or_else(|| field.unfit(FORMATS)));
    let is_level = |text: &str| parse_directives(text).is_ok();
    let level = section.required("level", LEVELS).and_then(|field| field.text_where(LEVELS, is_level));
    let file = section.optional("file", |field| field.path(folder));
    Some(LogConfig { format: format?, level: level?.to_owned(), file: file? })
}

const FORMATS: &str = "\"auto\", \"json\" or \"text\"";
const LEVELS: &str = "\"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or tracing directives such as \
    \"info,feishu_export_watcher::feishu=debug\"";

fn read_poll(section: &Section<'_>) -> Option<PollConfig> {
    let backoff = read_backoff(section);
    let give_up_after = section.duration("give_up_after", GIVE_UP);
    let request_timeout = section.duration("request_timeout", REQUEST_TIMEOUT);
    let max_in_flight = section.count("max_in_flight", 1024);
    Some(PollConfig {
        backoff: backoff?,
        give_up_after: give_up_after?,
        request_timeout: request_timeout?,
        max_in_flight: max_in_flight?.try_into().ok()?,
    })
}

fn read_backoff(section: &Section<'_>) -> Option<Backoff> {
    let initial = section.duration("initial_interval", INTERVAL);
    let multiplier = section.number("multiplier", 1.0, 100.0);
    let max = section.duration("max_interval", INTERVAL);
    let jitter = section.number("jitter", 0.0, 0.9);
    let backoff = Backoff::new(initial?, multiplier?, max?, jitter?);
    // Each value lies within its bounds, so at most the two intervals do not fit each other.
    let keys = ["max_interval", "initial_interval"];
    backoff.map_err(|error| section.error_at(&keys, || error.to_string())).ok()
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
            ("keep", KEEP),
        ] {
            let before = &DEFAULTS[..DEFAULTS.find(&format!("\n{key} = ")).unwrap()];
            let comment = before.rsplit("\n\n").next().unwrap().rsplit(" = ").next().unwrap();
            assert!(comment.contains(bounds.words.trim_start_matches("from ")), "{key}: {comment}");
        }
    }
}
