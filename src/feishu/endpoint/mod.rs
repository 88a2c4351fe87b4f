//! The requests to the API, one file each: path, method, headers and body, and what an answer means, which `judging`
//! knows as far as it is the same for several. Sending is left to the client.

pub(super) mod create;
pub(super) mod download;
pub(super) mod judging;
pub(super) mod node;
pub(super) mod permission;
pub(super) mod query;
pub(super) mod token;
