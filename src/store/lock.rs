//! Keeps a second daemon away from the state file: an advisory lock (`flock`) on a file beside it,
//! which the kernel releases whenever its holder dies, however it dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::StoreError;
use super::file::{self, FILE_MODE};

/// Longest text taken for a process id, in bytes: enough for 64 bits.
const PID_MAX: u64 = 20;

/// The right to use a state file, held until dropped.
///
/// The lock file itself is never deleted: a daemon that still has the deleted one open would lock
/// that, and another one a new file of the same name.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock of the state file at `path` and writes down who holds it.
    ///
    /// # Errors
    /// [`StoreError::Held`] where another process, or another store of this one, has it.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let lock = file::beside(path, ".lock");
        refuse_other_than_file(&lock)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false) // The holder's id stands in it.
            .mode(FILE_MODE)
            .open(&lock)
            .map_err(StoreError::io("open the lock file", &lock))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Held { path: path.to_path_buf(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", &lock)(error)),
        }
        // A courtesy to whoever comes second. The lock holds without it, so a full disk is no reason
        // to stop here; what it does to the state file is said later and better.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While still locked, so that the next holder's id can't be wiped out.
        let _ = self.file.set_len(0);
    }
}

/// What stands in the lock file's place must be a file: it is written to, and a link may lead to another's.
fn refuse_other_than_file(lock: &Path) -> Result<(), StoreError> {
    match lock.symlink_metadata() {
        Ok(found) if !found.is_file() => {
            let wrong = io::Error::other("it is no ordinary file; remove it");
            Err(StoreError::io("open the lock file", lock)(wrong))
        }
        _ => Ok(()),
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(PID_MAX).read_to_string(&mut text);
    match text.trim() {
        pid if read.is_ok() && !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("process {pid}")
        }
        _ => "which has not written its process id".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    /// Promise: a second daemon is kept out and told by whom; the lock is free once its holder ends.
    #[test]
    fn the_second_is_told_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let first = Lock::take(&path).unwrap();
        let Err(StoreError::Held { holder, .. }) = Lock::take(&path) else { panic!("taken twice") };
        assert_eq!(holder, format!("process {}", std::process::id()));
        drop(first);
        Lock::take(&path).unwrap();
        assert_eq!(fs::metadata(folder.path().join("state.db.lock")).unwrap().mode() & 0o777, 0o600);
    }

    /// Promise: what another program wrote into the lock file is not repeated to a terminal.
    #[test]
    fn an_odd_lock_file_names_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let _first = Lock::take(&path).unwrap();
        fs::write(folder.path().join("state.db.lock"), "\u{1b}[31m").unwrap();
        let Err(StoreError::Held { holder, .. }) = Lock::take(&path) else { panic!("taken twice") };
        assert_eq!(holder, "which has not written its process id");
    }
}
