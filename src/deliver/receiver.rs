//! What a hook's events are handed to, and the form in which they are.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::store::EventId;

/// Takes events, one call a try.
pub(crate) trait Receiver: Send + Sync + 'static {
    /// Hands over an event, within the hook's timeout. Dropping the call ends what it began.
    fn call(&self, event: &HookEvent) -> impl Future<Output = Result<(), CallError>> + Send;
}

/// Why a try failed. Its words are escaped, short, and hold no secret.
#[derive(Clone, Debug, Default, Error, PartialEq, Eq)]
#[error("{message}")]
pub(crate) struct CallError {
    /// In words.
    pub(crate) message: String,
    /// What the receiver answered, if it did.
    pub(crate) http_status: Option<u16>,
    /// How long the receiver wants to be left alone.
    pub(crate) retry_after: Option<Duration>,
    /// Whether the receiver wants no event any more (410).
    pub(crate) is_gone: bool,
}

impl CallError {
    /// An error of which nothing else is known.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }
}

/// An event as receivers get it.
#[derive(Clone, Debug)]
pub(crate) struct HookEvent {
    /// Its id, different for each event of each state file and the same over all tries.
    pub(crate) id: String,
    /// A JSON object; its first member is the id.
    pub(crate) body: Arc<str>,
    fields: Map<String, Value>,
}

impl HookEvent {
    /// The event of a row whose payload is a JSON object; of another one the id alone is handed over.
    pub(crate) fn new(state_file: &str, id: EventId, payload: &str) -> Self {
        let id = format!("{state_file}-{}", id.0);
        let fields: Map<String, Value> = serde_json::from_str(payload).unwrap_or_default();
        let members = payload.trim_start().strip_prefix('{').filter(|_| !fields.is_empty());
        let quoted = Value::from(id.as_str());
        let body = match members {
            Some(members) => format!("{{\"id\":{quoted},{members}"),
            None => format!("{{\"id\":{quoted}}}"),
        };
        Self { id, body: body.into(), fields }
    }

    /// The text of a field, if the event has it.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: each event is one JSON object that begins with its id, whatever lies in the row.
    #[test]
    fn the_id_is_the_first_member() {
        let event =
            HookEvent::new("ab12", EventId(7), r#"{"event":"file.saved","label":"周报 \" x","polls":3}"#);
        assert_eq!(event.id, "ab12-7");
        assert!(event.body.starts_with(r#"{"id":"ab12-7","event":"file.saved","#), "{}", event.body);
        let value: Value = serde_json::from_str(&event.body).unwrap();
        assert_eq!((&value["label"], &value["polls"]), (&Value::from("周报 \" x"), &Value::from(3)));
        assert_eq!((event.field("label"), event.field("polls")), (Some("周报 \" x"), None));
        for damaged in ["", "{}", "[1]", "{\"a\":", "nothing"] {
            assert_eq!(&*HookEvent::new("ab12", EventId(7), damaged).body, r#"{"id":"ab12-7"}"#, "{damaged}");
        }
    }
}
