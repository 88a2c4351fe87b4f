//! Documents through the engine: a create is written down before it is sent, its answer may be lost, a job that failed is
//! made again, and a wiki node is resolved first.

use std::time::Duration;

use super::downloads::whole;
use super::fake_documents::*;
use super::fake_downloads::*;
use super::fakes::*;
use crate::domain::event::*;
use crate::domain::*;
use crate::engine::*;
use crate::feishu::*;
use crate::store::{Retry, RetryId};

/// A remote whose jobs are done at once, and whose creates bring what the script says.
pub(super) fn creating(creates: impl FnMut(&str, u32) -> Creation + Send + 'static) -> Bench {
    let api = FakeApi::new(|_, _| (SECOND / 10, completed())).with_creates(creates);
    let mut bench = Bench::new(api).downloading();
    bench.settings.until_done = false;
    bench
}

fn tickets(_: &str, _: u32) -> Creation {
    Creation::ticket()
}

impl Bench {
    pub(super) fn export(&self, id: &str) -> ExportRecord {
        *self.store.row(id).export.expect("an export")
    }

    pub(super) fn error_of(&self, id: &str) -> Option<ErrorKind> {
        self.store.row(id).error.map(|error| error.kind)
    }

    /// Minutes between the creates of a document, rounded.
    fn minutes(&self, token: &str) -> Vec<u64> {
        let sent = self.api.creates_of(token);
        sent.windows(2).map(|pair| ((pair[1] - pair[0]).as_secs() + 20) / 60).collect()
    }

    /// The export is done: its last job's file lies under its name, and its row says so.
    pub(super) fn assert_exported(&self, id: &str) {
        let row = self.store.row(id);
        assert_eq!(
            (row.state, row.file_state()),
            (TicketState::Completed, Some(FileState::Saved)),
            "{row:?}"
        );
        let ticket = row.ticket().expect("a ticket").to_owned();
        let path = row.file.unwrap().path.unwrap().to_path_buf();
        let saved = self.files.with(|disk| disk.saved.get(&path).cloned());
        assert_eq!(saved, Some(content_of(&ticket).to_vec()), "{id}");
    }

    /// The process dies.
    pub(super) async fn kill(&self, running: Running) {
        self.files.end_process();
        running.outcome.abort();
        let _ = running.outcome.await;
    }
}

pub(super) async fn stop(running: Running) -> Outcome {
    running.stop.cancel();
    running.outcome.await.unwrap()
}

/// Promise: no create is sent before the state file says that it may be.
#[tokio::test(start_paused = true)]
async fn no_create_is_sent_that_is_not_written() {
    for fails in [true, false] {
        let bench = creating(tickets).documents(["d"]);
        bench.store.with(|kept| if fails { kept.fails = true } else { kept.late = vec![5 * MINUTE] });
        let running = bench.start();
        tokio::time::sleep(4 * MINUTE).await;
        assert_eq!(bench.api.creates_of("d").len(), 0);
        bench.store.with(|kept| kept.fails = false);
        tokio::time::sleep(2 * MINUTE).await;
        assert_eq!((bench.api.creates_of("d").len(), bench.api.jobs()), (1, 1));
        bench.assert_exported(&pdf_of("d"));
        stop(running).await;
        bench.assert_sound();
    }
}

/// Promise: a stop while it is being written sends nothing, and the next process knows that.
#[tokio::test(start_paused = true)]
async fn a_stop_before_the_sending_leaves_no_doubt() {
    let bench = creating(tickets).documents(["d"]);
    bench.store.with(|kept| kept.late = vec![3 * SECOND]);
    let running = bench.start();
    tokio::time::sleep(2 * SECOND).await;
    stop(running).await;
    assert_eq!((bench.api.jobs(), bench.export(&pdf_of("d")).is_creating), (0, false));
    let running = bench.start();
    tokio::time::sleep(MINUTE / 2).await;
    bench.assert_exported(&pdf_of("d"));
    stop(running).await;
    bench.assert_sound();
}

/// Promise: a create whose answer was lost is sent again after 1, 2, 4, 8, 10 and 10 minutes, and costs one surplus job at
/// most. Nothing in the answer ends the export.
#[tokio::test(start_paused = true)]
async fn a_lost_answer_costs_one_job_at_most() {
    quiet_scripted_panics();
    let page = Creation { end: CreateEnd::Nothing { job: true, verdict: PAGE }, ..Creation::ticket() };
    let panics = Creation { end: CreateEnd::Nothing { job: true, verdict: PANIC }, ..Creation::ticket() };
    let late = Creation::ticket().after(MINUTE);
    for (lost, surplus) in
        [(Creation::lost(true), 7), (Creation::lost(false), 0), (page, 7), (panics, 7), (late, 7)]
    {
        let bench = creating(move |_, nth| if nth <= 7 { lost.clone() } else { Creation::ticket() });
        let bench = bench.documents(["d"]);
        let running = bench.start();
        tokio::time::sleep(50 * MINUTE).await;
        assert_eq!(bench.minutes("d"), [1, 2, 4, 8, 10, 10, 10]);
        assert_eq!((bench.api.jobs(), bench.export(&pdf_of("d")).generation), (1 + surplus, 1));
        assert_eq!((bench.log.count(DOCUMENT_CREATED), bench.log.count(TICKET_FAILED)), (1, 0));
        bench.assert_exported(&pdf_of("d"));
        stop(running).await;
        bench.assert_sound();
    }
}

/// Promise: a process that dies while a create is on its way, or about to be sent, leaves it in doubt: the next one waits a
/// minute. One that died after the answer was written makes no second job.
#[tokio::test(start_paused = true)]
async fn a_death_costs_one_job_at_most() {
    for (dies_at, jobs) in [(5, 2), (12, 1)] {
        let bench = creating(|_, _| Creation::ticket().after(10 * SECOND)).documents(["d"]);
        let running = bench.start();
        tokio::time::sleep(dies_at * SECOND).await;
        bench.kill(running).await;
        let running = bench.start();
        tokio::time::sleep(3 * MINUTE).await;
        assert_eq!((bench.api.jobs(), bench.api.creates_of("d").len()), (jobs, jobs as usize));
        assert!(jobs == 1 || bench.minutes("d") == [1]);
        bench.assert_exported(&pdf_of("d"));
        stop(running).await;
        bench.assert_sound();
    }
}

/// Promises 2 and 3: an envelope that refuses a create leaves no doubt, and decides the export only if it is final.
#[tokio::test(start_paused = true)]
async fn a_refusal_leaves_no_doubt() {
    let server = Verdict::Retry { kind: ErrorKind::ServerError, pace: Pace::Usual };
    for (verdict, seconds) in [
        (Verdict::Failed(ErrorKind::NoPermission), None),
        (Verdict::Failed(ErrorKind::DocumentDeleted), None),
        (server, Some(4)),
        (Verdict::Throttled { reset: Some(30 * SECOND) }, Some(30)),
        (Verdict::AppFault(PauseReason::ScopeMissing), Some(4)),
        (Verdict::TokenRejected, Some(0)),
        (Verdict::Strange(Strange::UnlistedCode), Some(4)),
    ] {
        let refusal = verdict.clone();
        let refused = move |_: &str, nth| match nth {
            1 => Creation::refused(refusal.clone()),
            _ => Creation::ticket().after(2 * SECOND),
        };
        let bench = creating(refused).documents(["d"]);
        let running = bench.start();
        let doubtful = || {
            bench.store.with(|kept| kept.rows.values().any(|row| row.export.as_ref().unwrap().is_creating))
        };
        tokio::time::sleep(SECOND * 3 / 2).await;
        assert_eq!(doubtful(), verdict == Verdict::TokenRejected, "{verdict:?}");
        tokio::time::sleep(3 * MINUTE).await;
        let sent = bench.api.creates_of("d");
        let wait = sent.get(1).map(|second| (*second - sent[0]).as_secs());
        assert_eq!((wait, sent.len()), (seconds, 1 + usize::from(seconds.is_some())), "{verdict:?}");
        assert_eq!(bench.log.count(DOCUMENT_FAILED), usize::from(seconds.is_none()));
        match verdict {
            Verdict::Failed(kind) => assert_eq!(bench.error_of(&pdf_of("d")), Some(kind)),
            _ => bench.assert_exported(&pdf_of("d")),
        }
        stop(running).await;
        bench.assert_sound();
    }
}

/// Promise: a wiki node is asked about until it answers, once, and never again by a later process.
#[tokio::test(start_paused = true)]
async fn a_node_is_resolved_once() {
    let api = FakeApi::new(|_, nth| (SECOND / 10, if nth < 9 { Verdict::Pending } else { completed() }));
    let api = api.with_nodes(|_, nth| match nth {
        1 => (SECOND / 10, Err(trouble())),
        2 => (SECOND / 10, Err(PAGE)),
        _ => (SECOND / 10, Ok(docx("d"))),
    });
    let mut bench = Bench::new(api).downloading().nodes(["w"]);
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(30 * SECOND).await;
    bench.kill(running).await;
    bench.settings.until_done = true;
    assert_eq!(bench.run().await.end, End::Done);
    assert_eq!((bench.api.with(|remote| remote.documents.asked.len()), bench.api.jobs()), (3, 1));
    bench.assert_exported(&pdf_of_node("w"));
    bench.assert_sound();
}

/// Promise: a node that leads to nothing that can be exported so fails, with the reason, and no create is sent.
#[tokio::test(start_paused = true)]
async fn a_node_may_lead_to_nothing() {
    let object = |kind: &str| Ok(Object { doc_type: kind.into(), token: document("d") });
    for (node, expected) in [
        (object("sheet"), ErrorKind::TypeMismatch),
        (object("mindnote"), ErrorKind::TypeMismatch),
        (object("wiki"), ErrorKind::TypeMismatch),
        (Err(Verdict::Failed(ErrorKind::DocumentNotFound)), ErrorKind::DocumentNotFound),
    ] {
        let api = FakeApi::new(|_, _| (SECOND, completed()));
        let bench = Bench::new(api.with_nodes(move |_, _| (SECOND / 10, node.clone()))).nodes(["w"]);
        assert_eq!(bench.run().await.listed.of(TicketState::Failed), 1);
        assert_eq!(bench.error_of(&pdf_of_node("w")), Some(expected));
        assert_eq!((bench.api.with(|remote| remote.documents.asked.len()), bench.api.jobs()), (1, 0));
        assert_eq!(bench.log.fields_of(DOCUMENT_FAILED, "label"), [pdf_of_node("w")]);
        bench.assert_sound();
    }
}

/// Promise: an entry that leaves the list while a request for it is on its way loses nothing by it: a ticket is kept, and
/// asked about once the entry is listed again. What its answer did not say stays in doubt.
#[tokio::test(start_paused = true)]
async fn an_entry_may_leave_while_its_create_is_on_its_way() {
    for (back_at, restarts, lost) in
        [(7, false, false), (30, false, false), (30, true, false), (7, false, true), (30, true, true)]
    {
        let brings = if lost { Creation::lost(true) } else { Creation::ticket() };
        let bench = creating(move |_, nth| match nth {
            1 => brings.clone().after(10 * SECOND),
            _ => Creation::ticket(),
        });
        let mut bench = bench.documents(["d"]);
        let mut running = bench.start();
        tokio::time::sleep(5 * SECOND).await;
        let listed = std::mem::take(&mut bench.entries);
        running.take_list(Vec::new()).await;
        tokio::time::sleep((back_at - 5) * SECOND).await;
        if restarts {
            bench.kill(running).await;
            let row = bench.store.row(&pdf_of("d"));
            assert_eq!((row.state, row.ticket().is_some()), (TicketState::Removed, !lost));
            running = bench.start();
        }
        bench.entries = listed;
        running.take_list(bench.entries.clone()).await;
        tokio::time::sleep(5 * MINUTE).await;
        assert_eq!(bench.api.jobs(), 1 + u32::from(lost), "{back_at} {restarts} {lost}");
        bench.assert_exported(&pdf_of("d"));
        stop(running).await;
        bench.assert_sound();
    }
}

/// The same for a wiki node that is being asked about.
#[tokio::test(start_paused = true)]
async fn an_entry_may_leave_while_its_node_is_asked_about() {
    for brings in [Ok(docx("d")), Err(trouble())] {
        let api = FakeApi::new(|_, _| (SECOND / 10, completed()));
        let api = api.with_nodes(move |_, nth| match nth {
            1 => (10 * SECOND, brings.clone()),
            _ => (SECOND / 10, Ok(docx("d"))),
        });
        let mut bench = Bench::new(api).downloading().nodes(["w"]);
        bench.settings.until_done = false;
        let running = bench.start();
        tokio::time::sleep(5 * SECOND).await;
        running.take_list(Vec::new()).await;
        tokio::time::sleep(2 * SECOND).await;
        running.take_list(bench.entries.clone()).await;
        tokio::time::sleep(MINUTE).await;
        bench.assert_exported(&pdf_of_node("w"));
        stop(running).await;
        bench.assert_sound();
    }
}

/// What becomes of jobs and artefacts up to the n-th generation.
fn failing(kind: ErrorKind, generations: usize) -> Bench {
    let is_doomed =
        move |ticket: &str| (1..=generations).any(|number| ticket.ends_with(&format!(".{number}")));
    let expires = kind == ErrorKind::Expired;
    let api = FakeApi::new(move |ticket, _| match is_doomed(ticket) && !expires {
        true => (SECOND / 10, Verdict::Failed(kind)),
        false => (SECOND / 10, completed()),
    });
    let api = api.with_downloads(move |ticket, nth| match is_doomed(ticket) && expires {
        true => Delivery::answer(GONE),
        false => whole(ticket, nth),
    });
    let mut bench = Bench::new(api).downloading().documents(["d"]);
    bench.settings.until_done = false;
    bench
}

/// Promise 5: what a new job may put right is made again after 1, 5 and 20 minutes, three times at most, and no failure is
/// announced before the last, also with a restart in between.
#[tokio::test(start_paused = true)]
async fn a_lost_export_is_made_again() {
    for kind in
        [ErrorKind::InternalError, ErrorKind::ExportTimeout, ErrorKind::CopyInProgress, ErrorKind::Expired]
    {
        for generations in [2, 4] {
            let bench = failing(kind, generations);
            let mut running = bench.start();
            for _ in 0..2 {
                tokio::time::sleep(4 * MINUTE).await;
                assert_eq!(bench.log.count(TICKET_FAILED) + bench.log.count(FILE_EXPIRED), 0);
                bench.kill(running).await;
                running = bench.start();
            }
            tokio::time::sleep(30 * MINUTE).await;
            let made = generations.min(3);
            assert_eq!(bench.minutes("d"), [1, 5, 20][..made], "{kind:?}");
            assert_eq!(
                (bench.log.count(DOCUMENT_AGAIN), bench.log.count(DOCUMENT_CREATED)),
                (made, made + 1)
            );
            let failures = bench.log.count(TICKET_FAILED) + bench.log.count(FILE_EXPIRED);
            assert_eq!(failures, usize::from(generations > 3), "{kind:?}");
            if generations <= 3 {
                bench.assert_exported(&pdf_of("d"));
            }
            stop(running).await;
            bench.assert_sound();
        }
    }
}

/// Promise: what no new job can put right is announced at once.
#[tokio::test(start_paused = true)]
async fn a_hopeless_export_is_not_made_again() {
    for kind in [
        ErrorKind::DocumentTooLarge,
        ErrorKind::BlockNoPermission,
        ErrorKind::NoPermission,
        ErrorKind::DocumentDeleted,
        ErrorKind::DocumentNotFound,
        ErrorKind::TooManyImages,
    ] {
        let mut bench = failing(kind, 9);
        bench.settings.until_done = true;
        let outcome = bench.run().await;
        assert_eq!((outcome.end, outcome.listed.of(TicketState::Failed)), (End::Done, 1));
        assert_eq!((bench.api.jobs(), bench.log.count(TICKET_FAILED)), (1, 1), "{kind:?}");
        bench.assert_sound();
    }
}

/// A document that comes to its name's end the first time, listed by itself and as a wiki node.
fn ending(name: &'static str) -> Bench {
    let api = FakeApi::new(|ticket, _| match ticket {
        "fails.pdf.1" => (SECOND / 10, Verdict::Failed(ErrorKind::DocumentTooLarge)),
        _ => (SECOND / 10, completed()),
    });
    let api = api.with_creates(|token, nth| match (token, nth) {
        ("refused", 1) => Creation::refused(Verdict::Failed(ErrorKind::NoPermission)),
        _ => Creation::ticket(),
    });
    let api = api.with_nodes(move |_, _| (SECOND / 10, Ok(docx(name))));
    let api = api.with_downloads(|ticket, nth| match (ticket, nth) {
        ("wrong.pdf.1", 1..=3) => Delivery::answer(Verdict::Unclear(ErrorKind::WrongContent)),
        _ => whole(ticket, nth),
    });
    let mut bench = Bench::new(api).downloading().documents([name]).nodes(["w"]);
    bench.settings.until_done = false;
    bench
}

/// Promise: `retry` has an ended export made anew, for every entry that shares it; where only its file could not be saved
/// and may live, that is fetched again.
#[tokio::test(start_paused = true)]
async fn a_retry_makes_a_new_generation() {
    for (name, asked_after, jobs) in [
        ("saved", MINUTE, 2),
        ("fails", MINUTE, 2),
        ("refused", MINUTE, 1),
        ("wrong", MINUTE, 1),
        ("wrong", 12 * MINUTE, 2),
    ] {
        let ids = [pdf_of(name), pdf_of_node("w")];
        for asked in &ids {
            let bench = ending(name);
            let running = bench.start();
            tokio::time::sleep(asked_after).await;
            let key = bench.store.row(asked).entry.key;
            bench.store.with(|kept| kept.retries.push(Retry { id: RetryId(1), key }));
            tokio::time::sleep(2 * MINUTE).await;
            assert_eq!(bench.api.jobs(), jobs, "{asked}");
            ids.iter().for_each(|id| bench.assert_exported(id));
            let tickets = ids.each_ref().map(|id| bench.export(id).ticket);
            assert_eq!(tickets[0], tickets[1], "{asked}");
            stop(running).await;
            bench.assert_sound();
        }
    }
}

/// Promise: a batch ends when every document has met its fate, and where only a person can help.
#[tokio::test(start_paused = true)]
async fn a_batch_of_documents_ends() {
    let api = FakeApi::new(|ticket, nth| match (ticket, nth) {
        ("slow.pdf.1", 1..=5) => (SECOND / 10, Verdict::Pending),
        ("fails.pdf.1", _) => (SECOND / 10, Verdict::Failed(ErrorKind::TooManyImages)),
        _ => (SECOND / 10, completed()),
    });
    let creates = |token: &str, nth| match (token, nth) {
        ("lost", 1) => Creation::lost(true),
        ("refused", _) => Creation::refused(Verdict::Failed(ErrorKind::NoPermission)),
        _ => Creation::ticket(),
    };
    let api = api.with_creates(creates).with_nodes(|_, _| (SECOND / 10, Ok(docx("slow"))));
    let bench = Bench::new(api).downloading().nodes(["w", "v"]);
    let bench = bench.documents(["slow", "fails", "lost", "refused"]);
    let outcome = bench.run().await;
    assert_eq!((outcome.end, outcome.files[FileState::Saved]), (End::Done, 4));
    assert_eq!((outcome.listed.of(TicketState::Completed), outcome.listed.of(TicketState::Failed)), (4, 2));
    assert_eq!(bench.files.saved().len(), 2);
    bench.assert_sound();

    let mut stuck = creating(|_, _| Creation::refused(Verdict::AppFault(PauseReason::ScopeMissing)));
    stuck.settings.until_done = true;
    let stuck = stuck.documents(["d"]);
    assert_eq!(stuck.run().await.end, End::Stuck);
    assert!(stuck.began().elapsed() < 3 * MINUTE);
    assert_eq!(stuck.log.field(APP_PAUSED, "endpoint").as_deref(), Some("create"));
}

/// Promise 1: creates and questions about nodes have budgets of their own, whatever becomes of them.
#[tokio::test(start_paused = true)]
async fn creates_and_nodes_have_budgets_of_their_own() {
    let api = FakeApi::new(|_, _| (SECOND / 10, completed()));
    let api = api.with_creates(|_, nth| match nth % 3 {
        0 => Creation::ticket(),
        1 => Creation::refused(trouble()),
        _ => Creation::lost(false).after(3 * SECOND),
    });
    let api = api.with_nodes(|node, nth| match nth {
        1 => (2 * SECOND, Err(trouble())),
        _ => (SECOND, Ok(docx(&format!("of-{node}")))),
    });
    let mut bench = Bench::new(api).nodes((0..30).map(|node| format!("w{node}")));
    bench.apps = vec![app("default", 10)];
    let outcome = bench.run().await;
    assert_eq!((outcome.listed.of(TicketState::Completed), bench.api.jobs()), (30, 30));
    bench.api.assert_never_more_than(10);
    let sent = bench.api.with(|remote| {
        let documents = &remote.documents;
        remote.polls.len() + documents.created.len() + documents.asked.len()
    });
    let counted = bench.store.with(|kept| kept.tallies.values().map(|tally| tally.requests).sum::<u64>());
    assert_eq!(counted, sent as u64, "each once against the quota");
    bench.assert_sound();
}

/// Promise: the wait after a lost answer, and the one before another generation, outlast the processes.
#[tokio::test(start_paused = true)]
async fn waits_outlast_restarts() {
    let bench = creating(|_, nth| if nth <= 3 { Creation::lost(true) } else { Creation::ticket() });
    let bench = bench.documents(["d"]);
    let mut running = bench.start();
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_secs(50)).await;
        bench.kill(running).await;
        running = bench.start();
    }
    // Each death makes the loss one more, as far as the file can tell.
    tokio::time::sleep(30 * MINUTE).await;
    assert!(bench.api.creates_of("d").len() <= 4 && bench.api.jobs() <= 4);
    bench.assert_exported(&pdf_of("d"));
    stop(running).await;
    bench.assert_sound();
}
