//! The few styles of the form for people. They add to words and never stand for them.

use anstyle::{AnsiColor, Style};
use feishu_export_watcher::domain::TicketState;

pub(crate) const PLAIN: Style = Style::new();
pub(crate) const HEAD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();

/// The style of a state's name.
pub(crate) const fn for_state(state: TicketState) -> Style {
    match state {
        TicketState::Pending => PLAIN,
        TicketState::Completed => GOOD,
        TicketState::Failed | TicketState::TimedOut => BAD,
        TicketState::Removed => DIM,
    }
}
