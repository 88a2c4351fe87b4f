//! Whether an app's creates are answered. Each whose answer is lost may have started a job and costs a call of the quota,
//! so a run of them slows down all creates of the app. Pure.

use std::time::Duration;

use tokio::time::Instant;

use super::export_step::lost_wait;

/// So many in a row are a run.
const RUN: u32 = 5;

/// Creates of one app whose answers are lost, in a row.
#[derive(Debug, Default)]
pub(super) struct LostCreates {
    count: u32,
    next: Option<Instant>,
}

impl LostCreates {
    /// When the next create may be sent.
    pub(super) fn opens(&self, now: Instant) -> Instant {
        self.next.map_or(now, |next| next.max(now))
    }

    /// One more answer was lost; `first` is the wait after the first of a run. Says whether a run begins.
    pub(super) fn lost(&mut self, first: Duration, now: Instant) -> bool {
        self.count = self.count.saturating_add(1);
        if self.count >= RUN {
            self.next = Some(now + lost_wait(self.count - RUN + 1, first));
        }
        self.count == RUN
    }

    /// A create was answered.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Promise: creates that are never answered do not go on at the rate of the budget.
    #[test]
    fn a_run_of_lost_answers_slows_down() {
        let (mut creates, start) = (LostCreates::default(), Instant::now());
        let news: Vec<_> = (0..10).map(|_| creates.lost(MINUTE, start)).collect();
        assert_eq!(news.iter().position(|is_news| *is_news), Some(4));
        assert_eq!(news.iter().filter(|is_news| **is_news).count(), 1);
        assert_eq!(creates.opens(start), start + 10 * MINUTE);
        creates.answered();
        assert_eq!(creates.opens(start), start);
    }
}
