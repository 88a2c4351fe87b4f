//! The other ways to poll, each a small simulation of its own: an oracle, and what people write by hand.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use fastrand::Rng;

use crate::server::{Artefact, LIMIT, Reply, Server, WINDOW};
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

/// The oracle, which also downloads: each artefact in the order in which it learns of them, as the budget allows.
pub(crate) fn oracle_with_files(jobs: Vec<Job>, rng: Rng) -> Server {
    let sizes: Vec<u64> = jobs.iter().map(|it| it.size).collect();
    let mut server = oracle(jobs, rng);
    let mut ready: Vec<_> =
        server.detected.iter().zip(0..).filter_map(|(at, job)| Some(((*at)?, job))).collect();
    ready.sort_unstable();
    let mut slots = Slots::default();
    let mut now = Duration::ZERO;
    for (at, job) in ready {
        now = slots.wait(now.max(at));
        let (there, back) = server.ways();
        slots.hold(now + there + back);
        if server.fetch(job, now + there) == Artefact::There {
            let sent = server.send(sizes[job], now + there);
            server.save(job, sent + back);
        }
    }
    server
}

/// A script with one loop: asks about each open ticket in turn, downloads what is done before it goes on, and waits for
/// `pause` after each round. Once throttled, it waits as long as the server says.
pub(crate) fn one_loop(jobs: Vec<Job>, pause: Duration, rng: Rng) -> Server {
    let mut open: Vec<usize> = (0..jobs.len()).collect();
    let mut server = Server::new(jobs.clone(), rng);
    let mut now = Duration::ZERO;
    while !open.is_empty() {
        open.retain(|job| {
            if jobs[*job].created > now {
                return true;
            }
            let is_done = poll(&mut server, *job, &mut now) == Reply::Done;
            if is_done {
                fetch(&mut server, *job, jobs[*job].size, &mut now);
            }
            !is_done
        });
        now += pause;
    }
    server
}

/// Asks until there is an answer.
fn poll(server: &mut Server, job: usize, now: &mut Duration) -> Reply {
    loop {
        let (there, back) = server.ways();
        let reply = server.arrive(job, *now + there);
        *now += there + back;
        match reply {
            Reply::Throttled(room) => *now += room,
            Reply::Done => {
                server.detect(job, *now);
                return reply;
            }
            Reply::Running => return reply,
        }
    }
}

/// Downloads, if the artefact is still there.
fn fetch(server: &mut Server, job: usize, size: u64, now: &mut Duration) {
    loop {
        let (there, back) = server.ways();
        let arrived = *now + there;
        *now = arrived + back;
        match server.fetch(job, arrived) {
            Artefact::Throttled(room) => *now += room,
            Artefact::Gone => return,
            Artefact::There => {
                *now = server.send(size, arrived) + back;
                server.save(job, *now);
                return;
            }
        }
    }
}

/// The requests of a budget: a slot is held from the sending until a window after the answer.
#[derive(Default)]
pub(crate) struct Slots(VecDeque<Duration>);

impl Slots {
    /// When the next request may be sent, which takes the slot.
    pub(crate) fn wait(&mut self, now: Duration) -> Duration {
        if self.0.len() < LIMIT {
            return now;
        }
        self.0.pop_front().map_or(now, |free| now.max(free))
    }

    /// The answer comes at that moment.
    pub(crate) fn hold(&mut self, answered: Duration) {
        let until = answered + WINDOW;
        let place = self.0.partition_point(|it| *it <= until);
        self.0.insert(place, until);
    }
}

/// Sends as the budget allows.
fn paced(
    jobs: Vec<Job>,
    mut due: BinaryHeap<Reverse<(Duration, usize)>>,
    rng: Rng,
    again: Option<Duration>,
) -> Server {
    let mut server = Server::new(jobs, rng);
    let mut slots = Slots::default();
    let mut now = Duration::ZERO;
    while let Some(Reverse((at, job))) = due.pop() {
        now = slots.wait(now.max(at));
        let (there, back) = server.ways();
        let received = now + there + back;
        slots.hold(received);
        match (server.arrive(job, now + there), again) {
            (Reply::Done, _) => server.detect(job, received),
            (_, Some(interval)) => due.push(Reverse((received + interval, job))),
            // An oracle is never too early, but its request may be on the way when the job ends.
            (_, None) => due.push(Reverse((received, job))),
        }
    }
    server
}
