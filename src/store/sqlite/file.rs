//! The state file as a file: where it really lies, what lies beside it, its folder. Knows nothing of
//! what is inside.
//!
//! The database itself is never opened here: closing any descriptor of it would drop the locks that
//! SQLite holds in this process (sqlite.org/howtocorrupt.html, section 2.2). Asking for its metadata
//! is safe.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::store::StoreError;

/// Only the watcher's user may look at what is being exported.
pub(super) const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// The one true path of the state file, which need not exist; its folder is created.
///
/// Links are followed, so that two daemons which spell the path differently meet at one lock.
pub(super) fn locate(path: &Path) -> Result<PathBuf, StoreError> {
    if let Some(real) = find(path)? {
        return Ok(real);
    }
    let path = std::path::absolute(path).map_err(StoreError::io("resolve", path))?;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(StoreError::not_a_state_file(&path, "the path names a folder"));
    };
    let create = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder);
    create.map_err(StoreError::io("create the folder", folder))?;
    let folder = fs::canonicalize(folder).map_err(StoreError::io("resolve", folder))?;
    Ok(folder.join(name))
}

/// The one true path of the state file; none where there is no such file. What is no file is refused here, before
/// a lock is made beside it.
pub(super) fn find(path: &Path) -> Result<Option<PathBuf>, StoreError> {
    match fs::canonicalize(path) {
        Ok(real) => metadata(&real).map(|_| Some(real)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // To create a file at the far end of a dead link would hide that its volume is not there.
            match fs::symlink_metadata(path) {
                Ok(found) if found.is_symlink() => {
                    Err(StoreError::not_a_state_file(path, "it is a symbolic link to nothing"))
                }
                _ => Ok(None),
            }
        }
        Err(error) => Err(StoreError::io("resolve", path)(error)),
    }
}

/// `path` with something appended to its name, as SQLite names what belongs to a database.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(OsStr::new(suffix));
    PathBuf::from(name)
}

/// Bytes in a regular file; none where nothing is. Anything else is refused before it is opened: a
/// named pipe would block the opener.
pub(super) fn length(path: &Path) -> Result<Option<u64>, StoreError> {
    Ok(metadata(path)?.map(|metadata| metadata.len()))
}

/// A file by whatever name: its file system's number, and its own. Another file that takes its place has others.
pub(super) type FileId = (u64, u64);

fn id_of(file: &Metadata) -> FileId {
    (file.dev(), file.ino())
}

/// The regular file at `path`; none where nothing is.
pub(super) fn id(path: &Path) -> Result<Option<FileId>, StoreError> {
    Ok(metadata(path)?.as_ref().map(id_of))
}

/// What stands in the place of a lock must be a file: it is opened for writing, and a link may lead to
/// another's.
pub(super) fn refuse_other_than_file(lock: &Path) -> Result<(), StoreError> {
    match lock.symlink_metadata() {
        Ok(found) if !found.is_file() => {
            let wrong = io::Error::other("it is no ordinary file; remove it");
            Err(StoreError::io("open the lock file", lock)(wrong))
        }
        _ => Ok(()),
    }
}

/// What changes whenever a database is written, opened or closed by a watcher.
#[derive(PartialEq, Eq)]
pub(super) struct Fingerprint {
    id: FileId,
    length: u64,
    written: Option<SystemTime>,
    /// Bytes in the write-ahead log, 0 without one.
    pub(super) wal: u64,
    shm: bool,
}

/// The fingerprint; none where there is no file or an empty one.
pub(super) fn fingerprint(path: &Path) -> Result<Option<Fingerprint>, StoreError> {
    let Some(main) = metadata(path)?.filter(|main| main.len() > 0) else { return Ok(None) };
    Ok(Some(Fingerprint {
        id: id_of(&main),
        length: main.len(),
        written: main.modified().ok(),
        wal: length(&beside(path, "-wal"))?.unwrap_or(0),
        shm: length(&beside(path, "-shm"))?.is_some(),
    }))
}

/// What the system knows of a regular file; none where nothing is. Anything else is refused.
fn metadata(path: &Path) -> Result<Option<Metadata>, StoreError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(Some(metadata)),
        Ok(metadata) if metadata.is_dir() => Err(StoreError::not_a_state_file(path, "it is a folder")),
        Ok(_) => Err(StoreError::not_a_state_file(path, "it is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("look at", path)(error)),
    }
}

/// Makes names in a folder durable: a file whose name is lost in a power cut is lost itself.
pub(super) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreError::io("sync the folder", folder))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Promise: two spellings of one path lead to one lock.
    #[test]
    fn a_link_and_its_target_are_one_place() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real.db");
        let link = folder.path().join("link.db");
        fs::write(&real, b"").unwrap();
        symlink(&real, &link).unwrap();
        assert_eq!(locate(&link).unwrap(), locate(&real).unwrap());
    }

    /// Promise: a state file whose volume is not mounted is not started anew.
    #[test]
    fn a_link_to_nothing_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link.db");
        symlink(folder.path().join("gone/state.db"), &link).unwrap();
        assert!(matches!(locate(&link), Err(StoreError::NotAStateFile { .. })));
        assert!(!folder.path().join("gone").exists());
    }

    /// Promise: the folder is created for the watcher's user only.
    #[test]
    fn missing_folders_are_created_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = locate(&folder.path().join("a/b/state.db")).unwrap();
        assert!(!path.exists());
        for made in ["a", "a/b"] {
            assert_eq!(fs::metadata(folder.path().join(made)).unwrap().mode() & 0o777, 0o700);
        }
    }
}
