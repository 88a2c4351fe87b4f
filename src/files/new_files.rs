//! New files of one attempt: each is written whole and synced under a name of its own before it gets its final one, and
//! none of them stays where the attempt fails. What they hold is not decided here.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use super::disk::rename_new;

/// Permissions of a file that is to get those of another: no user but this one opens it before it has them.
const UNFINISHED_MODE: u32 = 0o600;

/// Of a mode of `stat(2)`, the permissions.
const PERMISSIONS: u32 = 0o7777;

/// What an attempt made, removed when dropped unless it is kept.
#[derive(Debug, Default)]
pub(crate) struct NewFiles(Vec<PathBuf>);

impl NewFiles {
    /// Makes a file and syncs it. Its permissions are `mode` as far as the umask leaves them.
    pub(crate) fn write(&mut self, path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
        let file = self.create(path, mode)?;
        fill(file, content)
    }

    /// Makes a file with the permissions of another one, and its owner and group as far as this user may give them.
    pub(crate) fn write_like(&mut self, path: &Path, content: &[u8], like: &Metadata) -> io::Result<()> {
        let file = self.create(path, UNFINISHED_MODE)?;
        let (user, group) = (like.uid(), like.gid());
        // Only root may give files away; a user may give them a group of its own.
        let _ = fchown(&file, Some(user), Some(group)).or_else(|_| fchown(&file, None, Some(group)));
        file.set_permissions(Permissions::from_mode(like.mode() & PERMISSIONS))?;
        fill(file, content)
    }

    /// Gives a file its final name in the same folder, unless something has it.
    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        rename_new(from, to)?;
        self.0.retain(|path| path != from);
        self.0.push(to.to_path_buf());
        Ok(())
    }

    /// Puts a file in the place of another one, for good.
    pub(crate) fn replace(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        self.0.retain(|path| path != from);
        Ok(())
    }

    /// Ends the attempt well.
    pub(crate) fn keep(mut self) {
        self.0.clear();
    }

    fn create(&mut self, path: &Path, mode: u32) -> io::Result<File> {
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        self.0.push(path.to_path_buf());
        Ok(file)
    }
}

fn fill(mut file: File, content: &[u8]) -> io::Result<()> {
    file.write_all(content)?;
    file.sync_all()
}

impl Drop for NewFiles {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}
