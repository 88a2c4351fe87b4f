//! What is sent to one server by one app id, counted as the server counts. Apps with the same key share it.

use enum_map::EnumMap;

use crate::domain::{App, BudgetKey, Endpoint, Month};
use crate::schedule::Budget;
use crate::store::Tally;

/// Requests of one budget key.
#[derive(Debug)]
pub(super) struct AppBudget {
    /// Host and app id.
    pub key: BudgetKey,
    /// What may still be sent to each endpoint.
    pub endpoints: EnumMap<Endpoint, Budget>,
    /// Requests of this month that count against the platform's quota.
    pub tally: Tally,
    /// A proper answer came under this host and app id, now or in an earlier life: it creates its jobs itself.
    pub proven: bool,
}

impl AppBudget {
    /// The budget of an app, of which nothing was spent yet.
    pub(super) fn new(app: &App, month: Month) -> Self {
        let key = app.budget_key();
        let tally = Tally { budget: key.clone(), month, requests: 0 };
        let endpoints = EnumMap::from_fn(|_| Budget::new(app.rate_limit));
        Self { key, endpoints, tally, proven: false }
    }

    /// Requests of that month, if it is not over.
    pub(super) fn spent_in(&self, month: Month) -> u64 {
        self.tally.spent_in(month)
    }

    /// One more request was sent.
    pub(super) fn count(&mut self, month: Month) {
        self.tally.count(month);
    }
}
