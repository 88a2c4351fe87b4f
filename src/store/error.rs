//! What can go wrong with a store: a kind, and where the store lies. Which database it is makes no difference here.

use std::error;
use std::path::Path;
use std::{fmt, io};

use thiserror::Error;

/// The store can't be used as it should.
#[derive(Debug)]
pub struct StoreError {
    /// What went wrong.
    pub kind: StoreErrorKind,
    /// What was being done ("write the state file").
    action: &'static str,
    /// Where the store lies.
    place: Box<str>,
}

/// What went wrong with a store; reads on from its place.
#[derive(Debug, Error)]
pub enum StoreErrorKind {
    /// Another watcher has it in use.
    #[error(
        "is held by another watcher ({0}), which runs already: `add` gives it documents, `status` shows it; to start this one, stop that first, or give this one its own [state] path"
    )]
    InUse(Holder),
    /// What lies there is not this program's database, or is damaged: what was found.
    #[error("is not a sound state file ({0}); it is left untouched, move it away or restore a copy")]
    NotAStateFile(String),
    /// A newer version of the program wrote it.
    #[error(
        "was written by a newer version (schema {found}, this one knows up to {known}); it is left untouched, run the newer version"
    )]
    Newer {
        /// The store's schema version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// No watcher of this version has brought it up to date yet.
    #[error("was not opened by a watcher of this version yet; start it once, it brings the file up to date")]
    NotOpened,
    /// A watcher kept starting or stopping while it was read.
    #[error("kept changing while it was read; try again")]
    Unsettled,
    /// Another file lies at the path than the one that was opened, or none.
    #[error(
        "was moved or replaced while in use; put it back beside its -wal file, then start the watcher again"
    )]
    Moved,
    /// The writer thread is gone.
    #[error("has lost its writer; start the watcher again")]
    Gone,
    /// The database or the file system refused.
    #[error("can't be used{}", cause.advice())]
    Failed {
        /// Why.
        cause: FailureCause,
        /// What was being done ("create the folder of"), where it is not the whole action.
        step: Option<&'static str>,
        /// What the database or the system said.
        source: Box<dyn error::Error + Send + Sync>,
    },
}

/// The process that has a store in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id; none if it has not written that down.
    pub process: Option<u32>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.process {
            Some(process) => write!(f, "process {process}"),
            None => f.write_str("which has not written its process id"),
        }
    }
}

/// Why a database or a file system refuses, as far as an operator can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureCause {
    /// No space is left on its disk.
    Full,
    /// Its disk fails.
    Disk,
    /// It can't be written.
    ReadOnly,
    /// It can't be opened.
    Unopenable,
    /// Another program has it locked.
    Busy,
    /// What the system says is all that is known.
    System,
    /// No later try would do better.
    Defect,
}

impl StoreError {
    /// Whether a later try on the same store may succeed, as on a disk that is full or fails. What is no file of
    /// the store any more, or is damaged, can at best be helped by a new process.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self.kind {
            StoreErrorKind::Failed { cause, .. } => !matches!(cause, FailureCause::Defect),
            _ => matches!(self.kind, StoreErrorKind::Unsettled),
        }
    }
}

impl StoreErrorKind {
    /// The error of this kind while `action` was done to the store at `place`.
    #[must_use]
    pub fn at(self, action: &'static str, place: &Path) -> StoreError {
        StoreError { kind: self, action, place: place.to_string_lossy().into() }
    }

    /// For `map_err` on calls to the file system.
    pub(super) fn io(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        let cause = FailureCause::System;
        move |error| Self::Failed { cause, step: Some(step), source: error.into() }
    }

    /// The same where something is made or written.
    pub(super) fn io_of_writing(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        move |error| match error.kind() {
            PermissionDenied | ReadOnlyFilesystem => {
                Self::Failed { cause: FailureCause::ReadOnly, step: Some(step), source: error.into() }
            }
            _ => Self::io(step)(error),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, action, place } = self;
        match kind {
            StoreErrorKind::Failed { cause, step, .. } => {
                write!(f, "failed to {} {place}{}", step.unwrap_or(action), cause.advice())
            }
            kind => write!(f, "{place} {kind}"),
        }
    }
}

impl error::Error for StoreError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        error::Error::source(&self.kind)
    }
}

impl FailureCause {
    const fn advice(self) -> &'static str {
        match self {
            Self::Full => "; free some space on its disk",
            Self::Disk => "; look at its disk (space, quota, the kernel's log)",
            Self::ReadOnly => {
                "; this user may not write it or make files in its folder, make both writable for the watcher's user"
            }
            Self::Unopenable => "; check that the file is there and the watcher's user may use it",
            Self::Busy => "; another program holds it open for writing, close that",
            Self::System | Self::Defect => "",
        }
    }
}
