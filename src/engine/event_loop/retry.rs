//! Ended tickets are polled again, because somebody asked for it with `retry`.

use super::Engine;
use crate::domain::TicketKey;
use crate::engine::announce::Announcer;
use crate::engine::now::Now;
use crate::engine::report;
use crate::engine::tickets::TicketIndex;
use crate::feishu::ExportApi;
use crate::store::{RETRIES_AT_ONCE, Retry, Store};

/// What a request comes to.
enum Fate {
    Again(TicketIndex),
    /// Its verdict is not safely in the log yet, and must not be lost: later.
    NotYet,
    /// Not at all, for this reason.
    Never(&'static str),
}

impl<A: ExportApi, S: Store, L: Announcer> Engine<A, S, L> {
    /// Takes up requests in their order, as far as it can be done now; the rest is asked for again with the
    /// next pulse. The state file keeps them until what they changed is written.
    pub(super) fn retry(&mut self, retries: Vec<Retry>, now: Now) {
        self.retry_waits = false;
        if retries.len() >= RETRIES_AT_ONCE {
            // There may be more: the next pulse comes at once.
            self.pulse_at = now.at;
        }
        for retry in retries {
            match self.fate_of(&retry.key) {
                Fate::NotYet => {
                    self.retry_waits = true;
                    return;
                }
                Fate::Again(index) => self.ask_again(index, now),
                Fate::Never(why) => report::retry_dropped(&retry.key, why),
            }
            self.retried = retry.id;
            self.unsaved.retried(retry.id, now.at);
        }
    }

    fn fate_of(&self, key: &TicketKey) -> Fate {
        let known = self.tickets.find(key).and_then(|index| Some((index, self.tickets.get(index)?)));
        let Some((index, slot)) = known else { return Fate::Never("it is not known") };
        let record = &slot.record;
        if !record.state.is_final() {
            Fate::Never("it is pending already")
        } else if record.unlisted_since.is_some() {
            Fate::Never("no watch list names it any more; list it again instead")
        } else if slot.app.is_none() {
            Fate::Never("its app is no longer in watcher.toml")
        } else if !record.announced {
            Fate::NotYet
        } else {
            Fate::Again(index)
        }
    }

    fn ask_again(&mut self, index: TicketIndex, now: Now) {
        let Some(slot) = self.tickets.get(index) else { return };
        report::ticket_retried(&slot.record);
        // The job is the same, and what is known of its file's life with it.
        let (entry, last_running_at) = (slot.record.entry(), slot.record.progress.last_running_at);
        self.restart_ticket(index, entry, now);
        self.alter(index, now, |slot| slot.record.progress.last_running_at = last_running_at);
    }
}
