//! The watch list of a history: which tickets it names and with what words, to check it against what the engine made
//! of it.

use std::collections::{HashMap, HashSet};

use tokio::time::Instant;

use super::super::fakes::*;
use super::world::World;
use crate::domain::*;

/// The document token that every job was made with.
pub(super) const RIGHT: &str = "doc";

/// A mistyped document token.
const MISTYPED: &str = "dog";

/// What becomes of a ticket's entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// It leaves the list, or comes back.
    InOrOut,
    /// It names another document.
    Mistyped,
    /// It names its own document.
    Corrected,
    /// It gets a label.
    Labelled(u8),
    /// It moves to another file.
    Moved(u8),
}

/// A change of one entry.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) ticket: String,
    pub(super) change: Change,
}

/// What the list says, and what it said before.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) listed: HashSet<String>,
    /// Tickets off the list, and since when.
    pub(super) gone: HashMap<String, Instant>,
    /// The words of each ticket, as they were listed last.
    words: HashMap<String, WatchEntry>,
    /// When a listed ticket got another document token, and started over.
    pub(super) started_over: HashMap<String, Vec<Instant>>,
    /// Tickets that were ever listed with a document token which is not theirs.
    pub(super) mistyped: HashSet<String>,
    /// Documents, in the order of the list.
    documents: Vec<WatchEntry>,
    /// What wiki nodes lead to.
    nodes: HashMap<String, String>,
    /// Those off the list, by id, and since when.
    pub(super) left: HashMap<String, Instant>,
    /// How often one came back, by id.
    pub(super) came_back: HashMap<String, u32>,
}

impl Lists {
    /// Every ticket, with its own document.
    pub(super) fn of(world: &World) -> Self {
        let tickets = world.tickets();
        let words = |ticket: &String| (ticket.clone(), entry(&ticket[..4], ticket));
        Self {
            words: tickets.iter().map(words).collect(),
            listed: tickets.into_iter().collect(),
            documents: world.documents.entries.clone(),
            nodes: world.documents.nodes.clone(),
            ..Self::default()
        }
    }

    /// The same; unless all is calm, some are mistyped.
    pub(super) fn drawn(world: &mut World) -> Self {
        let mut lists = Self::of(world);
        for ticket in world.tickets() {
            if !world.is_calm && world.rng.u32(..20) == 0 {
                lists.mistype(&ticket);
            }
        }
        lists
    }

    /// As they are handed to the engine.
    pub(super) fn entries(&self) -> Vec<WatchEntry> {
        let mut tickets: Vec<_> = self.listed.iter().collect();
        tickets.sort();
        let tickets = tickets.into_iter().map(|ticket| self.words[ticket].clone());
        let is_listed = |entry: &&WatchEntry| !self.left.contains_key(entry.key.id.as_str());
        tickets.chain(self.documents.iter().filter(is_listed).cloned()).collect()
    }

    /// The last description of a ticket.
    pub(super) fn words_of(&self, ticket: &str) -> &WatchEntry {
        &self.words[ticket]
    }

    /// Somebody mistyped the ticket's document.
    pub(super) fn mistype(&mut self, ticket: &str) {
        self.mistyped.insert(ticket.to_owned());
        self.name_document(ticket, MISTYPED);
    }

    fn name_document(&mut self, ticket: &str, token: &str) {
        let words = self.words.get_mut(ticket).unwrap();
        let before = std::mem::replace(&mut words.token, document(token));
        if before != words.token && self.listed.contains(ticket) {
            self.started_over.entry(ticket.to_owned()).or_default().push(Instant::now());
        }
    }

    /// The list is written anew.
    pub(super) fn change(&mut self, edits: Vec<Edit>) {
        for Edit { ticket, change } in edits {
            match change {
                Change::InOrOut if is_document(&ticket) => self.document_moves(ticket),
                // The others give the list another order.
                _ if is_document(&ticket) => self.documents.rotate_left(1),
                Change::InOrOut if self.listed.remove(&ticket) => {
                    self.gone.insert(ticket, Instant::now());
                }
                Change::InOrOut => {
                    self.gone.remove(&ticket);
                    self.listed.insert(ticket);
                }
                Change::Mistyped => self.mistype(&ticket),
                Change::Corrected => self.name_document(&ticket, RIGHT),
                Change::Labelled(number) => {
                    self.words.get_mut(&ticket).unwrap().label = Some(format!("label {number}").into());
                }
                Change::Moved(number) => {
                    let file = format!("list-{number}.toml");
                    self.words.get_mut(&ticket).unwrap().source = std::path::Path::new(&file).into();
                }
            }
        }
    }

    /// Since when no entry that leads to the document is listed, if none is.
    pub(super) fn unlisted_since(&self, token: &str) -> Option<Instant> {
        let entries = self.documents.iter().filter(|entry| self.leads_to(entry) == token);
        entries
            .map(|entry| self.left.get(entry.key.id.as_str()).copied())
            .try_fold(None, |last, since| Some(last.max(Some(since?))))?
    }

    fn leads_to<'a>(&'a self, entry: &'a WatchEntry) -> &'a str {
        let token = entry.token.as_str();
        self.nodes.get(token).map_or(token, String::as_str)
    }

    fn document_moves(&mut self, id: String) {
        if self.left.remove(&id).is_some() {
            *self.came_back.entry(id).or_default() += 1;
        } else {
            self.left.insert(id, Instant::now());
        }
    }

    /// Every ticket is listed, with its own token.
    pub(super) fn make_good(&mut self) {
        for ticket in self.words.keys().cloned().collect::<Vec<_>>() {
            self.name_document(&ticket, RIGHT);
            self.listed.insert(ticket);
        }
        self.gone.clear();
        for id in self.left.keys().cloned().collect::<Vec<_>>() {
            self.document_moves(id);
        }
    }
}

fn is_document(id: &str) -> bool {
    EntryId::new(id).is_document()
}
