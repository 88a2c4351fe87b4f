//! The files of an open database, and whether they still lie where they were. SQLite goes on with files that
//! lost their names, and what it commits to those is gone with the process. Looks at metadata only, and mends
//! nothing.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::StoreError;
use super::file::{self, FileId};

/// What was found when the files were opened.
#[derive(Clone, Debug)]
pub(super) struct OpenFiles {
    path: PathBuf,
    main: FileId,
    /// None while no connection is open: then there need not be a log.
    log: Option<Log>,
}

/// What there is while a connection is open.
#[derive(Clone, Debug)]
struct Log {
    wal: FileId,
    shm: FileId,
    /// The database's length and time, which change when the log is moved into it.
    main: (u64, Option<SystemTime>),
}

/// What became of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// They lie where they were.
    None,
    /// Another database lies at the path, or none.
    Moved,
    /// The database is shorter than it was.
    Shorter,
    /// The log or its index lost its name.
    LogLost {
        /// Whether what SQLite still holds can be written into the database: nobody but this process has
        /// changed that, and nobody can have begun another log.
        savable: bool,
    },
}

impl OpenFiles {
    /// The database at `path`, without a log yet.
    ///
    /// # Errors
    /// There is no such file.
    pub(super) fn of(path: &Path) -> Result<Self, StoreError> {
        let main = file::id(path)?.ok_or_else(|| StoreError::Moved { path: path.to_path_buf() })?;
        Ok(Self { path: path.to_path_buf(), main, log: None })
    }

    /// A connection is open and has read from the database, whereupon there is a log.
    ///
    /// # Errors
    /// There is none, or another database.
    pub(super) fn opened(&mut self) -> Result<(), StoreError> {
        let main = file::metadata(&self.path)?.filter(|main| FileId::of(main) == self.main);
        let main = main.ok_or_else(|| StoreError::Moved { path: self.path.clone() })?;
        let lost = || StoreError::LogLost { path: self.path.clone(), saved: false, source: None };
        let id = |suffix| Ok(self.beside(suffix)?.map(|found| FileId::of(&found)));
        let (wal, shm) = (id("-wal")?.ok_or_else(lost)?, id("-shm")?.ok_or_else(lost)?);
        self.log = Some(Log { wal, shm, main: stamp(&main) });
        Ok(())
    }

    /// The connection is closed.
    pub(super) fn closed(&mut self) {
        self.log = None;
    }

    /// The database is accepted as it is now, unless it is another.
    pub(super) fn accept(&mut self) {
        let main = file::metadata(&self.path).ok().flatten();
        if let (Some(log), Some(main)) = (&mut self.log, main.filter(|main| FileId::of(main) == self.main)) {
            log.main = stamp(&main);
        }
    }

    /// What became of them.
    ///
    /// # Errors
    /// They can't be looked at.
    pub(super) fn look(&self) -> Result<Change, StoreError> {
        let main = file::metadata(&self.path)?.filter(|main| FileId::of(main) == self.main);
        let (Some(main), log) = (main, self.log.as_ref()) else { return Ok(Change::Moved) };
        let Some(log) = log else { return Ok(Change::None) };
        let (wal, shm) = (self.beside("-wal")?, self.beside("-shm")?);
        let is = |found: &Option<Metadata>, id| found.as_ref().is_some_and(|found| FileId::of(found) == id);
        if is(&wal, log.wal) && is(&shm, log.shm) {
            return Ok(if main.len() < log.main.0 { Change::Shorter } else { Change::None });
        }
        // An empty log is what a mere reader makes who comes by. Whoever writes needs the index, too, and as
        // long as that is ours has to wait for us.
        let nothing_written = wal.as_ref().is_none_or(|wal| wal.len() == 0) || is(&wal, log.wal);
        let no_other_index = shm.is_none() || is(&shm, log.shm);
        Ok(Change::LogLost { savable: nothing_written && no_other_index && stamp(&main) == log.main })
    }

    fn beside(&self, suffix: &str) -> Result<Option<Metadata>, StoreError> {
        let path = file::beside(&self.path, suffix);
        match fs::metadata(&path) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("look at", &path)(error)),
        }
    }
}

fn stamp(main: &Metadata) -> (u64, Option<SystemTime>) {
    (main.len(), main.modified().ok())
}

#[cfg(test)]
mod tests;
