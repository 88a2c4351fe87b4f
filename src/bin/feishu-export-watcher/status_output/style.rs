//! The few styles of the form for people. They add to words and never stand for them.

use anstyle::{AnsiColor, Style};
use feishu_export_watcher::domain::{FileState, TicketRecord, TicketState};

pub(crate) const PLAIN: Style = Style::new();
pub(crate) const HEAD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();

/// The style of the state that [`cells::state`](super::cells::state) names.
pub(crate) fn for_state(ticket: &TicketRecord) -> Style {
    match (ticket.file_state(), ticket.state) {
        (Some(FileState::Waiting), _) | (None, TicketState::Pending) => PLAIN,
        (Some(FileState::Saved), _) | (None, TicketState::Completed) => GOOD,
        (Some(FileState::Failed | FileState::Expired), _)
        | (None, TicketState::Failed | TicketState::TimedOut) => BAD,
        (None, TicketState::Removed) => DIM,
    }
}
