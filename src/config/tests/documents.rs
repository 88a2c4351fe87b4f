//! Entries `[[document]]`: what of them is taken, and as what.

use super::*;
use crate::domain::{Platform, WatchEntry};

/// What is left of an entry's texts: its key, its token, and the rest as the create endpoint and people need it.
fn summary(entry: &WatchEntry) -> String {
    let request = entry.request.as_deref().unwrap();
    let words = [&request.doc_type, &request.file_extension, &request.sub_id, &request.url];
    let words = words.map(|word| word.as_deref().unwrap_or("-"));
    format!("{} {} {}", entry.key.id, entry.token, words.join(" "))
}

fn check_at(platform: Option<Platform>, text: &str) -> Lists {
    let app = NamedApp { platform, ..named("only") };
    watch_list::check(&Path::new("list.toml").into(), text, Some(&[app]), now())
}

/// Promise: a document is known by type, token, format and, for csv, the sheet or table, however it is named.
#[test]
fn documents_are_known_by_what_is_exported() {
    for (entry, expected) in [
        (
            "url = ' https://a.feishu.cn/docx/T?from=x#y '\nformat = 'pdf'",
            "docx/T/pdf T docx pdf - https://a.feishu.cn/docx/T?from=x#y",
        ),
        ("token = 'T'\ntype = 'docx'\nformat = 'docx'", "docx/T/docx T docx docx - -"),
        (
            "url = 'https://a.larkoffice.com/wiki/T?table=tblA'\nformat = 'base'",
            "wiki/T/base T wiki base - https://a.larkoffice.com/wiki/T?table=tblA",
        ),
        ("token = 'T'\ntype = 'wiki'\nformat = 'pptx'", "wiki/T/pptx T wiki pptx - -"),
        (
            "url = 'https://a.feishu.cn/wiki/T?sheet=s'\nformat = 'csv'",
            "wiki/T/csv/s T wiki csv s https://a.feishu.cn/wiki/T?sheet=s",
        ),
        (
            "url = 'https://a.feishu.cn/sheets/T?sheet=s'\nformat = 'xlsx'",
            "sheet/T/xlsx T sheet xlsx - https://a.feishu.cn/sheets/T?sheet=s",
        ),
        (
            "url = 'https://a.feishu.cn/base/T?table=tblA'\nformat = 'csv'\nsub_id = 'tblB'",
            "bitable/T/csv/tblB T bitable csv tblB https://a.feishu.cn/base/T?table=tblA",
        ),
    ] {
        let list = check_at(Some(Platform::Feishu), &format!("[[document]]\n{entry}\n"));
        assert_eq!(lines(&list.problems), "", "{entry}");
        let [taken] = &list.into_list().entries[..] else { panic!("{entry}") };
        assert_eq!(summary(taken), expected);
        assert!(taken.key.id.is_document() && taken.download && taken.created_at.is_none());
    }
}

/// Promise: a link is only taken for an app of its platform, as far as both are known.
#[test]
fn a_link_belongs_to_one_platform() {
    for (host, home) in [
        ("a.feishu.cn", Some(Platform::Feishu)),
        ("a.larksuite.com", Some(Platform::Lark)),
        ("a.larkoffice.com", None),
    ] {
        for app in [None, Some(Platform::Feishu), Some(Platform::Lark)] {
            let list =
                check_at(app, &format!("[[document]]\nurl = 'https://{host}/docx/T'\nformat = 'pdf'\n"));
            let is_refused = app.zip(home).is_some_and(|(app, home)| app != home);
            assert_eq!(list.problems.iter().any(Problem::is_error), is_refused, "{host} {app:?}");
        }
    }
}

/// Promise: entries of both kinds keep their order, which is the order in which exports are created, wherever the text is
/// cut to be parsed.
#[test]
fn entries_keep_the_order_of_the_list() {
    let ids =
        |list: Lists| list.into_list().entries.iter().map(|it| it.key.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(check_list(LISTED)), ["1", "2", "docx/d/pdf", "sheet/e/csv/f", "3"]);
    let inline = "document = [{ url = 'https://a.feishu.cn/docx/d', format = 'pdf', app = 'other' }]\n\
        [[ticket]]\nticket = '1'\ntoken = 'a'\napp = 'default'\n";
    for part in [1, 1 << 20] {
        let (path, apps) = (Path::new("list.toml").into(), [named("default"), named("other")]);
        let list = watch_list::check_in_parts(&path, inline, Some(&apps), now(), part);
        assert_eq!(ids(list), ["docx/d/pdf", "1"]);
    }
}

/// Promise: what is wrong with a link is said in words that hold none of it: it may hold a password.
#[test]
fn no_message_repeats_a_link() {
    for link in [
        "https://user:CANARY@a.feishu.cn/docx/T",
        "https://CANARY.example/docx/T",
        "https://a.feishu.cn/file/CANARY",
        "https://a.feishu.cn/base/automation/webhook/CANARY",
        "https://a.larksuite.com/docx/T?password=CANARY",
        "CANARY",
    ] {
        for key in ["url", "token"] {
            let list = check_at(
                Some(Platform::Feishu),
                &format!("[[document]]\n{key} = '{link}'\ntype = 'docs'\nformat = 'pdf'\n"),
            );
            let report = lines(&list.problems);
            assert!(!report.is_empty() && !report.contains("CANARY"), "{report}");
        }
    }
}
