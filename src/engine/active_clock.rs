//! A clock that stands while an app is paused, so that pauses cost no ticket its time. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// How long an app was at work.
#[derive(Clone, Copy, Debug)]
pub(super) struct ActiveClock {
    passed: Duration,
    since: Option<Instant>,
}

impl ActiveClock {
    /// One that runs from `now` on.
    #[must_use]
    pub(super) const fn new(now: Instant) -> Self {
        Self { passed: Duration::ZERO, since: Some(now) }
    }

    /// What it says at `now`.
    #[must_use]
    pub(super) fn read(&self, now: Instant) -> Duration {
        self.passed + self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Lets it run, or stand, from `now` on.
    pub(super) fn set(&mut self, runs: bool, now: Instant) {
        if runs != self.since.is_some() {
            self.passed = self.read(now);
            self.since = runs.then_some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_clock_stands_in_a_pause() {
        let start = Instant::now();
        let mut clock = ActiveClock::new(start);
        clock.set(false, start + SECOND);
        clock.set(false, start + 2 * SECOND);
        assert_eq!(clock.read(start + 3 * SECOND), SECOND);
        clock.set(true, start + 10 * SECOND);
        assert_eq!(clock.read(start + 12 * SECOND), 3 * SECOND);
    }
}
