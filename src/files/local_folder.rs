//! A folder of this machine, or one that is mounted there. Its files are whole under their final names, or not there.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest;
use tracing::debug;

use super::disk::{blocking, is_same_file, is_there, make_folder, name_max, rename_new, sync_folder};
use super::free_names::FreeNames;
use super::local_transfer::{LocalTransfer, Temporary, sha256};
use super::names::relative_path;
use super::{FileError, Files, Placed, Placement};
use crate::crash_points::CrashPoint;
use crate::domain::{ErrorKind, NameTemplate, Sha256, TicketRecord};

/// How temporary files are named: no saved file begins with a dot.
const PREFIX: &str = ".feishu-export-";
const SUFFIX: &str = ".tmp";

/// The folder of all files. Clones share what they know about its names.
#[derive(Clone, Debug)]
pub struct LocalFolder(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    root: PathBuf,
    template: NameTemplate,
    mode: u32,
    /// Begins the names of the temporary files of this state file.
    prefix: String,
    /// Goes on the names of those of this process, which are not swept.
    process: String,
    names: Arc<FreeNames>,
}

impl LocalFolder {
    /// Makes the folder if need be, and tries every step of saving a file but its contents. Blocks.
    ///
    /// `folder` is absolute, `mode` the permissions of a saved file (folders have those that the umask leaves);
    /// `state_id` tells the temporary files of this state file from others', is short and can stand in a file name.
    ///
    /// # Errors
    /// The folder can't be made, or no file in it, for another reason than a full disk.
    pub fn open(folder: &Path, template: NameTemplate, mode: u32, state_id: &str) -> Result<Self, FileError> {
        let (root, prefix) = (folder.to_path_buf(), format!("{PREFIX}{state_id}-"));
        let process = format!("{:08x}", fastrand::u32(..));
        let made = make_folder(folder);
        let names = Arc::new(FreeNames::new(name_max(folder)));
        let opened = Folder { root, template, mode, prefix, process, names };
        let tried = made.and_then(|()| opened.probe()).map_err(|source| FileError::new(folder, source));
        match tried {
            // Room may come back, and each file is tried again.
            Err(error) if error.kind != ErrorKind::DiskFull => Err(error),
            _ => Ok(Self(Arc::new(opened))),
        }
    }
}

impl Files for LocalFolder {
    type Transfer = LocalTransfer;

    async fn begin(&self, ticket: &TicketRecord) -> Result<LocalTransfer, FileError> {
        let folder = Arc::clone(&self.0);
        let target = folder.root.join(relative_path(&folder.template, ticket, folder.names.max));
        let size = ticket.artefact.as_deref().and_then(|artefact| artefact.file_size).unwrap_or(0);
        let above = target.parent().unwrap_or(&target).to_path_buf();
        let (mode, names) = (folder.mode, Arc::clone(&folder.names));
        let made = blocking(&target, move || {
            make_folder(&above)?;
            let made = folder.make_temporary(&above)?;
            CrashPoint::FileBegun.pass();
            Ok(made)
        });
        let (file, temporary) = made.await?;
        Ok(LocalTransfer::new(file, temporary, target, size, mode, names))
    }

    async fn place(&self, placement: Placement) -> Result<Placed, FileError> {
        let folder = Arc::clone(&self.0);
        blocking(&placement.path.clone(), move || folder.place(&placement)).await
    }

    async fn discard(&self, temporary: PathBuf) {
        let folder = Arc::clone(&self.0);
        let remove = move || {
            let removed = fs::remove_file(&temporary);
            let _ = removed.inspect_err(|error| debug!("{} stays: {error}", temporary.display()));
            folder.names.settle(&temporary);
            Ok(())
        };
        // Nothing in it fails.
        let _ = blocking(&self.0.root, remove).await;
    }

    async fn sweep(&self, keep: Vec<PathBuf>) {
        let folder = Arc::clone(&self.0);
        // By their names alone: the folder may be spelt another way than when they were noted.
        let keep = keep.iter().filter_map(|path| path.file_name()).map(OsStr::to_owned).collect();
        let sweep = move || {
            folder.sweep(&folder.root, folder.template.folders(), &keep);
            Ok(())
        };
        // Nothing in it fails.
        let _ = blocking(&self.0.root, sweep).await;
    }
}

impl Folder {
    fn probe(&self) -> io::Result<()> {
        let (_, temporary) = self.make_temporary(&self.root)?;
        let renamed = self.root.join(self.temporary_name());
        rename_new(&temporary.0, &renamed)?;
        fs::remove_file(renamed)?;
        sync_folder(&self.root)
    }

    fn temporary_name(&self) -> String {
        format!("{}{}{:08x}{SUFFIX}", self.prefix, self.process, fastrand::u32(..))
    }

    fn make_temporary(&self, folder: &Path) -> io::Result<(File, Temporary)> {
        let path = folder.join(self.temporary_name());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok((file, Temporary(path)))
    }

    /// See [`Files::place`].
    fn place(&self, Placement { temporary, path, sha256 }: &Placement) -> io::Result<Placed> {
        let folder = path.parent().unwrap_or(path);
        if is_there(temporary)? {
            match rename_new(temporary, path) {
                // A process died between link and removal.
                Err(error) if is_taken(&error) && is_same_file(temporary, path)? => {
                    fs::remove_file(temporary)?
                }
                Err(error) if is_taken(&error) => {
                    return Ok(Placed::Taken(self.names.give(path, temporary)?));
                }
                renamed => renamed?,
            }
            CrashPoint::FileRenamed.pass();
        } else if !holds(path, *sha256)? {
            // A folder that is gone may come back with the body. Of a mount that is gone this is not seen: the empty
            // folder below it looks as if the body was removed, which is then fetched again.
            fs::metadata(&self.root)?;
            self.names.settle(temporary);
            return Ok(Placed::Lost);
        }
        sync_folder(folder)?;
        CrashPoint::FolderSynced.pass();
        self.names.settle(temporary);
        Ok(Placed::Done)
    }

    fn sweep(&self, folder: &Path, depth: usize, keep: &HashSet<OsString>) {
        let entries = fs::read_dir(folder).inspect_err(|error| debug!("not swept: {error}"));
        for entry in entries.into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let name = entry.file_name();
            // A link to a folder is followed, as it is when files are saved there.
            let is_folder = || kind.is_dir() || kind.is_symlink() && entry.path().is_dir();
            if kind.is_file() && self.is_left_over(&name) && !keep.contains(&name) {
                let removed = fs::remove_file(entry.path());
                let _ = removed.inspect_err(|error| debug!("{name:?} is not swept: {error}"));
            } else if depth > 0 && is_folder() {
                self.sweep(&entry.path(), depth - 1, keep);
            }
        }
    }

    /// Whether an earlier process with this state file made it.
    fn is_left_over(&self, name: &OsStr) -> bool {
        let number = name.to_str().and_then(|name| name.strip_prefix(&self.prefix)?.strip_suffix(SUFFIX));
        let is_one = |number: &str| number.len() == 16 && number.bytes().all(|byte| byte.is_ascii_hexdigit());
        number.is_some_and(|number| is_one(number) && !number.starts_with(&self.process))
    }
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AlreadyExists
}

/// Whether the file at the path has that hash. What is no regular file has none.
fn holds(path: &Path, wanted: Sha256) -> io::Result<bool> {
    if !is_there(path)? || !path.symlink_metadata()?.is_file() {
        return Ok(false);
    }
    let (mut file, mut block) = (File::open(path)?, vec![0; 256 * 1024]);
    let mut hash = digest::Context::new(&digest::SHA256);
    loop {
        match file.read(&mut block)? {
            0 => return Ok(sha256(hash) == wanted),
            length => hash.update(&block[..length]),
        }
    }
}

#[cfg(test)]
mod tests;
