//! How hooks do, made for each scrape from what the state file last said of each.

use prometheus::{IntCounterVec, Registry};

use super::present::{add, opts};
use crate::domain::HookStatus;

/// Name, help, and the value where there is something to show.
type OfHook = (&'static str, &'static str, fn(&HookStatus) -> Option<f64>);

const OF_HOOK: [OfHook; 5] = [
    (
        "hook_events_waiting",
        "Events that the hook has not taken yet and that are sent to it by themselves.",
        |hook| Some(hook.waiting as f64),
    ),
    (
        "hook_events_failed",
        "Events that the hook did not take for three days; they are kept until they are sent again by hand.",
        |hook| Some(hook.failed as f64),
    ),
    ("hook_failing", "1 while the hook's last try failed and it has events that it did not take.", |hook| {
        Some(f64::from(u8::from(hook.is_failing())))
    }),
    ("hook_ended", "1 once the hook's receiver said that it is gone (410), until a restart.", |hook| {
        Some(f64::from(u8::from(hook.is_ended)))
    }),
    (
        "hook_last_error_timestamp_seconds",
        "When the hook last did not take an event; none if it took every one at once.",
        |hook| Some(hook.last_error.as_ref()?.at.as_millis() as f64 / 1000.0),
    ),
];

/// Adds all metrics of hooks to a registry.
///
/// # Errors
/// Two metrics have one name: a defect of this program.
pub(super) fn register(registry: &Registry, hooks: &[HookStatus]) -> prometheus::Result<()> {
    for (name, help, value) in OF_HOOK {
        let values = hooks.iter().filter_map(|it| Some(([it.name.as_str()], value(it)?)));
        add(registry, name, help, ["hook"], values)?;
    }
    let help = "Events that the hook took, over all runs with this state file.";
    let taken = IntCounterVec::new(opts("hook_events_taken_total", help), &["hook"])?;
    hooks.iter().for_each(|hook| taken.with_label_values(&[hook.name.as_str()]).inc_by(hook.taken));
    registry.register(Box::new(taken))
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;
    use crate::domain::{HookError, HookName, WallTime};

    /// Promise: each hook shows what waits, what it took and what was given up; where there is none, nothing shows.
    #[test]
    fn every_hook_is_shown() {
        let shown = |hooks: &[HookStatus]| {
            let registry = Registry::new();
            register(&registry, hooks).unwrap();
            let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            lines.map(|line| line.replace("feishu_export_watcher_", "")).collect::<Vec<_>>()
        };
        assert!(shown(&[]).is_empty());
        let hook = HookStatus {
            name: HookName::new("archive"),
            waiting: 3,
            taken: 1_204,
            failed: 2,
            last_error: Some(HookError {
                message: "exit code 1".to_owned(),
                at: WallTime::from_millis(1_500),
            }),
            is_ended: true,
            taken_at: Some(WallTime::from_millis(1_499)),
            next: None,
            throttled_until: None,
            asked: 0,
        };
        let chat = HookStatus::unknown(HookName::new("chat"));
        assert_eq!(
            shown(&[hook, chat]),
            [
                "hook_ended{hook=\"archive\"} 1",
                "hook_ended{hook=\"chat\"} 0",
                "hook_events_failed{hook=\"archive\"} 2",
                "hook_events_failed{hook=\"chat\"} 0",
                "hook_events_taken_total{hook=\"archive\"} 1204",
                "hook_events_taken_total{hook=\"chat\"} 0",
                "hook_events_waiting{hook=\"archive\"} 3",
                "hook_events_waiting{hook=\"chat\"} 0",
                "hook_failing{hook=\"archive\"} 1",
                "hook_failing{hook=\"chat\"} 0",
                "hook_last_error_timestamp_seconds{hook=\"archive\"} 1.5",
            ]
        );
    }
}
