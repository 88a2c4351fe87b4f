//! Whether an app, or one endpoint of it, may be asked: open, or paused for a reason. Pure.
//!
//! Answers come late: thirty polls may be in flight when the first is throttled. An answer to a request
//! that was sent before the pause began says nothing new; only what was sent since counts, to prolong
//! the pause or to end it.

use std::time::Duration;

use tokio::time::Instant;

use super::now::Now;
use super::snapshot::PauseView;
use crate::domain::{PauseEnd, PauseReason, WallTime};

/// A throttled app waits this long when the server names no time; doubled each time.
const THROTTLE_FIRST: Duration = Duration::from_secs(60);

/// The longest wait after a throttled answer, whatever the server names.
const THROTTLE_MAX: Duration = Duration::from_secs(600);

/// A broken app is probed after this long; doubled each time.
const PROBE_FIRST: Duration = Duration::from_secs(2);

/// A broken app is probed at least this often.
const PROBE_MAX: Duration = Duration::from_secs(300);

/// An app whose quota is used up is probed this often.
const QUOTA_PROBE: Duration = Duration::from_secs(3600);

/// Whether requests may be sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate {
    pause: Option<Pause>,
    /// Throttled answers without a named time, in a row: each doubles the wait.
    throttles: u32,
    /// What was sent before this belongs to a pause that is over.
    open_since: Option<Instant>,
}

/// A pause in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    /// Why.
    pub reason: PauseReason,
    /// Since when, on the monotonic clock.
    pub since: Instant,
    /// The same as `since`, for people.
    pub since_wall: WallTime,
    /// When it ends by itself, or when the next probe is sent.
    pub next: Instant,
    /// The same as `next`, for people.
    pub next_wall: WallTime,
    /// When it ends, if that can be known.
    pub until: Option<WallTime>,
    /// Until when the server counts, where a throttle was in force when the reason came, or came while it is.
    counted_until: Option<Instant>,
    /// How long the wait before the next probe is.
    wait: Duration,
    /// A probe is on its way.
    probing: bool,
}

impl Pause {
    /// One that begins at `now` and is over, or next tried, after `wait`.
    #[must_use]
    fn new(reason: PauseReason, wait: Duration, now: Now) -> Self {
        let until = match reason.ended_by() {
            PauseEnd::Time => Some(now.wall + wait),
            PauseEnd::Quota => Some(now.wall.next_month()),
            PauseEnd::Repair => None,
        };
        Self {
            reason,
            since: now.at,
            since_wall: now.wall,
            next: now.at + wait,
            next_wall: now.wall + wait,
            until,
            counted_until: None,
            wait,
            probing: false,
        }
    }

    /// The moment, or the throttle's end if that is later.
    fn not_counted(&self, moment: Instant) -> Instant {
        self.counted_until.map_or(moment, |end| moment.max(end))
    }

    /// The end of the throttle that it is, or that it goes on behind its reason.
    fn throttle_end(&self) -> Option<Instant> {
        if self.reason.ended_by() == PauseEnd::Time { Some(self.next) } else { self.counted_until }
    }

    /// As it is shown.
    #[must_use]
    pub(super) const fn view(&self) -> PauseView {
        PauseView { reason: self.reason, since: self.since_wall, until: self.until, next: self.next_wall }
    }
}

/// What may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// Anything.
    Open,
    /// One request, to find out whether the trouble is over.
    Probe,
    /// Nothing before that moment; none while a probe is on its way.
    Closed(Option<Instant>),
}

impl Gate {
    /// The pause in force.
    #[must_use]
    pub(super) const fn pause(&self) -> Option<&Pause> {
        self.pause.as_ref()
    }

    /// What may be sent at `now`.
    #[must_use]
    pub(super) fn passage(&self, now: Instant) -> Passage {
        match &self.pause {
            None => Passage::Open,
            Some(pause) if pause.probing => Passage::Closed(None),
            Some(pause) if now < pause.next => Passage::Closed(Some(pause.next)),
            // A pause that time ends is lifted by `expire`; until then nothing passes.
            Some(pause) if pause.reason.ended_by() == PauseEnd::Time => Passage::Closed(Some(pause.next)),
            Some(_) => Passage::Probe,
        }
    }

    /// The earliest moment at which something passes; none while a probe is on its way.
    #[must_use]
    pub(super) fn opens(&self, now: Instant) -> Option<Instant> {
        match self.passage(now) {
            Passage::Open | Passage::Probe => Some(now),
            Passage::Closed(until) => until,
        }
    }

    /// A probe was sent.
    pub(super) fn probe_sent(&mut self) {
        if let Some(pause) = &mut self.pause {
            pause.probing = true;
        }
    }

    /// A probe brought neither an accepted answer nor a fault: the next one waits longer.
    pub(super) fn probe_lost(&mut self, now: Now) {
        if let Some(pause) = self.pause.filter(|pause| pause.probing) {
            self.pause = Some(prolonged(pause, now));
        }
    }

    /// A probe did not have to be sent after all, or prepared the way for one: the next may follow at once.
    pub(super) fn probe_prepared(&mut self) {
        if let Some(pause) = &mut self.pause {
            pause.probing = false;
        }
    }

    /// A request sent at `sent` was throttled. Says whether a pause began.
    pub(super) fn throttled(&mut self, reset: Option<Duration>, sent: Instant, now: Now) -> bool {
        let named = reset.map(|reset| reset.min(THROTTLE_MAX));
        if self.pause.is_none() && self.is_over(sent) {
            return false;
        }
        match self.pause {
            None => {
                let wait = named.unwrap_or_else(|| self.next_throttle());
                self.begin(PauseReason::RateLimited, wait, now);
                true
            }
            Some(pause) => {
                // A late answer can name a later end, but is no new offence; nor is one of the same volley.
                let is_offence =
                    pause.reason.ended_by() != PauseEnd::Time && sent >= pause.not_counted(pause.since);
                let wait = named.or_else(|| is_offence.then(|| self.next_throttle()));
                self.pause = Some(throttled(pause, wait, sent, now));
                false
            }
        }
    }

    /// A request sent at `sent` failed by the app's fault. Says whether a pause began, or its reason changed.
    pub(super) fn fault(&mut self, reason: PauseReason, sent: Instant, now: Now) -> bool {
        match self.pause {
            Some(pause) if pause.reason == reason => {
                if sent >= pause.since {
                    self.pause = Some(prolonged(pause, now));
                }
                false
            }
            // Sent before the pause began: the reason in force is the newer one.
            Some(pause) if pause.reason.ended_by() != PauseEnd::Time && sent < pause.since => false,
            _ if self.is_over(sent) => false,
            // The server still counts: a fault found meanwhile must not shorten the wait.
            Some(pause) => {
                let timed = pause.reason.ended_by() == PauseEnd::Time;
                // Two faults that take turns are no reason to begin anew each time.
                let wait = if timed {
                    first_wait(reason, now)
                } else {
                    first_wait(reason, now).max(prolonged(pause, now).wait)
                };
                self.begin(reason, wait, now);
                if pause.next > now.at + wait {
                    self.wait_until(pause.next, now);
                }
                if let Some(fresh) = &mut self.pause {
                    fresh.counted_until = pause.throttle_end();
                }
                true
            }
            None => {
                self.begin(reason, first_wait(reason, now), now);
                true
            }
        }
    }

    /// A request sent at `sent` was accepted, or got another envelope of the API. Returns the pause that this ended; a throttle that goes on behind
    /// it is then the pause in force.
    pub(super) fn accepted(&mut self, sent: Instant, now: Now) -> Option<Pause> {
        match self.pause {
            None => {
                self.throttles = 0;
                None
            }
            Some(pause) if sent >= pause.since && pause.reason.ended_by() != PauseEnd::Time => {
                self.pause = None;
                self.open_since = Some(sent);
                if let Some(end) = pause.counted_until.filter(|end| *end > now.at) {
                    self.begin(PauseReason::RateLimited, end - now.at, now);
                }
                Some(pause)
            }
            Some(_) => None,
        }
    }

    /// Lifts a pause whose time is over, and returns it.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Pause> {
        let over =
            self.pause.filter(|pause| pause.reason.ended_by() == PauseEnd::Time && pause.next <= now)?;
        self.pause = None;
        self.open_since = Some(now);
        Some(over)
    }

    /// Somebody may have mended the app: the next probe may be sent at once. A throttle goes on, also behind
    /// another reason, because the server counts on.
    pub(super) fn try_again(&mut self, now: Now) {
        if let Some(pause) = self.pause.as_mut().filter(|pause| pause.reason.ended_by() != PauseEnd::Time) {
            pause.next = pause.not_counted(now.at);
            pause.next_wall = now.wall + (pause.next - now.at);
            pause.wait = first_wait(pause.reason, now) / 2;
        }
    }

    /// The wall clock was set back: what people are told of the pause follows. The turn of a month stays.
    pub(super) fn clock_set_back(&mut self, by: Duration) {
        if let Some(pause) = &mut self.pause {
            pause.next_wall = pause.next_wall - by;
            pause.since_wall = pause.since_wall - by;
            if pause.reason.ended_by() == PauseEnd::Time {
                pause.until = pause.until.map(|until| until - by);
            }
        }
    }

    /// The wall clock is ahead of where it was: a quota that ends with the month may be there again, and what
    /// people are told of the pause follows.
    pub(super) fn clock_ahead(&mut self, now: Now) {
        let Some(pause) = &mut self.pause else { return };
        let is_new_month = pause.until.is_some_and(|until| until <= now.wall);
        if pause.reason.ended_by() == PauseEnd::Quota && is_new_month {
            pause.next = pause.not_counted(now.at);
        }
        pause.next_wall = now.wall + pause.next.saturating_duration_since(now.at);
        if pause.reason.ended_by() == PauseEnd::Time {
            pause.until = Some(pause.next_wall);
        }
    }

    fn begin(&mut self, reason: PauseReason, wait: Duration, now: Now) {
        self.pause = Some(Pause::new(reason, wait, now));
    }

    /// Whether a request sent then belongs to a pause that is over: its answer is old news.
    fn is_over(&self, sent: Instant) -> bool {
        self.open_since.is_some_and(|since| sent < since)
    }

    fn wait_until(&mut self, next: Instant, now: Now) {
        if let Some(pause) = &mut self.pause {
            pause.next = next;
            pause.next_wall = now.wall + (next - now.at);
        }
    }

    fn next_throttle(&mut self) -> Duration {
        let wait = THROTTLE_FIRST.saturating_mul(1 << self.throttles.min(8)).min(THROTTLE_MAX);
        self.throttles = self.throttles.saturating_add(1);
        wait
    }
}

fn first_wait(reason: PauseReason, now: Now) -> Duration {
    match reason.ended_by() {
        // The month may turn before the hour is over.
        PauseEnd::Quota => QUOTA_PROBE.min(now.wall.next_month().since(now.wall)).max(PROBE_FIRST),
        PauseEnd::Time | PauseEnd::Repair => PROBE_FIRST,
    }
}

/// The pause in force, after a request sent at `sent` was throttled, for that long if it is a new throttle or a
/// named one.
fn throttled(pause: Pause, wait: Option<Duration>, sent: Instant, now: Now) -> Pause {
    // A throttled probe was no use: the next one waits longer.
    let is_probe = pause.probing && sent >= pause.since;
    let mut pause = if is_probe { prolonged(pause, now) } else { pause };
    let Some(wait) = wait else { return pause };
    let end = now.at + wait;
    pause.counted_until = Some(pause.not_counted(end));
    if end > pause.next {
        pause.next = end;
        pause.next_wall = now.wall + wait;
        let timed = pause.reason.ended_by() == PauseEnd::Time;
        pause.until = timed.then_some(pause.next_wall).or(pause.until);
    }
    pause
}

fn prolonged(pause: Pause, now: Now) -> Pause {
    let wait = match pause.reason.ended_by() {
        PauseEnd::Quota => first_wait(pause.reason, now),
        PauseEnd::Time | PauseEnd::Repair => (pause.wait * 2).clamp(PROBE_FIRST, PROBE_MAX),
    };
    let until = match pause.reason.ended_by() {
        PauseEnd::Quota => Some(now.wall.next_month()),
        PauseEnd::Time | PauseEnd::Repair => pause.until,
    };
    let next = pause.not_counted(now.at + wait);
    Pause { next, next_wall: now.wall + (next - now.at), until, wait, probing: false, ..pause }
}

#[cfg(test)]
mod tests;
