//! How soon completed exports are found and saved by a watcher alone, and by one that has a hook that never answers and a
//! hook that always fails.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::daemon::{Place, list_of};
use crate::figures::{Spread, judged};
use crate::server::{FIRST_TICKET, Server, whole_request};

const TICKETS: usize = 1_000;

/// When the first job ends, and the last, since the server began.
const FIRST_END: Duration = Duration::from_secs(1);
const LAST_END: Duration = Duration::from_secs(41);

const FILE_SIZE: u64 = 16 << 10;

/// A ticket is asked about twice a second: what comes on top is the watcher's.
const SECTIONS: &str = "[poll]\ninitial_interval = \"500ms\"\nmultiplier = 1\nmax_interval = \"500ms\"\njitter = 0.1\n\
    [download]\nfolder = \"files\"\nname = \"{ticket}.{file_extension}\"\n";
const APP: &str = "rate_limit = { requests = 10000, per = \"1s\" }";

/// How much longer it may take beside the hooks.
const WANTED: f64 = 1.05;

/// How long an export took on average from its end, in milliseconds.
#[derive(Clone, Copy)]
struct Latency {
    /// To the poll that found it.
    found: f64,
    /// To the moment that its file is said to be saved at.
    saved: f64,
}

/// Measures both in turn, `rounds` times, and prints what came of it.
pub(crate) fn measure(rounds: usize) -> io::Result<()> {
    let hooks = [section("hanging", &receiver(hang)?), section("failing", &receiver(refuse)?)].concat();
    let mut runs = Vec::new();
    for _ in 0..rounds {
        runs.push((run("")?, run(&hooks)?));
    }
    println!(
        "\n### Beside hooks\n\n| mean, ms | alone | beside two hooks | ratio, pair by pair |\n|---|---|---|---|"
    );
    let found = row("from its end until an export is found", &runs, |latency| latency.found);
    let saved = row("from its end until its file is saved", &runs, |latency| latency.saved);
    println!();
    for (what, ratio) in [("found", found), ("saved", saved)] {
        let goal = format!("{what} within 5 % beside two hooks");
        println!("{}", judged(&goal, &format!("{:.3}", ratio.median), ratio.median <= WANTED));
    }
    Ok(())
}

fn row(name: &str, runs: &[(Latency, Latency)], of: fn(Latency) -> f64) -> Spread {
    let [alone, beside, ratio] = [
        |(alone, _): (f64, f64)| alone,
        |(_, beside): (f64, f64)| beside,
        |(alone, beside): (f64, f64)| beside / alone,
    ]
    .map(|figure| Spread::new(runs.iter().map(|(one, other)| figure((of(*one), of(*other)))).collect()));
    println!("| {name} | {alone:.1} | {beside:.1} | {ratio:.3} |");
    ratio
}

/// A watcher from its start until every file is saved.
fn run(hooks: &str) -> io::Result<Latency> {
    let span = LAST_END - FIRST_END;
    let ends: Vec<_> = (0..TICKETS).map(|it| FIRST_END + span * it as u32 / TICKETS as u32).collect();
    // In no order that the list has.
    let ends: Vec<_> = (0..TICKETS).map(|it| ends[it * 7 % TICKETS]).collect();
    let began = SystemTime::now();
    let server = Server::with_ends(ends.clone(), FILE_SIZE)?;
    let place = Place::new(&server, &format!("{SECTIONS}{hooks}"), APP)?;
    place.list(&list_of(0..TICKETS as u64))?;
    let mut daemon = place.start(&[])?;
    daemon.wait("the last end", |_| server.files_sent() == TICKETS);
    daemon.wait("the files", |daemon| daemon.events("file.saved") == TICKETS);
    assert!(daemon.stop(), "no hook holds up a stop");
    let found = ends.iter().zip(server.found()).map(|(end, found)| found.saturating_sub(*end));
    let saved = saved_at(&place)?;
    let saved = saved.into_iter().map(|(ticket, at)| at.saturating_sub(since_epoch(began) + ends[ticket]));
    Ok(Latency { found: mean(found), saved: mean(saved) })
}

/// The tickets, by their distance from the first, and the moments of their files, by the log.
fn saved_at(place: &Place) -> io::Result<Vec<(usize, Duration)>> {
    let log = fs::read_to_string(place.path("log.jsonl"))?;
    let moment = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        let at: jiff::Timestamp = line["timestamp"].as_str()?.parse().ok()?;
        let ticket: u64 = line["ticket"].as_str()?.parse().ok()?;
        Some(((ticket - FIRST_TICKET) as usize, Duration::from_millis(at.as_millisecond().try_into().ok()?)))
    };
    let lines = log.lines().filter(|line| line.contains("\"event\":\"file.saved\""));
    let saved: Vec<_> = lines.filter_map(moment).collect();
    assert_eq!(saved.len(), TICKETS);
    Ok(saved)
}

fn since_epoch(moment: SystemTime) -> Duration {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// In milliseconds.
fn mean(spans: impl Iterator<Item = Duration>) -> f64 {
    spans.map(|span| span.as_secs_f64()).sum::<f64>() * 1000.0 / TICKETS as f64
}

fn section(name: &str, url: &str) -> String {
    format!(
        "[[hook]]\nname = \"{name}\"\nevents = [\"ticket.completed\", \"file.saved\"]\nurl = \"{url}\"\n\
         timeout = \"10m\"\n"
    )
}

/// A receiver on a free port of loopback, with a thread for each connection; returns its address.
fn receiver(serve: fn(TcpStream) -> io::Result<()>) -> io::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let url = format!("http://{}/hook", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || serve(stream));
        }
    });
    Ok(url)
}

/// Reads, and never answers.
fn hang(mut stream: TcpStream) -> io::Result<()> {
    io::copy(&mut stream, &mut io::sink()).map(|_| ())
}

/// Answers each request with 503.
fn refuse(mut stream: TcpStream) -> io::Result<()> {
    let (mut received, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        while let Some(length) = whole_request(&received) {
            received.drain(..length);
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")?;
        }
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        received.extend_from_slice(&piece[..count]);
    }
}
