//! Two apps, one of them always broken: what the sound one's tickets come to, and when that is noticed, must be as if
//! the other one were not there. Each history of the sound app is played alone and beside every kind of wreck.

use std::collections::HashMap;
use std::time::Duration;

use fastrand::Rng;

use super::fakes::*;
use crate::domain::event::*;
use crate::domain::*;
use crate::feishu::*;

/// Tickets of each app.
const TICKETS: usize = 300;

/// Histories of the sound app: a seed, and the requests that it may send in a minute. With 100 its tickets wait for
/// the budget and a little more would not be noticed; with 3000 every moment that another app costs them is.
const HISTORIES: [(u64, u32); 3] = [(0, 100), (1, 3000), (2, 3000)];

/// Where the broken app lives: with the sound one, and elsewhere.
const HOSTS: [&str; 2] = ["https://open.feishu.cn", "https://open.larksuite.com"];

/// How much later the sound app's jobs may be found for the other's sake: 5 %.
const SLACK: f64 = 1.05;

/// The sound app's last job ends long before this.
const ALL_DONE_WITHIN: Duration = Duration::from_secs(3 * 3600);

/// A way to be broken, always: what a poll brings and after how long, and what a request for a token brings.
#[derive(Clone, Copy, Debug)]
struct Wreck {
    name: &'static str,
    poll: fn() -> (Duration, Verdict),
    token: fn() -> Result<Option<u64>, TokenTrouble>,
}

const fn polls(name: &'static str, poll: fn() -> (Duration, Verdict)) -> Wreck {
    Wreck { name, poll, token: || Ok(Some(7200)) }
}

const fn tokens(name: &'static str, token: fn() -> Result<Option<u64>, TokenTrouble>) -> Wreck {
    Wreck { name, poll: || (SECOND / 10, Verdict::Pending), token }
}

const SOON: Duration = Duration::from_millis(100);

const WRECKS: [Wreck; 17] = [
    polls("hangs until the client gives up", || (15 * SECOND, network())),
    polls("hangs although the client should have given up", || (60 * MINUTE, completed())),
    polls("refuses connections", || (Duration::from_millis(1), network())),
    polls("answers 5xx", || (SOON, trouble())),
    polls("asks to slow down", || (SOON, Verdict::Retry { kind: ErrorKind::ServerError, pace: Pace::Slow })),
    polls("throttles without a time", || (SOON, Verdict::Throttled { reset: None })),
    polls("throttles for a second each time", || (SOON, Verdict::Throttled { reset: Some(SECOND) })),
    polls("refuses every access token", || (SOON, Verdict::TokenRejected)),
    polls("has used up its quota", || (SOON, Verdict::AppFault(PauseReason::QuotaExhausted))),
    polls("lacks a scope", || (SOON, Verdict::AppFault(PauseReason::ScopeMissing))),
    polls("panics", || (SOON, PANIC)),
    polls("answers garbage", || (SOON, Verdict::Strange(Strange::Page))),
    polls("answers unlisted codes", || (SOON, Verdict::Strange(Strange::UnlistedCode))),
    polls("asks to come back later", || (SOON, Verdict::Postponed)),
    tokens("gets no token", || Err(TokenTrouble::Retry(ErrorKind::Network))),
    tokens("has a wrong secret", || Err(TokenTrouble::AppFault(PauseReason::CredentialsRejected))),
    tokens("is throttled by the token endpoint", || Err(TokenTrouble::Throttled { reset: None })),
];

fn network() -> Verdict {
    Verdict::Retry { kind: ErrorKind::Network, pace: Pace::Usual }
}

/// When each job of the sound app ends, and whether well.
fn jobs(seed: u64) -> HashMap<String, (Duration, bool)> {
    let mut rng = Rng::with_seed(seed);
    let job = |number| {
        let seconds = 10.0 * (rng.f64() * 4.0 - 1.0).exp();
        (format!("sound-{number}"), (SECOND.mul_f64(seconds), rng.u8(..) < 220))
    };
    (0..TICKETS).map(job).collect()
}

fn api(jobs: HashMap<String, (Duration, bool)>, seed: u64, wreck: Option<Wreck>) -> FakeApi {
    let (mut rng, began) = (Rng::with_seed(!seed), tokio::time::Instant::now());
    FakeApi::new(move |ticket, _| {
        let Some((ends, succeeds)) = jobs.get(ticket) else { return (wreck.unwrap().poll)() };
        let verdict = match began.elapsed() {
            now if now < *ends => Verdict::Pending,
            _ if *succeeds => completed(),
            _ => Verdict::Failed(ErrorKind::DocumentTooLarge),
        };
        (SECOND.mul_f64(0.05 + 0.1 * rng.f64()), verdict)
    })
    .with_tokens(move |app, _| match wreck {
        Some(wreck) if app == "broken" => (wreck.token)(),
        _ => Ok(Some(7200)),
    })
}

/// Mean and 95th percentile of the time from a job's end until its ticket ends.
#[derive(Clone, Copy, Debug)]
struct Latency {
    mean: f64,
    p95: f64,
}

impl Latency {
    fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        let mean = seconds.iter().sum::<f64>() / seconds.len() as f64;
        Self { mean, p95: seconds[seconds.len() * 95 / 100] }
    }

    fn is_as_good_as(self, alone: Self) -> bool {
        self.mean <= alone.mean * SLACK && self.p95 <= alone.p95 * SLACK
    }
}

/// Plays one history of the sound app; the other one lives at `host`.
async fn play((seed, budget): (u64, u32), wreck: Option<Wreck>, host: &str) -> Latency {
    let jobs = jobs(seed);
    let mut bench = Bench::new(api(jobs.clone(), seed, wreck));
    bench.settings.seed = seed;
    bench.settings.until_done = false;
    bench.apps = vec![app("sound", budget)];
    let mut sound: Vec<_> = jobs.keys().collect();
    sound.sort();
    if wreck.is_some() {
        // First in the list, and due as early.
        bench.apps.insert(0, App { base_url: BaseUrl::parse(host).unwrap(), ..app("broken", 100) });
        bench = bench.tickets("broken", (0..TICKETS).map(|number| format!("broken-{number}")));
    }
    bench = bench.tickets("sound", sound);
    let running = bench.start();
    let began = tokio::time::Instant::now();
    let is_done = || {
        bench
            .store
            .with(|kept| kept.rows.values().filter(|row| is_sound(row) && row.state.is_final()).count())
    };
    while is_done() < TICKETS {
        assert!(began.elapsed() < ALL_DONE_WITHIN, "{wreck:?}: only {} tickets met their fate", is_done());
        tokio::time::sleep(10 * SECOND).await;
    }
    running.stop.cancel();
    running.outcome.await.unwrap();
    bench.api.assert_apps_never_more_than(&["sound"], usize::try_from(budget).unwrap(), &[]);
    bench.api.assert_apps_never_more_than(&["broken"], 100, &[]);
    judge(&bench, &jobs, wreck)
}

fn is_sound(row: &TicketRecord) -> bool {
    row.entry.key.app.as_str() == "sound"
}

/// Every ticket of the sound app has the fate of its job and was announced, and those of the other one are still
/// there. Returns how late the sound ones were found.
fn judge(bench: &Bench, jobs: &HashMap<String, (Duration, bool)>, wreck: Option<Wreck>) -> Latency {
    let mut latencies = Vec::new();
    let announced = [TICKET_FAILED, TICKET_COMPLETED].map(|event| bench.log.tickets_of(event));
    for (ticket, (ends, succeeds)) in jobs {
        let row = bench.store.row(ticket);
        let state = if *succeeds { TicketState::Completed } else { TicketState::Failed };
        assert_eq!(row.state, state, "{ticket} beside {wreck:?}");
        assert!(announced[usize::from(*succeeds)].contains(ticket), "{ticket} beside {wreck:?}");
        latencies.push(row.finished_at.unwrap().since(START + *ends).as_secs_f64());
    }
    let others = bench.store.with(|kept| kept.rows.values().filter(|row| !is_sound(row)).count());
    assert_eq!(others, if wreck.is_some() { TICKETS } else { 0 }, "lost beside {wreck:?}");
    Latency::of(latencies)
}

fn played(history: (u64, u32), wreck: Option<Wreck>, host: &str) -> Latency {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(play(history, wreck, host))
}

/// Promise 3: whatever is the matter with one app, the other one's tickets meet their fates, and no later than they
/// would alone; also where both are served by the same host.
#[test]
fn the_sound_app_loses_nothing() {
    quiet_scripted_panics();
    std::thread::scope(|scope| {
        for history in HISTORIES {
            scope.spawn(move || {
                let alone = played(history, None, HOSTS[0]);
                println!("{history:?} alone: {alone:?}");
                for (wreck, host) in WRECKS.into_iter().zip(HOSTS.into_iter().cycle()) {
                    let beside = played(history, Some(wreck), host);
                    println!("  beside one at {host} that {}: {beside:?}", wreck.name);
                    let is_as_good = beside.is_as_good_as(alone);
                    assert!(
                        is_as_good,
                        "{beside:?} beside one at {host} that {}, {alone:?} alone",
                        wreck.name
                    );
                }
            });
        }
    });
}
