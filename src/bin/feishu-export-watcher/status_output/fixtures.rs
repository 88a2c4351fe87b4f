//! Tickets and apps that the tests of every format print.

use std::ffi::OsStr;
use std::num::NonZeroU32;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use feishu_export_watcher::domain::{
    AppCondition, AppName, Artefact, BudgetKey, Counts, DocumentToken, Endpoint, EntryId, EntryKey,
    ErrorKind, ExportRequest, Failure, FileCounts, FileRecord, FileState, PauseEnd, PauseReason, RateLimit,
    Sha256, TicketRecord, TicketState, Trouble, WallTime, WatchEntry,
};
use feishu_export_watcher::{AppReport, AppView};

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::report::Report;
use crate::terminal::Screen;

/// 2026-11-22 10:00 UTC.
pub(crate) const NOW: WallTime = WallTime::from_millis(1_795_341_600_000);

/// A moment so many seconds after [`NOW`].
pub(crate) fn after(seconds: f64) -> WallTime {
    WallTime::from_millis(NOW.as_millis() + (seconds * 1000.0) as i64)
}

/// One completed, one failed, one pending, one never polled.
pub(crate) fn tickets() -> [TicketRecord; 4] {
    let mut completed = pending("default", "6933093124755412345", "docbcZVGtv1papC6jAVGiyabcef");
    completed.entry.label = Some("周报, \"Q4\"".into());
    completed.state = TicketState::Completed;
    completed.artefact = Some(Box::new(Artefact {
        file_token: "boxcnxe5OdjlAkNgSNdsJvabcef".into(),
        file_name: Some("gpj\u{202e}.exe".into()),
        file_extension: Some("docx".into()),
        doc_type: Some("docx".into()),
        file_size: Some(34_356),
    }));
    completed.job_status = Some(0);
    completed.polls = 3;
    completed.first_seen_at = after(-240.0);
    completed.last_polled_at = Some(after(-60.0));
    completed.finished_at = Some(after(-59.75));
    completed.download_by = Some(after(510.0));

    let mut failed = pending("lark", "7000000000000000001", "doxcnAAAA");
    failed.entry.label = Some("=1+1".into());
    failed.state = TicketState::Failed;
    failed.job_status = Some(111);
    failed.polls = 12;
    failed.first_seen_at = after(-3.0 * 3600.0);
    failed.last_polled_at = Some(after(-10_200.0));
    failed.finished_at = Some(after(-10_200.0));
    failed.error = Some(Box::new(Failure {
        kind: ErrorKind::DocumentDeleted,
        code: Some(0),
        job_status: Some(111),
        http_status: Some(200),
        message: Some("deleted".into()),
        log_id: Some("20261122log".into()),
    }));

    let mut retried = pending("default", "7000000000000000002", "doxcnBBBB");
    retried.job_status = Some(2);
    retried.polls = 7;
    retried.last_polled_at = Some(after(-20.0));
    retried.next_poll_at = Some(after(12.0));
    retried.error = Some(Box::new(Failure::new(ErrorKind::Network)));

    let unpolled = pending("default", "7000000000000000003", "doxcnCCCC");
    [completed, failed, retried, unpolled]
}

/// Completed ones whose files wait on a full disk, are saved, are gone, can't be saved.
pub(crate) fn with_files() -> [TicketRecord; 4] {
    let [completed, ..] = tickets();
    let with = |file: FileRecord| TicketRecord { file: Some(Box::new(file)), ..completed.clone() };
    let failure = |kind, message: Option<&str>| {
        Some(Box::new(Failure { message: message.map(Into::into), ..Failure::new(kind) }))
    };
    let (full, wrong) = (Some("No space left on device"), Some("HTML where docx begins with PK"));
    let waiting = FileRecord { attempts: 2, error: failure(ErrorKind::DiskFull, full), ..FileRecord::new() };
    let saved = FileRecord {
        state: FileState::Saved,
        path: Some(Path::new(OsStr::from_bytes(b"/exports/\xe5\x91\xa8\xe6\x8a\xa5\xff\x1b.docx")).into()),
        size: Some(34_356),
        sha256: Some(Sha256([7; 32])),
        saved_at: Some(after(-20.0)),
        attempts: 3,
        ..FileRecord::new()
    };
    let error =
        failure(ErrorKind::Expired, None).map(|it| Box::new(Failure { code: Some(1_060_001), ..*it }));
    let expired = FileRecord { state: FileState::Expired, attempts: 1, error, ..FileRecord::new() };
    let error = failure(ErrorKind::WrongContent, wrong);
    let failed = FileRecord { state: FileState::Failed, attempts: 3, error, ..FileRecord::new() };
    [with(waiting), with(saved), with(expired), with(failed)]
}

/// Documents: of one nothing happened yet, one could not be exported, one is being created again, one is a wiki node that is
/// not resolved.
pub(crate) fn documents() -> [TicketRecord; 4] {
    let document = |doc_type: &str, token: &str, format: &str, sub_id: Option<&str>| {
        let mut entry = pending("default", "", token).entry;
        entry.key.id = EntryId::from_export(doc_type, &entry.token, format, sub_id);
        entry.request = Some(Box::new(ExportRequest {
            doc_type: Some(doc_type.into()),
            file_extension: Some(format.into()),
            sub_id: sub_id.map(Into::into),
            url: None,
        }));
        TicketRecord::new(entry, after(-90.0))
    };
    let mut listed = document("sheet", "shtcnAAAA", "csv", Some("0b1e2f"));
    listed.entry.request.as_mut().unwrap().url = Some("https://acme.feishu.cn/sheets/shtcnAAAA".into());
    let mut failed = document("wiki", "wikcnBBBB", "pdf", None);
    failed.entry.label = Some("minutes".into());
    (failed.state, failed.finished_at) = (TicketState::Failed, Some(after(-60.0)));
    failed.error = Some(Box::new(Failure { code: Some(1_069_902), ..Failure::new(ErrorKind::NoPermission) }));
    let mut again = document("docx", "doxcnCCCC", "docx", None);
    again.next_poll_at = Some(after(300.0));
    (again.polls, again.error) = (7, Some(Box::new(Failure::new(ErrorKind::Expired))));
    if let Some(export) = &mut again.export {
        (export.is_creating, export.generation, export.repeats) = (true, 1, 1);
    }
    [listed, failed, again, document("wiki", "wikcnDDDD", "pdf", None)]
}

/// One that came to an end so many seconds after [`NOW`].
pub(crate) fn ended(ticket: &str, state: TicketState, seconds: f64) -> TicketRecord {
    TicketRecord { state, finished_at: Some(after(seconds)), ..pending("default", ticket, "doxcn") }
}

/// One that was listed a minute and a half ago.
pub(super) fn pending(app: &str, ticket: &str, token: &str) -> TicketRecord {
    let entry = WatchEntry {
        key: EntryKey { app: AppName::new(app), id: EntryId::new(ticket) },
        token: DocumentToken::parse(token).unwrap(),
        label: None,
        created_at: None,
        request: None,
        download: true,
        source: Path::new("watchlist.toml").into(),
    };
    TicketRecord::new(entry, after(-90.0))
}

/// One that is well, one whose requests fail, one that waits.
pub(super) fn apps() -> [AppView; 3] {
    let app = |name: &str, requests, per| AppView {
        name: AppName::new(name),
        pending: 4,
        known: Counts::default(),
        files: Default::default(),
        alive_until: None,
        next_due: None,
        token_ends_at: None,
        trouble: None,
        budget: BudgetKey::from("open.feishu.cn:443/cli_a"),
        rate_limit: RateLimit { requests: NonZeroU32::new(requests).unwrap(), per },
        budget_left: 97,
        requests_this_month: 1204,
        tenant_calls_this_month: None,
        tenant: None,
    };
    let minute = Duration::from_secs(60);
    let limit = Trouble::from_pause(
        Endpoint::Query,
        PauseReason::RateLimited,
        after(-30.0),
        Some(after(30.0)),
        after(30.0),
    );
    let outage =
        Trouble::from_calls(AppCondition::Degraded, Endpoint::Token, ErrorKind::Network, after(-74.0))
            .with_message(Some("connection refused".into()));
    let east = app("east", 1, minute / 240);
    let lark = app("lark", 100, minute);
    [
        app("default", 100, minute),
        AppView { trouble: Some(outage), pending: 0, budget_left: 1, requests_this_month: 0, ..east },
        AppView { trouble: Some(limit), pending: 3, budget_left: 0, ..lark },
    ]
}

/// The apps of [`tickets`], neither of them in trouble.
pub(super) fn app_reports() -> [AppReport; 2] {
    ["default", "lark"].map(|name| AppReport {
        name: AppName::new(name),
        counts: tickets()
            .iter()
            .filter(|it| it.entry.key.app.as_str() == name)
            .map(|it| (it.state, 1))
            .collect(),
        files: FileCounts::default(),
        is_configured: Some(true),
        trouble: None,
    })
}

/// A pause of queries since half a minute, which ends or is tried to end in 38 s.
pub(super) fn pause(reason: PauseReason) -> Trouble {
    let next = after(38.0);
    let until = (reason.ended_by() != PauseEnd::Repair).then_some(next);
    Trouble::from_pause(Endpoint::Query, reason, after(-30.0), until, next)
}

/// A report on these tickets alone, for a pipe.
pub(crate) fn report(tickets: &[TicketRecord]) -> Report<'_> {
    Report {
        tickets,
        omitted: 0,
        summary: summary(tickets),
        files: FileCounts::default(),
        apps: &[],
        hooks: &[],
        is_watched: true,
        now: NOW,
        zone: TimeZone::UTC,
        screen: Screen::NONE,
    }
}

/// Characters that terminals and spreadsheets are picky about, among others: wide and combining ones, parts of
/// emoji and flags, ligatures, letters put together from parts, quotes, separators and signs.
const ODD: &str = "报한\u{1100}\u{1161}\u{11a8}e\u{301}\u{1f3fd}👍❤\u{fe0f}\u{fe0e}\u{20e3}1#🇩🇪\u{644}\u{627}กำ\u{93f}क\u{94d}\u{3164}\u{1160}ﷺ＝—\
    \u{200d}\u{202e}\u{1b}[m=+-@;,\"'\t\r\n x";

/// Short texts of these and of any other characters.
pub(super) fn odd_text() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(ODD.chars().collect::<Vec<_>>());
    proptest::collection::vec(prop_oneof![4 => odd, 1 => any::<char>()], 0..40).prop_map(String::from_iter)
}

/// Counts over the tickets.
pub(super) fn summary(tickets: &[TicketRecord]) -> Counts {
    tickets.iter().map(|ticket| (ticket.state, 1)).collect()
}
