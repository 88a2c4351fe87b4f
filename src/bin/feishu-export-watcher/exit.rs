//! Exit codes: what a script learns from how the program ended.

use feishu_export_watcher::domain::TicketState;
use feishu_export_watcher::{CommandError, End, ErrorClass, Outcome};

/// Everything went well.
pub(crate) const FINE: u8 = 0;
/// Something that has no code of its own.
pub(crate) const UNEXPECTED: u8 = 1;
/// The command line can't be understood.
pub(crate) const USAGE: u8 = 2;
/// A batch ended, but some of its tickets failed or timed out.
pub(crate) const UNSUCCESSFUL: u8 = 10;
/// A batch ended with tickets pending.
pub(crate) const PENDING: u8 = 11;
/// Another watcher holds the state file.
pub(crate) const HELD: u8 = 12;
/// Only apps that need a fix had tickets left (EX_UNAVAILABLE of sysexits.h).
pub(crate) const UNAVAILABLE: u8 = 69;
/// The state file can't be read or written (EX_IOERR).
pub(crate) const STATE: u8 = 74;
/// Invalid configuration or watch list (EX_CONFIG).
pub(crate) const CONFIG: u8 = 78;
/// A second signal.
pub(crate) const KILLED: u8 = 130;

/// The code for a run that ended. What could not be written comes first: the rest may be untrue on disk.
pub(crate) fn from_outcome(outcome: &Outcome, until_done: bool) -> u8 {
    if !outcome.saved {
        return STATE;
    }
    if outcome.unannounced > 0 {
        return UNEXPECTED;
    }
    let pending = outcome.listed.of(TicketState::Pending) > 0;
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

/// The code for a command that could not do its work.
pub(crate) const fn from_error(error: &CommandError) -> u8 {
    match error.class() {
        ErrorClass::Usage => USAGE,
        ErrorClass::Config => CONFIG,
        ErrorClass::InUse => HELD,
        ErrorClass::StateFile => STATE,
        ErrorClass::Unexpected => UNEXPECTED,
    }
}

#[cfg(test)]
mod tests {
    use feishu_export_watcher::domain::Counts;

    use super::*;

    fn outcome(end: End, states: &[TicketState]) -> Outcome {
        let listed: Counts = states.iter().copied().collect();
        Outcome {
            end,
            listed,
            troubled: Vec::new(),
            named: Vec::new(),
            doubtful: 0,
            saved: true,
            unannounced: 0,
        }
    }

    #[test]
    fn a_batch_tells_how_it_went() {
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

    #[test]
    fn a_service_that_is_stopped_did_well() {
        let stopped = outcome(End::Stopped, &[TicketState::Pending, TicketState::Failed]);
        assert_eq!(from_outcome(&stopped, false), FINE);
        assert_eq!(from_outcome(&Outcome { saved: false, ..stopped.clone() }, false), STATE);
        assert_eq!(from_outcome(&Outcome { unannounced: 1, ..stopped }, false), UNEXPECTED);
    }
}
