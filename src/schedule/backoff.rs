//! Intervals between the polls of one ticket: exponential up to a ceiling, spread by jitter.
//!
//! The intervals come from the `backoff` crate's policy, laid out once as a table by attempt. Its own
//! jitter, clock and give-up stay off: they draw from a generator that can't be seeded and read a
//! clock that can't be held.

use std::time::Duration;

use ::backoff::ExponentialBackoffBuilder;
use ::backoff::backoff::Backoff as _;
use thiserror::Error;

/// A multiplier close to 1 would lay out a table without end; past this many steps the interval stays.
const STEPS_MAX: usize = 4096;

/// Intervals by attempt, checked.
///
/// ```
/// use std::time::Duration;
///
/// use feishu_export_watcher::schedule::Backoff;
///
/// let second = Duration::from_secs(1);
/// let backoff = Backoff::new(4 * second, 2.0, 60 * second, 0.1)?;
/// // The middle of the spread: 4, 8, 16, 32, 60, 60, … seconds.
/// assert_eq!(backoff.interval(2, 0.5), 16 * second);
/// assert_eq!(backoff.interval(100, 0.5), 60 * second);
/// # Ok::<(), feishu_export_watcher::schedule::BackoffError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Backoff {
    table: Box<[Duration]>,
    jitter: f64,
}

/// Why four numbers make no backoff.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BackoffError {
    /// A zero interval would poll without pause.
    #[error("initial_interval must be longer than zero")]
    ZeroInterval,
    /// The ceiling lies below the start.
    #[error("max_interval must not be shorter than initial_interval")]
    MaxBelowInitial,
    /// Intervals would shrink, or the number is none.
    #[error("multiplier must be a number of at least 1")]
    Multiplier,
    /// Not a share of the interval.
    #[error("jitter must be a number from 0 to 0.9")]
    Jitter,
}

impl Backoff {
    /// Lays out the intervals: `initial`, then `multiplier` times longer each, at most `max`, each
    /// spread by up to `jitter` (0 to 0.9, a share of the interval) to either side.
    ///
    /// # Errors
    /// Says which number is out of range.
    pub fn new(initial: Duration, multiplier: f64, max: Duration, jitter: f64) -> Result<Self, BackoffError> {
        if initial.is_zero() {
            return Err(BackoffError::ZeroInterval);
        }
        if max < initial {
            return Err(BackoffError::MaxBelowInitial);
        }
        if !(multiplier >= 1.0 && multiplier.is_finite()) {
            return Err(BackoffError::Multiplier);
        }
        if !(0.0..=0.9).contains(&jitter) {
            return Err(BackoffError::Jitter);
        }
        Ok(Self { table: lay_out(initial, multiplier, max), jitter })
    }

    /// The interval after attempt number `attempt`, counted from 0. `unit` is a random number from 0 to
    /// 1; 0.5 is the middle. Never longer than `max` made longer by the jitter.
    #[must_use]
    pub fn interval(&self, attempt: u32, unit: f64) -> Duration {
        let step = usize::try_from(attempt).unwrap_or(usize::MAX).min(self.table.len() - 1);
        self.table[step].mul_f64(1.0 + self.jitter * (2.0 * unit.clamp(0.0, 1.0) - 1.0))
    }

    /// The first interval, without jitter.
    #[must_use]
    pub fn initial(&self) -> Duration {
        self.table[0]
    }

    /// The longest interval, without jitter.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.table[self.table.len() - 1]
    }
}

fn lay_out(initial: Duration, multiplier: f64, max: Duration) -> Box<[Duration]> {
    let mut policy = ExponentialBackoffBuilder::new()
        .with_initial_interval(initial)
        .with_multiplier(multiplier)
        .with_max_interval(max)
        .with_randomization_factor(0.0)
        .with_max_elapsed_time(None)
        .build();
    let longer = |last: &Duration| {
        // Only moves the policy on; what it returns has a nanosecond of its own jitter in it.
        let _ = policy.next_backoff();
        Some(policy.current_interval).filter(|next| next > last)
    };
    std::iter::successors(Some(initial), longer).take(STEPS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn plain(initial: Duration, multiplier: f64, max: Duration) -> Backoff {
        Backoff::new(initial, multiplier, max, 0.0).unwrap()
    }

    #[test]
    fn grows_by_the_multiplier_and_stays_at_the_ceiling() {
        let backoff = plain(SECOND, 2.0, 5 * SECOND);
        let seconds: Vec<_> = (0..6).map(|attempt| backoff.interval(attempt, 0.5).as_secs_f64()).collect();
        assert_eq!(seconds, [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]);
        assert_eq!(backoff.interval(u32::MAX, 0.5), 5 * SECOND);
    }

    #[test]
    fn a_multiplier_of_one_never_grows() {
        let backoff = plain(SECOND, 1.0, 5 * SECOND);
        assert_eq!(backoff.interval(1000, 0.5), SECOND);
        assert_eq!(backoff.longest(), SECOND);
    }

    #[test]
    fn jitter_spreads_to_both_sides() {
        let backoff = Backoff::new(10 * SECOND, 1.0, 10 * SECOND, 0.1).unwrap();
        assert_eq!(backoff.interval(0, 0.0), 9 * SECOND);
        assert_eq!(backoff.interval(0, 0.5), 10 * SECOND);
        assert_eq!(backoff.interval(0, 1.0), 11 * SECOND);
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let refuse = |multiplier, jitter| Backoff::new(SECOND, multiplier, SECOND, jitter).unwrap_err();
        for multiplier in [0.99, 0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(refuse(multiplier, 0.1), BackoffError::Multiplier);
        }
        for jitter in [-0.1, 0.91, f64::NAN] {
            assert_eq!(refuse(1.0, jitter), BackoffError::Jitter);
        }
        assert_eq!(Backoff::new(Duration::ZERO, 1.0, SECOND, 0.0), Err(BackoffError::ZeroInterval));
        assert_eq!(Backoff::new(2 * SECOND, 1.0, SECOND, 0.0), Err(BackoffError::MaxBelowInitial));
    }

    proptest! {
        #[test]
        fn intervals_stay_within_bounds_and_never_shrink(
            initial in 1u64..100_000, extra in 0u64..10_000_000, multiplier in 1.0f64..20.0,
            jitter in 0.0f64..=0.9, attempt in any::<u32>(), unit in 0.0f64..=1.0,
        ) {
            let (initial, max) = (Duration::from_millis(initial), Duration::from_millis(initial + extra));
            let backoff = Backoff::new(initial, multiplier, max, jitter).unwrap();
            let interval = backoff.interval(attempt, unit);
            let slack = Duration::from_micros(1);
            prop_assert!(interval + slack >= initial.mul_f64(1.0 - jitter));
            prop_assert!(interval <= max.mul_f64(1.0 + jitter) + slack);
            prop_assert!(backoff.interval(attempt.saturating_add(1), unit) >= interval);
        }
    }
}
