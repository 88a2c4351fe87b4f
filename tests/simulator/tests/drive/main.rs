//! Drives the simulator over loopback sockets, as its users do.

#![expect(clippy::unwrap_used, reason = "a helper that cannot do its part fails the test")]

mod binary;
mod client;
mod create_and_download;
mod documents;
mod downloads;
mod faults;
mod hold;
mod journal;
mod limits;
mod lost_answers;
mod nodes;
mod permissions;
mod query;
mod tenant_token;
