//! What the shipped files hold for everybody to replace, and whether it was left in. Against a stand-in on this machine
//! it may well be meant.

use super::problem::{Problem, shown};
use super::settings::Config;
use crate::domain::WatchEntry;

/// The list of tickets.
pub(crate) const LIST: &str = include_str!("../../config/watchlist.toml");

/// The app id.
pub(crate) const APP_ID: &str = "cli_a1b2c3d4e5f6g7h8";

/// The tickets and documents, with the tokens of the documents.
const ENTRIES: [(&str, &str); 4] = [
    ("6933093124755412345", "docbcZVGtv1papC6jAVGiyabcef"),
    ("6933093124755412346", "shtbcZVGtv1papC6jAVGiyabcdf"),
    ("docx/doxcnZVGtv1papC6jAVGiyabcef/pdf", "doxcnZVGtv1papC6jAVGiyabcef"),
    ("sheet/shtbcZVGtv1papC6jAVGiyabcdf/csv/0b1e2f", "shtbcZVGtv1papC6jAVGiyabcdf"),
];

/// Warns of the shipped entries among those that are to be asked about at a true server.
pub(super) fn find_entries(config: &Config, entries: &[WatchEntry]) -> Vec<Problem> {
    let is_shipped = |entry: &&WatchEntry| ENTRIES.contains(&(entry.key.id.as_str(), entry.token.as_str()));
    let is_real = |entry: &&WatchEntry| {
        config.apps.iter().any(|app| app.name == entry.key.app && !app.base_url.is_loopback())
    };
    let warn = |entry: &WatchEntry| {
        let kind = if entry.key.id.is_document() { "document" } else { "ticket" };
        let id = shown(entry.key.id.as_str());
        let message = format!("{kind} {id} is still that of the shipped example; list your own instead");
        Problem::warning(&entry.source, None, message)
    };
    entries.iter().filter(is_shipped).filter(is_real).map(warn).collect()
}
