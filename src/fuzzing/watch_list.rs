//! A watch list. The input is the file; it is read as one among two apps, and as one for the only app.

use std::collections::HashSet;

use super::deceptive::is_deceptive;
use super::report::assert_report;
use crate::config::Problem;
use crate::config::fuzzing::{ListReading, read_list};
use crate::domain::{AppName, ExportRequest, WallTime, WatchEntry};

/// 2026-11-22T10:00:00Z
const NOW: WallTime = WallTime::from_millis(1_795_341_600_000);

/// Bytes of the pieces that short inputs are cut into, as the program cuts those of megabytes.
const PIECES: [usize; 2] = [1, 40];

/// Holds a list of any bytes to what is promised of a watch list.
pub fn watch_list(bytes: &[u8]) {
    let two = ["default", "other"].map(AppName::new);
    for apps in [&two[..], &two[..1]] {
        let reading = read_list(bytes, Some(apps), NOW, None);
        assert_report(&reading.problems, bytes);
        assert_eq!(reading.is_rejected, reading.problems.iter().any(Problem::is_error));
        assert!(reading.names_what_it_gives);
        assert!(!reading.is_rejected || reading.entries.is_empty());
        assert_entries(&reading.entries, apps);
        assert_pieces(&reading, bytes, apps);
        assert_lasting(&reading.entries, apps);
    }
    assert_report(&read_list(bytes, None, NOW, None).problems, bytes);
}

fn assert_entries(entries: &[WatchEntry], apps: &[AppName]) {
    let mut keys = HashSet::new();
    for entry in entries {
        let (ticket, token) = (entry.key.ticket.as_str(), entry.token.as_str());
        let is_segment = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['/', '\\', '?', '#', '%'])
        };
        assert!((1..=128).contains(&ticket.len()) && is_segment(ticket), "{ticket:?}");
        assert!(ticket != "." && ticket != "..");
        assert!((1..=64).contains(&token.len()), "{token:?}");
        assert!(token.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#".contains(&byte)), "{token:?}");
        let label = entry.label.as_deref().unwrap_or_default();
        assert!(label.chars().count() <= 200 && !label.contains(is_deceptive), "{label:?}");
        assert!(apps.contains(&entry.key.app));
        assert!(keys.insert(&entry.key), "ticket {ticket} is handed out twice");
    }
}

/// Where a list is cut to be parsed changes nothing about a good one, and makes no bad one good.
fn assert_pieces(whole: &ListReading, bytes: &[u8], apps: &[AppName]) {
    for piece in PIECES {
        let cut = read_list(bytes, Some(apps), NOW, Some(piece));
        assert_report(&cut.problems, bytes);
        assert_eq!(cut.is_rejected, whole.is_rejected, "{:?} {:?}", cut.problems, whole.problems);
        if !whole.is_rejected {
            assert_eq!(cut.entries, whole.entries);
            assert_eq!(cut.problems, whole.problems);
        }
    }
}

/// What was taken is taken again, as it is, from a list that says the same.
fn assert_lasting(entries: &[WatchEntry], apps: &[AppName]) {
    let text: String = entries.iter().map(written).collect();
    let again = read_list(text.as_bytes(), Some(apps), NOW, None).entries;
    assert_eq!(again, entries, "{text}");
}

fn written(entry: &WatchEntry) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let (ticket, token) = (quoted(entry.key.ticket.as_str()), quoted(entry.token.as_str()));
    let app = quoted(entry.key.app.as_str());
    let mut text = format!("[[ticket]]\nticket = {ticket}\ntoken = {token}\napp = {app}\n");
    if let Some(label) = &entry.label {
        text += &format!("label = {}\n", quoted(label));
    }
    if let Some(request) = entry.request.as_deref() {
        let ExportRequest { doc_type, file_extension, sub_id } = request;
        for (key, word) in [("type", doc_type), ("file_extension", file_extension), ("sub_id", sub_id)] {
            text += &word.as_deref().map(|word| format!("{key} = {}\n", quoted(word))).unwrap_or_default();
        }
    }
    if let Some(created_at) = entry.created_at {
        text += &format!("created_at = {created_at}\n");
    }
    text
}
