//! A sink that fails and stalls as a test asks.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex};

use super::Sink;

/// A sink that fails and stalls as a test asks. Clones share everything.
#[derive(Clone, Default)]
pub(super) struct Fake(Arc<(Mutex<Inner>, Condvar)>);

#[derive(Default)]
pub(super) struct Inner {
    pub(super) taken: Vec<u8>,
    /// What the next writes run into, before they go well again.
    pub(super) write_errors: VecDeque<io::Error>,
    pub(super) sync_errors: VecDeque<io::Error>,
    /// What the next sync leaves behind is gone.
    pub(super) swallows: bool,
    pub(super) stalled: bool,
    pub(super) writes: usize,
    pub(super) reopened: usize,
}

impl Fake {
    pub(super) fn set(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    pub(super) fn fail(&self, times: usize, kind: io::ErrorKind) {
        self.set(|inner| inner.write_errors.extend((0..times).map(|_| io::Error::from(kind))));
    }

    pub(super) fn fail_to_sync(&self, times: usize) {
        self.set(|inner| inner.sync_errors.extend((0..times).map(|_| io::Error::other("EIO"))));
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().taken.clone()).unwrap()
    }

    pub(super) fn get<T>(&self, look: impl FnOnce(&Inner) -> T) -> T {
        look(&self.0.0.lock().unwrap())
    }
}

impl Write for Fake {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Sink::write(self, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Fake {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.0.1.wait_while(self.0.0.lock().unwrap(), |inner| inner.stalled).unwrap();
        inner.writes += 1;
        if let Some(error) = inner.write_errors.pop_front() {
            return Err(error);
        }
        inner.taken.extend(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut inner = self.0.0.lock().unwrap();
        if inner.swallows {
            inner.taken.clear();
        }
        inner.sync_errors.pop_front().map_or(Ok(()), Err)
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.set(|inner| {
            inner.reopened += 1;
            inner.swallows = false;
        });
        Ok(())
    }

    fn is_in_place(&self) -> bool {
        self.get(|inner| !inner.swallows)
    }
}
