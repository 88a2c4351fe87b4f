//! What is heard: the user's directives, within two limits they can't move. Verdicts are always
//! heard, and other crates only when they warn, because the fine levels of HTTP libraries may hold
//! headers, and headers hold secrets.

use crate::domain::event::VERDICT_TARGET;
use crate::domain::parse_directives;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::registry::LookupSpan;

use super::LogError;

/// Library and program share this name.
const OWN_TARGETS: &str = "feishu_export_watcher";

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
    parse_directives(directives)
        .map_err(|why| LogError::Directives { directives: directives.to_owned(), why })
}
