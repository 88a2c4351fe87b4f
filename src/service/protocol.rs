//! What the service manager is told, and in which order. Pure: who carries the words is the outbox's
//! matter.
//!
//! The manager may be slow to listen, so little waits for it: of words of a kind the newest is enough, and
//! however long nobody listens, no more than a handful is kept.

use std::collections::VecDeque;

use sd_notify::NotifyState;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The start, or a reload, is done.
    Ready,
    /// A reload begins at that moment of the monotonic clock, in microseconds: without it the manager
    /// could not tell the reload it asked for from an earlier one.
    Reloading(i128),
    /// A line for people.
    Status(String),
    /// There was progress since the last one.
    Watchdog,
    /// The end begins.
    Stopping,
}

impl Word {
    /// The message as it is sent.
    pub(super) fn datagram(&self) -> String {
        match self {
            Self::Ready => lines(&[NotifyState::Ready]),
            Self::Reloading(at) => lines(&[NotifyState::Reloading, NotifyState::MonotonicUsec(*at)]),
            Self::Status(text) => lines(&[NotifyState::Status(text)]),
            Self::Watchdog => lines(&[NotifyState::Watchdog]),
            Self::Stopping => lines(&[NotifyState::Stopping]),
        }
    }
}

fn lines(states: &[NotifyState<'_>]) -> String {
    states.iter().map(|state| format!("{state}\n")).collect()
}

/// What was told, and what is still to be told.
#[derive(Debug, Default)]
pub(super) struct Protocol {
    phase: Phase,
    /// Reloads that were told and are not done.
    reloads: usize,
    waiting: VecDeque<Word>,
    /// A word is on its way.
    under_way: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Starting,
    Up,
    Stopping,
}

impl Protocol {
    /// The start is done. Said once.
    pub(super) fn up(&mut self) {
        if self.phase == Phase::Starting {
            self.phase = Phase::Up;
            self.waiting.push_back(Word::Ready);
        }
    }

    /// The line for people has changed. An older one that waits has nothing more to say.
    pub(super) fn status(&mut self, text: String) {
        if self.phase != Phase::Stopping {
            self.waiting.retain(|word| !matches!(word, Word::Status(_)));
            self.waiting.push_back(Word::Status(text));
        }
    }

    /// There was progress.
    pub(super) fn alive(&mut self) {
        if self.phase == Phase::Up && !self.waiting.contains(&Word::Watchdog) {
            self.waiting.push_back(Word::Watchdog);
        }
    }

    /// A reload was asked for. Says whether it was told, so that [`Self::reload_ended`] must follow. While
    /// the program starts it is not: no manager waits for it yet, and the start must not wait for a reload.
    pub(super) fn reload_begins(&mut self, at: i128) -> bool {
        if self.phase != Phase::Up {
            return false;
        }
        self.reloads += 1;
        // Where an earlier reload still waits to be told, its beginning and end need not be: this one's are
        // those of both.
        let mut untold = false;
        self.waiting.retain(|word| match word {
            Word::Reloading(_) => {
                untold = true;
                false
            }
            Word::Ready => !untold,
            _ => true,
        });
        self.waiting.push_back(Word::Reloading(at));
        true
    }

    /// A reload is done, or will never be. Only after the last of them is the program ready: a manager that
    /// asked for the second must not take the end of the first for its own.
    pub(super) fn reload_ended(&mut self) {
        self.reloads = self.reloads.saturating_sub(1);
        if self.reloads == 0 && self.phase == Phase::Up {
            self.waiting.push_back(Word::Ready);
        }
    }

    /// The end begins. Said once, and nothing after it.
    pub(super) fn stopping(&mut self, text: String) {
        if self.phase != Phase::Stopping {
            self.waiting.retain(|word| !matches!(word, Word::Watchdog));
            self.status(text);
            self.phase = Phase::Stopping;
            self.waiting.push_back(Word::Stopping);
        }
    }

    /// The next word, which is on its way until [`Self::sent`].
    pub(super) fn take(&mut self) -> Option<Word> {
        let word = self.waiting.pop_front();
        self.under_way = word.is_some();
        word
    }

    /// The word that was taken is sent, or nobody wants it.
    pub(super) fn sent(&mut self) {
        self.under_way = false;
    }

    /// Whether everything was told.
    pub(super) fn is_told(&self) -> bool {
        self.waiting.is_empty() && !self.under_way
    }

    /// Whether everything was told and nothing more will be.
    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Stopping && self.is_told()
    }
}

#[cfg(test)]
impl Protocol {
    /// Everything that waits, as it would be sent.
    pub(super) fn take_all(&mut self) -> Vec<String> {
        let mut datagrams = Vec::new();
        while let Some(word) = self.take() {
            datagrams.push(word.datagram());
            self.sent();
        }
        datagrams
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up() -> Protocol {
        let mut protocol = Protocol::default();
        protocol.up();
        assert_eq!(protocol.take_all(), ["READY=1\n"]);
        protocol
    }

    /// The start is told once, and nothing but a line for people before it.
    #[test]
    fn ready_comes_first_and_once() {
        let mut protocol = Protocol::default();
        protocol.alive();
        assert!(!protocol.reload_begins(1));
        protocol.status("soon".to_owned());
        protocol.up();
        protocol.alive();
        protocol.up();
        assert_eq!(protocol.take_all(), ["STATUS=soon\n", "READY=1\n", "WATCHDOG=1\n"]);
    }

    /// sd_notify(3): each RELOADING=1 carries its moment and is followed by READY=1, once every reload that
    /// was asked for is done.
    #[test]
    fn ready_follows_the_last_of_several_reloads() {
        let mut protocol = up();
        assert!(protocol.reload_begins(7));
        assert_eq!(protocol.take_all(), ["RELOADING=1\nMONOTONIC_USEC=7\n"]);
        assert!(protocol.reload_begins(8));
        protocol.reload_ended();
        assert_eq!(protocol.take_all(), ["RELOADING=1\nMONOTONIC_USEC=8\n"]);
        protocol.reload_ended();
        assert_eq!(protocol.take_all(), ["READY=1\n"]);
    }

    /// Nothing follows STOPPING=1, not even the end of a reload, and it is said once.
    #[test]
    fn stopping_is_the_last_word() {
        let mut protocol = up();
        protocol.reload_begins(7);
        protocol.alive();
        protocol.stopping("stopping".to_owned());
        protocol.stopping("again".to_owned());
        protocol.reload_ended();
        protocol.up();
        protocol.alive();
        protocol.status("late".to_owned());
        assert!(!protocol.reload_begins(8));
        assert!(!protocol.is_over());
        assert_eq!(
            protocol.take_all(),
            ["RELOADING=1\nMONOTONIC_USEC=7\n", "STATUS=stopping\n", "STOPPING=1\n"]
        );
        assert!(protocol.is_over());
    }

    /// A run that is over before anybody listened was ready all the same.
    #[test]
    fn a_short_run_was_ready() {
        let mut protocol = Protocol::default();
        protocol.up();
        protocol.stopping("done".to_owned());
        assert_eq!(protocol.take_all(), ["READY=1\n", "STATUS=done\n", "STOPPING=1\n"]);
    }

    /// While nobody listens the words do not pile up, and their order stays sound.
    #[test]
    fn a_manager_that_does_not_listen_costs_nothing() {
        let mut protocol = Protocol::default();
        protocol.up();
        for moment in 0..1000 {
            protocol.status(moment.to_string());
            protocol.alive();
            assert!(protocol.reload_begins(moment));
            protocol.reload_ended();
            assert!(protocol.waiting.len() <= 6, "{:?}", protocol.waiting);
        }
        assert_eq!(
            protocol.take_all(),
            ["READY=1\n", "WATCHDOG=1\n", "STATUS=999\n", "RELOADING=1\nMONOTONIC_USEC=999\n", "READY=1\n"]
        );
    }
}
