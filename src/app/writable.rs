//! Whether a run could write its files, found out without writing: by what the system grants this user.

use std::fs;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

/// Why the log could not be written, if so: one file, which is appended to.
pub(super) fn trouble_with_log(path: &Path) -> Option<String> {
    let why = match fs::metadata(path) {
        Ok(found) if !found.is_file() => Some("it is not a regular file".to_owned()),
        Ok(_) => trouble_with_file(path),
        Err(_) => trouble_with_new(path),
    };
    why.map(|why| format!("log file {}: {why}", path.display()))
}

/// Why the state file could not be written, if so. It has others beside it while it is in use.
pub(super) fn trouble_with_state(path: &Path) -> Option<String> {
    let why = match path.canonicalize() {
        Ok(path) => trouble_with_file(&path).or_else(|| trouble_with_new(&path)),
        Err(_) => trouble_with_new(path),
    };
    why.map(|why| format!("state file {}: {why}", path.display()))
}

/// Why no file could be saved in the folder of downloads, if so.
pub(super) fn trouble_with_downloads(folder: &Path) -> Option<String> {
    let why = trouble_with_new(&folder.join("file"));
    why.map(|why| format!("folder of downloads {}: {why}", folder.display()))
}

fn trouble_with_file(path: &Path) -> Option<String> {
    let is_refused = refuses(path, Access::READ_OK | Access::WRITE_OK);
    is_refused.then(|| "this user may not read and write it".to_owned())
}

/// Whether files can be made at the path; folders that are missing are made, too.
fn trouble_with_new(path: &Path) -> Option<String> {
    let folder = path.ancestors().skip(1).find(|folder| folder.symlink_metadata().is_ok())?;
    if !folder.is_dir() {
        return Some(format!("{} is not a folder", folder.display()));
    }
    let is_refused = refuses(folder, Access::WRITE_OK | Access::EXEC_OK);
    is_refused.then(|| format!("this user may not make files in {}", folder.display()))
}

/// Whether the effective user is surely refused. A system that can't answer refuses nothing.
fn refuses(path: &Path, access: Access) -> bool {
    matches!(accessat(CWD, path, access, AtFlags::EACCESS), Err(Errno::ACCESS | Errno::ROFS))
}
