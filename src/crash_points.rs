//! Moments at which a process may be made to die, as by a power cut: tests name one of them and see what the next
//! process makes of it. Without the feature `crash-points`, which no release has, to pass one is nothing.
//!
//! With it the process kills itself at the n-th passage of the point that the environment variable
//! `FEISHU_EXPORT_WATCHER_CRASH_AT` names, as in `committed:3`.

use strum::{EnumString, IntoStaticStr, VariantArray};

/// A moment between two steps of which a crash must leave either none, the first, or both. The environment variable
/// calls `FileBuilt` `file-built`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum CrashPoint {
    /// A new state file is made, whole, and does not bear its name yet.
    FileBuilt,
    /// The state file was read, and marked as that of a running process.
    StateLoaded,
    /// A batch is about to be written.
    BatchDue,
    /// The rows of a batch are written and not committed.
    RowsWritten,
    /// A batch is committed, and nothing else knows yet.
    Committed,
    /// The engine knows that verdicts are committed, and has not woken their consumers.
    VerdictsDurable,
    /// Verdicts are read from the outbox, and about to be handed to a sink of the log.
    VerdictsLogged,
    /// A sink of the log has written lines of verdicts, and not made them safe.
    LinesWritten,
    /// A sink of the log said that lines of verdicts are safe; that is not noted yet.
    LinesSafe,
    /// Verdicts that every sink has are removed from the outbox.
    VerdictsMarked,
    /// An event for a hook is read, and its receiver is about to be called.
    HookDue,
    /// A receiver took an event; that is not noted yet.
    EventTaken,
    /// The ends of tries are written and not committed.
    TriesWritten,
    /// The ends of tries are committed, and the next events are not read.
    TriesNoted,
    /// A part of a watch list is carried out, and the rest is still to come.
    ListPartTaken,
    /// The state file says that a create may be on its way, and it is about to be sent.
    CreateDurable,
    /// An empty temporary file is made for a body.
    FileBegun,
    /// A body is written to its temporary file, and not synced.
    BodyWritten,
    /// A body is synced; the state file does not know yet.
    BodySynced,
    /// A body has its final name, and its folder is not synced.
    FileRenamed,
    /// The folder of a body with its final name is synced; the state file does not know yet.
    FolderSynced,
    /// All is written but the last batch, which says that the process ended in good order.
    LastBatchDue,
    /// The last batch is committed.
    LastBatchDone,
}

impl CrashPoint {
    /// All of them.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// What the environment variable calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The process passes the point, or dies here.
    #[inline]
    pub fn pass(self) {
        #[cfg(feature = "crash-points")]
        armed::pass(self);
    }
}

#[cfg(feature = "crash-points")]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    use super::CrashPoint;

    /// Where to die, and at which passage.
    const VARIABLE: &str = "FEISHU_EXPORT_WATCHER_CRASH_AT";

    static WANTED: LazyLock<Option<(CrashPoint, u32)>> =
        LazyLock::new(|| passage(&std::env::var(VARIABLE).ok()?));

    /// How often the wanted point was passed.
    static PASSED: AtomicU32 = AtomicU32::new(0);

    pub(super) fn pass(point: CrashPoint) {
        let Some(wanted) = WANTED.filter(|wanted| wanted.0 == point) else { return };
        if PASSED.fetch_add(1, Ordering::Relaxed) + 1 == wanted.1 {
            // Not caught and not delayed: whatever else the process was doing ends here as well.
            let _ = kill_process(getpid(), Signal::KILL);
            std::process::abort();
        }
    }

    fn passage(text: &str) -> Option<(CrashPoint, u32)> {
        let (name, passage) = text.split_once(':')?;
        Some((name.parse().ok()?, passage.parse().ok()?))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// A test that names a point and a passage gets these: otherwise its process would live on.
        #[test]
        fn what_is_named_is_understood() {
            for &point in CrashPoint::ALL {
                assert_eq!(passage(&format!("{}:3", point.name())), Some((point, 3)));
            }
            for text in ["", "committed", "committed:", ":3", "nowhere:3", "committed:-1"] {
                assert_eq!(passage(text), None, "{text}");
            }
        }
    }
}
