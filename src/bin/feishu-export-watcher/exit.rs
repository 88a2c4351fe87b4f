//! Exit codes: how the program ended, for scripts. Those of errors are the numbers of their classes.

use feishu_export_watcher::domain::{FileState, TicketState};
use feishu_export_watcher::{End, ErrorClass, Outcome};

/// Everything went well.
pub(crate) const FINE: u8 = 0;
/// Something that has no code of its own.
pub(crate) const UNEXPECTED: u8 = ErrorClass::Unexpected as u8;
/// The command line can't be understood.
pub(crate) const USAGE: u8 = ErrorClass::Usage as u8;
/// A batch ended, but some of its tickets failed or timed out, or their files could not be saved.
pub(crate) const UNSUCCESSFUL: u8 = 10;
/// A batch ended with tickets pending or files waiting.
pub(crate) const PENDING: u8 = 11;
/// Only apps that need a fix had tickets left, or a check met trouble that may pass (EX_UNAVAILABLE of sysexits.h).
pub(crate) const UNAVAILABLE: u8 = 69;
/// The state file can't be read or written.
pub(crate) const STATE: u8 = ErrorClass::StateFile as u8;
/// Invalid configuration or watch list.
pub(crate) const CONFIG: u8 = ErrorClass::Config as u8;
/// A second signal.
pub(crate) const KILLED: u8 = 130;

/// The code for a run that ended. Losses come first: the rest may be untrue on disk.
pub(crate) fn from_outcome(outcome: &Outcome, until_done: bool) -> u8 {
    if !outcome.saved {
        return STATE;
    }
    if outcome.unannounced > 0 {
        return UNEXPECTED;
    }
    let pending = is_open(outcome);
    match &outcome.end {
        End::StateLost => STATE,
        End::Stopped if !until_done => FINE,
        End::Stuck if pending => UNAVAILABLE,
        // Done with pending tickets: those of a list that can't be read and an app that is gone.
        End::Stopped | End::Deadline | End::Done if pending => PENDING,
        _ if outcome.unsuccessful() > 0 => UNSUCCESSFUL,
        _ => FINE,
    }
}

/// Whether exports are pending or files to come.
pub(crate) fn is_open(outcome: &Outcome) -> bool {
    outcome.listed.of(TicketState::Pending) + outcome.files[FileState::Waiting] > 0
}

#[cfg(test)]
mod tests {
    use feishu_export_watcher::domain::Counts;

    use super::*;

    fn outcome(end: End, states: &[TicketState]) -> Outcome {
        let listed: Counts = states.iter().map(|state| (*state, 1)).collect();
        Outcome {
            end,
            listed,
            troubled: Vec::new(),
            named: Vec::new(),
            doubtful: 0,
            files: Default::default(),
            saved: true,
            unannounced: 0,
            undelivered: Vec::new(),
        }
    }

    #[test]
    fn a_batch_ends_with_its_result() {
        use TicketState::{Completed, Failed, Pending, Removed, TimedOut};
        for (end, states, code) in [
            (End::Done, &[Completed, Removed][..], FINE),
            (End::Done, &[Completed, Failed], UNSUCCESSFUL),
            (End::Done, &[TimedOut], UNSUCCESSFUL),
            (End::Deadline, &[Pending, Failed], PENDING),
            (End::Stopped, &[Pending, Failed], PENDING),
            (End::Stopped, &[Failed], UNSUCCESSFUL),
            (End::Stuck, &[Pending, Failed], UNAVAILABLE),
        ] {
            assert_eq!(from_outcome(&outcome(end.clone(), states), true), code, "{end:?} {states:?}");
        }
    }

    /// Promise: a batch succeeds only with every file saved.
    #[test]
    fn a_batch_ends_with_its_files() {
        use FileState::{Expired, Failed, Saved, Waiting};
        for (end, states, code) in [
            (End::Done, &[Saved][..], FINE),
            (End::Done, &[Saved, Failed], UNSUCCESSFUL),
            (End::Done, &[Expired], UNSUCCESSFUL),
            (End::Deadline, &[Waiting, Expired], PENDING),
            (End::Stopped, &[Waiting], PENDING),
            (End::Stuck, &[Waiting], UNAVAILABLE),
        ] {
            let mut outcome = outcome(end, &[TicketState::Completed]);
            states.iter().for_each(|state| outcome.files[*state] += 1);
            assert_eq!(from_outcome(&outcome, true), code, "{outcome:?}");
        }
    }

    #[test]
    fn a_service_that_is_stopped_did_well() {
        let stopped = outcome(End::Stopped, &[TicketState::Pending, TicketState::Failed]);
        assert_eq!(from_outcome(&stopped, false), FINE);
        assert_eq!(from_outcome(&Outcome { saved: false, ..stopped.clone() }, false), STATE);
        assert_eq!(from_outcome(&Outcome { unannounced: 1, ..stopped }, false), UNEXPECTED);
    }
}
