//! The log as a consumer of the outbox. Each of its sinks is served by itself, so that a pipe that stalls does not hold
//! up the file, and from a cursor of its own; rows that every sink has are removed. What a crash leaves in the table
//! every sink gets once more.

use std::io;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::error;

use crate::crash_points::CrashPoint;
use crate::domain::event;
use crate::log::{SinkHandle, Verdict};
use crate::store::{EventId, LOG, Outbox, OutboxRow};

/// Rows that a sink is handed at once at most.
const ROWS_AT_ONCE: usize = 100;

/// The pause before a step that failed is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Writes and syncs lines of verdicts to one sink.
type Write = Box<dyn Fn(Vec<Verdict>) -> BoxFuture<'static, io::Result<()>> + Send + Sync>;

/// Announces verdicts as their rows become `durable`, and shows up to which one all are `announced`. Ends once no more
/// can come and none is left.
pub(crate) async fn announce<O: Outbox>(
    outbox: O,
    sinks: Vec<SinkHandle>,
    durable: watch::Receiver<EventId>,
    announced: watch::Sender<EventId>,
) {
    let write = |sink: SinkHandle| -> Write {
        Box::new(move |verdicts| {
            let sink = sink.clone();
            async move { sink.write_synced(verdicts).await }.boxed()
        })
    };
    deliver(outbox, sinks.into_iter().map(write).collect(), durable, announced).await;
}

async fn deliver<O: Outbox>(
    outbox: O,
    writes: Vec<Write>,
    durable: watch::Receiver<EventId>,
    announced: watch::Sender<EventId>,
) {
    let (cursors, moved) = watch::channel(vec![EventId::default(); writes.len()]);
    let mut serving = JoinSet::new();
    for (place, write) in writes.into_iter().enumerate() {
        let cursors = cursors.clone();
        let is_written = move |last| cursors.send_modify(|all| all[place] = last);
        serving.spawn(serve(outbox.clone(), write, durable.clone(), is_written));
    }
    drop(cursors);
    remove_announced(&outbox, moved, &announced).await;
}

/// Hands one sink every row, from the first one in the table on, once the engine has read what is there.
async fn serve<O: Outbox>(
    outbox: O,
    write: Write,
    mut durable: watch::Receiver<EventId>,
    is_written: impl Fn(EventId) + Send,
) {
    let (mut cursor, mut limit) = (EventId::default(), ROWS_AT_ONCE);
    while durable.changed().await.is_ok() {
        loop {
            match hand_over(&outbox, &write, cursor, limit).await {
                Ok(Some(last)) => {
                    (cursor, limit) = (last, ROWS_AT_ONCE);
                    is_written(last);
                }
                Ok(None) => break,
                // Log and state file report for themselves what is wrong with them. One row at a time comes through
                // where there is room for a few only, and no more than one is written twice.
                Err(_) => {
                    limit = 1;
                    tokio::time::sleep(TRY_AGAIN).await;
                }
            }
        }
    }
}

/// Hands a sink the next rows and says which was the last; none if there are no more.
async fn hand_over<O: Outbox>(
    outbox: &O,
    write: &Write,
    after: EventId,
    limit: usize,
) -> io::Result<Option<EventId>> {
    let rows = outbox.rows(LOG, after, limit).await.map_err(io::Error::other)?;
    let Some(last) = rows.last() else { return Ok(None) };
    CrashPoint::VerdictsLogged.pass();
    write(rows.iter().filter_map(verdict).collect()).await?;
    CrashPoint::LinesSafe.pass();
    Ok(Some(last.id))
}

/// The verdict of a row; none for one that this program did not write, which must not hold up those behind it.
fn verdict(row: &OutboxRow) -> Option<Verdict> {
    let verdict = Verdict::parse(&row.payload);
    if verdict.is_none() {
        let id = row.id.0;
        error!(event = event::LOG_FAILED, "row {id} of the outbox is no verdict and is left out");
    }
    verdict
}

/// Removes what every sink has. Once no sink is served any more it is done a last time: a batch that was written again,
/// since its commit was reported as failed, may have put rows back.
async fn remove_announced<O: Outbox>(
    outbox: &O,
    mut cursors: watch::Receiver<Vec<EventId>>,
    announced: &watch::Sender<EventId>,
) {
    loop {
        let is_over = cursors.changed().await.is_err();
        let least = cursors.borrow_and_update().iter().min().copied().unwrap_or_default();
        if least == *announced.borrow() && !is_over {
            continue;
        }
        while outbox.remove(LOG, least).await.is_err() {
            tokio::time::sleep(TRY_AGAIN).await;
        }
        CrashPoint::VerdictsMarked.pass();
        announced.send_replace(least);
        if is_over {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
