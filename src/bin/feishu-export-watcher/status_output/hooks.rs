//! Hooks in the form for people: those that have not taken everything, why, and what to do.

use std::io::{self, Write};

use feishu_export_watcher::domain::words::{grouped, span};
use feishu_export_watcher::domain::{HookStatus, escape};

use super::closing::{INDENT, print_wrapped};
use super::columns::{GAP, width, write_padded};
use super::report::Report;
use super::style;

/// Prints every hook for which events wait or were given up, or that ended.
pub(super) fn print(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    let is_shown = |hook: &&HookStatus| hook.waiting > 0 || hook.failed > 0 || hook.is_ended;
    let hooks: Vec<_> = report.hooks.iter().filter(is_shown).collect();
    let names: Vec<_> = hooks.iter().map(|hook| format!("hook {}", hook.name)).collect();
    let widest = names.iter().map(|name| width(name)).max().unwrap_or_default();
    for (name, hook) in names.iter().zip(hooks) {
        write_padded(out, name, report.style(style::HEAD), widest + GAP)?;
        let is_lost = hook.failed > 0 || hook.is_ended;
        let style = report.style(if is_lost { style::BAD } else { style::WARNING });
        let style = if is_lost || hook.is_failing() { style } else { style::PLAIN };
        write!(out, "{style}")?;
        print_wrapped(out, &summary(hook, report), widest + GAP, report.screen.width)?;
        write!(out, "{style:#}")?;
        if let Some(advice) = advice(hook, report.is_watched) {
            write!(out, "{:INDENT$}", "")?;
            print_wrapped(out, &advice, INDENT, report.screen.width)?;
        }
    }
    Ok(())
}

/// "3 events wait, 2 given up, next try in 5 min; 4 min ago: exit code 1".
fn summary(hook: &HookStatus, report: &Report<'_>) -> String {
    let verb = if hook.waiting == 1 { "event waits" } else { "events wait" };
    let waiting = (hook.waiting > 0).then(|| format!("{} {verb}", grouped(hook.waiting)));
    let failed = (hook.failed > 0).then(|| format!("{} given up", grouped(hook.failed)));
    let ended = hook.is_ended.then(|| "ended, its receiver is gone".to_owned());
    let counts = ended.into_iter().chain(waiting).chain(failed).collect::<Vec<_>>().join(", ");
    let is_failing = hook.is_failing() || hook.failed > 0 || hook.is_ended;
    match &hook.last_error {
        // What a hook that takes events did not take before is sent again, and not the last word on it.
        Some(error) if is_failing => {
            let ago = span(report.now.since(error.at));
            let next = next_try(hook, report);
            format!("{counts}{next}; {ago} ago: {}", escape(&error.message))
        }
        _ => counts,
    }
}

/// What to do; none where nothing but time is needed.
fn advice(hook: &HookStatus, is_watched: bool) -> Option<String> {
    let waits_for_run = !is_watched && hook.waiting > 0 && !hook.is_ended;
    waits_for_run
        .then(|| "no watcher runs: they go out with the next run".to_owned())
        .or_else(|| hook.advice())
}

/// ", next try in 5 min", if it is still to come.
fn next_try(hook: &HookStatus, report: &Report<'_>) -> String {
    let next = hook.next.filter(|next| report.is_watched && !hook.is_ended && *next > report.now);
    next.map(|next| format!(", next try in {}", span(next.since(report.now)))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use feishu_export_watcher::domain::{HookError, HookName};

    use super::super::fixtures::{self, after};
    use super::*;

    fn hook(name: &str, waiting: usize, failed: usize, error: Option<&str>) -> HookStatus {
        let last_error = error.map(|it| HookError { message: it.to_owned(), at: after(-250.0) });
        HookStatus { waiting, taken: 7, failed, last_error, ..HookStatus::unknown(HookName::new(name)) }
    }

    fn printed(hooks: &[HookStatus], is_watched: bool) -> String {
        let mut out = Vec::new();
        print(&mut out, &Report { hooks, is_watched, ..fixtures::report(&[]) }).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Promise: a hook that did not take something shows why and what to do, one that is well takes no room.
    #[test]
    fn hooks_in_trouble_are_shown_with_advice() {
        let gone = HookStatus { is_ended: true, ..hook("chat", 1, 0, Some("410 Gone")) };
        let slow = hook("slow", 1_204, 0, Some("503 Service Unavailable"));
        let slow = HookStatus { next: Some(after(290.0)), ..slow };
        let hooks = [
            hook("archive", 3, 2, Some("exit code 1: \u{1b}[2J")),
            hook("well", 0, 0, Some("exit code 2")),
            slow,
            hook("busy", 1, 0, None),
            HookStatus { taken_at: Some(after(-200.0)), ..hook("sound", 2, 0, Some("exit code 3")) },
            gone,
        ];
        assert_eq!(
            printed(&hooks, true),
            "\
hook archive  3 events wait, 2 given up; 4 min ago: exit code 1: \\u{1b}[2J
  once corrected, `feishu-export-watcher hook test archive` shows it, and `feishu-export-watcher retry --hook archive` sends all of them
hook slow     1,204 events wait, next try in 4 min; 4 min ago: 503 Service Unavailable
  tried again by itself; once corrected, `feishu-export-watcher hook test slow` shows it, and `feishu-export-watcher retry --hook slow` sends them at once
hook busy     1 event waits
hook sound    2 events wait
hook chat     ended, its receiver is gone, 1 event waits; 4 min ago: 410 Gone
  its receiver says that it is gone for good (410): correct its url in watcher.toml, or take the hook out, and restart the watcher
"
        );
        assert_eq!(
            printed(&[hook("busy", 2, 0, None)], false),
            "hook busy  2 events wait\n  no watcher runs: they go out with the next run\n"
        );
    }
}
