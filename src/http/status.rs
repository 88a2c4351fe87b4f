//! `/status`: the document of `status --format json`, and the apps, read from the state file on the way to the
//! socket. However many tickets there are, only a page of them is in memory.
//!
//! Each page is a transaction of its own, and none is open while the connection takes it, so that a client that stalls
//! does not hold back the write-ahead log.

use std::sync::Arc;

use axum::BoxError;
use axum::body::{Body, Bytes};
use futures_util::{StreamExt, stream};
use tokio::sync::OwnedSemaphorePermit;

use super::status_document::{live_status, write_end, write_head, write_tickets};
use crate::domain::{EntryKey, FileCounts, HookStatus, WallTime};
use crate::engine::AppView;
use crate::store::StoreReader;

/// Tickets of a page.
const PAGE: usize = 500;

/// The part that is still to be read.
struct Rest {
    state: Arc<dyn StoreReader>,
    last: Option<EntryKey>,
    /// Held until the last page is read: a client that has it may ask again at once.
    _turn: OwnedSemaphorePermit,
}

/// The document, piece by piece.
///
/// # Errors
/// The state file can't be read. If that happens later the body breaks off, and the client sees it.
pub(super) async fn body(
    state: Arc<dyn StoreReader>,
    apps: Vec<AppView>,
    hooks: Vec<HookStatus>,
    turn: OwnedSemaphorePermit,
) -> Result<Body, BoxError> {
    let begin = move || {
        let (mut text, summary) = (Vec::new(), state.counts()?.into_iter().collect());
        // The engine knows them by app, so that the state file need not be read for them.
        let of = |state| apps.iter().map(|app| app.files[state]).sum();
        let files = FileCounts::from_fn(of);
        let apps: Vec<_> = apps.iter().map(live_status).collect();
        write_head(&mut text, WallTime::now(), summary, &files, &apps, &hooks)?;
        read(Rest { state, last: None, _turn: turn }, text)
    };
    let (first, rest) = tokio::task::spawn_blocking(begin).await??;
    let rest = stream::try_unfold(rest, async |rest| {
        let Some(rest) = rest else { return Ok::<_, BoxError>(None) };
        Ok(Some(tokio::task::spawn_blocking(move || read(rest, Vec::new())).await??))
    });
    Ok(Body::from_stream(stream::iter([Ok(first)]).chain(rest)))
}

/// Reads a page, and writes it after what there is.
fn read(mut rest: Rest, mut text: Vec<u8>) -> Result<(Bytes, Option<Rest>), BoxError> {
    let tickets = rest.state.tickets_after(rest.last.as_ref(), PAGE)?;
    write_tickets(&mut text, &tickets, rest.last.is_none())?;
    if tickets.len() < PAGE {
        write_end(&mut text)?;
        return Ok((text.into(), None));
    }
    rest.last = tickets.into_iter().next_back().map(|ticket| ticket.entry.key);
    Ok((text.into(), Some(rest)))
}
