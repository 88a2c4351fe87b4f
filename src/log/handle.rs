//! What the rest of the program holds of the log: to know that lines are safe, to open the file
//! again, to make room for a progress bar.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::engine::Announcer;

use super::outlet::Outlets;
use super::sink::Suspend;

/// Pause between tries while the program waits to end.
const FLUSH_PAUSE: Duration = Duration::from_millis(100);

/// The log, from outside. Clones speak of the same log.
#[derive(Clone)]
pub struct LogHandle {
    pub(super) outlets: Arc<Outlets>,
    pub(super) suspend: Arc<Mutex<Option<Suspend>>>,
}

impl LogHandle {
    /// Closes the log file and opens it again by its path, for whoever moved it away. Where that
    /// fails, the old file serves on and opening is tried again with the next line.
    pub fn reopen(&self) {
        if let Some(file) = &self.outlets.file {
            file.queue.reopen();
        }
    }

    /// Sets what surrounds each write to standard output, or nothing. The hook must call what it is
    /// given, must not log, and must not wait for the log.
    pub fn set_suspend(&self, suspend: Option<Suspend>) {
        *self.suspend.lock().unwrap_or_else(PoisonError::into_inner) = suspend;
    }

    /// How many lines are not written yet, by sink.
    pub fn waiting(&self) -> Vec<(&'static str, usize)> {
        let file = self.outlets.file.iter().map(|file| ("file", file));
        let sinks = [("stdout", &self.outlets.stdout)].into_iter().chain(file);
        sinks.map(|(sink, outlet)| (sink, outlet.queue.waiting())).collect()
    }

    /// Waits until everything logged so far is safe, trying again after failures, for at most `within`.
    ///
    /// # Errors
    /// The last failure, or `TimedOut` if a sink takes nothing.
    pub async fn flush(&self, within: Duration) -> io::Result<()> {
        let mut last = io::Error::from(io::ErrorKind::TimedOut);
        let trying = async {
            while let Err(error) = self.settle().await {
                last = error;
                tokio::time::sleep(FLUSH_PAUSE).await;
            }
        };
        let done = tokio::time::timeout(within, trying).await.is_ok();
        if done { Ok(()) } else { Err(last) }
    }
}

impl Announcer for LogHandle {
    async fn settle(&self) -> io::Result<()> {
        let file = async {
            match &self.outlets.file {
                Some(file) => file.queue.settle().await,
                None => Ok(()),
            }
        };
        tokio::try_join!(self.outlets.stdout.queue.settle(), file).map(drop)
    }
}
