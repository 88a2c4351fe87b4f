//! Spans of time as people write them: `500ms`, `3s`, `2h 30m`, `30d`.

use std::time::Duration;

use jiff::SpanRelativeTo;
use jiff::fmt::friendly::SpanParser;

/// Longer texts are no duration.
const TEXT_MAX: usize = 64;

/// A day of 24 hours.
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a duration may be, in numbers and in words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) least: Duration,
    pub(super) most: Duration,
    /// Completes "expected a duration …".
    pub(super) words: &'static str,
}

impl Bounds {
    /// The duration, if the text is one and lies within the bounds.
    pub(super) fn parse(&self, text: &str) -> Option<Duration> {
        parse_duration(text).filter(|duration| (self.least..=self.most).contains(duration))
    }
}

/// Reads a duration such as `500ms`, `3s` or `2h 30m`; none if the text is no duration. A day is 24 hours,
/// a week seven days; months and years have no fixed length and are refused.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text.len() > TEXT_MAX {
        return None;
    }
    let span = SpanParser::new().parse_span(text).ok()?;
    let signed = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(signed).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, millis) in [
            ("500ms", 500),
            ("3s", 3000),
            ("1.5s", 1500),
            ("2h 30m", 9_000_000),
            ("30d", 30 * 86_400_000),
            ("1w", 7 * 86_400_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "3", "s", "-3s", "3s ago", "1mo", "1y", "P1D", "1e9s", "99999999999999h", "3s\0"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert_eq!(parse_duration(&"1s ".repeat(1000)), None);
    }

    #[test]
    fn bounds_are_inclusive() {
        let second = Duration::from_secs(1);
        let bounds = Bounds { least: second, most: 2 * second, words: "" };
        assert_eq!(bounds.parse("1s"), Some(second));
        assert_eq!(bounds.parse("2s"), Some(2 * second));
        assert_eq!(bounds.parse("999ms"), None);
        assert_eq!(bounds.parse("2001ms"), None);
    }
}
