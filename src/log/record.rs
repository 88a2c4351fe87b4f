//! One log event with everything to be written of it, taken out of `tracing`'s hands. Spans are left
//! aside: each event says by itself what it is about.

use std::error::Error;
use std::fmt::{self, Write as _};

use crate::domain::event::{LOG_FAILED, VERDICT_TARGET};
use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// Bytes of one value at most. Whatever a server sends, a line stays bounded.
const VALUE_MAX: usize = 8 * 1024;

/// The `target` of what the log says about itself, whichever program it is part of.
const LOG_TARGET: &str = "feishu_export_watcher::log";

/// What is logged, before anybody gives it a form.
pub(super) struct Record {
    pub(super) at: Timestamp,
    pub(super) level: Level,
    pub(super) target: &'static str,
    pub(super) message: Option<String>,
    pub(super) event: Option<String>,
    /// The rest, in the order in which it was recorded.
    pub(super) fields: Vec<(&'static str, Value)>,
}

/// A field's value.
#[derive(Debug, PartialEq)]
pub(super) enum Value {
    /// A number or a boolean, spelled as JSON spells it.
    Plain(String),
    /// Everything else.
    Text(String),
}

/// What may be done with a line that can't be written for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A verdict: kept whatever happens.
    Verdict,
    /// A warning or an error: kept for longer than the rest.
    Trouble,
    /// The rest: the first to be left out.
    Chatter,
}

impl Record {
    /// A line that the log writes about itself.
    pub(super) fn about_the_log(level: Level, message: String) -> Self {
        Self {
            at: Timestamp::now(),
            level,
            target: LOG_TARGET,
            message: Some(message),
            event: Some(LOG_FAILED.to_owned()),
            fields: Vec::new(),
        }
    }

    /// Whether the line may be left out when too many wait.
    pub(super) fn class(&self) -> Class {
        if self.target == VERDICT_TARGET {
            Class::Verdict
        } else if self.level <= Level::WARN {
            Class::Trouble
        } else {
            Class::Chatter
        }
    }

    /// A field as text; none if it was not recorded.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.fields.iter().find(|(field, _)| *field == name)?;
        let (Value::Plain(text) | Value::Text(text)) = value;
        Some(text)
    }

    fn take(&mut self, field: &Field, value: Value) {
        let name = field.name();
        match (name.strip_prefix("r#").unwrap_or(name), value) {
            ("message", Value::Plain(text) | Value::Text(text)) => self.message = Some(text),
            ("event", Value::Plain(text) | Value::Text(text)) => self.event = Some(text),
            // The line's own keys; parsers disagree on which of two equal keys they believe.
            ("timestamp", value) => self.fields.push(("field.timestamp", value)),
            ("level", value) => self.fields.push(("field.level", value)),
            ("target", value) => self.fields.push(("field.target", value)),
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl From<&Event<'_>> for Record {
    fn from(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let mut record = Self {
            at: Timestamp::now(),
            level: *metadata.level(),
            target: metadata.target(),
            message: None,
            event: None,
            fields: Vec::with_capacity(24),
        };
        event.record(&mut record);
        record
    }
}

impl Visit for Record {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = Bounded::of(format_args!("{value:?}"));
        self.take(field, Value::Text(text));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let text = Bounded::of(format_args!("{value}"));
        self.take(field, Value::Text(text));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut bounded = Bounded::default();
        // An error from the buffer only says that it is full.
        let mut full = write!(bounded, "{value}").is_err();
        let mut cause = value.source();
        while let (Some(error), false) = (cause, full) {
            full = write!(bounded, ": {error}").is_err();
            cause = error.source();
        }
        self.take(field, Value::Text(bounded.0));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, Value::Plain(value.to_string()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, Value::Plain(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, Value::Plain(value.to_string()));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.take(field, Value::Plain(value.to_string()));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.take(field, Value::Plain(value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON knows no infinity; Rust's own spelling of finite numbers is valid JSON.
        let text = value.to_string();
        self.take(field, if value.is_finite() { Value::Plain(text) } else { Value::Text(text) });
    }
}

/// Text that stops growing at [`VALUE_MAX`], while it is being formatted rather than after.
#[derive(Default)]
struct Bounded(String);

impl Bounded {
    fn of(text: fmt::Arguments<'_>) -> String {
        let mut bounded = Self::default();
        // An error only says that it is full.
        let _ = bounded.write_fmt(text);
        bounded.0
    }
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = VALUE_MAX.saturating_sub(self.0.len());
        if more.len() <= room {
            self.0.push_str(more);
            return Ok(());
        }
        self.0.push_str(&more[..more.floor_char_boundary(room)]);
        self.0.push('…');
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_cut_between_characters() {
        let text = Bounded::of(format_args!("{}", "报".repeat(VALUE_MAX)));
        assert!(text.len() <= VALUE_MAX + '…'.len_utf8());
        assert!(text.ends_with("报…"));
        assert_eq!(Bounded::of(format_args!("{}", "x".repeat(VALUE_MAX))).len(), VALUE_MAX);
    }

    #[test]
    fn only_verdicts_are_kept_whatever_happens() {
        let mut record = Record::about_the_log(Level::WARN, String::new());
        assert_eq!(record.class(), Class::Trouble);
        record.level = Level::INFO;
        assert_eq!(record.class(), Class::Chatter);
        record.target = VERDICT_TARGET;
        assert_eq!(record.class(), Class::Verdict);
    }
}
