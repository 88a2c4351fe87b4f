//! The service manager's notify socket: where it is, and one datagram to it.
//!
//! `sd_notify::notify` is not used for the sending: it can't reach a socket in the abstract namespace
//! (`@name`), which sd_notify(3) names beside paths.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Names the socket; set by the service manager.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// A socket to send to.
#[derive(Debug)]
pub(super) struct NotifySocket {
    from: UnixDatagram,
    to: SocketAddr,
}

/// What the environment calls the notify socket; none if nobody wants to be notified. An empty variable
/// counts as none.
pub(super) fn name() -> Option<OsString> {
    std::env::var_os(VARIABLE).filter(|name| !name.is_empty())
}

impl NotifySocket {
    /// Understands the name. Whether anybody listens is seen when something is sent.
    ///
    /// # Errors
    /// It is neither an absolute path nor an abstract name, or too long.
    pub(super) fn of(name: &OsStr) -> io::Result<Self> {
        let to = match name.as_bytes() {
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            [b'@', rest @ ..] => abstract_address(rest)?,
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "neither a path nor an abstract name",
                ));
            }
        };
        Ok(Self { from: UnixDatagram::unbound()?, to })
    }

    /// Sends one datagram. Blocks while the receiver's queue is full. The receiver is looked for each time:
    /// one that was restarted listens on another socket of the same name.
    pub(super) fn send(&self, datagram: &str) -> io::Result<()> {
        loop {
            match self.from.send_to_addr(datagram.as_bytes(), &self.to) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return sent.map(drop),
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_name: &[u8]) -> io::Result<SocketAddr> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "abstract names are Linux's alone"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused() {
        for name in ["run/notify", "vsock:2:1234", "3", &format!("/{}", "x".repeat(200))] {
            assert!(NotifySocket::of(OsStr::new(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn nobody_listens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = NotifySocket::of(path.as_os_str()).unwrap();
        assert_eq!(socket.send("READY=1\n").unwrap_err().kind(), io::ErrorKind::NotFound);
        drop(UnixDatagram::bind(&path).unwrap());
        assert_eq!(socket.send("READY=1\n").unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        // Whoever comes back under the same name is reached again.
        std::fs::remove_file(&path).unwrap();
        let listener = UnixDatagram::bind(&path).unwrap();
        socket.send("READY=1\n").unwrap();
        let mut bytes = [0; 64];
        let length = listener.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"READY=1\n");
    }
}
