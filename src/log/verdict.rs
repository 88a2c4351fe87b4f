//! A verdict on its way to the sinks. The outbox has its fields as JSON, which becomes a line by the addition of its
//! `target`; only the form for people takes it apart.

use std::io;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};
use tracing::Level;

use super::record::Record;
use crate::domain::event::VERDICT_TARGET;
use crate::domain::{WallTime, rewrite_json};

/// A verdict with the fields of its line.
#[derive(Clone, Debug)]
pub struct Verdict {
    payload: Arc<str>,
    at: WallTime,
    level: Level,
    /// Bytes of `timestamp` and `level`, behind which the `target` has its place.
    head: usize,
}

/// How every verdict begins.
#[derive(Deserialize)]
struct Head<'a> {
    timestamp: &'a str,
    level: &'a str,
}

impl Verdict {
    /// The verdict of a row of the outbox; none if it is something else.
    #[must_use]
    pub fn parse(payload: &Arc<str>) -> Option<Self> {
        let Head { timestamp, level } = serde_json::from_str(payload).ok()?;
        let head = format!(r#"{{"timestamp":"{timestamp}","level":"{level}""#);
        let is_line = payload.starts_with(&head) && payload.bytes().all(|byte| byte >= b' ');
        let (at, level) = (timestamp.parse().ok()?, level.parse().ok()?);
        is_line.then(|| Self { payload: Arc::clone(payload), at, level, head: head.len() })
    }

    /// Writes the line as JSON, without its newline.
    pub(super) fn write_json(&self, out: &mut impl io::Write) -> io::Result<()> {
        let (head, fields) = self.payload.split_at(self.head);
        write!(out, r#"{head},"target":"{VERDICT_TARGET}""#)?;
        rewrite_json(out, fields)
    }

    /// Its fields.
    pub(super) fn record(&self) -> Option<Record> {
        let fields: Map<String, Value> = serde_json::from_str(&self.payload).ok()?;
        let mut record = Record::new(self.at, self.level, VERDICT_TARGET);
        for (name, value) in fields {
            if !matches!(&*name, "timestamp" | "level") {
                record.add(name, value);
            }
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::write_json;

    const START: &str = r#"{"timestamp":"2026-11-22T02:00:00.005Z","level":"WARN""#;

    fn parse(payload: &str) -> Option<Verdict> {
        Verdict::parse(&payload.into())
    }

    /// Promise 4: the line has every field of the row, in its order, as a record with these fields would be written.
    #[test]
    fn a_row_becomes_the_line_of_its_fields() {
        let label = serde_json::to_string("a \"b\" \n 周报 \u{1b}\u{9b}\u{202e}\u{e0041}").unwrap();
        for fields in
            ["", r#","message":"m","event":"ticket.failed""#, &format!(r#","label":{label},"polls":2"#)]
        {
            let verdict = parse(&format!("{START}{fields}}}")).unwrap();
            let (mut line, mut written) = (Vec::new(), Vec::new());
            verdict.write_json(&mut line).unwrap();
            write_json(&mut written, &verdict.record().unwrap()).unwrap();
            assert_eq!(String::from_utf8(line), String::from_utf8(written));
        }
    }

    /// Promise: what this program did not write does not get into the log.
    #[test]
    fn anything_else_is_no_verdict() {
        for payload in [
            "",
            "{}",
            r#"{"level":"WARN","timestamp":"2026-11-22T02:00:00.005Z"}"#,
            r#"{"timestamp":"yesterday","level":"WARN"}"#,
            r#"{"timestamp":"2026-11-22T02:00:00.005Z","level":"LOUD"}"#,
            START,
            &format!("{START}}} {{}}"),
            &format!("{START},\n\"polls\":2}}"),
            &format!(r#"{START},"level":"INFO"}}"#),
        ] {
            assert!(parse(payload).is_none(), "{payload}");
        }
        assert!(parse(&format!("{START}}}")).is_some());
    }
}
