//! Who may read the state file within the watcher's own process, and when: only while the writer's
//! connection is open, and nobody when that is opened anew. Knows nothing of what is read.
//!
//! Connections of one process share SQLite's memory of the file. One that lives on while the writer opens
//! the file anew would hand that memory, of a volume that is perhaps gone, on to the new connection; one
//! that is opened first would look into the log before the writer has made it durable.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::open_files::OpenFiles;

/// The place that the writer keeps and readers enter.
#[derive(Debug, Default)]
pub(super) struct Admission {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// None while nobody may enter.
    open: Option<Open>,
    inside: usize,
}

#[derive(Clone, Debug)]
struct Open {
    /// Tells those inside to leave.
    leave: CancellationToken,
    files: OpenFiles,
}

impl Admission {
    /// Lets a reader in; none while the writer's connection is not open.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Guest> {
        let mut state = self.state();
        let open = state.open.clone()?;
        state.inside += 1;
        Some(Guest { admission: Arc::clone(self), open })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What it guards is whole after every line that changes it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader's stay, which ends when it is dropped.
#[derive(Debug)]
pub(super) struct Guest {
    admission: Arc<Admission>,
    open: Open,
}

impl Guest {
    /// Cancelled when the reader is to leave.
    pub(super) fn leave(&self) -> &CancellationToken {
        &self.open.leave
    }

    /// The files that the writer has open.
    pub(super) fn files(&self) -> &OpenFiles {
        &self.open.files
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.admission.state().inside -= 1;
    }
}

/// The writer's side. However the writer ends, nobody enters after it.
#[derive(Debug)]
pub(super) struct Host(Arc<Admission>);

impl Host {
    pub(super) fn new(admission: Arc<Admission>) -> Self {
        Self(admission)
    }

    /// From now on readers may enter: the connection is open, on these files.
    pub(super) fn admit(&self, files: &OpenFiles) {
        self.0
            .state()
            .open
            .get_or_insert_with(|| Open { leave: CancellationToken::new(), files: files.clone() });
    }

    /// From now on nobody may enter, and those inside are told to leave.
    pub(super) fn turn_away(&self) {
        if let Some(open) = self.0.state().open.take() {
            open.leave.cancel();
        }
    }

    /// Whether all have left.
    pub(super) fn is_alone(&self) -> bool {
        self.0.state().inside == 0
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.turn_away();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: readers come and go while the file is open; at its end they are told, and counted until
    /// they have left.
    #[test]
    fn guests_are_let_in_told_and_counted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let files = OpenFiles::of(file.path()).unwrap();
        let admission = Arc::new(Admission::default());
        let host = Host::new(Arc::clone(&admission));
        assert!(admission.enter().is_none());
        host.admit(&files);
        let (first, second) = (admission.enter().unwrap(), admission.enter().unwrap());
        drop(first);
        assert!(!host.is_alone() && !second.leave().is_cancelled());
        host.turn_away();
        assert!(second.leave().is_cancelled() && admission.enter().is_none() && !host.is_alone());
        drop(second);
        assert!(host.is_alone());
        host.admit(&files);
        assert!(!admission.enter().unwrap().leave().is_cancelled());
        drop(host);
        assert!(admission.enter().is_none());
    }
}
