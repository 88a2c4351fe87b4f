//! Tickets as people look through them: a selection, in an order, a page at a time.

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::{AppName, FileState, TicketRecord, TicketState};

/// Some of the tickets of a selection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Which tickets.
    pub filter: Filter,
    /// In which order.
    pub order: Order,
    /// How many of the first are left out.
    pub offset: usize,
    /// How many are read at most.
    pub limit: usize,
}

/// A selection of tickets. An empty field leaves nothing out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only listed ones that a person has to look after: failed and timed out, with a file that is lost, or one that the
    /// disk refuses.
    pub needs_attention: bool,
    /// Only those with a file that was, or is to be, downloaded.
    pub has_file: bool,
    /// In this state.
    pub state: Option<TicketState>,
    /// With a file in this state.
    pub file: Option<FileState>,
    /// Of this app.
    pub app: Option<AppName>,
    /// With a label, or a file name, that holds this text; letters of ASCII in upper or lower case.
    pub label: Option<String>,
    /// With a document or a ticket whose link, token or id holds this text.
    pub document: Option<String>,
}

/// An order of tickets. Those that are equal stand in the order of app and ticket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Order {
    /// Failed and timed out, then those with lost files, the latest first; waiting files, the most urgent first; pending
    /// ones, the oldest first; completed ones, the latest first; removed ones and those that no list names.
    #[default]
    Attention,
    /// First seen last.
    Newest,
    /// Ended last; pending ones at the end.
    Ended,
    /// Polled next; ended ones at the end.
    Next,
    /// App and ticket.
    Name,
    /// Files that wait, by the end of their lives, those of unknown age first; then the others, saved or ended last.
    TimeLeft,
}

impl Order {
    /// Every order.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The name in links.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What a [`Listing`] holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The tickets asked for.
    pub tickets: Vec<TicketRecord>,
    /// How many the whole selection has.
    pub total: usize,
}
