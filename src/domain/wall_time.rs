//! A moment of the wall clock, as people and the state file see it. Waiting is never measured with
//! it: that is the monotonic clock's work.

use std::num::NonZeroI64;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

/// Milliseconds since the Unix epoch, UTC.
///
/// Eight bytes also inside an `Option`, because a hundred thousand tickets carry seven of them each.
/// The epoch itself is stored as its first millisecond. Log and status print RFC 3339 in UTC with milliseconds.
#[derive(Clone, Copy, derive_more::Debug, derive_more::Display, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[debug("{self}")]
#[display("{:.3}", self.timestamp())]
pub struct WallTime(NonZeroI64);

impl WallTime {
    /// The moment `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        match NonZeroI64::new(millis) {
            Some(millis) => Self(millis),
            None => Self::from_millis(1),
        }
    }

    /// What the system's clock says now. For the rim of the program; decisions take `now` as an argument.
    #[must_use]
    pub fn now() -> Self {
        Self::from(Timestamp::now())
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0.get()
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let millis = self.as_millis().saturating_sub(earlier.as_millis());
        Duration::from_millis(millis.try_into().unwrap_or(0))
    }

    /// The month, UTC.
    #[must_use]
    pub fn month(self) -> Month {
        let date = self.date();
        Month(i32::from(date.year()) * 100 + i32::from(date.month()))
    }

    /// The first millisecond of the next month, UTC.
    #[must_use]
    pub fn next_month(self) -> Self {
        let first =
            self.date().last_of_month().tomorrow().and_then(|day| day.to_zoned_datetime(TimeZone::UTC));
        // Only the last month that the calendar can express has no next one.
        first.map_or(self, |zoned| Self::from(zoned.timestamp()))
    }

    fn date(self) -> Date {
        TimeZone::UTC.to_datetime(self.timestamp()).date()
    }

    /// The same for the calendar.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        let nearest = if self.as_millis() < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Timestamp::from_millisecond(self.as_millis()).unwrap_or(nearest)
    }
}

/// A calendar month, UTC, by which the platforms count their quota of requests: the number that its digits make, 202611.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(pub i32);

impl From<Timestamp> for WallTime {
    fn from(timestamp: Timestamp) -> Self {
        Self::from_millis(timestamp.as_millisecond())
    }
}

impl std::ops::Add<Duration> for WallTime {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self::from_millis(self.as_millis().saturating_add(millis(span)))
    }
}

impl std::ops::Sub<Duration> for WallTime {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self::from_millis(self.as_millis().saturating_sub(millis(span)))
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC, as in every output.
impl Serialize for WallTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for WallTime {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        text.parse::<Timestamp>().map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> WallTime {
        WallTime::from(text.parse::<Timestamp>().unwrap())
    }

    #[test]
    fn an_option_takes_no_more_room() {
        assert_eq!(size_of::<Option<WallTime>>(), 8);
    }

    #[test]
    fn prints_rfc_3339_utc() {
        assert_eq!(at("2026-11-22T10:00:00+08:00").to_string(), "2026-11-22T02:00:00.000Z");
        assert_eq!(WallTime::from_millis(0).to_string(), "1970-01-01T00:00:00.001Z");
        assert!(!WallTime::from_millis(i64::MAX).to_string().is_empty());
        assert!(!WallTime::from_millis(i64::MIN).to_string().is_empty());
    }

    #[test]
    fn a_span_never_runs_backwards() {
        let early = at("2026-11-22T10:00:00Z");
        let late = at("2026-11-22T10:00:01.5Z");
        assert_eq!(late.since(early), Duration::from_millis(1500));
        assert_eq!(early.since(late), Duration::ZERO);
    }

    #[test]
    fn next_month_is_its_first_moment() {
        assert_eq!(at("2026-11-22T10:00:00Z").next_month(), at("2026-12-01T00:00:00Z"));
        assert_eq!(at("2026-12-31T23:59:59Z").next_month(), at("2027-01-01T00:00:00Z"));
        assert_eq!(at("2026-12-31T23:59:59Z").month(), Month(202_612));
    }
}
