//! The service manager's side: one task follows the engine's view and sends systemd, by sd_notify(3), when the start
//! is done, how things stand, that there is progress, and when a reload or the end begins. It decides nothing for the
//! engine, and a manager that reads nothing holds nothing up: a datagram that finds the socket full is dropped.
//!
//! Neither start nor stop asks for more time (`EXTEND_TIMEOUT_USEC`). The stop is bounded below what the
//! unit grants; the start takes half a second with a hundred thousand tickets, and the manager's default is
//! a minute and a half. To ask again and again would take a timer that vouches for work it does not see.

mod line;
mod messages;
mod socket;
mod watchdog;

use sd_notify::NotifyState;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::messages::{LINE_EVERY, Messages};
use self::socket::NotifySocket;
use self::watchdog::{SHORTEST, Watchdog};
use crate::domain::event;
use crate::engine::{Clock, Snapshot};

/// A reload that is about to be asked for: answered, or dropped, once it is over.
pub type ReloadNotice = oneshot::Receiver<()>;

/// Notices that may wait for the task, which takes them at once.
const NOTICES: usize = 16;

/// Starts the task, which ends with `stop` or with the engine, after its last message. Without `NOTIFY_SOCKET` it
/// ends at once.
pub fn start(
    view: watch::Receiver<Snapshot>,
    stop: CancellationToken,
) -> (mpsc::Sender<ReloadNotice>, JoinHandle<()>) {
    let (notices, reloads) = mpsc::channel(NOTICES);
    let task = async move {
        if let Some(socket) = NotifySocket::from_environment() {
            let messages = Messages::new(watchdog());
            follow(messages, view, reloads, stop, |text| socket.send(text)).await;
        }
    };
    (notices, tokio::spawn(task))
}

/// Sends the messages that are due until the stop, or until the engine is gone.
async fn follow(
    mut messages: Messages,
    mut view: watch::Receiver<Snapshot>,
    mut reloads: mpsc::Receiver<ReloadNotice>,
    stop: CancellationToken,
    mut send: impl FnMut(&str) -> bool,
) {
    let (clock, mut under_way) = (Clock::system(), JoinSet::new());
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            // The manager waits for no reload before the start is done.
            Some(reload) = reloads.recv() => if messages.is_ready()
                && let Ok(at) = NotifyState::monotonic_usec_now()
            {
                // With its moment, without which the manager could not match it with what it asked for.
                send(&format!("{}\n{at}", NotifyState::Reloading));
                under_way.spawn(reload);
            },
            // A manager that asked for the second reload must not take the end of the first for its own.
            Some(_) = under_way.join_next() => if under_way.is_empty() && !send(&NotifyState::Ready.to_string()) {
                messages.owe_ready();
            },
            changed = view.changed() => {
                if changed.is_err() {
                    break;
                }
                let due = messages.due(&view.borrow_and_update(), clock.now(), true);
                send_all(&mut messages, &due, &mut send);
            }
            // An engine that stands still shows nothing new, and that is worth a line; it is no progress.
            () = tokio::time::sleep(LINE_EVERY) => {
                let due = messages.due(&view.borrow(), clock.now(), false);
                send_all(&mut messages, &due, &mut send);
            }
        }
    }
    let seen = view.borrow();
    // A run that could not begin was never ready, and has nothing to stop.
    if stop.is_cancelled() || messages.is_ready() {
        send(&NotifyState::Status(&line::last_line(&seen.listed)).to_string());
        send(&NotifyState::Stopping.to_string());
    }
}

fn send_all(messages: &mut Messages, due: &[String], send: &mut impl FnMut(&str) -> bool) {
    for text in due {
        if !send(text) && *text == NotifyState::Ready.to_string() {
            messages.owe_ready();
        }
    }
}

/// The watchdog that the service manager keeps for this process.
fn watchdog() -> Option<Watchdog> {
    let limit = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())?;
    if limit < SHORTEST {
        let millis = limit.as_millis();
        warn!(
            event = event::WATCHDOG_WARNING,
            limit_ms = u64::try_from(millis).unwrap_or(u64::MAX),
            "the service manager's watchdog waits only {millis} ms, but progress shows once a second; it may end a healthy watcher, set WatchdogSec to 3 s or more"
        );
    }
    Some(Watchdog::new(limit))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::domain::{PauseReason, TicketState};

    const SECOND: Duration = Duration::from_secs(1);

    /// The task with a watchdog of 6 s, on a clock that the test holds, and the view that it follows.
    struct Bench {
        sent: Arc<Mutex<Vec<String>>>,
        view: watch::Sender<Snapshot>,
        reloads: mpsc::Sender<ReloadNotice>,
        stop: CancellationToken,
    }

    impl Bench {
        fn new() -> Self {
            Self::with_socket(false)
        }

        /// A socket that is full drops the first message that the start is done.
        fn with_socket(mut is_full: bool) -> Self {
            let (sent, stop) = (Arc::<Mutex<Vec<String>>>::default(), CancellationToken::new());
            let (view, seen) = watch::channel(Snapshot::default());
            let (reloads, notices) = mpsc::channel(NOTICES);
            let messages = Messages::new(Some(Watchdog::new(6 * SECOND)));
            let note = {
                let sent = Arc::clone(&sent);
                move |text: &str| {
                    let is_dropped = text == "READY=1" && std::mem::take(&mut is_full);
                    if !is_dropped {
                        sent.lock().unwrap().push(text.to_owned());
                    }
                    !is_dropped
                }
            };
            tokio::spawn(follow(messages, seen, notices, stop.clone(), note));
            Self { sent, view, reloads, stop }
        }

        /// Lets the engine live for so many seconds: each second `show` changes what is seen of it.
        async fn live(&self, seconds: u32, show: impl Fn(&mut Snapshot, Instant)) -> Vec<String> {
            let mut sent = Vec::new();
            for _ in 0..seconds {
                self.view.send_modify(|seen| show(seen, Instant::now()));
                sent.extend(self.pass(SECOND).await);
            }
            sent
        }

        /// Lets time pass in which the engine shows nothing.
        async fn pass(&self, time: Duration) -> Vec<String> {
            tokio::time::sleep(time).await;
            std::mem::take(&mut *self.sent.lock().unwrap())
        }
    }

    fn all_is_well(seen: &mut Snapshot, now: Instant) {
        seen.turned_at = Some(now);
        seen.store_answered_at = Some(now);
    }

    fn count(sent: &[String], text: &str) -> usize {
        sent.iter().filter(|sent| sent.contains(text)).count()
    }

    /// The start is done with the first run of the loop, not before, and its message follows the first line.
    #[tokio::test(start_paused = true)]
    async fn ready_with_the_first_run() {
        let bench = Bench::with_socket(true);
        let (_done, reload) = oneshot::channel();
        bench.reloads.try_send(reload).unwrap();
        let sent = bench.live(60, |seen, _| seen.unannounced += 1).await;
        assert_eq!(sent, [""; 0], "the loop has not run yet, and no reload is waited for");
        let sent = bench.live(1, all_is_well).await;
        assert_eq!(sent, ["STATUS=0 pending, 0 done, 0 failed", "WATCHDOG=1"], "the socket was full");
        assert_eq!(bench.live(1, all_is_well).await, ["READY=1"], "it is sent until it is taken");
    }

    /// Promise 8: a state file's writer that hangs gets no more than the message it has earned.
    #[tokio::test(start_paused = true)]
    async fn a_writer_that_is_silent_stops_the_watchdog() {
        let bench = Bench::new();
        assert!(count(&bench.live(60, all_is_well).await, "WATCHDOG=1") >= 20);
        let sent = bench.live(60, |seen, now| seen.turned_at = Some(now)).await;
        assert!(count(&sent, "WATCHDOG=1") <= 1, "{sent:#?}");
        assert!(count(&sent, "writer has not answered") >= 1, "{sent:#?}");
        assert!(count(&bench.live(60, all_is_well).await, "WATCHDOG=1") >= 20, "it answers again");
    }

    /// Promise 8: so does a loop that stands still, though other things in the view may move.
    #[tokio::test(start_paused = true)]
    async fn a_loop_that_stands_still_stops_the_watchdog() {
        let bench = Bench::new();
        assert!(count(&bench.live(60, all_is_well).await, "WATCHDOG=1") >= 20);
        let sent = bench.live(60, |seen, now| seen.store_answered_at = Some(now)).await;
        assert!(count(&sent, "WATCHDOG=1") <= 1, "the last run earned one at most: {sent:#?}");
        let sent = bench.pass(60 * SECOND).await;
        assert_eq!(count(&sent, "WATCHDOG=1"), 0, "{sent:#?}");
        assert!(count(&sent, "the engine has stood still for ") >= 11, "{sent:#?}");
        assert!(count(&bench.live(60, all_is_well).await, "WATCHDOG=1") >= 20, "it goes on");
    }

    /// Promise 8: a full disk is an answer; a restart would not help.
    #[tokio::test(start_paused = true)]
    async fn a_state_file_that_fails_stops_no_watchdog() {
        let bench = Bench::new();
        let fails = |seen: &mut Snapshot, now| {
            all_is_well(seen, now);
            seen.state_failing = true;
        };
        let sent = bench.live(60, fails).await;
        assert!(count(&sent, "WATCHDOG=1") >= 20, "{sent:#?}");
        assert_eq!(count(&sent, "the state file can't be written"), 1, "{sent:#?}");
    }

    /// However much changes, the line is sent at most every five seconds; what does not change is sent once.
    #[tokio::test(start_paused = true)]
    async fn lines_do_not_flood_the_manager() {
        let bench = Bench::new();
        assert_eq!(count(&bench.live(60, all_is_well).await, "STATUS="), 1);
        let changing = |seen: &mut Snapshot, now| {
            all_is_well(seen, now);
            seen.listed.add(TicketState::Pending);
        };
        let sent = count(&bench.live(60, changing).await, "STATUS=");
        assert!((11..=13).contains(&sent), "{sent} in a minute");
    }

    /// Promise: a pause is sent at once, another that begins with it within a second, and pauses that come and go without
    /// end do not flood the manager.
    #[tokio::test(start_paused = true)]
    async fn trouble_is_sent_at_once() {
        let bench = Bench::new();
        let apps = |names: &'static [&'static str]| {
            move |seen: &mut Snapshot, now| {
                all_is_well(seen, now);
                let pause =
                    |name: &&str| line::tests::paused(name, PauseReason::CredentialsRejected, None, 0);
                seen.apps = names.iter().map(pause).collect();
            }
        };
        bench.live(1, apps(&[])).await;
        bench.view.send_modify(|seen| apps(&["a"])(seen, Instant::now()));
        let sent = bench.pass(Duration::from_millis(1)).await;
        assert_eq!(count(&sent, "app a paused"), 1, "{sent:?}");
        bench.view.send_modify(|seen| apps(&["a", "b"])(seen, Instant::now()));
        assert_eq!(bench.pass(Duration::from_millis(1)).await, [""; 0]);
        let sent = bench.live(2, apps(&["a", "b"])).await;
        assert_eq!(count(&sent, "app b paused"), 1, "{sent:?}");
        let mut sent = Vec::new();
        for _ in 0..30 {
            sent.extend(bench.live(1, apps(&["a", "b"])).await);
            sent.extend(bench.live(1, apps(&["a"])).await);
        }
        assert!(count(&sent, "STATUS=") <= 24, "two every five seconds: {sent:#?}");
    }

    /// sd_notify(3): each RELOADING=1 carries its moment and is followed by READY=1, once every reload that
    /// was asked for is done, or will never be.
    #[tokio::test(start_paused = true)]
    async fn ready_follows_the_last_of_several_reloads() {
        let bench = Bench::new();
        bench.live(3, all_is_well).await;
        let ([first, second], mut notices) = two_reloads();
        bench.reloads.try_send(notices.remove(0)).unwrap();
        let sent = bench.pass(Duration::from_millis(1)).await;
        assert!(sent.len() == 1 && sent[0].starts_with("RELOADING=1\nMONOTONIC_USEC="), "{sent:?}");
        bench.reloads.try_send(notices.remove(0)).unwrap();
        first.send(()).unwrap();
        let sent = bench.pass(Duration::from_millis(1)).await;
        assert!(sent.len() == 1 && sent[0].starts_with("RELOADING=1\n"), "{sent:?}");
        drop(second);
        assert_eq!(bench.pass(Duration::from_millis(1)).await, ["READY=1"]);
    }

    fn two_reloads() -> ([oneshot::Sender<()>; 2], Vec<ReloadNotice>) {
        let ((first, one), (second, other)) = (oneshot::channel(), oneshot::channel());
        ([first, second], vec![one, other])
    }

    /// Nothing is sent after the stop, whatever the engine still does, and a reload that ends is no exception.
    #[tokio::test(start_paused = true)]
    async fn a_stop_is_sent_at_once_and_last() {
        let bench = Bench::new();
        bench.live(3, all_is_well).await;
        let (done, reload) = oneshot::channel();
        bench.reloads.try_send(reload).unwrap();
        bench.pass(SECOND).await;
        bench.stop.cancel();
        drop(done);
        let sent = bench.live(60, all_is_well).await;
        assert_eq!(sent, ["STATUS=stopping: 0 pending, 0 done, 0 failed", "STOPPING=1"]);
    }

    /// A batch that is over at once was ready all the same, and a run that could not begin never was.
    #[tokio::test(start_paused = true)]
    async fn an_engine_that_is_gone_is_the_end() {
        for (turned_at, count) in [(None, 0), (Some(Instant::now()), 4)] {
            let Bench { sent, view, .. } = Bench::new();
            view.send_modify(|seen| seen.turned_at = turned_at);
            drop(view);
            tokio::time::sleep(SECOND).await;
            let sent = sent.lock().unwrap();
            assert_eq!(sent.len(), count, "{sent:?}");
            assert!(sent.is_empty() || sent[1] == "READY=1" && sent[3] == "STOPPING=1", "{sent:?}");
        }
    }
}
