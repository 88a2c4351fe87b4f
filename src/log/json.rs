//! The form for machines: one flat JSON object a line, keys in an order that people can scan.

use super::record::{Record, Value};
use crate::domain::push_json_string;

/// The record as a line, newline included.
pub(super) fn line(record: &Record) -> String {
    let mut line = String::with_capacity(512);
    line.push_str("{\"timestamp\":");
    push_json_string(&mut line, &format!("{:.3}", record.at));
    push_text(&mut line, "level", record.level.as_str());
    push_text(&mut line, "target", record.target);
    for (key, value) in [("message", &record.message), ("event", &record.event)] {
        if let Some(text) = value {
            push_text(&mut line, key, text);
        }
    }
    for (name, value) in &record.fields {
        match value {
            Value::Plain(text) => {
                push_key(&mut line, name);
                line.push_str(text);
            }
            Value::Text(text) => push_text(&mut line, name, text),
        }
    }
    line.push_str("}\n");
    line
}

fn push_text(line: &mut String, key: &str, text: &str) {
    push_key(line, key);
    push_json_string(line, text);
}

fn push_key(line: &mut String, key: &str) {
    line.push(',');
    push_json_string(line, key);
    line.push(':');
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use tracing::Level;

    use super::*;
    use crate::domain::unsafe_for_terminal;

    fn record(message: &str, value: &str) -> Record {
        Record {
            at: Timestamp::from_millisecond(1_795_312_800_005).unwrap(),
            level: Level::INFO,
            target: "feishu_export_watcher::verdict",
            message: Some(message.to_owned()),
            event: Some("ticket.failed".to_owned()),
            fields: vec![
                ("error.kind", Value::Text(value.to_owned())),
                ("error.code", Value::Plain("1069902".to_owned())),
            ],
        }
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
        let mut record = record("", "");
        (record.message, record.event) = (None, None);
        record.fields.clear();
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
