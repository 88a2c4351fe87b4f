//! `watcher.toml`. The input is the file.

use std::path::Path;
use std::time::Duration;

use feishu_export_watcher::config::{
    Config, ConfigError, DownloadConfig, PollConfig, Problem, WatchSourceKind, load,
};
use feishu_export_watcher::domain::{
    App, BaseUrl, Credentials, Hook, HookTarget, NAME_FOLDERS_MAX, NamePart, SecretSource,
    event::HOOK_EVENTS, parse_directives, unsafe_for_terminal,
};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::folder::Folder;
use super::report::assert_report;

/// Stands in the inputs where a secret may have been pasted.
const CANARY: &str = "CANARY";

const DAY: Duration = Duration::from_secs(86_400);

/// Holds a file of any bytes to what is promised of `watcher.toml`.
pub fn config(bytes: &[u8]) -> bool {
    let folder = Folder::new();
    let path = folder.write("watcher.toml", bytes);
    let reading = load(&path);
    assert_eq!(format!("{reading:?}"), format!("{:?}", load(&path)), "two readings differ");
    let (config, problems) = match reading {
        Ok((config, problems)) => (Some(config), problems),
        Err(ConfigError(problems)) => (None, problems),
    };
    assert_report(&problems, &path, bytes);
    assert_eq!(config.is_none(), problems.iter().any(Problem::is_error));
    assert_silence(&problems, bytes);
    config.iter().for_each(assert_in_bounds);
    config.is_some()
}

/// No message repeats what may be a secret: a value, or a key among the apps.
fn assert_silence(problems: &[Problem], bytes: &[u8]) {
    let is_nested = |problem: &Problem| problem.message.contains("nested deeper");
    let Ok(text) = str::from_utf8(bytes) else { return };
    if problems.iter().any(is_nested) {
        // More than the parser that looks for the values could take.
        return;
    }
    let (root, _) = DeTable::parse_recoverable(text);
    let mut found = Found::default();
    found.look_into(root.get_ref(), false);
    let is_secret =
        |value: &&&str| looks_secret(value) && !found.names.iter().any(|name| name.contains(**value));
    let secrets: Vec<_> = found.values.iter().filter(is_secret).collect();
    let is_named = found.names.iter().any(|name| name.contains(CANARY));
    for problem in problems {
        let message = &problem.message;
        assert!(is_named || !message.contains(CANARY), "repeats a secret: {message}");
        for secret in &secrets {
            assert!(!message.contains(**secret), "repeats the value {secret}: {message}");
        }
    }
}

/// A word of letters and digits, and longer than any such word in a message.
fn looks_secret(text: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| text.as_bytes().iter().any(&kind);
    text.len() >= 10
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
}

/// What stands in a document.
#[derive(Default)]
struct Found<'d> {
    values: Vec<&'d str>,
    /// Keys that a message may name: those outside `apps`, and the apps' own.
    names: Vec<&'d str>,
}

impl<'d> Found<'d> {
    fn look_into(&mut self, table: &'d DeTable<'d>, among_apps: bool) {
        for (key, value) in table {
            if !among_apps {
                self.names.push(key.get_ref());
            }
            // An app's name is none of its secrets.
            if let (false, "apps", DeValue::Table(apps)) = (among_apps, &**key.get_ref(), value.get_ref()) {
                self.names.extend(apps.keys().map(|name| &**name.get_ref()));
            }
            let within = among_apps || key.get_ref() == "apps";
            self.look_at(value, within);
        }
    }

    fn look_at(&mut self, value: &'d Spanned<DeValue<'d>>, among_apps: bool) {
        match value.get_ref() {
            DeValue::String(text) => self.values.push(text),
            DeValue::Array(values) => values.iter().for_each(|value| self.look_at(value, among_apps)),
            DeValue::Table(table) => self.look_into(table, among_apps),
            _ => {}
        }
    }
}

fn assert_in_bounds(config: &Config) {
    assert!(!config.watchlist.is_empty() && !config.apps.is_empty());
    for source in &config.watchlist {
        match &source.kind {
            WatchSourceKind::File(path) => assert_path(path),
            WatchSourceKind::Glob(pattern) => {
                assert_path(Path::new(pattern));
                assert!(!pattern.split('/').any(|part| part == "**"), "{pattern}");
            }
        }
    }
    assert_path(&config.state.path);
    assert!(config.state.keep <= 3650 * DAY);
    config.log.file.iter().for_each(|file| assert_path(file));
    assert!(parse_directives(&config.log.level).is_ok());
    assert_poll(&config.poll);
    config.download.iter().for_each(assert_download);
    if let Some(server) = config.server {
        assert_ne!(server.listen.port(), 0);
    }
    assert!(config.hooks.len() <= 32);
    config.hooks.iter().for_each(assert_hook);
    for pair in config.apps.windows(2) {
        assert!(pair[0].name < pair[1].name);
    }
    config.apps.iter().for_each(assert_app);
}

fn assert_path(path: &Path) {
    assert!(path.is_absolute(), "{}", path.display());
    assert!(!path.to_string_lossy().contains(unsafe_for_terminal), "{path:?}");
}

fn assert_poll(poll: &PollConfig) {
    let milli = Duration::from_millis(1);
    assert!((milli..=DAY).contains(&poll.backoff.initial()));
    assert!((poll.backoff.initial()..=DAY).contains(&poll.backoff.longest()));
    for (attempt, unit) in [(0, 0.0), (1, 1.0), (u32::MAX, 1.0)] {
        let interval = poll.backoff.interval(attempt, unit);
        assert!(!interval.is_zero() && interval <= 2 * DAY, "{interval:?}");
    }
    assert!((milli..=3650 * DAY).contains(&poll.give_up_after));
    assert!((10 * milli..=Duration::from_secs(300)).contains(&poll.request_timeout));
    assert!(poll.max_in_flight.get() <= 1024);
}

fn assert_download(download: &DownloadConfig) {
    assert_path(&download.folder);
    assert!(download.name.folders() <= NAME_FOLDERS_MAX);
    assert!(download.name.parts().iter().any(|part| matches!(part, NamePart::Field(_))));
    assert!(download.max_in_flight.get() <= 64);
    assert!((Duration::from_secs(1)..=Duration::from_secs(600)).contains(&download.idle_timeout));
    assert!(download.mode <= 0o777 && download.mode & 0o600 == 0o600, "{:o}", download.mode);
}

fn assert_hook(hook: &Hook) {
    assert!(!hook.events.is_empty() && hook.events.iter().all(|event| HOOK_EVENTS.contains(event)));
    assert!((Duration::from_secs(1)..=Duration::from_secs(600)).contains(&hook.timeout));
    match &hook.target {
        HookTarget::Command(words) => assert!(!words[0].is_empty() && !words.concat().contains('\0')),
        HookTarget::Webhook(webhook) => {
            let url = &webhook.url;
            assert!(["http", "https"].contains(&url.scheme()) && url.host_str().is_some());
            assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
        }
    }
}

fn assert_app(app: &App) {
    let is_word = |text: &str, more: &str| {
        (1..=128).contains(&text.len())
            && text.chars().all(|letter| letter.is_ascii_alphanumeric() || more.contains(letter))
    };
    assert!(is_word(app.name.as_str(), "-_"), "{}", app.name);
    assert!((1..=128).contains(&app.app_id.len()) && app.app_id.bytes().all(|byte| byte.is_ascii_graphic()));
    assert_url(&app.base_url);
    let (Credentials::AppSecret(source) | Credentials::AccessToken(source)) = &app.credentials;
    match source {
        SecretSource::File(path) => assert_path(path),
        SecretSource::Env(name) => assert!(is_word(name, "_") && !name.as_bytes()[0].is_ascii_digit()),
        SecretSource::Credential(name) => {
            assert!(is_word(name, "._-") && ![".", ".."].contains(&name.as_str()));
        }
    }
    assert!(app.rate_limit.requests.get() <= 10_000);
    assert!((Duration::from_millis(1)..=DAY).contains(&app.rate_limit.per));
    if let Some(tenant) = &app.tenant {
        assert!(is_word(&tenant.name, "-_"), "{}", tenant.name);
        assert!((1..=1_000_000_000).contains(&tenant.monthly_calls), "{}", tenant.monthly_calls);
    }
}

/// Access tokens travel encrypted, or not at all beyond this machine.
fn assert_url(base_url: &BaseUrl) {
    let url = base_url.as_url();
    let host = url.host_str().unwrap_or_default();
    let is_here =
        host == "localhost" || host == "[::1]" || host.starts_with("127.") || host.starts_with("[::ffff:7f");
    assert!(!host.is_empty());
    assert!(url.scheme() == "https" || url.scheme() == "http" && is_here, "{url}");
    assert!(url.username().is_empty() && url.password().is_none() && url.path() == "/", "{url}");
    assert!(url.query().is_none() && url.fragment().is_none(), "{url}");
}
