//! The progress bar of a batch run, on a terminal only: how far it is and how long the rest takes, or its trouble.

use std::sync::Arc;
use std::time::{Duration, Instant};

use feishu_export_watcher::domain::words::{grouped, span};
use feishu_export_watcher::domain::{
    FileState, HookStatus, TicketState, Trouble, WallTime, escape, size_in_words,
};
use feishu_export_watcher::log::Suspend;
use feishu_export_watcher::log::columns::cut;
use feishu_export_watcher::{AppView, Snapshot};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;

use crate::terminal::Screen;

/// Redrawn at most this often.
const EVERY: Duration = Duration::from_millis(200);

/// Columns of the bar itself.
const BAR: usize = 20;

/// Columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;

/// A bar on stderr, one row.
#[derive(Clone)]
pub(crate) struct Progress {
    bar: ProgressBar,
    began: Instant,
    /// Tickets that were done, with their files, when the bar began.
    done_before: Option<usize>,
}

impl Progress {
    /// A bar that is seen from the first time that there is something to show.
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        Self { bar, began: Instant::now(), done_before: None }
    }

    /// Takes the bar away while something else is written to the terminal.
    pub(crate) fn suspend(&self) -> Suspend {
        let bar = self.bar.clone();
        Arc::new(move |write| bar.suspend(write))
    }

    /// Follows the engine until it is gone, then the hooks.
    pub(crate) async fn follow(
        mut self,
        mut view: watch::Receiver<Snapshot>,
        mut hooks: watch::Receiver<Vec<HookStatus>>,
    ) {
        while view.changed().await.is_ok() {
            let snapshot = view.borrow_and_update().clone();
            self.draw(&snapshot);
            tokio::time::sleep(EVERY).await;
        }
        self.bar.set_style(style(true));
        hooks.mark_changed();
        while hooks.changed().await.is_ok() {
            let waiting: usize = hooks.borrow_and_update().iter().map(|hook| hook.waiting).sum();
            self.bar.set_message(awaited(waiting).unwrap_or_default());
            tokio::time::sleep(EVERY).await;
        }
        self.bar.finish_and_clear();
    }

    fn draw(&mut self, snapshot: &Snapshot) {
        let listed = snapshot.listed;
        let open = listed.of(TicketState::Pending) + snapshot.files[FileState::Waiting];
        let done = listed.total().saturating_sub(open);
        let done_before = *self.done_before.get_or_insert(done);
        self.bar.set_length(u64::try_from(listed.total()).unwrap_or(u64::MAX));
        self.bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
        let pace = Pace { done: done.saturating_sub(done_before), took: self.began.elapsed() };
        // Trouble needs the room, and nothing moves meanwhile.
        let is_troubled = snapshot.state_failing || worst(snapshot).is_some();
        let bar = if is_troubled { 0 } else { BAR + 1 };
        self.bar.set_style(style(is_troubled));
        // The last column stays free: some terminals break the row there.
        let room = Screen::from_stderr().width.unwrap_or(COLUMNS).saturating_sub(bar + 1);
        self.bar.set_message(cut(message(snapshot, pace, WallTime::now()).into(), room).into_owned());
        if self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
        }
    }
}

fn style(is_troubled: bool) -> ProgressStyle {
    let template = if is_troubled { "{msg}".to_owned() } else { format!("{{bar:{BAR}}} {{msg}}") };
    // The templates are constants; should one ever not parse, the library's own bar does.
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// How fast tickets came to their ends so far.
#[derive(Clone, Copy)]
struct Pace {
    done: usize,
    took: Duration,
}

/// "31/1,204 done, 12/31 files, 34 MiB, 2 failed, about 12 min left"; with documents "412 of 2,000 created, 380 saved, about
/// 16 min"; in trouble the reason and when it goes on in place of the time left.
fn message(snapshot: &Snapshot, pace: Pace, now: WallTime) -> String {
    let listed = snapshot.listed;
    let pending = listed.of(TicketState::Pending);
    let files = &snapshot.files;
    let lost = files[FileState::Failed] + files[FileState::Expired];
    let failed = listed.of(TicketState::Failed) + listed.of(TicketState::TimedOut) + lost;
    let mut text = if snapshot.documents > 0 { created(snapshot) } else { done(snapshot) };
    if failed > 0 {
        text += &format!(", {} failed", grouped(failed));
    }
    if snapshot.state_failing {
        return text + "; the state file can't be written";
    }
    match worst(snapshot) {
        Some((app, trouble)) => {
            let is_alone = snapshot.apps.len() == 1;
            let name = if is_alone { String::new() } else { format!("{} ", escape(app.name.as_str())) };
            text + &format!("; {name}{}", trouble.summary(now, None))
        }
        None if pending + files[FileState::Waiting] > 0 => text + &format!(", {}", left(snapshot, pace)),
        None => text,
    }
}

/// What is waited for when all else is done.
fn awaited(waiting: usize) -> Option<String> {
    let plural = if waiting == 1 { "" } else { "s" };
    (waiting > 0).then(|| format!("hooks have yet to take {} event{plural}", grouped(waiting)))
}

/// How far tickets and their files are.
fn done(snapshot: &Snapshot) -> String {
    let (total, known) = (snapshot.listed.total(), snapshot.files.values().sum());
    let text =
        format!("{}/{} done", grouped(total - snapshot.listed.of(TicketState::Pending)), grouped(total));
    if known == 0 {
        return text;
    }
    let saved = grouped(snapshot.files[FileState::Saved]);
    format!("{text}, {saved}/{} files, {}", grouped(known), size_in_words(snapshot.bytes))
}

/// How far documents are, and whatever else is listed: where nothing is downloaded, a completed export is all there is to
/// come.
fn created(snapshot: &Snapshot) -> String {
    let has_files = snapshot.files.values().any(|files| *files > 0);
    let (number, state) = if has_files {
        (snapshot.files[FileState::Saved], "saved")
    } else {
        (snapshot.listed.of(TicketState::Completed), "completed")
    };
    let [created, documents] = [snapshot.created, snapshot.documents].map(grouped);
    format!("{created} of {documents} created, {} {state}", grouped(number))
}

/// The trouble to look at first, of an app that has open tickets.
fn worst(snapshot: &Snapshot) -> Option<(&AppView, &Trouble)> {
    let open = snapshot.apps.iter().filter(|app| app.pending + app.files[FileState::Waiting] > 0);
    open.filter_map(|app| Some((app, app.trouble.as_ref()?))).min_by_key(|(_, trouble)| trouble.urgency())
}

/// How long the open tickets and their files take at the pace so far, which is never sooner than the budget allows to ask about each
/// once; that alone is known before the first is done. Exports are created no faster than the budget allows either, and while
/// any is left the pace says little: the first take long to end.
fn left(snapshot: &Snapshot, pace: Pace) -> String {
    let least = snapshot.apps.iter().map(|app| sweep(app, snapshot)).max().unwrap_or_default();
    if snapshot.created < snapshot.documents {
        return format!("about {}", span(least));
    }
    let left = if snapshot.documents > 0 { "" } else { " left" };
    if pace.done == 0 {
        return format!("at least {}{left}", span(least));
    }
    let open = snapshot.listed.of(TicketState::Pending) + snapshot.files[FileState::Waiting];
    let expected = pace.took.mul_f64(open as f64 / pace.done as f64);
    format!("about {}{left}", span(expected.max(least)))
}

/// How long it takes to ask once about every open ticket of the app and of those that share its budget.
fn sweep(app: &AppView, snapshot: &Snapshot) -> Duration {
    let sharing = snapshot.apps.iter().filter(|other| other.budget == app.budget);
    app.rate_limit.time_for(sharing.map(|other| other.pending).sum())
}

#[cfg(test)]
mod tests {
    use feishu_export_watcher::domain::Counts;
    use feishu_export_watcher::domain::{
        AppCondition, AppName, BudgetKey, Endpoint, ErrorKind, PauseReason, RateLimit,
    };

    use feishu_export_watcher::log::columns::width;

    use super::*;

    fn app(pending: usize) -> AppView {
        AppView {
            name: AppName::new("default"),
            pending,
            known: Counts::default(),
            files: Default::default(),
            alive_until: None,
            next_due: None,
            token_ends_at: None,
            trouble: None,
            budget: BudgetKey::from(pending.to_string().as_str()),
            rate_limit: RateLimit { requests: 100.try_into().unwrap(), per: Duration::from_secs(60) },
            budget_left: 100,
            requests_this_month: 0,
            tenant_calls_this_month: None,
            tenant: None,
        }
    }

    const NOW: WallTime = WallTime::from_millis(1_795_341_600_000);

    fn counts(pending: usize, completed: usize, failed: usize) -> Counts {
        use TicketState::{Completed, Failed, Pending};
        [(Pending, pending), (Completed, completed), (Failed, failed)].into_iter().collect()
    }

    /// Promise: a batch that waits for its hooks alone says so.
    #[test]
    fn hooks_that_are_waited_for_are_said() {
        assert_eq!(awaited(0), None);
        assert_eq!(awaited(1).as_deref(), Some("hooks have yet to take 1 event"));
        assert_eq!(awaited(1_204).as_deref(), Some("hooks have yet to take 1,204 events"));
    }

    #[test]
    fn says_how_far_it_is_and_what_is_left() {
        let snapshot =
            Snapshot { listed: counts(1204, 31, 2), apps: vec![app(4), app(1204)], ..Snapshot::default() };
        let after = |done, took| message(&snapshot, Pace { done, took: Duration::from_secs(took) }, NOW);
        assert_eq!(after(0, 9), "33/1,237 done, 2 failed, at least 12 min left");
        assert_eq!(after(33, 60), "33/1,237 done, 2 failed, about 36 min left");
        assert_eq!(after(33, 1), "33/1,237 done, 2 failed, about 12 min left");
        let mut fetching = Snapshot { listed: counts(1, 31, 0), bytes: 35_651_584, ..Snapshot::default() };
        (fetching.files[FileState::Waiting], fetching.files[FileState::Saved]) = (18, 12);
        fetching.files[FileState::Expired] = 1;
        let pace = Pace { done: 13, took: Duration::from_secs(130) };
        assert_eq!(
            message(&fetching, pace, NOW),
            "31/32 done, 12/31 files, 34 MiB, 1 failed, about 3 min left"
        );
        fetching.apps = vec![app(0)];
        fetching.apps[0].files[FileState::Waiting] = 18;
        fetching.apps[0].trouble =
            Some(Trouble::from_calls(AppCondition::Degraded, Endpoint::Download, ErrorKind::Network, NOW));
        let troubled = "31/32 done, 12/31 files, 34 MiB, 1 failed; degraded for 0 s: server not reached";
        assert_eq!(message(&fetching, pace, NOW), troubled);
        let done = Snapshot { listed: counts(0, 31, 0), ..Snapshot::default() };
        assert_eq!(message(&done, Pace { done: 31, took: EVERY }, NOW), "31/31 done");
    }

    /// Promise: with documents the bar shows how many exports were created, and what is left at the pace of the budget.
    #[test]
    fn says_how_many_exports_were_created() {
        let pace = Pace { done: 380, took: Duration::from_secs(240) };
        let mut snapshot = Snapshot {
            listed: counts(1_600, 400, 0),
            documents: 2_000,
            created: 412,
            apps: vec![app(1_600)],
            ..Snapshot::default()
        };
        assert_eq!(message(&snapshot, pace, NOW), "412 of 2,000 created, 400 completed, about 16 min");
        (snapshot.files[FileState::Saved], snapshot.files[FileState::Waiting]) = (380, 20);
        assert_eq!(message(&snapshot, pace, NOW), "412 of 2,000 created, 380 saved, about 16 min");
        (snapshot.listed, snapshot.created) = (counts(10, 1_989, 1), 2_000);
        (snapshot.apps, snapshot.files[FileState::Saved]) = (vec![app(10)], 1_969);
        let pace = Pace { done: 1_970, took: Duration::from_secs(19_700) };
        let last = "2,000 of 2,000 created, 1,969 saved, 1 failed, about 5 min";
        assert_eq!(message(&snapshot, pace, NOW), last);
    }

    /// Promise: in trouble the bar shows the reason and when it goes on, on one row of eighty columns.
    #[test]
    fn says_what_is_wrong() {
        let pause = |reason, until: Option<WallTime>| {
            Trouble::from_pause(Endpoint::Query, reason, NOW, until, NOW + Duration::from_secs(38))
        };
        let pace = Pace { done: 0, took: EVERY };
        let limited = pause(PauseReason::RateLimited, Some(NOW + Duration::from_secs(38)));
        let snapshot = |apps| Snapshot { listed: counts(10, 0, 0), apps, ..Snapshot::default() };
        let limited = AppView { trouble: Some(limited), ..app(10) };
        assert_eq!(
            message(&snapshot(vec![limited.clone()]), pace, NOW),
            "0/10 done; paused 38 s: rate limit"
        );
        let broken = AppView { trouble: Some(pause(PauseReason::ScopeMissing, None)), ..app(10) };
        let idle = AppView { pending: 0, ..broken.clone() };
        assert_eq!(
            message(&snapshot(vec![idle, limited.clone()]), pace, NOW),
            "0/10 done; default paused 38 s: rate limit"
        );
        for &reason in PauseReason::ALL {
            let app = AppView { trouble: Some(pause(reason, None)), ..app(10) };
            let row = message(&snapshot(vec![app]), pace, NOW);
            assert!(width(&row) < COLUMNS, "{row}");
        }
        let outage = Trouble::from_calls(AppCondition::Degraded, Endpoint::Token, ErrorKind::Network, NOW);
        let outage = AppView { trouble: Some(outage), ..app(10) };
        assert_eq!(
            message(&snapshot(vec![outage]), pace, NOW + Duration::from_secs(74)),
            "0/10 done; degraded for 74 s: server not reached"
        );
    }
}
