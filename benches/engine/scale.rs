//! What many tickets cost: memory, time to the first poll, processor time, a reload, `status`.

use std::fs::File;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, Place, list_of};
use crate::figures::{Spread, judged};
use crate::server::Server;

/// Pending tickets.
const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

/// Every job runs for ever.
const FOR_EVER: u8 = u8::MAX;

/// How often the list is changed and read again.
const RELOADS: usize = 10;

/// Of so many tickets one is another one after a reload.
const CHANGED: usize = 100;

/// How long processor time is counted while 100 polls a minute are sent.
const COUNTED: Duration = Duration::from_secs(30);

/// How often memory is looked at meanwhile, and how long after a reload.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The first requests of an empty window go out at once; what comes after is the steady rate.
const BURST: u64 = 100;

/// Everything found of one number of tickets.
struct Found {
    tickets: usize,
    list_mib: f64,
    /// Milliseconds that the toml crate takes to parse the list.
    parse: Spread,
    /// Milliseconds from the start of the process to its first poll: of a new state file, and of a known one.
    first_poll: Spread,
    first_poll_again: Spread,
    followed: Followed,
    /// Milliseconds of a whole `status`.
    status_json: Spread,
    status_table: Spread,
}

/// What a watcher shows that follows its tickets, of each time that it was measured.
#[derive(Default)]
struct Followed {
    /// MiB in use while polling, after the reloads, and at most.
    polling: Vec<f64>,
    reloaded: Vec<f64>,
    peak: Vec<f64>,
    /// Hundredths of a core.
    processor: Vec<f64>,
    /// Milliseconds from SIGHUP to the list taken, with 1 % changed.
    reload: Vec<f64>,
}

/// Measures all sizes and prints what came of it.
pub(crate) fn measure(rounds: usize) -> io::Result<()> {
    let found = SIZES.into_iter().map(|tickets| find(tickets, rounds)).collect::<io::Result<Vec<_>>>()?;
    print(&found);
    found.last().map(judge);
    Ok(())
}

fn find(tickets: usize, rounds: usize) -> io::Result<Found> {
    let list = list_of(0..tickets as u64);
    let mut parse = Vec::new();
    let (mut first_poll, mut first_poll_again) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        parse.push(milliseconds(parsing(&list)));
        let server = Server::start(tickets * 2, FOR_EVER)?;
        let place = Place::new(&server, "", "")?;
        place.list(&list)?;
        first_poll.push(milliseconds(time_to_first_poll(&server, &place)?));
    }
    for _ in 0..rounds {
        first_poll_again.push(milliseconds(restart(tickets, &list)?));
    }
    let mut followed = Followed::default();
    let (mut status_json, mut status_table) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let server = Server::start(tickets * 2, FOR_EVER)?;
        let place = Place::new(&server, "", "")?;
        place.list(&list)?;
        let mut daemon = place.start(&[])?;
        daemon.wait("the first polls", |_| server.queries() >= BURST);
        wait_until_written(&place, tickets)?;
        watch_polling(&daemon, &mut followed);
        status_json.push(milliseconds(status(&place, "json")?));
        status_table.push(milliseconds(status(&place, "table")?));
        reloads(&place, &mut daemon, tickets, &mut followed)?;
        followed.peak.push(daemon.memory("VmHWM"));
        assert!(daemon.stop());
    }
    Ok(Found {
        tickets,
        list_mib: list.len() as f64 / f64::from(1 << 20),
        parse: Spread::new(parse),
        first_poll: Spread::new(first_poll),
        first_poll_again: Spread::new(first_poll_again),
        followed,
        status_json: Spread::new(status_json),
        status_table: Spread::new(status_table),
    })
}

/// What the toml crate takes at the least: the tree of the document, its texts borrowed from the list.
fn parsing(list: &str) -> Duration {
    let began = Instant::now();
    let document = toml::de::DeTable::parse(list).expect("the list is valid");
    let took = began.elapsed();
    assert_eq!(document.get_ref().len(), 1);
    took
}

fn time_to_first_poll(server: &Server, place: &Place) -> io::Result<Duration> {
    let mut daemon = place.start(&[])?;
    daemon.wait("the first poll", |_| server.first_query().is_some());
    let took = server.first_query().unwrap_or(daemon.started) - daemon.started;
    Ok(took)
}

/// The same where the state file knows every ticket. The budget has room left from the run before.
fn restart(tickets: usize, list: &str) -> io::Result<Duration> {
    let server = Server::start(tickets * 2, FOR_EVER)?;
    let place = Place::new(&server, "", "rate_limit = { requests = 10000, per = \"60s\" }")?;
    place.list(list)?;
    let mut daemon = place.start(&[])?;
    daemon.wait("the first poll", |_| server.queries() > 0);
    assert!(daemon.stop(), "all rows are written at the end");
    let asked = server.queries();
    let mut daemon = place.start(&[])?;
    let polled = daemon.wait("the first poll", |_| server.queries() > asked);
    Ok(polled - daemon.started)
}

/// Waits until the state file has every ticket: what a list costs that is new is not what it costs to follow it.
pub(crate) fn wait_until_written(place: &Place, tickets: usize) -> io::Result<()> {
    let wanted = format!("\"pending\":{tickets},");
    loop {
        let said = place.command("status", &["--format", "json", "--limit", "1"]).output()?;
        if String::from_utf8_lossy(&said.stdout).contains(&wanted) {
            return Ok(());
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Notes the most memory in use, and the share of a core, while polls go out at the steady rate.
fn watch_polling(daemon: &Daemon, followed: &mut Followed) {
    let (began, before) = (Instant::now(), daemon.processor_time());
    let mut most = 0.0_f64;
    while began.elapsed() < COUNTED {
        most = most.max(daemon.memory("VmRSS"));
        thread::sleep(LOOK_EVERY);
    }
    let spent = daemon.processor_time() - before;
    followed.polling.push(most);
    followed.processor.push(100.0 * spent.as_secs_f64() / began.elapsed().as_secs_f64());
}

fn status(place: &Place, format: &str) -> io::Result<Duration> {
    let mut command = place.command("status", &["--format", format, "--limit", "0"]);
    let began = Instant::now();
    let status = command.stdout(File::create(place.path("status.out"))?).status()?;
    assert!(status.success());
    Ok(began.elapsed())
}

/// Reloads, each with other tickets in the place of one in [`CHANGED`]; notes how long each took, and the most memory
/// in use after any of them.
fn reloads(place: &Place, daemon: &mut Daemon, tickets: usize, followed: &mut Followed) -> io::Result<()> {
    let mut listed: Vec<u64> = (0..tickets as u64).collect();
    let mut fresh = tickets as u64;
    let mut most = 0.0_f64;
    for round in 0..RELOADS {
        for ticket in listed.iter_mut().skip(round).step_by(CHANGED) {
            *ticket = fresh;
            fresh += 1;
        }
        place.list(&list_of(listed.iter().copied()))?;
        followed.reload.push(milliseconds(daemon.reload()));
        most = most.max(daemon.memory("VmRSS"));
        thread::sleep(LOOK_EVERY);
        most = most.max(daemon.memory("VmRSS"));
    }
    followed.reloaded.push(most);
    Ok(())
}

fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

fn print(found: &[Found]) {
    println!("\n### Many tickets\n");
    let head: String = found.iter().map(|it| format!(" {} tickets |", it.tickets)).collect();
    println!("| |{head}\n|---|{}", "---|".repeat(found.len()));
    let row = |name: &str, cell: &dyn Fn(&Found) -> String| {
        let cells: String = found.iter().map(|it| format!(" {} |", cell(it))).collect();
        println!("| {name} |{cells}");
    };
    row("list, MiB", &|it| format!("{:.1}", it.list_mib));
    row("the toml crate parses it, ms", &|it| format!("{:.1}", it.parse));
    row("start to first poll, ms", &|it| format!("{:.0}", it.first_poll));
    row("the same with a state file that knows all, ms", &|it| format!("{:.0}", it.first_poll_again));
    let spread = |runs: &Vec<f64>| Spread::new(runs.clone());
    row("memory while polling, MiB", &|it| format!("{:.1}", spread(&it.followed.polling)));
    row("memory after each of ten reloads, at most, MiB", &|it| {
        format!("{:.1}", spread(&it.followed.reloaded))
    });
    row("memory at any time, MiB", &|it| format!("{:.1}", spread(&it.followed.peak)));
    row("processor at 100 polls a minute, % of a core", &|it| {
        format!("{:.2}", spread(&it.followed.processor))
    });
    row("reload with 1 % changed, ms", &|it| format!("{:.0}", spread(&it.followed.reload)));
    row("status as JSON, ms", &|it| format!("{:.0}", it.status_json));
    row("status as a table, ms", &|it| format!("{:.0}", it.status_table));
    println!();
}

/// What is wanted at the largest size.
fn judge(found: &Found) {
    let goal = |goal: &str| format!("{} tickets: {goal}", found.tickets);
    let medians =
        [&found.followed.polling, &found.followed.reloaded].map(|runs| Spread::new(runs.clone()).median);
    let memory = medians[0].max(medians[1]);
    let ratio = found.first_poll.median / found.parse.median;
    let share = Spread::new(found.followed.processor.clone()).median;
    println!("{}", judged(&goal("memory at most 128 MiB"), &format!("{memory:.1}"), memory <= 128.0));
    println!("{}", judged(&goal("first poll within 3 × the parsing"), &format!("{ratio:.2}"), ratio <= 3.0));
    println!("{}", judged(&goal("processor under 0.5 % of a core"), &format!("{share:.2}"), share < 0.5));
}
