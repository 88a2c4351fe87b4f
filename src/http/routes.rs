//! The paths, and that there is nothing else.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, SERVER, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::time::Instant;

use super::shared::Shared;
use super::{guard, metrics, page, status, vitals};
use crate::domain::with_causes;

/// The server's name in every answer, by which `health` knows it from another program on its port.
pub const NAME: &str = "feishu-export-watcher";

/// Everything that is answered.
pub(super) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/", get(page::overview))
        .route("/ticket/{app}/{*entry}", get(page::details))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(shared.address, answer))
        .with_state(shared)
}

/// Lets through requests that may be answered and only read, and marks every answer.
async fn answer(State(address): State<SocketAddr>, request: Request, next: Next) -> Response {
    let only_reads = [Method::GET, Method::HEAD].contains(request.method());
    let mut response = if only_reads && guard::may_ask(&request, address) {
        next.run(request).await
    } else {
        not_found().await.into_response()
    };
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let marks = [(X_CONTENT_TYPE_OPTIONS, "nosniff"), (SERVER, NAME)];
    headers.extend(marks.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

async fn not_found() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, "not found\n")
}

async fn livez(State(shared): State<Shared>) -> Response {
    health(vitals::live(&shared.view.borrow(), shared.began, Instant::now()))
}

async fn readyz(State(shared): State<Shared>) -> Response {
    let is_stopping = shared.stop.is_cancelled();
    health(vitals::ready(&shared.view.borrow(), is_stopping, shared.began, Instant::now()))
}

fn health(verdict: Result<String, String>) -> Response {
    verdict.map(|line| line + "\n").map_err(|lines| unavailable(&lines)).into_response()
}

fn unavailable(lines: &str) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{lines}\n"))
}

async fn status(State(shared): State<Shared>) -> Response {
    let again = |line: &str| ([(RETRY_AFTER, "1")], unavailable(line)).into_response();
    let Ok(turn) = shared.turnstile.try_acquire_owned() else {
        return again("another status is being read; try again in a second");
    };
    let apps = shared.view.borrow().apps.clone();
    let hooks = shared.hooks.borrow().clone();
    match status::body(shared.state, apps, hooks, turn).await {
        Ok(body) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => again(&with_causes(&*error)),
    }
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let view = shared.view.borrow().clone();
    let hooks = shared.hooks.borrow().clone();
    match metrics::text(shared.metrics.lock_owned().await, view, hooks).await {
        Ok(text) => ([(CONTENT_TYPE, metrics::TEXT)], text).into_response(),
        Err(error) => {
            let line = format!("the metrics could not be put together: {error}; please report this defect\n");
            (StatusCode::INTERNAL_SERVER_ERROR, line).into_response()
        }
    }
}
