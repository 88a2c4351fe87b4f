//! The beginning: what the state file knew becomes tickets, queues and budgets again.

use std::time::Duration;

use tokio::time::Instant;

use super::State;
use crate::domain::{App, Endpoint, TicketRecord, TicketState, WallTime, WatchList};
use crate::engine::app_budget::AppBudget;
use crate::engine::app_state::AppState;
use crate::engine::event::Effect;
use crate::engine::export_step::{longest_wait, lost_wait};
use crate::engine::hook_events::HookRows;
use crate::engine::judging::is_refused;
use crate::engine::meters::AppMeters;
use crate::engine::now::Now;
use crate::engine::report;
use crate::engine::state_file::Verdicts;
use crate::engine::tickets::AppCounts;
use crate::engine::unsaved::FLUSH_EVERY;
use crate::store::{Loaded, Release, Tally};

/// Times are kept to the millisecond; what was cut off must not shorten a slot.
const CUT_OFF: Duration = Duration::from_millis(1);

/// Token requests that a process may have sent in the moment before it died: one that was refused and
/// the one in its place.
const TOKEN_REQUESTS_UNNOTED: usize = 2;

impl State {
    pub(super) fn add_app(&mut self, app: App, now: Now) {
        let key = app.budget_key();
        let shared = self.budgets.iter().position(|budget| budget.key == key);
        let budget = shared.unwrap_or_else(|| {
            self.budgets.push(AppBudget::new(&app, now.wall.month()));
            self.budgets.len() - 1
        });
        let meters = AppMeters::new(&self.meters, &app.name);
        let tenant = app.tenant.clone().map(|tenant| self.place_of_tenant(tenant, now));
        let mut app = AppState::new(app, budget, meters, now.at);
        app.tenant = tenant;
        self.apps.push(app);
    }

    /// Goes on where the last process ended, then applies today's list. What that process did not announce is in the
    /// outbox.
    pub(in crate::engine) fn begin(&mut self, loaded: Loaded, list: WatchList, now: Now) {
        self.file.verdicts = Verdicts::new(loaded.unannounced, loaded.last_event, now.wall);
        self.file.events = HookRows::new(self.settings.hooks.clone(), loaded.last_hook_event, now.wall);
        self.effects.push(Effect::WakeConsumers(loaded.last_event));
        let creates = self.creates_by_budget(&loaded.tickets);
        self.restore_tickets(loaded.tickets, now);
        self.restore_shares(now);
        self.restore_files(now);
        let known = self.count_by_budget(|counts| counts.polled);
        self.apply_list(list, now);
        self.retry(loaded.retries, now);
        self.restore_budgets(&loaded.released, now);
        self.restore_tallies(loaded.tallies);
        self.restore_identities(&loaded.proven);
        if !loaded.clean {
            self.assume_unnoted(&known, &creates, now);
        }
        report::watcher_started(&self.tickets.listed());
    }

    fn restore_tickets(&mut self, records: Vec<TicketRecord>, now: Now) {
        let first = self.settings.repeat_after();
        for mut record in records {
            // Noted by a clock that was set back since: how long ago that was is not known.
            record.progress.last_running_at = record.progress.last_running_at.filter(|at| *at <= now.wall);
            // Its app may be another one since: it is asked again before it is judged.
            if is_refused(&record) {
                record.error = None;
                record.progress.watched = None;
            }
            let lost = lost_at_the_end(&mut record, first);
            record.next_poll_at = lost.map(|wait| now.wall + wait).or(record.next_poll_at);
            let app = self.place_of(&record.entry.key.app);
            let due = self.due_of(&record, now);
            let pending = record.state == TicketState::Pending;
            let index = self.tickets.insert(record, app, Duration::ZERO);
            if lost.is_some() {
                self.file.unsaved.changed(index, now.at);
            }
            self.export_over(index);
            if pending {
                self.enqueue(index, due);
            }
        }
    }

    /// When a ticket from the state file is due: as it was planned, but, should the wall clock have been set back, not
    /// far ahead. One that is overdue keeps its place in line: were all of them due now, restarts could keep the last
    /// ones from ever being asked.
    pub(super) fn due_of(&self, record: &TicketRecord, now: Now) -> Instant {
        let planned = record.next_poll_at.unwrap_or(now.wall);
        let longest = self.settings.backoff.longest();
        let longest = if record.ticket().is_some() {
            longest
        } else {
            longest.max(longest_wait(self.settings.repeat_after()))
        };
        let ahead = planned.since(now.wall).min(longest);
        // Some systems know no moment before their own start.
        now.at.checked_sub(now.wall.since(planned)).map_or(now.at, |due| due + ahead)
    }

    /// Holds the slots of requests whose windows are not over. The window of one that was given up may not even have
    /// begun; one that seems to begin later than any request lives was noted by a clock that was set back since.
    fn restore_budgets(&mut self, released: &[Release], now: Now) {
        for release in released {
            let ahead = release.at.since(now.wall).min(self.settings.request_timeout);
            let ago = now.wall.since(release.at).saturating_sub(CUT_OFF);
            if let Some(budget) = self.budgets.iter_mut().find(|budget| budget.key == release.budget) {
                budget.endpoints[release.endpoint].restore(now.at + ahead, ago);
            }
        }
    }

    /// Goes on counting where the last process ended; an earlier month is over.
    fn restore_tallies(&mut self, tallies: Vec<Tally>) {
        for tally in tallies {
            if let Some(budget) = self.budgets.iter_mut().find(|budget| budget.key == tally.budget)
                && tally.month >= budget.tally.month
            {
                budget.tally = tally;
            } else if let Some(tenant) = self.tenants.iter_mut().find(|it| it.tally.budget == tally.budget)
                && tally.month >= tenant.tally.month
            {
                tenant.tally = tally;
            }
        }
    }

    /// A process that died may have sent requests in its last moment that no batch noted. As many are
    /// assumed as its tickets could have had: those in the state file, and today's, of which it may not
    /// have noted any yet.
    fn assume_unnoted(&mut self, known: &[usize], creates: &[usize], now: Now) {
        let initial = self.settings.backoff.initial().as_nanos().max(1);
        let each = usize::try_from(FLUSH_EVERY.as_nanos() / initial + 1).unwrap_or(usize::MAX);
        let tickets = std::iter::zip(known, self.count_by_budget(|counts| counts.polled));
        let queries: Vec<_> = tickets.map(|(known, listed)| (known + listed).saturating_mul(each)).collect();
        let files = self.count_by_budget(|counts| counts.waiting().saturating_mul(each));
        let nodes = self.count_by_budget(|counts| counts.unresolved.saturating_mul(each));
        // What it had in flight outlives it, and may arrive as late as its answer was waited for.
        let (polls, within) = (self.settings.max_in_flight.get(), self.settings.request_timeout);
        let downloads = self.settings.max_in_flight(Endpoint::Download).max(polls);
        for (place, queries) in queries.into_iter().enumerate() {
            let apps = self.apps.iter().filter(|app| app.budget == place).count();
            for &endpoint in Endpoint::ALL {
                let (requests, on_their_way) = match endpoint {
                    Endpoint::Query => (queries, polls.saturating_mul(apps)),
                    // A ticket may have been completed and its artefact asked for.
                    Endpoint::Download => (queries + files[place], downloads.saturating_mul(apps)),
                    Endpoint::Token => (TOKEN_REQUESTS_UNNOTED, TOKEN_REQUESTS_UNNOTED),
                    Endpoint::Node => (nodes[place], nodes[place]),
                    // Each was noted before it was sent.
                    Endpoint::Create => (creates[place], creates[place]),
                };
                let slots = &mut self.budgets[place].endpoints[endpoint];
                // What is assumed is noted as well: after a clean stop the next start assumes nothing.
                for late in slots.assume_sent(now.at, requests, on_their_way, within) {
                    self.note_release(place, endpoint, now.wall + late, now);
                }
            }
        }
    }

    fn count_by_budget(&self, count: impl Fn(AppCounts) -> usize) -> Vec<usize> {
        let mut counts = vec![0; self.budgets.len()];
        for (place, app) in self.apps.iter().enumerate() {
            counts[app.budget] += count(self.tickets.of_app(place));
        }
        counts
    }

    /// Creates whose answers the last process did not get.
    fn creates_by_budget(&self, records: &[TicketRecord]) -> Vec<usize> {
        let mut creates = vec![0; self.budgets.len()];
        for record in records.iter().filter(|record| is_creating(record)) {
            if let Some(place) = self.place_of(&record.entry.key.app) {
                creates[self.apps[place].budget] += 1;
            }
        }
        creates
    }

    /// When the requests that ended before it matter to no budget any more.
    pub(super) fn oldest_release(&self, now: Now) -> WallTime {
        let windows = self.budgets.iter().map(|budget| budget.endpoints[Endpoint::Query].per());
        now.wall - (windows.max().unwrap_or_default() + CUT_OFF)
    }
}

fn is_creating(record: &TicketRecord) -> bool {
    record.export.as_deref().is_some_and(|export| export.is_creating)
}

/// The last process ended before the answer to a create came: how long to wait before the next. Where the answer was lost
/// before, the next is planned already.
fn lost_at_the_end(record: &mut TicketRecord, first: Duration) -> Option<Duration> {
    let is_planned = record.next_poll_at.is_some();
    let export = record.export.as_deref_mut().filter(|export| export.is_creating && !is_planned)?;
    export.lost = export.lost.saturating_add(1);
    (record.state == TicketState::Pending).then(|| lost_wait(export.lost, first))
}
