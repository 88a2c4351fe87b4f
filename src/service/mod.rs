//! The service manager's side: systemd is told by sd_notify(3) when the start is done, how things stand, that
//! there is progress, and when a reload or the end begins. What it is told decides nothing here, and
//! whether anybody listens is no matter.
//!
//! The engine is followed by its view alone ([`follow`]); what may be said when is one pure type
//! ([`protocol`]); words are carried by a thread of their own ([`outbox`]), so that a manager that hangs
//! holds nobody up. Without `NOTIFY_SOCKET` there is none of it.
//!
//! Neither start nor stop asks for more time (`EXTEND_TIMEOUT_USEC`). The stop is bounded below what the
//! unit grants; the start takes half a second with a hundred thousand tickets, and the manager's default is
//! a minute and a half. To ask again and again would take a timer that vouches for work it does not see.

mod follow;
mod line;
mod outbox;
mod protocol;
mod socket;
mod watchdog;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Counts, event};
use crate::engine::{Clock, Snapshot};
use sd_notify::NotifyState;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::follow::Follower;
use self::outbox::Outbox;
use self::protocol::{Protocol, Word};
use self::socket::NotifySocket;
use self::watchdog::Watchdog;

/// At the end the last words may take this long. They take longer only if the manager hangs.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The service manager, if there is one. Clones speak to the same.
#[derive(Clone, Debug)]
pub struct Notifier(Option<Arc<Outbox>>);

impl Notifier {
    /// The one that the environment names.
    pub fn of_process() -> Self {
        let Some(name) = socket::name() else { return Self(None) };
        let outbox = NotifySocket::of(&name).and_then(|socket| {
            let mut was_heard = true;
            Outbox::start(move |word: &Word| {
                if let Err(error) = socket.send(&word.datagram())
                    && std::mem::take(&mut was_heard)
                {
                    report_unheard(&error);
                }
            })
        });
        Self(outbox.inspect_err(report_unheard).ok())
    }

    /// Tells what is seen of the engine, until the stop.
    pub fn follow(&self, view: &watch::Receiver<Snapshot>, stop: &CancellationToken) {
        let Some(outbox) = &self.0 else { return };
        let limit = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero());
        if let Some(limit) = limit.filter(|limit| Watchdog::is_too_short(*limit)) {
            report_short_watchdog(limit);
        }
        let follower = Follower::new(Arc::clone(outbox), limit.map(Watchdog::new), Clock::system());
        tokio::spawn(follower.follow(view.clone(), stop.clone()));
    }

    /// Tells of a reload that is about to be asked for, and of its end once that is answered. One that will
    /// never be answered, because another waits already or the engine has gone, is over as well. One that
    /// hangs is never over: the manager's own time for reloads decides how long it waits.
    pub fn reload(&self, answered: oneshot::Receiver<()>) {
        let Some(outbox) = &self.0 else { return };
        // Without its moment a reload must not be told. The clock always answers.
        let Ok(NotifyState::MonotonicUsec(at)) = NotifyState::monotonic_usec_now() else { return };
        if outbox.tell(|protocol| protocol.reload_begins(at)) {
            let outbox = Arc::clone(outbox);
            tokio::spawn(async move {
                let _ = answered.await;
                outbox.tell(Protocol::reload_ended);
            });
        }
    }

    /// Tells that the run came to its end, if that is not known; a run that could not begin was never ready.
    /// Then waits until the manager has heard everything, but not for long.
    pub async fn ended(&self, listed: Option<Counts>) {
        let Some(outbox) = &self.0 else { return };
        if let Some(listed) = listed {
            outbox.tell(|protocol| {
                // A batch with nothing to do may be over before anybody saw a turn of its loop.
                protocol.up();
                protocol.stopping(line::last_line(&listed));
            });
        }
        let outbox = Arc::clone(outbox);
        let _ = tokio::task::spawn_blocking(move || outbox.wait_told(LAST_WORDS)).await;
    }
}

/// Nobody listens where the environment says that somebody does. That is no trouble of the watcher's.
fn report_unheard(error: &io::Error) {
    debug!(
        event = event::NOTIFY_FAILED,
        error.message = %error,
        "the service manager can't be notified: {error}"
    );
}

fn report_short_watchdog(limit: Duration) {
    let millis = limit.as_millis();
    warn!(
        event = event::WATCHDOG_WARNING,
        limit_ms = u64::try_from(millis).unwrap_or(u64::MAX),
        "the service manager's watchdog waits only {millis} ms, but progress shows once a second; it may end a healthy watcher, set WatchdogSec to 3 s or more"
    );
}
