//! What the engine asks of the log beyond writing lines: to know when they are safe.

use std::future::Future;
use std::io;

/// The log as the engine needs it. Lines themselves go through `tracing`; this tells whether they
/// arrived, so that a verdict is marked as announced only after its line is safe.
pub trait Announcer: Clone + Send + Sync + 'static {
    /// Waits until every line logged before the call is written, and a log file is synced.
    ///
    /// # Errors
    /// Some line could not be written yet. It is kept and written later; ask again.
    fn settle(&self) -> impl Future<Output = io::Result<()>> + Send;
}
