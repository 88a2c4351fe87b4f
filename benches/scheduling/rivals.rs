//! The other ways to poll, each a small simulation of its own: an oracle, and what people write by hand.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use fastrand::Rng;

use crate::server::{LIMIT, Reply, Server, WINDOW};
use crate::workload::Job;

/// How a script waits between two polls of a ticket.
#[derive(Clone, Copy)]
pub(crate) enum Interval {
    /// Always as long.
    Fixed(Duration),
    /// Doubled each time up to a longest.
    Doubling { first: Duration, longest: Duration },
}

impl Interval {
    fn after(self, polls: u32) -> Duration {
        match self {
            Self::Fixed(interval) => interval,
            Self::Doubling { first, longest } => first.saturating_mul(1 << polls.min(16)).min(longest),
        }
    }
}

/// A script without a shared budget: each ticket is asked in its own rhythm, whatever the server says.
pub(crate) fn without_budget(jobs: Vec<Job>, interval: Interval, rng: Rng) -> Server {
    let mut due: BinaryHeap<_> =
        jobs.iter().enumerate().map(|(job, it)| Reverse((it.created + interval.after(0), job, 0))).collect();
    let mut server = Server::new(jobs, rng);
    while let Some(Reverse((at, job, polls))) = due.pop() {
        // Requests overtake each other by a fraction of a second, which makes no difference here.
        let (there, back) = server.ways();
        let received = at + there + back;
        match server.arrive(job, at + there) {
            Reply::Done => server.detect(job, received),
            Reply::Running | Reply::Throttled(_) => {
                due.push(Reverse((received + interval.after(polls + 1), job, polls + 1)));
            }
        }
    }
    server
}

/// A script with a shared budget: the ticket that is due first is asked as soon as there is room.
pub(crate) fn with_budget(jobs: Vec<Job>, interval: Duration, rng: Rng) -> Server {
    let due: BinaryHeap<_> =
        jobs.iter().enumerate().map(|(job, it)| Reverse((it.created + interval, job))).collect();
    paced(jobs, due, rng, Some(interval))
}

/// Knows when each job ends, and asks once about each, in the order in which they end.
pub(crate) fn oracle(jobs: Vec<Job>, rng: Rng) -> Server {
    let due: BinaryHeap<_> = jobs.iter().enumerate().map(|(job, it)| Reverse((it.ends, job))).collect();
    paced(jobs, due, rng, None)
}

/// Sends as the budget allows: a slot is held from the sending until a window after the answer.
fn paced(
    jobs: Vec<Job>,
    mut due: BinaryHeap<Reverse<(Duration, usize)>>,
    rng: Rng,
    again: Option<Duration>,
) -> Server {
    let mut server = Server::new(jobs, rng);
    let mut held: VecDeque<Duration> = VecDeque::new();
    let mut now = Duration::ZERO;
    while let Some(Reverse((at, job))) = due.pop() {
        now = now.max(at);
        if held.len() >= LIMIT {
            now = held.pop_front().map_or(now, |free| now.max(free));
        }
        let (there, back) = server.ways();
        let received = now + there + back;
        let place = held.partition_point(|until| *until <= received + WINDOW);
        held.insert(place, received + WINDOW);
        match (server.arrive(job, now + there), again) {
            (Reply::Done, _) => server.detect(job, received),
            (_, Some(interval)) => due.push(Reverse((received + interval, job))),
            // An oracle is never too early, but its request may be on the way when the job ends.
            (_, None) => due.push(Reverse((received, job))),
        }
    }
    server
}
