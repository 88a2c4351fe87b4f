//! The thread behind one sink. It writes line by line, keeps a line until the sink has it, and tries
//! again for as long as it takes. What it can't tell through its own sink it tells through the other.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::crash_points::CrashPoint;
use tracing::Level;

use super::outlet::Notes;
use super::queue::{Job, Line, Queue};
use super::record::Class;
use super::sink::{Place, Sink};

/// How long a sink that takes nothing for the moment (a pipe set to non-blocking) is left alone.
const FULL_PIPE_PAUSE: Duration = Duration::from_millis(10);

/// Verdicts written and not yet synced, at most: they are kept in memory until they are.
const UNSYNCED_MAX: usize = 1000;

/// "Bad file descriptor", which has no error kind of its own.
const EBADF: i32 = 9;

/// Writes the lines of one queue to one sink.
pub(super) struct Writer<S> {
    queue: Arc<Queue>,
    sink: S,
    notes: Notes,
    /// Whether the other sink carries the verdicts if nobody reads this one any more.
    expendable: bool,
    /// Bytes of the front line that the sink has.
    offset: usize,
    /// Verdicts that a failing sync would put in doubt.
    unsynced: Vec<Line>,
    /// Whether the last try failed.
    failing: bool,
    /// The sink should be opened again before it is written to.
    reopen_owed: bool,
}

impl<S: Sink> Writer<S> {
    pub(super) fn new(queue: Arc<Queue>, sink: S, notes: Notes, expendable: bool) -> Self {
        Self {
            queue,
            sink,
            notes,
            expendable,
            offset: 0,
            unsynced: Vec::new(),
            failing: false,
            reopen_owed: false,
        }
    }

    /// Works until the queue is closed and empty, or the sink is given up.
    pub(super) fn run(mut self) {
        loop {
            match self.queue.next(self.failing) {
                Job::Reopen => drop(self.reopen()),
                Job::Settle(upto) => self.settle(upto),
                Job::Write => self.write_front(),
                Job::TellDropped(count) => self.notes.to_own(
                    Level::WARN,
                    format!("{count} log lines were left out because too many waited to be written"),
                ),
                Job::Stop => break,
            }
        }
        // Nobody waits any more, but what was written should last.
        let _ = self.sink.sync();
    }

    fn write_front(&mut self) {
        if self.reopen_owed && !self.reopen() {
            return;
        }
        // Looked up only now: opening again may have put older lines in front.
        let Some(line) = self.queue.front() else { return };
        match self.put(&line.bytes) {
            Ok(()) => self.keep_until_synced(line),
            Err(error) if self.expendable && is_closed(&error) => self.abandon(&error),
            Err(error) => {
                // A full disk may empty, and the line goes on where it stopped. After other errors the
                // file behind the path may be another one (a mount that came back).
                self.reopen_owed = !is_full(&error);
                self.fail(&error);
            }
        }
    }

    /// Writes the rest of a line. A short write is continued where it ended.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        while self.offset < bytes.len() {
            match self.sink.write(&bytes[self.offset..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.offset += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(FULL_PIPE_PAUSE)
                }
                Err(error) => return Err(error),
            }
        }
        self.offset = 0;
        Ok(())
    }

    fn keep_until_synced(&mut self, line: Line) {
        self.failing = false;
        self.queue.written();
        if line.class == Class::Verdict {
            self.unsynced.push(line);
        }
        if self.unsynced.len() >= UNSYNCED_MAX {
            self.sync();
        }
    }

    fn settle(&mut self, upto: u64) {
        if self.sync() {
            self.queue.settled(upto);
        }
    }

    /// After a failed sync it is unknown what lasted, and a later success says nothing about it; and what lies in a file
    /// that was taken away cannot be found. So the verdicts are written once more: twice is allowed, never
    /// is not.
    fn sync(&mut self) -> bool {
        if !self.unsynced.is_empty() {
            CrashPoint::LinesWritten.pass();
        }
        match self.sink.sync().and_then(|()| self.sink.place()) {
            Ok(Place::Here) => {
                self.unsynced.clear();
                true
            }
            Ok(place @ (Place::Moved | Place::Lost)) => self.replace(place),
            Err(error) if self.expendable && is_closed(&error) => {
                self.abandon(&error);
                false
            }
            Err(error) => {
                self.take_back();
                self.reopen_owed = true;
                self.fail(&error);
                false
            }
        }
    }

    /// Opens a file anew that was taken away, and says whether every verdict is safe.
    fn replace(&mut self, old: Place) -> bool {
        match self.sink.reopen() {
            // A file system that tells nothing of its files: what was synced stands somewhere.
            Ok(_) if !matches!(self.sink.place(), Ok(Place::Here)) => {
                self.offset = 0;
                self.unsynced.clear();
                true
            }
            Ok(_) => {
                let name = self.notes.name();
                let what = "was removed, moved or cut short; it is opened anew, and verdicts that were not safe yet are \
                            written again";
                self.notes.to_other(Level::WARN, format!("{name} {what}"));
                self.offset = 0;
                self.reopen_owed = false;
                let is_whole = self.unsynced.is_empty();
                self.take_back();
                is_whole
            }
            // They are read under its new name.
            Err(error) if old == Place::Moved => {
                self.owe_reopening(&error);
                self.unsynced.clear();
                true
            }
            Err(error) => {
                self.take_back();
                self.reopen_owed = true;
                self.fail(&error);
                false
            }
        }
    }

    fn owe_reopening(&mut self, error: &io::Error) {
        if !self.reopen_owed {
            let name = self.notes.name();
            self.notes.to_other(Level::ERROR, format!("{name} can't be opened again: {error}"));
        }
        self.reopen_owed = true;
    }

    fn take_back(&mut self) {
        if self.offset > 0 {
            self.sink.break_line();
            self.offset = 0;
        }
        self.queue.put_back(&mut self.unsynced);
    }

    /// Changes over to a new place only once it is open: until then the old one is better than none, unless it is lost.
    /// Says whether lines may be written.
    fn reopen(&mut self) -> bool {
        // One that was moved is read under its new name.
        let serves =
            matches!(self.sink.sync().and_then(|()| self.sink.place()), Ok(Place::Here | Place::Moved));
        if serves {
            self.unsynced.clear();
        } else {
            self.take_back();
        }
        match self.sink.reopen() {
            Ok(is_new) => {
                // The line begun stays unfinished in an old place and is written whole in the new one.
                self.offset = if is_new { 0 } else { self.offset };
                self.reopen_owed = false;
                true
            }
            Err(error) if serves => {
                self.owe_reopening(&error);
                true
            }
            Err(error) => {
                self.reopen_owed = true;
                self.fail(&error);
                false
            }
        }
    }

    /// Tells those who wait, and once per stretch of failures everybody else.
    fn fail(&mut self, error: &io::Error) {
        if !self.failing {
            let name = self.notes.name();
            self.notes.to_other(
                Level::ERROR,
                format!("{name} can't be written: {error}; lines are kept and tried again"),
            );
        }
        self.failing = true;
        self.queue.failed(error);
    }

    fn abandon(&self, error: &io::Error) {
        let name = self.notes.name();
        self.notes.to_other(
            Level::ERROR,
            format!("{name} is closed: {error}; from now on verdicts count as announced once the log file has them"),
        );
        self.queue.abandon();
    }
}

/// Whether nobody will ever read what is written.
fn is_closed(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe || error.raw_os_error() == Some(EBADF)
}

/// Whether the sink is sound and only lacks room.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
