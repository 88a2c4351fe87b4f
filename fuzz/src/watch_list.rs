//! A watch list. The input is the file; it is read as one among two apps, and as one for the only app.

use std::collections::HashSet;

use feishu_export_watcher::config::{ConfigError, Problem, load_all};
use feishu_export_watcher::domain::{AppName, ExportRequest, WallTime, WatchEntry, unsafe_for_terminal};

use super::folder::Folder;
use super::report::assert_report;

/// 2026-11-22T10:00:00Z
const NOW: WallTime = WallTime::from_millis(1_795_341_600_000);

/// Holds a list of any bytes to what is promised of a watch list.
pub fn watch_list(bytes: &[u8]) -> bool {
    let folder = Folder::new();
    let two = ["default", "other"].map(AppName::new);
    let is_taken = [&two[..], &two[..1]].map(|apps| {
        folder.write("watcher.toml", configuration(apps));
        let (entries, problems) = read(&folder, bytes);
        assert_report(&problems, &folder.path().join("list.toml"), bytes);
        assert_eq!(entries.is_none(), problems.iter().any(Problem::is_error));
        let Some(entries) = entries else { return false };
        assert_entries(&entries, apps);
        assert_lasting(&folder, &entries);
        !entries.is_empty()
    });
    is_taken.contains(&true)
}

fn configuration(apps: &[AppName]) -> String {
    let mut text = "watchlist = ['list.toml']\n".to_owned();
    for app in apps {
        text += &format!("[apps.{app}]\nbase_url = 'https://open.feishu.cn'\napp_id = 'cli_{app}'\n");
        text += "app_secret = { file = 'secret' }\n";
    }
    text
}

/// The entries, if the list is taken, and everything that is said about it.
fn read(folder: &Folder, list: &[u8]) -> (Option<Vec<WatchEntry>>, Vec<Problem>) {
    folder.write("list.toml", list);
    match load_all(&folder.path().join("watcher.toml"), NOW) {
        Ok(loaded) => (Some(loaded.watch_list.entries), loaded.problems),
        Err(ConfigError(problems)) => (None, problems),
    }
}

fn assert_entries(entries: &[WatchEntry], apps: &[AppName]) {
    let mut keys = HashSet::new();
    for entry in entries {
        let (ticket, token) = (entry.key.id.as_str(), entry.token.as_str());
        let is_segment = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['/', '\\', '?', '#', '%'])
        };
        assert!((1..=128).contains(&ticket.len()) && is_segment(ticket), "{ticket:?}");
        assert!(ticket != "." && ticket != "..");
        assert!((1..=64).contains(&token.len()), "{token:?}");
        assert!(token.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#".contains(&byte)), "{token:?}");
        let label = entry.label.as_deref().unwrap_or_default();
        assert!(label.chars().count() <= 200 && !label.contains(unsafe_for_terminal), "{label:?}");
        assert!(apps.contains(&entry.key.app));
        assert!(keys.insert(&entry.key), "ticket {ticket} is handed out twice");
    }
}

/// What was taken is taken again, as it is, from a list that says the same.
fn assert_lasting(folder: &Folder, entries: &[WatchEntry]) {
    let text: String = entries.iter().map(written).collect();
    let (again, _) = read(folder, text.as_bytes());
    assert_eq!(again.as_deref(), Some(entries), "{text}");
}

fn written(entry: &WatchEntry) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let (ticket, token) = (quoted(entry.key.id.as_str()), quoted(entry.token.as_str()));
    let app = quoted(entry.key.app.as_str());
    let mut text = format!("[[ticket]]\nticket = {ticket}\ntoken = {token}\napp = {app}\n");
    if let Some(label) = &entry.label {
        text += &format!("label = {}\n", quoted(label));
    }
    if let Some(request) = entry.request.as_deref() {
        let ExportRequest { doc_type, file_extension, sub_id, .. } = request;
        for (key, word) in [("type", doc_type), ("file_extension", file_extension), ("sub_id", sub_id)] {
            text += &word.as_deref().map(|word| format!("{key} = {}\n", quoted(word))).unwrap_or_default();
        }
    }
    if let Some(created_at) = entry.created_at {
        text += &format!("created_at = {created_at}\n");
    }
    text
}
