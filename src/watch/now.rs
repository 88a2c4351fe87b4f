//! The two clocks: one that only moves forward, for waiting, and the one on the wall, for people.

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use crate::domain::WallTime;

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For intervals, windows and deadlines.
    pub at: Instant,
    /// For what people and the state file are told. May jump.
    pub wall: WallTime,
}

/// Where the engine learns what time it is. The monotonic half is tokio's, so that a test can hold it.
#[derive(Clone)]
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

    /// This moment.
    #[must_use]
    pub fn now(&self) -> Now {
        Now { at: Instant::now(), wall: (self.0)() }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
