//! The two clocks: one that only moves forward, for waiting, and the one on the wall, for people.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::WallTime;

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For intervals, windows and deadlines.
    pub at: Instant,
    /// For people and the state file. May jump.
    pub wall: WallTime,
}

impl Now {
    /// So long after this moment.
    pub(super) fn after(self, wait: Duration) -> Self {
        Self { at: self.at + wait, wall: self.wall + wait }
    }

    /// The moment that is `at` on the monotonic clock; this one if that is past.
    pub(super) fn later(self, at: Instant) -> Self {
        Self { at, wall: self.wall + at.saturating_duration_since(self.at) }
    }
}

/// Where the engine learns what time it is. The monotonic half is tokio's, so that a test can hold it.
#[derive(Clone, derive_more::Debug)]
#[debug("Clock")]
pub struct Clock(Arc<dyn Fn() -> WallTime + Send + Sync>);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(WallTime::now))
    }

    /// A wall clock of the caller's.
    #[must_use]
    pub fn with_wall(wall: impl Fn() -> WallTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(wall))
    }

    /// This moment. The wall comes first: should the thread be held up in between, a request that the state file
    /// remembers seems to have ended later than it did, and its slot is held for longer rather than shorter.
    #[must_use]
    pub fn now(&self) -> Now {
        let wall = (self.0)();
        Now { at: Instant::now(), wall }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Promise 1: a thread that is held up while it reads the clocks frees no slot too early.
    #[test]
    fn the_wall_is_read_first() {
        let read = Arc::new(Mutex::new(None));
        let clock = Clock::with_wall({
            let read = Arc::clone(&read);
            move || {
                std::thread::sleep(Duration::from_millis(1));
                *read.lock().unwrap() = Some(Instant::now());
                WallTime::from_millis(1)
            }
        });
        let now = clock.now();
        assert!(now.at >= read.lock().unwrap().unwrap());
    }
}
