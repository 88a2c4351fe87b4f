//! The form for people at a terminal: time of day, level, event, message, then the fields. A verdict is one row: time
//! of day, outcome, label or document, and the file token, the path and size of a file, or the reason; so is an export
//! that begins. The rest is for JSON and `status`.

use std::borrow::Cow;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use jiff::tz::TimeZone;
use serde_json::Value;
use tracing::Level;

use super::columns::{cut, width};
use super::record::Record;
use crate::domain::event::{DOCUMENT_AGAIN, DOCUMENT_CREATED, VERDICT_TARGET};
use crate::domain::words::span;
use crate::domain::{escape, size_in_words};

/// How text lines look.
pub struct TextForm {
    /// Whether the terminal shows colours and wants them.
    pub colour: bool,
    /// Columns of the terminal, to which a verdict's label is cut; none where lines may have any length.
    pub columns: Option<usize>,
    /// The time zone of the time of day.
    pub zone: TimeZone,
}

/// Columns of the longest outcome, "completed" or "timed out".
const OUTCOME: usize = 9;

/// Columns that a label or a document's token is given …
const NAME: usize = 31;

/// … and what it is left at least.
const NAME_MIN: usize = 8;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default();

impl TextForm {
    /// The record as a line, newline included.
    pub(super) fn line(&self, record: &Record) -> String {
        let time = record.at.timestamp().to_zoned_datetime(self.zone.clone()).time();
        if let Some((outcome, style, result)) = row_of(record) {
            return self.row(&time.strftime("%H:%M:%S").to_string(), (&outcome, style), record, &result);
        }
        let level = format!("{:<5}", record.level.as_str());
        let event = escape(record.event.as_deref().unwrap_or(record.target));
        let (time, level) =
            (self.styled(DIM, &format!("{time:.3}")), self.styled(colour_of(record.level), &level));
        let head = format!("{time} {level} {}", self.styled(BOLD, &event));
        let message = escape(record.message.as_deref().unwrap_or_default());
        let field = |name: &str| self.styled(DIM, &format!("{}=", escape(name)));
        let fields = record.fields.iter().map(|(name, value)| field(name) + &shown(value));
        let fields = fields.collect::<Vec<_>>().join(" ");
        let parts = [&*head, &*message, &*fields].into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join("  ") + "\n"
    }

    /// One row: the columns are those of all rows, and the name gives way to the result.
    fn row(&self, time: &str, (outcome, style): (&str, Style), record: &Record, result: &str) -> String {
        let outcome = self.styled(style, &format!("{:<OUTCOME$}", escape(outcome)));
        let (name, result) = (name_of(record), escape(result));
        let mut name = escape(&name);
        let mut room = NAME;
        if let Some(columns) = self.columns {
            let taken = time.len() + 1 + OUTCOME + 2 + 2 + width(&result);
            room = columns.saturating_sub(taken).clamp(NAME_MIN, NAME);
            name = cut(name, room);
        }
        let padding = " ".repeat(room.saturating_sub(width(&name)));
        format!("{} {outcome}  {name}{padding}  {result}\n", self.styled(DIM, time))
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

const fn colour_of(level: Level) -> Style {
    match level {
        Level::ERROR => RED,
        Level::WARN => AnsiColor::Yellow.on_default(),
        Level::INFO => AnsiColor::Green.on_default(),
        Level::DEBUG => AnsiColor::Blue.on_default(),
        Level::TRACE => DIM,
    }
}

/// Outcome, its style and the result, of what is one row.
fn row_of(record: &Record) -> Option<(String, Style, String)> {
    if record.target == VERDICT_TARGET {
        return Some(verdict(record));
    }
    let text = |name| record.text(name).unwrap_or_default();
    match record.event.as_deref()? {
        DOCUMENT_CREATED => Some(("created".to_owned(), DIM, format!("ticket {}", text("ticket")))),
        DOCUMENT_AGAIN => {
            let wait = Duration::from_millis(text("next_try_ms").parse().ok()?);
            let result = format!("{}, in {}", text("error.kind"), span(wait));
            Some(("again".to_owned(), colour_of(record.level), result))
        }
        _ => None,
    }
}

fn verdict(record: &Record) -> (String, Style, String) {
    let of_file = record.text("file.state");
    let result = match of_file.as_deref() {
        Some(state) => result_of_file(record, state),
        None => result_of(record, &record.text("state").unwrap_or_default()),
    };
    let state = of_file.or_else(|| record.text("state")).unwrap_or_default();
    let style = match &*state {
        "completed" | "saved" => colour_of(record.level),
        "removed" => DIM,
        _ => RED,
    };
    (state.replace('_', " "), style, result)
}

/// The label, else the document's token, which is the end of its link.
fn name_of(record: &Record) -> Cow<'_, str> {
    let name = record.text("label").or_else(|| record.text("token"));
    name.unwrap_or_else(|| {
        let link = record.text("document").unwrap_or_default();
        let path = link.split(['?', '#']).next().unwrap_or_default();
        path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned().into()
    })
}

/// The file token, else why there is none.
fn result_of(record: &Record, state: &str) -> String {
    let token = record.text("file_token").unwrap_or_default();
    match state {
        "completed" if record.level == Level::WARN => format!("{token}, may be gone"),
        "completed" => token.into_owned(),
        "removed" => "left the watch list".to_owned(),
        "timed_out" => "no result within give_up_after".to_owned(),
        _ => reason_of(record),
    }
}

/// The path and the size of a file, else why there is none. What to do about a file that expired is always the same.
fn result_of_file(record: &Record, state: &str) -> String {
    match state {
        "saved" => {
            let path = record.text("file.path").unwrap_or_default();
            let size_of = |field| record.text(field)?.parse().ok().map(size_in_words);
            let size = size_of("file.size").map(|size| format!(", {size}")).unwrap_or_default();
            let named = size_of("file_size").filter(|_| record.level == Level::WARN);
            let named = named.map(|named| format!(" in place of {named}")).unwrap_or_default();
            format!("{path}{size}{named}")
        }
        "expired" if record.text("document").is_some() => "gone before it was saved, retry it".to_owned(),
        "expired" => "gone before it was saved, export again".to_owned(),
        _ => reason_of(record),
    }
}

/// The kind of an error, with the number by which the server's documentation knows it.
fn reason_of(record: &Record) -> String {
    let kind = record.text("error.kind").unwrap_or_default();
    let code = record.text("error.code").filter(|code| code != "0");
    match code.or_else(|| record.text("error.job_status")) {
        Some(number) => format!("{kind} ({number})"),
        None => kind.into_owned(),
    }
}

/// A value behind `key=`: quoted where its end would not be seen.
fn shown(value: &Value) -> Cow<'_, str> {
    let Value::String(text) = value else { return value.to_string().into() };
    let unclear = |character: char| character.is_whitespace() || matches!(character, '"' | '=');
    if !text.is_empty() && !text.contains(unclear) {
        return escape(text);
    }
    let quotable = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escape(&quotable)).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::verdict::Verdict;
    use super::*;
    use crate::domain::{WallTime, unsafe_for_terminal};

    fn bare(level: Level, target: &'static str) -> Record {
        Record::new(WallTime::from_millis(1_795_312_800_005), level, target)
    }

    fn record(message: &str, value: &str) -> Record {
        let mut record = bare(Level::INFO, "feishu_export_watcher::report");
        record.add("message", message);
        record.add("event", "app.resumed");
        record.add("label", value);
        record.add("polls", 3);
        record
    }

    fn plain() -> TextForm {
        TextForm { colour: false, columns: None, zone: TimeZone::fixed(jiff::tz::offset(8)) }
    }

    #[test]
    fn reads_from_left_to_right() {
        assert_eq!(
            plain().line(&record("the export is ready", "weekly \"report\"")),
            "10:00:00.005 INFO  app.resumed  the export is ready  \
             label=\"weekly \\\"report\\\"\" polls=3\n"
        );
        let bare = bare(Level::INFO, "feishu_export_watcher::report");
        assert_eq!(plain().line(&bare), "10:00:00.005 INFO  feishu_export_watcher::report\n");
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
            assert_eq!(shown(&value.into()), as_shown);
        }
    }

    #[test]
    fn colours_surround_and_never_leak() {
        let coloured = TextForm { colour: true, ..plain() }.line(&record("\u{1b}[5mblink", "x"));
        assert!(coloured.starts_with("\u{1b}[2m10:00:00.005\u{1b}[0m \u{1b}[32mINFO "));
        assert!(!coloured.contains("\u{1b}[5m"));
    }

    fn verdict(level: Level, fields: &[(&'static str, &str)]) -> Record {
        let mut record = bare(level, VERDICT_TARGET);
        fields.iter().for_each(|(name, value)| record.add(*name, *value));
        record
    }

    fn on_terminal(record: &Record) -> String {
        let line = TextForm { columns: Some(80), ..plain() }.line(record);
        assert!(width(line.trim_end()) <= 80, "{line}");
        line
    }

    const DOCUMENT: &str = "docbcZVGtv1papC6jAVGiyabcef";
    const FILE: &str = "boxcnxe5OdjlAkNgSNdsJvabcef";

    /// Promise: on eighty columns a verdict is one row, with a file token that can be copied whole.
    #[test]
    fn a_verdict_is_one_row() {
        let completed = [("token", DOCUMENT), ("state", "completed"), ("file_token", FILE)];
        let label = [&completed[..], &[("label", "weekly report")]].concat();
        let long = "报".repeat(40);
        let long = [&completed[..], &[("label", &long)]].concat();
        let failed = |more: &[(&'static str, &'static str)]| {
            [&[("token", DOCUMENT), ("state", "failed"), ("error.kind", "document_too_large")], more].concat()
        };
        const INFO: Level = Level::INFO;
        const WARN: Level = Level::WARN;
        for (level, fields, row) in [
            (INFO, &completed[..], "completed  docbcZVGtv1papC6jAVGiyabcef      boxcnxe5OdjlAkNgSNdsJvabcef"),
            (INFO, &label, "completed  weekly report                    boxcnxe5OdjlAkNgSNdsJvabcef"),
            (INFO, &long, "completed  报报报报报报报报报报报报报报报…  boxcnxe5OdjlAkNgSNdsJvabcef"),
            (WARN, &completed, "completed  docbcZVGtv1papC6j…  boxcnxe5OdjlAkNgSNdsJvabcef, may be gone"),
            (
                INFO,
                &failed(&[("error.code", "0"), ("error.job_status", "107")]),
                "failed     docbcZVGtv1papC6jAVGiyabcef      document_too_large (107)",
            ),
            (
                INFO,
                &failed(&[("error.code", "1069902")]),
                "failed     docbcZVGtv1papC6jAVGiyabcef     document_too_large (1069902)",
            ),
            (
                INFO,
                &[("token", DOCUMENT), ("state", "timed_out")],
                "timed out  docbcZVGtv1papC6jAVGiyabcef   no result within give_up_after",
            ),
            (
                INFO,
                &[("token", DOCUMENT), ("state", "removed")],
                "removed    docbcZVGtv1papC6jAVGiyabcef      left the watch list",
            ),
        ] {
            assert_eq!(on_terminal(&verdict(level, fields)), format!("10:00:00 {row}\n"));
        }
    }

    /// Promise: a terminal shows in one row that an export begins, and that it is made again.
    #[test]
    fn an_export_is_one_row() {
        const LINK: (&str, &str) = ("document", "https://acme.feishu.cn/sheets/shtcnAbCdEf/?sheet=0b1e2f#x");
        let again = [("label", "weekly"), LINK, ("error.kind", "expired"), ("next_try_ms", "300000")];
        for (event, fields, row) in [
            (
                DOCUMENT_CREATED,
                &[LINK, ("ticket", "6933")][..],
                "created    shtcnAbCdEf                      ticket 6933",
            ),
            (DOCUMENT_AGAIN, &again, "again      weekly                           expired, in 5 min"),
        ] {
            let mut record = bare(Level::INFO, "feishu_export_watcher::engine::report");
            record.add("event", event);
            fields.iter().for_each(|(name, value)| record.add(*name, *value));
            assert_eq!(on_terminal(&record), format!("10:00:00 {row}\n"));
        }
    }

    /// Promise: what became of a file is one row, made from the payload that the outbox keeps.
    #[test]
    fn a_file_is_one_row() {
        for (level, fields, row) in [
            (
                "INFO",
                r#""file.state":"saved","file.path":"/exports/\u001bweekly.pdf","file.size":34356,"file_size":34356"#,
                "saved      weekly report              /exports/\\u{1b}weekly.pdf, 34 KiB",
            ),
            (
                "WARN",
                r#""file.state":"saved","file.path":"/exports/weekly.pdf","file.size":34356,"file_size":12"#,
                "saved      weekly report   /exports/weekly.pdf, 34 KiB in place of 12 B",
            ),
            (
                "WARN",
                r#""file.state":"expired","error.kind":"expired""#,
                "expired    weekly report         gone before it was saved, export again",
            ),
            (
                "WARN",
                r#""file.state":"expired","error.kind":"expired","document":"doxcn""#,
                "expired    weekly report             gone before it was saved, retry it",
            ),
            (
                "WARN",
                r#""file.state":"failed","error.kind":"no_permission","error.code":1069902"#,
                "failed     weekly report                    no_permission (1069902)",
            ),
        ] {
            let payload = format!(
                r#"{{"timestamp":"2026-11-22T02:00:00.005Z","level":"{level}","event":"file.saved","label":"weekly report","state":"completed","file_token":"box",{fields}}}"#
            );
            let record = Verdict::parse(&payload.into()).unwrap().record().unwrap();
            assert_eq!(on_terminal(&record), format!("10:00:00 {row}\n"));
        }
    }

    proptest! {
        #[test]
        fn a_verdict_is_one_escaped_row(label in any::<String>(), token in any::<String>()) {
            let fields = [("label", &*label), ("state", "completed"), ("file_token", &*token)];
            let line = TextForm { columns: Some(80), ..plain() }.line(&verdict(Level::INFO, &fields));
            prop_assert!(!line.strip_suffix('\n').unwrap().contains(unsafe_for_terminal));
        }

        #[test]
        fn a_line_holds_no_character_unsafe_for_a_terminal(message in any::<String>(), value in any::<String>()) {
            let line = plain().line(&record(&message, &value));
            prop_assert!(!line.strip_suffix('\n').unwrap().contains(unsafe_for_terminal));
        }

        /// Promise: no value looks as if it ended early and another field followed.
        #[test]
        fn a_value_ends_where_it_seems_to(value in "[a= \t\"\\\\]*|\\PC*") {
            let value = shown(&value.into()).into_owned();
            let Some(quoted) = value.strip_prefix('"') else {
                prop_assert!(!value.is_empty() && !value.contains([' ', '=', '"']), "{}", value);
                return Ok(());
            };
            let plain = quoted.replace("\\\\", "").replace("\\\"", "");
            prop_assert_eq!(plain.find('"').map(|end| end + 1), Some(plain.len()), "{}", value);
        }
    }
}
