//! Tickets and apps that the tests of every format print.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use feishu_export_watcher::domain::{
    AppName, Artefact, BudgetKey, ErrorKind, Failure, PauseReason, RateLimit, TicketId, TicketKey,
    TicketRecord, TicketState, WallTime, WatchEntry,
};
use feishu_export_watcher::watch::{AppView, Counts, PauseView};

use super::Summary;

/// 2026-11-22 10:00 UTC.
pub(super) const NOW: WallTime = WallTime::from_millis(1_795_341_600_000);

/// A moment so many seconds after [`NOW`].
pub(super) fn after(seconds: f64) -> WallTime {
    WallTime::from_millis(NOW.as_millis() + (seconds * 1000.0) as i64)
}

/// One completed, one failed, one pending, one never polled.
pub(crate) fn tickets() -> [TicketRecord; 4] {
    let mut completed = pending("default", "6933093124755412345", "docbcZVGtv1papC6jAVGiyabcef");
    completed.label = Some("周报, \"Q4\"".into());
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
    failed.label = Some("=1+1".into());
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
    retried.error = Some(Box::new(Failure::of(ErrorKind::Network)));

    let unpolled = pending("default", "7000000000000000003", "doxcnCCCC");
    [completed, failed, retried, unpolled]
}

fn pending(app: &str, ticket: &str, token: &str) -> TicketRecord {
    let entry = WatchEntry {
        key: TicketKey { app: AppName::new(app), ticket: TicketId::new(ticket) },
        token: token.into(),
        label: None,
        created_at: None,
        source: Path::new("watchlist.toml").into(),
    };
    TicketRecord::new(entry, after(-90.0))
}

/// One that is well, one whose requests fail, one that waits.
pub(super) fn apps() -> [AppView; 3] {
    let app = |name: &str, requests, per| AppView {
        name: AppName::new(name),
        pending: 4,
        pause: None,
        degraded: false,
        budget: BudgetKey::from("open.feishu.cn:443/cli_a"),
        rate_limit: RateLimit { requests: NonZeroU32::new(requests).unwrap(), per },
        budget_left: 97,
        requests_this_month: 1204,
    };
    let minute = Duration::from_secs(60);
    let pause = PauseView {
        reason: PauseReason::RateLimited,
        since: after(-30.0),
        until: Some(after(30.0)),
        next: after(30.0),
    };
    let east = app("east", 1, minute / 240);
    let lark = app("lark", 100, minute);
    [
        app("default", 100, minute),
        AppView { degraded: true, pending: 0, budget_left: 1, requests_this_month: 0, ..east },
        AppView { degraded: true, pause: Some(pause), pending: 3, budget_left: 0, ..lark },
    ]
}

/// Counts over the tickets.
pub(super) fn summary(tickets: &[TicketRecord]) -> Summary {
    tickets.iter().map(|ticket| ticket.state).collect::<Counts>().into()
}
