//! Moments at which a process may be made to die, as by a power cut: tests name one of them and see what the next
//! process makes of it. Without the feature `crash-points`, which no release has, to pass one is nothing.
//!
//! With it the process kills itself at the n-th passage of the point that the environment variable
//! `FEISHU_EXPORT_WATCHER_CRASH_AT` names, as in `committed:3`.

/// The points with their names, from one table: none can be left out of [`CrashPoint::ALL`].
macro_rules! crash_points {
    ($($(#[$doc:meta])* $point:ident = $name:literal,)+) => {
        /// A moment between two steps of which a crash must leave either none, the first, or both.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum CrashPoint {
            $($(#[$doc])* $point,)+
        }

        impl CrashPoint {
            /// All of them.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$point),+];

            /// What the environment variable calls it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)+
                }
            }
        }
    };
}

crash_points! {
    /// A new state file is made, whole, and does not bear its name yet.
    FileBuilt = "file-built",
    /// The state file was read, and marked as that of a running process.
    StateLoaded = "state-loaded",
    /// A batch is about to be written.
    BatchDue = "batch-due",
    /// The rows of a batch are written and not committed.
    RowsWritten = "rows-written",
    /// A batch is committed, and nobody knows yet.
    Committed = "committed",
    /// The engine knows that verdicts are committed, and has not woken their consumers.
    VerdictsDurable = "verdicts-durable",
    /// Verdicts are read from the outbox, and about to be handed to a sink of the log.
    VerdictsLogged = "verdicts-logged",
    /// A sink of the log has written lines of verdicts, and not made them safe.
    LinesWritten = "lines-written",
    /// A sink of the log said that lines of verdicts are safe; nobody has noted it.
    LinesSafe = "lines-safe",
    /// Verdicts that every sink has are removed from the outbox.
    VerdictsMarked = "verdicts-marked",
    /// A part of a watch list is carried out, and the rest is still to come.
    ListPartTaken = "list-part-taken",
    /// All is written but the last batch, which says that the process ended in good order.
    LastBatchDue = "last-batch-due",
    /// The last batch is committed.
    LastBatchDone = "last-batch-done",
}

impl CrashPoint {
    /// The process passes the point, or dies here.
    #[cfg(feature = "crash-points")]
    pub fn pass(self) {
        armed::pass(self);
    }

    /// The process passes the point.
    #[cfg(not(feature = "crash-points"))]
    #[inline]
    pub const fn pass(self) {}
}

#[cfg(feature = "crash-points")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    use super::CrashPoint;

    /// Where to die, and at which passage.
    const VARIABLE: &str = "FEISHU_EXPORT_WATCHER_CRASH_AT";

    static PASSED: [AtomicU32; CrashPoint::ALL.len()] = [const { AtomicU32::new(0) }; CrashPoint::ALL.len()];

    static WANTED: OnceLock<Option<(CrashPoint, u32)>> = OnceLock::new();

    pub(super) fn pass(point: CrashPoint) {
        let passage = PASSED[point as usize].fetch_add(1, Ordering::Relaxed) + 1;
        if *WANTED.get_or_init(wanted) == Some((point, passage)) {
            // Not caught and not delayed: whatever else the process was doing ends here as well.
            let _ = kill_process(getpid(), Signal::KILL);
            loop {
                std::thread::park();
            }
        }
    }

    fn wanted() -> Option<(CrashPoint, u32)> {
        passage_of(&std::env::var(VARIABLE).ok()?)
    }

    fn passage_of(text: &str) -> Option<(CrashPoint, u32)> {
        let (name, passage) = text.split_once(':')?;
        let point = CrashPoint::ALL.into_iter().find(|point| point.name() == name)?;
        Some((point, passage.parse().ok()?))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// A test that names a point and a passage gets these: otherwise its process would live on.
        #[test]
        fn what_is_named_is_understood() {
            for point in CrashPoint::ALL {
                assert_eq!(passage_of(&format!("{}:3", point.name())), Some((point, 3)));
            }
            for text in ["", "committed", "committed:", ":3", "nowhere:3", "committed:-1"] {
                assert_eq!(passage_of(text), None, "{text}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// A name means one point, and the number of a point is its place among all, as the count of passages takes it.
    #[test]
    fn names_and_numbers_are_unique() {
        let names: HashSet<_> = CrashPoint::ALL.map(CrashPoint::name).into();
        assert_eq!(names.len(), CrashPoint::ALL.len());
        for (place, point) in CrashPoint::ALL.into_iter().enumerate() {
            assert_eq!(point as usize, place, "{}", point.name());
        }
    }
}
