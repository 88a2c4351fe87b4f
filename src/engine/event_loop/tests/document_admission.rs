//! Which exports are created, and when: in the order of the list, and only as many as can be polled and fetched in time.

use super::documents::{creating, stop};
use super::downloads::whole;
use super::fake_documents::*;
use super::fake_downloads::*;
use super::fakes::*;
use crate::domain::*;
use crate::feishu::*;

/// Promise: exports are created in the order of the list, as it is now, whenever each of them became known.
#[tokio::test(start_paused = true)]
async fn the_list_says_who_goes_first() {
    let mut bench =
        creating(|_, _| Creation::ticket()).documents(["c", "a", "b"]).nodes(["w"]).documents(["0"]);
    bench.apps = vec![app("default", 1)];
    let running = bench.start();
    tokio::time::sleep(SECOND).await;
    bench.entries.rotate_left(2);
    bench.entries.extend(Bench::new(bench.api.clone()).documents(["z"]).entries);
    running.take_list(bench.entries.clone()).await;
    tokio::time::sleep(20 * MINUTE).await;
    assert_eq!(bench.api.created(), ["c", "b", "of-w", "0", "a", "z"]);
    stop(running).await;
    bench.api.assert_never_more_than(1);
}

/// Promise 5: never are more tickets open than can be polled and fetched within six minutes, listed ones included; each that
/// ends lets another begin.
#[tokio::test(start_paused = true)]
async fn so_many_are_open_at_most() {
    for (requests, listed, expected) in [(2, 0, 12), (2, 5, 7)] {
        let ends = 30 * MINUTE;
        let began = tokio::time::Instant::now();
        let api = FakeApi::new(move |_, _| {
            (SECOND / 10, if began.elapsed() < ends { Verdict::Pending } else { completed() })
        });
        let mut bench =
            Bench::new(api).downloading().tickets("default", (0..listed).map(|it| it.to_string()));
        bench = bench.documents((0..30).map(|it| format!("d{it}")));
        bench.apps = vec![app("default", requests)];
        bench.settings.until_done = false;
        let running = bench.start();
        tokio::time::sleep(29 * MINUTE).await;
        assert_eq!(bench.api.jobs(), expected, "{requests} a minute, {listed} listed");
        tokio::time::sleep(60 * MINUTE).await;
        assert_eq!(bench.api.jobs(), 30, "{requests} a minute, {listed} listed");
        let saved = running.view.borrow().files[FileState::Saved];
        assert_eq!(saved, 30 + listed);
        stop(running).await;
        bench.api.assert_never_more_than(requests as usize);
    }
}

/// What keeps exports from being created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    QueryPaused,
    QueryBroken,
    DownloadPaused,
    Degraded,
    /// A file can't be fetched, and has little time left.
    Late,
}

/// Promise 5: nothing is created that could not be polled or fetched, as long as something waits for just that; then it is.
#[tokio::test(start_paused = true)]
async fn nothing_is_created_into_trouble() {
    use Harm::*;
    for (harm, until) in [(QueryPaused, 5), (QueryBroken, 5), (DownloadPaused, 5), (Degraded, 5), (Late, 10)]
    {
        let began = tokio::time::Instant::now();
        let lasts = move || began.elapsed() < until * MINUTE;
        let left = move || Some(until * MINUTE - began.elapsed());
        let api = FakeApi::new(move |ticket, nth| {
            let verdict = match harm {
                _ if nth < 2 => Verdict::Pending,
                QueryPaused if lasts() => Verdict::Throttled { reset: left() },
                QueryBroken if lasts() => Verdict::AppFault(PauseReason::ScopeMissing),
                Degraded if lasts() => Verdict::Retry { kind: ErrorKind::Network, pace: Pace::Usual },
                DownloadPaused | Late if ticket != "a.pdf.1" => Verdict::Pending,
                _ => completed(),
            };
            (SECOND / 10, verdict)
        });
        let api = api.with_downloads(move |ticket, nth| match harm {
            DownloadPaused if lasts() => Delivery::answer(Verdict::Throttled { reset: left() }),
            Late if lasts() => whole(ticket, nth).ending(BodyEnd::Breaks),
            _ => whole(ticket, nth),
        });
        let mut bench = Bench::new(api).downloading().documents(["a"]);
        bench.settings.until_done = false;
        let running = bench.start();
        // By then the artefact has less than four minutes left.
        tokio::time::sleep(if harm == Late { 7 * MINUTE } else { 2 * MINUTE }).await;
        bench = bench.documents(["b"]);
        running.take_list(bench.entries.clone()).await;
        tokio::time::sleep(until * MINUTE - began.elapsed() - SECOND).await;
        assert_eq!(bench.api.created(), ["a"], "{harm:?}");
        tokio::time::sleep(6 * MINUTE).await;
        assert_eq!(bench.api.creates_of("b").len(), 1, "{harm:?}");
        stop(running).await;
        bench.assert_sound();
    }
}

/// Promise: where nothing is open that trouble could harm, creates go on.
#[tokio::test(start_paused = true)]
async fn a_pause_that_harms_nothing_holds_nothing_up() {
    let api = FakeApi::new(|ticket, _| match ticket {
        "1" => (SECOND / 10, Verdict::Throttled { reset: Some(9 * MINUTE) }),
        _ => (SECOND / 10, completed()),
    });
    let mut bench = Bench::new(api).tickets("default", ["1"]);
    bench.settings.until_done = false;
    let running = bench.start();
    tokio::time::sleep(MINUTE).await;
    bench.entries.clear();
    let bench = bench.documents(["d"]);
    running.take_list(bench.entries.clone()).await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(bench.api.created(), ["d"]);
    stop(running).await;
}

/// Promise: answers that were lost, and entries that left meanwhile, take nothing of what may be open: however many they
/// are, each export is made in the end.
#[tokio::test(start_paused = true)]
async fn lost_answers_hold_nothing_up() {
    let bench = creating(|token, nth| match (token, nth) {
        ("gone", _) | (_, 1) => Creation::lost(false),
        _ => Creation::ticket(),
    });
    let mut bench = bench.documents(["gone", "a", "b", "c", "d", "e", "f"]);
    let mut slow = app("default", 1);
    // One may be open.
    slow.rate_limit.per = 6 * MINUTE;
    bench.apps = vec![slow];
    let running = bench.start();
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(bench.api.created(), ["gone"]);
    bench.entries.remove(0);
    running.take_list(bench.entries.clone()).await;
    tokio::time::sleep(240 * MINUTE).await;
    for token in ["a", "b", "c", "d", "e", "f"] {
        bench.assert_exported(&pdf_of(token));
    }
    assert_eq!(bench.api.jobs(), 6);
    stop(running).await;
}

/// The same where a process died over it.
#[tokio::test(start_paused = true)]
async fn what_a_death_left_in_doubt_holds_nothing_up() {
    let mut bench = creating(|_, _| Creation::ticket().after(10 * SECOND)).documents(["gone", "d"]);
    bench.apps[0].rate_limit = RateLimit { requests: 1.try_into().unwrap(), per: 6 * MINUTE };
    let running = bench.start();
    tokio::time::sleep(5 * SECOND).await;
    bench.kill(running).await;
    bench.entries.remove(0);
    let running = bench.start();
    tokio::time::sleep(60 * MINUTE).await;
    bench.assert_exported(&pdf_of("d"));
    stop(running).await;
}
