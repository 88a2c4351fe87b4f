//! Ended tickets are polled again, as `retry` asks.

use super::State;
use crate::domain::{ARTEFACT_LIFE, EntryKey, FileState, TicketRecord};
use crate::engine::export_step::renewed;
use crate::engine::now::Now;
use crate::engine::report;
use crate::engine::tickets::TicketIndex;
use crate::store::{RETRIES_AT_ONCE, Retry};

impl State {
    /// Takes up requests in their order. The state file keeps them until what they changed is written.
    pub(super) fn retry(&mut self, retries: Vec<Retry>, now: Now) {
        if retries.len() >= RETRIES_AT_ONCE {
            // There may be more: the next pulse comes at once.
            self.timers.pulse_at = now.at;
        }
        for retry in retries {
            match self.ended_ticket(&retry.key) {
                Ok(index) => self.ask_again(index, now),
                Err(why) => report::retry_dropped(&retry.key, why),
            }
            self.file.last_retry_id = retry.id;
            self.file.unsaved.retried(retry.id, now.at);
        }
    }

    /// The ticket, if it can be polled again.
    fn ended_ticket(&self, key: &EntryKey) -> Result<TicketIndex, &'static str> {
        let index = self.tickets.find(key).map(|index| self.attended(index));
        let known = index.and_then(|index| Some((index, self.tickets.get(index)?)));
        let (index, slot) = known.ok_or("it is not known")?;
        if !slot.record.state.is_final() {
            Err("it is pending already")
        } else if slot.record.unlisted_since.is_some() {
            Err("no watch list names it any more; list it again instead")
        } else if slot.app.is_none() {
            Err("its app is no longer in watcher.toml")
        } else if slot.record.file_state() == Some(FileState::Waiting) {
            Err("its file is being fetched")
        } else {
            Ok(index)
        }
    }

    /// The entry that is attended to on behalf of that one: the listed one whose export it shares, or itself.
    fn attended(&self, index: TicketIndex) -> TicketIndex {
        let leader = self.tickets.get(index).and_then(|slot| slot.leader);
        let leads = |leader: &TicketIndex| {
            self.tickets.get(*leader).is_some_and(|slot| slot.record.unlisted_since.is_none())
        };
        leader.filter(leads).unwrap_or(index)
    }

    fn ask_again(&mut self, index: TicketIndex, now: Now) {
        if self.tickets.get(index).is_some_and(|slot| slot.leader.is_some()) {
            self.part(index, now);
        }
        self.renew_export(index, now);
        let Some(slot) = self.tickets.get(index) else { return };
        self.file.entry_event(index, &slot.record, &report::ticket_retried(&slot.record), now);
        // The job is the same, and what is known of its file's life with it.
        let (entry, last_running_at) = (slot.record.entry.clone(), slot.record.progress.last_running_at);
        self.restart_ticket(index, entry, now);
        self.alter(index, now, |slot| slot.record.progress.last_running_at = last_running_at);
    }

    /// An export is made anew, unless its artefact may still live and only the file is wanted again.
    fn renew_export(&mut self, index: TicketIndex, now: Now) {
        let may_live = |record: &TicketRecord| {
            let lost_here = record.file_state() == Some(FileState::Failed);
            lost_here && record.finished_at.is_some_and(|at| at + ARTEFACT_LIFE > now.wall)
        };
        self.tickets.change(index, |slot| {
            let is_wanted = !may_live(&slot.record);
            if let Some(export) = slot.record.export.as_deref_mut().filter(|_| is_wanted) {
                *export = renewed(export);
            }
        });
    }
}
