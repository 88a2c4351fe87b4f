//! The watch list of a history: which tickets it names and with what words, to check it against what the engine made
//! of it.

use std::collections::{HashMap, HashSet};

use fastrand::Rng;
use tokio::time::Instant;

use super::super::fakes::*;
use super::world::World;
use crate::domain::*;

/// The document token that every job was made with.
pub(super) const RIGHT: &str = "doc";

/// A document token that somebody mistyped.
const MISTYPED: &str = "dog";

/// What the list says, and what it said before.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) listed: HashSet<String>,
    /// Tickets off the list, and since when.
    pub(super) gone: HashMap<String, Instant>,
    /// The words of each ticket, as they were listed last.
    words: HashMap<String, WatchEntry>,
    /// Tickets that were ever listed with a document token which is not theirs.
    pub(super) mistyped: HashSet<String>,
}

impl Lists {
    /// Every ticket; unless all is calm, some are mistyped.
    pub(super) fn of(world: &mut World) -> Self {
        let mut tickets: Vec<_> = world.jobs.keys().cloned().collect();
        tickets.sort();
        let mut lists = Self::default();
        for ticket in tickets {
            lists.words.insert(ticket.clone(), entry(&ticket[..4], &ticket));
            if !world.is_calm && world.rng.u32(..20) == 0 {
                lists.mistype(&ticket);
            }
            lists.listed.insert(ticket);
        }
        lists
    }

    /// As they are handed to the engine.
    pub(super) fn entries(&self) -> Vec<WatchEntry> {
        let mut tickets: Vec<_> = self.listed.iter().collect();
        tickets.sort();
        tickets.into_iter().map(|ticket| self.words[ticket].clone()).collect()
    }

    /// What was said of a ticket last.
    pub(super) fn words_of(&self, ticket: &str) -> &WatchEntry {
        &self.words[ticket]
    }

    fn mistype(&mut self, ticket: &str) {
        self.mistyped.insert(ticket.to_owned());
        self.words.get_mut(ticket).unwrap().token = document(MISTYPED);
    }

    /// Some tickets leave the list, some that left it come back, and some are listed with other words or in another
    /// file: a corrected token, or one that is mistyped, a label, a move.
    pub(super) fn change(&mut self, rng: &mut Rng) {
        let mut all: Vec<_> = self.words.keys().cloned().collect();
        all.sort();
        for ticket in all {
            match rng.u32(..20) {
                0 | 1 if self.listed.remove(&ticket) => drop(self.gone.insert(ticket, Instant::now())),
                0 | 1 if self.gone.remove(&ticket).is_some() => drop(self.listed.insert(ticket)),
                2 => self.mistype(&ticket),
                3..6 => self.words.get_mut(&ticket).unwrap().token = document(RIGHT),
                6 => {
                    self.words.get_mut(&ticket).unwrap().label = Some(format!("label {}", rng.u8(..)).into())
                }
                7 => {
                    let file = format!("list-{}.toml", rng.u8(..3));
                    self.words.get_mut(&ticket).unwrap().source = std::path::Path::new(&file).into();
                }
                _ => {}
            }
        }
    }

    /// Every ticket is listed, with its own token.
    pub(super) fn make_good(&mut self) {
        for (ticket, words) in &mut self.words {
            words.token = document(RIGHT);
            self.listed.insert(ticket.clone());
        }
        self.gone.clear();
    }
}
