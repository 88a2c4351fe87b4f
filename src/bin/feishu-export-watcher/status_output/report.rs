//! The content of what `status` prints, in every form.

use anstyle::Style;
use feishu_export_watcher::AppReport;
use feishu_export_watcher::domain::{Counts, FileCounts, HookStatus, TicketRecord, WallTime};
use jiff::tz::TimeZone;

use super::style;
use crate::terminal::Screen;

/// The content.
pub(crate) struct Report<'a> {
    /// The tickets to show, filtered and sorted.
    pub(crate) tickets: &'a [TicketRecord],
    /// How many more were asked for.
    pub(crate) omitted: usize,
    /// Counts over all tickets, shown or not.
    pub(crate) summary: Counts,
    /// Counts over all files.
    pub(crate) files: FileCounts,
    /// The apps that were asked for, by name.
    pub(crate) apps: &'a [AppReport],
    /// How the hooks do that the state file knows.
    pub(crate) hooks: &'a [HookStatus],
    /// Whether a watcher runs, so that times to come hold.
    pub(crate) is_watched: bool,
    /// The present moment.
    pub(crate) now: WallTime,
    /// The time zone of people.
    pub(crate) zone: TimeZone,
    /// The screen it is printed to.
    pub(crate) screen: Screen,
}

impl Report<'_> {
    /// The style, or none where the screen shows no colours.
    pub(crate) const fn style(&self, style: Style) -> Style {
        if self.screen.colour { style } else { style::PLAIN }
    }
}
