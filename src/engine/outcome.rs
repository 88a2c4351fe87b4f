//! How a run ended.

use crate::domain::{AppName, Counts, FileCounts, FileState, HookName, TicketRecord, TicketState, Trouble};

/// So many tickets are named at the end of a run; the others are counted.
pub const NAMED_MAX: usize = 10;

/// How a run ended, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What ended it.
    pub end: End,
    /// The tickets of the last watch list, by state.
    pub listed: Counts,
    /// The files of the last watch list, by state.
    pub files: FileCounts,
    /// Whether everything that was known is in the state file.
    pub saved: bool,
    /// Apps that were in trouble at the end with tickets pending, and what it was.
    pub troubled: Vec<(AppName, Trouble)>,
    /// Tickets of the list that need a person, at most [`NAMED_MAX`]: those that failed or timed out, or whose files
    /// could not be saved, then completed ones whose files may have been gone when the verdict came.
    pub named: Vec<TicketRecord>,
    /// Completed tickets of the list whose files may have been gone when the verdict came.
    pub doubtful: usize,
    /// Verdicts that could not be announced; the next start announces them. Counted by the caller of the engine, once
    /// the consumers had their time.
    pub unannounced: usize,
    /// What hooks have not taken. Noted by the caller of the engine, as above.
    pub undelivered: Vec<Undelivered>,
}

/// Events that a hook has not taken at the end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// The hook.
    pub hook: HookName,
    /// How many.
    pub events: usize,
}

impl Outcome {
    /// Tickets of the list that failed or timed out, or whose file could not be saved.
    #[must_use]
    pub fn unsuccessful(&self) -> usize {
        let tickets = self.listed.of(TicketState::Failed) + self.listed.of(TicketState::TimedOut);
        tickets + self.files[FileState::Failed] + self.files[FileState::Expired]
    }
}

/// What ended a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// No ticket was pending any more.
    Done,
    /// It was asked to stop.
    Stopped,
    /// The deadline passed.
    Deadline,
    /// For a minute only apps had tickets left that a person has to fix.
    Stuck,
    /// The state file was moved or replaced, or can't be written by this process any more.
    StateLost,
}
