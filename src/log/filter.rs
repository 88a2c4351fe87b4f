//! What is logged: the user's directives, within a limit they can't move. Other crates are logged only when they warn,
//! because the fine levels of HTTP libraries may hold headers, and headers hold secrets.

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::registry::Registry;

use crate::domain::parse_directives;

/// Library and program share this name.
const OWN_TARGETS: &str = "feishu_export_watcher";

/// The filter that the directives ask for, or what is wrong with them.
pub(super) fn filter(directives: &str) -> Result<impl Filter<Registry> + Send + Sync + use<>, String> {
    // The hints matter: a filter without one counts as interested in everything, and every disabled
    // event would be looked at.
    let within_limits = filter_fn(|event| is_own(event) || *event.level() <= Level::WARN)
        .with_max_level_hint(LevelFilter::TRACE);
    Ok(parse_directives(directives)?.and(within_limits))
}

fn is_own(event: &Metadata<'_>) -> bool {
    event.target().split("::").next() == Some(OWN_TARGETS)
}
