//! Which names are free: neither on disk in any case of letters, nor given to a file that waits for its final name.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::hash::BuildHasher as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::disk::is_there;
use super::names::alternative;

/// The names of all folders that files went to.
#[derive(Debug)]
pub(super) struct FreeNames {
    /// Bytes that a name may have.
    pub(super) max: usize,
    folders: Mutex<HashMap<PathBuf, Names>>,
    hasher: RandomState,
}

/// The names of one folder as hashes, regardless of case: a folder may hold many, and two equal hashes merely cost a
/// suffix.
#[derive(Debug, Default)]
struct Names {
    /// On disk when the folder was read, or given out since.
    seen: HashSet<u64>,
    /// Given to the temporary files that have them.
    given: HashMap<PathBuf, u64>,
}

impl FreeNames {
    pub(super) fn new(max: usize) -> Self {
        Self { max, folders: Mutex::default(), hasher: RandomState::new() }
    }

    /// The first free name of those that the file may have. It is taken for as long as the temporary file exists.
    ///
    /// # Errors
    /// The folder can't be looked at.
    pub(super) fn give(&self, wanted: &Path, temporary: &Path) -> io::Result<PathBuf> {
        let folder = wanted.parent().unwrap_or(wanted);
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        let names = folders.entry(folder.to_path_buf()).or_default();
        let first = self.hash(wanted.file_name());
        names.given.remove(temporary);
        if names.seen.is_empty() || names.seen.contains(&first) {
            // What had the name may be gone since.
            names.given.retain(|temporary, _| is_there(temporary).unwrap_or(true));
            names.seen = self.read(folder);
            names.seen.extend(names.given.values());
        }
        for n in 1.. {
            let path = alternative(wanted, n, self.max);
            let hash = self.hash(path.file_name());
            if !names.seen.contains(&hash) && !is_there(&path)? {
                names.seen.insert(hash);
                names.given.insert(temporary.to_path_buf(), hash);
                return Ok(path.into_owned());
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// The temporary file waits no longer.
    pub(super) fn settle(&self, temporary: &Path) {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        let names = temporary.parent().and_then(|folder| folders.get_mut(folder));
        names.map(|names| names.given.remove(temporary));
    }

    /// The names in the folder; those that can't be listed are found one by one.
    fn read(&self, folder: &Path) -> HashSet<u64> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| self.hash(Some(&entry.file_name()))).collect()
    }

    fn hash(&self, name: Option<&OsStr>) -> u64 {
        self.hasher.hash_one(name.unwrap_or_default().to_string_lossy().to_lowercase())
    }
}
