//! The engine on tokio's paused clock, against stand-ins. Each test names the promise it guards.

mod apps;
mod beside_a_broken_app;
mod clock;
mod document_admission;
mod document_lines;
mod document_sharing;
mod documents;
mod downloads;
mod effects;
mod fake_deliveries;
mod fake_documents;
mod fake_downloads;
mod fake_files;
mod fake_log;
mod fake_store;
mod fakes;
mod identity;
mod meters;
mod pulse;
mod restarts;
mod retry;
mod saving;
mod simulation;
mod strange;
mod tickets;
mod writing;
