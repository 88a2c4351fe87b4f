//! One download: from the request to a whole body in a temporary file. A task of its own, which owns nothing of the engine's.

use std::time::Duration;

use tokio::time::Instant;

use super::event::{FileRequest, Signal, TransferEnd};
use crate::feishu::{ArtefactBody as _, ExportApi};
use crate::files::{Files, Transfer as _};

/// A body that brings fewer bytes within `idle_timeout` is slow.
const SLOW: usize = 64 * 1024;

/// Fetches an artefact. `signal` says how it goes.
pub(super) async fn transfer<A: ExportApi, F: Files>(
    api: A,
    files: F,
    request: FileRequest,
    signal: impl Fn(Signal) + Send,
) -> TransferEnd {
    let FileRequest { download, ticket, idle_timeout, meters } = request;
    // First: where there is no room, no request is sent.
    let mut file = match files.begin(&ticket).await {
        Ok(file) => file,
        Err(error) => return TransferEnd::NotBegun(error),
    };
    let mut body = match api.download(download).await {
        Ok(body) => body,
        Err(answer) => return TransferEnd::Answer(answer),
    };
    signal(Signal::Head);
    let mut pace = Pace::new(idle_timeout);
    loop {
        let bytes = match body.chunk().await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => break,
            Err(answer) => return TransferEnd::Broken(answer),
        };
        meters.bytes_received(bytes.len() as u64);
        if pace.is_slow(bytes.len(), Instant::now()) {
            signal(Signal::Slow);
        }
        if let Err(error) = file.write(bytes).await {
            return TransferEnd::Disk(error);
        }
    }
    file.finish().await.map_or_else(TransferEnd::Disk, TransferEnd::Whole)
}

/// Watches how fast a body comes.
struct Pace {
    span: Duration,
    since: Instant,
    bytes: usize,
    said: bool,
}

impl Pace {
    fn new(span: Duration) -> Self {
        Self { span, since: Instant::now(), bytes: 0, said: false }
    }

    /// More bytes came. Says once whether the body is slow.
    fn is_slow(&mut self, bytes: usize, now: Instant) -> bool {
        self.bytes += bytes;
        if now.saturating_duration_since(self.since) < self.span {
            return false;
        }
        let slow = self.bytes < SLOW && !self.said;
        (self.since, self.bytes) = (now, 0);
        self.said |= slow;
        slow
    }
}
