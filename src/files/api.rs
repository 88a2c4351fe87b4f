//! What the engine asks of the place where files go. It knows that place only through these traits, so that tests can put
//! a fake in its place.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use thiserror::Error;

use crate::domain::{ErrorKind, Sha256, TicketRecord};

/// The folder of all files. Cloned into every transfer, hence cheap to clone.
pub trait Files: Clone + Send + Sync + 'static {
    /// A body that is being written.
    type Transfer: Transfer;

    /// Makes an empty temporary file in the folder where the ticket's file is to lie, and the folder if need be. Room for
    /// the artefact's `file_size` is reserved, if the file system does that; the size is only a hint.
    ///
    /// # Errors
    /// The folder or the file can't be made.
    fn begin(&self, ticket: &TicketRecord) -> impl Future<Output = Result<Self::Transfer, FileError>> + Send;

    /// Gives a whole body its final name, which makes it visible, and syncs the folder. May be called again after a
    /// failure, or by the next process: it finds out how far the one before came.
    ///
    /// # Errors
    /// It could not be renamed or synced for now; the body is still there.
    fn place(&self, placement: Placement) -> impl Future<Output = Result<Placed, FileError>> + Send;

    /// Removes a whole body that is not wanted after all, and frees the name that was chosen for it. One that can't be
    /// removed is swept by the next process.
    fn discard(&self, temporary: PathBuf) -> impl Future<Output = ()> + Send;

    /// Removes the temporary files of earlier processes with this state file, but those that `keep` names. Nothing else
    /// in the folder is touched.
    fn sweep(&self, keep: Vec<PathBuf>) -> impl Future<Output = ()> + Send;
}

/// A body that is being written to a temporary file. Dropped, it removes the file.
pub trait Transfer: Send {
    /// Appends bytes. Returns before they are on disk.
    ///
    /// # Errors
    /// These or earlier bytes could not be written.
    fn write(&mut self, bytes: Bytes) -> impl Future<Output = Result<(), FileError>> + Send;

    /// Syncs the body and chooses a final name that is free. The temporary file stays.
    ///
    /// # Errors
    /// Some bytes could not be written, or not be synced; the temporary file is removed.
    fn finish(self) -> impl Future<Output = Result<Body, FileError>> + Send;
}

/// A whole body in a temporary file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Where it is to go.
    pub placement: Placement,
    /// Bytes.
    pub size: u64,
}

/// A whole body and its final name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The temporary file, absolute.
    pub temporary: PathBuf,
    /// The final name, absolute, in the same folder.
    pub path: PathBuf,
    /// The hash of the body.
    pub sha256: Sha256,
}

/// What came of giving a body its final name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It has the name, and the folder is synced.
    Done,
    /// Something else has the name; this one is free.
    Taken(PathBuf),
    /// The temporary file is gone, and the final name does not hold the body: it must be fetched again.
    Lost,
}

/// Why a file could not be written.
#[derive(Debug, Error)]
#[error("{}", path.display())]
pub struct FileError {
    /// [`ErrorKind::DiskFull`] or [`ErrorKind::FolderUnwritable`].
    pub kind: ErrorKind,
    /// The folder, or the file by its final name, as far as that is known.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

impl FileError {
    /// An error of the system at that path.
    #[must_use]
    pub fn new(path: &Path, source: io::Error) -> Self {
        let is_full = matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let kind = if is_full { ErrorKind::DiskFull } else { ErrorKind::FolderUnwritable };
        Self { kind, path: path.to_path_buf(), source }
    }
}
