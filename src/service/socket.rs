//! The service manager's notify socket: where it is, and one datagram to it.
//!
//! `sd_notify::notify` is not used for the sending: it waits for a manager that reads nothing, and it can't reach a
//! socket in the abstract namespace (`@name`), which sd_notify(3) names beside paths.

use std::ffi::OsStr;
use std::io;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Once;

use tracing::debug;

use crate::domain::event;

/// A socket to send to.
pub(super) struct NotifySocket {
    from: UnixDatagram,
    to: SocketAddr,
    failed: Once,
}

impl NotifySocket {
    /// The one that `NOTIFY_SOCKET` names. An empty variable counts as none.
    pub(super) fn from_environment() -> Option<Self> {
        let name = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty())?;
        Self::new(&name).inspect_err(report_failure).ok()
    }

    fn new(name: &OsStr) -> io::Result<Self> {
        let from = UnixDatagram::unbound()?;
        from.set_nonblocking(true)?;
        Ok(Self { from, to: address(name)?, failed: Once::new() })
    }

    /// Sends one datagram, or drops it where that can't be done at once, and says whether it was sent; the first failure
    /// is logged. The receiver is looked for each time: one that was restarted listens on another socket of the same
    /// name.
    pub(super) fn send(&self, text: &str) -> bool {
        let sent = self.from.send_to_addr(format!("{text}\n").as_bytes(), &self.to);
        sent.inspect_err(|error| self.failed.call_once(|| report_failure(error))).is_ok()
    }
}

fn address(name: &OsStr) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = name.as_bytes().strip_prefix(b"@") {
        return SocketAddr::from_abstract_name(name);
    }
    SocketAddr::from_pathname(name)
}

/// A manager that can't be reached is no trouble of the watcher's.
fn report_failure(error: &io::Error) {
    debug!(
        event = event::NOTIFY_FAILED,
        error.message = %error,
        "the service manager can't be notified: {error}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: a manager that comes back under the same name is reached again, and one that reads nothing is not
    /// waited for.
    #[test]
    fn no_manager_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = NotifySocket::new(path.as_os_str()).unwrap();
        socket.send("READY=1");
        drop(UnixDatagram::bind(&path).unwrap());
        socket.send("READY=1");
        std::fs::remove_file(&path).unwrap();
        let listener = UnixDatagram::bind(&path).unwrap();
        for _ in 0..10_000 {
            socket.send("READY=1");
        }
        let mut bytes = [0; 64];
        let length = listener.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"READY=1\n");
    }
}
