//! A hook on a clock that is held, with rows in memory and a receiver with a script.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use tokio::task::JoinHandle;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::*;
use crate::domain::HookError;
use crate::store::{StoreError, StoreErrorKind};

thread_local! {
    static START: Instant = Instant::now();
}

/// The wall clock of a test, which goes as the held one does.
fn now() -> WallTime {
    WallTime::from_millis(1_795_341_600_000) + START.with(Instant::elapsed)
}

#[derive(Clone, Copy)]
struct Row {
    tries: u32,
    since: Option<WallTime>,
    due: Option<WallTime>,
}

#[derive(Default)]
struct Rows {
    rows: BTreeMap<EventId, Row>,
    taken: Vec<EventId>,
    last_error: Option<HookError>,
    fails: bool,
    settles: usize,
    counts: usize,
    asked: u32,
    ended: bool,
}

#[derive(Clone, Default)]
struct Table(Arc<Mutex<Rows>>);

impl Table {
    fn with<T>(&self, act: impl FnOnce(&mut Rows) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    fn insert(&self, ids: impl IntoIterator<Item = i64>) {
        let row = |id| (EventId(id), Row { tries: 0, since: None, due: Some(now()) });
        self.with(|rows| rows.rows.extend(ids.into_iter().map(row)));
    }

    fn tries(&self, id: i64) -> Option<u32> {
        self.with(|rows| rows.rows.get(&EventId(id)).map(|row| row.tries))
    }
}

fn broken() -> StoreError {
    StoreErrorKind::Moved.at("write the state file", Path::new("state.db"))
}

impl Deliveries for Table {
    async fn keep_hooks(&self, _: Vec<HookName>) -> Result<Vec<(HookName, usize)>, StoreError> {
        Ok(Vec::new())
    }

    async fn due(&self, _: &HookName, now: WallTime, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        let payload = r#"{"event":"file.saved","ticket":"70"}"#;
        let delivery = |(id, row): (&EventId, &Row)| {
            let due = row.due.filter(|due| *due <= now)?;
            Some((due, Delivery { id: *id, payload: payload.into(), tries: row.tries, since: row.since }))
        };
        self.with(|rows| {
            let mut due: Vec<_> = rows.rows.iter().filter_map(delivery).collect();
            due.sort_by_key(|(due, delivery)| (*due, delivery.id));
            Ok(due.into_iter().map(|(_, delivery)| delivery).take(limit).collect())
        })
    }

    async fn next_due(&self, _: &HookName) -> Result<Option<WallTime>, StoreError> {
        Ok(self.with(|rows| rows.rows.values().filter_map(|row| row.due).min()))
    }

    async fn settle(&self, _: &HookName, tries: Vec<Settled>) -> Result<(), StoreError> {
        self.with(|rows| {
            rows.settles += 1;
            if rows.fails {
                return Err(broken());
            }
            for Settled { id, tries, at, fate, error } in tries {
                let error = error.map(|message| HookError { message, at });
                rows.last_error = error.or(rows.last_error.take());
                let since = rows.rows[&id].since.or(Some(at));
                let due = match fate {
                    Fate::Taken => {
                        rows.rows.remove(&id);
                        rows.taken.push(id);
                        continue;
                    }
                    Fate::Again { due } => Some(due),
                    Fate::GivenUp => None,
                };
                rows.rows.insert(id, Row { tries: tries + 1, since, due });
            }
            Ok(())
        })
    }

    async fn end(&self, _: &HookName) -> Result<(), StoreError> {
        self.with(|rows| rows.ended = true);
        Ok(())
    }

    async fn hook_status(&self, hook: &HookName) -> Result<HookStatus, StoreError> {
        self.with(|rows| rows.counts += 1);
        Ok(self.with(|rows| HookStatus {
            waiting: rows.rows.values().filter(|row| row.due.is_some()).count(),
            taken: rows.taken.len() as u64,
            failed: rows.rows.values().filter(|row| row.due.is_none()).count(),
            last_error: rows.last_error.clone(),
            asked: rows.asked,
            ..HookStatus::unknown(hook.clone())
        }))
    }
}

/// What a call comes to, by the id of the event.
type Script = fn(i64) -> (Duration, Result<(), CallError>);

#[derive(Clone)]
struct Fake {
    script: Script,
    calls: Arc<Mutex<Vec<(i64, Duration)>>>,
    at_once: Arc<Mutex<(usize, usize)>>,
}

impl Receiver for Fake {
    async fn call(&self, event: &HookEvent) -> Result<(), CallError> {
        let id: i64 = event.id.rsplit('-').next().unwrap().parse().unwrap();
        self.calls.lock().unwrap().push((id, START.with(Instant::elapsed)));
        {
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
        }
        let (length, result) = (self.script)(id);
        sleep(length).await;
        self.at_once.lock().unwrap().0 -= 1;
        result
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn having(&self, words: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|line| line.contains(words)).count()
    }
}

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!(" {}={value:?}", field.name());
            }
        }
        let mut text = Text(event.metadata().level().to_string());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
}

struct Scene {
    table: Table,
    fake: Fake,
    woken: watch::Sender<EventId>,
    shown: watch::Receiver<Vec<HookStatus>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    lines: Lines,
    _guard: tracing::subscriber::DefaultGuard,
}

fn start(rows: impl IntoIterator<Item = i64>, script: Script) -> Scene {
    start_after(HookStatus::unknown(HookName::new("h")), rows, script)
}

/// Starts a hook of which a process before has shown this.
fn start_after(before: HookStatus, rows: impl IntoIterator<Item = i64>, script: Script) -> Scene {
    let (table, lines) = (Table::default(), Lines::default());
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    table.insert(rows);
    let fake = Fake { script, calls: Arc::default(), at_once: Arc::default() };
    let (woken, changes) = watch::channel(EventId::default());
    let (list, shown) = watch::channel(vec![HookStatus::unknown(HookName::new("other")), before]);
    let stop = CancellationToken::new();
    let hook = HookTask::new(table.clone(), fake.clone(), "ab12", now, Place { list, index: 1 });
    let task = tokio::spawn(hook.serve(changes, stop.clone()));
    Scene { table, fake, woken, shown, stop, task, lines, _guard: guard }
}

impl Scene {
    fn called(&self, id: i64) -> Vec<u64> {
        let calls = self.fake.calls.lock().unwrap();
        calls.iter().filter(|(called, _)| *called == id).map(|(_, at)| at.as_secs()).collect()
    }

    fn shown(&self) -> HookStatus {
        self.shown.borrow()[1].clone()
    }

    fn taken(&self) -> usize {
        self.table.with(|rows| rows.taken.len())
    }
}

fn takes(_: i64) -> (Duration, Result<(), CallError>) {
    (Duration::from_millis(100), Ok(()))
}

/// Event 1 fails, the others are taken.
fn poison(id: i64) -> (Duration, Result<(), CallError>) {
    (SECOND / 10, if id == 1 { Err(CallError::new("exited with 1")) } else { Ok(()) })
}

/// Promise: what waits is delivered at the start, what comes is at once, and at most four calls run at a time.
#[tokio::test(start_paused = true)]
async fn events_are_taken_four_at_once() {
    let scene = start(1..=40, takes);
    sleep(Duration::from_millis(1050)).await;
    assert_eq!((scene.taken(), scene.fake.at_once.lock().unwrap().1), (40, AT_ONCE));
    sleep(2 * SECOND).await;
    scene.table.insert([41]);
    scene.woken.send_replace(EventId(41));
    sleep(SECOND / 5).await;
    assert_eq!(scene.taken(), 41);
    // Another process has one sent again, and nothing wakes the task.
    scene.table.insert([42]);
    sleep(LOOK_AGAIN + SECOND).await;
    assert_eq!((scene.taken(), scene.shown().taken), (42, 42));
    assert_eq!(scene.lines.having("hook."), 0);
}

/// Promise: an event that is refused comes back after 5 s, 1 min, 5 min, 30 min and then hourly for three days, holds up no
/// other, and is given up at error. The log has a warning each time that the hook turns to failing, and that it recovered.
#[tokio::test(start_paused = true)]
async fn an_event_that_is_refused_holds_up_no_other() {
    let scene = start(1..=30, poison);
    sleep(2 * SECOND).await;
    assert_eq!((scene.taken(), scene.table.tries(1)), (29, Some(1)));
    let error = scene.shown().last_error.unwrap();
    assert_eq!((error.message.as_str(), scene.shown().waiting), ("exited with 1", 1));
    assert_eq!((scene.lines.having("WARN"), scene.lines.having("of=\"file.saved\"")), (1, 1));
    assert_eq!((scene.lines.having("INFO"), scene.lines.having("hook.recovered")), (1, 1));
    sleep(75 * Duration::from_secs(3600)).await;
    let gaps: Vec<_> = scene.called(1).windows(2).map(|two| two[1] - two[0]).collect();
    assert_eq!((gaps.len(), &gaps[..4]), (76, &[5, 60, 300, 1800][..]));
    assert!(gaps[4..].iter().all(|gap| (3600..=3601).contains(gap)), "{gaps:?}");
    let lines = &scene.lines;
    assert_eq!((lines.having("WARN"), lines.having("DEBUG"), lines.having("ERROR")), (2, 74, 1));
    assert_eq!((lines.having("hook.gave_up"), lines.having("retry --hook h")), (1, 1));
    assert_eq!((scene.shown().failed, scene.table.tries(1)), (1, Some(77)));
}

/// Promise: a receiver that asks for time is left alone for as long.
#[tokio::test(start_paused = true)]
async fn a_receiver_is_left_alone_for_as_long_as_it_asks() {
    let asks = |_| {
        let retry_after = Some(90 * SECOND);
        (Duration::ZERO, Err(CallError { retry_after, ..CallError::new("503") }))
    };
    let scene = start([1], asks);
    sleep(500 * SECOND).await;
    assert_eq!(scene.called(1), [0, 90, 180, 480]);
    assert_eq!(scene.lines.having("next_try_ms=90000"), 2);
}

thread_local! {
    /// A half minute, and what was taken in it.
    static TAKEN: std::cell::Cell<(u128, u32)> = const { std::cell::Cell::new((0, 0)) };
}

/// Takes five in half a minute, and asks to be left alone until the next.
fn takes_five(_: i64) -> (Duration, Result<(), CallError>) {
    let at = START.with(Instant::elapsed).as_millis();
    let (window, taken) = TAKEN.get();
    let taken = if window == at / 30_000 { taken } else { 0 };
    if taken < 5 {
        TAKEN.set((at / 30_000, taken + 1));
        return (SECOND / 10, Ok(()));
    }
    let left = Duration::from_millis(u64::try_from(30_000 - at % 30_000).unwrap());
    let refusal = CallError { http_status: Some(429), retry_after: Some(left), ..CallError::new("429") };
    (Duration::ZERO, Err(refusal))
}

/// Promise: a receiver that is asked for too much is not sent its whole backlog again and again, and gets all of it.
#[tokio::test(start_paused = true)]
async fn a_receiver_that_throttles_gets_no_burst() {
    let scene = start(1..=40, takes_five);
    sleep(600 * SECOND).await;
    let refused = scene.fake.calls.lock().unwrap().len() - scene.taken();
    assert_eq!(scene.taken(), 40);
    assert!((1..=40).contains(&refused), "{refused}");
}

/// Promise: what `retry` asks for is sent within 5 s, also to a receiver that wants to be left alone for long.
#[tokio::test(start_paused = true)]
async fn a_request_to_send_again_ends_a_throttle() {
    let asks = |_| {
        let retry_after = Some(36_000 * SECOND);
        (Duration::ZERO, Err(CallError { retry_after, ..CallError::new("503") }))
    };
    let scene = start([1], asks);
    sleep(1_000 * SECOND).await;
    assert_eq!(scene.called(1), [0]);
    let again = Row { tries: 0, since: None, due: Some(WallTime::from_millis(0)) };
    scene.table.with(|rows| {
        rows.rows.insert(EventId(1), again);
        rows.asked += 1;
    });
    sleep(LOOK_AGAIN + SECOND).await;
    assert_eq!(scene.called(1).len(), 2);
}

/// Promise: after a 410 nothing is sent until a restart, the events are kept, and it is logged once at error.
#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_gone_gets_nothing_more() {
    let gone = |id| match id {
        1 => (SECOND, Err(CallError { is_gone: true, http_status: Some(410), ..CallError::new("410") })),
        _ => (2 * SECOND, Ok(())),
    };
    let scene = start(1..=10, gone);
    sleep(100 * SECOND).await;
    assert_eq!((scene.taken(), scene.table.with(|rows| (rows.ended, rows.rows.len()))), (3, (true, 7)));
    assert_eq!((scene.lines.having("ERROR"), scene.lines.having("error.http_status=410")), (1, 1));
    assert!(scene.shown().is_ended);
    scene.woken.send_replace(EventId(11));
    sleep(100 * SECOND).await;
    assert_eq!(scene.fake.calls.lock().unwrap().len(), 4);
    scene.stop.cancel();
    scene.task.await.unwrap();
}

/// Promise: while the state file can't be written, what was taken is written down each second until it is, once; no event
/// is called a second time for it, and no more than four are open.
#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_written_again() {
    let scene = start(1..=10, takes);
    scene.table.with(|rows| rows.fails = true);
    sleep(20 * SECOND).await;
    assert_eq!((scene.taken(), scene.fake.calls.lock().unwrap().len()), (0, AT_ONCE));
    assert!((18..=22).contains(&scene.table.with(|rows| rows.settles)));
    scene.table.with(|rows| rows.fails = false);
    sleep(3 * SECOND).await;
    assert_eq!((scene.taken(), scene.fake.calls.lock().unwrap().len()), (10, 10));
}

/// Promise: a stop begins no delivery, waits for those in flight, and writes down how they ended.
#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_what_is_in_flight() {
    let scene = start(1..=10, |_| (30 * SECOND, Ok(())));
    sleep(SECOND).await;
    scene.stop.cancel();
    let before = Instant::now();
    scene.task.await.unwrap();
    assert_eq!((before.elapsed().as_secs(), scene.table.with(|rows| rows.taken.len())), (29, 4));
    let idle = start([], takes);
    sleep(SECOND).await;
    idle.stop.cancel();
    let before = Instant::now();
    idle.task.await.unwrap();
    assert_eq!(before.elapsed(), Duration::ZERO);
}

/// Promise: a receiver that panics is a try that failed; the hook goes on.
#[tokio::test(start_paused = true)]
async fn a_panic_is_a_try_that_failed() {
    let scene = start(1..=10, |id| if id == 1 { panic!("by intent") } else { takes(id) });
    sleep(4 * SECOND).await;
    assert_eq!((scene.taken(), scene.table.tries(1)), (9, Some(1)));
}

/// Promise: a hook that fails without end is one warning, and one line when it takes events again; to show it its backlog is
/// counted once a second.
#[tokio::test(start_paused = true)]
async fn an_outage_is_a_warning_and_an_end() {
    let outage = |_| {
        let is_over = now() >= WallTime::from_millis(1_795_341_600_000) + 60 * SECOND;
        (SECOND / 10, if is_over { Ok(()) } else { Err(CallError::new("exited with 1")) })
    };
    let scene = start(1..=1_000, outage);
    sleep(30 * SECOND).await;
    assert!(scene.table.with(|rows| rows.counts) <= 32, "{}", scene.table.with(|rows| rows.counts));
    sleep(300 * SECOND).await;
    let lines = &scene.lines;
    assert_eq!((scene.taken(), lines.having("WARN"), lines.having("hook.recovered")), (1_000, 1, 1));
    assert!(lines.having("DEBUG") > 400 && lines.having("ERROR") == 0);
}

/// Promise: a hook that failed in the process before is a warning of this one as well if it still fails, and recovers in
/// this one's log if it does not.
#[tokio::test(start_paused = true)]
async fn a_restart_ends_no_outage() {
    for (script, warnings, recoveries) in [(poison as Script, 1, 0), (takes, 0, 1)] {
        let last_error = Some(HookError { message: "exited with 1".to_owned(), at: now() });
        let before = HookStatus { waiting: 1, last_error, ..HookStatus::unknown(HookName::new("h")) };
        let scene = start_after(before, [1], script);
        sleep(2 * SECOND).await;
        assert_eq!(
            (scene.lines.having("WARN"), scene.lines.having("hook.recovered")),
            (warnings, recoveries)
        );
    }
}

/// Promise: a long backlog of which each event fails is given up three days after each first failed try, not after many
/// tries.
#[tokio::test(start_paused = true)]
async fn three_days_are_days() {
    let busy = |_| (Duration::from_secs(7 * 3600), Err(CallError::new("gave no answer")));
    let scene = start([1], busy);
    sleep(4 * Duration::from_secs(24 * 3600)).await;
    assert_eq!(scene.lines.having("hook.gave_up"), 1);
    assert!(scene.table.tries(1).unwrap() < 20);
}
