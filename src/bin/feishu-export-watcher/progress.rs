//! The progress bar of a batch run, on a terminal only: how far it is, and how long a sweep takes.

use std::sync::Arc;
use std::time::Duration;

use feishu_export_watcher::domain::{PauseReason, TicketState};
use feishu_export_watcher::watch::{AppView, Snapshot};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;

use crate::log::Suspend;
use crate::words::grouped;

/// Redrawn at most this often.
const EVERY: Duration = Duration::from_millis(200);

/// A bar on stderr.
#[derive(Clone)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar that is seen from the first time that there is something to show.
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        // The template is a constant; should it ever not parse, the library's own bar does.
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} done  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        Self(bar)
    }

    /// Takes the bar away while something else is written to the terminal.
    pub(crate) fn suspend(&self) -> Suspend {
        let bar = self.0.clone();
        Arc::new(move |write| bar.suspend(write))
    }

    /// Follows the engine until it is gone.
    pub(crate) async fn follow(self, mut view: watch::Receiver<Snapshot>) {
        while view.changed().await.is_ok() {
            self.draw(&view.borrow_and_update().clone());
            tokio::time::sleep(EVERY).await;
        }
        self.0.finish_and_clear();
    }

    fn draw(&self, snapshot: &Snapshot) {
        let listed = snapshot.listed;
        let pending = listed.of(TicketState::Pending);
        self.0.set_length(u64::try_from(listed.total()).unwrap_or(u64::MAX));
        self.0.set_position(u64::try_from(listed.total() - pending).unwrap_or(u64::MAX));
        self.0.set_message(message(snapshot));
        if self.0.is_hidden() {
            self.0.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
        }
    }
}

/// "1,204 open, one sweep takes 12 min at 100 a minute", then what failed and who is paused.
fn message(snapshot: &Snapshot) -> String {
    let pending = snapshot.listed.of(TicketState::Pending);
    let failed = snapshot.listed.of(TicketState::Failed) + snapshot.listed.of(TicketState::TimedOut);
    let mut parts = vec![format!("{} open", grouped(pending))];
    if let Some(app) = snapshot.apps.iter().max_by_key(|app| sweep(app, snapshot)) {
        let pace = per_minute(app);
        parts.push(format!("one sweep takes {} at {pace} a minute", words(sweep(app, snapshot))));
    }
    if failed > 0 {
        parts.push(format!("{} failed", grouped(failed)));
    }
    let paused = snapshot.apps.iter().filter_map(|app| Some((app, app.pause?.reason)));
    parts.extend(
        paused.map(|(app, reason): (&AppView, PauseReason)| format!("app {} paused: {reason}", app.name)),
    );
    if snapshot.state_failing {
        parts.push("the state file can't be written".to_owned());
    }
    parts.join(", ")
}

/// How long it takes to ask once about every open ticket of the app and of those that share its budget.
fn sweep(app: &AppView, snapshot: &Snapshot) -> Duration {
    let sharing = snapshot.apps.iter().filter(|other| other.budget == app.budget);
    app.rate_limit.time_for(sharing.map(|other| other.pending).sum())
}

fn per_minute(app: &AppView) -> String {
    let rate = f64::from(app.rate_limit.requests.get()) * 60.0 / app.rate_limit.per.as_secs_f64();
    format!("{rate:.0}")
}

fn words(span: Duration) -> String {
    match span.as_secs() {
        0 => "under 1 s".to_owned(),
        seconds @ 1..=99 => format!("{seconds} s"),
        seconds @ 100..=5999 => format!("{} min", (seconds + 30) / 60),
        seconds => format!("{:.1} h", seconds as f64 / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use feishu_export_watcher::domain::{AppName, BudgetKey, RateLimit, WallTime};
    use feishu_export_watcher::watch::{Counts, PauseView};

    use super::*;

    fn app(pending: usize) -> AppView {
        AppView {
            name: AppName::new("default"),
            pending,
            known: Counts::default(),
            next_due: None,
            token_ends_at: None,
            pause: None,
            degraded: false,
            budget: BudgetKey::from(pending.to_string().as_str()),
            rate_limit: RateLimit { requests: 100.try_into().unwrap(), per: Duration::from_secs(60) },
            budget_left: 100,
            requests_this_month: 0,
        }
    }

    #[test]
    fn says_how_long_a_sweep_takes() {
        let listed = std::iter::repeat_n(TicketState::Pending, 1204).collect();
        let snapshot = Snapshot { listed, apps: vec![app(4), app(1204)], ..Snapshot::default() };
        assert_eq!(message(&snapshot), "1,204 open, one sweep takes 12 min at 100 a minute");
    }

    #[test]
    fn says_who_is_paused() {
        let now = WallTime::from_millis(1);
        let pause = PauseView { reason: PauseReason::RateLimited, since: now, until: Some(now), next: now };
        let paused = AppView { pause: Some(pause), ..app(10) };
        let snapshot = Snapshot { apps: vec![paused], ..Snapshot::default() };
        assert_eq!(
            message(&snapshot),
            "0 open, one sweep takes 6 s at 100 a minute, app default paused: rate_limited"
        );
    }
}
