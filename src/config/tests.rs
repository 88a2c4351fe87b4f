//! Whole files against whole reports.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;

use super::apps::NamedApp;
use super::problem::Problem;
use super::watch_list;
use super::*;
use super::{apps, document_entry, download, entry, hooks, secret_source, server, shipped, tenants, watcher};
use crate::domain::{AppName, Credentials, SecretSource, WallTime};

mod documents;
mod files;

const SHIPPED_LIST: &str = include_str!("../../config/watchlist.toml");

/// Three tickets and two documents, one of each twice.
const LISTED: &str = "[[ticket]]\nticket = '1'\ntoken = 'a'\napp = 'default'\nlabel = 'x'\n\
    [[ticket]]\nticket = '2'\ntoken = 'b'\napp = 'other'\ncreated_at = 2026-11-22T10:00:00Z\n\
    [[document]]\nurl = 'https://a.feishu.cn/docx/d?x=1#y'\nformat = 'pdf'\napp = 'other'\n\
    [[ticket]]\nticket = '1'\ntoken = 'a'\napp = 'default'\n\
    [[document]]\ntoken = 'e'\ntype = 'sheet'\nformat = 'csv'\nsub_id = 'f'\napp = 'default'\nlabel = 'y'\n\
    [[document]]\ntoken = 'd'\ntype = 'docx'\nformat = 'pdf'\napp = 'other'\ndownload = false\n\
    [[ticket]]\nticket = '3'\ntoken = \"c\"\napp = 'other'\n";

fn now() -> WallTime {
    WallTime::from("2026-11-22T10:00:00Z".parse::<Timestamp>().unwrap())
}

/// An app whose host does not say whose documents it can export.
fn named(name: &str) -> NamedApp {
    NamedApp { name: AppName::new(name), platform: None }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

fn check_watcher(text: &str) -> watcher::WatcherFile {
    watcher::check(&Path::new("watcher.toml").into(), text)
}

fn check_list(text: &str) -> Lists {
    let apps = [named("default"), named("other")];
    watch_list::check(&Path::new("list.toml").into(), text, Some(&apps), now())
}

/// Every `*.toml` below `testdata/{folder}` with the report that lies beside it as `*.txt`.
/// `UPDATE_REPORTS=1` writes the reports instead, to be read before they are committed.
fn compare_reports(folder: &str, check: impl Fn(&str) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/testdata").join(folder);
    let files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let documents = files.iter().filter(|path| path.extension().is_some_and(|ending| ending == "toml"));
    for path in documents {
        let report = check(&fs::read_to_string(path).unwrap());
        let expected = path.with_extension("txt");
        if std::env::var_os("UPDATE_REPORTS").is_some() {
            fs::write(expected, report).unwrap();
        } else {
            assert_eq!(report, fs::read_to_string(expected).unwrap(), "{}", path.display());
        }
    }
}

#[test]
fn bad_watcher_files_yield_their_reports() {
    compare_reports("watcher", |text| {
        let reading = check_watcher(text);
        assert_eq!(reading.config.is_none(), reading.problems.iter().any(Problem::is_error));
        lines(&reading.problems)
    });
}

#[test]
fn bad_watch_lists_yield_their_reports() {
    compare_reports("watch_list", |text| lines(&check_list(text).problems));
}

#[test]
fn the_shipped_files_are_valid() {
    let reading = check_watcher(&watcher::DEFAULTS.replace(shipped::APP_ID, "cli_1"));
    assert_eq!(lines(&reading.problems), "");
    let config = reading.config.unwrap();
    assert_eq!(config.apps.len(), 1);
    assert!(matches!(config.apps[0].credentials, Credentials::AppSecret(_)));
    assert_eq!(config.apps[0].rate_limit, apps::USUAL_LIMIT);
    let list = check_list(&SHIPPED_LIST.replace("app = ", "# app = "));
    assert!(lines(&list.problems).contains("`app` is missing"));
    let only = [named("default")];
    let list = watch_list::check(&Path::new("list.toml").into(), SHIPPED_LIST, Some(&only), now());
    assert_eq!(lines(&list.problems), "");
    assert_eq!(list.into_list().entries.len(), 2);
    let list = watch_list::check(&Path::new("list.toml").into(), &with_documents(), Some(&only), now());
    assert_eq!(lines(&list.problems), "");
    assert_eq!(list.into_list().entries.len(), 4);
}

/// The shipped list with the documents that stand there in comments.
fn with_documents() -> String {
    let start = SHIPPED_LIST.find("# [[document]]").unwrap();
    let is_key = |line: &str| line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let lines = SHIPPED_LIST[start..].lines().map(|line| match line.strip_prefix("# ") {
        Some(code) if code.starts_with("[[") || is_key(code) => format!("{code}\n"),
        _ => format!("{line}\n"),
    });
    SHIPPED_LIST[..start].to_owned() + &lines.collect::<String>()
}

/// Promise: where a shipped configuration names a folder that lies beside it, that is there.
#[test]
fn shipped_folders_are_there() {
    for folder in ["config", "deploy/docker/config"] {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("watchlist.d").is_dir(), "{folder}");
    }
}

/// Promise: a shipped app id that was left in place is a warning, but not against a stand-in on this machine.
#[test]
fn a_shipped_app_id_is_noticed() {
    let files = [
        watcher::DEFAULTS,
        include_str!("../../deploy/systemd/watcher.toml"),
        include_str!("../../deploy/docker/config/watcher.toml"),
        include_str!("../../deploy/kubernetes/watcher.toml"),
    ];
    for text in files {
        let reading = check_watcher(text);
        let [problem] = &reading.problems[..] else { panic!("{}", lines(&reading.problems)) };
        assert!(
            !problem.is_error() && problem.to_string().contains("warning: `app_id` is still"),
            "{problem}"
        );
        let at_home = text.replace("\"https://open.feishu.cn\"", "\"http://127.0.0.1:8080\"");
        assert_eq!(lines(&check_watcher(&at_home).problems), "");
    }
}

/// Promise: shipped entries that were left in a list cause a warning, but not where the API is on this machine.
#[test]
fn shipped_entries_are_noticed() {
    let only = [named("default")];
    let warnings = |base_url: &str, list: &str| {
        let watcher = watcher::DEFAULTS.replace("https://open.feishu.cn", base_url);
        let list = watch_list::check(&Path::new("list.toml").into(), list, Some(&only), now());
        lines(&shipped::find_entries(&check_watcher(&watcher).config.unwrap(), &list.into_list().entries))
    };
    let expected = [
        "ticket `6933093124755412345`",
        "ticket `6933093124755412346`",
        "document `docx/doxcnZVGtv1papC6jAVGiyabcef/pdf`",
        "document `sheet/shtbcZVGtv1papC6jAVGiyabcdf/csv/0b1e2f`",
    ];
    let expected = expected.map(|entry| {
        format!("list.toml: warning: {entry} is still that of the shipped example; list your own instead\n")
    });
    assert_eq!(warnings("https://open.larksuite.com", SHIPPED_LIST), expected[..2].concat());
    assert_eq!(warnings("https://open.feishu.cn", &with_documents()), expected.concat());
    assert_eq!(warnings("http://127.0.0.1:8080", SHIPPED_LIST), "");
    assert_eq!(warnings("https://open.feishu.cn", &SHIPPED_LIST.replace("693309", "693308")), "");
}

#[test]
fn what_a_file_leaves_out_is_as_the_shipped_file_says() {
    let shipped = check_watcher(watcher::DEFAULTS).config.unwrap();
    let apps = &watcher::DEFAULTS[watcher::DEFAULTS.find("[apps.default]").unwrap()..];
    for sections in ["", "[state]\n[log]\n[poll]\n"] {
        let text = format!("watchlist = [\"a\"]\n{sections}{apps}");
        let config = check_watcher(&text).config.unwrap();
        assert_eq!(config.state, shipped.state);
        assert_eq!(config.log, shipped.log);
        assert_eq!(config.poll, shipped.poll);
    }
    let config = check_watcher(&format!("watchlist = [\"a\"]\npoll.jitter = 0\n{apps}")).config.unwrap();
    assert_eq!(config.poll.max_in_flight, shipped.poll.max_in_flight);
    assert_ne!(config.poll.backoff, shipped.poll.backoff);
}

#[test]
fn watchlist_and_apps_are_never_filled_in() {
    let report = lines(&check_watcher("").problems);
    assert!(report.contains("`watchlist` is missing") && report.contains("`apps` is missing"), "{report}");
}

#[test]
fn the_shipped_files_name_every_key() {
    let watcher_keys = [
        watcher::KEYS,
        watcher::STATE_KEYS,
        watcher::LOG_KEYS,
        watcher::POLL_KEYS,
        download::DOWNLOAD_KEYS,
        server::SERVER_KEYS,
        hooks::HOOK_KEYS,
        apps::APP_KEYS,
        secret_source::SOURCE_KEYS,
        apps::RATE_LIMIT_KEYS,
        tenants::TENANT_KEYS,
    ];
    for key in watcher_keys.concat() {
        let is_named =
            [format!("{key} = "), format!("[{key}")].iter().any(|form| watcher::DEFAULTS.contains(form));
        assert!(is_named, "{key}");
    }
    for key in [entry::TICKET_KEYS, document_entry::DOCUMENT_KEYS].concat() {
        assert!(SHIPPED_LIST.contains(&format!("{key} = ")), "{key}");
    }
}

#[test]
fn no_message_holds_a_secret() {
    let bodies = [
        "app_secret = 'CANARY'",
        "app_secret = CANARY",
        "app_secret = \"CANARY",
        "app_secret = \"\"\"\nCANARY",
        "app_secret =\nCANARY",
        "app_secret 'CANARY'",
        "app_secret: CANARY",
        "app_secret = CANARY = 1",
        "app_secret = { CANARY }",
        "app_secret = { CANARY = 1 }",
        "app_secret = { file = { CANARY = 1 } }",
        "app_secret = { env = 'CANARY-' }",
        "app_secret = { credential = 'CANARY/' }",
        "app_secret = { file = 'x\\u0000CANARY",
        "app_secret = ['CANARY']",
        "app_secret.CANARY = 1",
        "app_secret = { file = 'CANARY', env = 'CANARY' }",
        "app_secrte = 'CANARY'",
        "secret = 'CANARY'",
        "CANARY = 1",
        "'CANARY ' = 1",
        "access_token = 'CANARY'",
        "base_url = 'https://user:CANARY@open.feishu.cn'",
        "base_url = 'CANARY'",
        "app_id = 'CANARY CANARY'",
        "rate_limit = { requests = 'CANARY', per = 'CANARY' }",
        "app_secret = 'CANARY'\napp_secret = 'CANARY'",
        "app_secret = 'x'\napp_secret.CANARY = 1",
        "[apps.default.app_secret]\nCANARY = 'CANARY'",
        "[apps.default]\napp_secret = 'CANARY'",
        "\u{0}CANARY",
        "app_secret = 'CANARY'\n[apps.default.CANARY",
    ];
    for header in ["[apps.default]\n", "[apps.default\n", "[apps]\n", "[[apps]]\n", "[app.default]\n", ""] {
        for body in bodies {
            let text = format!("watchlist = ['a']\n{header}{body}\n");
            let reading = check_watcher(&text);
            let report = lines(&reading.problems);
            assert!(reading.config.is_none(), "{text}");
            // Outside `apps` a key is named; the name of a top-level key is never a secret.
            let is_named = header.is_empty() && ["CANARY = 1", "'CANARY ' = 1"].contains(&body);
            assert!(!report.contains("CANARY") || is_named, "{text}\n{report}");
        }
    }
}

/// Cuts, doubles or replaces a stretch of a valid file.
fn mutated(text: &'static str) -> impl Strategy<Value = String> {
    let length = text.len();
    (0..length, 0..40_usize, ".{0,12}|\\PC{0,3}|[\\[\\]{}=\"'.,\n#]{0,6}").prop_map(move |(at, cut, new)| {
        let start = text.floor_char_boundary(at);
        let end = text.floor_char_boundary((start + cut).min(length));
        [&text[..start], &new, &text[end.max(start)..]].concat()
    })
}

proptest! {
    #[test]
    fn arbitrary_text_is_checked_without_panic(text in "\\PC*|[a-z\\[\\]{}=\"'.,\n# 0-9\u{0}-\u{20}]*") {
        let _ = check_watcher(&text);
        let _ = check_list(&text);
    }

    /// Promise: where a list is cut to be parsed changes nothing about a good one, and makes no bad one good.
    #[test]
    fn parts_say_what_the_whole_says(list in mutated(LISTED), part in 1..80_usize) {
        let (path, apps) = (Path::new("list.toml").into(), [named("default"), named("other")]);
        let cut = watch_list::check_in_parts(&path, &list, Some(&apps), now(), part);
        let whole = check_list(&list);
        prop_assert_eq!(&cut.rejected, &whole.rejected, "{:?} {:?}", cut.problems, whole.problems);
        if whole.rejected.is_empty() {
            prop_assert_eq!(&cut.problems, &whole.problems);
            prop_assert_eq!(cut.into_list().entries, whole.into_list().entries);
        }
    }

    #[test]
    fn damaged_files_are_checked_without_panic(watcher in mutated(watcher::DEFAULTS), list in mutated(SHIPPED_LIST)) {
        let reading = check_watcher(&watcher);
        prop_assert_eq!(reading.config.is_none(), reading.problems.iter().any(Problem::is_error));
        for problem in reading.problems.iter().chain(&check_list(&list).problems) {
            prop_assert!(!problem.to_string().contains(char::is_control));
        }
    }
}

#[test]
fn moments_are_read_as_toml_writes_them() {
    for (text, expected) in [
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00.000Z"),
        ("2026-11-22 18:00:00.25+08:00", "2026-11-22T10:00:00.250Z"),
        ("2026-11-22t09:59z", "2026-11-22T09:59:00.000Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000Z"),
    ] {
        let list =
            check_list(&format!("[[ticket]]\nticket = '1'\ntoken = 'd'\napp = 'other'\ncreated_at = {text}"));
        assert_eq!(lines(&list.problems), "", "{text}");
        assert_eq!(
            list.into_list().entries[0].created_at.map(|at| at.to_string()).as_deref(),
            Some(expected)
        );
    }
}

#[test]
fn what_an_export_was_created_with_is_taken() {
    let head = "[[ticket]]\nticket = '1'\ntoken = 'd'\napp = 'other'\n";
    let list = check_list(&format!("{head}type = 'sheet'\nfile_extension = 'csv'\nsub_id = '0b1e2f'\n"));
    assert_eq!(lines(&list.problems), "");
    let request = list.into_list().entries.remove(0).request.unwrap();
    let words = [&request.doc_type, &request.file_extension, &request.sub_id].map(|word| word.as_deref());
    assert_eq!(words, [Some("sheet"), Some("csv"), Some("0b1e2f")]);
    assert_eq!(check_list(head).into_list().entries[0].request, None);
}

/// Promise: the file of an export is saved unless its entry says otherwise.
#[test]
fn an_entry_may_have_no_download() {
    let head = "[[ticket]]\nticket = '1'\ntoken = 'd'\napp = 'other'\n";
    for (line, expected) in [("", true), ("download = true\n", true), ("download = false\n", false)] {
        let list = check_list(&format!("{head}{line}"));
        assert_eq!(lines(&list.problems), "");
        assert_eq!(list.into_list().entries[0].download, expected, "{line}");
    }
    for (line, expected) in [
        ("download = 'no'", "5:12: error: `download`: expected true or false, found a string"),
        ("downlaod = false", "5:1: error: unknown key `downlaod`; did you mean `download`?"),
    ] {
        let list = check_list(&format!("{head}{line}"));
        assert_eq!(lines(&list.problems), format!("list.toml:{expected}\n"));
    }
}

/// Promise: a moment whose form in UTC RFC 3339 does not allow is refused, and so nowhere shown.
#[test]
fn moments_of_another_age_are_refused() {
    for text in ["0000-01-01T00:00:00+23:59", "1969-12-31T23:59:59.999Z"] {
        let list =
            check_list(&format!("[[ticket]]\nticket = '1'\ntoken = 'd'\napp = 'other'\ncreated_at = {text}"));
        let report = lines(&list.problems);
        assert!(report.starts_with("list.toml:5:14: error: `created_at` lies before 1970; "), "{report}");
    }
}

#[test]
fn both_kinds_of_credentials_and_all_places_are_accepted() {
    let app = |key, value| {
        let text = format!(
            "watchlist = ['a']\n[apps.x]\nbase_url = 'http://127.0.0.1:8080'\napp_id = 'cli_a'\n{key} = {value}"
        );
        check_watcher(&text).config.unwrap().apps.remove(0).credentials
    };
    let file = SecretSource::File("s".into());
    assert_eq!(app("app_secret", "{ file = 's' }"), Credentials::AppSecret(file));
    assert_eq!(
        app("access_token", "{ env = 'S_1' }"),
        Credentials::AccessToken(SecretSource::Env("S_1".into()))
    );
    let credential = SecretSource::Credential("s.x".into());
    assert_eq!(app("app_secret.credential", "'s.x'"), Credentials::AppSecret(credential));
}

/// Promise: the apps of one tenant have one quota, and an app without a tenant has none.
#[test]
fn apps_of_a_tenant_share_its_quota() {
    let app = |name: &str, more: &str| {
        let url = "http://127.0.0.1:8080";
        format!(
            "[apps.{name}]\nbase_url = '{url}'\napp_id = '{name}'\napp_secret = {{ file = 's' }}\n{more}\n"
        )
    };
    let tenant = "tenant = 'acme'";
    let apps = [app("a", tenant), app("b", tenant), app("c", "")].concat();
    let reading =
        check_watcher(&format!("watchlist = ['a']\n{apps}[tenants.acme]\nmonthly_calls = 10_000\n"));
    assert_eq!(lines(&reading.problems), "");
    let apps = reading.config.unwrap().apps;
    let [Some(first), Some(second), None] = [0, 1, 2].map(|number: usize| apps[number].tenant.clone()) else {
        panic!("{apps:?}")
    };
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!((&*first.name, first.monthly_calls), ("acme", 10_000));
}
