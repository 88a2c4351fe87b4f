//! Carries words to the service manager on a thread of its own: a send to a manager that does not read
//! blocks, and must hold up neither the engine nor the end of the process.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::protocol::{Protocol, Word};

/// The words on their way.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    protocol: Mutex<Protocol>,
    changed: Condvar,
}

impl Outbox {
    /// An outbox whose words `send` carries, one after the other. The thread ends after the last word;
    /// should it hang in a send, it ends with the process.
    pub(super) fn start(mut send: impl FnMut(&Word) + Send + 'static) -> io::Result<Arc<Self>> {
        let outbox = Arc::new(Self::default());
        let carried = Arc::clone(&outbox);
        let carry = move || {
            while let Some(word) = carried.next() {
                send(&word);
                carried.tell(Protocol::sent);
            }
        };
        thread::Builder::new().name("notify".to_owned()).spawn(carry)?;
        Ok(outbox)
    }

    /// Adds to what is to be told. Never waits for the manager.
    pub(super) fn tell<T>(&self, act: impl FnOnce(&mut Protocol) -> T) -> T {
        let told = act(&mut self.lock());
        self.changed.notify_all();
        told
    }

    /// Waits until everything was told, or as long as that. Blocks.
    pub(super) fn wait_told(&self, within: Duration) {
        let is_waiting = |protocol: &mut Protocol| !protocol.is_told();
        drop(self.changed.wait_timeout_while(self.lock(), within, is_waiting));
    }

    /// Waits for the next word; none after the last one.
    fn next(&self) -> Option<Word> {
        let mut protocol = self.lock();
        loop {
            if let Some(word) = protocol.take() {
                return Some(word);
            }
            if protocol.is_over() {
                return None;
            }
            protocol = self.changed.wait(protocol).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Protocol> {
        self.protocol.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn words_are_carried_in_order_and_the_thread_ends() {
        let (send, carried) = mpsc::channel();
        let outbox = Outbox::start(move |word| send.send(word.datagram()).unwrap()).unwrap();
        outbox.tell(Protocol::up);
        outbox.tell(|protocol| protocol.stopping("bye".to_owned()));
        outbox.wait_told(LONG);
        // Ends only because the thread lets go of its side.
        assert_eq!(carried.iter().collect::<Vec<_>>(), ["READY=1\n", "STATUS=bye\n", "STOPPING=1\n"]);
    }

    /// A manager that never reads holds nobody up: not whoever has something to tell, and whoever ends only
    /// for a while.
    #[test]
    fn a_send_that_hangs_holds_nobody_up() {
        let (release, held) = mpsc::channel::<()>();
        let (send, carried) = mpsc::channel();
        let outbox = Outbox::start(move |word| {
            let _ = held.recv();
            send.send(word.datagram()).unwrap();
        })
        .unwrap();
        let begun = Instant::now();
        outbox.tell(Protocol::up);
        for line in 0..10_000 {
            outbox.tell(|protocol| protocol.status(line.to_string()));
        }
        outbox.wait_told(Duration::from_millis(10));
        assert!(begun.elapsed() < LONG);
        drop(release);
        outbox.tell(|protocol| protocol.stopping("bye".to_owned()));
        let carried: Vec<_> = carried.iter().collect();
        assert_eq!(carried.first().unwrap(), "READY=1\n");
        assert!(carried.len() <= 4, "{carried:?}");
        assert_eq!(carried.last().unwrap(), "STOPPING=1\n");
    }
}
