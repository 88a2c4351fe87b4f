//! The door to the state file: a second advisory lock (`flock`), held by a watcher while it opens the file and
//! by a visitor, another process that writes into it, for the whole of its visit.
//!
//! Opening is more than SQLite's own locks protect: the file is looked through without them, and what a dead
//! process left in the log is written anew (`connect`). Nobody else may write meanwhile. Who only reads
//! needs no door.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::StoreError;
use super::file::{self, FILE_MODE};

/// A visit takes milliseconds, and so does opening, unless the file is large and has to be looked through.
const WAIT: Duration = Duration::from_secs(5);
const TRY_EVERY: Duration = Duration::from_millis(10);

/// The right to open the file, or to visit it; free again once dropped.
#[derive(Debug)]
pub(super) struct Door {
    _file: File,
}

impl Door {
    /// For a watcher, which holds the lock: waits until a visitor has left.
    pub(super) fn pass(path: &Path) -> Result<Self, StoreError> {
        let path = of(path)?;
        let open = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(&path);
        Self::wait(path.as_path(), open.map_err(StoreError::io("open", &path))?)
    }

    /// For a visitor; none if no watcher has ever come this way. A visitor makes no door: it may be another
    /// user, whose door the watcher could not pass.
    pub(super) fn visit(path: &Path) -> Result<Option<Self>, StoreError> {
        let path = of(path)?;
        match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => Self::wait(&path, file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("open", &path)(error)),
        }
    }

    fn wait(path: &Path, file: File) -> Result<Self, StoreError> {
        let until = Instant::now() + WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(TRY_EVERY),
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::Occupied { path: path.to_path_buf() });
                }
                Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", path)(error)),
            }
        }
    }
}

/// Where the door is. What stands in its place must be a file: a link may lead to another's.
fn of(path: &Path) -> Result<PathBuf, StoreError> {
    let door = file::beside(path, ".door");
    file::refuse_other_than_file(&door)?;
    Ok(door)
}
