//! Lines on their way from whoever logs to the thread that writes one sink. Taking a line never
//! waits, so a pipe that nobody reads can't hold up the engine. The price is a bound: past it the less
//! important lines are left out and counted. Verdicts are never left out.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::record::Class;

/// How long a sink that failed is left alone, unless a new line or somebody waiting asks sooner.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How much may wait before chatter is left out; warnings are left out at twice that.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) lines: usize,
    pub(super) bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { lines: 10_000, bytes: 16 * 1024 * 1024 }
    }
}

/// A line that waits to be written.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) bytes: Arc<[u8]>,
    pub(super) class: Class,
    seq: u64,
}

/// What the writing thread is to do next.
pub(super) enum Job {
    /// Open the sink again.
    Reopen,
    /// Make what was written safe, then call [`Queue::settled`] with this number.
    Settle(u64),
    /// Write [`Queue::front`].
    Write,
    /// Say how many lines were left out.
    TellDropped(u64),
    /// Nothing more will come.
    Stop,
}

/// The lines of one sink.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    bounds: Bounds,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Line>,
    bytes: usize,
    last_seq: u64,
    dropped: u64,
    waiters: Vec<Waiter>,
    reopen: bool,
    /// Something happened that deserves a try at a failing sink.
    kicked: bool,
    closed: bool,
    /// The sink is given up: lines for it vanish, and nobody waits for it.
    abandoned: bool,
}

struct Waiter {
    upto: u64,
    answer: oneshot::Sender<io::Result<()>>,
}

impl Queue {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, ..Self::default() })
    }

    /// Takes a line, or counts it as left out.
    pub(super) fn push(&self, bytes: Arc<[u8]>, class: Class) {
        let mut state = self.lock();
        if state.abandoned {
            return;
        }
        if !state.has_room(self.bounds, class) {
            state.dropped += 1;
            return;
        }
        state.last_seq += 1;
        state.bytes += bytes.len();
        let seq = state.last_seq;
        state.lines.push_back(Line { bytes, class, seq });
        self.kick(state);
    }

    /// How many lines are not in the sink yet.
    pub(super) fn waiting(&self) -> usize {
        self.lock().lines.len()
    }

    /// Asks for the sink to be opened again.
    pub(super) fn reopen(&self) {
        let mut state = self.lock();
        state.reopen = true;
        self.kick(state);
    }

    /// Says that nothing more will come: the thread writes what it can and ends.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.kick(state);
    }

    /// Waits until every line taken so far is safe in the sink; fails with the next try that fails.
    pub(super) async fn settle(&self) -> io::Result<()> {
        match self.register() {
            None => Ok(()),
            Some(answer) => {
                answer.await.unwrap_or_else(|_| Err(io::Error::other("the log's writer has ended")))
            }
        }
    }

    fn register(&self) -> Option<oneshot::Receiver<io::Result<()>>> {
        let (answer, receiver) = oneshot::channel();
        let mut state = self.lock();
        if state.abandoned {
            return None;
        }
        // Whoever stopped waiting leaves an entry behind; a long stall must not pile them up.
        state.waiters.retain(|waiter| !waiter.answer.is_closed());
        let upto = state.last_seq;
        state.waiters.push(Waiter { upto, answer });
        self.kick(state);
        Some(receiver)
    }

    /// Waits for something to do. While the sink fails, lines are only handed out after a pause or when
    /// something new happened.
    pub(super) fn next(&self, failing: bool) -> Job {
        let deadline = Instant::now() + RETRY_AFTER;
        let mut state = self.lock();
        loop {
            let pause =
                if failing { deadline.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
            if let Some(job) = state.pick(!pause.is_zero()) {
                return job;
            }
            state = if state.lines.is_empty() || pause.is_zero() {
                self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else {
                self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }

    /// The line to be written next. It stays in place until [`Self::written`].
    pub(super) fn front(&self) -> Option<Line> {
        self.lock().lines.front().cloned()
    }

    /// The front line is in the sink.
    pub(super) fn written(&self) {
        let mut state = self.lock();
        if let Some(line) = state.lines.pop_front() {
            state.bytes -= line.bytes.len();
        }
    }

    /// Lines that were written may not have lasted: they go back to the front, in their order.
    pub(super) fn put_back(&self, lines: &mut Vec<Line>) {
        let mut state = self.lock();
        for line in lines.drain(..).rev() {
            state.bytes += line.bytes.len();
            state.lines.push_front(line);
        }
    }

    /// Tells everybody who waited for lines up to this one that they are safe.
    pub(super) fn settled(&self, upto: u64) {
        for waiter in self.lock().waiters.extract_if(.., |waiter| waiter.upto <= upto) {
            // Whoever stopped waiting needs no answer.
            let _ = waiter.answer.send(Ok(()));
        }
    }

    /// Tells everybody who waits that a try failed.
    pub(super) fn failed(&self, error: &io::Error) {
        for waiter in self.lock().waiters.drain(..) {
            let _ = waiter.answer.send(Err(io::Error::new(error.kind(), error.to_string())));
        }
    }

    /// Gives the sink up: lines for it vanish, and nobody waits for it any more.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.abandoned = true;
        state.lines.clear();
        state.bytes = 0;
        for waiter in state.waiters.drain(..) {
            let _ = waiter.answer.send(Ok(()));
        }
    }

    fn kick(&self, mut state: MutexGuard<'_, State>) {
        state.kicked = true;
        drop(state);
        self.changed.notify_one();
    }

    /// A panic elsewhere leaves the state whole: no method stops halfway.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_room(&self, bounds: Bounds, class: Class) -> bool {
        let times = match class {
            Class::Verdict => return true,
            Class::Trouble => 2,
            Class::Chatter => 1,
        };
        self.lines.len() < bounds.lines * times && self.bytes < bounds.bytes * times
    }

    fn pick(&mut self, hold_back: bool) -> Option<Job> {
        if self.abandoned {
            return Some(Job::Stop);
        }
        if std::mem::take(&mut self.reopen) {
            return Some(Job::Reopen);
        }
        if let Some(upto) = self.written_for() {
            return Some(Job::Settle(upto));
        }
        if self.lines.is_empty() {
            return match std::mem::take(&mut self.dropped) {
                0 => self.closed.then_some(Job::Stop),
                dropped => Some(Job::TellDropped(dropped)),
            };
        }
        let kicked = std::mem::take(&mut self.kicked);
        if kicked || !hold_back {
            return Some(Job::Write);
        }
        self.closed.then_some(Job::Stop)
    }

    /// The last line for which somebody waits, of those whose lines are all written.
    fn written_for(&self) -> Option<u64> {
        let first_open = self.lines.front().map_or(u64::MAX, |line| line.seq);
        self.waiters.iter().map(|waiter| waiter.upto).filter(|upto| *upto < first_open).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(lines: usize) -> Arc<Queue> {
        Queue::new(Bounds { lines, bytes: 1000 })
    }

    fn push(queue: &Queue, text: &str, class: Class) {
        queue.push(text.as_bytes().into(), class);
    }

    fn drain(queue: &Queue) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(line) = queue.front() {
            seen.push(String::from_utf8(line.bytes.to_vec()).unwrap());
            queue.written();
        }
        seen
    }

    #[test]
    fn chatter_goes_first_and_verdicts_never() {
        let queue = queue(2);
        for _ in 0..6 {
            push(&queue, "chatter", Class::Chatter);
            push(&queue, "trouble", Class::Trouble);
            push(&queue, "verdict", Class::Verdict);
        }
        let seen = drain(&queue);
        let count = |wanted: &str| seen.iter().filter(|line| *line == wanted).count();
        assert_eq!((count("chatter"), count("trouble"), count("verdict")), (1, 2, 6));
        assert!(matches!(queue.next(false), Job::TellDropped(9)));
    }

    #[test]
    fn bytes_are_bounded_too() {
        let queue = queue(100);
        push(&queue, &"x".repeat(1000), Class::Chatter);
        push(&queue, "y", Class::Chatter);
        assert_eq!(drain(&queue).len(), 1);
        push(&queue, "z", Class::Chatter);
        assert_eq!(drain(&queue), ["z"]);
    }

    #[test]
    fn what_did_not_last_comes_back_in_order() {
        let queue = queue(10);
        for text in ["a", "b", "c"] {
            push(&queue, text, Class::Verdict);
        }
        let mut taken = Vec::new();
        for _ in 0..2 {
            taken.extend(queue.front());
            queue.written();
        }
        queue.put_back(&mut taken);
        assert_eq!(drain(&queue), ["a", "b", "c"]);
    }

    #[test]
    fn a_failing_sink_is_tried_when_something_happens_or_a_second_passed() {
        let queue = queue(10);
        push(&queue, "a", Class::Chatter);
        assert!(matches!(queue.next(false), Job::Write));
        push(&queue, "b", Class::Chatter);
        assert!(matches!(queue.next(true), Job::Write), "a new line is a reason");
        let start = Instant::now();
        assert!(matches!(queue.next(true), Job::Write), "the passing of time is one");
        assert!(start.elapsed() >= RETRY_AFTER);
        let _waits = queue.register();
        let start = Instant::now();
        assert!(matches!(queue.next(true), Job::Write), "somebody who waits is one");
        assert!(start.elapsed() < RETRY_AFTER);
    }

    #[test]
    fn nobody_who_stopped_waiting_is_remembered() {
        let queue = queue(10);
        push(&queue, "a", Class::Verdict);
        for _ in 0..100 {
            drop(queue.register());
        }
        assert!(queue.lock().waiters.len() <= 1);
    }

    #[test]
    fn a_sink_given_up_keeps_nothing_and_nobody() {
        let queue = queue(10);
        push(&queue, "a", Class::Verdict);
        let mut waits = queue.register().unwrap();
        queue.abandon();
        push(&queue, "b", Class::Verdict);
        assert!(waits.try_recv().unwrap().is_ok());
        assert!(queue.register().is_none() && queue.front().is_none());
        assert!(matches!(queue.next(false), Job::Stop));
    }
}
