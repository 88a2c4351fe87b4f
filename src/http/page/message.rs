//! A page that says why there is no other: what, and what to do.

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use url::form_urlencoded::Serializer;

use super::answer;
use super::query::{self, QueryError};
use super::text::{Foreign, LONG};
use crate::domain::with_causes;
use crate::store::StoreError;

/// Why a page can't be shown.
pub(super) enum Refusal {
    /// The address can't be understood.
    Query(QueryError),
    /// No such entry is known. Its name may be the id of a document's ticket.
    Unknown(String),
    /// Others are read just now.
    Busy,
    /// The state file can't be read.
    Store(StoreError),
    /// A defect of this program.
    Defect(String),
}

#[derive(Template)]
#[template(path = "message.html", config = "src/http/page/askama.toml")]
struct Message {
    title: &'static str,
    /// What of the address is meant.
    value: Option<Foreign>,
    text: Foreign,
    /// Where the document of a ticket is looked for.
    document: Option<String>,
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Refusal {
    fn message(&self) -> (StatusCode, Message) {
        let said = |text: &str| Foreign::new(text, LONG);
        let of = |title, text: &str| Message { title, value: None, text: said(text), document: None };
        match self {
            Self::Query(error) => {
                let value = error.value().cloned();
                let message = Message { value, ..of("The address is not understood", &error.to_string()) };
                (StatusCode::BAD_REQUEST, message)
            }
            Self::Unknown(entry) => {
                let text = "no such ticket is listed: it never was, or left the list so long ago that it is forgotten \
                            ([state] keep). The ticket of an export from the watch list stands at its document";
                let message = Message { document: Some(find(entry)), ..of("No such ticket", text) };
                (StatusCode::NOT_FOUND, message)
            }
            Self::Busy => {
                let text = "other pages are being read; try again in a second";
                (StatusCode::SERVICE_UNAVAILABLE, of("Too many at once", text))
            }
            Self::Store(error) => {
                (StatusCode::SERVICE_UNAVAILABLE, of("The state file can't be read", &with_causes(error)))
            }
            Self::Defect(error) => {
                let text = format!("the page could not be made: {error}; please report this defect");
                (StatusCode::INTERNAL_SERVER_ERROR, of("A defect of this program", &text))
            }
        }
    }
}

/// The list of those with this text in their link, token or id.
fn find(entry: &str) -> String {
    let short: String = entry.chars().take(query::TEXT_MAX).collect();
    format!("/?{}#tickets", Serializer::new(String::new()).append_pair("document", &short).finish())
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, message) = self.message();
        match message.render() {
            Ok(html) if status == StatusCode::SERVICE_UNAVAILABLE => {
                ([(RETRY_AFTER, "1")], answer::message(status, html)).into_response()
            }
            Ok(html) => answer::message(status, html),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        }
    }
}
