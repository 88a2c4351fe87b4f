//! What the engine knows of one app besides its tickets: endpoints, access token, line, health, clock.

use std::time::Duration;

use enum_map::EnumMap;
use tokio::time::Instant;

use super::access::Access;
use super::active_clock::ActiveClock;
use super::download_line::DownloadLine;
use super::export_line::ExportLine;
use super::gate::{Gate, Pause};
use super::health::Health;
use super::lost_creates::LostCreates;
use super::meters::AppMeters;
use super::tickets::Stage;
use super::waiting_line::WaitingLine;
use crate::domain::{App, Credentials, Endpoint, PauseEnd, Trouble, WallTime};

/// Polls in flight at most during an outage: enough to notice its end, no more load than that.
const OUTAGE_IN_FLIGHT: usize = 4;

/// An app and everything that changes about it.
#[derive(Debug)]
pub(super) struct AppState {
    /// What the configuration says.
    pub app: App,
    /// The place of its budget.
    pub budget: usize,
    /// Its endpoints.
    pub endpoints: EnumMap<Endpoint, EndpointState>,
    /// The access token.
    pub access: Access,
    /// Tickets that wait.
    pub line: WaitingLine,
    /// Artefacts that wait.
    pub downloads: DownloadLine,
    /// Wiki nodes that wait to be resolved.
    pub nodes: ExportLine,
    /// Exports that wait to be created.
    pub creates: ExportLine,
    /// Creates whose answers are lost.
    pub lost_creates: LostCreates,
    /// The place of its tenant, whose quota its calls count against.
    pub tenant: Option<usize>,
    /// The rest of the month's calls is kept for exports that were started.
    pub reserved: Option<Pause>,
    /// Since when its tickets seem to belong to another app.
    pub suspected: Option<WallTime>,
    /// Whether its calls are answered.
    pub health: Health,
    /// Counts what happens to it.
    pub meters: AppMeters,
    clock: ActiveClock,
}

/// An endpoint as one app meets it.
#[derive(Debug, Default)]
pub(super) struct EndpointState {
    /// Whether it may be asked.
    pub gate: Gate,
    /// The message of the answer that began the pause.
    pub pause_message: Option<Box<str>>,
    /// Requests in flight.
    pub in_flight: usize,
    /// Those of them whose bodies come slowly.
    pub slow: usize,
    /// Sending of the last request that was answered properly, for endpoints that are asked about entries.
    pub proper_sent: Option<Instant>,
}

impl AppState {
    /// An app that was not used yet.
    #[must_use]
    pub(super) fn new(app: App, budget: usize, meters: AppMeters, now: Instant) -> Self {
        Self {
            app,
            budget,
            endpoints: EnumMap::default(),
            access: Access::default(),
            line: WaitingLine::default(),
            downloads: DownloadLine::default(),
            nodes: ExportLine::new(Stage::Resolve),
            creates: ExportLine::new(Stage::Create),
            lost_creates: LostCreates::default(),
            tenant: None,
            reserved: None,
            suspected: None,
            health: Health::default(),
            meters,
            clock: ActiveClock::new(now),
        }
    }

    /// Whether the app sends requests to the endpoint. A token that others keep fresh is read from where it lies.
    #[must_use]
    pub(super) const fn sends_to(&self, endpoint: Endpoint) -> bool {
        match endpoint {
            Endpoint::Query | Endpoint::Download | Endpoint::Node | Endpoint::Create => true,
            Endpoint::Token => matches!(self.app.credentials, Credentials::AppSecret(_)),
        }
    }

    /// Whether one more request to the endpoint may be in flight, given how many may be at most. As many again may be
    /// where these are slow.
    #[must_use]
    pub(super) fn has_room(&self, endpoint: Endpoint, most: usize) -> bool {
        let most = if self.health.is_degraded() { most.min(OUTAGE_IN_FLIGHT) } else { most };
        let state = &self.endpoints[endpoint];
        state.in_flight - state.slow.min(most) < most
    }

    /// The pauses that keep the app from its work. That no new access token is to be had does not, as long as the one
    /// in use is good.
    fn pauses(&self, now: Instant) -> impl Iterator<Item = (Endpoint, &Pause)> {
        let has_token = self.access.usable(now).is_some();
        let pauses = self.endpoints.iter().filter_map(|(endpoint, it)| Some((endpoint, it.gate.pause()?)));
        let pauses = pauses.chain(self.reserved.as_ref().map(|pause| (Endpoint::Create, pause)));
        pauses.filter(move |(endpoint, _)| *endpoint != Endpoint::Token || !has_token)
    }

    /// The documents that wait for a request to the endpoint.
    pub(super) const fn export_line(&mut self, endpoint: Endpoint) -> &mut ExportLine {
        if matches!(endpoint, Endpoint::Node) { &mut self.nodes } else { &mut self.creates }
    }

    /// Whether a pause keeps it from sending requests to that endpoint.
    pub(super) fn is_paused(&self, endpoint: Endpoint, now: Instant) -> bool {
        self.pauses_of(endpoint, now).next().is_some()
    }

    /// The pauses that keep it from sending requests to that endpoint.
    fn pauses_of(&self, asked: Endpoint, now: Instant) -> impl Iterator<Item = &Pause> {
        let pauses = self.pauses(now);
        pauses.filter(move |(it, _)| [Endpoint::Token, asked].contains(it)).map(|(_, pause)| pause)
    }

    /// Whether requests to the endpoint wait for a person, or for the next month.
    pub(super) fn is_broken(&self, endpoint: Endpoint, now: Instant) -> bool {
        self.pauses_of(endpoint, now).any(|pause| pause.reason.ended_by() != PauseEnd::Time)
    }

    /// What is wrong: a pause, else an outage, else a suspicion, else the calls that fail, from the second in a row on.
    #[must_use]
    pub(super) fn trouble(&self, now: Instant) -> Option<Trouble> {
        if let Some((endpoint, pause)) = self.pauses(now).next() {
            return Some(pause.trouble(endpoint, self.endpoints[endpoint].pause_message.clone()));
        }
        let suspected = self.suspected.filter(|_| !self.health.is_degraded());
        suspected.map(Trouble::from_suspicion).or_else(|| self.health.trouble())
    }

    /// The wall clock was set back: moments that people read follow.
    pub(super) fn clock_set_back(&mut self, by: Duration) {
        self.endpoints.iter_mut().for_each(|(_, it)| it.gate.clock_set_back(by));
        self.suspected = self.suspected.map(|since| since - by);
        self.health.clock_set_back(by);
    }

    /// How long the app could poll, its pauses left out.
    #[must_use]
    pub(super) fn active(&self, now: Instant) -> Duration {
        self.clock.read(now)
    }

    /// Lets the clock run or stand, as the gates say. Call after every change of a gate.
    pub(super) fn set_clock(&mut self, now: Instant) {
        let runs = self.pauses_of(Endpoint::Query, now).next().is_none();
        self.clock.set(runs, now);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::domain::{AppName, BaseUrl, RateLimit, SecretSource};
    use crate::engine::meters::Meters;

    #[test]
    fn one_fetch_at_a_time() {
        let app = App {
            name: AppName::new("default"),
            base_url: BaseUrl::parse("https://open.feishu.cn").unwrap(),
            app_id: "cli_a".into(),
            credentials: Credentials::AppSecret(SecretSource::Env("SECRET".into())),
            ca_file: None,
            tenant: None,
            rate_limit: RateLimit { requests: NonZeroU32::MIN, per: Duration::from_secs(60) },
        };
        let meters = AppMeters::new(&Meters::new().unwrap(), &app.name);
        let mut app = AppState::new(app, 0, meters, Instant::now());
        assert!(app.has_room(Endpoint::Token, 1));
        app.endpoints[Endpoint::Token].in_flight += 1;
        assert!(!app.has_room(Endpoint::Token, 1));
        assert!(app.has_room(Endpoint::Query, 32), "polls go on meanwhile");
        let downloads = &mut app.endpoints[Endpoint::Download];
        downloads.in_flight = 4;
        for (slow, in_flight) in [(0, 4), (3, 7), (4, 8), (6, 8)] {
            (app.endpoints[Endpoint::Download].slow, app.endpoints[Endpoint::Download].in_flight) =
                (slow, in_flight);
            assert!(!app.has_room(Endpoint::Download, 4), "{slow} of {in_flight} slow");
            app.endpoints[Endpoint::Download].in_flight -= 1;
            assert!(app.has_room(Endpoint::Download, 4), "{slow} of {in_flight} slow");
        }
    }
}
