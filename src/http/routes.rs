//! The four paths, and that there is nothing else.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::engine::Snapshot;
use crate::store::StoreReader;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, SERVER, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::metrics::{self, Metrics};
use super::vitals::{self, Times};
use super::{NAME, guard, status};

/// What every answer is made of.
pub(super) struct Shared {
    address: SocketAddr,
    began: Instant,
    pub(super) view: watch::Receiver<Snapshot>,
    pub(super) state: Arc<dyn StoreReader>,
    stop: CancellationToken,
    /// Each reading of the state file costs a thread: one at a time.
    pub(super) turnstile: Arc<Semaphore>,
    pub(super) metrics: Metrics,
    /// One scrape is made at a time.
    pub(super) scraping: Arc<Semaphore>,
}

impl Shared {
    pub(super) fn new(
        address: SocketAddr,
        view: watch::Receiver<Snapshot>,
        state: Arc<dyn StoreReader>,
        stop: CancellationToken,
        metrics: Metrics,
    ) -> Self {
        let one = || Arc::new(Semaphore::new(1));
        let (turnstile, scraping) = (one(), one());
        Self { address, began: Instant::now(), view, state, stop, turnstile, metrics, scraping }
    }

    fn times(&self) -> Times {
        Times { now: Instant::now(), began: self.began }
    }
}

/// Everything that is answered.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/status", get(status::status))
        .route("/metrics", get(metrics::metrics))
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), answer))
        .with_state(shared)
}

/// Lets through what may ask and only reads, and marks every answer.
async fn answer(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let only_reads = [Method::GET, Method::HEAD].contains(request.method());
    let mut response = if only_reads && guard::may_ask(&request, shared.address) {
        next.run(request).await
    } else {
        not_found().await
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(SERVER, HeaderValue::from_static(NAME));
    response
}

async fn livez(State(shared): State<Arc<Shared>>) -> Response {
    match vitals::live(&shared.view.borrow(), shared.times()) {
        Ok(line) => text(StatusCode::OK, &[line]),
        Err(line) => text(StatusCode::SERVICE_UNAVAILABLE, &[line]),
    }
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    match vitals::ready(&shared.view.borrow(), shared.stop.is_cancelled(), shared.times()) {
        Ok(line) => text(StatusCode::OK, &[line]),
        Err(lines) => text(StatusCode::SERVICE_UNAVAILABLE, &lines),
    }
}

async fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, &["not found".to_owned()])
}

/// An answer of plain lines.
pub(super) fn text(status: StatusCode, lines: &[String]) -> Response {
    let body: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}
