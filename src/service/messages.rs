//! The messages to the service manager that are due, by the engine's view, the time and the messages before. Pure.

use std::collections::HashSet;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

use super::line::line;
use super::watchdog::Watchdog;
use crate::domain::{AppCondition, AppName, TroubleCause};
use crate::engine::{AppView, Now, Snapshot};

/// The line for people is sent anew at most this often: a pause that counts down must not flood the manager.
pub(super) const LINE_EVERY: Duration = Duration::from_secs(5);

/// New trouble waits for this time at most: an app may be paused, and tried again, without end.
const TROUBLE_EVERY: Duration = Duration::from_secs(1);

/// Trouble that an operator should look at: an app's, or none for that of the state file.
type Trouble = Option<(AppName, AppCondition, TroubleCause)>;

/// The messages so far.
pub(super) struct Messages {
    watchdog: Option<Watchdog>,
    is_ready: bool,
    line: Option<SentLine>,
}

struct SentLine {
    at: Instant,
    text: String,
    troubles: HashSet<Trouble>,
}

impl Messages {
    pub(super) const fn new(watchdog: Option<Watchdog>) -> Self {
        Self { watchdog, is_ready: false, line: None }
    }

    /// The message that the start or a reload is done was dropped: it is due again, since the manager waits for it.
    pub(super) const fn owe_ready(&mut self) {
        self.is_ready = false;
    }

    /// Whether the start is done, which it is with the first run of the loop.
    pub(super) const fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// The messages to send now. The line comes before the message that the start is done, whose reader reads it next.
    /// Only a new view counts for the watchdog.
    pub(super) fn due(&mut self, seen: &Snapshot, now: Now, is_new: bool) -> Vec<String> {
        // Before its first run the engine has not taken the list.
        if seen.turned_at.is_none() {
            return Vec::new();
        }
        let status = self.next_line(seen, now).map(|line| NotifyState::Status(&line).to_string());
        let ready = (!self.is_ready).then(|| NotifyState::Ready.to_string());
        self.is_ready = true;
        let watchdog = self.watchdog.as_mut().filter(|_| is_new);
        let is_earned = watchdog.is_some_and(|watchdog| watchdog.is_earned(seen, now.at));
        let progress = is_earned.then(|| NotifyState::Watchdog.to_string());
        [status, ready, progress].into_iter().flatten().collect()
    }

    /// The line, if it is another one and it is time for it.
    fn next_line(&mut self, seen: &Snapshot, now: Now) -> Option<String> {
        let (troubles, text) = (troubles(seen), line(seen, now));
        if let Some(last) = &self.line {
            let is_known = troubles.is_subset(&last.troubles);
            let every = if is_known { LINE_EVERY } else { TROUBLE_EVERY };
            if now.at - last.at < every || text == last.text {
                return None;
            }
        }
        self.line = Some(SentLine { at: now.at, text: text.clone(), troubles });
        Some(text)
    }
}

fn troubles(seen: &Snapshot) -> HashSet<Trouble> {
    let of_app = |app: &AppView| {
        let trouble = app.trouble.as_ref()?;
        Some(Some((app.name.clone(), trouble.condition, trouble.cause)))
    };
    let state = seen.state_failing.then_some(None);
    seen.apps.iter().filter_map(of_app).chain(state).collect()
}
