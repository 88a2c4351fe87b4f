//! `status`: what the state file knows, also while the daemon runs.

use crate::config::Config;
use crate::domain::{TicketRecord, TicketState};
use crate::store::{StoreError, read_only};
use crate::watch::Counts;

/// What is known about every ticket.
#[derive(Clone, Debug)]
pub struct StatusReport {
    /// All tickets by state, whatever was asked for.
    pub summary: Counts,
    /// The tickets asked for, in the order of app and ticket.
    pub tickets: Vec<TicketRecord>,
    /// Whether there is a state file at all.
    pub exists: bool,
}

/// Reads the state file. Takes no lock, writes nothing.
///
/// # Errors
/// The file can't be read, is no state file, or is a newer version's.
pub fn status(config: &Config, states: &[TicketState]) -> Result<StatusReport, StoreError> {
    let found = read_only(&config.state.path)?;
    let exists = found.is_some();
    let mut tickets = found.unwrap_or_default().tickets;
    let summary = tickets.iter().map(|ticket| ticket.state).collect();
    if !states.is_empty() {
        tickets.retain(|ticket| states.contains(&ticket.state));
    }
    tickets.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(StatusReport { summary, tickets, exists })
}
