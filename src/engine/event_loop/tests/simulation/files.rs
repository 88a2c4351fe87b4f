//! What must hold of files in every history: each is whole under its name, once, announced, and saved if it could be.

use std::time::Duration;

use tokio::time::Instant;

use super::super::fake_documents::document_of;
use super::super::fake_downloads::content_of;
use super::super::fakes::*;
use super::Diary;
use super::artefacts::FolderChange;
use super::lists::Lists;
use super::pauses::{Spans, hindrances_of_downloads};
use super::world::World;
use crate::domain::event::*;
use crate::domain::*;

/// The longest wait between two tries of anything, and what a file takes besides its transfer.
const AGAIN_WITHIN: Duration = Duration::from_secs(66);

/// What must hold of files in every history.
pub(super) fn judge_files(world: &World, bench: &Bench, lists: &Lists, diary: &Diary) {
    // Promise 6: nothing was placed that the state file did not know, nothing was replaced, nothing is left over.
    assert_eq!(bench.files.with(|disk| disk.wrong.clone()), Vec::<String>::new());
    assert_eq!(bench.files.temporary(), 0, "temporary files are left");
    if !world.artefacts.are_wanted {
        assert_eq!(bench.api.downloads(), 0);
        return;
    }
    no_false_loss(world, bench, diary);
    for ticket in lists.listed.iter().filter(|ticket| world.jobs[*ticket].succeeds) {
        each_has_an_outcome(ticket, bench);
        each_is_there_once(ticket, bench, lists);
    }
    saved_if_it_could_be(world, bench, lists, diary);
}

fn file_of(ticket: &str, bench: &Bench) -> FileRecord {
    *bench.store.row(ticket).file.unwrap_or_else(|| panic!("{ticket} has no file"))
}

/// Promise 4: every outcome was announced. Promise 6: what is saved is the right file.
fn each_has_an_outcome(ticket: &str, bench: &Bench) {
    let file = file_of(ticket, bench);
    let event = match file.state {
        FileState::Saved => FILE_SAVED,
        FileState::Expired => FILE_EXPIRED,
        FileState::Failed => FILE_FAILED,
        FileState::Waiting => panic!("the file of {ticket} was forgotten: {file:?}"),
    };
    assert!(bench.log.tickets_of(event).contains(ticket), "{event} of {ticket} was never announced");
    if file.state == FileState::Saved {
        let there = bench.files.with(|disk| disk.saved.get(&*file.path.unwrap()).cloned());
        assert_eq!(there.as_deref(), Some(&content_of(ticket)[..]), "{ticket}");
    }
}

/// Promise 6: each file is there once. One more is left of each time that its ticket started over.
fn each_is_there_once(ticket: &str, bench: &Bench, lists: &Lists) {
    let content = content_of(ticket);
    let copies = bench.files.with(|disk| disk.saved.values().filter(|it| **it == content).count());
    let is_saved = file_of(ticket, bench).state == FileState::Saved;
    if lists.mistyped.contains(ticket) {
        assert!(copies >= usize::from(is_saved), "{ticket}");
    } else {
        assert_eq!(copies, usize::from(is_saved), "copies of {ticket}");
    }
}

/// Promises 2 and 5 at every line that shows a lost file: its artefact was gone by then, or never was a file.
fn no_false_loss(world: &World, bench: &Bench, diary: &Diary) {
    let lines = bench.log.with(|log| log.lines.clone());
    for line in &lines {
        let moment = |name: &str| line.get(name).map(|text| text.parse::<WallTime>().unwrap());
        let is_true = match line["event"].as_str() {
            FILE_EXPIRED => {
                let ticket = &line["ticket"];
                // Those of exports are asked about elsewhere.
                let Some(job) = world.jobs.get(ticket) else { continue };
                let fate = &world.artefacts.fates[ticket];
                let at = moment("timestamp").unwrap();
                let is_gone = at >= START + job.ends + ARTEFACT_LIFE;
                is_gone || fate.may_seem_gone() && moment("download_by").is_some_and(|until| until <= at)
            }
            FILE_FAILED => world.artefacts.fates[document_of(&line["ticket"])].is_wrong,
            _ => true,
        };
        assert!(is_true, "{line:?}, began {:?}", diary.began);
    }
}

/// Promise 5: a file is saved if, from its ticket's verdict to the end of its artefact, there was time for it outside of
/// what keeps the app from downloads.
fn saved_if_it_could_be(world: &World, bench: &Bench, lists: &Lists, diary: &Diary) {
    let mut hindrances = hindrances_of_downloads(world, bench, diary);
    for (place, app) in world.apps.iter().enumerate() {
        let of_app = hindrances.entry(app.name.to_string()).or_default();
        for trouble in world.artefacts.troubles.get(place).into_iter().flatten() {
            of_app.add(diary.began + trouble.from, diary.began + trouble.until + AGAIN_WITHIN);
        }
        of_app.extend(&closed_folder(diary));
        let fates = world.artefacts.fates.iter().filter(|(ticket, fate)| {
            let is_sure = !fate.is_wrong && !fate.may_seem_gone() && !lists.mistyped.contains(*ticket);
            // One that was lost while the state file could not be written is fetched when that can be.
            let is_lost = bench.files.with(|disk| disk.lost.contains(&content_of(ticket).to_vec()));
            // A process that could write nothing down took its body along; the next one begins anew, maybe too late.
            let is_forgotten = || {
                let found = bench.api.polls_of(ticket).last().map(|poll| poll.at);
                diary.without_memory.lock().unwrap().iter().any(|at| found.is_some_and(|found| *at > found))
            };
            world.jobs.get(*ticket).is_some_and(|job| job.succeeds)
                && is_sure
                && !is_lost
                && !is_forgotten()
                && ticket.starts_with(app.name.as_str())
        });
        for ticket in fates.map(|(ticket, _)| ticket) {
            let gone = diary.began + world.jobs[ticket].ends + ARTEFACT_LIFE;
            let from = last_begin(ticket, bench, diary, gone);
            let needed = time_for(ticket, world, bench, (from, gone));
            let had =
                if from < gone { of_app.left_of(&Spans::default(), from, gone) } else { Duration::ZERO };
            let file = file_of(ticket, bench);
            assert!(
                had < needed || file.state == FileState::Saved,
                "{ticket} had {had:?} of {needed:?} from {:?} on: {file:?}",
                from - diary.began
            );
        }
    }
}

/// How long a file takes at most within that time: the budget's share of all downloads that were sent, their transfers,
/// four at a time, and its own downloads with the waits between them.
fn time_for(ticket: &str, world: &World, bench: &Bench, (from, gone): (Instant, Instant)) -> Duration {
    let app = world.apps.iter().find(|app| ticket.starts_with(app.name.as_str())).unwrap();
    let together: Vec<_> = world.sharing_with(app).map(|app| app.name.as_str()).collect();
    let all = bench.api.with(|remote| remote.artefacts.downloads.clone());
    let sent: Vec<_> = all.iter().filter(|it| from <= it.at + MINUTE && it.at <= gone).collect();
    let budget = sent.iter().filter(|it| together.contains(&&*it.app)).count();
    let own = sent.iter().filter(|it| app.name.as_str() == it.app);
    let transfers: Duration = own.map(|it| world.artefacts.fates[document_of(&it.ticket)].longest()).sum();
    // Tries that a full disk ended are no requests.
    let tries = bench.api.downloads_of(ticket).len().max(file_of(ticket, bench).attempts as usize);
    let (fate, backoff) = (&world.artefacts.fates[ticket], &bench.settings.backoff);
    let wait = |nth: usize| backoff.interval(u32::try_from(tries + nth).unwrap(), 0.0) + fate.longest();
    let itself: Duration = (0..fate.downloads()).map(wait).sum();
    app.rate_limit.time_for(budget) + transfers / 4 + itself
}

/// When the folder was full or closed, and as long again as a try may be away.
fn closed_folder(diary: &Diary) -> Spans {
    let (mut spans, mut since) = (Spans::default(), [None, None]);
    for (at, change) in diary.folder.lock().unwrap().iter() {
        let (place, begins) = match change {
            FolderChange::Full(begins) => (0, *begins),
            FolderChange::Closed(begins) => (1, *begins),
            _ => continue,
        };
        if begins {
            since[place].get_or_insert(*at);
        } else if let Some(since) = since[place].take() {
            spans.add(since, *at + AGAIN_WITHIN);
        }
    }
    spans
}

/// When the engine last began to fetch the file: with the verdict, or with a process that came later.
fn last_begin(ticket: &str, bench: &Bench, diary: &Diary, gone: Instant) -> Instant {
    let found = bench.api.polls_of(ticket).last().unwrap().at;
    let lives = diary.lives.lock().unwrap().clone();
    let begins = lives.into_iter().map(|(_, up)| up).filter(|up| *up < gone);
    begins.chain([found]).max().unwrap()
}
