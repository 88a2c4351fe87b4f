//! How many tickets are in which state.

use std::fmt;

use feishu_export_watcher::domain::TicketState;
use feishu_export_watcher::engine::Counts;
use serde::Serialize;

use crate::words::grouped;

/// Counts of tickets by state. Scripts rely on the names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    /// Still polled.
    pub(crate) pending: usize,
    /// With a file token.
    pub(crate) completed: usize,
    /// Come to nothing.
    pub(crate) failed: usize,
    /// Given up.
    pub(crate) timed_out: usize,
    /// Off the watch list.
    pub(crate) removed: usize,
}

impl Summary {
    /// All tickets.
    pub(crate) const fn total(&self) -> usize {
        self.pending + self.completed + self.failed + self.timed_out + self.removed
    }
}

impl From<Counts> for Summary {
    fn from(counts: Counts) -> Self {
        TicketState::ALL.into_iter().map(|state| (state, counts.of(state))).collect()
    }
}

impl FromIterator<(TicketState, usize)> for Summary {
    fn from_iter<I: IntoIterator<Item = (TicketState, usize)>>(counts: I) -> Self {
        let mut summary = Self::default();
        for (state, count) in counts {
            *match state {
                TicketState::Pending => &mut summary.pending,
                TicketState::Completed => &mut summary.completed,
                TicketState::Failed => &mut summary.failed,
                TicketState::TimedOut => &mut summary.timed_out,
                TicketState::Removed => &mut summary.removed,
            } += count;
        }
        summary
    }
}

/// "1,204 pending, 31 completed, 2 failed": no zeros.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        for (count, word) in [
            (self.pending, "pending"),
            (self.completed, "completed"),
            (self.failed, "failed"),
            (self.timed_out, "timed out"),
            (self.removed, "removed"),
        ] {
            if count > 0 {
                write!(f, "{gap}{} {word}", grouped(count))?;
                gap = ", ";
            }
        }
        if gap.is_empty() { f.write_str("no tickets") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_there_is() {
        assert_eq!(Summary::default().to_string(), "no tickets");
        let summary = Summary { pending: 1204, completed: 31, failed: 2, ..Summary::default() };
        assert_eq!(summary.to_string(), "1,204 pending, 31 completed, 2 failed");
        assert_eq!(summary.total(), 1237);
        let summary = Summary { timed_out: 1, removed: 1, ..summary };
        assert_eq!(summary.to_string(), "1,204 pending, 31 completed, 2 failed, 1 timed out, 1 removed");
    }
}
