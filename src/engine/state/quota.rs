//! The monthly quota of tenants: accepted calls are counted, and no export is started that the rest can't carry.

use std::sync::Arc;
use std::time::Duration;

use super::State;
use crate::domain::{Endpoint, FileState, PauseReason, Tenant, TicketState};
use crate::engine::flight::Flight;
use crate::engine::gate::Pause;
use crate::engine::now::Now;
use crate::engine::report;
use crate::engine::tenant_calls::TenantCalls;
use crate::engine::tickets::TicketIndex;
use crate::feishu::Detail;

impl State {
    pub(super) fn place_of_tenant(&mut self, tenant: Arc<Tenant>, now: Now) -> usize {
        let known = self.tenants.iter().position(|it| it.tenant.name == tenant.name);
        known.unwrap_or_else(|| {
            self.tenants.push(TenantCalls::new(tenant, now.wall.month()));
            self.tenants.len() - 1
        })
    }

    /// The server accepted a call, which the quota counts.
    pub(super) fn count_accepted(&mut self, flight: &Flight, now: Now) {
        if !flight.endpoint().counts_against_quota() {
            return;
        }
        if let Some(index) = flight.index() {
            self.tickets.change(index, |slot| {
                slot.record.export.as_deref_mut().map(|export| export.calls = export.calls.saturating_add(1))
            });
        }
        let Some(tenant) = self.apps[flight.app].tenant.map(|place| &mut self.tenants[place]) else { return };
        if tenant.count(now.wall.month()) {
            report::quota_low(&tenant.tenant.name, tenant.tally.requests, tenant.tenant.monthly_calls);
        }
    }

    /// What an export took that has come to its end counts for those that are to be started. One that was refused took
    /// nothing.
    pub(super) fn export_over(&mut self, index: TicketIndex) {
        let Some(slot) = self.tickets.get(index).filter(|slot| slot.leader.is_none()) else { return };
        let is_over = slot.record.state.is_final()
            && slot.record.state != TicketState::Removed
            && slot.record.file_state() != Some(FileState::Waiting);
        let tenant = slot.app.and_then(|place| self.apps[place].tenant);
        let export = slot.record.export.as_deref().filter(|export| is_over && export.generation > 0);
        if let Some((tenant, export)) = tenant.zip(export) {
            self.tenants[tenant].export_ended(export.calls / export.generation);
        }
    }

    /// Whether the quota of the app's tenant carries one more export.
    pub(super) fn covers_one_more(&self, place: usize, now: Now) -> bool {
        let tenant = self.apps[place].tenant.map(|tenant| &self.tenants[tenant]);
        tenant.is_none_or(|tenant| tenant.carries_one_more(self.open_in_tenant(place), now.wall.month()))
    }

    fn open_in_tenant(&self, place: usize) -> usize {
        let of_tenant = |app: &usize| self.apps[*app].tenant == self.apps[place].tenant;
        (0..self.apps.len()).filter(of_tenant).map(|app| self.tickets.of_app(app).open).sum()
    }

    /// Begins and ends the pause of an app whose exports wait for calls that are kept. It is reported once nothing is open:
    /// what is may take less than is kept for it.
    pub(super) fn keep_reserve(&mut self, place: usize, now: Now) {
        if self.apps[place].tenant.is_none() {
            return;
        }
        let waits = [Endpoint::Node, Endpoint::Create]
            .into_iter()
            .any(|endpoint| self.export_in_line(place, endpoint, now).is_some_and(|next| next.due <= now.at));
        let is_short = waits && !self.covers_one_more(place, now);
        let is_idle = is_short && self.open_in_tenant(place) == 0;
        let app = &mut self.apps[place];
        match &mut app.reserved {
            None if is_idle => {
                let wait = now.wall.next_month().since(now.wall).max(Duration::from_secs(1));
                let pause = Pause::new(PauseReason::QuotaReserved, wait, now);
                app.meters.paused(pause.reason);
                let name = &app.app.name;
                let announcement = report::app_paused(name, Endpoint::Create, &pause, &Detail::default());
                self.file.app_event(&announcement, now);
                app.reserved = Some(pause);
            }
            Some(over) if !is_short => {
                let announcement = report::app_resumed(&app.app.name, Endpoint::Create, over);
                self.file.app_event(&announcement, now);
                app.reserved = None;
            }
            _ => {}
        }
    }
}
