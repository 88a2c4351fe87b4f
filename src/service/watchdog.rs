//! When `WATCHDOG=1` may be sent: only the engine's view counts.

use std::time::Duration;

use crate::engine::Snapshot;
use tokio::time::Instant;

/// The engine shows life once a second, and on a busy machine a little later. A watchdog that waits for
/// less ends a healthy program.
pub(super) const SHORTEST: Duration = Duration::from_millis(2500);

/// Sent so many times within the time that the manager grants: one may be late.
const TIMES: u32 = 3;

/// The last `WATCHDOG=1`, by which the next one is decided.
pub(super) struct Watchdog {
    every: Duration,
    /// When it was sent, and the moments of loop and writer that the view had by then.
    last: Option<[Instant; 3]>,
}

impl Watchdog {
    /// For a manager that acts after `limit` without one.
    pub(super) fn new(limit: Duration) -> Self {
        Self { every: limit / TIMES, last: None }
    }

    /// Whether it is time and the engine has earned it: since the last `WATCHDOG=1` its loop has run, and
    /// the state file's writer has answered. If so, the next one must be earned anew. No clock alone can
    /// bring this about.
    pub(super) fn is_earned(&mut self, seen: &Snapshot, now: Instant) -> bool {
        let Some((turned_at, answered_at)) = seen.turned_at.zip(seen.store_answered_at) else { return false };
        let earned = self.last.is_none_or(|[at, turned_before, answered_before]| {
            now - at >= self.every && turned_at > turned_before && answered_at > answered_before
        });
        if earned {
            self.last = Some([now, turned_at, answered_at]);
        }
        earned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn seen(turned_at: Instant, store_answered_at: Instant) -> Snapshot {
        Snapshot {
            turned_at: Some(turned_at),
            store_answered_at: Some(store_answered_at),
            ..Snapshot::default()
        }
    }

    /// Promise 8: neither half alone earns it, nor does time.
    #[test]
    fn loop_and_writer_must_both_have_moved() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(6 * SECOND);
        assert!(!watchdog.is_earned(&Snapshot::default(), start));
        assert!(watchdog.is_earned(&seen(start, start), start));
        let later = start + 10 * SECOND;
        for (turned_at, answered_at) in [(start, start), (later, start), (start, later)] {
            assert!(!watchdog.is_earned(&seen(turned_at, answered_at), later));
        }
        assert!(watchdog.is_earned(&seen(later, later), later));
        assert!(!watchdog.is_earned(&seen(later, later), later + 10 * SECOND), "each is earned anew");
    }

    #[test]
    fn sent_three_times_within_the_limit() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(6 * SECOND);
        let sent: Vec<u32> = (0..=60u32)
            .filter(|tenth| {
                let now = start + *tenth * SECOND / 10;
                watchdog.is_earned(&seen(now, now), now)
            })
            .collect();
        assert_eq!(sent, [0, 20, 40, 60]);
    }
}
