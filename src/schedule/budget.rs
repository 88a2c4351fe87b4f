//! The requests an app may still send to one endpoint: a sliding window that no delay can break.
//!
//! The server counts a request when it arrives, which is some time between sending and answer. A slot
//! is therefore taken at the sending and held until a whole window after the answer: whichever moment
//! the server picked, a request that reuses the slot arrives more than a window later.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::RateLimit;

/// A sliding window of requests.
#[derive(Clone, Debug)]
pub struct Budget {
    limit: usize,
    per: Duration,
    in_flight: usize,
    /// When the slots of answered requests come free, earliest first.
    held_until: VecDeque<Instant>,
}

impl Budget {
    /// A window in which nothing was sent yet.
    #[must_use]
    pub fn new(limit: RateLimit) -> Self {
        let requests = usize::try_from(limit.requests.get()).unwrap_or(usize::MAX);
        Self { limit: requests, per: limit.per, in_flight: 0, held_until: VecDeque::new() }
    }

    /// How many requests may be sent at `now`.
    #[must_use]
    pub fn room(&self, now: Instant) -> usize {
        let free = self.held_until.partition_point(|until| *until <= now);
        self.limit.saturating_sub(self.in_flight + self.held_until.len() - free)
    }

    /// When there is room for one request: `now` or later; none while only answers can make room.
    #[must_use]
    pub fn next_room(&self, now: Instant) -> Option<Instant> {
        if self.room(now) > 0 {
            return Some(now);
        }
        // As many slots as exceed the limit have to come free, plus the one that is wanted.
        let excess = (self.in_flight + self.held_until.len()).checked_sub(self.limit)?;
        self.held_until.get(excess).copied()
    }

    /// Takes a slot for a request that is about to be sent. Call only where there is [room](Self::room).
    pub fn take(&mut self, now: Instant) {
        debug_assert!(self.room(now) > 0, "a slot was taken that was not free");
        let free = self.held_until.partition_point(|until| *until <= now);
        self.held_until.drain(..free);
        self.in_flight += 1;
    }

    /// The request was answered, or given up, at `now`: its slot is held for one more window.
    pub fn release(&mut self, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.hold_until(now + self.per);
    }

    /// The request was not sent after all: its slot is free again.
    pub fn give_back(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Holds a slot for a request of an earlier process that ended `ago` before `now`. An end that lies
    /// ahead, as after the clock was set back, counts as now.
    pub fn restore(&mut self, now: Instant, ago: Duration) {
        if let Some(left) = self.per.checked_sub(ago) {
            self.hold_until(now + left);
        }
    }

    /// How long before `now` each request ended whose slot is still held, the longest first.
    pub fn held(&self, now: Instant) -> impl Iterator<Item = Duration> + '_ {
        let held = self.held_until.iter().filter(move |until| **until > now);
        held.map(move |until| self.per.saturating_sub(*until - now))
    }

    /// Holds up to `requests` more slots for one window: an earlier process may have sent that many
    /// without leaving a note. So many of them may still be `on_their_way`, for as long as `within`: their
    /// window begins no sooner than they arrive. Returns of each that is held how long from now that is.
    #[must_use]
    pub fn assume_sent(
        &mut self,
        now: Instant,
        requests: usize,
        on_their_way: usize,
        within: Duration,
    ) -> Vec<Duration> {
        let lateness = |number| if number < on_their_way { within } else { Duration::ZERO };
        let late: Vec<_> = (0..requests.min(self.room(now))).map(lateness).collect();
        late.iter().for_each(|late| self.hold_until(now + *late + self.per));
        late
    }

    /// The length of the window.
    #[must_use]
    pub const fn per(&self) -> Duration {
        self.per
    }

    fn hold_until(&mut self, until: Instant) {
        let place = self.held_until.partition_point(|held| *held <= until);
        self.held_until.insert(place, until);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    const PER: Duration = Duration::from_secs(60);

    fn budget(requests: u32) -> Budget {
        Budget::new(RateLimit { requests: NonZeroU32::new(requests).unwrap(), per: PER })
    }

    #[test]
    fn a_slot_is_held_until_a_window_after_the_answer() {
        let start = Instant::now();
        let mut budget = budget(1);
        budget.take(start);
        assert_eq!(budget.next_room(start), None);
        let answered = start + Duration::from_secs(10);
        budget.release(answered);
        assert_eq!(budget.room(answered + PER - Duration::from_nanos(1)), 0);
        assert_eq!(budget.next_room(answered), Some(answered + PER));
        assert_eq!(budget.room(answered + PER), 1);
    }

    /// Of requests without a note, those that may arrive late hold their slots for longer.
    #[test]
    fn what_may_arrive_late_is_held_for_longer() {
        let (start, late) = (Instant::now(), Duration::from_secs(15));
        let mut budget = budget(10);
        assert_eq!(budget.assume_sent(start, 7, 4, late).iter().filter(|held| **held == late).count(), 4);
        let rooms = [start, start + PER, start + PER + late].map(|now| budget.room(now));
        assert_eq!(rooms, [3, 6, 10]);
    }

    #[test]
    fn an_earlier_process_is_remembered() {
        let start = Instant::now();
        let mut budget = budget(3);
        budget.restore(start, Duration::from_secs(50));
        budget.restore(start, Duration::ZERO);
        budget.restore(start, Duration::from_secs(61));
        assert_eq!(budget.room(start), 1);
        let ages: Vec<_> = budget.held(start + Duration::from_secs(1)).collect();
        assert_eq!(ages, [Duration::from_secs(51), Duration::from_secs(1)]);
        assert!(!budget.assume_sent(start, 100, 0, Duration::ZERO).is_empty());
        assert_eq!(budget.room(start), 0);
        assert_eq!(budget.next_room(start), Some(start + Duration::from_secs(10)));
        assert_eq!(budget.room(start + PER), 3);
    }

    #[test]
    fn a_lowered_limit_waits_for_all_that_exceeds_it() {
        let start = Instant::now();
        let mut budget = budget(1);
        for ago in [50, 40, 30] {
            budget.restore(start, Duration::from_secs(ago));
        }
        assert_eq!(budget.next_room(start), Some(start + Duration::from_secs(30)));
        assert_eq!(budget.room(start + Duration::from_secs(30)), 1);
    }

    /// One request as the test follows it: when it was sent, arrived at the server, was answered.
    struct Sent {
        arrived: Instant,
        answered: Instant,
    }

    proptest! {
        /// Promise 1: as counted by the server, whatever the delays and wherever a clean restart falls.
        #[test]
        fn never_more_than_the_limit_in_any_window(
            limit in 1u32..20,
            steps in prop::collection::vec((0u64..20_000, 0u64..30_000, 0.0f64..=1.0, 0u8..20), 1..200),
        ) {
            let start = Instant::now();
            let (mut now, mut budget) = (start, budget(limit));
            let mut sent: Vec<Sent> = Vec::new();
            let mut open: Vec<Instant> = Vec::new();
            for (wait, takes, share, restart) in steps {
                let then = now + Duration::from_millis(wait);
                open.sort();
                while open.first().is_some_and(|answered| *answered <= then) {
                    budget.release(open.remove(0));
                }
                now = then;
                if restart == 0 {
                    // A clean stop gives up what is in flight and keeps when each request ended.
                    for request in &mut sent {
                        request.answered = request.answered.min(now);
                        request.arrived = request.arrived.min(request.answered);
                    }
                    open.clear();
                    budget = self::budget(limit);
                    for request in &sent {
                        budget.restore(now, now - request.answered);
                    }
                }
                if budget.room(now) > 0 {
                    budget.take(now);
                    let answered = now + Duration::from_millis(takes);
                    sent.push(Sent { arrived: now + Duration::from_millis(takes).mul_f64(share), answered });
                    open.push(answered);
                }
            }
            let mut arrivals: Vec<_> = sent.iter().map(|request| request.arrived).collect();
            arrivals.sort();
            let limit = usize::try_from(limit).unwrap();
            for pair in arrivals.windows(limit + 1) {
                prop_assert!(pair[limit] - pair[0] >= PER, "{:?} apart", pair[limit] - pair[0]);
            }
        }

        /// The moment that `next_room` names is the first with room.
        #[test]
        fn next_room_is_exact(limit in 1u32..5, ends in prop::collection::vec(0u64..60_000, 0..12)) {
            let start = Instant::now();
            let mut budget = budget(limit);
            for ago in ends {
                budget.restore(start, Duration::from_millis(ago));
            }
            let next = budget.next_room(start).unwrap();
            prop_assert!(budget.room(next) > 0);
            prop_assert!(next == start || budget.room(next - Duration::from_nanos(1)) == 0);
        }
    }
}
