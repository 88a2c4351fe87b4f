//! Kills by the dozen: at random moments, and at every point that the program names.

use std::time::Duration;

use export_simulator::Scenario;
use fastrand::Rng;
use rustix::process::Signal;

use super::hooks::Hooks;
use super::lists::{Lists, WATCHLIST};
use super::memory::Memory;
use super::oracle::Oracle;
use super::{PER, REQUESTS, is_verdict};
use crate::exports::pass_waits;
use crate::harness::{Bench, Running, default_app};
use crate::saved::DOWNLOAD;

/// After so many rounds on one bench another is begun, so that no run grows without bounds.
const ROUNDS_OF_A_BENCH: usize = 40;

/// A bench, and what goes on there.
struct Scene {
    bench: Bench,
    lists: Lists,
    oracle: Oracle,
    rng: Rng,
}

impl Scene {
    /// A bench whose state file remembers, and the first lists.
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let hooks = Hooks::new(rng.u64(..));
        let bench = empty_bench(|bench| hooks.sections(bench));
        assert_eq!(bench.run().code, Some(0), "a batch without tickets is done");
        Memory::begin(&bench);
        let lists = Lists::begin(&bench, &mut rng);
        Self { bench, lists, oracle: Oracle::new(hooks), rng }
    }

    /// Changes the lists and kills a watcher that takes them: a moment after its start, after one of its verdicts,
    /// after SIGHUP for another change, or while it stops.
    fn kill_at_random(&mut self) {
        if self.rng.u8(..4) == 0 {
            pass_waits(&self.bench);
        }
        self.lists.change(&self.bench, &mut self.rng);
        let run = self.bench.start(&[]);
        // Not to wait for something: a crash may come at any moment.
        let moment = match self.rng.u8(..4) {
            0 => self.rng.u64(..400_000),
            1 => {
                let verdicts = self.rng.usize(1..=3);
                run.wait_log("verdicts", |lines| {
                    lines.iter().filter(|line| is_verdict(line)).count() >= verdicts
                });
                self.rng.u64(..3_000)
            }
            2 => {
                run.wait_event("watcher.started", 1);
                self.change_lists(&run);
                self.rng.u64(..30_000)
            }
            _ => {
                run.wait_event("watcher.started", 1);
                run.signal(Signal::TERM);
                self.rng.u64(..60_000)
            }
        };
        std::thread::sleep(Duration::from_micros(moment));
        let ended = run.kill();
        self.oracle.judge(&self.bench, &ended);
    }

    /// Changes the lists and sends SIGHUP.
    fn change_lists(&mut self, run: &Running) {
        self.lists.change(&self.bench, &mut self.rng);
        run.signal(Signal::HUP);
    }

    /// The last lists are watched until nothing is pending.
    fn conclude(mut self) {
        self.lists.change(&self.bench, &mut self.rng);
        self.lists.finish(&self.bench);
        // What was being created when a process died waits for minutes, also if it is listed again only now: one that is
        // not pending yet can't be spared that.
        let taken = self.bench.start(&[]);
        taken.wait_event("watchlist.loaded", 1);
        let taken = taken.stop();
        assert_eq!(taken.code, Some(0), "{}", taken.stderr);
        self.oracle.judge(&self.bench, &taken);
        pass_waits(&self.bench);
        self.oracle.hooks.repair(&self.bench);
        let last = self.bench.run();
        assert_eq!(last.code, Some(10), "{}", last.stderr);
        self.oracle.judge(&self.bench, &last);
        self.oracle.conclude(&self.bench, &self.lists);
    }
}

fn empty_bench(hooks: impl FnOnce(&Bench) -> String) -> Bench {
    let bench = Bench::with(Scenario::with_apps([default_app(REQUESTS, PER)]));
    let hooks = hooks(&bench);
    // So that what a dead process may have had in flight does not take up the whole budget of the next.
    bench.configure(&format!("max_in_flight = 8\n[log]\nfile = \"events.jsonl\"\n{hooks}{DOWNLOAD}"));
    let limit = format!("rate_limit = {{ requests = {REQUESTS}, per = \"{}ms\" }}\n", PER.as_millis());
    bench.write("watcher.toml", &(bench.read("watcher.toml") + &limit));
    bench.reconfigure("[\"watchlist.toml\"]", WATCHLIST);
    bench.write("watchlist.toml", "");
    std::fs::create_dir(bench.path("watchlist.d")).unwrap();
    bench
}

/// Plays rounds, each by its number, on as many benches as they take.
fn play(usual: usize, mut round: impl FnMut(&mut Scene, usize)) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("CRASH_SEED").unwrap_or_else(|| fastrand::u64(..));
    let rounds = number("CRASH_ROUNDS").map_or(usual, |rounds| usize::try_from(rounds).unwrap());
    println!("CRASH_SEED={seed} CRASH_ROUNDS={rounds}");
    for (bench, first) in (0..).zip((0..rounds).step_by(ROUNDS_OF_A_BENCH)) {
        let mut scene = Scene::new(seed.wrapping_add(bench));
        (first..rounds.min(first + ROUNDS_OF_A_BENCH)).for_each(|number| round(&mut scene, number));
        scene.conclude();
    }
}

/// Promises 1, 4 and 6: twenty kills at random moments, with changes of the watch lists before and while it runs.
/// Whatever a dead process announced was in the state file by then, every ticket ends as its job did, each verdict
/// of each of its lives is announced at least once, and never two that differ. Not even a crash lets the budget be
/// exceeded.
#[test]
fn twenty_kills_lose_nothing() {
    play(20, |scene, _| scene.kill_at_random());
}

#[cfg(feature = "crash-points")]
mod named {
    use feishu_export_watcher::crash_points::CrashPoint;

    use super::*;
    use crate::harness::{Ended, events};

    /// Changes after which enough is listed to pass any point as often as a round wants.
    const LIST_CHANGES: usize = 100;

    fn start_dying_at(bench: &Bench, point: CrashPoint, passage: u32) -> Running {
        let mut command = bench.command("run", &[]);
        command.env("FEISHU_EXPORT_WATCHER_CRASH_AT", format!("{}:{passage}", point.name()));
        Running::start(command)
    }

    fn is_of_stop(point: CrashPoint) -> bool {
        matches!(point, CrashPoint::LastBatchDue | CrashPoint::LastBatchDone)
    }

    /// Up to which passage a process may be expected to come soon.
    fn passages(point: CrashPoint) -> u32 {
        match point {
            CrashPoint::FileBuilt
            | CrashPoint::StateLoaded
            | CrashPoint::LastBatchDue
            | CrashPoint::LastBatchDone => 1,
            CrashPoint::BatchDue
            | CrashPoint::RowsWritten
            | CrashPoint::Committed
            | CrashPoint::ListPartTaken => 8,
            CrashPoint::VerdictsDurable
            | CrashPoint::VerdictsLogged
            | CrashPoint::LinesWritten
            | CrashPoint::CreateDurable
            | CrashPoint::LinesSafe
            | CrashPoint::VerdictsMarked
            | CrashPoint::HookDue
            | CrashPoint::EventTaken
            | CrashPoint::TriesWritten
            | CrashPoint::TriesNoted
            | CrashPoint::FileBegun
            | CrashPoint::BodyWritten
            | CrashPoint::BodySynced
            | CrashPoint::FileRenamed
            | CrashPoint::FolderSynced => 4,
        }
    }

    impl Scene {
        /// Changes the lists until the watcher dies at the point, or stops it if that leads there.
        fn kill_at(&mut self, point: CrashPoint) {
            self.lists.change(&self.bench, &mut self.rng);
            let passage = self.rng.u32(1..=passages(point));
            let mut run = start_dying_at(&self.bench, point, passage);
            let changes = if is_of_stop(point) { self.rng.usize(..3) } else { LIST_CHANGES };
            let mut loaded = 0;
            while run.lives_until(|lines| events(lines, "watchlist.loaded").count() > loaded) {
                if loaded == changes {
                    if is_of_stop(point) {
                        run.signal(Signal::TERM);
                    } else {
                        println!("waits to pass {} {passage} times", point.name());
                        run.lives_until(|_| false);
                    }
                    break;
                }
                loaded += 1;
                self.change_lists(&run);
            }
            let dead = run.wait();
            assert_died_at(point, &dead);
            self.oracle.judge(&self.bench, &dead);
        }
    }

    fn assert_died_at(point: CrashPoint, dead: &Ended) {
        assert_eq!(dead.code, None, "not killed at {}:\n{}", point.name(), dead.stderr);
    }

    /// The points that a state file passes which is there already.
    fn later_points() -> impl Iterator<Item = CrashPoint> {
        CrashPoint::ALL.iter().copied().filter(|point| *point != CrashPoint::FileBuilt)
    }

    /// The same promises, with every second kill at one of the points around commit, announcement and the steps of a file that
    /// the program names, each in its turn at some passage: so every point is really reached.
    #[test]
    fn kills_at_every_point_lose_nothing() {
        let mut deck = Vec::new();
        play(2 * later_points().count(), |scene, number| {
            if number % 2 == 1 {
                return scene.kill_at_random();
            }
            if deck.is_empty() {
                deck.extend(later_points());
                scene.rng.shuffle(&mut deck);
            }
            let point = deck.pop().unwrap();
            scene.kill_at(point);
        });
    }

    /// Promise 6: a crash while the first state file is made leaves none at its place, and the next start makes one.
    #[test]
    fn a_kill_while_the_state_file_is_made() {
        let bench = empty_bench(|_| String::new());
        let dead = start_dying_at(&bench, CrashPoint::FileBuilt, 1).wait();
        assert_died_at(CrashPoint::FileBuilt, &dead);
        assert!(!bench.path("state.db").exists() && bench.path("state.db.new").exists());
        assert_eq!(bench.output("status", &[]).status.code(), Some(0));
        assert_eq!(bench.run().code, Some(0));
        assert!(bench.path("state.db").exists() && !bench.path("state.db.new").exists());
    }
}
