//! A stand-in for the log: what was written, when, and whether it was durable before.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer};

use super::fakes::{FakeStore, SECOND};
use crate::domain::event::VERDICT_TARGET;
use crate::engine::Announcer;

/// The log's lines, with the event names and fields as they were recorded.
#[derive(Clone, Default)]
pub(super) struct FakeLog(Arc<Mutex<Lines>>);

#[derive(Default)]
pub(super) struct Lines {
    /// Where verdicts must be before they are announced.
    durable: Option<FakeStore>,
    /// Verdicts that were not.
    pub(super) not_durable: Vec<String>,
    pub(super) lines: Vec<HashMap<String, String>>,
    /// When each of them was written.
    pub(super) times: Vec<Instant>,
    pub(super) fails: bool,
}

impl FakeLog {
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Lines) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    /// From now on every verdict is held against the state file.
    pub(super) fn hold_against(&self, store: &FakeStore) {
        self.with(|log| log.durable = Some(store.clone()));
    }

    /// The tickets that lines with that event name.
    pub(super) fn tickets_of(&self, event: &str) -> HashSet<String> {
        let is_meant = |line: &&HashMap<String, String>| line.get("event").is_some_and(|name| name == event);
        self.with(|log| {
            log.lines.iter().filter(is_meant).filter_map(|line| line.get("ticket").cloned()).collect()
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

/// Whether the state file has the verdict of that line: this very one, not that of an earlier life of the ticket.
fn is_durable(store: &FakeStore, line: &HashMap<String, String>) -> bool {
    let row = store.row(&line["ticket"]);
    let finished_at = row.finished_at.map(|at| at.to_string());
    let kept = [
        ("state", Some(row.state.as_str())),
        ("token", Some(row.token.as_str())),
        ("file_token", row.artefact.as_ref().map(|file| &*file.file_token)),
        ("error.kind", row.error.as_ref().map(|error| error.kind.as_str())),
        ("finished_at", finished_at.as_deref()),
    ];
    kept.into_iter().all(|(field, value)| line.get(field).map(String::as_str) == value)
}

impl Announcer for FakeLog {
    async fn settle(&self) -> io::Result<()> {
        tokio::time::sleep(SECOND / 100).await;
        if self.with(|log| log.fails) { Err(io::Error::other("disk full")) } else { Ok(()) }
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
        let is_verdict = event.metadata().target() == VERDICT_TARGET;
        self.with(|log| {
            if let Some(store) = log.durable.as_ref().filter(|_| is_verdict)
                && !is_durable(store, &fields.0)
            {
                log.not_durable.push(format!("{:?}", fields.0));
            }
            log.lines.push(fields.0);
            log.times.push(Instant::now());
        });
    }
}
