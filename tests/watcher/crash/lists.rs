//! The watch lists of a crash test: what they name changes at random, and what must become of each ticket is known.

use std::collections::BTreeMap;
use std::time::Duration;

use export_simulator::{Document, FAILING_JOB_STATUSES, Fault, Job, Life, Node, Outcome, Target};
use fastrand::Rng;

use crate::exports::document;
use crate::harness::Bench;

/// What `watcher.toml` names.
pub(super) const WATCHLIST: &str = "[\"watchlist.toml\", \"watchlist.d/*.toml\"]";

/// The first is named, the others are found by a pattern.
const FILES: [&str; 4] = ["watchlist.toml", "watchlist.d/a.toml", "watchlist.d/b.toml", "watchlist.d/c.toml"];

/// Jobs that do not end before the test lets them, so that there is always something to poll.
const ENDLESS: usize = 3;

/// Job statuses for which an export is not made again.
const FINAL_JOB_STATUSES: [i64; 6] = [107, 109, 110, 111, 123, 6000];

/// What an entry must come to.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    /// What its job came to, which was there before the list named its ticket.
    OfJob,
    /// A document's job succeeds, or fails with that status.
    OfDocument {
        /// The document that is exported: a wiki node leads to another one.
        token: String,
        /// None of a job that succeeds.
        job_status: Option<i64>,
    },
    /// No job is made of the document.
    Refused,
}

/// What the lists say of a ticket or a document.
struct Entry {
    fate: Fate,
    file: usize,
    is_listed: bool,
    token: String,
    /// Wrong document tokens before the right one comes. None is ever listed twice.
    wrong_left: usize,
    /// How often the lists dropped the ticket.
    drops: usize,
}

/// All tickets and documents that were ever listed, the latter by token.
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
        for _ in 0..20 {
            lists.add_document(bench, rng);
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
        for _ in 0..rng.usize(2..=4) {
            touched[self.add_document(bench, rng)] = true;
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

    /// Every ticket and document that was ever listed.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Fate)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), &entry.fate))
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
        let ticket = self.ticket();
        if is_broken {
            bench.sim.fault(Target::download_of(ticket), 1, Fault::HalfBody);
        }
        self.add(bench, rng, |job| Job { file_size, ..ended(job) })
    }

    /// A document whose job ends soon, every fourth of them badly; every eighth can't be exported, every third is listed
    /// by a wiki node that leads there. Returns the list that names it.
    fn add_document(&mut self, bench: &Bench, rng: &mut Rng) -> usize {
        let number = self.entries.len();
        let (token, node) = (format!("doxcn{number:06}"), format!("wikcn{number:06}"));
        let (after, file_size) = (Duration::from_millis(rng.u64(..1_500)), rng.i64(100..600_000));
        let status = FINAL_JOB_STATUSES[rng.usize(..FINAL_JOB_STATUSES.len())];
        let job_status = (rng.u8(..4) == 0).then_some(status);
        let job = Job { file_size, ..Job::default() };
        let job =
            job_status.map_or(job.clone().succeeds_after(after), |status| job.fails_after(after, status));
        let is_refused = rng.u8(..8) == 0;
        let access = if is_refused { Outcome::Permission } else { Outcome::Fine };
        bench.sim.add_document(Document::new(&token).job(job).access(access));
        let fate =
            if is_refused { Fate::Refused } else { Fate::OfDocument { token: token.clone(), job_status } };
        let file = rng.usize(..FILES.len());
        let listed = if rng.u8(..3) == 0 {
            bench.sim.add_node(Node::new(&node).leads_to("docx", &token));
            node
        } else {
            token
        };
        let entry = Entry { fate, file, is_listed: true, token: listed.clone(), wrong_left: 0, drops: 0 };
        self.entries.insert(listed, entry);
        file
    }

    fn ticket(&self) -> String {
        format!("69{:06}", self.entries.len())
    }

    fn add(&mut self, bench: &Bench, rng: &mut Rng, life: impl Fn(Job) -> Job) -> usize {
        let ticket = self.ticket();
        bench.sim.add_job(life(Job::new(&ticket, right_token(&ticket))));
        let is_endless = self.entries.len() < ENDLESS;
        let wrong_left = if !is_endless && rng.u8(..3) == 0 { rng.usize(1..=2) } else { 0 };
        let file = rng.usize(..FILES.len());
        let token = token(&ticket, wrong_left);
        let entry = Entry { fate: Fate::OfJob, file, is_listed: true, token, wrong_left, drops: 0 };
        self.entries.insert(ticket, entry);
        file
    }

    fn write(&self, bench: &Bench, file: usize) {
        let listed = self.entries.iter().filter(|(_, entry)| entry.is_listed && entry.file == file);
        bench.write(FILES[file], &listed.map(|(name, entry)| entry.text(name)).collect::<String>());
    }
}

impl Entry {
    /// Its table in a list.
    fn text(&self, name: &str) -> String {
        match self.fate {
            Fate::OfJob => format!("[[ticket]]\nticket = \"{name}\"\ntoken = \"{}\"\n", self.token),
            _ if name.starts_with("wikcn") => document("wiki", name, "pdf"),
            _ => document("docx", name, "pdf"),
        }
    }

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
