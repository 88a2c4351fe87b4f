//! How many tickets are in which state.

use std::fmt;
use std::iter::Sum;

use serde::{Serialize, Serializer};

use super::TicketState;
use super::words::grouped;

/// How many tickets are in each state. Serialized as an object with one number for each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([usize; TicketState::ALL.len()]);

impl Counts {
    /// Tickets in `state`.
    #[must_use]
    pub const fn of(&self, state: TicketState) -> usize {
        self.0[state as usize]
    }

    /// Tickets in any state.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.iter().sum()
    }

    /// Counts one more ticket in `state`.
    pub fn add(&mut self, state: TicketState) {
        self.0[state as usize] += 1;
    }

    /// Counts one ticket less in `state`.
    pub fn remove(&mut self, state: TicketState) {
        self.0[state as usize] -= 1;
    }
}

impl FromIterator<(TicketState, usize)> for Counts {
    fn from_iter<I: IntoIterator<Item = (TicketState, usize)>>(counts: I) -> Self {
        let mut sum = Self::default();
        for (state, count) in counts {
            sum.0[state as usize] += count;
        }
        sum
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts
            .flat_map(|counts| TicketState::ALL.iter().map(move |state| (*state, counts.of(*state))))
            .collect()
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(TicketState::ALL.iter().map(|state| (state.as_str(), self.of(*state))))
    }
}

/// "1,204 pending, 31 completed, 2 timed out": no zeros.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = TicketState::ALL.iter().copied().filter(|state| self.of(*state) > 0);
        let parts: Vec<_> = shown
            .map(|state| format!("{} {}", grouped(self.of(state)), state.as_str().replace('_', " ")))
            .collect();
        f.write_str(if parts.is_empty() { "no tickets" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_not_shown() {
        use TicketState::{Completed, Failed, Pending, Removed, TimedOut};
        assert_eq!(Counts::default().to_string(), "no tickets");
        let counts: Counts = [(Pending, 1204), (Completed, 31), (Failed, 2)].into_iter().collect();
        assert_eq!(counts.to_string(), "1,204 pending, 31 completed, 2 failed");
        let more: Counts = [(TimedOut, 1), (Removed, 1)].into_iter().collect();
        let sum: Counts = [counts, more].into_iter().sum();
        assert_eq!(sum.to_string(), "1,204 pending, 31 completed, 2 failed, 1 timed out, 1 removed");
        assert_eq!(sum.total(), 1239);
    }
}
