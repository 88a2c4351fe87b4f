//! Follows the engine's view and turns it into words for the service manager: that the start is done, how
//! things stand, that there is progress.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{AppCondition, AppName, TroubleCause};
use crate::engine::{AppView, Clock, Snapshot};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::line::{last_line, line};
use super::outbox::Outbox;
use super::watchdog::Watchdog;

/// The line for people is told anew at most this often: a pause that counts down must not flood the
/// manager.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// What somebody should look at is told at once, but not more often than this: an app may be paused, and tried
/// again, without end.
const TROUBLE_EVERY: Duration = Duration::from_secs(1);

/// What somebody should look at.
#[derive(PartialEq, Eq, Hash)]
enum Trouble {
    App(AppName, AppCondition, TroubleCause),
    State,
}

/// Who follows, and what it has told.
pub(super) struct Follower {
    outbox: Arc<Outbox>,
    watchdog: Option<Watchdog>,
    clock: Clock,
    told: Option<Told>,
    /// When trouble was last told out of turn.
    trouble_at: Option<Instant>,
}

/// The last line.
struct Told {
    at: Instant,
    text: String,
    troubles: HashSet<Trouble>,
}

impl Follower {
    pub(super) const fn new(outbox: Arc<Outbox>, watchdog: Option<Watchdog>, clock: Clock) -> Self {
        Self { outbox, watchdog, clock, told: None, trouble_at: None }
    }

    /// Follows until told to stop, or until the engine is gone: then whoever ran it knows more.
    pub(super) async fn follow(mut self, mut view: watch::Receiver<Snapshot>, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                changed = view.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let seen = view.borrow_and_update().clone();
                    self.tell_line(&seen);
                    self.tell_progress(&seen);
                }
                // Nothing new is seen of an engine that stands still, and that is worth a line; it is no
                // progress.
                () = tokio::time::sleep(LINE_EVERY) => self.tell_line(&view.borrow().clone()),
            }
        }
        let listed = view.borrow().listed;
        self.outbox.tell(|protocol| protocol.stopping(last_line(&listed)));
    }

    /// The line before the word that the start is done: whoever waited for that looks at it next.
    fn tell_line(&mut self, seen: &Snapshot) {
        let now = self.clock.now();
        if seen.turned_at.is_none() || !self.is_due(seen, now.at) {
            return;
        }
        let text = line(seen, now);
        if self.told.as_ref().is_none_or(|told| told.text != text) {
            self.told = Some(Told { at: now.at, text: text.clone(), troubles: troubles(seen) });
            self.outbox.tell(|protocol| protocol.status(text));
        }
    }

    /// Whether it is time for a line: after the last one, or because of trouble that this did not tell.
    fn is_due(&mut self, seen: &Snapshot, now: Instant) -> bool {
        let Some(told) = &self.told else { return true };
        if now.saturating_duration_since(told.at) >= LINE_EVERY {
            return true;
        }
        let is_bearable = self.trouble_at.is_none_or(|at| now.saturating_duration_since(at) >= TROUBLE_EVERY);
        let is_due = is_bearable && !troubles(seen).is_subset(&told.troubles);
        if is_due {
            self.trouble_at = Some(now);
        }
        is_due
    }

    fn tell_progress(&mut self, seen: &Snapshot) {
        // Before its first turn the engine has not taken the list.
        if seen.turned_at.is_none() {
            return;
        }
        let now = self.clock.now().at;
        let earned = self.watchdog.as_mut().is_some_and(|watchdog| watchdog.is_earned(seen, now));
        self.outbox.tell(|protocol| {
            protocol.up();
            if earned {
                protocol.alive();
            }
        });
    }
}

fn troubles(seen: &Snapshot) -> HashSet<Trouble> {
    let of_app = |app: &AppView| {
        let trouble = app.trouble.as_ref()?;
        Some(Trouble::App(app.name.clone(), trouble.condition, trouble.cause))
    };
    let state = seen.state_failing.then_some(Trouble::State);
    seen.apps.iter().filter_map(of_app).chain(state).collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::PauseReason;

    use super::super::line::tests::paused;
    use super::super::protocol::Protocol;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A follower with a watchdog of 6 s, on a clock that the test holds, and the view it follows.
    struct Bench {
        outbox: Arc<Outbox>,
        view: watch::Sender<Snapshot>,
        stop: CancellationToken,
    }

    impl Bench {
        fn new() -> Self {
            let outbox = Arc::new(Outbox::default());
            let (view, seen) = watch::channel(Snapshot::default());
            let stop = CancellationToken::new();
            let watchdog = Some(Watchdog::new(6 * SECOND));
            let follower = Follower::new(Arc::clone(&outbox), watchdog, Clock::system());
            tokio::spawn(follower.follow(seen, stop.clone()));
            Self { outbox, view, stop }
        }

        /// Lets the engine live for so many seconds: each second `show` changes what is seen of it.
        async fn live(&self, seconds: u32, show: impl Fn(&mut Snapshot, Instant)) -> Vec<String> {
            let mut told = Vec::new();
            for _ in 0..seconds {
                self.view.send_modify(|seen| show(seen, Instant::now()));
                told.extend(self.pass(SECOND).await);
            }
            told
        }

        /// Lets time pass in which the engine shows nothing.
        async fn pass(&self, time: Duration) -> Vec<String> {
            tokio::time::sleep(time).await;
            self.outbox.tell(Protocol::take_all)
        }
    }

    fn all_is_well(seen: &mut Snapshot, now: Instant) {
        seen.turned_at = Some(now);
        seen.store_answered_at = Some(now);
    }

    fn count(told: &[String], word: &str) -> usize {
        told.iter().filter(|told| told.contains(word)).count()
    }

    /// The start is done with the first turn of the loop, not before, and told after the first line.
    #[tokio::test(start_paused = true)]
    async fn ready_with_the_first_turn() {
        let bench = Bench::new();
        let told = bench.live(60, |seen, _| seen.unannounced += 1).await;
        assert_eq!(told, [""; 0], "no turn was taken yet");
        let told = bench.live(1, all_is_well).await;
        assert_eq!(told, ["STATUS=0 pending, 0 done, 0 failed\n", "READY=1\n", "WATCHDOG=1\n"]);
    }

    /// Promise 8: the state file's writer that hangs gets no more than the word it has earned.
    #[tokio::test(start_paused = true)]
    async fn a_writer_that_is_silent_stops_the_watchdog() {
        let bench = Bench::new();
        assert!(count(&bench.live(60, all_is_well).await, "WATCHDOG=1") >= 20);
        let told = bench.live(60, |seen, now| seen.turned_at = Some(now)).await;
        assert!(count(&told, "WATCHDOG=1") <= 1, "{told:#?}");
        assert!(count(&told, "writer has not answered") >= 1, "{told:#?}");
        assert!(count(&bench.live(60, all_is_well).await, "WATCHDOG=1") >= 20, "it answers again");
    }

    /// Promise 8: so does a loop that stands still, though other things in the view may move.
    #[tokio::test(start_paused = true)]
    async fn a_loop_that_stands_still_stops_the_watchdog() {
        let bench = Bench::new();
        assert!(count(&bench.live(60, all_is_well).await, "WATCHDOG=1") >= 20);
        let told = bench.live(60, |seen, now| seen.store_answered_at = Some(now)).await;
        assert!(count(&told, "WATCHDOG=1") <= 1, "the last turn earned one at most: {told:#?}");
        let mut told = Vec::new();
        for _ in 0..60 {
            told.extend(bench.pass(SECOND).await);
        }
        assert_eq!(count(&told, "WATCHDOG=1"), 0, "{told:#?}");
        assert!(count(&told, "the engine has stood still for ") >= 11, "{told:#?}");
        assert!(count(&bench.live(60, all_is_well).await, "WATCHDOG=1") >= 20, "it goes on");
    }

    /// Promise 8: a full disk is an answer; a restart would not help.
    #[tokio::test(start_paused = true)]
    async fn a_state_file_that_fails_stops_no_watchdog() {
        let bench = Bench::new();
        let told = bench
            .live(60, |seen, now| {
                all_is_well(seen, now);
                seen.state_failing = true;
            })
            .await;
        assert!(count(&told, "WATCHDOG=1") >= 20, "{told:#?}");
        assert_eq!(count(&told, "the state file can't be written"), 1, "{told:#?}");
    }

    /// However much changes, the line is told at most every five seconds; what does not change is told once.
    #[tokio::test(start_paused = true)]
    async fn the_line_floods_nobody() {
        let bench = Bench::new();
        assert_eq!(count(&bench.live(60, all_is_well).await, "STATUS="), 1);
        let mut told = 0;
        for _ in 0..60 {
            let changing = |seen: &mut Snapshot, now| {
                all_is_well(seen, now);
                seen.listed.add(crate::domain::TicketState::Pending);
            };
            told += count(&bench.live(1, changing).await, "STATUS=");
        }
        assert!((11..=13).contains(&told), "{told} in a minute");
    }

    /// Promise: a pause is told at once, another that begins with it within a second, and pauses that come and
    /// go without end flood nobody.
    #[tokio::test(start_paused = true)]
    async fn trouble_is_told_at_once() {
        let bench = Bench::new();
        let apps = |names: &'static [&'static str]| {
            move |seen: &mut Snapshot, now| {
                all_is_well(seen, now);
                seen.apps = names
                    .iter()
                    .map(|name| paused(name, PauseReason::CredentialsRejected, None, 0))
                    .collect();
            }
        };
        bench.live(1, apps(&[])).await;
        bench.view.send_modify(|seen| apps(&["a"])(seen, Instant::now()));
        let told = bench.pass(Duration::from_millis(1)).await;
        assert_eq!(count(&told, "app a paused"), 1, "{told:?}");
        bench.view.send_modify(|seen| apps(&["a", "b"])(seen, Instant::now()));
        assert_eq!(bench.pass(Duration::from_millis(1)).await, [""; 0]);
        let told = bench.live(2, apps(&["a", "b"])).await;
        assert_eq!(count(&told, "app b paused"), 1, "{told:?}");
        let mut told = Vec::new();
        for _ in 0..30 {
            told.extend(bench.live(1, apps(&["a", "b"])).await);
            told.extend(bench.live(1, apps(&["a"])).await);
        }
        assert!(count(&told, "STATUS=") <= 24, "two every five seconds: {told:#?}");
    }

    /// Nothing is told after the stop, whatever the engine still does.
    #[tokio::test(start_paused = true)]
    async fn a_stop_is_told_at_once_and_last() {
        let bench = Bench::new();
        bench.live(3, all_is_well).await;
        bench.stop.cancel();
        let told = bench.live(60, all_is_well).await;
        assert_eq!(told, ["STATUS=stopping: 0 pending, 0 done, 0 failed\n", "STOPPING=1\n"]);
    }
}
