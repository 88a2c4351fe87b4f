//! An event as one flat JSON object, under the names of the log's fields.

use serde::Serialize;

use super::WallTime;

/// An event as it is written: the fields in their order, without those that are null.
#[derive(Clone, Debug)]
pub struct EventLine(Vec<u8>);

impl EventLine {
    /// A line with what every event has. `level` is spelled as in the log.
    #[must_use]
    pub fn new(at: WallTime, level: &str, message: &str, event: &str) -> Self {
        Self(Vec::with_capacity(1024))
            .with("timestamp", at)
            .with("level", level)
            .with("message", message)
            .with("event", event)
    }

    /// Adds a field, unless it is null.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        let before = self.0.len();
        self.0.push(if before == 0 { b'{' } else { b',' });
        // Memory takes all.
        let _ = serde_json::to_writer(&mut self.0, name);
        self.0.push(b':');
        let _ = serde_json::to_writer(&mut self.0, &value);
        if self.0.ends_with(b":null") {
            self.0.truncate(before);
        }
        self
    }

    /// The whole object.
    #[must_use]
    pub fn end(mut self) -> Option<String> {
        self.0.push(b'}');
        String::from_utf8(self.0).ok()
    }
}
