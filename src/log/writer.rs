//! The thread behind one sink: it takes what waits, writes it, and reports. A line that can't be written is tried
//! again until it can; a batch is answered with the error, and its sender hands it over again.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tracing::Level;

use super::queue::{Item, Job, SinkHandle};
use super::record::Record;
use super::sink::Sink;
use crate::crash_points::CrashPoint;
use crate::domain::escape;

/// How long lines that could not be written wait for the next try, unless something new arrives.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// "Bad file descriptor", which has no error kind of its own: standard output is closed, or open for reading alone.
const EBADF: i32 = 9;

/// Where a writer reports what its own sink can't take.
pub(super) enum Other {
    /// The other sink, which has the verdicts as well.
    Sink(SinkHandle),
    /// Standard error.
    Stderr(Box<dyn Write + Send>),
}

/// Writes what waits for one sink.
pub(super) struct Writer<S> {
    own: SinkHandle,
    other: Other,
    /// What people call the sink.
    name: String,
    sink: S,
    /// Lines that could not be written yet.
    kept: VecDeque<Job>,
    /// Whether the last try failed, or the last sync.
    failing: bool,
    /// The sink is closed for good: what is meant for it counts as written.
    given_up: bool,
}

impl<S: Sink> Writer<S> {
    pub(super) fn new(own: SinkHandle, other: Other, name: String, sink: S) -> Self {
        Self { own, other, name, sink, kept: VecDeque::new(), failing: false, given_up: false }
    }

    /// Works until the process ends.
    pub(super) fn run(mut self, items: Receiver<Item>) {
        loop {
            let patience = if self.kept.is_empty() { Duration::MAX } else { RETRY_AFTER };
            let mut batch = None;
            match items.recv_timeout(patience) {
                Ok(Item::Write(job)) if job.reply.is_some() => batch = Some(job),
                Ok(Item::Write(line)) => self.kept.push_back(line),
                Ok(Item::Reopen) => drop(self.sink.reopen().or_else(|error| self.fail(error))),
                // Time passed: `own` holds a sender, so there is always one.
                Err(_) => {}
            }
            self.perform(batch);
        }
    }

    /// Writes the lines that are kept, then the batch.
    fn perform(&mut self, batch: Option<Job>) {
        let mut outcome = self.write_kept();
        if let (Ok(()), Some(batch)) = (&outcome, &batch) {
            outcome = self.write_batch(&batch.bytes);
        }
        let outcome = outcome.or_else(|error| self.fail(error));
        if let Some(batch) = batch {
            self.own.done(&batch);
            // A sender that stopped waiting needs no answer.
            let _ = batch.reply.map(|reply| reply.send(outcome));
        }
        let dropped = self.own.take_dropped();
        if dropped > 0 {
            let message = format!("{dropped} log lines were left out because too many waited to be written");
            self.own.push(&Record::about_the_log(Level::WARN, message));
        }
    }

    fn write_kept(&mut self) -> io::Result<()> {
        while let Some(line) = self.kept.pop_front() {
            if let Err(error) = self.write_line(&line) {
                self.kept.push_front(line);
                return Err(error);
            }
            self.own.done(&line);
        }
        Ok(())
    }

    fn write_line(&mut self, job: &Job) -> io::Result<()> {
        self.write(&job.bytes)?;
        // A disk that takes lines again may still fail to sync them.
        self.failing = self.failing && self.sink.sync().is_err();
        Ok(())
    }

    /// A file that was taken away before it was synced gets the lines anew: twice is allowed, never is not.
    fn write_batch(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes)?;
        CrashPoint::LinesWritten.pass();
        self.sink.sync()?;
        if self.follow()? {
            self.sink.write(bytes)?;
            self.sink.sync()?;
        }
        self.failing = false;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.given_up {
            return Ok(());
        }
        // After a failure the file behind the path may be another one (a mount that came back).
        if self.failing {
            self.sink.reopen()?;
        }
        if bytes.is_empty() { Ok(()) } else { self.sink.write(bytes) }
    }

    /// Opens a file again that was removed, moved or truncated, and says whether it was.
    fn follow(&mut self) -> io::Result<bool> {
        if self.sink.is_in_place() {
            return Ok(false);
        }
        self.sink.reopen()?;
        self.report(
            Level::WARN,
            "was removed, moved or cut short; it is opened anew, and verdicts that were not safe yet are written again",
        );
        Ok(true)
    }

    /// Reports the first of several failures. A pipe without a reader is given up where the log file has the verdicts.
    fn fail(&mut self, error: io::Error) -> io::Result<()> {
        let is_closed = error.kind() == ErrorKind::BrokenPipe || error.raw_os_error() == Some(EBADF);
        if is_closed && matches!(self.other, Other::Sink(_)) {
            let consequence = "from now on verdicts count as announced once the log file has them";
            self.report(Level::ERROR, &format!("is closed: {error}; {consequence}"));
            self.given_up = true;
            return Ok(());
        }
        if !self.failing {
            self.report(Level::ERROR, &format!("can't be written: {error}; it is tried again every second"));
        }
        self.failing = true;
        Err(error)
    }

    fn report(&mut self, level: Level, message: &str) {
        let message = format!("{} {message}", self.name);
        match &mut self.other {
            Other::Sink(other) => other.push(&Record::about_the_log(level, message)),
            // There is no third place to report to.
            Other::Stderr(out) => drop(writeln!(out, "{}", escape(&message))),
        }
    }
}
