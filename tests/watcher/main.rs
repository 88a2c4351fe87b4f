//! The real binary against the simulator on loopback, one file a subject.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation in a helper is a failed test, too"
)]

mod add;
mod alerts;
mod apps;
mod batch;
mod budget;
mod call;
mod canaries;
mod check;
mod check_online;
mod config_file;
mod core_dump;
mod crash;
mod disk_faults;
mod document_batch;
mod documents;
mod download_batch;
mod download_folder;
mod downloads;
mod explain;
mod exports;
mod fault_matrix;
mod faults;
mod full_disk;
mod harness;
mod health;
mod hook_faults;
mod hooks;
mod hostile;
mod http;
mod init;
mod live_list;
mod log;
mod metrics;
mod network;
mod notify;
mod outputs;
mod page;
mod read_only;
mod receiver;
mod retry;
mod saved;
mod secrets;
mod server;
mod signals;
mod state_file;
mod status;
mod terminal;
