//! Artefacts of the watcher: how they come over the line that all downloads share, and a folder that takes anything.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use feishu_export_watcher::domain::{Sha256, TicketRecord};
use feishu_export_watcher::feishu::{Answer, ArtefactBody};
use feishu_export_watcher::files::{Body, FileError, Files, Placed, Placement, Transfer};
use tokio::time::{sleep, sleep_until};

use crate::watcher::{Remote, number};

/// Bytes that are sent at once; the line is shared by turns.
const PIECE: u64 = 256 * 1024;

static ZEROES: [u8; PIECE as usize] = [0; PIECE as usize];

/// An artefact on the line.
pub(crate) struct Line {
    remote: Remote,
    left: u64,
    /// When the piece before was sent.
    sent: Duration,
    back: Duration,
}

impl Line {
    /// Returns once the head has come.
    pub(crate) async fn open(remote: Remote, job: usize, back: Duration) -> Self {
        let (left, sent) = (remote.server().jobs()[job].size, remote.began.elapsed());
        sleep(back).await;
        Self { remote, left, sent, back }
    }
}

impl ArtefactBody for Line {
    async fn chunk(&mut self) -> Result<Option<Bytes>, Box<Answer>> {
        let bytes = self.left.min(PIECE);
        if bytes == 0 {
            return Ok(None);
        }
        if self.remote.is_cut() {
            return Err(Box::new(Answer::lost("the line is cut")));
        }
        self.left -= bytes;
        self.sent = self.remote.server().send(bytes, self.sent);
        sleep_until(self.remote.began + self.sent + self.back).await;
        Ok(Some(Bytes::from_static(&ZEROES[..bytes as usize])))
    }
}

/// A folder that takes everything at once, and notes when.
#[derive(Clone)]
pub(crate) struct Shelf(pub(crate) Remote);

/// A file that is being written to it.
pub(crate) struct Parcel {
    name: PathBuf,
    size: u64,
}

impl Files for Shelf {
    type Transfer = Parcel;

    async fn begin(&self, ticket: &TicketRecord) -> Result<Parcel, FileError> {
        Ok(Parcel { name: ticket.ticket().unwrap_or_default().into(), size: 0 })
    }

    async fn place(&self, placement: Placement) -> Result<Placed, FileError> {
        let job = number(&placement.path.to_string_lossy());
        self.0.note(|server, now| server.save(job, now));
        Ok(Placed::Done)
    }

    async fn discard(&self, _: PathBuf) {}

    async fn sweep(&self, _: Vec<PathBuf>) {}
}

impl Transfer for Parcel {
    async fn write(&mut self, bytes: Bytes) -> Result<(), FileError> {
        self.size += bytes.len() as u64;
        Ok(())
    }

    async fn finish(self) -> Result<Body, FileError> {
        let placement = Placement { temporary: self.name.clone(), path: self.name, sha256: Sha256([0; 32]) };
        Ok(Body { placement, size: self.size })
    }
}
