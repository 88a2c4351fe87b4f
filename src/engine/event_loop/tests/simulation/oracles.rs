//! What must hold in every history, asked at its end of everything that was written down meanwhile.

use tokio::time::Instant;

use super::super::fakes::*;
use super::lists::Lists;
use super::world::World;
use crate::domain::event::*;
use crate::domain::*;

/// What must hold in every history.
pub(super) fn judge(world: &World, bench: &Bench, lists: &Lists, unwritten: &[Instant], began: Instant) {
    // Promise 1, as the server counts, through every stop and death of a process that could write; apps that share a
    // budget do so together.
    for app in &world.apps {
        let limit = usize::try_from(app.rate_limit.requests.get()).unwrap();
        let together: Vec<_> = world.sharing_with(app).map(|app| app.name.as_str()).collect();
        bench.api.assert_apps_never_more_than(&together, limit, unwritten);
    }
    // Promise 4: every verdict was in the outbox, together with its ticket's row, and nothing is left there.
    assert_eq!(bench.store.with(|kept| kept.lost.clone()), Vec::<String>::new());
    assert_eq!(bench.store.unannounced(), 0);
    let announced = [TICKET_FAILED, TICKET_COMPLETED].map(|event| bench.log.tickets_of(event));
    no_false_verdict(world, bench, lists, began);
    for ticket in &lists.listed {
        let (row, job) = (bench.store.row(ticket), world.jobs[ticket]);
        // Promises 2 and 3: its own fate and nothing else's, whatever happened to polls and apps.
        let expected = if job.succeeds { TicketState::Completed } else { TicketState::Failed };
        assert_eq!(row.state, expected, "{ticket}");
        assert_eq!(&row.entry, lists.words_of(ticket), "not as it is listed");
        assert_eq!(row.unlisted_since, None, "{ticket} is listed");
        assert!(announced[usize::from(job.succeeds)].contains(ticket), "{ticket} was never announced");
    }
    if world.is_calm {
        found_in_time(world, bench, began);
    }
}

/// Promises 2 and 3 at every line that shows a verdict: the job had come to that end by then, or the list named another
/// document.
fn no_false_verdict(world: &World, bench: &Bench, lists: &Lists, began: Instant) {
    let (lines, times) = bench.log.with(|log| (log.lines.clone(), log.times.clone()));
    for (line, at) in lines.iter().zip(&times) {
        let Some(job) = line.get("ticket").and_then(|ticket| world.jobs.get(ticket)) else { continue };
        let has_ended = job.ends <= *at - began;
        let is_true = match (line["event"].as_str(), line.get("error.kind").map(String::as_str)) {
            (TICKET_COMPLETED, _) => has_ended && job.succeeds,
            (TICKET_FAILED, Some("document_too_large")) => has_ended && !job.succeeds,
            (TICKET_FAILED, Some("invalid_param")) => lists.mistyped.contains(&line["ticket"]),
            (TICKET_FAILED | TICKET_TIMED_OUT, _) => false,
            _ => true,
        };
        assert!(is_true, "{line:?}");
    }
}

/// Promise 5: where nothing goes wrong, a file is found within the longest interval and the time that one sweep over
/// the tickets of its app's budget takes.
fn found_in_time(world: &World, bench: &Bench, began: Instant) {
    for (ticket, job) in &world.jobs {
        let place: usize = ticket[3..4].parse().unwrap();
        let sweep = world.sweep(&world.apps[place]);
        let found = bench.api.polls_of(ticket).last().unwrap().at - began;
        let late = found.saturating_sub(job.ends);
        assert!(late <= MINUTE * 11 / 10 + sweep + SECOND, "{ticket} was found after {late:?}");
    }
}
