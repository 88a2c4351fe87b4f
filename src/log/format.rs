//! The form of lines. Here the one for machines: one flat JSON object a line, keys in an order that people can scan.
//! The one for people is in [`text`](super::text).

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::record::Record;
use super::text::TextForm;
use super::verdict::Verdict;
use crate::domain::write_json;

/// How lines on standard output look. The file always has JSON.
pub enum Format {
    /// For machines: an object a line.
    Json,
    /// For people.
    Text(TextForm),
}

impl Format {
    /// The record as a line, newline included.
    pub(super) fn line(&self, record: &Record) -> Vec<u8> {
        match self {
            Self::Json => {
                let mut line = Vec::new();
                // Memory takes all, and every key is text.
                let _ = write_json(&mut line, record);
                line.push(b'\n');
                line
            }
            Self::Text(form) => form.line(record).into_bytes(),
        }
    }

    /// The verdicts as lines, each with its newline.
    pub(super) fn verdicts(&self, verdicts: &[Verdict]) -> Vec<u8> {
        let mut lines = Vec::new();
        for verdict in verdicts {
            match self {
                Self::Json => {
                    // Memory takes all.
                    let _ = verdict.write_json(&mut lines);
                    lines.push(b'\n');
                }
                Self::Text(form) => {
                    lines.extend(
                        verdict.record().map(|record| form.line(&record).into_bytes()).unwrap_or_default(),
                    );
                }
            }
        }
        lines
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("timestamp", &self.at.to_string())?;
        line.serialize_entry("level", self.level.as_str())?;
        line.serialize_entry("target", self.target)?;
        for (key, text) in [("message", &self.message), ("event", &self.event)] {
            if let Some(text) = text {
                line.serialize_entry(key, text)?;
            }
        }
        for (name, value) in &self.fields {
            line.serialize_entry(name, value)?;
        }
        line.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tracing::Level;

    use super::*;
    use crate::domain::{WallTime, unsafe_for_terminal};

    fn bare() -> Record {
        let at = WallTime::from_millis(1_795_312_800_005);
        Record::new(at, Level::INFO, "feishu_export_watcher::verdict")
    }

    fn record(message: &str, value: &str) -> Record {
        let mut record = bare();
        record.add("message", message);
        record.add("event", "ticket.failed");
        record.add("error.kind", value);
        record.add("error.code", 1_069_902);
        record
    }

    fn line(record: &Record) -> String {
        String::from_utf8(Format::Json.line(record)).unwrap()
    }

    #[test]
    fn keys_come_in_the_order_people_scan() {
        assert_eq!(
            line(&record("it \"failed\"", "no_permission")),
            "{\"timestamp\":\"2026-11-22T02:00:00.005Z\",\"level\":\"INFO\",\
             \"target\":\"feishu_export_watcher::verdict\",\"message\":\"it \\\"failed\\\"\",\
             \"event\":\"ticket.failed\",\"error.kind\":\"no_permission\",\"error.code\":1069902}\n"
        );
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let mut record = bare();
        record.add("label", None::<String>);
        assert_eq!(
            line(&record),
            "{\"timestamp\":\"2026-11-22T02:00:00.005Z\",\"level\":\"INFO\",\
             \"target\":\"feishu_export_watcher::verdict\"}\n"
        );
    }

    proptest! {
        #[test]
        fn every_line_is_one_line_and_parses(message in any::<String>(), value in any::<String>()) {
            let line = line(&record(&message, &value));
            let body = line.strip_suffix('\n').unwrap();
            prop_assert!(!body.contains(unsafe_for_terminal));
            let parsed: serde_json::Value = serde_json::from_str(body).unwrap();
            prop_assert_eq!(parsed["message"].as_str(), Some(message.as_str()));
            prop_assert_eq!(parsed["error.kind"].as_str(), Some(value.as_str()));
            prop_assert_eq!(parsed["error.code"].as_i64(), Some(1_069_902));
        }
    }
}
