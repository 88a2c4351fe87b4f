//! Whether requests may be sent to an endpoint of an app: open, or paused for a reason. Pure.
//!
//! Answers come late: thirty polls may be in flight when the first is throttled. An answer to a request
//! that was sent before the pause began says nothing new; only what was sent since counts, to prolong
//! the pause or to end it.

use std::time::Duration;

use tokio::time::Instant;

use super::now::Now;
use crate::domain::{Endpoint, PauseEnd, PauseReason, Trouble, WallTime};

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
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    /// Why.
    pub reason: PauseReason,
    /// When it began.
    pub since: Now,
    /// When it ends by itself, or when the next probe is sent.
    pub next: Now,
    /// When the month ends in which it was last met.
    month_end: WallTime,
    /// Until when the server counts, where a throttle was in force when the reason came, or came while it is.
    counted_until: Option<Instant>,
    /// How long the wait before the next probe is.
    wait: Duration,
    /// A probe is on its way.
    probing: bool,
}

impl Pause {
    /// One that begins at `now` and is over, or next tried, after `wait`.
    pub(super) fn new(reason: PauseReason, wait: Duration, now: Now) -> Self {
        Self {
            reason,
            since: now,
            next: now.after(wait),
            month_end: now.wall.next_month(),
            counted_until: None,
            wait,
            probing: false,
        }
    }

    /// Whether it ends by time, as opposed to an accepted answer.
    pub(super) fn is_timed(&self) -> bool {
        self.reason.ended_by() == PauseEnd::Time
    }

    /// When it ends, if that can be known.
    pub(super) fn until(&self) -> Option<WallTime> {
        match self.reason.ended_by() {
            PauseEnd::Time => Some(self.next.wall),
            PauseEnd::Quota => Some(self.month_end),
            PauseEnd::Repair => None,
        }
    }

    /// The trouble that it is for the app.
    pub(super) fn trouble(&self, endpoint: Endpoint, message: Option<Box<str>>) -> Trouble {
        let (since, next) = (self.since.wall, self.next.wall);
        Trouble::from_pause(endpoint, self.reason, since, self.until(), next).with_message(message)
    }

    /// The moment, or the throttle's end if that is later.
    fn not_counted(&self, moment: Instant) -> Instant {
        self.counted_until.map_or(moment, |end| moment.max(end))
    }

    /// The same after one more failure: the next probe waits longer.
    fn prolonged(self, now: Now) -> Self {
        let wait = match self.reason.ended_by() {
            PauseEnd::Quota => first_wait(self.reason, now),
            PauseEnd::Time | PauseEnd::Repair => (self.wait * 2).clamp(PROBE_FIRST, PROBE_MAX),
        };
        let next = now.later(self.not_counted(now.at + wait));
        Self { next, month_end: now.wall.next_month(), wait, probing: false, ..self }
    }
}

/// What may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permit {
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
    pub(super) fn permit(&self, now: Instant) -> Permit {
        match &self.pause {
            None => Permit::Open,
            Some(pause) if pause.probing => Permit::Closed(None),
            // A pause that time ends is lifted by `expire`; until then nothing passes.
            Some(pause) if now < pause.next.at || pause.is_timed() => Permit::Closed(Some(pause.next.at)),
            Some(_) => Permit::Probe,
        }
    }

    /// The earliest moment at which something passes; none while a probe is on its way.
    #[must_use]
    pub(super) fn opens(&self, now: Instant) -> Option<Instant> {
        match self.permit(now) {
            Permit::Open | Permit::Probe => Some(now),
            Permit::Closed(until) => until,
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
            self.pause = Some(pause.prolonged(now));
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
        let Some(mut pause) = self.pause else {
            let is_news = !self.is_over(sent);
            if is_news {
                let wait = named.unwrap_or_else(|| self.next_throttle());
                self.pause = Some(Pause::new(PauseReason::RateLimited, wait, now));
            }
            return is_news;
        };
        // A late answer can name a later end, but is no new offence; nor is one of the same volley.
        let is_offence = !pause.is_timed() && sent >= pause.not_counted(pause.since.at);
        let wait = named.or_else(|| is_offence.then(|| self.next_throttle()));
        // A throttled probe was no use: the next one waits longer.
        if pause.probing && sent >= pause.since.at {
            pause = pause.prolonged(now);
        }
        if let Some(end) = wait.map(|wait| now.at + wait) {
            pause.counted_until = Some(pause.not_counted(end));
            pause.next = now.later(pause.next.at.max(end));
        }
        self.pause = Some(pause);
        false
    }

    /// A request sent at `sent` failed by the app's fault. Says whether a pause began, or its reason changed.
    pub(super) fn fault(&mut self, reason: PauseReason, sent: Instant, now: Now) -> bool {
        let mut fresh = Pause::new(reason, first_wait(reason, now), now);
        match self.pause {
            Some(pause) if pause.reason == reason => {
                if sent >= pause.since.at {
                    self.pause = Some(pause.prolonged(now));
                }
                return false;
            }
            // Sent before the pause began: the reason in force is the newer one.
            Some(pause) if !pause.is_timed() && sent < pause.since.at => return false,
            _ if self.is_over(sent) => return false,
            Some(pause) if pause.is_timed() => fresh.counted_until = Some(pause.next.at),
            Some(pause) => {
                // Two faults that alternate are no reason to begin anew each time.
                fresh.wait = fresh.wait.max(pause.prolonged(now).wait);
                fresh.counted_until = pause.counted_until;
            }
            None => {}
        }
        // The server still counts: a fault found meanwhile must not shorten the wait.
        let in_force = self.pause.map_or(now.at, |pause| pause.next.at);
        fresh.next = now.later(in_force.max(now.at + fresh.wait));
        self.pause = Some(fresh);
        true
    }

    /// A request sent at `sent` was accepted, or got another envelope of the API. Returns the pause that this ended; a throttle that goes on behind
    /// it is then the pause in force.
    pub(super) fn accepted(&mut self, sent: Instant, now: Now) -> Option<Pause> {
        if self.pause.is_none() {
            self.throttles = 0;
        }
        let over = self.pause.take_if(|pause| !pause.is_timed() && sent >= pause.since.at)?;
        self.open_since = Some(sent);
        let counted = over.counted_until.filter(|end| *end > now.at);
        self.pause = counted.map(|end| Pause::new(PauseReason::RateLimited, end - now.at, now));
        Some(over)
    }

    /// Lifts a pause whose time is over, and returns it.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Pause> {
        let over = self.pause.take_if(|pause| pause.is_timed() && pause.next.at <= now)?;
        self.open_since = Some(now);
        Some(over)
    }

    /// The app may have been fixed: the next probe may be sent at once. A throttle goes on, also behind
    /// another reason, because the server counts on.
    pub(super) fn try_again(&mut self, now: Now) {
        if let Some(pause) = self.pause.as_mut().filter(|pause| !pause.is_timed()) {
            pause.next = now.later(pause.not_counted(now.at));
            pause.wait = first_wait(pause.reason, now) / 2;
        }
    }

    /// The wall clock was set back: what people read of the pause follows. The turn of a month stays.
    pub(super) fn clock_set_back(&mut self, by: Duration) {
        if let Some(pause) = &mut self.pause {
            pause.next.wall = pause.next.wall - by;
            pause.since.wall = pause.since.wall - by;
        }
    }

    /// The wall clock is ahead of where it was: a quota that ends with the month may be there again, and what
    /// people read of the pause follows.
    pub(super) fn clock_ahead(&mut self, now: Now) {
        let Some(pause) = &mut self.pause else { return };
        if pause.reason.ended_by() == PauseEnd::Quota && pause.month_end <= now.wall {
            pause.next.at = pause.not_counted(now.at);
        }
        pause.next = now.later(pause.next.at);
    }

    /// Whether a request sent then belongs to a pause that is over: its answer is old news.
    fn is_over(&self, sent: Instant) -> bool {
        self.open_since.is_some_and(|since| sent < since)
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

#[cfg(test)]
mod tests;
