//! The order of waiting tickets: earliest due first, and among equals the one that came first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tokio::time::Instant;

/// Tickets that wait, by due time. An entry can't be taken out from the middle: a caller that moves one
/// pushes it again and skips the stale entry when it comes up.
#[derive(Clone, Debug)]
pub struct Queue<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    pushed: u64,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    due: Instant,
    order: u64,
    item: T,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), pushed: 0 }
    }
}

impl<T> Queue<T> {
    /// Puts `item` in line for `due`.
    pub fn push(&mut self, due: Instant, item: T) {
        self.heap.push(Reverse(Entry { due, order: self.pushed, item }));
        self.pushed += 1;
    }

    /// The next one, and when it is due.
    #[must_use]
    pub fn peek(&self) -> Option<(Instant, &T)> {
        self.heap.peek().map(|Reverse(entry)| (entry.due, &entry.item))
    }

    /// Takes out the next one.
    pub fn pop(&mut self) -> Option<(Instant, T)> {
        self.heap.pop().map(|Reverse(entry)| (entry.due, entry.item))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
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
