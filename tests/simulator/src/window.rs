//! The sliding window of the rate limit, as the server counts it. Pure: `now` is an argument.
//!
//! A request stays in the window for exactly `per` after it arrived: one that arrives `per` later finds it gone.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// At most `requests` in any span of length `per`.
#[derive(Debug)]
pub(crate) struct SlidingWindow {
    requests: usize,
    per: Duration,
    count_refused: bool,
    /// Arrival times, oldest first; never longer than `requests`, so a refusal costs nothing extra.
    arrivals: VecDeque<Instant>,
}

impl SlidingWindow {
    pub(crate) fn new(requests: usize, per: Duration, count_refused: bool) -> Self {
        Self { requests, per, count_refused, arrivals: VecDeque::new() }
    }

    /// Lets a request in, or says after how long the window has room again.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        while self.arrivals.front().is_some_and(|&oldest| now.duration_since(oldest) >= self.per) {
            self.arrivals.pop_front();
        }
        if self.arrivals.len() < self.requests {
            self.arrivals.push_back(now);
            return Ok(());
        }
        if self.count_refused && self.arrivals.pop_front().is_some() {
            self.arrivals.push_back(now);
        }
        Err(self.oldest_leaves_in(now))
    }

    /// The time until the oldest request leaves the window; `per` for an empty one.
    pub(crate) fn oldest_leaves_in(&self, now: Instant) -> Duration {
        let oldest = self.arrivals.front().copied().unwrap_or(now);
        self.per.saturating_sub(now.duration_since(oldest))
    }

    /// How many requests the window admits, for the header `x-ogw-ratelimit-limit`.
    pub(crate) fn limit(&self) -> usize {
        self.requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PER: Duration = Duration::from_secs(60);

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn admits_the_limit_and_names_the_wait() {
        let start = Instant::now();
        let mut window = SlidingWindow::new(2, PER, false);
        assert_eq!(window.admit(start), Ok(()));
        assert_eq!(window.admit(at(start, 10)), Ok(()));
        assert_eq!(window.admit(at(start, 20)), Err(Duration::from_secs(40)));
        assert_eq!(window.admit(at(start, 59)), Err(Duration::from_secs(1)));
        assert_eq!(window.admit(at(start, 60)), Ok(()), "the first left exactly now");
        assert_eq!(window.admit(at(start, 60)), Err(Duration::from_secs(10)));
    }

    #[test]
    fn slides_and_does_not_jump_at_the_minute() {
        let start = Instant::now();
        let mut window = SlidingWindow::new(100, PER, false);
        for _ in 0..100 {
            assert_eq!(window.admit(at(start, 59)), Ok(()));
        }
        assert!(window.admit(at(start, 61)).is_err(), "a fixed window would admit this one");
        assert_eq!(window.admit(at(start, 119)), Ok(()));
    }

    #[test]
    fn refused_requests_count_only_by_switch() {
        let start = Instant::now();
        let mut lenient = SlidingWindow::new(1, PER, false);
        let mut strict = SlidingWindow::new(1, PER, true);
        for window in [&mut lenient, &mut strict] {
            assert_eq!(window.admit(start), Ok(()));
            assert!(window.admit(at(start, 30)).is_err());
        }
        assert_eq!(lenient.admit(at(start, 60)), Ok(()));
        assert_eq!(strict.admit(at(start, 60)), Err(PER), "this one counts again");
    }

    #[test]
    fn a_window_of_none_refuses_all() {
        let mut window = SlidingWindow::new(0, PER, true);
        assert_eq!(window.admit(Instant::now()), Err(PER));
    }
}
