//! A watch list. The input is the file; it is read as one among two apps, and as one for the only app.

use std::collections::HashSet;

use feishu_export_watcher::config::{ConfigError, Problem, load_all};
use feishu_export_watcher::domain::{
    DocumentType, ExportRequest, Format, Link, Platform, WallTime, WatchEntry, unsafe_for_terminal,
};

use super::folder::Folder;
use super::report::assert_report;

/// 2026-11-22T10:00:00Z
const NOW: WallTime = WallTime::from_millis(1_795_341_600_000);

/// The apps, and whose documents each can export.
const APPS: [(&str, Platform); 2] = [("default", Platform::Feishu), ("other", Platform::Lark)];

/// Holds a list of any bytes to what is promised of a watch list.
pub fn watch_list(bytes: &[u8]) -> bool {
    let folder = Folder::new();
    let is_taken = [&APPS[..], &APPS[..1]].map(|apps| {
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

fn configuration(apps: &[(&str, Platform)]) -> String {
    let mut text = "watchlist = ['list.toml']\n".to_owned();
    for (app, platform) in apps {
        let host = platform.api_host();
        text += &format!("[apps.{app}]\nbase_url = 'https://{host}'\napp_id = 'cli_{app}'\n");
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

fn assert_entries(entries: &[WatchEntry], apps: &[(&str, Platform)]) {
    let mut keys = HashSet::new();
    for entry in entries {
        let (id, token) = (entry.key.id.as_str(), entry.token.as_str());
        assert!((1..=64).contains(&token.len()), "{token:?}");
        assert!(token.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#".contains(&byte)), "{token:?}");
        let label = entry.label.as_deref().unwrap_or_default();
        assert!(label.chars().count() <= 200 && !label.contains(unsafe_for_terminal), "{label:?}");
        let app = apps.iter().find(|(app, _)| *app == entry.key.app.as_str());
        assert!(app.is_some(), "{}", entry.key.app);
        if entry.key.id.is_document() {
            app.iter().for_each(|(_, platform)| assert_document(entry, *platform));
        } else {
            assert_ticket(id);
        }
        assert!(keys.insert(&entry.key), "{id} is handed out twice");
    }
}

/// One segment of a request's path.
fn assert_ticket(ticket: &str) {
    let is_segment = |byte: u8| byte.is_ascii_graphic() && !b"/\\?#%".contains(&byte);
    assert!((1..=128).contains(&ticket.len()) && ticket.bytes().all(is_segment), "{ticket:?}");
    assert!(ticket != "." && ticket != "..");
}

/// A file that can be made of the document, by the app that is to make it.
fn assert_document(entry: &WatchEntry, platform: Platform) {
    let id = entry.key.id.as_str();
    let request = entry.request.as_deref().cloned().unwrap_or_default();
    let [kind, format] =
        [&request.doc_type, &request.file_extension].map(|word| word.as_deref().unwrap_or_default());
    let (known_kind, known_format) = (kind.parse::<DocumentType>(), format.parse::<Format>());
    let fits = known_kind.is_ok_and(|kind| known_format.is_ok_and(|format| kind.allows(format)));
    assert!(fits, "{kind} as {format}");
    assert_eq!(format == "csv", request.sub_id.is_some(), "{id}");
    let sub_id = request.sub_id.as_deref().map(|sub_id| format!("/{sub_id}")).unwrap_or_default();
    assert_eq!(id, format!("{kind}/{}/{format}{sub_id}", entry.token));
    assert!(
        sub_id.bytes().skip(1).all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
        "{sub_id}"
    );
    assert_eq!(entry.created_at, None);
    let Some(url) = request.url.as_deref() else { return };
    assert!(!url.contains(|letter: char| letter.is_whitespace() || unsafe_for_terminal(letter)), "{url:?}");
    let link = Link::parse(url);
    let is_same = link.is_ok_and(|link| {
        link.token == entry.token
            && link.kind.as_str() == kind
            && link.platform.is_none_or(|home| home == platform)
    });
    assert!(is_same, "{url}");
}

/// What was taken is taken again, as it is, from a list that says the same.
fn assert_lasting(folder: &Folder, entries: &[WatchEntry]) {
    let text: String = entries.iter().map(written).collect();
    let (again, _) = read(folder, text.as_bytes());
    assert_eq!(again.as_deref(), Some(entries), "{text}");
}

fn written(entry: &WatchEntry) -> String {
    let ExportRequest { doc_type, file_extension, sub_id, url } =
        entry.request.as_deref().cloned().unwrap_or_default();
    let (id, token, app) = (entry.key.id.as_str(), entry.token.as_str(), entry.key.app.as_str());
    let mut lines = Vec::new();
    let mut line = |key: &str, text: Option<&str>| {
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        lines.extend(text.map(|text| format!("{key} = {}\n", quoted(text))));
    };
    let is_document = entry.key.id.is_document();
    let is_linked = url.is_some();
    line("url", url.as_deref());
    line("ticket", Some(id).filter(|_| !is_document));
    line("token", Some(token).filter(|_| !is_linked));
    line("type", doc_type.as_deref().filter(|_| !is_linked));
    line(if is_document { "format" } else { "file_extension" }, file_extension.as_deref());
    line("sub_id", sub_id.as_deref());
    line("app", Some(app));
    line("label", entry.label.as_deref());
    lines.extend(entry.created_at.map(|created_at| format!("created_at = {created_at}\n")));
    lines.push(format!("download = {}\n", entry.download));
    let header = if is_document { "[[document]]\n" } else { "[[ticket]]\n" };
    header.to_owned() + &lines.concat()
}
