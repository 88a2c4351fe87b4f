//! Artefacts of completed tickets through the engine: in which order they are fetched, how often, until when, and what
//! stands in the way of what.

use super::fake_downloads::*;
use super::fakes::*;
use crate::domain::event::*;
use crate::domain::*;
use crate::engine::*;
use crate::feishu::*;
use crate::schedule::Backoff;

/// A remote whose jobs are all done, and whose artefacts come as the script says.
pub(super) fn done(script: impl FnMut(&str, u32) -> Delivery + Send + 'static) -> Bench {
    Bench::new(FakeApi::new(|_, _| (SECOND / 10, completed())).with_downloads(script)).downloading()
}

pub(super) fn whole(ticket: &str, _: u32) -> Delivery {
    Delivery::whole(content_of(ticket))
}

fn broken(ticket: &str, _: u32) -> Delivery {
    whole(ticket, 1).ending(BodyEnd::Breaks)
}

impl Bench {
    pub(super) fn file(&self, ticket: &str) -> FileRecord {
        *self.store.row(ticket).file.expect("a file")
    }

    pub(super) fn file_state(&self, ticket: &str) -> FileState {
        self.file(ticket).state
    }

    fn file_error(&self, ticket: &str) -> ErrorKind {
        self.file(ticket).error.expect("an error").kind
    }

    /// Says when each ticket was created: so many seconds ago.
    fn created<const N: usize>(mut self, ages: [i64; N]) -> Self {
        for (entry, age) in self.entries.iter_mut().zip(ages) {
            entry.created_at = Some(WallTime::from_millis(START.as_millis() - age * 1000));
        }
        self
    }

    /// What must hold whatever happened: promises 1, 4 and 6.
    pub(super) fn assert_sound(&self) {
        self.api.assert_never_more_than(100);
        assert_eq!(self.store.with(|kept| kept.lost.clone()), Vec::<String>::new());
        assert_eq!(self.files.with(|disk| disk.wrong.clone()), Vec::<String>::new());
        assert_eq!(self.files.temporary(), 0, "a temporary file is left");
    }

    /// The ticket's file lies under its name, as it is.
    pub(super) fn assert_saved(&self, ticket: &str) {
        let (file, content) = (self.file(ticket), content_of(ticket));
        let path = file.path.unwrap().to_path_buf();
        assert_eq!(file.state, FileState::Saved);
        assert_eq!(self.files.with(|disk| disk.saved.get(&path).cloned()), Some(content.to_vec()));
        assert_eq!(
            (file.size, file.sha256),
            (Some(content.len() as u64), Some(super::fake_files::hash(&content)))
        );
        assert!(file.saved_at.is_some() && file.temporary.is_none());
    }
}

/// Seconds between the downloads of a ticket.
fn gaps(bench: &Bench, ticket: &str) -> Vec<u64> {
    let sent = bench.api.downloads_of(ticket);
    sent.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs()).collect()
}

/// The order in which tickets got their first downloads.
fn order(bench: &Bench) -> Vec<String> {
    bench.api.with(|remote| remote.artefacts.downloads.iter().map(|sent| sent.ticket.clone()).collect())
}

/// Promises 4 and 5: a completed ticket's file is saved, and each of the two is announced, in this order.
#[tokio::test(start_paused = true)]
async fn a_completed_ticket_gets_its_file() {
    let bench = done(whole).tickets("default", ["1"]);
    let outcome = bench.run().await;
    assert_eq!((outcome.end, outcome.files[FileState::Saved], outcome.unannounced), (End::Done, 1, 0));
    bench.assert_saved("1");
    bench.assert_sound();
    assert_eq!(bench.file("1").attempts, 1);
    let events = bench.log.with(|log| log.lines.iter().map(|line| line["event"].clone()).collect::<Vec<_>>());
    let place = |event| events.iter().position(|name| name == event).unwrap();
    assert!(place(TICKET_COMPLETED) < place(FILE_SAVED));
    assert_eq!((bench.log.count(TICKET_COMPLETED), bench.log.count(FILE_SAVED)), (1, 1));
    assert_eq!(bench.log.field(FILE_SAVED, "file.path").as_deref(), Some("/files/untitled.docx"));
}

/// Promise 4: no body gets its final name, and no file is announced, before the state file says so.
#[tokio::test(start_paused = true)]
async fn nothing_is_saved_that_the_state_file_does_not_know() {
    let mut bench = done(whole).tickets("default", ["1"]);
    bench.settings.until_done = false;
    bench.store.with(|kept| kept.fails = true);
    let running = bench.start();
    tokio::time::sleep(MINUTE).await;
    assert_eq!((bench.files.saved().len(), bench.log.count(FILE_SAVED)), (0, 0));
    bench.store.with(|kept| kept.fails = false);
    tokio::time::sleep(10 * SECOND).await;
    bench.assert_saved("1");
    assert_eq!((bench.log.count(TICKET_COMPLETED), bench.log.count(FILE_SAVED)), (1, 1));
    assert_eq!(bench.api.downloads(), 1);
    running.stop.cancel();
    running.outcome.await.unwrap();
    bench.assert_sound();
}

/// Promise 5: the artefact that may die first goes first. Those of unknown age go before, but no two in a row while
/// others wait.
#[tokio::test(start_paused = true)]
async fn the_artefact_that_may_die_first_goes_first() {
    let tickets = ["a", "b", "c", "u1", "u2", "u3", "u4"];
    let mut bench = done(|ticket, nth| Delivery { head: SECOND, ..whole(ticket, nth) })
        .tickets("default", tickets)
        .created([60, 540, 300]);
    bench.settings.download.as_mut().unwrap().max_in_flight = 1.try_into().unwrap();
    bench.run().await;
    tickets.iter().for_each(|ticket| bench.assert_saved(ticket));
    let order = order(&bench);
    let known: Vec<_> = order.iter().filter(|ticket| !ticket.starts_with('u')).collect();
    assert_eq!(known, ["b", "c", "a"]);
    let is_unknown: Vec<_> = order.iter().map(|ticket| ticket.starts_with('u')).collect();
    assert_eq!(is_unknown, [true, false, true, false, true, false, true]);
}

/// Promise: so many transfers are under way at most; where these are slow, as many again.
#[tokio::test(start_paused = true)]
async fn slow_transfers_let_as_many_again_pass() {
    let much = content_of("much").repeat(20_000);
    for (content, most) in [(much.into(), 4), (content_of("little"), 8)] {
        let bench = done(move |_, _| Delivery::dripping(&content, 20, 5 * SECOND));
        let bench = bench.tickets("default", (0..20).map(|ticket| ticket.to_string()));
        let outcome = bench.run().await;
        assert_eq!(outcome.files[FileState::Saved], 20);
        assert_eq!(bench.api.with(|remote| remote.artefacts.most_in_flight), most);
        bench.assert_sound();
    }
}

/// Promise 5: a transfer that broke starts over, ever more rarely.
#[tokio::test(start_paused = true)]
async fn a_broken_transfer_starts_over() {
    let ends = [BodyEnd::Breaks, BodyEnd::Stalls, BodyEnd::Breaks, BodyEnd::Clean];
    let bench = done(move |ticket, nth| whole(ticket, nth).ending(ends[nth as usize - 1]));
    let bench = bench.tickets("default", ["1"]);
    bench.run().await;
    bench.assert_saved("1");
    bench.assert_sound();
    assert_eq!(bench.file("1").attempts, 4);
    assert_eq!(gaps(&bench, "1"), [4, 5 + 30, 6]);
    assert!(bench.file("1").error.is_none());
}

/// Promise 5: it does so often enough even where jobs are polled rarely, as quotas are spared.
#[tokio::test(start_paused = true)]
async fn rare_polls_make_no_rare_downloads() {
    let mut bench = done(broken_twice).tickets("default", ["1"]);
    bench.settings.backoff = Backoff::new(5 * MINUTE, 1.5, 30 * MINUTE, 0.0).unwrap();
    bench.run().await;
    bench.assert_saved("1");
    assert_eq!(gaps(&bench, "1"), [60, 60]);
    bench.assert_sound();
}

/// Promise 5: it does so until the artefact is surely gone, ten minutes after the first answer that said done, and then
/// says that it is lost.
#[tokio::test(start_paused = true)]
async fn a_file_that_never_comes_expires_in_the_end() {
    let bench = done(broken).tickets("default", ["1"]);
    // Whenever the job ended, the artefact is still there.
    let later = tokio::time::Instant::now() + 60 * MINUTE;
    bench.api.with(|remote| remote.artefacts.ended.insert("1".to_owned(), later));
    let outcome = bench.run().await;
    assert_eq!((outcome.end, outcome.files[FileState::Expired]), (End::Done, 1));
    let row = bench.store.row("1");
    let lived = bench.wall().since(row.finished_at.unwrap());
    assert!(lived >= ARTEFACT_LIFE && lived < ARTEFACT_LIFE + 5 * SECOND, "{lived:?}");
    assert!(bench.api.downloads() > 12, "{}", bench.api.downloads());
    assert_eq!((bench.log.count(FILE_EXPIRED), bench.file_error("1")), (1, ErrorKind::Expired));
    assert_eq!(bench.log.field(FILE_EXPIRED, "error.kind").as_deref(), Some("expired"));
    bench.assert_sound();
}

/// Promise 5: an answer that the artefact does not exist is believed when it comes twice in a row.
#[tokio::test(start_paused = true)]
async fn gone_is_believed_the_second_time() {
    let bench = done(|ticket, nth| match (ticket, nth) {
        ("comes", 1 | 3) | ("gone", _) => Delivery::answer(GONE),
        ("comes", 2) => broken(ticket, nth),
        _ => whole(ticket, nth),
    });
    let bench = bench.tickets("default", ["comes", "gone"]).created([60, 60]);
    bench.run().await;
    bench.assert_saved("comes");
    assert_eq!(
        (bench.file_state("gone"), bench.file_error("gone")),
        (FileState::Expired, ErrorKind::Expired)
    );
    assert_eq!(bench.api.downloads_of("gone").len(), 2);
    assert!(bench.began().elapsed() < MINUTE, "nothing else is waited for");
    bench.assert_sound();
}

/// Promise 5: a refusal by which the artefact may be gone is no refusal of the document; before that it is final.
#[tokio::test(start_paused = true)]
async fn a_refusal_means_gone_once_the_artefact_may_be() {
    let bench = done(|ticket, nth| match nth {
        1 => broken(ticket, nth),
        _ => Delivery::answer(Verdict::Refused),
    });
    let bench = bench.tickets("default", ["old", "new"]).created([598, 60]);
    bench.run().await;
    assert_eq!((bench.file_state("old"), bench.file_error("old")), (FileState::Expired, ErrorKind::Expired));
    assert_eq!(
        (bench.file_state("new"), bench.file_error("new")),
        (FileState::Failed, ErrorKind::NoPermission)
    );
    assert_eq!((bench.log.count(FILE_EXPIRED), bench.log.count(FILE_FAILED)), (1, 1));
    bench.assert_sound();
}

/// Promise 2: content that is no file of the format fails the file only if it comes three times alike.
#[tokio::test(start_paused = true)]
async fn wrong_content_fails_the_third_time() {
    let wrong = Verdict::Unclear(ErrorKind::WrongContent);
    let bench = done(move |ticket, nth| match ticket {
        "never" => Delivery::answer(wrong.clone()),
        _ if nth < 8 => Delivery::answer(wrong.clone()).saying(&format!("no docx: {}", nth % 2)),
        _ => whole(ticket, nth),
    });
    let bench = bench.tickets("default", ["never", "comes"]);
    bench.run().await;
    bench.assert_saved("comes");
    assert_eq!(
        (bench.file_state("never"), bench.file_error("never")),
        (FileState::Failed, ErrorKind::WrongContent)
    );
    assert_eq!((bench.api.downloads_of("never").len(), bench.log.count(FILE_FAILED)), (3, 1));
    bench.assert_sound();
}

/// Promise 5: the size that the poll named is a hint: a body of another one is saved once it came three times alike, with
/// a warning.
#[tokio::test(start_paused = true)]
async fn another_size_is_saved_the_third_time() {
    let named = |_: &str, _| {
        let artefact = Artefact { file_token: "box".into(), file_size: Some(7), ..Artefact::default() };
        (SECOND / 10, Verdict::Completed(Box::new(artefact)))
    };
    let cut = |ticket: &str, nth| match (ticket, nth) {
        ("right", 1..=2) => Delivery::whole("cut"),
        ("right", _) => Delivery::whole("as said"),
        (_, 2) => Delivery::whole("cut"),
        _ => whole(ticket, nth),
    };
    let bench = Bench::new(FakeApi::new(named).with_downloads(cut)).downloading();
    let bench = bench.tickets("default", ["right", "other"]);
    bench.run().await;
    assert_eq!((bench.file_state("right"), bench.file("right").size), (FileState::Saved, Some(7)));
    assert!(bench.file("right").error.is_none());
    assert_eq!(bench.api.downloads_of("right").len(), 3);
    bench.assert_saved("other");
    assert_eq!(
        (bench.api.downloads_of("other").len(), bench.file_error("other")),
        (5, ErrorKind::WrongContent)
    );
    let levels = bench.log.with(|log| {
        let saved = log.lines.iter().filter(|line| line["event"] == FILE_SAVED);
        saved.map(|line| (line["ticket"].clone(), line["level"].clone())).collect::<Vec<_>>()
    });
    let level = |ticket: &str, level: &str| (ticket.to_owned(), level.to_owned());
    assert_eq!(levels, [level("right", "INFO"), level("other", "WARN")]);
    bench.assert_sound();
}

/// Promise 3: downloads that are throttled hold up no poll.
#[tokio::test(start_paused = true)]
async fn polls_go_on_while_downloads_are_throttled() {
    let api = FakeApi::new(|ticket, nth| match ticket {
        "done" => (SECOND / 10, completed()),
        _ => (SECOND / 10, if nth < 6 { Verdict::Pending } else { completed() }),
    });
    let api = api.with_downloads(|ticket, nth| match (ticket, nth) {
        ("done", 1) => Delivery::answer(Verdict::Throttled { reset: Some(5 * MINUTE) }),
        _ => whole(ticket, nth),
    });
    let bench = Bench::new(api).downloading().tickets("default", ["done", "runs"]);
    bench.run().await;
    let polls = bench.api.polls_of("runs");
    assert!(polls[5].at - polls[0].at < MINUTE, "polls went on");
    let downloads = bench.api.with(|remote| remote.artefacts.downloads.clone());
    assert!(downloads[1].at - downloads[0].at >= 5 * MINUTE, "downloads waited");
    ["done", "runs"].iter().for_each(|ticket| bench.assert_saved(ticket));
    assert_eq!(bench.log.count(APP_PAUSED), 1);
    bench.assert_sound();
}

/// Promise 3: polls that are throttled hold up no download.
#[tokio::test(start_paused = true)]
async fn downloads_go_on_while_polls_are_throttled() {
    let api = FakeApi::new(|ticket, nth| match (ticket, nth) {
        ("done", _) => (SECOND / 10, completed()),
        (_, 1) => (SECOND / 10, Verdict::Throttled { reset: Some(5 * MINUTE) }),
        _ => (SECOND / 10, completed()),
    });
    let bench =
        Bench::new(api.with_downloads(broken_twice)).downloading().tickets("default", ["done", "runs"]);
    bench.run().await;
    let saved = bench.api.downloads_of("done").last().unwrap().at;
    assert!(saved - bench.began() < MINUTE && bench.api.polls_of("runs")[1].at - saved > 3 * MINUTE);
    bench.assert_sound();
}

fn broken_twice(ticket: &str, nth: u32) -> Delivery {
    if nth < 3 { broken(ticket, nth) } else { whole(ticket, nth) }
}

/// Promise 3: an access token that downloads are refused with is evicted once, and fetched once, with no ticket left to
/// poll.
#[tokio::test(start_paused = true)]
async fn a_refused_token_is_fetched_once() {
    let bench = done(broken_twice).tickets("default", ["1", "2", "3"]);
    let running = bench.start();
    tokio::time::sleep(2 * SECOND).await;
    bench.api.with(|remote| remote.revoked.push(remote.polls[0].access_token.clone()));
    running.outcome.await.unwrap();
    ["1", "2", "3"].iter().for_each(|ticket| bench.assert_saved(ticket));
    assert_eq!(bench.log.count(TOKEN_REJECTED), 1);
    assert_eq!((bench.api.with(|remote| remote.fetches.len()), bench.log.count(APP_PAUSED)), (2, 0));
    bench.assert_sound();
}

/// Promise 3: an app's fault at downloads pauses these alone. Polls go on, and so does the time after which they give up.
#[tokio::test(start_paused = true)]
async fn a_fault_at_downloads_is_none_of_the_polls() {
    let api = FakeApi::new(|ticket, _| match ticket {
        "done" => (SECOND / 10, completed()),
        _ => (SECOND / 10, Verdict::Pending),
    });
    let api = api.with_downloads(|ticket, nth| match nth {
        1..=6 => Delivery::answer(Verdict::AppFault(PauseReason::ScopeMissing)),
        _ => whole(ticket, nth),
    });
    let mut bench = Bench::new(api).downloading().tickets("default", ["done", "runs"]);
    bench.settings.give_up_after = 2 * MINUTE;
    bench.run().await;
    let polls = bench.api.polls_of("runs");
    let watched = polls[polls.len() - 1].at - polls[0].at;
    assert!(watched >= 2 * MINUTE && watched < 3 * MINUTE, "{watched:?}");
    assert_eq!(bench.store.state_of("runs"), TicketState::TimedOut);
    bench.assert_saved("done");
    assert_eq!((bench.log.count(APP_PAUSED), bench.log.count(APP_RESUMED)), (1, 1));
    assert_eq!(bench.log.field(APP_PAUSED, "endpoint").as_deref(), Some("download"));
    bench.assert_sound();
}

/// Promise 3: an outage that breaks a body off is said once, and is not over because the head came before it.
#[tokio::test(start_paused = true)]
async fn a_broken_body_ends_no_outage() {
    let api = FakeApi::new(|ticket, nth| match ticket {
        "runs" if nth < 12 => (SECOND / 10, trouble()),
        _ => (SECOND / 10, completed()),
    });
    let api = api.with_downloads(|ticket, nth| match (ticket, nth) {
        ("done", 1) => Delivery::dripping(&content_of(ticket), 20, 5 * SECOND).ending(BodyEnd::Breaks),
        ("done", 2..=8) => Delivery::answer(trouble()),
        _ => whole(ticket, nth),
    });
    let bench = Bench::new(api).downloading().tickets("default", ["done", "runs"]);
    bench.run().await;
    ["done", "runs"].iter().for_each(|ticket| bench.assert_saved(ticket));
    assert_eq!((bench.log.count(APP_DEGRADED), bench.log.count(APP_RECOVERED)), (1, 1));
    bench.assert_sound();
}

/// Promise 1 at downloads, whatever becomes of them; the slot is held until the head came, not until the body did.
#[tokio::test(start_paused = true)]
async fn downloads_have_a_budget_of_their_own() {
    let mut bench = done(|ticket, nth| match (nth + ticket.len() as u32) % 3 {
        0 => Delivery { head: 3 * SECOND, ..broken(ticket, nth) },
        1 if nth > 1 => Delivery::dripping(&content_of(ticket), 5, 20 * SECOND),
        _ => Delivery::answer(trouble()),
    });
    bench.apps = vec![app("default", 10)];
    let bench = bench.tickets("default", (0..30).map(|ticket| ticket.to_string()));
    bench.run().await;
    assert!(bench.api.downloads() > 60);
    bench.api.assert_never_more_than(10);
    let requests = bench.api.downloads() + bench.api.with(|remote| remote.polls.len());
    let counted = bench.store.with(|kept| kept.tallies.values().map(|tally| tally.requests).sum::<u64>());
    assert_eq!(counted, requests as u64, "each once against the quota");
    bench.assert_sound();
}

/// A list may say that a file is not wanted.
#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_wanted_is_not_fetched() {
    let mut bench = done(whole).tickets("default", ["1", "2"]);
    bench.entries[0].download = false;
    bench.run().await;
    assert!(bench.store.row("1").file.is_none());
    bench.assert_saved("2");
    assert_eq!(bench.api.downloads(), 1);
}
