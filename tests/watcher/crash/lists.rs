//! The watch lists of a crash test: what they name changes at random, and what must become of each ticket is known.

use std::collections::BTreeMap;
use std::time::Duration;

use export_simulator::{FAILING_JOB_STATUSES, Fault, Job, Life, Target};
use fastrand::Rng;

use crate::harness::Bench;

/// What `watcher.toml` names.
pub(super) const WATCHLIST: &str = "[\"watchlist.toml\", \"watchlist.d/*.toml\"]";

/// The first is named, the others are found by a pattern.
const FILES: [&str; 4] = ["watchlist.toml", "watchlist.d/a.toml", "watchlist.d/b.toml", "watchlist.d/c.toml"];

/// Jobs that do not end before the test lets them, so that there is always something to poll.
const ENDLESS: usize = 3;

/// What the lists say of a ticket.
struct Entry {
    file: usize,
    is_listed: bool,
    token: String,
    /// Wrong document tokens before the right one comes. None is ever listed twice.
    wrong_left: usize,
    /// How often the lists dropped the ticket.
    drops: usize,
}

/// All tickets that were ever listed.
#[derive(Default)]
pub(super) struct Lists {
    entries: BTreeMap<String, Entry>,
}

impl Lists {
    /// Writes the first lists: jobs without an end, and the first of those that end.
    pub(super) fn begin(bench: &Bench, rng: &mut Rng) -> Self {
        let mut lists = Self::default();
        for _ in 0..ENDLESS {
            lists.add(bench, rng, |job| job.life(Life::Forever));
        }
        for _ in 0..40 {
            lists.add_job(bench, rng);
        }
        (0..FILES.len()).for_each(|file| lists.write(bench, file));
        lists
    }

    /// Changes the lists, and writes the files that say something else, in any order.
    pub(super) fn change(&mut self, bench: &Bench, rng: &mut Rng) {
        let mut touched = [false; FILES.len()];
        for _ in 0..rng.usize(3..=8) {
            touched[self.add_job(bench, rng)] = true;
        }
        for _ in 0..rng.usize(1..=12) {
            let number = rng.usize(ENDLESS..self.entries.len());
            let (ticket, entry) = self.entries.iter_mut().nth(number).unwrap();
            touched[entry.file] = true;
            entry.alter(ticket, rng);
            touched[entry.file] = true;
        }
        let mut order: Vec<_> = (0..FILES.len()).filter(|file| touched[*file]).collect();
        rng.shuffle(&mut order);
        order.into_iter().for_each(|file| self.write(bench, file));
    }

    /// Lets the jobs end that have no end.
    pub(super) fn finish(&self, bench: &Bench) {
        self.entries.keys().take(ENDLESS).for_each(|ticket| bench.sim.finish_job(ticket));
    }

    /// The document token that the lists name now, if they name the ticket.
    pub(super) fn token_of(&self, ticket: &str) -> Option<&str> {
        self.entries.get(ticket).filter(|entry| entry.is_listed).map(|entry| entry.token.as_str())
    }

    /// How often the lists dropped the ticket.
    pub(super) fn drops_of(&self, ticket: &str) -> usize {
        self.entries.get(ticket).map_or(0, |entry| entry.drops)
    }

    /// Every ticket that was ever listed.
    pub(super) fn tickets(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// A job that ends soon, every fourth of them badly; every third is listed with a wrong token at first, every
    /// fourth file breaks off once. Returns the list that names it.
    fn add_job(&mut self, bench: &Bench, rng: &mut Rng) -> usize {
        let after = Duration::from_millis(rng.u64(..1_500));
        let status = FAILING_JOB_STATUSES[rng.usize(..FAILING_JOB_STATUSES.len())];
        let fails = rng.u8(..4) == 0;
        // Long enough for the line that names its ticket.
        let file_size = rng.i64(100..600_000);
        let ended = |job: Job| if fails { job.fails_after(after, status) } else { job.succeeds_after(after) };
        let is_broken = rng.u8(..4) == 0;
        let file = self.add(bench, rng, |job| Job { file_size, ..ended(job) });
        if is_broken && let Some(ticket) = self.entries.keys().next_back() {
            bench.sim.fault(Target::download_of(ticket), 1, Fault::HalfBody);
        }
        file
    }

    fn add(&mut self, bench: &Bench, rng: &mut Rng, life: impl Fn(Job) -> Job) -> usize {
        let ticket = format!("69{:06}", self.entries.len());
        bench.sim.add_job(life(Job::new(&ticket, right_token(&ticket))));
        let is_endless = self.entries.len() < ENDLESS;
        let wrong_left = if !is_endless && rng.u8(..3) == 0 { rng.usize(1..=2) } else { 0 };
        let file = rng.usize(..FILES.len());
        let token = token(&ticket, wrong_left);
        self.entries.insert(ticket, Entry { file, is_listed: true, token, wrong_left, drops: 0 });
        file
    }

    fn write(&self, bench: &Bench, file: usize) {
        let listed = self.entries.iter().filter(|(_, entry)| entry.is_listed && entry.file == file);
        bench.list(FILES[file], listed.map(|(ticket, entry)| (ticket, &entry.token)));
    }
}

impl Entry {
    /// Leaves the lists, comes back, gets another token, or moves to another file.
    fn alter(&mut self, ticket: &str, rng: &mut Rng) {
        match rng.u8(..4) {
            _ if !self.is_listed => {
                self.is_listed = true;
                self.file = rng.usize(..FILES.len());
            }
            0 => {
                self.is_listed = false;
                self.drops += 1;
            }
            1 | 2 if self.wrong_left > 0 => {
                self.wrong_left -= 1;
                self.token = token(ticket, self.wrong_left);
            }
            _ => self.file = rng.usize(..FILES.len()),
        }
    }
}

/// The token of the ticket's document.
fn right_token(ticket: &str) -> String {
    format!("doc{ticket}")
}

fn token(ticket: &str, wrong_left: usize) -> String {
    if wrong_left == 0 { right_token(ticket) } else { format!("bad{wrong_left}x{ticket}") }
}
