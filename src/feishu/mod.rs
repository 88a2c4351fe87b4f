//! The remote: what it is asked, how it is reached, what its answers mean.
//!
//! A call goes one way through the files: `client` sends the request that a file in `endpoint` builds by the way that
//! `network` found and `connect` goes, as webhooks do, `body` receives (`stream`, where it may be a file), `wire` reads (by `lenient`'s rules), and the same
//! file in `endpoint` says what the answer means, by the table in `codes`, with the words that `detail` chose, or `page`
//! where the API did not answer. Nothing here waits or repeats, and nothing is remembered but the secrets that must not
//! be shown (`known_secrets`).

mod address;
mod api;
mod body;
mod client;
mod codes;
mod connect;
mod detail;
mod endpoint;
mod known_secrets;
mod lenient;
mod network;
mod page;
mod platform;
mod proxy;
mod secret;
mod stream;
#[cfg(test)]
mod test_server;
mod trust;
mod verdict;
mod wire;

pub use api::{
    AccessToken, Answer, ArtefactBody, Create, Detail, Download, ExportApi, Grant, Node, NotCreated, Query,
    TokenAnswer, TokenTrouble,
};
pub use body::Received;
pub use client::HttpExportApi;
pub use connect::{ClientError, webhook_client, webhook_trouble};
pub use endpoint::create::classify_create;
pub use endpoint::download::classify_download;
pub use endpoint::node::classify_node;
pub use endpoint::query::classify_query;
pub use endpoint::token::classify_token;
pub use network::{Connection, NetworkError, NetworkSettings};
pub use proxy::ProxyError;
pub use secret::{SecretError, read as read_secret};
pub use stream::HttpBody;
pub use trust::TrustError;
pub use verdict::{Pace, Strange, Verdict};
