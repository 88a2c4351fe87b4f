//! Durations as scenario files write them: `"250ms"`, `"1.5s"`, `"10m"`, `"2h"`, or a plain number of seconds.

use std::{fmt, time::Duration};

use serde::de::{self, Deserializer, Visitor};

/// Reads `"1.5s"` and its like; the error says what is wrong with the text.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        unit => {
            return Err(format!("unknown unit {unit:?} in {text:?}, use ms, s, m or h"));
        }
    };
    let number: f64 = digits.trim().parse().map_err(|_| format!("{text:?} is not a duration"))?;
    from_seconds(number * factor)
}

fn from_seconds(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|cause| format!("{seconds} s: {cause}"))
}

/// The `times`-th part of a span; one too long for the clock is the longest there is.
pub(crate) fn divided(whole: Duration, times: f64) -> Duration {
    Duration::try_from_secs_f64(whole.as_secs_f64() / times).unwrap_or(Duration::MAX)
}

/// For `#[serde(with = "crate::duration")]` fields.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<Duration, D::Error> {
    source.deserialize_any(DurationVisitor)
}

/// For optional fields: `#[serde(default, deserialize_with = "crate::duration::optional")]`.
pub(crate) fn optional<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Duration>, D::Error> {
    deserialize(source).map(Some)
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a duration such as \"1.5s\" or a number of seconds")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Duration, E> {
        u64::try_from(seconds).map(Duration::from_secs).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Duration, E> {
        Ok(Duration::from_secs(seconds))
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Duration, E> {
        from_seconds(seconds).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit() {
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(parse("3"), Ok(Duration::from_secs(3)));
    }

    #[test]
    fn refuses_nonsense() {
        for text in ["", "s", "-1s", "1d", "one second", "1e400s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
