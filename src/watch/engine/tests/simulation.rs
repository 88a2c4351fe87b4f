//! The whole engine through long, seeded histories: slow and broken servers, throttles, revoked tokens, used-up
//! quotas, lists that change, state files and logs that fail, stops and deaths. One seed is one history;
//! `SIMULATION_SEEDS=5000 cargo test simulation` plays more of them than usual, `SIMULATION_SEED=17` one.
//!
//! What must hold in each of them is asked at its end, and some of it at every line of the log.

use std::collections::{HashMap, HashSet};

use fastrand::Rng;

use super::fakes::*;
use crate::domain::event::*;
use crate::domain::*;
use crate::feishu::*;
use crate::watch::*;

/// Histories of an ordinary test run.
const SEEDS: u64 = 200;

/// From here on nothing new goes wrong.
const CALM_AFTER: std::time::Duration = std::time::Duration::from_secs(30 * 60);

/// By then every ticket has met its fate, whatever happened before: the longest pause is one of a quota, which is
/// probed every hour.
const ALL_DONE_WITHIN: std::time::Duration = std::time::Duration::from_secs(6 * 3600);

/// Log lines that are shown of a history that went wrong.
const SHOWN: usize = 40;

/// A job and its fate.
#[derive(Clone, Copy, Debug)]
struct Job {
    /// When it ends, since the beginning.
    ends: std::time::Duration,
    succeeds: bool,
}

/// A stretch of time in which something is wrong with an app.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    from: std::time::Duration,
    until: std::time::Duration,
    verdict: fn(std::time::Duration) -> Verdict,
}

/// Everything that one seed decides.
struct World {
    seed: u64,
    rng: Rng,
    apps: Vec<App>,
    jobs: HashMap<String, Job>,
    troubles: Vec<Vec<Trouble>>,
    /// Nothing goes wrong at all: then files must be found in time.
    is_calm: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let is_calm = seed.is_multiple_of(4);
        let count = rng.usize(1..=3);
        let apps = (0..count).map(|number| app(&format!("app{number}"), rng.u32(10..=100))).collect();
        let jobs = (0..rng.usize(5..=80)).map(|number| {
            let of = rng.usize(..count);
            let seconds = 8.0 * (rng.f64() * 4.0 - 1.0).exp();
            let created = if rng.bool() { 0 } else { rng.u64(..CALM_AFTER.as_secs()) };
            let ends = SECOND.mul_f64(seconds) + SECOND * u32::try_from(created).unwrap();
            (format!("app{of}-{number}"), Job { ends, succeeds: rng.u8(..) < 220 })
        });
        let jobs = jobs.collect();
        let troubles = (0..count).map(|_| if is_calm { Vec::new() } else { troubles(&mut rng) }).collect();
        Self { seed, rng, apps, jobs, troubles, is_calm }
    }

    /// The remote, with a mind of its own about latencies and passing faults.
    fn api(&self) -> FakeApi {
        let mut rng = Rng::with_seed(self.seed ^ 0x5eed);
        let (jobs, troubles, is_calm) = (self.jobs.clone(), self.troubles.clone(), self.is_calm);
        let began = tokio::time::Instant::now();
        FakeApi::new(move |ticket, _| {
            let now = began.elapsed();
            let place: usize = ticket[3..4].parse().unwrap();
            let latency = SECOND.mul_f64(0.02 + 0.2 * rng.f64());
            if let Some(trouble) = troubles[place].iter().find(|it| it.from <= now && now < it.until) {
                return (latency, (trouble.verdict)(trouble.until - now));
            }
            let passing = !is_calm && now < CALM_AFTER;
            match rng.u32(..100) {
                0..4 if passing => (SECOND.mul_f64(15.0 * rng.f64()), network()),
                4..8 if passing => (latency, trouble_of_server()),
                8 if passing => (latency, Verdict::Unclear(ErrorKind::MalformedAnswer)),
                9 if passing => (latency, PANIC),
                _ => (latency, answer(&jobs, ticket, now)),
            }
        })
        .with_tokens(move |_, nth| Ok(Some(if nth.is_multiple_of(2) { 300 } else { 7200 })))
    }
}

fn network() -> Verdict {
    Verdict::Retry { kind: ErrorKind::Network, pace: Pace::Usual }
}

fn trouble_of_server() -> Verdict {
    Verdict::Retry { kind: ErrorKind::ServerError, pace: Pace::Slow }
}

fn answer(jobs: &HashMap<String, Job>, ticket: &str, now: std::time::Duration) -> Verdict {
    match jobs[ticket] {
        Job { ends, .. } if now < ends => Verdict::Pending,
        Job { succeeds: true, .. } => completed(),
        Job { .. } => Verdict::Failed(ErrorKind::DocumentTooLarge),
    }
}

fn troubles(rng: &mut Rng) -> Vec<Trouble> {
    let kinds: [fn(std::time::Duration) -> Verdict; 6] = [
        |left| Verdict::Throttled { reset: Some(left) },
        |_| Verdict::Throttled { reset: None },
        |_| Verdict::AppFault(PauseReason::ScopeMissing),
        |_| Verdict::AppFault(PauseReason::QuotaExhausted),
        |_| network(),
        |_| trouble_of_server(),
    ];
    let trouble = |rng: &mut Rng| {
        let from = SECOND * rng.u32(..1500);
        let until = (from + SECOND * rng.u32(1..300)).min(CALM_AFTER);
        Trouble { from, until, verdict: kinds[rng.usize(..kinds.len())] }
    };
    (0..rng.usize(..4)).map(|_| trouble(rng)).collect()
}

/// What a run of the simulation did to the list, to check it against what the engine did.
#[derive(Default)]
struct Lists {
    listed: HashSet<String>,
    /// Tickets off the list, and since when.
    gone: HashMap<String, tokio::time::Instant>,
}

/// Shows the seed and the last lines of the log if the history goes wrong.
struct Witness {
    seed: u64,
    log: FakeLog,
}

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("SIMULATION_SEED={} goes wrong; the last lines of its log:", self.seed);
            self.log.with(|log| {
                let first = log.lines.len().saturating_sub(SHOWN);
                log.lines[first..].iter().for_each(|line| eprintln!("  {line:?}"));
            });
        }
    }
}

async fn play(seed: u64) {
    let mut world = World::new(seed);
    let mut bench = Bench::new(world.api());
    bench.apps.clone_from(&world.apps);
    bench.settings.seed = seed;
    bench.settings.until_done = false;
    bench.settings.give_up_after = ALL_DONE_WITHIN;
    bench.log.hold_against(&bench.store);
    let _witness = Witness { seed, log: bench.log.clone() };
    let began = tokio::time::Instant::now();
    let mut lists = Lists { listed: world.jobs.keys().cloned().collect(), ..Lists::default() };
    bench.entries = entries(&lists);
    let mut running = bench.start();
    while began.elapsed() < CALM_AFTER {
        tokio::time::sleep(SECOND.mul_f64(240.0 * world.rng.f64())).await;
        if !world.is_calm {
            running = disturb(&mut world, &mut bench, running, &mut lists).await;
        }
    }
    make_good(&bench, &running, &mut lists, &world).await;
    let is_open = |view: &Snapshot| view.turned_at.is_none() || view.listed.of(TicketState::Pending) > 0;
    while is_open(&running.view.borrow()) {
        assert!(began.elapsed() < ALL_DONE_WITHIN, "tickets were forgotten");
        tokio::time::sleep(10 * SECOND).await;
    }
    tokio::time::sleep(10 * SECOND).await;
    running.stop.cancel();
    let outcome = running.outcome.await.unwrap();
    assert!(outcome.saved && outcome.unannounced == 0);
    judge(&world, &bench, &lists, began);
}

fn entries(lists: &Lists) -> Vec<WatchEntry> {
    let mut tickets: Vec<_> = lists.listed.iter().collect();
    tickets.sort();
    tickets.into_iter().map(|ticket| entry(&ticket[..4], ticket)).collect()
}

/// One more thing happens.
async fn disturb(world: &mut World, bench: &mut Bench, running: Running, lists: &mut Lists) -> Running {
    match world.rng.u32(..8) {
        0 => {
            change_list(&mut world.rng, lists);
            bench.entries = entries(lists);
            running.take_list(bench.entries.clone()).await;
        }
        1 => bench.store.with(|kept| kept.fails = !kept.fails),
        2 => bench.log.with(|log| log.fails = !log.fails),
        3 => {
            let slow = SECOND * world.rng.u32(1..20);
            bench.store.with(|kept| kept.slow = vec![slow]);
        }
        4 => {
            let used = bench.api.with(|remote| remote.polls.last().map(|sent| sent.access_token.clone()));
            bench.api.with(|remote| remote.revoked.extend(used));
        }
        5 => {
            let_write(bench).await;
            stop(running).await;
            return bench.start();
        }
        6 => {
            let_write(bench).await;
            kill(running).await;
            return bench.start();
        }
        _ => drop(running.commands.send(Command::TryAgain).await),
    }
    running
}

/// The requests of a process that ends without having been able to write are known to nobody: the budget's promise
/// does not reach that far.
async fn let_write(bench: &Bench) {
    bench.store.with(|kept| {
        kept.fails = false;
        kept.slow.clear();
    });
    tokio::time::sleep(30 * SECOND).await;
}

async fn stop(running: Running) {
    running.stop.cancel();
    running.outcome.await.unwrap();
}

async fn kill(running: Running) {
    running.outcome.abort();
    let _ = running.outcome.await;
}

/// Some tickets leave the list, and some that left it come back.
fn change_list(rng: &mut Rng, lists: &mut Lists) {
    let mut all: Vec<_> = lists.listed.iter().chain(lists.gone.keys()).cloned().collect();
    all.sort();
    for ticket in all {
        if rng.u32(..10) > 0 {
            continue;
        }
        if lists.listed.remove(&ticket) {
            lists.gone.insert(ticket, tokio::time::Instant::now());
        } else if lists.gone.remove(&ticket).is_some() {
            lists.listed.insert(ticket);
        }
    }
}

/// Everything works again, and every ticket is listed.
async fn make_good(bench: &Bench, running: &Running, lists: &mut Lists, world: &World) {
    bench.store.with(|kept| {
        kept.fails = false;
        kept.slow.clear();
    });
    bench.log.with(|log| log.fails = false);
    // Those that are still gone were not polled since.
    let late = |sent: &&Sent| lists.gone.get(&sent.ticket).is_some_and(|since| sent.at > *since + SECOND);
    let polled = bench.api.with(|remote| remote.polls.iter().find(late).cloned());
    assert!(polled.is_none(), "polled though no list names it: {polled:?}");
    lists.listed = world.jobs.keys().cloned().collect();
    lists.gone.clear();
    running.take_list(entries(lists)).await;
    let _ = running.commands.send(Command::TryAgain).await;
}

/// What must hold in every history.
fn judge(world: &World, bench: &Bench, lists: &Lists, began: tokio::time::Instant) {
    // Promise 1, as the server counts, through every stop and death.
    for app in &world.apps {
        let limit = usize::try_from(app.rate_limit.requests.get()).unwrap();
        bench.api.assert_app_never_more_than(app.name.as_str(), limit);
    }
    // Promise 4: no line without a row, and no row without a line.
    assert_eq!(bench.log.with(|log| log.not_durable.clone()), Vec::<String>::new());
    let announced = [TICKET_FAILED, TICKET_COMPLETED].map(|event| bench.log.tickets_of(event));
    for ticket in &lists.listed {
        let (row, job) = (bench.store.row(ticket), world.jobs[ticket]);
        // Promises 2 and 3: its own fate and nothing else's, whatever happened to polls and apps.
        let expected = if job.succeeds { TicketState::Completed } else { TicketState::Failed };
        assert_eq!(row.state, expected, "{ticket}");
        assert!(row.announced, "{ticket}");
        assert!(announced[usize::from(job.succeeds)].contains(ticket), "{ticket} was never announced");
    }
    if world.is_calm {
        found_in_time(world, bench, began);
    }
}

/// Promise 5: where nothing goes wrong, a file is found within the longest interval and the time that one sweep over
/// its app's tickets takes.
fn found_in_time(world: &World, bench: &Bench, began: tokio::time::Instant) {
    for (ticket, job) in &world.jobs {
        let place: usize = ticket[3..4].parse().unwrap();
        let open = world.jobs.keys().filter(|other| other.starts_with(&ticket[..4])).count();
        let sweep = world.apps[place].rate_limit.time_for(open);
        let found = bench.api.polls_of(ticket).last().unwrap().at - began;
        let late = found.saturating_sub(job.ends);
        assert!(late <= MINUTE * 11 / 10 + sweep + SECOND, "{ticket} was found after {late:?}");
    }
}

/// All promises at once, through many histories.
#[test]
fn every_history_keeps_the_promises() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    quiet_scripted_panics();
    for seed in seeds {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(play(seed));
    }
}
