//! The answers of an app's last hour, as a strip of sixty minutes and in words.

use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;

use super::text::Moment;
use crate::domain::WallTime;
use crate::domain::words::grouped;
use crate::engine::{MINUTES, Minute};

/// Units of the strip's height.
const HEIGHT: u64 = 10;

/// What of the height a part has at least, so that it can be seen.
const LEAST: u64 = 3;

/// The strip of an app that was answered within the hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Strip {
    proper: u64,
    troubled: u64,
    /// The last minute with trouble.
    trouble_at: Option<Moment>,
    /// Outlines of what is drawn from below, and of what is drawn from above.
    outlines: [String; 2],
}

impl Strip {
    /// None where no answer came.
    pub(super) fn new(minutes: &[Minute; MINUTES], now: WallTime) -> Option<Self> {
        let sum = |count: fn(&Minute) -> u32| minutes.iter().map(|minute| u64::from(count(minute))).sum();
        let (proper, troubled) = (sum(|minute| minute.proper), sum(|minute| minute.troubled));
        if proper + troubled == 0 {
            return None;
        }
        let trouble_at = minutes.iter().rposition(|minute| minute.troubled > 0).map(|at| begin(at, now));
        let mut outlines = [String::new(), String::new()];
        for (at, minute) in minutes.iter().enumerate() {
            let high = troubled_height(*minute);
            bar(&mut outlines[1], at, 0, high);
            if minute.proper > 0 {
                bar(&mut outlines[0], at, high, HEIGHT - high);
            }
        }
        Some(Self { proper, troubled, trouble_at: trouble_at.map(Moment), outlines })
    }
}

/// When a minute began.
fn begin(at: usize, now: WallTime) -> WallTime {
    let first = now.as_millis().div_euclid(60_000) - (MINUTES as i64 - 1);
    WallTime::from_millis((first + at as i64) * 60_000)
}

/// The part of the height that trouble takes.
fn troubled_height(Minute { proper, troubled }: Minute) -> u64 {
    let (proper, troubled) = (u64::from(proper), u64::from(troubled));
    match (proper, troubled) {
        (_, 0) => 0,
        (0, _) => HEIGHT,
        _ => (troubled * HEIGHT / (proper + troubled)).clamp(LEAST, HEIGHT - LEAST),
    }
}

fn bar(outline: &mut String, at: usize, top: u64, height: u64) {
    if height > 0 {
        // Writing to a string does not fail.
        let _ = write!(outline, "M{at} {top}h1v{height}h-1z");
    }
}

/// Trouble hangs from above and proper answers stand below, so that colour alone decides nothing. What is drawn is said
/// in words beside it.
impl fmt::Display for Strip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [proper, troubled] = &self.outlines;
        write!(
            f,
            "<svg class=strip viewBox=\"0 0 {MINUTES} {HEIGHT}\" preserveAspectRatio=none aria-hidden=true>\
             <path class=p d=\"{proper}\"/><path class=t d=\"{troubled}\"/></svg> {} proper",
            grouped(self.proper as usize)
        )?;
        match self.trouble_at {
            Some(at) => write!(f, ", {} in trouble, last {at}", grouped(self.troubled as usize)),
            None => f.write_str(", none in trouble"),
        }
    }
}

impl HtmlSafe for Strip {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: a single answer in trouble among many is seen, and everything that is drawn is said.
    #[test]
    fn trouble_is_seen_and_said() {
        let now = WallTime::from_millis(1_795_341_600_000);
        let mut minutes = [Minute::default(); MINUTES];
        assert_eq!(Strip::new(&minutes, now), None);
        minutes[0] = Minute { proper: 1200, troubled: 0 };
        minutes[58] = Minute { proper: 99, troubled: 1 };
        minutes[59] = Minute { proper: 0, troubled: 2 };
        let strip = Strip::new(&minutes, now).unwrap().to_string();
        for part in [
            "<path class=p d=\"M0 0h1v10h-1zM58 3h1v7h-1z\"/>",
            "<path class=t d=\"M58 0h1v3h-1zM59 0h1v10h-1z\"/>",
            "</svg> 1,299 proper, 3 in trouble, last <time datetime=\"2026-11-22T10:00:00Z\">",
        ] {
            assert!(strip.contains(part), "no {part} in {strip}");
        }
        let worst = Strip::new(&[Minute { proper: u32::MAX, troubled: u32::MAX }; MINUTES], now).unwrap();
        assert!(worst.to_string().len() < 3 << 10, "{}", worst.to_string().len());
    }
}
