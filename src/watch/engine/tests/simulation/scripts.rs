//! Histories that once went wrong, written out by hand: which tickets, how many requests, what is done and when. No
//! generator has a part in them. Each names the seeds of the drawn histories that went wrong for the same cause.

use super::super::fakes::*;
use super::course::{Course, Disturbance};
use super::lists::{Change, Edit, Lists};
use super::play;
use super::world::World;

fn edit(ticket: &str, change: Change) -> Disturbance {
    Disturbance::List(vec![Edit { ticket: ticket.to_owned(), change }])
}

async fn play_written<const N: usize>(world: World, lists: Lists, things: [(u32, Disturbance); N]) {
    play("a written history", world, lists, Course::written(things)).await;
}

/// Promise 4 lets a stop give up a commit that hangs, as long as it says so. The history used to end while one hung that
/// had begun before all was well, because until then the rows are those of before, and its verdicts announced: the test was
/// wrong. Seed 2869.
#[tokio::test(start_paused = true)]
async fn the_end_waits_for_a_commit_that_hangs() {
    let jobs = [("app0-0", 200 * SECOND), ("app0-1", SECOND)];
    let world = World::written(vec![app("app0", 100)], jobs);
    let lists = Lists::of(&world);
    // One ticket is removed, and comes back when all is well again. The other one's label is in the commit that hangs.
    let things = [
        (100, edit("app0-0", Change::InOrOut)),
        (1790, Disturbance::CommitHangs(5 * MINUTE)),
        (1791, edit("app0-1", Change::Labelled(1))),
    ];
    play_written(world, lists, things).await;
}
