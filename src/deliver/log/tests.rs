//! The log as a consumer, on a clock that is held, with an outbox in memory and sinks that fail.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::task::JoinHandle;

use super::*;
use crate::store::{StoreError, StoreErrorKind};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Default)]
struct Table(Arc<Mutex<(BTreeMap<EventId, OutboxRow>, bool)>>);

impl Table {
    fn insert(&self, ids: impl IntoIterator<Item = i64>) {
        let row = |id| OutboxRow { id: EventId(id), payload: payload(id).into() };
        self.0.lock().unwrap().0.extend(ids.into_iter().map(|id| (EventId(id), row(id))));
    }

    fn left(&self) -> usize {
        self.0.lock().unwrap().0.len()
    }

    fn set_full(&self, is_full: bool) {
        self.0.lock().unwrap().1 = is_full;
    }
}

fn payload(id: i64) -> String {
    let time = "2026-11-22T10:00:00.000Z";
    format!(
        r#"{{"timestamp":"{time}","level":"INFO","message":"{id}","event":"ticket.removed","app":"a","ticket":"{id}","token":"t","state":"removed","polls":1,"first_seen_at":"{time}"}}"#
    )
}

impl Outbox for Table {
    async fn rows(&self, _: &str, after: EventId, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
        let table = self.0.lock().unwrap();
        Ok(table.0.values().filter(|row| row.id > after).take(limit).cloned().collect())
    }

    async fn remove(&self, _: &str, upto: EventId) -> Result<(), StoreError> {
        let mut table = self.0.lock().unwrap();
        if table.1 {
            return Err(StoreErrorKind::Moved.at("write the state file", Path::new("state.db")));
        }
        table.0.retain(|id, _| *id > upto);
        Ok(())
    }

    async fn count(&self, _: &str) -> Result<usize, StoreError> {
        Ok(self.left())
    }
}

/// How a sink does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Works,
    Fails,
    Stalls,
}

/// A sink that counts its lines and its tries.
#[derive(Clone)]
struct Sink(Arc<Mutex<(State, usize, usize)>>);

impl Sink {
    fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new((state, 0, 0))))
    }

    fn set(&self, state: State) {
        self.0.lock().unwrap().0 = state;
    }

    fn lines(&self) -> usize {
        self.0.lock().unwrap().1
    }

    fn tries(&self) -> usize {
        self.0.lock().unwrap().2
    }

    async fn write(self, verdicts: Vec<Verdict>) -> io::Result<()> {
        self.0.lock().unwrap().2 += 1;
        while self.0.lock().unwrap().0 == State::Stalls {
            tokio::time::sleep(SECOND / 10).await;
        }
        let mut sink = self.0.lock().unwrap();
        if sink.0 == State::Fails {
            return Err(io::ErrorKind::StorageFull.into());
        }
        sink.1 += verdicts.len();
        Ok(())
    }
}

struct Scene {
    table: Table,
    durable: watch::Sender<EventId>,
    announced: watch::Receiver<EventId>,
    task: JoinHandle<()>,
}

fn start(sinks: &[Sink], found: impl IntoIterator<Item = i64>) -> Scene {
    let table = Table::default();
    table.insert(found);
    let (durable, woken) = watch::channel(EventId::default());
    let (progress, announced) = watch::channel(EventId::default());
    let write = |sink: Sink| -> Write { Box::new(move |verdicts| sink.clone().write(verdicts).boxed()) };
    let writes = sinks.iter().cloned().map(write).collect();
    let task = tokio::spawn(deliver(table.clone(), writes, woken, progress));
    durable.send_replace(EventId::default());
    Scene { table, durable, announced, task }
}

/// Promise 4: what a process finds is announced at its start, what becomes durable at once, and the end comes when
/// nothing is left.
#[tokio::test(start_paused = true)]
async fn every_row_is_announced_and_removed() {
    let sink = Sink::new(State::Works);
    let scene = start(std::slice::from_ref(&sink), 1..=1200);
    tokio::time::sleep(SECOND).await;
    assert_eq!((sink.lines(), scene.table.left(), *scene.announced.borrow()), (1200, 0, EventId(1200)));
    scene.table.insert([1201, 1202]);
    scene.durable.send_replace(EventId(1202));
    drop(scene.durable);
    scene.task.await.unwrap();
    assert_eq!((sink.lines(), scene.table.left()), (1202, 0));
}

/// Promise 4: a row stays until every sink has it, and one that stalls or fails does not hold up the other.
#[tokio::test(start_paused = true)]
async fn a_sink_that_stalls_holds_up_no_other() {
    let (pipe, file) = (Sink::new(State::Stalls), Sink::new(State::Works));
    let scene = start(&[pipe.clone(), file.clone()], [1, 2]);
    tokio::time::sleep(SECOND).await;
    scene.table.insert([3]);
    scene.durable.send_replace(EventId(3));
    tokio::time::sleep(SECOND).await;
    assert_eq!((pipe.lines(), file.lines(), scene.table.left()), (0, 3, 3));
    pipe.set(State::Fails);
    tokio::time::sleep(10 * SECOND).await;
    assert!((8..=12).contains(&pipe.tries()), "{} tries", pipe.tries());
    assert_eq!((file.lines(), scene.table.left()), (3, 3));
    pipe.set(State::Works);
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!((pipe.lines(), file.lines(), scene.table.left()), (3, 3, 0));
}

/// A removal that fails is tried again, and no line is written twice meanwhile.
#[tokio::test(start_paused = true)]
async fn a_removal_that_fails_is_tried_again() {
    let sink = Sink::new(State::Works);
    let scene = start(std::slice::from_ref(&sink), [1, 2]);
    scene.table.set_full(true);
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!((sink.lines(), scene.table.left(), *scene.announced.borrow()), (2, 2, EventId(0)));
    scene.table.set_full(false);
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!((sink.lines(), scene.table.left(), *scene.announced.borrow()), (2, 0, EventId(2)));
}

/// Rows that a batch put back, because its commit was reported as failed, are gone at the end; and one that is damaged
/// holds up nothing.
#[tokio::test(start_paused = true)]
async fn nothing_is_left_at_the_end() {
    let sink = Sink::new(State::Works);
    let scene = start(std::slice::from_ref(&sink), [1, 3]);
    let damaged = OutboxRow { id: EventId(2), payload: "{}".into() };
    scene.table.0.lock().unwrap().0.insert(damaged.id, damaged);
    tokio::time::sleep(SECOND).await;
    assert_eq!((sink.lines(), scene.table.left()), (2, 0));
    scene.table.insert([1]);
    drop(scene.durable);
    scene.task.await.unwrap();
    assert_eq!((sink.lines(), scene.table.left()), (2, 0));
}
