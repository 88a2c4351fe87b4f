//! What SQLite's result codes mean for a store (sqlite.org/rescode.html).

use rusqlite::{Error, ErrorCode};

use crate::store::{FailureCause, StoreErrorKind};

impl From<Error> for StoreErrorKind {
    fn from(error: Error) -> Self {
        let cause = match error.sqlite_error_code() {
            // Without a code it is not from SQLite itself: a value that fits no field, or a row that should be there.
            None | Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                return Self::NotAStateFile(error.to_string());
            }
            Some(ErrorCode::DiskFull) => FailureCause::Full,
            Some(ErrorCode::SystemIoFailure) => FailureCause::Disk,
            Some(ErrorCode::ReadOnly) => FailureCause::ReadOnly,
            Some(ErrorCode::CannotOpen) => FailureCause::Unopenable,
            Some(
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed,
            ) => FailureCause::Busy,
            Some(ErrorCode::OutOfMemory) => FailureCause::System,
            Some(_) => FailureCause::Defect,
        };
        Self::Failed { cause, step: None, source: error.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::path::Path;

    use rusqlite::ffi;

    use super::*;
    use crate::store::StoreError;

    fn answered(code: i32) -> StoreError {
        let error = Error::SqliteFailure(ffi::Error::new(code), None);
        StoreErrorKind::from(error).at("write the state file", Path::new("/s/state.db"))
    }

    /// Promise: an error says what, where and what to do next, and keeps its cause as a source.
    #[test]
    fn a_full_disk_says_what_where_and_what_next() {
        let error = answered(ffi::SQLITE_FULL);
        assert_eq!(
            error.to_string(),
            "failed to write the state file /s/state.db; free some space on its disk"
        );
        assert!(error.source().is_some());
    }

    /// Promise: a commit is tried again where time or an operator can help, and not where only a new process can.
    #[test]
    fn trouble_with_the_disk_may_pass() {
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_READONLY, ffi::SQLITE_BUSY] {
            assert!(answered(code).may_pass(), "{code}");
        }
        // SQLITE_ERROR: as for a table that is gone.
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB, ffi::SQLITE_ERROR] {
            assert!(!answered(code).may_pass(), "{code}");
        }
        for kind in [StoreErrorKind::Moved, StoreErrorKind::Gone] {
            assert!(!kind.at("write the state file", Path::new("/s/state.db")).may_pass());
        }
    }
}
