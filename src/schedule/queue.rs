//! The order of waiting tickets: earliest due first, and among equals the one that came first.

use std::collections::BTreeMap;

use tokio::time::Instant;

/// Tickets that wait, by due time. An entry can't be taken out from the middle: a caller that moves one
/// pushes it again and skips the stale entry when it comes up.
#[derive(Clone, Debug)]
pub struct Queue<T> {
    /// By due time and the order of coming.
    entries: BTreeMap<(Instant, u64), T>,
    pushed: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), pushed: 0 }
    }
}

impl<T> Queue<T> {
    /// Puts `item` in line for `due`.
    pub fn push(&mut self, due: Instant, item: T) {
        self.entries.insert((due, self.pushed), item);
        self.pushed += 1;
    }

    /// The next one, and when it is due.
    #[must_use]
    pub fn peek(&self) -> Option<(Instant, &T)> {
        self.entries.first_key_value().map(|((due, _), item)| (*due, item))
    }

    /// Takes out the next one.
    pub fn pop(&mut self) -> Option<(Instant, T)> {
        self.entries.pop_first().map(|((due, _), item)| (due, item))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn earliest_due_first_and_first_come_among_equals() {
        let start = Instant::now();
        let mut queue = Queue::default();
        for (seconds, name) in [(5, "late"), (1, "first"), (1, "second"), (0, "now")] {
            queue.push(start + Duration::from_secs(seconds), name);
        }
        assert_eq!(queue.peek(), Some((start, &"now")));
        let order: Vec<_> = std::iter::from_fn(|| queue.pop().map(|(_, name)| name)).collect();
        assert_eq!(order, ["now", "first", "second", "late"]);
        assert_eq!(queue.peek(), None);
    }
}
