//! Steps on the file system that hold after a power cut, and the thread on which they may block.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tokio::task::spawn_blocking;

use super::FileError;

/// Does the work on a thread that may block, and says at which path it failed. A mount that hangs holds up this alone.
pub(super) async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, FileError> {
    let done = spawn_blocking(work).await.unwrap_or_else(|error| Err(error.into()));
    done.map_err(|source| FileError::new(path, source))
}

/// Makes the folder and those above it where they are missing, open to all that may read files of `file_mode`.
pub(super) fn make_folder(folder: &Path, file_mode: u32) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().ok_or(io::ErrorKind::NotFound)?;
    make_folder(above, file_mode)?;
    let mode = 0o700 | file_mode | (file_mode & 0o444) >> 2;
    match DirBuilder::new().mode(mode).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => return Ok(()),
        made => made?,
    }
    let made = fs::metadata(folder)?.mode();
    if made & 0o777 != mode {
        // The umask took bits away. What the parent handed down (set-group-ID) stays; a service that may not set that
        // bit keeps the folder as it is.
        let _ = fs::set_permissions(folder, Permissions::from_mode(made & 0o7000 | mode));
    }
    sync_folder(above)
}

/// Makes the names in the folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some network file systems can't sync a folder.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

/// Gives the file another name in its folder, unless something has it.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] where something has the name.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Network file systems do not know the flag.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        renamed => Ok(renamed?),
    }
}

/// Whether both are names of one file.
pub(super) fn is_same_file(one: &Path, other: &Path) -> io::Result<bool> {
    let id = |path: &Path| path.symlink_metadata().map(|it| (it.dev(), it.ino()));
    Ok(id(one)? == id(other)?)
}

/// Whether something has the name, a dangling link included.
pub(super) fn is_there(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        found => found.map(|_| true),
    }
}
