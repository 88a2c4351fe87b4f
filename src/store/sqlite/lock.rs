//! Keeps a second daemon away from the state file: an advisory lock (`flock`) on a file beside it,
//! which the kernel releases whenever its holder dies, however it dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::file::{self, FILE_MODE};
use crate::store::{Holder, StoreErrorKind};

/// Longest text taken for a process id, in bytes.
const PID_MAX: u64 = 20;

/// A lock that is held may be about to be free: a process that asks for the [`holder`] has a share of it while it
/// looks, and so has for a moment a process that was just begun by another.
const WITHIN: Duration = Duration::from_millis(500);
const TRY_EVERY: Duration = Duration::from_millis(10);

/// What fails where the lock file can't be opened.
const OPEN: &str = "open the lock file of";

/// The right to use a state file, held until dropped.
///
/// The lock file itself is never deleted: a daemon that still has the deleted one open would lock
/// that, and another one a new file of the same name.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the state file at `path` and writes down which process holds it.
    ///
    /// # Errors
    /// [`StoreErrorKind::InUse`] where another process, or another store of this one, has it.
    pub(super) fn take(path: &Path) -> Result<Self, StoreErrorKind> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        let mut file = open(path, &options).map_err(StoreErrorKind::io_of_writing(OPEN))?;
        let until = Instant::now() + WITHIN;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(TRY_EVERY),
                Err(TryLockError::WouldBlock) => return Err(StoreErrorKind::InUse(holder_of(&mut file))),
                Err(TryLockError::Error(error)) => return Err(StoreErrorKind::io("lock")(error)),
            }
        }
        // The lock holds without the process id, so a full disk is no reason to stop here: the first commit reports
        // it.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

/// Opens the lock file, which must be a file: it is written, and a link may lead to another's.
fn open(path: &Path, options: &OpenOptions) -> io::Result<File> {
    let lock = file::beside(path, ".lock");
    match lock.symlink_metadata() {
        Ok(found) if !found.is_file() => {
            Err(io::Error::other(format!("{} is no ordinary file; remove it", lock.display())))
        }
        _ => options.open(&lock),
    }
}

/// What its holder wrote into the lock file.
fn holder_of(file: &mut File) -> Holder {
    let mut text = String::new();
    let is_read = file.take(PID_MAX).read_to_string(&mut text).is_ok();
    Holder { process: text.trim().parse().ok().filter(|_| is_read) }
}

/// The process that watches with the state file at `path` just now; none if none does. Changes nothing.
///
/// # Errors
/// The lock file beside it can't be looked at.
pub(super) fn holder(path: &Path) -> Result<Option<Holder>, StoreErrorKind> {
    let lock_exists = |path: &PathBuf| file::beside(path, ".lock").exists();
    let Some(path) = file::find(path)?.filter(lock_exists) else { return Ok(None) };
    let mut file = open(&path, OpenOptions::new().read(true)).map_err(StoreErrorKind::io(OPEN))?;
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(holder_of(&mut file))),
        Err(TryLockError::Error(error)) => Err(StoreErrorKind::io("look at the lock of")(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    /// Promise: a second daemon is kept out and learns the holder; the lock is free once its holder ends.
    #[test]
    fn the_second_learns_the_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let first = Lock::take(&path).unwrap();
        let Err(StoreErrorKind::InUse(holder)) = Lock::take(&path) else { panic!("taken twice") };
        assert_eq!(holder.to_string(), format!("process {}", std::process::id()));
        fs::write(&path, "").unwrap();
        assert_eq!(super::holder(&path).unwrap(), Some(holder));
        drop(first);
        assert_eq!(super::holder(&path).unwrap(), None);
        Lock::take(&path).unwrap();
        assert_eq!(fs::metadata(folder.path().join("state.db.lock")).unwrap().mode() & 0o777, 0o600);
    }

    /// Promise: what another program wrote into the lock file is not repeated to a terminal.
    #[test]
    fn an_odd_lock_file_names_no_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let _first = Lock::take(&path).unwrap();
        fs::write(folder.path().join("state.db.lock"), "\u{1b}[31m").unwrap();
        let Err(StoreErrorKind::InUse(holder)) = Lock::take(&path) else { panic!("taken twice") };
        assert_eq!(holder.to_string(), "which has not written its process id");
    }
}
