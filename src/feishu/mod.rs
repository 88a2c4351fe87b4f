//! The remote: what it is asked, how it is reached, what its answers mean.
//!
//! A call goes one way through the files: `client` sends what `address`, `secret` and `access_token`
//! give it by the way that `network` found, `body` receives, `wire` reads (by `lenient`'s rules), and `verdict` (for
//! tokens `access_token`) says what it means by the table in `codes`, with the words that `detail` chose, or `page`
//! where the API did not answer. Nothing here waits or repeats, and nothing is
//! remembered but the secrets that must not be shown (`known_secrets`).

mod access_token;
mod address;
mod api;
mod body;
mod client;
mod codes;
mod detail;
mod judge;
mod known_secrets;
mod lenient;
mod network;
mod page;
mod platform;
mod proxy;
mod secret;
#[cfg(test)]
mod test_server;
mod trust;
mod verdict;
mod wire;

pub use access_token::of_answer as classify_token;
pub use api::{AccessToken, Answer, Detail, ExportApi, Grant, Query, TokenAnswer, TokenTrouble};
pub use body::Received;
pub use client::{ClientError, HttpExportApi};
pub use judge::of_answer as classify_query;
pub use network::{Connection, NetworkError, NetworkSettings};
pub use proxy::ProxyError;
pub use trust::TrustError;
pub use verdict::{Pace, Strange, Verdict};
