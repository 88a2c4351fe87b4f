//! The apps, as rows.

use super::strip::Strip;
use super::text::{Foreign, LONG, Moment};
use crate::domain::words::grouped;
use crate::domain::{AppCondition, AppName, PauseReason, Trouble, TroubleCause, WallTime, files_in_words};
use crate::engine::{AppView, MINUTES, Minute};

/// Apps that are shown; `/status` has all.
pub(super) const APPS: usize = 40;

/// A row.
pub(super) struct AppRow {
    pub(super) name: String,
    pub(super) state: &'static str,
    pub(super) tone: &'static str,
    pub(super) trouble: Option<TroubleCell>,
    pub(super) counts: String,
    pub(super) budget: String,
    pub(super) month: String,
    pub(super) hour: Option<Strip>,
}

/// Why an app is in trouble, and since when.
pub(super) struct TroubleCell {
    pub(super) why: Foreign,
    pub(super) since: Moment,
    pub(super) until: Option<Moment>,
    pub(super) next: Option<Moment>,
}

/// The apps, those first whose trouble is most urgent, and how many are left out.
pub(super) fn rows(
    apps: &[AppView],
    hour: impl Fn(&AppName) -> [Minute; MINUTES],
    now: WallTime,
) -> (Vec<AppRow>, usize) {
    let mut sorted: Vec<_> = apps.iter().collect();
    sorted.sort_by_key(|app| app.trouble.as_ref().map_or(u8::MAX, Trouble::urgency));
    let shown = sorted.iter().take(APPS).map(|app| row(app, &hour(&app.name), now)).collect();
    (shown, apps.len().saturating_sub(APPS))
}

fn row(app: &AppView, hour: &[Minute; MINUTES], now: WallTime) -> AppRow {
    let limit = app.rate_limit;
    let files = files_in_words(&app.files).map(|files| format!("; files {files}")).unwrap_or_default();
    let (state, tone) = state(app.trouble.as_ref());
    AppRow {
        name: app.name.as_str().to_owned(),
        state,
        tone,
        trouble: app.trouble.as_ref().map(cell),
        counts: format!("{}{files}", app.known),
        budget: format!("{} of {} in {} s", app.budget_left, limit.requests, limit.per.as_secs_f64()),
        month: month(app),
        hour: Strip::new(hour, now),
    }
}

/// In a word, and how it is drawn.
pub(super) fn state(trouble: Option<&Trouble>) -> (&'static str, &'static str) {
    let Some(trouble) = trouble else { return ("active", "good") };
    match trouble.condition {
        AppCondition::Degraded if trouble.cause == TroubleCause::App(PauseReason::WrongIdentity) => {
            ("suspected", "bad")
        }
        AppCondition::Active => ("active, in trouble", "warn"),
        AppCondition::Degraded => ("degraded", "warn"),
        AppCondition::Paused => ("paused", if trouble.urgency() <= 1 { "bad" } else { "warn" }),
    }
}

fn cell(trouble: &Trouble) -> TroubleCell {
    TroubleCell {
        why: Foreign::new(&trouble.in_words(), LONG),
        since: Moment(trouble.since),
        until: trouble.until.map(Moment),
        // The end, where it is known, is what a pause is next tried for.
        next: trouble.next.filter(|_| trouble.until.is_none()).map(Moment),
    }
}

/// Requests of the app's budget, and the calls of its tenant where a quota is configured.
fn month(app: &AppView) -> String {
    let number = |number: u64| grouped(usize::try_from(number).unwrap_or(usize::MAX));
    let requests = format!("{} requests", number(app.requests_this_month));
    match (&app.tenant, app.tenant_calls_this_month) {
        (Some(tenant), Some(calls)) => {
            let (name, of) = (&tenant.name, number(tenant.monthly_calls));
            format!("{requests}; {} of {of} calls of tenant {name}", number(calls))
        }
        _ => requests,
    }
}
