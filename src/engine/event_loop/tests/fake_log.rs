//! A stand-in for the log, and for the consumer that takes its verdicts out of the outbox: what was written, and when.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer};

use super::fakes::{FakeStore, SECOND};
use crate::store::{EventId, LOG, Outbox as _};

/// The log's lines, with the event names and fields as they were recorded.
#[derive(Clone, Default)]
pub(super) struct FakeLog(Arc<Mutex<Lines>>);

#[derive(Default)]
pub(super) struct Lines {
    pub(super) lines: Vec<HashMap<String, String>>,
    /// When each of them was written.
    pub(super) times: Vec<Instant>,
    /// Verdicts can't be written.
    pub(super) fails: bool,
}

impl FakeLog {
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Lines) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    fn push(&self, line: HashMap<String, String>) {
        self.with(|log| {
            log.lines.push(line);
            log.times.push(Instant::now());
        });
    }

    /// Takes rows out of the outbox as they become durable, until no more can come. Between any two steps the process
    /// may die.
    pub(super) async fn consume(
        self,
        store: FakeStore,
        mut durable: watch::Receiver<EventId>,
        announced: watch::Sender<EventId>,
    ) {
        loop {
            durable.mark_unchanged();
            let rows = store.rows(LOG, EventId::default(), 3).await.unwrap();
            let Some(last) = rows.last().map(|row| row.id) else {
                if durable.changed().await.is_err() {
                    return;
                }
                continue;
            };
            tokio::time::sleep(SECOND / 100).await;
            if self.with(|log| log.fails) {
                tokio::time::sleep(SECOND).await;
                continue;
            }
            for row in rows {
                let line: serde_json::Map<String, Value> = serde_json::from_str(&row.payload).unwrap();
                let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                self.push(line.into_iter().map(|(name, value)| (name, text(value))).collect());
            }
            tokio::time::sleep(SECOND / 100).await;
            if store.remove(LOG, last).await.is_ok() {
                announced.send_replace(last);
            } else {
                tokio::time::sleep(SECOND).await;
            }
        }
    }

    /// The tickets that lines with that event name.
    pub(super) fn tickets_of(&self, event: &str) -> HashSet<String> {
        self.fields_of(event, "ticket").into_iter().collect()
    }

    /// What lines with that event say in that field, in their order.
    pub(super) fn fields_of(&self, event: &str, field: &str) -> Vec<String> {
        let is_meant = |line: &&HashMap<String, String>| line.get("event").is_some_and(|name| name == event);
        self.with(|log| {
            log.lines.iter().filter(is_meant).filter_map(|line| line.get(field).cloned()).collect()
        })
    }

    /// How many lines have that event.
    pub(super) fn count(&self, event: &str) -> usize {
        self.with(|log| {
            log.lines.iter().filter(|line| line.get("event").is_some_and(|name| name == event)).count()
        })
    }

    pub(super) fn field(&self, event: &str, field: &str) -> Option<String> {
        self.with(|log| {
            let line = log.lines.iter().find(|line| line.get("event").is_some_and(|name| name == event))?;
            line.get(field).cloned()
        })
    }
}

impl<S: tracing::Subscriber> Layer<S> for FakeLog {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        #[derive(Default)]
        struct Fields(HashMap<String, String>);
        impl Visit for Fields {
            fn record_str(&mut self, field: &Field, value: &str) {
                self.0.insert(field.name().to_owned(), value.to_owned());
            }
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                self.0.insert(field.name().to_owned(), format!("{value:?}"));
            }
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        fields.0.insert("level".to_owned(), event.metadata().level().to_string());
        self.push(fields.0);
    }
}
