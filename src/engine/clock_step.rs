//! The wall clock is moved, or the machine sleeps: what the two clocks say of it. Pure.
//!
//! The monotonic clock stands while a machine sleeps and no clock of a paused virtual machine runs, so a wall
//! clock that is ahead of where it should be may mean that time passed unseen. One that is behind was set back.

use std::time::Duration;

use super::now::Now;

/// Clocks that are kept in step by slewing drift less than this between two turns of the loop.
const NOTICED: Duration = Duration::from_secs(2);

/// What happened to the wall clock between two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClockStep {
    /// It was set back by this much.
    Back(Duration),
    /// It is ahead by this much: the machine slept or was paused, or the clock was set forward.
    Ahead(Duration),
}

impl ClockStep {
    /// Compares the way that both clocks went.
    #[must_use]
    pub(super) fn between(before: Now, now: Now) -> Option<Self> {
        let expected = before.wall + now.at.saturating_duration_since(before.at);
        let (back, ahead) = (expected.since(now.wall), now.wall.since(expected));
        if back > NOTICED { Some(Self::Back(back)) } else { (ahead > NOTICED).then_some(Self::Ahead(ahead)) }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::domain::WallTime;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn steps_differ_from_drift() {
        let before = Now { at: Instant::now(), wall: WallTime::from_millis(1_795_341_600_000) };
        let after =
            |ran: Duration, wall: WallTime| ClockStep::between(before, Now { at: before.at + ran, wall });
        for ran in [Duration::ZERO, SECOND, 3600 * SECOND] {
            let wall = before.wall + ran;
            assert_eq!(after(ran, wall), None);
            assert_eq!(after(ran, wall + 2 * SECOND), None);
            assert_eq!(after(ran, wall - 2 * SECOND), None);
            assert_eq!(after(ran, wall + 3600 * SECOND), Some(ClockStep::Ahead(3600 * SECOND)));
            assert_eq!(after(ran, wall - 3600 * SECOND), Some(ClockStep::Back(3600 * SECOND)));
        }
    }
}
