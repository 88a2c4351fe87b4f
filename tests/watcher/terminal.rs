//! A terminal for a command: what it shows there, and keys that are pressed.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::harness::PATIENCE;

/// Both ends of a terminal: the person's and the command's.
pub(crate) fn open_terminal() -> (File, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    (ours.into(), File::options().read(true).write(true).open(path).unwrap().into())
}

/// A person at a terminal.
pub(crate) struct Person {
    keys: File,
    theirs: OwnedFd,
    pieces: Receiver<Vec<u8>>,
    /// Everything that was shown.
    pub(crate) shown: String,
    /// The length of that when keys were pressed last.
    answered: usize,
}

impl Person {
    pub(crate) fn new() -> Self {
        let (keys, theirs) = open_terminal();
        let (sender, pieces) = channel();
        let mut screen = keys.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut block = [0; 4096];
            // The end of a terminal is an error to its reader.
            while let Ok(length @ 1..) = screen.read(&mut block) {
                let _ = sender.send(block[..length].to_vec());
            }
        });
        Self { keys, theirs, pieces, shown: String::new(), answered: 0 }
    }

    /// The command's end.
    pub(crate) fn stream(&self) -> OwnedFd {
        self.theirs.try_clone().unwrap()
    }

    /// Waits until the text is the last that is shown since keys were pressed.
    pub(crate) fn wait_for(&mut self, end: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.shown[self.answered..].ends_with(end) {
            let left = until.saturating_duration_since(Instant::now());
            let piece = self.pieces.recv_timeout(left);
            let piece = piece.unwrap_or_else(|_| panic!("waited in vain for {end:?} behind {}", self.shown));
            self.shown += &String::from_utf8(piece).unwrap().replace("\r\n", "\n");
        }
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.answered = self.shown.len();
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Whether the terminal shows what is typed and edits lines, as a shell expects it.
    pub(crate) fn is_as_before(&self) -> bool {
        let usual = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        tcgetattr(&self.theirs).unwrap().local_modes.contains(usual)
    }
}
