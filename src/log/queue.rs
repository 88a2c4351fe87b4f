//! The way of lines to the thread that writes one sink. Logging a line never waits, so a pipe without a reader can't
//! hold up the engine. The price is a bound: past it lines are left out and counted. A batch is never left out: its
//! sender gets an answer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;

use tokio::sync::oneshot;
use tracing::Level;

use super::format::Format;
use super::record::Record;
use super::verdict::Verdict;

/// How many lines may wait before others are left out; of warnings and errors twice as many.
pub(super) const LINES_MAX: usize = 10_000;

/// The same for bytes.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// A batch is refused only past so many times the bounds: a sink that stalls must not pile up batches without end.
const TIMES_OF_BATCHES: usize = 3;

/// What the writing thread is asked for.
pub(super) enum Item {
    /// To write this.
    Write(Job),
    /// To open the sink again.
    Reopen,
}

/// Bytes to be written at once.
pub(super) struct Job {
    pub(super) bytes: Vec<u8>,
    lines: usize,
    /// Where the sender of a batch waits for the answer; none for a line.
    pub(super) reply: Option<oneshot::Sender<io::Result<()>>>,
}

/// What waits, that in the thread's hands included.
#[derive(Default)]
struct Load {
    lines: AtomicUsize,
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

/// One place that lines are written to. Clones stand for the same place.
#[derive(Clone)]
pub struct SinkHandle {
    name: &'static str,
    format: Arc<Format>,
    items: mpsc::Sender<Item>,
    load: Arc<Load>,
}

impl SinkHandle {
    /// The sink, and what its thread takes up.
    pub(super) fn new(name: &'static str, format: Format) -> (Self, mpsc::Receiver<Item>) {
        let (items, taken) = mpsc::channel();
        (Self { name, format: Arc::new(format), items, load: Arc::default() }, taken)
    }

    /// `stdout` or `file`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Writes the lines after all that were logged before, one after the other, and syncs. No lines at all wait for those before.
    ///
    /// # Errors
    /// None of the lines counts as written: hand them over again.
    pub async fn write_synced(&self, verdicts: Vec<Verdict>) -> io::Result<()> {
        let (reply, answer) = oneshot::channel();
        let batch = Job { bytes: self.format.verdicts(&verdicts), lines: verdicts.len(), reply: Some(reply) };
        if !self.send(batch, TIMES_OF_BATCHES) {
            return Err(io::Error::other("too many lines wait to be written"));
        }
        answer.await.unwrap_or_else(|_| Err(io::Error::other("the log's writing thread has ended")))
    }

    /// Writes a line some time, or counts it as left out where too many wait.
    pub(super) fn push(&self, record: &Record) {
        let times = match record.level {
            Level::ERROR | Level::WARN => 2,
            _ => 1,
        };
        if !self.send(Job { bytes: self.format.line(record), lines: 1, reply: None }, times) {
            self.load.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Hands the job to the thread, unless so many `times` the bounds wait already.
    fn send(&self, job: Job, times: usize) -> bool {
        let Load { lines, bytes, .. } = &*self.load;
        let has_room = lines.load(Relaxed) < LINES_MAX.saturating_mul(times)
            && bytes.load(Relaxed) < BYTES_MAX.saturating_mul(times);
        if has_room {
            lines.fetch_add(job.lines, Relaxed);
            bytes.fetch_add(job.bytes.len(), Relaxed);
            // The sender of a batch notices if there is no thread, and a line has no place then.
            let _ = self.items.send(Item::Write(job));
        }
        has_room
    }

    /// Asks for the sink to be opened again.
    pub(super) fn reopen(&self) {
        let _ = self.items.send(Item::Reopen);
    }

    /// The job no longer waits.
    pub(super) fn done(&self, job: &Job) {
        self.load.lines.fetch_sub(job.lines, Relaxed);
        self.load.bytes.fetch_sub(job.bytes.len(), Relaxed);
    }

    /// How many lines wait.
    pub(super) fn waiting(&self) -> usize {
        self.load.lines.load(Relaxed)
    }

    /// How many lines were left out since the last call; zero as long as others wait.
    pub(super) fn take_dropped(&self) -> u64 {
        if self.waiting() == 0 { self.load.dropped.swap(0, Relaxed) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::WallTime;

    fn push(sink: &SinkHandle, target: &'static str, level: Level, message: &str) {
        let mut record = Record::new(WallTime::from_millis(1), level, target);
        record.add("message", message);
        sink.push(&record);
    }

    /// What waits, the oldest first.
    fn drain(sink: &SinkHandle, items: &mpsc::Receiver<Item>) -> Vec<String> {
        let taken = items.try_iter().map(|item| match item {
            Item::Write(job) => {
                sink.done(&job);
                String::from_utf8(job.bytes).unwrap()
            }
            Item::Reopen => "reopen".to_owned(),
        });
        taken.collect()
    }

    #[test]
    fn what_matters_less_is_left_out_first() {
        let (sink, items) = SinkHandle::new("stdout", Format::Json);
        for _ in 0..LINES_MAX {
            push(&sink, "t", Level::INFO, "chatter");
            push(&sink, "t", Level::WARN, "trouble");
        }
        assert_eq!(sink.take_dropped(), 0, "not while lines wait");
        let seen = drain(&sink, &items);
        let count = |wanted: &str| seen.iter().filter(|line| line.contains(wanted)).count();
        assert!(count("chatter") < count("trouble"), "{} {}", count("chatter"), count("trouble"));
        assert_eq!(sink.take_dropped() as usize, 2 * LINES_MAX - seen.len());
        assert_eq!(sink.take_dropped(), 0);
    }

    #[test]
    fn bytes_are_bounded_too() {
        let (sink, items) = SinkHandle::new("stdout", Format::Json);
        push(&sink, "t", Level::INFO, "a");
        sink.load.bytes.fetch_add(BYTES_MAX, Relaxed);
        push(&sink, "t", Level::INFO, "b");
        assert_eq!(drain(&sink, &items).len(), 1);
        sink.load.bytes.fetch_sub(BYTES_MAX, Relaxed);
        push(&sink, "t", Level::INFO, "c");
        assert!(drain(&sink, &items)[0].contains("\"c\""));
    }

    /// A sender that gives up waiting leaves its batch behind, and tries again.
    #[tokio::test]
    async fn batches_of_a_sink_that_stalls_are_bounded() {
        let (sink, _items) = SinkHandle::new("stdout", Format::Json);
        let payload = r#"{"timestamp":"2026-11-22T10:00:00Z","level":"INFO"}"#.into();
        let verdicts = || vec![Verdict::parse(&payload).unwrap()];
        sink.load.lines.fetch_add(TIMES_OF_BATCHES * LINES_MAX - 1, Relaxed);
        assert!(futures_util::poll!(std::pin::pin!(sink.write_synced(verdicts()))).is_pending());
        let failure = sink.write_synced(verdicts()).await.unwrap_err();
        assert!(failure.to_string().contains("too many lines wait"), "{failure}");
    }
}
