//! The order in which people see tickets: by the attention they need. Pure.

use std::cmp::Reverse;

use feishu_export_watcher::domain::{Availability, FileState, TicketRecord, TicketState, WallTime};

/// Sorts: failed and timed-out tickets, then files that could not be saved, the latest first; files that wait or can
/// still be downloaded, the most urgent first; pending tickets, the oldest first; files that are gone, then saved ones,
/// then removed tickets, the latest first.
pub(crate) fn sort_by_attention(tickets: &mut [TicketRecord], now: WallTime) {
    tickets.sort_by(|one, other| (rank(one, now), &one.entry.key).cmp(&(rank(other, now), &other.entry.key)));
}

fn rank(ticket: &TicketRecord, now: WallTime) -> (u8, Reverse<Option<WallTime>>, Option<WallTime>) {
    let latest = Reverse(ticket.finished_at);
    match ticket.state {
        TicketState::Failed => (0, latest, None),
        TicketState::TimedOut => (1, latest, None),
        TicketState::Completed => match (ticket.file_state(), Availability::new(ticket, now)) {
            (Some(FileState::Failed | FileState::Expired), _) => (2, latest, None),
            (Some(FileState::Saved), _) => (6, latest, None),
            (None, Availability::Over(_)) => (5, latest, None),
            (_, Availability::Sure(until)) => (3, Reverse(None), Some(until)),
            (_, _) => (3, Reverse(None), None),
        },
        TicketState::Pending => (4, Reverse(None), Some(born_at(ticket))),
        TicketState::Removed => (7, latest, None),
    }
}

/// When the job began, as far as is known: else when it was first listed.
pub(super) fn born_at(ticket: &TicketRecord) -> WallTime {
    ticket.entry.created_at.unwrap_or(ticket.first_seen_at)
}

#[cfg(test)]
mod tests {
    use feishu_export_watcher::domain::FileRecord;

    use super::super::fixtures::{NOW, after, ended, pending};
    use super::*;

    /// Promise: tickets that need attention come first.
    #[test]
    fn what_needs_attention_comes_first() {
        use TicketState::{Completed, Failed, Removed, TimedOut};
        let mut fresh = pending("a", "09", "d");
        fresh.first_seen_at = after(-5.0);
        let mut created = pending("a", "10", "d");
        created.entry.created_at = Some(after(-9000.0));
        let mut twin = pending("a", "08", "d");
        twin.first_seen_at = fresh.first_seen_at;
        let [mut short, mut long] = ["05", "06"].map(|ticket| ended(ticket, Completed, -10.0));
        let [mut lost, mut waiting, mut saved] =
            ["0321", "0501", "1201"].map(|it| ended(it, Completed, -9000.0));
        for (ticket, state) in [
            (&mut lost, FileState::Expired),
            (&mut waiting, FileState::Waiting),
            (&mut saved, FileState::Saved),
        ] {
            ticket.file = Some(Box::new(FileRecord { state, ..FileRecord::new() }));
        }
        waiting.download_by = Some(after(2.0));
        (short.download_by, long.download_by) = (Some(after(1.0)), Some(after(500.0)));
        let mut sorted = vec![
            ended("01", Failed, -10.0),
            ended("02", Failed, -5000.0),
            ended("03", TimedOut, -1.0),
            lost,
            ended("04", Completed, -599.0),
            short,
            waiting,
            long,
            created,
            twin,
            fresh,
            ended("11", Completed, -600.0),
            ended("12", Completed, -9000.0),
            saved,
            ended("13", Removed, -1.0),
        ];
        let expected: Vec<_> = sorted.iter().map(|ticket| ticket.entry.key.clone()).collect();
        for turn in 0..sorted.len() {
            sorted.rotate_left(turn);
            sort_by_attention(&mut sorted, NOW);
            assert!(sorted.iter().map(|ticket| &ticket.entry.key).eq(&expected));
        }
    }
}
