//! The form for people at a terminal: time of day, level, event, message, then the fields.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use tracing::Level;

use super::harmless::harmless;
use super::record::{Record, Value};

/// How text lines look.
pub(super) struct TextForm {
    /// Whether the terminal shows colours and wants them.
    pub(super) colour: bool,
    /// Whose time of day.
    pub(super) zone: TimeZone,
}

const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const BLUE: &str = "\u{1b}[34m";
const PLAIN: &str = "\u{1b}[0m";

impl TextForm {
    /// The record as a line, newline included.
    pub(super) fn line(&self, record: &Record) -> String {
        let mut line = String::with_capacity(256);
        let time = record.at.to_zoned_datetime(self.zone.clone()).time();
        self.push(&mut line, DIM, &format!("{time:.3}"));
        line.push(' ');
        self.push(&mut line, colour_of(record.level), &format!("{:<5}", record.level.as_str()));
        line.push(' ');
        self.push(&mut line, BOLD, &harmless(record.event.as_deref().unwrap_or(record.target)));
        if let Some(message) = record.message.as_deref().filter(|message| !message.is_empty()) {
            line.push_str("  ");
            line.push_str(&harmless(message));
        }
        let mut gap = "  ";
        for (name, value) in &record.fields {
            line.push_str(gap);
            self.push(&mut line, DIM, &format!("{}=", harmless(name)));
            line.push_str(&shown(value));
            gap = " ";
        }
        line.push('\n');
        line
    }

    fn push(&self, line: &mut String, style: &str, text: &str) {
        if self.colour {
            line.extend([style, text, PLAIN]);
        } else {
            line.push_str(text);
        }
    }
}

const fn colour_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => RED,
        Level::WARN => YELLOW,
        Level::INFO => GREEN,
        Level::DEBUG => BLUE,
        Level::TRACE => DIM,
    }
}

/// A value as it stands behind `key=`: quoted where it would not be seen where it ends.
fn shown(value: &Value) -> Cow<'_, str> {
    let text = match value {
        Value::Plain(text) => return Cow::Borrowed(text),
        Value::Text(text) => text,
    };
    let unclear = |character: char| character.is_whitespace() || matches!(character, '"' | '=');
    if !text.is_empty() && !text.contains(unclear) {
        return harmless(text);
    }
    let quotable = text.replace('\\', "\\\\").replace('"', "\\\"");
    Cow::Owned(format!("\"{}\"", harmless(&quotable)))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use feishu_export_watcher::domain::is_deceptive;

    fn record(message: &str, value: &str) -> Record {
        Record {
            at: Timestamp::from_millisecond(1_795_312_800_005).unwrap(),
            level: Level::INFO,
            target: "feishu_export_watcher::verdict",
            message: Some(message.to_owned()),
            event: Some("ticket.completed".to_owned()),
            fields: vec![("label", Value::Text(value.to_owned())), ("polls", Value::Plain("3".to_owned()))],
        }
    }

    fn plain() -> TextForm {
        TextForm { colour: false, zone: TimeZone::fixed(jiff::tz::offset(8)) }
    }

    #[test]
    fn reads_from_left_to_right() {
        assert_eq!(
            plain().line(&record("the export is ready", "weekly \"report\"")),
            "10:00:00.005 INFO  ticket.completed  the export is ready  \
             label=\"weekly \\\"report\\\"\" polls=3\n"
        );
        let mut bare = record("", "");
        (bare.event, bare.fields) = (None, Vec::new());
        assert_eq!(plain().line(&bare), "10:00:00.005 INFO  feishu_export_watcher::verdict\n");
    }

    #[test]
    fn values_are_quoted_where_they_need_it() {
        for (value, as_shown) in [
            ("abc", "abc"),
            ("", "\"\""),
            ("周报", "周报"),
            ("a=b", "\"a=b\""),
            ("a\u{1b}[0m", "a\\u{1b}[0m"),
        ] {
            assert_eq!(shown(&Value::Text(value.to_owned())), as_shown);
        }
    }

    #[test]
    fn colours_surround_and_never_leak() {
        let coloured = TextForm { colour: true, ..plain() }.line(&record("\u{1b}[5mblink", "x"));
        assert!(coloured.starts_with("\u{1b}[2m10:00:00.005\u{1b}[0m \u{1b}[32mINFO "));
        assert!(!coloured.contains("\u{1b}[5m"));
    }

    proptest! {
        #[test]
        fn a_line_holds_no_character_that_deceives(message in any::<String>(), value in any::<String>()) {
            let line = plain().line(&record(&message, &value));
            prop_assert!(!line.strip_suffix('\n').unwrap().contains(is_deceptive));
        }
    }
}
