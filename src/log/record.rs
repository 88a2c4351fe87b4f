//! One log event with everything that is written of it. Spans are left aside: each event says by itself what it is
//! about. How a line looks is decided in [`format`](super::format).

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use crate::domain::event::LOG_FAILED;
use crate::domain::{WallTime, with_causes};

/// Bytes of one value at most. Whatever a server sends, a line stays bounded.
const VALUE_MAX: usize = 8 * 1024;

/// The `target` of what the log writes about itself.
const LOG_TARGET: &str = "feishu_export_watcher::log";

/// What is logged, before it gets a form.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) at: WallTime,
    pub(super) level: Level,
    pub(super) target: &'static str,
    pub(super) message: Option<String>,
    pub(super) event: Option<String>,
    /// The rest, in the order in which it was added.
    pub(super) fields: Vec<(Cow<'static, str>, Value)>,
}

impl Record {
    /// A record without message, event and fields: [`add`](Self::add) gives it these.
    pub(super) fn new(at: WallTime, level: Level, target: &'static str) -> Self {
        Self { at, level, target, message: None, event: None, fields: Vec::with_capacity(24) }
    }

    /// Adds a field. `message` and `event` have a place of their own in the line; a null is left out.
    pub(super) fn add(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        let name = name.into();
        match (&*name, bounded(value.into())) {
            (_, Value::Null) => {}
            ("message", Value::String(text)) => self.message = Some(text),
            ("event", Value::String(text)) => self.event = Some(text),
            // The line's own keys; parsers disagree on which of two equal keys they believe.
            ("timestamp" | "level" | "target", value) => {
                self.fields.push((format!("field.{name}").into(), value));
            }
            (_, value) => self.fields.push((name, value)),
        }
    }

    /// A line of the log about itself.
    pub(super) fn about_the_log(level: Level, message: String) -> Self {
        let mut record = Self::new(WallTime::now(), level, LOG_TARGET);
        record.add("event", LOG_FAILED);
        record.add("message", message);
        record
    }

    /// A field as text; none if it was not recorded.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        let (_, value) = self.fields.iter().find(|(field, _)| field == name)?;
        Some(value.as_str().map_or_else(|| value.to_string().into(), Cow::Borrowed))
    }
}

/// A long text is cut between characters.
fn bounded(value: Value) -> Value {
    match value {
        Value::String(text) if text.len() > VALUE_MAX => {
            format!("{}…", &text[..text.floor_char_boundary(VALUE_MAX)]).into()
        }
        value => value,
    }
}

impl From<&Event<'_>> for Record {
    fn from(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let mut record = Self::new(WallTime::now(), *metadata.level(), metadata.target());
        event.record(&mut record);
        record
    }
}

impl Visit for Record {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.add(field.name(), with_causes(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_cut_between_characters() {
        let mut record = Record::new(WallTime::from_millis(1), Level::INFO, "t");
        record.add("long", "报".repeat(VALUE_MAX));
        record.add("fits", "x".repeat(VALUE_MAX));
        let long = record.text("long").unwrap();
        assert!(long.len() <= VALUE_MAX + '…'.len_utf8() && long.ends_with("报…"));
        assert_eq!(record.text("fits").unwrap().len(), VALUE_MAX);
    }
}
