//! What must hold of documents in every history: each comes to its end, and no job is made that nothing asks for.

use tokio::time::Instant;

use super::super::fake_downloads::content_of;
use super::super::fakes::*;
use super::Diary;
use super::lists::Lists;
use super::world::World;
use crate::domain::event::*;
use crate::domain::*;

/// An export is made so often at most, because of what became of its jobs and artefacts.
const REPEATS: u32 = 3;

/// What must hold of documents in every history.
pub(super) fn judge_documents(world: &World, bench: &Bench, lists: &Lists, diary: &Diary) {
    for entry in &world.documents.entries {
        let row = bench.store.row(entry.key.id.as_str());
        assert_eq!((&row.entry, row.unlisted_since), (entry, None), "not as it is listed");
        has_its_end(world, bench, &row);
        shows_the_same_as_others(world, bench, &row);
    }
    for token in world.documents.fates.keys() {
        no_job_too_many(token, world, bench, lists, diary);
    }
    no_false_end(world, bench);
}

/// Promises 2 and 5: it is saved, or failed for a reason of its own, or came to nothing as often as it may.
fn has_its_end(world: &World, bench: &Bench, row: &TicketRecord) {
    let export = row.export.as_deref().unwrap();
    let token = world.documents.of_entry(&row.entry);
    let fate = &world.documents.fates[token];
    let kind = row.error.as_deref().map(|error| error.kind);
    match (row.state, row.file_state()) {
        (TicketState::Completed, None) => assert!(!world.artefacts.are_wanted, "{row:?}"),
        (TicketState::Completed, Some(FileState::Saved)) => {
            let (ticket, path) =
                (row.ticket().unwrap(), row.file.as_deref().unwrap().path.as_deref().unwrap());
            let saved = bench.files.with(|disk| disk.saved.get(path).cloned());
            assert_eq!(saved.as_deref(), Some(&content_of(ticket)[..]), "{row:?}");
        }
        (TicketState::Completed, Some(FileState::Expired)) => assert_eq!(export.repeats, REPEATS, "{row:?}"),
        (TicketState::Failed, None) => {
            let kind = kind.unwrap();
            assert!(fate.may_fail(kind), "{row:?}");
            assert!(fate.hopeless == Some(kind) || export.repeats == REPEATS, "{row:?}");
        }
        _ => panic!("{row:?}"),
    }
}

/// Entries with one export show one ticket and one file.
fn shows_the_same_as_others(world: &World, bench: &Bench, row: &TicketRecord) {
    let of = |entry| world.documents.of_entry(entry);
    for other in world.documents.entries.iter().filter(|entry| of(entry) == of(&row.entry)) {
        let other = bench.store.row(other.key.id.as_str());
        let shown = |row: &TicketRecord| {
            (row.state, row.ticket().map(str::to_owned), row.file.clone(), row.finished_at)
        };
        assert_eq!(shown(&other), shown(row), "{} and {}", other.entry.key.id, row.entry.key.id);
    }
    let copies = row.ticket().map_or(0, |ticket| {
        let content = content_of(ticket);
        bench.files.with(|disk| disk.saved.values().filter(|it| **it == content).count())
    });
    assert!(copies <= 1, "copies of {}", row.entry.key.id);
}

/// Design, section 4: a job for each generation, and one for each answer that was lost, or that no process lived to write
/// down. An entry that comes back when no other one has the export any more may begin one of its own.
fn no_job_too_many(token: &str, world: &World, bench: &Bench, lists: &Lists, diary: &Diary) {
    let entries: Vec<_> =
        world.documents.entries.iter().filter(|entry| world.documents.of_entry(entry) == token).collect();
    let again = bench.log.fields_of(DOCUMENT_AGAIN, "label");
    let again =
        again.iter().filter(|label| entries.iter().any(|entry| entry.key.id.as_str() == *label)).count();
    let back = entries.iter().filter_map(|entry| lists.came_back.get(entry.key.id.as_str())).sum::<u32>();
    let back = if entries.len() > 1 { back } else { 0 };
    let in_doubt = diary.in_doubt.lock().unwrap().get(token).copied().unwrap_or_default();
    let (jobs, lost) = bench.api.with(|remote| {
        let is_meant = |(_, id): &&(String, String)| id.contains(&format!("/{token}/"));
        let sum = |all: &std::collections::HashMap<(String, String), u32>| {
            all.iter().filter(|(key, _)| is_meant(key)).map(|(_, count)| count).sum::<u32>()
        };
        (sum(&remote.documents.jobs), sum(&remote.documents.lost) + remote.documents.late_of(token))
    });
    let allowed = 1 + u32::try_from(again).unwrap() + lost + in_doubt + back;
    assert!(
        jobs <= allowed,
        "{token}: {jobs} jobs, {again} times again, {lost} lost, {in_doubt} in doubt, {back} times back"
    );
}

/// Promises 2 and 5 at every line that shows the end of an export: a failure that a new job may put right is announced after
/// the last one alone, and an artefact that expired was gone.
fn no_false_end(world: &World, bench: &Bench) {
    let (lines, times) = bench.log.with(|log| (log.lines.clone(), log.times.clone()));
    for (line, at) in lines.iter().zip(&times) {
        let entry = line
            .get("label")
            .and_then(|label| world.documents.entries.iter().find(|entry| entry.key.id.as_str() == *label));
        let Some(fate) = entry.map(|entry| &world.documents.fates[world.documents.of_entry(entry)]) else {
            continue;
        };
        let is_true = match (line["event"].as_str(), line.get("error.kind")) {
            (TICKET_FAILED | DOCUMENT_FAILED, Some(kind)) => fate.may_fail(kind.parse().unwrap()),
            (TICKET_FAILED | TICKET_TIMED_OUT | FILE_FAILED, _) => false,
            (FILE_EXPIRED, _) => {
                let ticket = &line["ticket"];
                let ended = bench.api.with(|remote| remote.artefacts.ended.get(ticket).copied());
                let is_over = |ended: Instant| *at >= ended + ARTEFACT_LIFE;
                fate.is_gone(ticket) || ended.is_some_and(is_over)
            }
            _ => true,
        };
        assert!(is_true, "{line:?}");
    }
}

/// No create is sent for a document that no list names.
pub(super) fn nothing_unlisted_was_created(bench: &Bench, lists: &Lists) {
    let sent = bench.api.with(|remote| remote.documents.created.clone());
    for sent in sent {
        if let Some(since) = lists.unlisted_since(&sent.ticket) {
            assert!(sent.at <= since + SECOND, "created though no list names it: {sent:?}");
        }
    }
}
