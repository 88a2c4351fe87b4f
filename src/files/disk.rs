//! Steps on the file system that hold after a power cut, and the thread on which they may block.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with, statvfs};
use rustix::io::Errno;
use tokio::task::spawn_blocking;

use super::FileError;
use super::names::NAME_MAX;

/// A file system that claims to have shorter names than this is not believed.
const NAME_LEAST: usize = 100;

/// Does the work on a thread that may block, and says at which path it failed. A mount that hangs holds up this alone.
pub(super) async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, FileError> {
    let done = spawn_blocking(work).await.unwrap_or_else(|error| Err(error.into()));
    done.map_err(|source| FileError::new(path, source))
}

/// Makes the folder and those above it where they are missing, durably. Permissions are left to the umask, and the group
/// to the folder above: to change the mode of a folder of another group would take away its set-group-ID bit.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<_> = folder.ancestors().take_while(|folder| !folder.is_dir()).collect();
    fs::create_dir_all(folder).map_err(|error| in_the_way(folder, error))?;
    missing.into_iter().filter_map(Path::parent).try_for_each(sync_folder)
}

/// Names what is where a folder is to be made: the path that failed is a file's, far below.
fn in_the_way(folder: &Path, error: io::Error) -> io::Error {
    let there = folder.ancestors().find(|path| path.symlink_metadata().is_ok());
    match there.filter(|path| !path.is_dir()) {
        Some(path) => io::Error::new(error.kind(), format!("{} is no folder", path.display())),
        None => error,
    }
}

/// Bytes that a name in the folder may have: 143 where each file is encrypted by eCryptfs, as on some network storage.
pub(super) fn name_max(folder: &Path) -> usize {
    let told = statvfs(folder).ok().and_then(|about| usize::try_from(about.f_namemax).ok());
    told.filter(|max| (NAME_LEAST..NAME_MAX).contains(max)).unwrap_or(NAME_MAX)
}

/// Makes the names in the folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
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
            fs::hard_link(from, to).map_err(with_reason)?;
            fs::remove_file(from)
        }
        renamed => Ok(renamed?),
    }
}

/// Says what is missing where a file system knows no hard links, as those of object storage.
fn with_reason(error: io::Error) -> io::Error {
    match Errno::from_io_error(&error) {
        Some(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP) => io::Error::new(
            io::ErrorKind::Unsupported,
            "the file system can neither rename without replacing a file nor make hard links",
        ),
        _ => error,
    }
}

/// Whether both are names of one file.
pub(super) fn is_same_file(one: &Path, other: &Path) -> io::Result<bool> {
    let id = |path: &Path| path.symlink_metadata().map(|it| (it.dev(), it.ino()));
    Ok(id(one)? == id(other)?)
}

/// Whether something has the name, a dangling link included.
pub(crate) fn is_there(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        found => found.map(|_| true),
    }
}
