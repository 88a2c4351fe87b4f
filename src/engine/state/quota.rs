//! The monthly quota of tenants: accepted calls are counted, and no export is started that the rest can't carry.

use std::sync::Arc;
use std::time::Duration;

use super::State;
use crate::domain::{Endpoint, FileState, PauseReason, Tenant};
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

    /// What an export took that has come to its end counts for those that are to be started.
    pub(super) fn export_over(&mut self, index: TicketIndex) {
        let Some(slot) = self.tickets.get(index) else { return };
        let is_over = slot.record.state.is_final() && slot.record.file_state() != Some(FileState::Waiting);
        let tenant = slot.app.and_then(|place| self.apps[place].tenant);
        if let Some((tenant, export)) = tenant.zip(slot.record.export.as_deref()).filter(|_| is_over) {
            self.tenants[tenant].export_ended(export.calls);
        }
    }

    /// No export waits any more for calls that are kept.
    pub(super) fn drop_reserve(&mut self, place: usize, now: Now) {
        let app = &mut self.apps[place];
        if app.reserved.is_some() && app.creates.next(&self.tickets, now.at).is_none() {
            app.reserved = None;
        }
    }

    /// Whether the quota of the app's tenant carries one more export. That it does not is a pause of creates, reported once.
    pub(super) fn is_covered(&mut self, place: usize, now: Now) -> bool {
        let Some(tenant) = self.apps[place].tenant else { return true };
        let of_tenant = |app: &usize| self.apps[*app].tenant == Some(tenant);
        let open = (0..self.apps.len()).filter(of_tenant).map(|app| self.tickets.of_app(app).open).sum();
        let is_covered = self.tenants[tenant].carries_one_more(open, now.wall.month());
        let app = &mut self.apps[place];
        if is_covered && let Some(over) = app.reserved.take() {
            report::app_resumed(&app.app.name, Endpoint::Create, &over);
        } else if !is_covered && app.reserved.is_none() {
            let wait = now.wall.next_month().since(now.wall).max(Duration::from_secs(1));
            let pause = app.reserved.insert(Pause::new(PauseReason::QuotaReserved, wait, now));
            report::app_paused(&app.app.name, Endpoint::Create, pause, &Detail::default());
        }
        is_covered
    }
}
