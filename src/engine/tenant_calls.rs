//! What the apps of one tenant have called this month, and how much of its quota is kept for exports that were started. Pure.
//!
//! The quota counts the accepted calls of all apps of a tenant in a calendar month (call quota of custom apps, 2025-11-28).

use std::sync::Arc;

use crate::domain::{Month, Tenant};
use crate::store::Tally;

/// What an export takes where none has ended yet: create, query and download.
const USUAL_CALLS: u64 = 3;

/// The calls of a tenant.
#[derive(Debug)]
pub(super) struct TenantCalls {
    /// The tenant.
    pub tenant: Arc<Tenant>,
    /// Its accepted calls of this month.
    pub tally: Tally,
    /// Exports that ended, and the calls that they took.
    ended: u64,
    taken: u64,
    /// When it was last reported that the quota is low.
    reported: Option<Month>,
}

impl TenantCalls {
    /// A tenant none of whose apps was used yet.
    pub(super) fn new(tenant: Arc<Tenant>, month: Month) -> Self {
        let tally = Tally { budget: tenant.tally_key(), month, requests: 0 };
        Self { tenant, tally, ended: 0, taken: 0, reported: None }
    }

    /// Calls of that month, if it is not over.
    pub(super) fn spent_in(&self, month: Month) -> u64 {
        self.tally.spent_in(month)
    }

    /// One more call was accepted. Says whether nine tenths of the quota are used up now; once a month.
    pub(super) fn count(&mut self, month: Month) -> bool {
        self.tally.count(month);
        let is_low = self.tally.requests.saturating_mul(10) >= self.tenant.monthly_calls.saturating_mul(9);
        is_low && self.reported.replace(self.tally.month) != Some(self.tally.month)
    }

    /// An export ended after so many calls.
    pub(super) fn export_ended(&mut self, calls: u32) {
        self.ended += 1;
        self.taken += u64::from(calls);
    }

    /// Whether what is left of the month's calls carries one more export beside those that are open: each is given what
    /// exports took on average, and one more.
    pub(super) fn carries_one_more(&self, open: usize, month: Month) -> bool {
        let average = if self.ended == 0 { USUAL_CALLS } else { self.taken.div_ceil(self.ended) };
        let wanted = (average + 1).saturating_mul(open as u64 + 1);
        self.spent_in(month).saturating_add(wanted) <= self.tenant.monthly_calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(monthly_calls: u64, spent: u64) -> TenantCalls {
        let tenant = Tenant { name: "acme".into(), monthly_calls };
        let mut calls = TenantCalls::new(Arc::new(tenant), Month(202_611));
        calls.tally.requests = spent;
        calls
    }

    /// Promise: no export is started that the rest of the month's calls can't carry, and open ones keep theirs.
    #[test]
    fn open_exports_keep_what_they_will_take() {
        for (spent, open, is_carried) in [(96, 0, true), (97, 0, false), (80, 4, true), (80, 5, false)] {
            assert_eq!(
                calls(100, spent).carries_one_more(open, Month(202_611)),
                is_carried,
                "{spent} {open}"
            );
        }
        assert!(calls(100, 100).carries_one_more(24, Month(202_612)), "a new month");
        let mut costly = calls(100, 0);
        [9, 10].into_iter().for_each(|taken| costly.export_ended(taken));
        assert!(costly.carries_one_more(8, Month(202_611)) && !costly.carries_one_more(9, Month(202_611)));
    }

    #[test]
    fn a_low_quota_is_reported_once_a_month() {
        let mut calls = calls(10, 7);
        let reports: Vec<_> = [11, 11, 11, 12].map(|month| calls.count(Month(202_600 + month))).into();
        assert_eq!(reports, [false, true, false, false]);
    }
}
