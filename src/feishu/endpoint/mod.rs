//! The requests to the API, one file each: path, method, headers and body, and what an answer means. Sending is left to
//! the client.

pub(super) mod query;
pub(super) mod token;
