//! Events for hooks and for the histories of entries: which hooks take one, and under which id.

use std::sync::Arc;

use super::setup::HookEvents;
use crate::domain::{EntryKey, ErrorKind, HookName, WallTime};
use crate::store::{EventId, EventRow};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Happening {
    /// The name of the event.
    pub event: &'static str,
    /// What was wrong, if anything was.
    pub kind: Option<ErrorKind>,
}

/// Makes the rows of events. Their ids are a sequence of their own: those of verdicts are counted by the log.
#[derive(Debug, Default)]
pub(super) struct HookRows {
    hooks: Vec<HookEvents>,
    next: EventId,
}

impl HookRows {
    /// For these hooks, with ids that go on after the last one of the state file.
    pub(super) fn new(hooks: Vec<HookEvents>, last: EventId, now: WallTime) -> Self {
        Self { hooks, next: EventId::first(now, last) }
    }

    /// The row of something that happened to an entry. The payload is asked for only if a hook takes the event.
    pub(super) fn of_entry(
        &mut self,
        what: Happening,
        key: &EntryKey,
        at: WallTime,
        payload: impl FnOnce() -> Arc<str>,
    ) -> EventRow {
        let hooks = self.takers(what.event);
        let payload = if hooks.is_empty() { "".into() } else { payload() };
        EventRow { hooks, payload, ..self.of_history(what, key, at) }
    }

    /// The row of something that happened to an entry, for its history alone.
    pub(super) fn of_history(&mut self, what: Happening, key: &EntryKey, at: WallTime) -> EventRow {
        let Happening { event, kind } = what;
        let (hooks, payload) = (Vec::new(), "".into());
        EventRow { id: self.next.take(), event, at, key: Some(key.clone()), kind, hooks, payload }
    }

    /// The row of something that happened to an app; none if no hook takes it.
    pub(super) fn of_app(
        &mut self,
        what: Happening,
        at: WallTime,
        payload: impl FnOnce() -> Arc<str>,
    ) -> Option<EventRow> {
        let hooks = self.takers(what.event);
        let Happening { event, kind } = what;
        (!hooks.is_empty()).then(|| EventRow {
            id: self.next.take(),
            event,
            at,
            key: None,
            kind,
            hooks,
            payload: payload(),
        })
    }

    fn takers(&self, event: &str) -> Vec<HookName> {
        let takers = self.hooks.iter().filter(|hook| hook.events.contains(&event));
        takers.map(|hook| hook.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{APP_PAUSED, TICKET_FAILED};
    use crate::domain::{AppName, EntryId};

    const NOW: WallTime = WallTime::from_millis(1_795_341_600_000);

    fn hook(name: &str, events: &[&'static str]) -> HookEvents {
        HookEvents { name: HookName::new(name), events: events.to_vec() }
    }

    /// Promise: an event goes to the hooks that take it, and nothing is made up for one that none takes.
    #[test]
    fn an_event_goes_to_its_takers() {
        let hooks = vec![hook("a", &[TICKET_FAILED]), hook("b", &[APP_PAUSED]), hook("c", &[TICKET_FAILED])];
        let mut rows = HookRows::new(hooks, EventId(7), NOW);
        let key = EntryKey { app: AppName::new("default"), id: EntryId::new("70") };
        let what = |event| Happening { event, kind: None };
        let failed = rows.of_entry(what(TICKET_FAILED), &key, NOW, || "{}".into());
        assert_eq!(failed.hooks, ["a", "c"].map(HookName::new));
        assert_eq!((&*failed.payload, failed.key), ("{}", Some(key.clone())));
        let other = rows.of_entry(what("ticket.completed"), &key, NOW, || panic!("it is not wanted"));
        assert_eq!((&*other.payload, other.hooks.len()), ("", 0));
        assert!(other.id > failed.id && failed.id > EventId(7));
        assert_eq!(rows.of_app(what("app.degraded"), NOW, || panic!("it is not wanted")), None);
        let paused = rows.of_app(what(APP_PAUSED), NOW, || "{}".into()).unwrap();
        assert!(paused.id > other.id && paused.key.is_none());
    }
}
