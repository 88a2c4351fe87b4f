//! `/metrics`: the engine's counters, its view of itself, and the kernel's figures of the process, as
//! Prometheus' text. Asks neither the engine nor the state file for anything.

mod hooks;
mod present;
mod process;

use axum::BoxError;
use prometheus::{IntGauge, Registry, TextEncoder};
use tokio::sync::OwnedMutexGuard;

use crate::domain::{HookStatus, WallTime};
use crate::engine::{Clock, Meters, Now, Snapshot};

/// The text format's version is 0.0.4; the charset is its only one.
pub(super) const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The sinks of the log, and how many lines wait for each.
pub type LinesWaiting = Vec<(&'static str, usize)>;

/// Everything that a scrape is made of.
pub(super) struct Metrics {
    pub(super) meters: Meters,
    pub(super) log: Box<dyn Fn() -> LinesWaiting + Send>,
    pub(super) began: WallTime,
}

/// A scrape, made on a thread of its own, so that it holds up no poll.
pub(super) async fn text(
    metrics: OwnedMutexGuard<Metrics>,
    view: Snapshot,
    hooks: Vec<HookStatus>,
) -> Result<String, BoxError> {
    Ok(tokio::task::spawn_blocking(move || metrics.text(&view, &hooks, Clock::system().now())).await??)
}

impl Metrics {
    /// A registry for each scrape, so that nothing is left of an app without values.
    fn text(&self, view: &Snapshot, hooks: &[HookStatus], now: Now) -> prometheus::Result<String> {
        let registry = Registry::new();
        let build = present::opts("build_info", "Always 1; says which version runs.");
        let build = IntGauge::with_opts(build.const_label("version", env!("CARGO_PKG_VERSION")))?;
        build.set(1);
        registry.register(Box::new(build))?;
        present::register(&registry, view, &(self.log)(), now)?;
        hooks::register(&registry, hooks)?;
        #[cfg(target_os = "linux")]
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let mut families = self.meters.gather();
        families.extend(registry.gather());
        families.sort_by(|one, other| one.name().cmp(other.name()));
        process::put_right(&mut families, self.began);
        TextEncoder::new().encode_to_string(&families)
    }
}
