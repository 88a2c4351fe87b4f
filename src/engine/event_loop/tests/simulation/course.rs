//! What is done to a history, and when: drawn from a seed, or written out.

use std::time::Duration;

use fastrand::Rng;

use super::super::fakes::*;
use super::CALM_AFTER;
use super::lists::{Change, Edit};
use super::world::World;

/// Something that happens to list, remote, state file, log or process.
#[derive(Clone, Debug)]
pub(super) enum Disturbance {
    /// The list changes.
    List(Vec<Edit>),
    /// From now on the state file can't be written, or can be again.
    StateFailsOrNot,
    /// The same with the log.
    LogFailsOrNot,
    /// The next commit fails after so long.
    CommitFails(Duration),
    /// The next commit goes well, after so long.
    CommitHangs(Duration),
    /// From now on commits that go well are reported as failed, or no longer are.
    CommitsLieOrNot,
    /// The access token that was used last is refused from now on.
    Revoked,
    /// Stop and restart, once everything could be written.
    Stop,
    /// Death and restart, once everything could be written.
    Death,
    /// Stop and restart, whatever the state file does.
    StopAtOnce,
    /// Death and restart, whatever the state file does.
    DeathAtOnce,
    /// An app may have been fixed.
    Hangup,
}

/// What is done to a history, one thing after the other.
pub(super) enum Course {
    /// A generator decides.
    Drawn { rng: Rng, tickets: Vec<String>, is_calm: bool },
    /// This, at these moments, the last one first.
    Written(Vec<(Duration, Disturbance)>),
}

impl Course {
    /// As the world's generator goes on.
    pub(super) fn drawn(world: &mut World) -> Self {
        let rng = std::mem::replace(&mut world.rng, Rng::with_seed(0));
        let documents = world.documents.entries.iter().map(|entry| entry.key.id.to_string());
        let tickets = world.tickets().into_iter().chain(documents).collect();
        Self::Drawn { rng, tickets, is_calm: world.is_calm }
    }

    /// As it stands there, by seconds since the beginning.
    pub(super) fn written(things: impl IntoIterator<Item = (u32, Disturbance)>) -> Self {
        let mut things: Vec<_> = things.into_iter().map(|(at, what)| (SECOND * at, what)).collect();
        things.reverse();
        Self::Written(things)
    }

    /// After how long from now on what happens next, if anything does before all is well again.
    pub(super) fn next(&mut self, now: Duration) -> Option<(Duration, Option<Disturbance>)> {
        if now >= CALM_AFTER {
            return None;
        }
        Some(match self {
            Self::Drawn { rng, tickets, is_calm } => {
                let wait = SECOND.mul_f64(240.0 * rng.f64());
                (wait, (!*is_calm).then(|| draw(rng, tickets)))
            }
            Self::Written(things) => match things.pop() {
                Some((at, what)) => (at.saturating_sub(now), Some(what)),
                None => (CALM_AFTER - now, None),
            },
        })
    }
}

fn draw(rng: &mut Rng, tickets: &[String]) -> Disturbance {
    match rng.u32(..11) {
        0 => Disturbance::List(tickets.iter().filter_map(|ticket| draw_edit(rng, ticket)).collect()),
        1 => Disturbance::StateFailsOrNot,
        2 => Disturbance::LogFailsOrNot,
        3 => Disturbance::CommitFails(SECOND * rng.u32(1..20)),
        4 => Disturbance::Revoked,
        5 => Disturbance::Stop,
        6 => Disturbance::Death,
        7 => Disturbance::CommitHangs(SECOND * rng.u32(20..400)),
        8 => Disturbance::CommitsLieOrNot,
        9 if rng.bool() => Disturbance::DeathAtOnce,
        9 => Disturbance::StopAtOnce,
        _ => Disturbance::Hangup,
    }
}

/// Some tickets leave the list, some that left it come back, and some are listed with other words or in another file: a
/// corrected token, or one that is mistyped, a label, a move.
fn draw_edit(rng: &mut Rng, ticket: &str) -> Option<Edit> {
    let change = match rng.u32(..20) {
        0 | 1 => Change::InOrOut,
        2 => Change::Mistyped,
        3..6 => Change::Corrected,
        6 => Change::Labelled(rng.u8(..)),
        7 => Change::Moved(rng.u8(..3)),
        _ => return None,
    };
    Some(Edit { ticket: ticket.to_owned(), change })
}
