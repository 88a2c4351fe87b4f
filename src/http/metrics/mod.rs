//! `/metrics`: what the engine counted, what it shows of itself, and what the kernel knows of the process, as
//! Prometheus' text. Asks neither the engine nor the state file for anything, and is made on a thread of its
//! own, so that a scrape holds up no poll.

mod present;
#[cfg(target_os = "linux")]
mod process;

use std::sync::Arc;

use crate::engine::{Clock, METRICS_NAMESPACE, Meters, Now, Snapshot};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus::{IntGauge, Opts, Registry, TextEncoder};

use self::present::Gauges;
use super::routes::{Shared, text};
use crate::log::LogHandle;

/// The text format's version is 0.0.4; the charset is its only one.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that a scrape is made of.
pub(super) struct Metrics {
    registry: Registry,
    gauges: Gauges,
    log: LogHandle,
}

impl Metrics {
    /// Shows the meters, and how many lines wait in the log.
    ///
    /// # Errors
    /// Two metrics have one name: a defect of this program.
    pub(super) fn new(meters: &Meters, log: LogHandle) -> prometheus::Result<Self> {
        let registry = Registry::new();
        meters.register(&registry)?;
        let build = Opts::new("build_info", "Always 1; says which version runs.")
            .namespace(METRICS_NAMESPACE)
            .const_label("version", env!("CARGO_PKG_VERSION"));
        let build = IntGauge::with_opts(build)?;
        build.set(1);
        registry.register(Box::new(build))?;
        #[cfg(target_os = "linux")]
        registry.register(Box::new(process::Process::new(Clock::system().now().wall)))?;
        let gauges = Gauges::new(&registry)?;
        Ok(Self { registry, gauges, log })
    }

    fn text(&self, view: &Snapshot, now: Now) -> prometheus::Result<String> {
        self.gauges.set(view, &self.log.waiting(), now);
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Answers a scrape. One is made at a time, however many ask; each is a copy of what is in memory already.
pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let Ok(turn) = Arc::clone(&shared.scraping).acquire_owned().await else {
        return failed("the server is being closed");
    };
    let making = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let view = shared.view.borrow().clone();
        shared.metrics.text(&view, Clock::system().now())
    });
    match making.await {
        Ok(Ok(text)) => ([(CONTENT_TYPE, TEXT)], text).into_response(),
        Ok(Err(error)) => failed(&error.to_string()),
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(why: &str) -> Response {
    let line = format!("the metrics could not be put together: {why}; please report this defect");
    text(StatusCode::INTERNAL_SERVER_ERROR, &[line])
}
