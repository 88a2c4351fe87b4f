//! What the create endpoint made, worked out from the journal: how many jobs each export has, and how many of their
//! answers were lost.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use crate::{
    order::Order,
    record::{Endpoint, Journal, Request},
};

/// The jobs of one export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Their tickets, in the order in which they were made.
    pub tickets: Vec<Arc<str>>,
    /// How many of the answers that named these tickets did not arrive, as far as the simulator can see.
    pub lost: usize,
    /// How many of these tickets no query ever named. A client that is killed between the answer and its next query
    /// adds to them, though nothing was lost on the way.
    pub never_polled: usize,
}

impl Made {
    /// Whether at most `generations` jobs, and one more for each lost answer, were made.
    pub fn is_within(&self, generations: usize) -> bool {
        self.tickets.len() <= generations + self.lost
    }
}

impl Journal {
    /// Every job that the create endpoint made, by app and export.
    pub fn made(&self) -> BTreeMap<(Arc<str>, Order), Made> {
        let polled: HashSet<&str> =
            self.of(Endpoint::Query).filter_map(|query| query.ticket.as_deref()).collect();
        let mut made: BTreeMap<_, Made> = BTreeMap::new();
        for request in self.of(Endpoint::Create) {
            let (Some(app_id), Some(order), Some(ticket)) =
                (&request.app_id, &request.order, &request.ticket)
            else {
                continue;
            };
            let jobs = made.entry((Arc::clone(app_id), Order::clone(order))).or_default();
            jobs.tickets.push(Arc::clone(ticket));
            jobs.lost += usize::from(request.is_lost());
            jobs.never_polled += usize::from(!polled.contains(&**ticket));
        }
        made
    }

    /// The creates that made a job whose answer did not arrive.
    pub fn lost_answers(&self) -> impl Iterator<Item = &Request> {
        self.of(Endpoint::Create).filter(|request| request.is_lost())
    }

    /// The tickets of one document's jobs, in the order in which they were made.
    pub fn tickets_of<'a>(&'a self, document: &'a str) -> impl Iterator<Item = &'a str> {
        let creates =
            self.of(Endpoint::Create).filter(move |create| create.document.as_deref() == Some(document));
        creates.filter_map(|create| create.ticket.as_deref())
    }
}
