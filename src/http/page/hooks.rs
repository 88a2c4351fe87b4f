//! The hooks, as rows.

use super::text::{Foreign, Moment, SHORT};
use crate::domain::HookStatus;
use crate::domain::words::grouped;

/// Hooks that are shown; `/status` has all.
const HOOKS: usize = 20;

/// A row.
pub(super) struct HookRow {
    pub(super) name: String,
    pub(super) state: &'static str,
    pub(super) waiting: String,
    pub(super) taken: String,
    pub(super) failed: String,
    pub(super) error: Option<(Foreign, Moment)>,
}

/// The hooks, and how many are left out.
pub(super) fn rows(hooks: &[HookStatus]) -> (Vec<HookRow>, usize) {
    (hooks.iter().take(HOOKS).map(row).collect(), hooks.len().saturating_sub(HOOKS))
}

fn row(hook: &HookStatus) -> HookRow {
    HookRow {
        name: hook.name.as_str().to_owned(),
        state: if hook.is_ended { "ended" } else { "active" },
        waiting: grouped(hook.waiting),
        taken: grouped(usize::try_from(hook.taken).unwrap_or(usize::MAX)),
        failed: grouped(hook.failed),
        error: hook.last_error.as_ref().map(|it| (Foreign::new(&it.message, 4 * SHORT), Moment(it.at))),
    }
}
