//! The remote: what it is asked, how it is reached, what its answers mean.

mod access_token;
mod api;
mod body;
mod codes;
mod detail;
mod lenient;
mod secret;
mod verdict;
mod wire;

pub use api::{AccessToken, Answer, Detail, ExportApi, Grant, Query, TokenAnswer, TokenTrouble};
pub use verdict::{Pace, Verdict};
