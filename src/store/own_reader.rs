//! Reading the state file within the watcher's own process, beside its writer. For any other process there
//! is `reader`.
//!
//! The file is opened by SQLite alone, which knows of its other connections: to open and close it in any
//! other way would drop the locks that SQLite holds in this process (sqlite.org/howtocorrupt.html, 2.2).

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use super::admission::{Admission, Guest};
use super::open_files::Change;
use super::schema::{self, Found};
use super::{StoreError, connect, rows};
use crate::domain::{TicketRecord, TicketState};

/// Reads what the store of this process has committed. Cheap to clone; holds nothing open by itself.
#[derive(Clone, Debug)]
pub struct StateReader {
    path: Arc<Path>,
    admission: Arc<Admission>,
}

impl StateReader {
    pub(super) fn new(path: Arc<Path>, admission: Arc<Admission>) -> Self {
        Self { path, admission }
    }

    /// Opens the file and holds on to what it says at this moment, whatever is committed later. Blocks for
    /// milliseconds.
    ///
    /// While the reading lives, the write-ahead log can't be emptied: it should not live for minutes.
    ///
    /// # Errors
    /// [`StoreError::NotOpen`] while the writer opens the file anew or has lost its log, and after it closed it;
    /// [`StoreError::Moved`] if another file lies in its place, or none; or the file can't be read.
    pub fn begin(&self) -> Result<Reading, StoreError> {
        let not_open = || StoreError::NotOpen { path: self.path.to_path_buf() };
        let guest = self.admission.enter().ok_or_else(not_open)?;
        self.refuse_other_files(&guest)?;
        let connection = connect::beside_writer(&self.path)?;
        connection.execute_batch("BEGIN").map_err(StoreError::reading(&self.path))?;
        // The first look at the file is what begins the snapshot.
        match schema::recognise(&connection, &self.path)? {
            Found::Ours(schema::VERSION) => {}
            _ => return Err(StoreError::not_a_state_file(&self.path, "its schema changed while in use")),
        }
        self.refuse_other_files(&guest)?;
        if guest.leave().is_cancelled() {
            return Err(not_open());
        }
        Ok(Reading { connection, path: Arc::clone(&self.path), guest })
    }

    /// The writer goes on with the files it opened, wherever those were moved to; what lies at their paths now
    /// may be anything. Where there is no log, SQLite would make one.
    fn refuse_other_files(&self, guest: &Guest) -> Result<(), StoreError> {
        let path = || self.path.to_path_buf();
        match guest.files().look()? {
            // The writer judges whether a shorter file is whole.
            Change::None | Change::Shorter => Ok(()),
            Change::Moved => Err(StoreError::Moved { path: path() }),
            Change::LogLost { .. } => Err(StoreError::NotOpen { path: path() }),
        }
    }
}

/// What the state file said at one moment.
///
/// The order of the fields matters: they are dropped in it, and the connection has to be closed before the
/// writer may take the guest for gone.
#[derive(Debug)]
pub struct Reading {
    connection: Connection,
    path: Arc<Path>,
    guest: Guest,
}

impl Reading {
    /// How many tickets are in which state, for the states that occur.
    ///
    /// # Errors
    /// The file can't be read, or a row holds what no version ever wrote.
    pub fn counts(&self) -> Result<Vec<(TicketState, usize)>, StoreError> {
        rows::counts(&self.connection).map_err(StoreError::reading(&self.path))
    }

    /// Hands over every ticket, ordered by app and ticket, until `take` fails.
    ///
    /// # Errors
    /// What `take` says. [`StoreError::NotOpen`] when the reading was [asked to end](Self::leave). The file
    /// can't be read, or a row holds what no version ever wrote.
    pub fn each_ticket<E: From<StoreError>>(
        &self,
        mut take: impl FnMut(TicketRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        rows::each_ticket(&self.connection, &self.path, |ticket| {
            if self.guest.leave().is_cancelled() {
                return Err(StoreError::NotOpen { path: self.path.to_path_buf() }.into());
            }
            take(ticket)
        })
    }

    /// Cancelled when the reading should end soon, because the writer closes the file or has to open it anew.
    /// Whoever waits for something else in the course of a reading should wait for this, too.
    #[must_use]
    pub fn leave(&self) -> &CancellationToken {
        self.guest.leave()
    }
}

#[cfg(test)]
mod tests;
