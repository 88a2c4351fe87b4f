//! What the log says of a document on its way to a file, line by line. When each is written is not asked here.

use std::time::Duration;

use tracing_subscriber::layer::SubscriberExt as _;

use super::fake_log::FakeLog;
use super::fakes::{detail_of, entry, trouble};
use crate::domain::event::{
    DOCUMENT_AGAIN, DOCUMENT_CREATED, DOCUMENT_RETRY, POLL_PENDING, QUOTA_LOW, TICKET_RETRIED,
    TICKET_RETRY_DROPPED,
};
use crate::domain::{ErrorKind, TicketId, TicketRecord, WallTime};
use crate::engine::report;
use crate::feishu::Answer;

/// Promise: every line names the document, its generation, and a ticket where there is one; none takes the entry's id for
/// a ticket.
#[test]
fn lines_of_documents_name_the_document() {
    let log = FakeLog::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(log.clone()));
    let mut record = TicketRecord::new(entry("default", "docx/doxcn/pdf"), WallTime::from_millis(1));
    record.entry.label = Some("weekly".into());
    let (wait, verdict) = (Duration::from_secs(300), trouble());
    let answer = Answer { detail: detail_of(&verdict), verdict };
    report::poll_retry(&record, &answer, Some(wait));
    report::retry_dropped(&record.entry.key, "it is pending already");
    let export = record.export.as_mut().unwrap();
    (export.ticket, export.generation) = (Some(TicketId::new("6933")), 2);
    report::document_created(&record).log();
    report::poll_pending(&record, &answer, wait);
    report::ticket_retried(&record).log();
    record.export.as_mut().unwrap().ticket = None;
    report::document_again(&record, ErrorKind::Expired, wait).log();
    report::quota_low("acme", 9_001, 10_000);

    let document = record.entry.token.as_str();
    for (event, level, ticket, message) in [
        (DOCUMENT_RETRY, "DEBUG", None, "the export of document weekly as pdf is tried again: server_error"),
        (DOCUMENT_CREATED, "INFO", Some("6933"), "document weekly as pdf is being exported: ticket 6933"),
        (POLL_PENDING, "DEBUG", Some("6933"), "document weekly as pdf is still running"),
        (
            TICKET_RETRIED,
            "INFO",
            Some("6933"),
            "document weekly as pdf is exported again, as was asked for; it was pending",
        ),
        (DOCUMENT_AGAIN, "WARN", None, "document weekly as pdf is exported again in 5 min: expired"),
    ] {
        let field = |name| log.field(event, name);
        assert_eq!(field("message").as_deref(), Some(message));
        assert_eq!((field("level").as_deref(), field("ticket").as_deref()), (Some(level), ticket), "{event}");
        assert_eq!(field("document").as_deref(), Some(document), "{event}");
    }
    let again = |name| log.field(DOCUMENT_AGAIN, name).unwrap();
    let fields = ["generation", "error.kind", "next_try_ms", "label"].map(again);
    assert_eq!(fields, ["2", "expired", "300000", "weekly"]);
    let dropped = |name| log.field(TICKET_RETRY_DROPPED, name);
    assert_eq!(dropped("ticket"), None);
    assert_eq!(dropped("message").unwrap(), "document doxcn as pdf can't be retried: it is pending already");
    let quota = |name| log.field(QUOTA_LOW, name).unwrap();
    assert_eq!(["level", "tenant", "calls", "monthly_calls"].map(quota), ["WARN", "acme", "9001", "10000"]);
}
