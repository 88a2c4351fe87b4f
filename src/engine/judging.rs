//! Which side an answer speaks against, the ticket or the app. Pure.
//!
//! One strange answer proves nothing: it may come from a gateway that answers every call so, for minutes. It speaks
//! against its ticket only while the same endpoint answers properly for others. A refusal (1069902) is as
//! ambiguous: the document is closed to the app, or another app created the job, and then every ticket is refused.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::{ErrorKind, TicketRecord, TicketState};
use crate::feishu::Strange;

/// A refused ticket waits this long before it is polled again, while its app is not proven.
pub(super) const REFUSED_WAIT: Duration = Duration::from_secs(300);

/// So many refused tickets, and never a proper answer, speak against the app.
const SUSPICIOUS: usize = 10;

/// What is known when a strange answer arrives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    /// Sending of the request of this ticket that got a strange answer before, with no proper one since.
    pub strange_before: Option<Instant>,
    /// Sending of the last request of the app that the endpoint answered properly.
    pub proper_sent: Option<Instant>,
    /// No other ticket of the app is open, but for refused ones, which get no proper answer.
    pub alone: bool,
}

/// Whether a strange answer counts against its ticket: the endpoint answered properly, for another ticket, a request
/// that was sent no earlier than the one of this ticket that got a strange answer before. (A proper answer to this
/// ticket resets its count.) A late answer to an earlier request says nothing of the time since. Where no other ticket is open, only the API itself
/// can speak against the one that is.
pub(super) fn counts_against_ticket(strange: Strange, evidence: Evidence) -> bool {
    let others_fine = match (evidence.strange_before, evidence.proper_sent) {
        (Some(before), Some(sent)) => sent >= before,
        _ => false,
    };
    others_fine || evidence.alone && strange == Strange::UnlistedCode
}

/// Whether a ticket is open and no answer about it has come yet.
pub(super) fn is_unasked(ticket: &TicketRecord) -> bool {
    ticket.state == TicketState::Pending && ticket.progress.watched.is_none()
}

/// Whether a ticket is open and the last answer about it was a refusal.
pub(super) fn is_refused(ticket: &TicketRecord) -> bool {
    let refused = ticket.error.as_deref().is_some_and(|error| error.kind == ErrorKind::NoPermission);
    refused && ticket.state == TicketState::Pending
}

/// What becomes of an app's refused tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusals {
    /// They wait: others were not asked yet.
    Wait,
    /// The documents are closed to the app: they fail.
    Fail,
    /// Another app seems to have created the jobs: they wait for a person.
    SuspectApp,
}

/// Judges the refused tickets of an app, given how many of its open tickets are unasked and refused, whether a
/// proper answer ever came under its host and app id, and whether the app is suspected already: that does not end
/// with some of its tickets.
pub(super) const fn judge_refusals(
    proven: bool,
    suspected: bool,
    unasked: usize,
    refused: usize,
) -> Refusals {
    match (proven, unasked) {
        (true, _) => Refusals::Fail,
        (false, 0) if refused == 0 || refused < SUSPICIOUS && !suspected => Refusals::Fail,
        (false, 0) => Refusals::SuspectApp,
        (false, _) => Refusals::Wait,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KINDS: [Strange; 3] = [Strange::Page, Strange::UnlistedCode, Strange::NoStatus];

    #[test]
    fn a_lone_ticket_fails_only_by_what_the_api_itself_says() {
        for strange in KINDS {
            let strange_before = Some(Instant::now());
            let evidence = Evidence { strange_before, proper_sent: None, alone: true };
            assert_eq!(counts_against_ticket(strange, evidence), strange == Strange::UnlistedCode);
        }
    }

    #[test]
    fn refusals_wait_for_evidence() {
        for (proven, suspected, unasked, refused, expected) in [
            (true, false, 5, 100, Refusals::Fail),
            (true, true, 5, 100, Refusals::Fail),
            (false, false, 1, 1, Refusals::Wait),
            (false, false, 1, 100, Refusals::Wait),
            (false, false, 0, 9, Refusals::Fail),
            (false, false, 0, 10, Refusals::SuspectApp),
            (false, true, 0, 9, Refusals::SuspectApp),
            (false, true, 0, 0, Refusals::Fail),
        ] {
            let judged = judge_refusals(proven, suspected, unasked, refused);
            assert_eq!(judged, expected, "{proven} {suspected} {unasked} {refused}");
        }
    }

    /// Polls of five tickets in the order of sending: ticket, moment of sending, seconds until the answer. A ticket is
    /// not asked again before it was answered.
    fn polls() -> impl Strategy<Value = Vec<(usize, u64, u64)>> {
        prop::collection::vec((0usize..5, 0u64..600, 0u64..16), 1..200).prop_map(|mut polls| {
            polls.sort_unstable_by_key(|(_, sent, _)| *sent);
            let mut free_at = [0; 5];
            polls.retain(|(ticket, sent, took)| {
                let is_free = *sent >= free_at[*ticket];
                free_at[*ticket] = if is_free { sent + took + 1 } else { free_at[*ticket] };
                is_free
            });
            polls
        })
    }

    proptest! {
        /// Promise 2: a gateway that answers every call sent while it is there counts at most once against a ticket: no
        /// order of tickets, no moment at which it begins or ends, and no answer that arrives late adds to that.
        #[test]
        fn an_outage_counts_at_most_once_against_a_ticket(
            polls in polls(), from in 0u64..600, lasts in 1u64..600
        ) {
            let start = Instant::now();
            let at = |second: u64| start + Duration::from_secs(second);
            let mut arrivals: Vec<_> =
                polls.iter().map(|(ticket, sent, took)| (sent + took, *ticket, *sent)).collect();
            arrivals.sort_unstable();
            let (mut before, mut counted, mut proper_sent) = ([None; 5], [0; 5], None);
            for (_, ticket, sent) in arrivals {
                if (from..from + lasts).contains(&sent) {
                    let evidence = Evidence { strange_before: before[ticket], proper_sent, alone: false };
                    counted[ticket] += usize::from(counts_against_ticket(Strange::Page, evidence));
                    before[ticket] = Some(at(sent));
                } else {
                    proper_sent = proper_sent.max(Some(at(sent)));
                    before[ticket] = None;
                }
            }
            prop_assert!(counted.iter().all(|count| *count <= 1), "{:?}", counted);
        }

        /// The opposite: nonsense counts in every round in which another ticket is asked after it and answered properly.
        #[test]
        fn nonsense_counts_while_others_are_answered(rounds in 2u32..50) {
            let (start, round_takes) = (Instant::now(), Duration::from_secs(10));
            let (mut strange_before, mut counted) = (None, 0);
            for round in 0..rounds {
                let proper_sent = round.checked_sub(1).map(|last| start + round_takes * last + round_takes / 2);
                counted += u32::from(counts_against_ticket(Strange::Page, Evidence { strange_before, proper_sent, alone: false }));
                strange_before = Some(start + round_takes * round);
            }
            prop_assert_eq!(counted, rounds - 1);
        }
    }
}
