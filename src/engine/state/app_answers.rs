//! What an answer does to the app that asked, whatever it asked for: pauses, health, the access token in use.

use std::time::Duration;

use super::State;
use crate::domain::{Endpoint, ErrorKind, PauseReason};
use crate::engine::access::Refusal;
use crate::engine::app_signal::AppSignal;
use crate::engine::app_state::AppState;
use crate::engine::flight::Flight;
use crate::engine::now::Now;
use crate::engine::report;
use crate::engine::state_file::StateFile;
use crate::feishu::Detail;

impl State {
    /// Says whether the answer began a pause by the app's fault.
    pub(super) fn apply_to_app(
        &mut self,
        flight: &Flight,
        signal: AppSignal,
        detail: &Detail,
        now: Now,
    ) -> bool {
        let app = &self.apps[flight.app];
        if signal != AppSignal::Unsent && app.sends_to(flight.endpoint()) {
            app.meters.answered(signal == AppSignal::Answered, now.wall);
        }
        match signal {
            AppSignal::Answered => self.accepted(flight, now),
            AppSignal::Failed(kind) => {
                // An envelope of the API that is not about the app shows that neither app nor access token stands in
                // the way. What is not the API's shows nothing.
                if detail.code.is_some() {
                    self.accepted(flight, now);
                }
                self.call_failed(flight, kind, detail, now);
            }
            AppSignal::Unsent => {}
            AppSignal::Throttled { reset } => {
                self.throttled(flight, reset, detail, now);
                return false;
            }
            AppSignal::TokenRejected => return self.token_rejected(flight, detail, now),
            AppSignal::Fault(reason) => return self.app_fault(flight, reason, detail, now),
        }
        if flight.probe {
            self.apps[flight.app].endpoints[flight.endpoint()].gate.probe_lost(now);
        }
        false
    }

    /// The endpoint that was asked no longer gives the reason of its pause.
    fn accepted(&mut self, flight: &Flight, now: Now) {
        let (app, endpoint) = (&mut self.apps[flight.app], flight.endpoint());
        if let Some(generation) = flight.generation() {
            app.access.accepted(generation);
        }
        let gate = &mut app.endpoints[endpoint].gate;
        let Some(over) = gate.accepted(flight.sent.at, now) else { return };
        if gate.pause().is_some() {
            paused(app, &mut self.file, endpoint, &Detail::default(), now);
        } else {
            self.file.app_event(&report::app_resumed(&app.app.name, endpoint, &over), now);
        }
    }

    fn call_failed(&mut self, flight: &Flight, kind: ErrorKind, detail: &Detail, now: Now) {
        let (app, endpoint) = (&mut self.apps[flight.app], flight.endpoint());
        if app.health.call_failed(endpoint, kind, detail, now) {
            let announcement = report::app_degraded(&app.app.name, endpoint, kind, detail, now.wall);
            self.file.app_event(&announcement, now);
        }
    }

    /// The server counts by host and app id: every app that shares the budget waits.
    fn throttled(&mut self, flight: &Flight, reset: Option<Duration>, detail: &Detail, now: Now) {
        let (budget, endpoint) = (self.apps[flight.app].budget, flight.endpoint());
        self.apps[flight.app].meters.throttled(endpoint);
        for app in self.apps.iter_mut().filter(|app| app.budget == budget && app.sends_to(endpoint)) {
            if app.endpoints[endpoint].gate.throttled(reset, flight.sent.at, now) {
                paused(app, &mut self.file, endpoint, detail, now);
            }
            app.set_clock(now.at);
        }
    }

    fn token_rejected(&mut self, flight: &Flight, detail: &Detail, now: Now) -> bool {
        let Some(generation) = flight.generation() else { return false };
        let app = &mut self.apps[flight.app];
        match app.access.refused(generation) {
            Refusal::AppFault => {
                return self.app_fault(flight, PauseReason::CredentialsRejected, detail, now);
            }
            Refusal::Evicted => report::token_rejected(&app.app.name, detail),
            Refusal::Stale => {}
        }
        if flight.probe {
            app.endpoints[flight.endpoint()].gate.probe_prepared();
        }
        false
    }

    fn app_fault(&mut self, flight: &Flight, reason: PauseReason, detail: &Detail, now: Now) -> bool {
        let (app, endpoint) = (&mut self.apps[flight.app], flight.endpoint());
        let is_news = app.endpoints[endpoint].gate.fault(reason, flight.sent.at, now);
        if is_news {
            paused(app, &mut self.file, endpoint, detail, now);
        }
        is_news
    }
}

/// A pause of the endpoint began, or has a new reason.
fn paused(app: &mut AppState, file: &mut StateFile, endpoint: Endpoint, detail: &Detail, now: Now) {
    let state = &mut app.endpoints[endpoint];
    let Some(pause) = state.gate.pause() else { return };
    state.pause_message.clone_from(&detail.message);
    app.meters.paused(pause.reason);
    file.app_event(&report::app_paused(&app.app.name, endpoint, pause, detail), now);
}
