//! The state file as a file: where it really lies, what lies beside it, its folder. Knows nothing of
//! what is inside.
//!
//! The database itself is never opened here: closing any descriptor of it would drop the locks that
//! SQLite holds in this process (sqlite.org/howtocorrupt.html, section 2.2). Asking for its metadata
//! is safe.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::store::StoreErrorKind;

/// Only the watcher's user may look at what is being exported.
pub(super) const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// The one true path of the state file, which need not exist; its folder is created.
///
/// Links are followed, so that two daemons which spell the path differently meet at one lock.
pub(super) fn locate(path: &Path) -> Result<PathBuf, StoreErrorKind> {
    if let Some(real) = find(path)? {
        return Ok(real);
    }
    let path = std::path::absolute(path).map_err(StoreErrorKind::io("resolve"))?;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(StoreErrorKind::NotAStateFile("the path names a folder".to_owned()));
    };
    let create = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder);
    create.map_err(StoreErrorKind::io_of_writing("create the folder of"))?;
    let folder = fs::canonicalize(folder).map_err(StoreErrorKind::io("resolve the folder of"))?;
    Ok(folder.join(name))
}

/// The one true path of the state file; none where there is no such file. What is no file is refused here, before
/// a lock is made beside it.
pub(super) fn find(path: &Path) -> Result<Option<PathBuf>, StoreErrorKind> {
    match fs::canonicalize(path) {
        Ok(real) => metadata(&real).map(|_| Some(real)),
        // To create a file at the far end of a dead link would hide that its volume is not there.
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => {
            Err(StoreErrorKind::NotAStateFile("it is a symbolic link to nothing".to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreErrorKind::io("resolve")(error)),
    }
}

/// `path` with something appended to its name, as SQLite names what belongs to a database.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

/// What the system knows of a regular file; none where nothing is. Anything else is refused before it is opened: a
/// named pipe would block the opener.
fn metadata(path: &Path) -> Result<Option<Metadata>, StoreErrorKind> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(Some(metadata)),
        Ok(metadata) => {
            let reason = if metadata.is_dir() { "it is a folder" } else { "it is not a regular file" };
            Err(StoreErrorKind::NotAStateFile(reason.to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreErrorKind::io("look at")(error)),
    }
}

/// Bytes in a regular file; 0 where nothing is.
pub(super) fn length(path: &Path) -> Result<u64, StoreErrorKind> {
    Ok(metadata(path)?.map_or(0, |metadata| metadata.len()))
}

/// A file by whatever name: its file system's number, and its own. Another file that takes its place has others.
pub(super) type FileId = (u64, u64);

/// The regular file at `path`; none where nothing is.
pub(super) fn id(path: &Path) -> Result<Option<FileId>, StoreErrorKind> {
    Ok(metadata(path)?.map(|file| (file.dev(), file.ino())))
}

/// What changes whenever a database is written, opened or closed by a watcher: its files, their lengths and times.
pub(super) fn fingerprint(path: &Path) -> [Option<(FileId, u64, i64, i64)>; 3] {
    ["", "-wal", "-shm"].map(|suffix| {
        let file = fs::metadata(beside(path, suffix)).ok()?;
        Some(((file.dev(), file.ino()), file.len(), file.mtime(), file.mtime_nsec()))
    })
}

/// Makes the file's name durable: a file whose name is lost in a power cut is lost itself.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
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
        assert!(matches!(locate(&link), Err(StoreErrorKind::NotAStateFile(_))));
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
