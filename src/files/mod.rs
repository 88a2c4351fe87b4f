//! Where the bodies of artefacts go: temporary files, their final names, and the folder that holds them.
//!
//! A body is written to a temporary file beside its target, synced, and renamed without replacing anything. What is
//! fetched, when, and what becomes of a failure is not decided here.

mod api;
mod disk;
#[cfg(test)]
mod fixtures;
mod free_names;
mod local_folder;
mod local_transfer;
mod names;
mod new_files;

pub use api::{Body, FileError, Files, Placed, Placement, Transfer};
pub(crate) use disk::{is_there, sync_folder};
pub use local_folder::LocalFolder;
pub use local_transfer::LocalTransfer;
pub(crate) use new_files::NewFiles;
