//! What the shipped files hold for everybody to replace, and whether it was left in. Against a stand-in on this machine
//! it may well be meant.

use super::problem::{Problem, shown};
use super::settings::Config;
use crate::domain::WatchEntry;

/// The list of tickets.
pub(crate) const LIST: &str = include_str!("../../config/watchlist.toml");

/// The app id.
pub(crate) const APP_ID: &str = "cli_a1b2c3d4e5f6g7h8";

/// The tickets and the tokens of their documents.
const TICKETS: [(&str, &str); 2] = [
    ("6933093124755412345", "docbcZVGtv1papC6jAVGiyabcef"),
    ("6933093124755412346", "shtbcZVGtv1papC6jAVGiyabcdf"),
];

/// Warns of the shipped tickets among those that are to be asked about at a true server.
pub(super) fn find_tickets(config: &Config, entries: &[WatchEntry]) -> Vec<Problem> {
    let is_shipped = |entry: &&WatchEntry| TICKETS.contains(&(entry.key.id.as_str(), entry.token.as_str()));
    let is_real = |entry: &&WatchEntry| {
        config.apps.iter().any(|app| app.name == entry.key.app && !app.base_url.is_loopback())
    };
    let warn = |entry: &WatchEntry| {
        let ticket = shown(entry.key.id.as_str());
        let message = format!("ticket {ticket} is still that of the shipped example; list your own instead");
        Problem::warning(&entry.source, None, message)
    };
    entries.iter().filter(is_shipped).filter(is_real).map(warn).collect()
}
