//! `/status`: what `status --format json` prints, and the apps, read from the state file on the way to the
//! socket. However many tickets there are, only a page of them and a few pieces of text are in memory.
//!
//! A thread reads and hands pieces over to the connection; it waits while those are not taken. It ends when the
//! connection does, which is never later than its deadline.

use std::io::{self, Write};
use std::sync::Arc;

use crate::domain::{Counts, WallTime, with_causes};
use crate::store::{StoreError, StoreReader};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tracing::debug;

use super::routes::{Shared, text};
use super::status_document::{AppStatus, Document};

/// Bytes of a piece, give or take a ticket.
const PIECE: usize = 32 << 10;

/// Tickets that are read in one transaction. None is open while the connection takes them, so that a client that
/// stalls does not hold back the write-ahead log.
const PAGE: usize = 1000;

/// Pieces that may wait for the connection.
const WAITING: usize = 2;

/// Held while a status is read and sent: one at a time.
type Turn = Arc<OwnedSemaphorePermit>;

/// What the thread hands over.
enum Part {
    Piece(Bytes),
    /// All is said. Without it the text is cut off, and the client must be able to tell.
    End,
}

/// Why a status was not written to its end.
#[derive(Debug, Error)]
enum CutOff {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Connection(#[from] io::Error),
}

/// Answers with everything that is known.
pub(super) async fn status(State(shared): State<Arc<Shared>>) -> Response {
    let Ok(turn) = Arc::clone(&shared.turnstile).try_acquire_owned() else {
        let line = "another status is being read; try again in a second".to_owned();
        return unavailable(line);
    };
    let turn = Arc::new(turn);
    let apps = shared.view.borrow().apps.iter().map(AppStatus::from).collect();
    let (parts, taken) = mpsc::channel(WAITING);
    let (begin, begun) = oneshot::channel();
    let (state, kept) = (Arc::clone(&shared.state), Arc::clone(&turn));
    tokio::task::spawn_blocking(move || read(&*state, apps, begin, parts, kept));
    match begun.await {
        Ok(Ok(())) => ([(CONTENT_TYPE, "application/json")], body(taken, turn)).into_response(),
        Ok(Err(error)) => unavailable(with_causes(&error)),
        Err(_) => unavailable("the reading broke off; please report this defect".to_owned()),
    }
}

fn unavailable(line: String) -> Response {
    let response = text(StatusCode::SERVICE_UNAVAILABLE, &[line]);
    ([(RETRY_AFTER, "1")], response).into_response()
}

fn body(taken: mpsc::Receiver<Part>, turn: Turn) -> Body {
    Body::from_stream(stream::unfold(Some((taken, turn)), async |state| {
        let (mut taken, turn) = state?;
        match taken.recv().await {
            Some(Part::Piece(piece)) => Some((Ok(piece), Some((taken, turn)))),
            Some(Part::End) => None,
            None => Some((Err(io::Error::other("the status was cut off")), None)),
        }
    }))
}

/// Reads a status on a thread of its own. Says first whether there is anything to read.
fn read(
    state: &dyn StoreReader,
    apps: Vec<AppStatus>,
    begin: oneshot::Sender<Result<(), StoreError>>,
    parts: mpsc::Sender<Part>,
    turn: Turn,
) {
    let counts = match state.counts() {
        Ok(counts) => counts,
        // Nobody waits any more where it can't be said.
        Err(error) => return drop(begin.send(Err(error))),
    };
    let pieces = Pieces { text: Vec::new(), parts };
    if begin.send(Ok(())).is_ok()
        && let Err(error) = write(state, turn, counts.into_iter().collect(), &apps, pieces)
    {
        debug!("a status was cut off: {}", with_causes(&error));
    }
}

fn write(
    state: &dyn StoreReader,
    turn: Turn,
    summary: Counts,
    apps: &[AppStatus],
    pieces: Pieces,
) -> Result<(), CutOff> {
    let mut document = Document::begin(pieces, WallTime::now(), summary, apps)?;
    let mut page = state.tickets_after(None, PAGE)?;
    while let Some(last) = page.last() {
        for ticket in &page {
            document.ticket(ticket)?;
        }
        page = state.tickets_after(Some(&last.key), PAGE)?;
    }
    let mut pieces = document.end()?;
    pieces.flush()?;
    // Before the end is told: who has heard it may ask again at once.
    drop(turn);
    Ok(pieces.send(Part::End)?)
}

/// Gathers what is written into pieces and waits until they are taken.
struct Pieces {
    text: Vec<u8>,
    parts: mpsc::Sender<Part>,
}

impl Pieces {
    fn send(&self, part: Part) -> io::Result<()> {
        self.parts.blocking_send(part).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Pieces {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(text);
        if self.text.len() >= PIECE {
            self.flush()?;
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let text = std::mem::take(&mut self.text);
        self.send(Part::Piece(text.into()))
    }
}
