//! Entries that lead to one object in one format share its export. One of them, the leader, is attended to; the others
//! follow it. Pure bookkeeping of which is which.

use std::collections::{BTreeMap, HashMap};

use super::tickets::TicketIndex;
use crate::domain::{AppName, Object, TicketRecord};

/// What is exported on whose behalf.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Export {
    app: AppName,
    object: Object,
    file_extension: Box<str>,
    sub_id: Option<Box<str>>,
}

impl Export {
    /// The export of an entry; none of a ticket, or of a wiki node that was not resolved.
    pub(super) fn from_record(record: &TicketRecord) -> Option<Self> {
        let object = record.export.as_deref()?.object.clone()?;
        let request = record.entry.request.as_deref()?;
        Some(Self {
            app: record.entry.key.app.clone(),
            object,
            file_extension: request.file_extension.clone()?,
            sub_id: request.sub_id.clone(),
        })
    }
}

/// Which entries share which export.
#[derive(Debug, Default)]
pub(super) struct Shares {
    leaders: HashMap<Export, TicketIndex>,
    /// Of leaders that have any.
    followers: BTreeMap<TicketIndex, Vec<TicketIndex>>,
}

impl Shares {
    /// The leader of the export.
    pub(super) fn leader(&self, export: &Export) -> Option<TicketIndex> {
        self.leaders.get(export).copied()
    }

    /// The entry leads from now on; those that followed the leader before follow it.
    pub(super) fn lead(&mut self, export: Export, index: TicketIndex) {
        let before = self.leaders.insert(export, index);
        if let Some(mut followers) = before.and_then(|before| self.followers.remove(&before)) {
            followers.retain(|follower| *follower != index);
            if !followers.is_empty() {
                self.followers.insert(index, followers);
            }
        }
    }

    /// The entry follows the leader.
    pub(super) fn follow(&mut self, leader: TicketIndex, index: TicketIndex) {
        self.followers.entry(leader).or_default().push(index);
    }

    /// The entry no longer shares the export that the leader has.
    pub(super) fn leave(&mut self, leader: TicketIndex, index: TicketIndex) {
        if let Some(followers) = self.followers.get_mut(&leader) {
            followers.retain(|follower| *follower != index);
            if followers.is_empty() {
                self.followers.remove(&leader);
            }
        }
    }

    /// The entry, a leader without followers, is forgotten.
    pub(super) fn forget(&mut self, export: &Export, index: TicketIndex) {
        if self.leader(export) == Some(index) {
            self.leaders.remove(export);
        }
    }

    /// The entries that follow the leader.
    pub(super) fn followers(&self, leader: TicketIndex) -> &[TicketIndex] {
        self.followers.get(&leader).map_or(&[], Vec::as_slice)
    }

    /// Every leader that has followers.
    pub(super) fn shared(&self) -> impl Iterator<Item = (TicketIndex, &[TicketIndex])> {
        self.followers.iter().map(|(leader, followers)| (*leader, followers.as_slice()))
    }
}
