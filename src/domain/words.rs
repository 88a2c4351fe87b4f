//! Numbers, lengths of time and an app's trouble as people read them. What they count is the caller's.

use std::time::Duration;

use super::{AppCondition, Trouble, WallTime};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::escape::escape;

/// A number with its thousands parted: "1,204".
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// A length in its largest unit of which there are at least two: fine enough to act on.
pub fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// "paused 38 s: rate limit", "degraded for 74 s: server not reached: connection refused". With a time zone the end of a
/// pause is named by the clock, and how long it has lasted: "paused until 14:02 (38 s): rate limit".
pub fn trouble(trouble: &Trouble, now: WallTime, zone: Option<&TimeZone>) -> String {
    let lasts = span(now.since(trouble.since));
    let state = match (trouble.condition, trouble.until, zone) {
        (AppCondition::Active, ..) => format!("in trouble for {lasts}"),
        (AppCondition::Degraded, ..) => format!("degraded for {lasts}"),
        (AppCondition::Paused, Some(until), _) if until <= now => "paused, about to go on".to_owned(),
        (AppCondition::Paused, Some(until), None) => format!("paused {}", span(until.since(now))),
        (AppCondition::Paused, Some(until), Some(zone)) => {
            format!("paused until {} ({})", clock(until, now, zone), span(until.since(now)))
        }
        (AppCondition::Paused, None, None) => format!("paused, {}", next_try(trouble, now)),
        (AppCondition::Paused, None, Some(_)) => format!("paused for {lasts}, {}", next_try(trouble, now)),
    };
    escape(&format!("{state}: {}", trouble.in_words())).into_owned()
}

fn next_try(trouble: &Trouble, now: WallTime) -> String {
    match trouble.next {
        Some(next) if next > now => format!("tried again in {}", span(next.since(now))),
        _ => "being tried again".to_owned(),
    }
}

/// What an app's trouble is and what to do, for a line that stands for longer than a moment: "is paused: rate limit;
/// another process …".
pub fn trouble_and_hint(trouble: &Trouble) -> String {
    let state = match trouble.condition {
        AppCondition::Active => "in trouble",
        condition => condition.as_str(),
    };
    escape(&format!("is {state}: {}; {}", trouble.in_words(), trouble.cause.hint())).into_owned()
}

/// The time of day, with the day if that is another one.
fn clock(moment: WallTime, now: WallTime, zone: &TimeZone) -> String {
    let local = |moment: WallTime| {
        Timestamp::from_millisecond(moment.as_millis()).map(|moment| moment.to_zoned_datetime(zone.clone()))
    };
    let (Ok(moment), Ok(now)) = (local(moment), local(now)) else { return moment.to_string() };
    let form = if moment.date() == now.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    moment.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use crate::domain::{Endpoint, ErrorKind, PauseReason};

    use super::*;

    const NOW: WallTime = WallTime::from_millis(1_795_341_600_000);

    /// Promise: what is wrong with an app reads alike wherever it stands.
    #[test]
    fn trouble_is_in_words() {
        use PauseReason::{QuotaExhausted, RateLimited, SecretUnreadable};
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        let at = |seconds: i64| WallTime::from_millis(NOW.as_millis() + seconds * 1000);
        let pause = |reason, until: Option<i64>, next| {
            Trouble::from_pause(Endpoint::Query, reason, at(-30), until.map(at), at(next))
        };
        for (pause, long, short) in [
            (
                pause(RateLimited, Some(600), 600),
                "paused until 18:10 (10 min): rate limit",
                "paused 10 min: rate limit",
            ),
            (
                pause(RateLimited, Some(0), 0),
                "paused, about to go on: rate limit",
                "paused, about to go on: rate limit",
            ),
            (
                pause(QuotaExhausted, Some(741_600), 3600),
                "paused until 2026-12-01 08:00 (8 d): monthly quota used up",
                "paused 8 d: monthly quota used up",
            ),
            (
                pause(SecretUnreadable, None, 0),
                "paused for 30 s, being tried again: its secret can't be read",
                "paused, being tried again: its secret can't be read",
            ),
            (
                pause(SecretUnreadable, None, 240),
                "paused for 30 s, tried again in 4 min: its secret can't be read",
                "paused, tried again in 4 min: its secret can't be read",
            ),
        ] {
            assert_eq!(
                (trouble(&pause, NOW, Some(&zone)), trouble(&pause, NOW, None)),
                (long.into(), short.into())
            );
        }
        let calls = |condition| {
            let calls = Trouble::from_calls(condition, Endpoint::Token, ErrorKind::Network, at(-74));
            trouble(&calls.with_message(Some("connection\nrefused".into())), NOW, None)
        };
        assert_eq!(
            calls(AppCondition::Active),
            "in trouble for 74 s: server not reached: connection\\u{a}refused"
        );
        assert!(calls(AppCondition::Degraded).starts_with("degraded for 74 s: server not reached: "));
        assert_eq!(clock(NOW + Duration::MAX, NOW, &zone), WallTime::from_millis(i64::MAX).to_string());
    }

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!(
            (grouped(7), grouped(1204), grouped(1_000_000)),
            ("7".into(), "1,204".into(), "1,000,000".into())
        );
    }

    #[test]
    fn a_length_is_worded_in_its_largest_fitting_unit() {
        for (seconds, words) in
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_199, "119 min"), (7_200, "2 h"), (172_800, "2 d")]
        {
            assert_eq!(span(Duration::from_secs(seconds)), words);
        }
    }
}
