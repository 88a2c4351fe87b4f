//! Events on their way to hooks: with what makes them true, as in the log, and once.

use std::collections::BTreeMap;

use serde_json::Value;
use tracing_subscriber::layer::SubscriberExt as _;

use super::fake_documents::docx;
use super::fake_hook::{ALL, Received, SOME};
use super::fakes::*;
use crate::domain::event::*;
use crate::domain::*;
use crate::engine::gate::Pause;
use crate::engine::now::Now;
use crate::engine::report;
use crate::feishu::*;

/// The fields of an event, as texts.
pub(super) fn fields_of(payload: &str) -> BTreeMap<String, String> {
    let fields: serde_json::Map<String, Value> = serde_json::from_str(payload).unwrap();
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    fields.into_iter().map(|(name, value)| (name, text(value))).collect()
}

/// The names of the events that a hook received.
fn names(received: &[Received], hook: &str) -> Vec<String> {
    let of_hook = received.iter().filter(|it| it.hook.as_str() == hook);
    of_hook.map(|it| fields_of(&it.payload)["event"].clone()).collect()
}

/// Promise: a hook gets the fields of the line in the log, all of them and no others, but for the moment.
#[test]
fn an_event_has_the_fields_of_its_line() {
    let log = FakeLog::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(log.clone()));
    let mut document = TicketRecord::new(entry("default", "docx/doxcn/pdf"), START);
    document.entry.label = Some("weekly \u{202e} 周报".into());
    let ticket = TicketRecord::new(entry("default", "70"), START);
    let app = AppName::new("default");
    let detail = Detail {
        code: Some(99_991_400),
        http_status: Some(429),
        message: Some("request trigger frequency limit".into()),
        log_id: Some("20261122".into()),
        ..Detail::default()
    };
    let now = Now { at: tokio::time::Instant::now(), wall: START };
    let throttled = Pause::new(PauseReason::RateLimited, MINUTE, now);
    let broken = Pause::new(PauseReason::ScopeMissing, SECOND, now);
    let all = [
        report::ticket_retried(&ticket),
        report::ticket_retried(&document),
        report::document_created(&document),
        report::document_again(&document, ErrorKind::Expired, MINUTE),
        report::app_paused(&app, Endpoint::Query, &throttled, &detail),
        report::app_paused(&app, Endpoint::Create, &broken, &detail),
        report::app_resumed(&app, Endpoint::Download, &throttled),
        report::app_suspected(&app, 12),
        report::app_degraded(&app, Endpoint::Query, ErrorKind::Network, &detail, START),
        report::app_recovered(&app),
    ];
    for announcement in all {
        announcement.log();
        let line = log.with(|log| log.lines.last().cloned().unwrap());
        let mut fields = fields_of(&announcement.payload(START));
        assert_eq!(fields.remove("timestamp").as_deref(), Some("2026-11-22T10:00:00.000Z"));
        assert_eq!(fields, line.into_iter().collect(), "{announcement:?}");
        assert!(HOOK_EVENTS.contains(&announcement.happening().event));
    }
}

/// Promise 4: a hook gets the events that it takes, of tickets and apps, once and with the same fields as the log; each is in
/// the history of its entry. What the state file does not know is not delivered, and comes once it does.
#[tokio::test(start_paused = true)]
async fn hooks_get_what_is_durable() {
    let api = FakeApi::new(|_, nth| {
        let verdict = if nth == 1 { Verdict::Throttled { reset: Some(5 * SECOND) } } else { completed() };
        (SECOND / 10, verdict)
    });
    let mut bench = Bench::new(api).tickets("default", ["1"]).hooked();
    bench.settings.until_done = false;
    bench.store.with(|kept| kept.fails = true);
    let running = bench.start();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(bench.log.count(APP_PAUSED), 1);
    assert!(bench.hook.received().is_empty(), "nothing is durable");
    bench.store.with(|kept| kept.fails = false);
    tokio::time::sleep(MINUTE).await;
    running.stop.cancel();
    running.outcome.await.unwrap();

    let mut received = bench.hook.received();
    received.sort_by_key(|it| (it.id, it.hook.clone()));
    received.dedup_by_key(|it| (it.id, it.hook.clone()));
    assert_eq!(names(&received, ALL), [APP_PAUSED, APP_RESUMED, TICKET_COMPLETED]);
    assert_eq!(names(&received, SOME), [APP_PAUSED, TICKET_COMPLETED]);
    for it in &received {
        let mut fields = fields_of(&it.payload);
        let event = fields["event"].clone();
        if event != TICKET_COMPLETED {
            fields.remove("timestamp");
        }
        let lines = bench.log.with(|log| log.lines.clone());
        let line = lines.into_iter().find(|line| line.get("event") == Some(&event)).unwrap();
        assert_eq!(fields, line.into_iter().collect(), "{event}");
    }
    let key = entry("default", "1").key;
    let history = bench.store.with(|kept| kept.events.histories[&key].clone());
    assert_eq!(history.iter().map(|event| event.event).collect::<Vec<_>>(), [TICKET_COMPLETED]);
    assert_eq!(bench.store.with(|kept| kept.events.waiting.len()), 0);
}

/// Promise: without a hook nothing is kept for one, and what happens to an app costs no commit. Histories are there all the
/// same.
#[tokio::test(start_paused = true)]
async fn without_a_hook_nothing_waits() {
    let api = FakeApi::new(|_, nth| {
        let verdict = if nth == 1 { Verdict::Throttled { reset: Some(5 * SECOND) } } else { completed() };
        (SECOND / 10, verdict)
    });
    let bench = Bench::new(api).tickets("default", ["1"]);
    bench.run().await;
    bench.store.with(|kept| {
        assert_eq!(kept.events.waiting.len(), 0);
        let known: Vec<_> = kept.events.known.values().collect();
        assert_eq!(known.iter().map(|event| event.event).collect::<Vec<_>>(), [TICKET_COMPLETED]);
        assert!(known.iter().all(|event| event.payload.is_empty() && event.hooks.is_empty()));
        assert_eq!(kept.events.histories.len(), 1);
    });
}

/// Promise: an event of a shared export comes once, and is in the history of every entry that shares it.
#[tokio::test(start_paused = true)]
async fn a_shared_export_is_said_once() {
    let api = FakeApi::new(|_, _| (SECOND / 10, completed()));
    let api = api.with_nodes(|_, _| (SECOND / 10, Ok(docx("d"))));
    let mut bench = Bench::new(api).documents(["d"]).nodes(["w"]).hooked();
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(MINUTE).await;
    running.stop.cancel();
    running.outcome.await.unwrap();
    let mut received = bench.hook.received();
    received.retain(|it| it.hook.as_str() == ALL);
    received.sort_by_key(|it| it.id);
    received.dedup_by_key(|it| it.id);
    assert_eq!(names(&received, ALL), [DOCUMENT_CREATED, TICKET_COMPLETED]);
    let histories = bench.store.with(|kept| kept.events.histories.clone());
    assert_eq!(histories.len(), 2);
    for (key, history) in histories {
        assert_eq!(history.last().unwrap().event, TICKET_COMPLETED, "{key:?}");
    }
}
