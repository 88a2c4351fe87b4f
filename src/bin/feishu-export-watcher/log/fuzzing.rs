//! What must hold of a line of the log, whatever is logged. The fuzzer's target takes this file and those that it
//! tests by path, because no library holds them; the tests replay its inputs.
//!
//! An input is the texts of one event, parted by lines of `--`: message, event, a field, an error, its cause, a field
//! shown by `Debug`, a number. What is missing is empty.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use tracing::span::{self, Attributes, Id};
use tracing::{Event, Metadata, Subscriber, error};

use super::deceptive::is_deceptive;
use super::json;
use super::record::Record;
use super::text::TextForm;

/// Bytes of a value that a line is sure to hold.
const WHOLE: usize = 8 * 1024;

/// Bytes of a line at most: nine values, each of them escapes, which take six bytes for one.
const LINE_MAX: usize = 9 * 7 * WHOLE;

/// The fields of the event that an input makes, as a line for machines names them.
const NAMES: [&str; 12] = [
    "field.timestamp",
    "field.level",
    "field.target",
    "type",
    "label",
    "error.message",
    "shown",
    "number",
    "share",
    "large",
    "is_plain",
    "empty",
];

/// Styles that a line for people may be given.
const STYLES: [&str; 7] =
    ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[34m"];

/// What an input says of an event.
struct Input<'t> {
    message: &'t str,
    event: &'t str,
    label: &'t str,
    wrong: Wrong,
    shown: &'t str,
    number: f64,
}

/// An error and its cause.
#[derive(Debug)]
struct Wrong {
    text: String,
    cause: Option<Box<Wrong>>,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Wrong {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

/// Holds the lines of an event to what is promised of the log.
pub(super) fn log_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut texts = text.split("\n--\n");
    let mut next = || texts.next().unwrap_or_default();
    let (message, event, label) = (next(), next(), next());
    let (wrong, cause) = (next(), next());
    let cause = (!cause.is_empty()).then(|| Box::new(Wrong { text: cause.to_owned(), cause: None }));
    let wrong = Wrong { text: wrong.to_owned(), cause };
    let (shown, number) = (next(), next().trim().parse().unwrap_or_default());
    let input = Input { message, event, label, wrong, shown, number };
    let record = record_of(&input);
    assert!(record.is_some(), "the event was heard");
    if let Some(mut record) = record {
        assert_json(&json::line(&record), &input);
        assert_text(&record);
        // A message may look like fields; what follows it may not look like other fields.
        record.message = None;
        record.event = Some("event".to_owned());
        let line = plain().line(&record);
        let fields = line.trim_end().split_once("  ").map(|(_, fields)| fields).unwrap_or_default();
        assert_eq!(names_in(fields).as_deref(), Some(&NAMES[..]), "{line}");
    }
}

/// The event on its way through `tracing`.
fn record_of(input: &Input<'_>) -> Option<Record> {
    let taken = Taken::default();
    tracing::subscriber::with_default(taken.clone(), || log(input));
    taken.0.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn log(Input { message, event, label, wrong, shown, number }: &Input<'_>) {
    error!(
        event,
        timestamp = label,
        level = label,
        target = label,
        r#type = label,
        label,
        error.message = wrong as &(dyn Error + 'static),
        shown = ?shown,
        number,
        share = *number as i64,
        large = u128::MAX,
        is_plain = *number > 0.0,
        empty = "",
        "{message}"
    );
}

/// Keeps the last event.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Option<Record>>>);

impl Subscriber for Taken {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Record::from(event));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// One line, one object, every name once, every text as it was or its beginning.
fn assert_json(line: &str, input: &Input<'_>) {
    let body = line.strip_suffix('\n').unwrap_or_default();
    assert!(!body.is_empty() && !body.contains(is_deceptive), "{line:?}");
    assert!(line.len() <= LINE_MAX, "{} bytes", line.len());
    let object: Map<String, Value> = serde_json::from_str(body).unwrap_or_default();
    // And `timestamp`, `level`, `target`, `message`, `event`.
    assert_eq!((object.len(), members_in(body)), (NAMES.len() + 5, NAMES.len() + 5), "{line}");
    assert!(NAMES.iter().all(|name| object.contains_key(*name)), "{line}");
    let wrong =
        input.wrong.cause.iter().fold(input.wrong.text.clone(), |text, cause| format!("{text}: {cause}"));
    let shown = format!("{:?}", input.shown);
    for (name, text) in [
        ("message", input.message),
        ("event", input.event),
        ("field.timestamp", input.label),
        ("field.level", input.label),
        ("field.target", input.label),
        ("type", input.label),
        ("label", input.label),
        ("error.message", &wrong),
        ("shown", &shown),
        ("empty", ""),
    ] {
        let logged = object.get(name).and_then(Value::as_str);
        assert!(logged.is_some_and(|logged| is_whole_or_cut(logged, text)), "{name} of {line}");
    }
    assert_eq!(object.get("level").and_then(Value::as_str), Some("ERROR"));
    let number = object.get("number");
    // The parser rounds the last digits of a double in its own way.
    let is_near = |logged: f64| (logged - input.number).abs() <= input.number.abs() * 1e-12;
    let is_same = number.and_then(Value::as_f64).is_some_and(is_near);
    assert!(is_same || !input.number.is_finite() && number.is_some_and(Value::is_string), "{line}");
    assert_eq!(object.get("share").and_then(Value::as_i64), Some(input.number as i64));
}

fn is_whole_or_cut(logged: &str, text: &str) -> bool {
    let cut = |beginning: &str| text.starts_with(beginning) && beginning.len() + 4 > WHOLE;
    logged == text || text.len() > WHOLE && logged.strip_suffix('…').is_some_and(cut)
}

/// Members of a flat object: colons outside texts.
fn members_in(body: &str) -> usize {
    let (mut members, mut in_text, mut escaped) = (0, false, false);
    for byte in body.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b':' if !in_text => members += 1,
            _ => {}
        }
    }
    members
}

fn plain() -> TextForm {
    TextForm { colour: false, columns: None, zone: TimeZone::UTC }
}

/// One line that holds nothing but what it shows, whether or not it has colours.
fn assert_text(record: &Record) {
    let line = plain().line(record);
    let body = line.strip_suffix('\n').unwrap_or_default();
    assert!(!body.is_empty() && !body.contains(is_deceptive), "{line:?}");
    assert!(line.len() <= LINE_MAX, "{} bytes", line.len());
    let coloured = TextForm { colour: true, ..plain() }.line(record);
    let uncoloured = STYLES.iter().fold(coloured, |text, style| text.replace(style, ""));
    assert_eq!(uncoloured, line);
}

/// The names of fields as a reader finds them who knows where a value ends; none if one has no end.
fn names_in(fields: &str) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    let mut rest = fields;
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=')?;
        names.push(name);
        let length = match value.strip_prefix('"') {
            Some(quoted) => end_of_quoted(quoted)? + 2,
            None => value.find(' ').unwrap_or(value.len()),
        };
        rest = value.get(length..)?;
        rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
    Some(names)
}

/// Where the quote stands that ends a text.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}
