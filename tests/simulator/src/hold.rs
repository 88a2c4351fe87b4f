//! Holds: requests that are kept on their way until a test lets them go. Pure but for the channel that they wait on.
//!
//! A held request has not arrived yet: it is not recorded, not counted and not judged. So a test can wait until it is
//! under way, change the world, and know that the request meets the change.

use tokio::sync::watch;

use crate::target::{Nth, Subject, Target};

/// Names a hold, to let its requests go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldId(u64);

/// What a held request waits on: it ends when the hold does.
pub(crate) type Leash = watch::Receiver<()>;

#[derive(Debug)]
struct Hold {
    id: HoldId,
    target: Target,
    nth: Nth,
    seen: u64,
    /// Its receivers are the requests that wait.
    leashes: watch::Sender<()>,
}

/// All holds.
#[derive(Debug, Default)]
pub(crate) struct HoldBook {
    holds: Vec<Hold>,
    last_id: u64,
}

impl HoldBook {
    pub(crate) fn add(&mut self, target: Target, nth: Nth) -> HoldId {
        self.last_id += 1;
        let id = HoldId(self.last_id);
        self.holds.push(Hold { id, target, nth, seen: 0, leashes: watch::Sender::new(()) });
        id
    }

    /// Lets go of those that wait, and holds no more.
    pub(crate) fn release(&mut self, id: HoldId) {
        self.holds.retain(|hold| hold.id != id);
    }

    /// How many requests wait.
    pub(crate) fn held(&self, id: HoldId) -> usize {
        self.holds.iter().find(|hold| hold.id == id).map_or(0, |hold| hold.leashes.receiver_count())
    }

    /// Counts the request in every hold that fits it; the first one that wants it keeps it.
    pub(crate) fn catch(&mut self, request: Subject<'_>) -> Option<Leash> {
        let fitting = self.holds.iter_mut().filter(|hold| hold.target.fits(request));
        let mut caught = None;
        for hold in fitting {
            hold.seen += 1;
            if hold.nth.includes(hold.seen) && caught.is_none() {
                caught = Some(hold.leashes.subscribe());
            }
        }
        caught
    }
}

/// Waits until the hold is released.
pub(crate) async fn released(mut leash: Leash) {
    // Nothing is ever sent: the wait ends with the sender.
    while leash.changed().await.is_ok() {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Endpoint;

    fn query<'a>(app_id: &'a str, ticket: &'a str) -> Subject<'a> {
        Subject {
            endpoint: Endpoint::Query,
            app_id: Some(app_id),
            ticket: Some(ticket),
            document: Some("doc"),
        }
    }

    #[test]
    fn only_the_wanted_requests_are_held_until_released() {
        let mut book = HoldBook::default();
        let second = book.add(Target::endpoint(Endpoint::Query).of_app("cli_a"), 2.into());
        let one = book.add("one".into(), (..).into());
        assert!(book.catch(query("cli_a", "two")).is_none());
        assert!(book.catch(query("cli_b", "two")).is_none());
        assert!(
            book.catch(Subject { endpoint: Endpoint::TenantToken, ticket: None, ..query("cli_a", "") })
                .is_none()
        );
        let leash = book.catch(query("cli_a", "two"));
        assert_eq!((book.held(second), book.held(one)), (1, 0));
        assert!(leash.as_ref().is_some_and(|leash| leash.has_changed().is_ok()));
        book.release(second);
        assert!(leash.is_some_and(|leash| leash.has_changed().is_err()), "its hold is gone");
        let leash = book.catch(query("cli_a", "one"));
        assert_eq!((book.held(second), book.held(one)), (0, 1));
        drop(leash);
        assert_eq!(book.held(one), 0, "its client left");
    }
}
