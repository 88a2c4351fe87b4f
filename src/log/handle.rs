//! What the rest of the program holds of the log: to write verdicts and know that they are safe, to open the file
//! again, to make room for a progress bar.

use std::io;
use std::sync::PoisonError;
use std::time::Duration;

use super::queue::SinkHandle;
use super::sink::{SharedSuspend, Suspend};

/// Pause between tries while the program waits to end.
const FLUSH_PAUSE: Duration = Duration::from_millis(100);

/// The log, from outside. Clones speak of the same log.
#[derive(Clone)]
pub struct LogHandle {
    pub(super) sinks: Vec<SinkHandle>,
    pub(super) suspend: SharedSuspend,
}

impl LogHandle {
    /// Standard output, then the log file if there is one.
    #[must_use]
    pub fn sinks(&self) -> Vec<SinkHandle> {
        self.sinks.clone()
    }

    /// Closes the log file and opens it again by its path, as after a rotation. Where that fails, it is tried again
    /// until it can be opened, and lines wait.
    pub fn reopen(&self) {
        self.sinks.iter().for_each(SinkHandle::reopen);
    }

    /// Sets what surrounds each write to standard output, or nothing. The hook must call what it is
    /// given, must not log, and must not wait for the log.
    pub fn set_suspend(&self, suspend: Option<Suspend>) {
        *self.suspend.lock().unwrap_or_else(PoisonError::into_inner) = suspend;
    }

    /// How many lines are not written yet, by sink.
    #[must_use]
    pub fn waiting(&self) -> Vec<(&'static str, usize)> {
        self.sinks.iter().map(|sink| (sink.name(), sink.waiting())).collect()
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
        tokio::time::timeout(within, trying).await.map_err(|_| last)
    }

    /// Waits until every line logged before is written and synced.
    pub(super) async fn settle(&self) -> io::Result<()> {
        for sink in &self.sinks {
            sink.write_synced(Vec::new()).await?;
        }
        Ok(())
    }
}
