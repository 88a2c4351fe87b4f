//! Moments in words, as people think of them: "in 12 s", "4 min ago".

use std::time::Duration;

use feishu_export_watcher::domain::WallTime;

use feishu_export_watcher::domain::words::span;

/// How far away a moment is, and on which side of now.
pub(super) fn relative(moment: WallTime, now: WallTime) -> String {
    if moment > now { format!("in {}", span(moment.since(now))) } else { ago(moment, now) }
}

/// How long ago a moment was. One that lies ahead (a clock that was set back) counts as now.
pub(super) fn ago(moment: WallTime, now: WallTime) -> String {
    let passed = now.since(moment);
    if passed < Duration::from_secs(1) { "now".to_owned() } else { format!("{} ago", span(passed)) }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{NOW, after};
    use super::*;

    #[test]
    fn words_fit_the_distance() {
        for (seconds, words) in [
            (0.0, "now"),
            (-0.5, "now"),
            (0.5, "in 0 s"),
            (12.0, "in 12 s"),
            (-90.0, "90 s ago"),
            (-240.0, "4 min ago"),
            (7_199.0, "in 119 min"),
            (-7_200.0, "2 h ago"),
            (-260_000.0, "3 d ago"),
        ] {
            assert_eq!(relative(after(seconds), NOW), words);
        }
        assert_eq!(ago(after(5.0), NOW), "now");
    }
}
