//! The clocks part ways: what is known in wall time is brought in line again, so that `download_by` stays
//! honest, and what may have run out unseen is examined again. Waiting is not touched: it is measured with
//! the monotonic clock, so that neither a storm nor a stall comes of a step.

use std::time::Duration;

use super::State;
use crate::domain::{Endpoint, FileState, TicketRecord, TicketState, WallTime};
use crate::engine::clock_step::ClockStep;
use crate::engine::now::Now;
use crate::engine::report;

impl State {
    /// Corrects what was noted by the wall clock if that was moved since it was last read.
    pub(super) fn follow_clock(&mut self, now: Now) {
        let before = std::mem::replace(&mut self.timers.read_at, now);
        match ClockStep::between(before, now) {
            Some(ClockStep::Back(by)) => self.set_back(by, now),
            Some(ClockStep::Ahead(by)) => self.may_have_slept(by, now),
            None => {}
        }
    }

    /// Moments that were read from the clock before it was set back lie as much too late.
    fn set_back(&mut self, by: Duration, now: Now) {
        report::clock_set_back(by);
        for flight in self.flights.values_mut() {
            flight.sent.wall = flight.sent.wall - by;
        }
        for app in &mut self.apps {
            app.clock_set_back(by);
        }
        let is_late = |record: &TicketRecord| {
            let waits =
                record.state == TicketState::Pending || record.file_state() == Some(FileState::Waiting);
            waits || record.download_by.is_some_and(|until| until > now.wall)
        };
        let late = self.tickets.iter().filter(|(_, slot)| is_late(&slot.record));
        let late: Vec<_> = late.map(|(index, _)| index).collect();
        for index in late {
            self.alter(index, now, |slot| move_back(&mut slot.record, by));
        }
    }

    /// Access tokens may have ended, and a month may have begun. Pauses that the server counts, and the
    /// budget, are not shortened: it may be that only the clock was wrong.
    fn may_have_slept(&mut self, by: Duration, now: Now) {
        report::clock_ahead(by);
        for app in &mut self.apps {
            app.access.aged(by, now.at);
            app.endpoints.iter_mut().for_each(|(_, it)| it.gate.clock_ahead(now));
        }
        self.note_slots_again(now);
    }

    /// By their old moments the next process would take the requests of the last minute for older than they are,
    /// and their slots for free.
    fn note_slots_again(&mut self, now: Now) {
        for place in 0..self.budgets.len() {
            for &endpoint in Endpoint::ALL {
                let held: Vec<_> = self.budgets[place].endpoints[endpoint].held(now.at).collect();
                held.into_iter().for_each(|ago| self.note_release(place, endpoint, now.wall - ago, now));
            }
        }
    }
}

/// Moments of the watcher's own clock; `created_at` is the user's.
fn move_back(record: &mut TicketRecord, by: Duration) {
    let earlier = |moment: &mut WallTime| *moment = *moment - by;
    earlier(&mut record.first_seen_at);
    let others = [
        &mut record.last_polled_at,
        &mut record.next_poll_at,
        &mut record.finished_at,
        &mut record.download_by,
        &mut record.progress.last_running_at,
    ];
    others.into_iter().flatten().for_each(earlier);
}
