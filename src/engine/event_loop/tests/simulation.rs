//! The whole engine through long, seeded histories: slow and broken servers, throttles, revoked tokens, used-up
//! quotas, lists that change, state files, logs and hooks that fail, stops and deaths. One seed is one history;
//! `SIMULATION_SEEDS=5000 cargo test simulation` plays more of them than usual, `SIMULATION_SEEDS=5000..9000` these, and
//! `SIMULATION_SEED=17` one.
//!
//! What must hold in each of them is asked at its end, and some of it at every line of the log. Histories that once went
//! wrong are written out in [`scripts`], so that they are asked again whatever the generator comes to draw.

mod artefacts;
mod course;
mod document_oracles;
mod documents;
mod files;
mod hook_oracles;
mod lists;
mod oracles;
mod pauses;
mod scripts;
mod world;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use self::artefacts::{Artefacts, FolderChange};
use self::course::{Course, Disturbance};
use self::document_oracles::{judge_documents, nothing_unlisted_was_created};
use self::files::judge_files;
use self::hook_oracles::judge_hooks;
use self::lists::{Lists, RIGHT};
use self::oracles::judge;
use self::pauses::{Spans, never_forgotten};
use self::world::World;
use super::fakes::*;
use crate::domain::*;
use crate::engine::*;

/// Histories of an ordinary test run.
const SEEDS: u64 = 200;

/// From here on nothing new goes wrong.
const CALM_AFTER: Duration = Duration::from_secs(30 * 60);

/// By then every ticket has met its fate, whatever happened before: the longest pause is one of a quota, which is
/// probed every hour.
const ALL_DONE_WITHIN: Duration = Duration::from_secs(6 * 3600);

/// What a process does is in a state file that works after so long: batches wait a second for company.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// Log lines that are shown of a history that went wrong.
const SHOWN: usize = 40;

/// What was done to a history, and when.
#[derive(Clone)]
struct Diary {
    began: Instant,
    entries: Arc<Mutex<Vec<(Instant, String)>>>,
    /// Ends of processes that may not have written what they had sent.
    unwritten: Arc<Mutex<Vec<Instant>>>,
    /// When a process ended, and when the next one began.
    lives: Arc<Mutex<Vec<(Instant, Instant)>>>,
    /// When a process began whose state file knew nothing of what the one before it did last.
    without_memory: Arc<Mutex<Vec<Instant>>>,
    /// When each ticket was on no list.
    off_the_list: Arc<Mutex<HashMap<String, Spans>>>,
    /// Creates that were in doubt when a process ended, by document.
    in_doubt: Arc<Mutex<HashMap<String, u32>>>,
    /// What happened to the folder of files.
    folder: Arc<Mutex<Vec<(Instant, FolderChange)>>>,
}

impl Diary {
    fn begin() -> Self {
        Self {
            began: Instant::now(),
            entries: Arc::default(),
            unwritten: Arc::default(),
            lives: Arc::default(),
            without_memory: Arc::default(),
            off_the_list: Arc::default(),
            in_doubt: Arc::default(),
            folder: Arc::default(),
        }
    }

    /// Ends a process and starts another.
    async fn restart(&self, bench: &Bench, end: impl Future<Output = ()>) -> Running {
        let down = Instant::now();
        end.await;
        let up = Instant::now();
        self.lives.lock().unwrap().push((down, up));
        self.note_doubts(bench);
        if bench.store.with(|kept| kept.unwritten_since.is_some_and(|since| down > since + WRITTEN_WITHIN)) {
            self.without_memory.lock().unwrap().push(up);
        }
        bench.start()
    }

    /// No row says what became of a create that an earlier one speaks of.
    fn note_doubts(&self, bench: &Bench) {
        let tokens: HashSet<_> = bench.store.with(|kept| {
            let exports = kept.rows.values().filter_map(|row| row.export.as_deref());
            let doubtful = exports.filter(|export| export.is_creating);
            doubtful.filter_map(|export| Some(export.object.as_ref()?.token.to_string())).collect()
        });
        let mut in_doubt = self.in_doubt.lock().unwrap();
        tokens.into_iter().for_each(|token| *in_doubt.entry(token).or_default() += 1);
    }

    /// Those that were gone before and are not any more.
    fn back_on_the_list(&self, before: &HashMap<String, Instant>, lists: &Lists) {
        for (ticket, since) in before.iter().filter(|(ticket, _)| !lists.gone.contains_key(*ticket)) {
            let mut off_the_list = self.off_the_list.lock().unwrap();
            off_the_list.entry(ticket.clone()).or_default().add(*since, Instant::now());
        }
    }

    fn note(&self, what: impl Into<String>) {
        self.entries.lock().unwrap().push((Instant::now(), what.into()));
    }
}

/// If the history goes wrong: shows its seed, what its world was like, all that was done to it, and the last lines of
/// its log.
struct Witness {
    name: String,
    world: String,
    diary: Diary,
    log: FakeLog,
}

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let since = |at: &Instant| (*at - self.diary.began).as_secs_f64();
            eprintln!("{} goes wrong at {:.3} s; {}", self.name, since(&Instant::now()), self.world);
            for (at, what) in self.diary.entries.lock().unwrap().iter() {
                eprintln!("  {:>10.3} s {what}", since(at));
            }
            eprintln!("the last lines of its log:");
            self.log.with(|log| {
                for (line, at) in log.lines.iter().zip(&log.times).rev().take(SHOWN).rev() {
                    eprintln!("  {:>10.3} s {line:?}", since(at));
                }
            });
        }
    }
}

/// Plays a history to its end and asks whether it kept every promise.
async fn play(name: &str, mut world: World, mut lists: Lists, mut course: Course) {
    let mut bench = Bench::new(world.api());
    if world.artefacts.are_wanted {
        bench = bench.downloading();
    }
    // One history in five has no hook.
    if world.seed % 5 != 3 {
        bench = bench.hooked();
    }
    bench.apps.clone_from(&world.apps);
    bench.settings.seed = world.seed;
    bench.settings.until_done = false;
    bench.settings.give_up_after = ALL_DONE_WITHIN;
    let diary = Diary::begin();
    let _witness = Witness {
        name: name.to_owned(),
        world: world.to_string(),
        diary: diary.clone(),
        log: bench.log.clone(),
    };
    let began = diary.began;
    bench.entries = lists.entries();
    bench.api.with(|remote| remote.document = Some(RIGHT));
    let mut running = bench.start();
    while let Some((wait, disturbance)) = course.next(began.elapsed()) {
        running = live(wait, &mut world.artefacts, &bench, running, &diary).await;
        if let Some(disturbance) = disturbance {
            running = disturb(disturbance, &mut bench, running, &mut lists, &diary).await;
        }
    }
    diary.note("everything works again");
    make_good(&bench, &running, &mut lists, &diary).await;
    let is_open = |view: &Snapshot| {
        let (tickets, files) = (view.listed.of(TicketState::Pending), view.files[FileState::Waiting]);
        view.turned_at.is_none() || tickets + files > 0
    };
    // A commit may hang for minutes, and until it ends the rows are those of before.
    let is_unwritten = || {
        bench
            .store
            .with(|kept| kept.under_way > 0 || !kept.outbox.is_empty() || !kept.events.waiting.is_empty())
    };
    while is_open(&running.view.borrow()) || is_unwritten() {
        assert!(began.elapsed() < ALL_DONE_WITHIN, "tickets or events were forgotten");
        tokio::time::sleep(10 * SECOND).await;
    }
    tokio::time::sleep(10 * SECOND).await;
    running.stop.cancel();
    let outcome = running.outcome.await.unwrap();
    assert!(outcome.saved && outcome.unannounced == 0);
    // What a process left behind that died is removed by the next one.
    bench.entries = lists.entries();
    let last = bench.start();
    tokio::time::sleep(10 * SECOND).await;
    while bench.store.with(|kept| !kept.events.waiting.is_empty()) {
        tokio::time::sleep(10 * SECOND).await;
    }
    stop(last).await;
    let unwritten = diary.unwritten.lock().unwrap().clone();
    judge(&world, &bench, &lists, &unwritten, began);
    never_forgotten(&world, &bench, &lists, &diary);
    judge_files(&world, &bench, &lists, &diary);
    judge_documents(&world, &bench, &lists, &diary);
    judge_hooks(&bench, &diary);
}

/// Time passes. Meanwhile things happen to the folder of files, and the process may die of them.
async fn live(
    wait: Duration,
    artefacts: &mut Artefacts,
    bench: &Bench,
    mut running: Running,
    diary: &Diary,
) -> Running {
    let until = Instant::now() + wait;
    loop {
        let change = artefacts.next_change(until - diary.began);
        let moment = change.as_ref().map_or(until, |(at, _)| diary.began + *at);
        while let Ok(()) = tokio::time::timeout_at(moment, bench.files.died()).await {
            diary.note("death at that step");
            running = diary.restart(bench, kill(bench, running)).await;
            diary.unwritten.lock().unwrap().push(Instant::now());
        }
        let Some((_, change)) = change else { return running };
        diary.note(format!("{change:?}"));
        change.apply(&bench.files);
        diary.folder.lock().unwrap().push((Instant::now(), change));
    }
}

/// One more thing happens.
async fn disturb(
    disturbance: Disturbance,
    bench: &mut Bench,
    running: Running,
    lists: &mut Lists,
    diary: &Diary,
) -> Running {
    diary.note(format!("{disturbance:?}"));
    bench.files.with(|disk| disk.doom = None);
    match disturbance {
        Disturbance::List(edits) => {
            let before = lists.gone.clone();
            lists.change(edits);
            diary.back_on_the_list(&before, lists);
            bench.entries = lists.entries();
            running.take_list(bench.entries.clone()).await;
        }
        Disturbance::StateFailsOrNot => bench.store.with(|kept| kept.fails = !kept.fails),
        Disturbance::LogFailsOrNot => bench.log.with(|log| log.fails = !log.fails),
        Disturbance::CommitFails(slow) => bench.store.with(|kept| kept.slow = vec![slow]),
        Disturbance::CommitHangs(late) => bench.store.with(|kept| kept.late = vec![late]),
        Disturbance::CommitsLieOrNot => bench.store.with(|kept| kept.lies = !kept.lies),
        Disturbance::Revoked => bench.api.with(|remote| {
            let used = remote.polls.last().map(|sent| sent.access_token.clone());
            remote.revoked.extend(used);
        }),
        Disturbance::Stop => {
            let_write(bench).await;
            return diary.restart(bench, stop(running)).await;
        }
        Disturbance::Death => {
            let_write(bench).await;
            return diary.restart(bench, kill(bench, running)).await;
        }
        Disturbance::StopAtOnce => {
            let running = diary.restart(bench, stop(running)).await;
            diary.unwritten.lock().unwrap().push(Instant::now());
            return running;
        }
        Disturbance::DeathAtOnce => {
            let running = diary.restart(bench, kill(bench, running)).await;
            diary.unwritten.lock().unwrap().push(Instant::now());
            return running;
        }
        Disturbance::Hangup => drop(running.commands.send(Command::TryAgain).await),
    }
    running
}

/// The requests of a process that ends without having been able to write are not known: the budget's promise
/// does not reach that far.
async fn let_write(bench: &Bench) {
    bench.store.with(|kept| {
        (kept.fails, kept.lies) = (false, false);
        kept.slow.clear();
        kept.late.clear();
    });
    // One that hangs has to come to its end first.
    while bench.store.with(|kept| kept.under_way > 0) {
        tokio::time::sleep(SECOND).await;
    }
    tokio::time::sleep(30 * SECOND).await;
}

async fn stop(running: Running) {
    running.stop.cancel();
    running.outcome.await.unwrap();
}

async fn kill(bench: &Bench, running: Running) {
    bench.files.end_process();
    running.outcome.abort();
    let _ = running.outcome.await;
}

/// Everything works again, and every ticket is listed.
async fn make_good(bench: &Bench, running: &Running, lists: &mut Lists, diary: &Diary) {
    bench.store.with(|kept| {
        (kept.fails, kept.lies) = (false, false);
        kept.slow.clear();
        kept.late.clear();
    });
    bench.log.with(|log| log.fails = false);
    bench.files.with(|disk| (disk.doom, disk.full, disk.closed) = (None, false, false));
    // Those that are still gone were not polled since.
    let late = |sent: &&Sent| lists.gone.get(&sent.ticket).is_some_and(|since| sent.at > *since + SECOND);
    let polled = bench.api.with(|remote| remote.polls.iter().find(late).cloned());
    assert!(polled.is_none(), "polled though no list names it: {polled:?}");
    nothing_unlisted_was_created(bench, lists);
    let before = lists.gone.clone();
    lists.make_good();
    diary.back_on_the_list(&before, lists);
    running.take_list(lists.entries()).await;
    let _ = running.commands.send(Command::TryAgain).await;
}

/// The seeds to play: the one or those that are asked for, else the usual ones.
fn seeds() -> Range<u64> {
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let asked = |name| std::env::var(name).ok();
    if let Some(seed) = asked("SIMULATION_SEED") {
        return number(&seed)..number(&seed) + 1;
    }
    match asked("SIMULATION_SEEDS").as_deref().map(|text| text.split_once("..").unwrap_or(("0", text))) {
        Some((from, to)) => number(from)..number(to),
        None => 0..SEEDS,
    }
}

/// All promises at once, through many histories, as many at a time as there are processors.
#[test]
fn every_history_keeps_the_promises() {
    quiet_scripted_panics();
    let seeds = Mutex::new(seeds());
    let next = || seeds.lock().unwrap().next();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = next() {
                    play_seed(seed);
                }
            });
        }
    });
}

fn play_seed(seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let mut world = World::drawn(seed);
    let lists = Lists::drawn(&mut world);
    let course = Course::drawn(&mut world);
    runtime.unwrap().block_on(play(&format!("SIMULATION_SEED={seed}"), world, lists, course));
}
