//! The forms for programs that read JSON: one object with everything, or a ticket a line.

use std::io::{self, Write};

use feishu_export_watcher::AppReport;
use feishu_export_watcher::domain::{TicketState, write_json};
use feishu_export_watcher::http::{TicketView, app_status, write_end, write_head, write_tickets};

use super::report::Report;

/// Prints one object, and a newline.
pub(super) fn print(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    let status = |app: &AppReport| {
        let pending = app.counts.of(TicketState::Pending);
        app_status(&app.name, app.trouble.as_ref(), pending, report.is_watched)
    };
    let apps: Vec<_> = report.apps.iter().map(status).collect();
    write_head(out, report.now, report.summary, &report.files, &apps, report.hooks)?;
    write_tickets(out, report.tickets, true)?;
    write_end(out)
}

/// Prints a ticket a line.
pub(super) fn print_lines(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    report.tickets.iter().try_for_each(|ticket| {
        write_json(out, &TicketView(ticket))?;
        out.write_all(b"\n")
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{self, NOW};
    use super::super::{Format, print};
    use feishu_export_watcher::domain::{HookError, HookName, HookStatus, TicketRecord, unsafe_for_terminal};
    use feishu_export_watcher::http::live_status;
    use serde_json::Value;

    use super::*;

    fn printed(format: Format, tickets: &[TicketRecord]) -> String {
        let summary = fixtures::summary(&fixtures::tickets());
        let report = Report { summary, ..fixtures::report(tickets) };
        let mut out = Vec::new();
        print(&mut out, format, &report).unwrap();
        String::from_utf8(out).unwrap()
    }

    const COMPLETED: &str = concat!(
        r#"{"app":"default","ticket":"6933093124755412345","token":"docbcZVGtv1papC6jAVGiyabcef","#,
        r#""label":"周报, \"Q4\"","state":"completed","file_token":"boxcnxe5OdjlAkNgSNdsJvabcef","#,
        r#""file_name":"gpj\u202e.exe","file_extension":"docx","doc_type":"docx","sub_id":null,"file_size":34356,"#,
        r#""job_status":0,"polls":3,"first_seen_at":"2026-11-22T09:56:00.000Z","#,
        r#""last_polled_at":"2026-11-22T09:59:00.000Z","next_poll_at":null,"#,
        r#""finished_at":"2026-11-22T09:59:00.250Z","download_by":"2026-11-22T10:08:30.000Z","error":null,"document":null,"#,
        r#""generation":null,"file":null}"#,
    );

    const FAILED: &str = concat!(
        r#"{"app":"lark","ticket":"7000000000000000001","token":"doxcnAAAA","label":"=1+1","state":"failed","#,
        r#""file_token":null,"file_name":null,"file_extension":null,"doc_type":null,"sub_id":null,"file_size":null,"#,
        r#""job_status":111,"polls":12,"first_seen_at":"2026-11-22T07:00:00.000Z","#,
        r#""last_polled_at":"2026-11-22T07:10:00.000Z","next_poll_at":null,"#,
        r#""finished_at":"2026-11-22T07:10:00.000Z","download_by":null,"error":{"kind":"document_deleted","#,
        r#""code":0,"job_status":111,"http_status":200,"message":"deleted","#,
        r#""hint":"restore the document, then export again","log_id":"20261122log"},"document":null,"generation":null,"file":null}"#,
    );

    const WAITING: &str = concat!(
        r#""file":{"state":"waiting","path":null,"size":null,"sha256":null,"saved_at":null,"attempts":2,"#,
        r#""error":{"kind":"disk_full","code":null,"job_status":null,"http_status":null,"#,
        r#""message":"No space left on device","hint":"free space on the file system of "#,
        r#"download.folder, or raise the quota; the file is fetched "#,
        r#"again by itself for as long as it lives","log_id":null}}}"#,
    );

    const SAVED: &str = concat!(
        r#""file":{"state":"saved","path":"/exports/周报�\u001b.docx","size":34356,"#,
        r#""sha256":"0707070707070707070707070707070707070707070707070707070707070707","#,
        r#""saved_at":"2026-11-22T09:59:40.000Z","attempts":3,"error":null}}"#,
    );

    #[test]
    fn everything_is_one_object() {
        let [completed, failed, ..] = fixtures::tickets();
        assert_eq!(
            printed(Format::Json, &[completed, failed]),
            format!(
                "{{\"schema\":1,\"generated_at\":\"2026-11-22T10:00:00.000Z\",\"summary\":{{\"pending\":2,\
                 \"completed\":1,\"failed\":1,\"timed_out\":0,\"removed\":0,\
                 \"files\":{{\"waiting\":0,\"saved\":0,\"failed\":0,\"expired\":0}}}},\"apps\":[],\"hooks\":[],\"tickets\":[{COMPLETED},{FAILED}]}}\n"
            )
        );
        assert!(printed(Format::Json, &[]).contains(",\"tickets\":[]"));
    }

    #[test]
    fn apps_and_hooks_stand_before_the_tickets() {
        let views = fixtures::apps();
        let apps: Vec<_> = views.iter().map(live_status).collect();
        let summary = [(TicketState::Pending, 7)].into_iter().collect();
        let error = HookError { message: "exit code 1".to_owned(), at: fixtures::after(-30.0) };
        let archive = HookStatus {
            waiting: 3,
            taken: 1204,
            failed: 2,
            last_error: Some(error),
            ..HookStatus::unknown(HookName::new("archive"))
        };
        let chat = HookStatus { is_ended: true, ..HookStatus::unknown(HookName::new("chat")) };
        let hooks = [archive, chat];
        let mut document = Vec::new();
        write_head(&mut document, NOW, summary, &Default::default(), &apps, &hooks).unwrap();
        write_end(&mut document).unwrap();
        assert_eq!(
            String::from_utf8(document).unwrap(),
            concat!(
                r#"{"schema":1,"generated_at":"2026-11-22T10:00:00.000Z","summary":{"pending":7,"completed":0,"#,
                r#""failed":0,"timed_out":0,"removed":0,"#,
                r#""files":{"waiting":0,"saved":0,"failed":0,"expired":0}},"apps":["#,
                r#"{"name":"default","state":"active","pause":null,"trouble":null,"pending":4,"budget_left":97,"#,
                r#""rate_limit":{"requests":100,"per_seconds":60},"requests_this_month":1204},"#,
                r#"{"name":"east","state":"degraded","pause":null,"trouble":{"endpoint":"token","#,
                r#""reason":"network","message":"connection refused","since":"2026-11-22T09:58:46.000Z","#,
                r#""until":null,"next":null,"hint":"polling goes on by itself; if it lasts, look at DNS, "#,
                r#"proxy and firewall between this machine and base_url"},"pending":0,"budget_left":1,"#,
                r#""rate_limit":{"requests":1,"per_seconds":0.25},"requests_this_month":0},"#,
                r#"{"name":"lark","state":"paused","pause":{"reason":"rate_limited","#,
                r#""since":"2026-11-22T09:59:30.000Z","until":"2026-11-22T10:00:30.000Z","#,
                r#""next":"2026-11-22T10:00:30.000Z","hint":"another process spends from the same budget, "#,
                r#"or rate_limit is set too high; polling goes on by itself"},"trouble":{"endpoint":"query","#,
                r#""reason":"rate_limited","message":null,"since":"2026-11-22T09:59:30.000Z","#,
                r#""until":"2026-11-22T10:00:30.000Z","next":"2026-11-22T10:00:30.000Z","#,
                r#""hint":"another process spends from the same budget, "#,
                r#"or rate_limit is set too high; polling goes on by itself"},"pending":3,"budget_left":0,"#,
                r#""rate_limit":{"requests":100,"per_seconds":60},"requests_this_month":1204}],"hooks":["#,
                r#"{"name":"archive","state":"active","waiting":3,"taken":1204,"failed":2,"#,
                r#""last_error":{"message":"exit code 1","at":"2026-11-22T09:59:30.000Z"}},"#,
                r#"{"name":"chat","state":"ended","waiting":0,"taken":0,"failed":0,"last_error":null}],"#,
                r#""tickets":[]}"#,
                "\n"
            )
        );
    }

    #[test]
    fn lines_are_the_same_objects() {
        let [completed, failed, ..] = fixtures::tickets();
        assert_eq!(printed(Format::Jsonl, &[completed, failed]), format!("{COMPLETED}\n{FAILED}\n"));
        assert_eq!(printed(Format::Jsonl, &[]), "");
    }

    /// Promise: a file shows under the names that scripts rely on, also one whose path is no text.
    #[test]
    fn a_file_is_an_object_of_its_own() {
        let [waiting, saved, ..] = fixtures::with_files();
        let lines = printed(Format::Jsonl, &[waiting, saved]);
        let [waiting, saved] = lines.lines().collect::<Vec<_>>()[..] else { panic!("{lines}") };
        assert!(waiting.ends_with(WAITING), "{waiting}");
        assert!(saved.ends_with(SAVED), "{saved}");
    }

    /// Promise: what the watcher exports itself has a ticket only once it got one, and says what is exported.
    #[test]
    fn a_document_is_an_object_of_its_own() {
        let [listed, failed, ..] = fixtures::documents();
        let lines = printed(Format::Jsonl, &[listed, failed]);
        let [listed, failed] = lines.lines().collect::<Vec<_>>()[..] else { panic!("{lines}") };
        let start = r#"{"app":"default","ticket":null,"token":"shtcnAAAA","label":null,"state":"pending","#;
        assert!(listed.starts_with(start), "{listed}");
        let end = concat!(
            r#""document":{"url":"https://acme.feishu.cn/sheets/shtcnAAAA","type":"sheet","token":"shtcnAAAA","#,
            r#""format":"csv","sub_id":"0b1e2f"},"generation":0,"file":null}"#,
        );
        assert!(listed.ends_with(end), "{listed}");
        let failed: Value = serde_json::from_str(failed).unwrap();
        let hint = failed["error"]["hint"].as_str().unwrap();
        assert!(hint.ends_with("then `feishu-export-watcher retry --failed --kind no_permission`"), "{hint}");
    }

    #[test]
    fn escapes_lose_nothing() {
        let mut ticket = fixtures::tickets()[0].clone();
        let label = "\u{1b}[2J\u{7f}\u{9b}\u{2028}\u{e0041}\\ \"";
        ticket.entry.label = Some(label.into());
        let line = printed(Format::Jsonl, &[ticket]);
        assert!(!line.trim_end().contains(unsafe_for_terminal));
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["label"], label);
    }
}
