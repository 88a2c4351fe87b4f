//! What is heard: the user's directives, within two limits they can't move. Verdicts are always
//! heard, and other crates only when they warn, because the fine levels of HTTP libraries may hold
//! headers, and headers hold secrets.

use feishu_export_watcher::domain::event::VERDICT_TARGET;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::registry::LookupSpan;

use super::LogError;

/// Library and program share this name.
const OWN_TARGETS: &str = "feishu_export_watcher";

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Checks directives without using them.
pub(crate) fn check_directives(directives: &str) -> Result<(), LogError> {
    parse(directives).map(drop)
}

/// The filter that those directives ask for.
pub(super) fn filter<S>(directives: &str) -> Result<impl Filter<S> + Send + Sync + 'static + use<S>, LogError>
where
    S: Subscriber + for<'span> LookupSpan<'span> + 'static,
{
    // The hints matter: without them a filter counts as hearing everything, and every disabled
    // event would be looked at.
    let within_limits = filter_fn(own_or_warning).with_max_level_hint(LevelFilter::TRACE);
    let verdicts = filter_fn(is_verdict).with_max_level_hint(LevelFilter::INFO);
    Ok(parse(directives)?.and(within_limits).or(verdicts))
}

fn own_or_warning(metadata: &Metadata<'_>) -> bool {
    let own = metadata
        .target()
        .strip_prefix(OWN_TARGETS)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    own || *metadata.level() <= Level::WARN
}

fn is_verdict(metadata: &Metadata<'_>) -> bool {
    metadata.target() == VERDICT_TARGET && *metadata.level() <= Level::INFO
}

fn parse(directives: &str) -> Result<EnvFilter, LogError> {
    let parts: Vec<&str> = directives.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Err(refused(directives, "it says nothing"));
    }
    // `inof` would pass as the name of a crate whose every event is wanted, and silence all else.
    if let Some(word) = parts.iter().find(|part| is_no_level(part)) {
        return Err(refused(directives, &format!("`{word}` is no level")));
    }
    EnvFilter::builder()
        // Comparing span fields by regular expression is of no use here and costs memory.
        .with_regex(false)
        .parse(parts.join(","))
        .map_err(|error| refused(directives, &error.to_string()))
}

/// Whether a part without punctuation is anything but a level.
fn is_no_level(part: &str) -> bool {
    !part.contains(['=', '[', ':'])
        && part != OWN_TARGETS
        && !LEVELS.iter().any(|level| level.eq_ignore_ascii_case(part))
}

fn refused(directives: &str, why: &str) -> LogError {
    LogError::Directives { directives: directives.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_taken() {
        for good in [
            "info",
            "OFF",
            " warn , feishu_export_watcher::feishu=debug ",
            "hyper=trace,info",
            "feishu_export_watcher::watch=trace",
        ] {
            check_directives(good).unwrap();
        }
    }

    #[test]
    fn a_slip_is_refused_with_a_remedy() {
        for (bad, why) in [
            ("inof", "`inof` is no level"),
            ("", "it says nothing"),
            (" , ", "it says nothing"),
            ("info,verbose", "`verbose` is no level"),
            ("feishu_export_watcher=loud", "error parsing level filter"),
        ] {
            let message = check_directives(bad).unwrap_err().to_string();
            assert!(message.contains(why), "{message}");
            assert!(message.contains("off, error, warn, info, debug, trace"), "{message}");
        }
    }
}
