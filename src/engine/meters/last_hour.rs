//! The answers to an app's requests, minute by minute for an hour: what people look at when they ask whether an app does
//! its work. No timer moves it: a minute that is over an hour old is overwritten by a later one, or not shown.

use crate::domain::WallTime;

/// How many minutes are kept.
pub const MINUTES: usize = 60;

/// Milliseconds of a minute.
const MINUTE: i64 = 60_000;

/// The answers of one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    /// Answers that accept app and access token, whatever they say of what was asked about.
    pub proper: u32,
    /// Requests that met trouble of the app, the server or the network.
    pub troubled: u32,
}

/// An hour of answers. Each minute has its number since the Unix epoch beside it.
#[derive(Clone, Debug)]
pub(super) struct LastHour([(i64, Minute); MINUTES]);

impl Default for LastHour {
    fn default() -> Self {
        Self([(i64::MIN, Minute::default()); MINUTES])
    }
}

impl LastHour {
    /// Counts one answer.
    pub(super) fn note(&mut self, is_proper: bool, now: WallTime) {
        let number = number(now);
        let (noted, minute) = &mut self.0[place(number)];
        if *noted != number {
            (*noted, *minute) = (number, Minute::default());
        }
        let count = if is_proper { &mut minute.proper } else { &mut minute.troubled };
        *count = count.saturating_add(1);
    }

    /// The minutes up to this one, the oldest first.
    pub(super) fn minutes(&self, now: WallTime) -> [Minute; MINUTES] {
        let first = number(now) - (MINUTES as i64 - 1);
        std::array::from_fn(|at| {
            let number = first + at as i64;
            let (noted, minute) = self.0[place(number)];
            if noted == number { minute } else { Minute::default() }
        })
    }
}

fn number(at: WallTime) -> i64 {
    at.as_millis().div_euclid(MINUTE)
}

fn place(number: i64) -> usize {
    number.rem_euclid(MINUTES as i64) as usize
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// 2026-11-22T10:00:00Z
    const NOW: WallTime = WallTime::from_millis(1_795_341_600_000);

    fn at(seconds: u64) -> WallTime {
        NOW + Duration::from_secs(seconds)
    }

    /// Promise: each answer shows in its minute, for an hour, and then no more, also where no other came.
    #[test]
    fn an_answer_shows_for_an_hour() {
        let mut hour = LastHour::default();
        for (is_proper, second) in [(true, 0), (true, 59), (false, 59), (true, 60)] {
            hour.note(is_proper, at(second));
        }
        let shown = |now: u64| {
            let minutes = hour.minutes(at(now));
            let found = minutes.iter().enumerate().filter(|(_, minute)| **minute != Minute::default());
            found.map(|(place, minute)| (place, minute.proper, minute.troubled)).collect::<Vec<_>>()
        };
        assert_eq!(shown(60), [(58, 2, 1), (59, 1, 0)]);
        assert_eq!(shown(59 * 60 + 59), [(0, 2, 1), (1, 1, 0)]);
        assert_eq!(shown(60 * 60), [(0, 1, 0)]);
        assert_eq!(shown(61 * 60), []);
        assert_eq!(shown(600 * 60), []);
        assert_eq!(shown(0), [(59, 2, 1)], "a clock that was set back shows nothing of what is to come");
        hour.note(false, at(60 * 60));
        assert_eq!(
            hour.minutes(at(60 * 60))[59],
            Minute { proper: 0, troubled: 1 },
            "the minute is another one"
        );
    }
}
