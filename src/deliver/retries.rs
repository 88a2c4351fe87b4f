//! When an event that a hook did not take is sent again. Pure: tries and times in, a wait out.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::receiver::CallError;
use crate::domain::WallTime;
use crate::store::DUE_MAX;

/// Waits after the first tries; later ones are an hour apart.
const FIRST_WAITS: [Duration; 4] = [
    Duration::from_secs(5),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
];
const LATER_WAIT: Duration = Duration::from_secs(60 * 60);

/// An event that still fails so long after its first failed try is given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// How long to wait after so many tries that failed, at least one, for as long as the receiver asked for at least; none
/// where the event is given up. `took` is the time since the first of them.
pub(super) fn wait_after(tries: u32, took: Duration, asked_for: Option<Duration>) -> Option<Duration> {
    let place = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
    let wait = FIRST_WAITS.get(place).copied().unwrap_or(LATER_WAIT);
    (took < GIVE_UP_AFTER).then(|| wait.max(asked_for.unwrap_or_default()).min(DUE_MAX))
}

/// How long the receiver is to get no event at all after such an error: it has too much to do (429, 503), or says how long.
pub(super) fn throttle(error: &CallError) -> Option<Duration> {
    let has_too_much = matches!(error.http_status, Some(429 | 503));
    error.retry_after.or_else(|| has_too_much.then_some(FIRST_WAITS[0]))
}

/// What a `Retry-After` asks for: seconds, or a moment (RFC 9110, 10.2.3); none where it says something else.
pub(super) fn retry_after(text: &str, now: WallTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are still "very long".
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)).min(DUE_MAX));
    }
    let moment: Timestamp = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(WallTime::from(moment).since(now).min(DUE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Promise: 5 s, 1 min, 5 min, 30 min, then hourly, until three days are over, however many tries these had.
    #[test]
    fn waits_grow_and_end_after_three_days() {
        let waits =
            [1, 2, 3, 4, 5, 6, u32::MAX].map(|tries| wait_after(tries, SECOND, None).unwrap().as_secs());
        assert_eq!(waits, [5, 60, 300, 1800, 3600, 3600, 3600]);
        for tries in [1, 2, 76, 10_000] {
            assert!(wait_after(tries, GIVE_UP_AFTER - SECOND, None).is_some(), "{tries}");
            assert_eq!(wait_after(tries, GIVE_UP_AFTER, None), None, "{tries}");
        }
    }

    /// Promise: a receiver that asks for time gets it, a day at most; asking for less shortens nothing.
    #[test]
    fn a_receiver_may_ask_for_time() {
        assert_eq!(wait_after(1, SECOND, Some(90 * SECOND)), Some(90 * SECOND));
        assert_eq!(wait_after(2, SECOND, Some(SECOND)), Some(60 * SECOND));
        assert_eq!(wait_after(9, SECOND, Some(DUE_MAX + SECOND)), Some(DUE_MAX));
        assert_eq!(wait_after(76, GIVE_UP_AFTER, Some(SECOND)), None);
        let now = WallTime::from_millis(1_795_341_600_000);
        for (text, expected) in [
            ("120", Some(120 * SECOND)),
            (" 0 ", Some(Duration::ZERO)),
            ("99999999999999999999999", Some(DUE_MAX)),
            ("Sun, 22 Nov 2026 10:01:00 GMT", Some(60 * SECOND)),
            ("Sun, 22 Nov 2026 09:00:00 GMT", Some(Duration::ZERO)),
            ("Tue, 22 Nov 2033 10:00:00 GMT", Some(DUE_MAX)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(text, now), expected, "{text}");
        }
    }
}
