//! Signals become values: a stop that is cancelled, a reload that is sent.

use std::{fs, io};

use feishu_export_watcher::ReloadRequest;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::exit;
use feishu_export_watcher::log::LogHandle;
use feishu_export_watcher::service::ReloadNotice;

/// The signals the program listens to, from the moment they are installed.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// None where it was ignored at the start: under nohup the program is meant to ignore it.
    hangup: Option<Signal>,
    /// Held so that a limit on file sizes (`ulimit -f`) is an error of the write, as a full disk is, and
    /// does not end the process. Only where the signal's number is the usual one.
    _file_size: Option<Signal>,
}

/// SIGXFSZ on Linux, but for three architectures (signal(7)).
const FILE_SIZE: i32 = 25;

impl Signals {
    /// Installs the handlers. Before anything that a signal should not cut short.
    ///
    /// # Errors
    /// The system refuses a handler.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: (!is_ignored(SignalKind::hangup())).then(|| signal(SignalKind::hangup())).transpose()?,
            _file_size: signal(SignalKind::from_raw(FILE_SIZE)).ok(),
        })
    }

    /// Waits for a signal to stop, before there is anything that [`Self::pass_on`] could pass it to.
    pub(crate) async fn stopped(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Passes signals on. The second stop ends the process at once: a user that sends it does not want to
    /// wait, and nothing that was acknowledged can be lost by it.
    pub(crate) async fn pass_on(
        mut self,
        stop: CancellationToken,
        reload: mpsc::Sender<ReloadRequest>,
        log: LogHandle,
        notices: mpsc::Sender<ReloadNotice>,
    ) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => stop_or_exit(&stop),
                _ = self.interrupt.recv() => stop_or_exit(&stop),
                () = received(&mut self.hangup) => {
                    log.reopen();
                    let (done, answered) = oneshot::channel();
                    // Before it is asked for: the task sends its beginning, and then its end.
                    let _ = notices.try_send(answered);
                    // A reload that is already waiting will see the newest files, too.
                    let _ = reload.try_send(done);
                }
            }
        }
    }
}

/// Whether the process was started with this signal ignored, as the kernel reports it (proc_pid_status(5)).
fn is_ignored(kind: SignalKind) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask =
        status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

fn stop_or_exit(stop: &CancellationToken) {
    if stop.is_cancelled() {
        std::process::exit(i32::from(exit::KILLED));
    }
    stop.cancel();
}
