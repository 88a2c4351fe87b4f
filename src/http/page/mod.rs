//! The page for people: what needs one of them, apps, files, hooks and tickets, and the details of one ticket. It is read
//! from the state file and the engine's view, made as a whole, and changes nothing.
//!
//! What is shown as text from outside is wrapped (`text`) before a template sees it. A browser loads and runs nothing
//! but what is in the page (`answer`).

mod answer;
mod apps;
mod attention;
mod details;
mod hooks;
mod message;
mod overview;
mod query;
mod strip;
#[cfg(test)]
mod tests;
mod text;
mod tickets;

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};

use self::details::Details;
use self::message::Refusal;
use self::overview::Overview;
use self::query::Query;
use super::shared::Shared;
use crate::domain::{AppName, EntryId, EntryKey};

/// Pages that are read at once: each walks through the state file a few times.
pub(super) const AT_ONCE: usize = 2;

/// How long a page waits for its turn. It takes a tenth of a second or two.
const TURN_WITHIN: Duration = Duration::from_secs(3);

/// `/`.
pub(super) async fn overview(State(shared): State<Shared>, uri: Uri, asked: HeaderMap) -> Response {
    match Query::parse(uri.query()) {
        Ok(query) => show(shared, &asked, move |shared| Ok(Overview::read(shared, &query)?.render())).await,
        Err(error) => Refusal::Query(error).into_response(),
    }
}

/// `/ticket/APP/ENTRY`.
pub(super) async fn details(
    State(shared): State<Shared>,
    path: Result<Path<(String, String)>, axum::extract::rejection::PathRejection>,
    asked: HeaderMap,
) -> Response {
    let Ok(Path((app, entry))) = path else {
        return Refusal::Unknown(String::new()).into_response();
    };
    let key = EntryKey { app: AppName::new(&app), id: EntryId::new(&entry) };
    let read = move |shared: &Shared| {
        let found = Details::read(shared, &key)?;
        found.map(|details| details.render()).ok_or(Refusal::Unknown(entry))
    };
    show(shared, &asked, read).await
}

/// Makes a page on a thread of its own, when it is its turn. The turn is over before anything is sent: a client that
/// stalls holds up no other, and no transaction of the state file.
async fn show(
    shared: Shared,
    asked: &HeaderMap,
    make: impl FnOnce(&Shared) -> Result<askama::Result<String>, Refusal> + Send + 'static,
) -> Response {
    let turn = tokio::time::timeout(TURN_WITHIN, shared.pages.clone().acquire_owned()).await;
    let Ok(Ok(turn)) = turn else { return Refusal::Busy.into_response() };
    let made = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        make(&shared)
    });
    match made.await {
        Ok(Ok(Ok(html))) => answer::found(html, asked),
        Ok(Ok(Err(error))) => Refusal::Defect(error.to_string()).into_response(),
        Ok(Err(refusal)) => refusal.into_response(),
        Err(error) => Refusal::Defect(error.to_string()).into_response(),
    }
}
