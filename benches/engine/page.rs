//! What the status page costs with many tickets, and what four readers at once cost the polls.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, Place, list_of};
use crate::figures::{Spread, judged};
use crate::scale::wait_until_written;
use crate::server::Server;

const TICKETS: usize = 100_000;

/// Some 500 polls a second, so that one that is held up shows.
const APP: &str = "rate_limit = { requests = 50, per = \"100ms\" }";

/// Every job runs for ever.
const FOR_EVER: u8 = u8::MAX;

/// How long polls are counted, without readers and with them.
const COUNTED: Duration = Duration::from_secs(10);

/// Pages that are loaded at once.
const READERS: usize = 4;

/// The first page, then so many more, one after the other.
const PAGES: usize = 20;

/// What was found, of each time that it was measured. Times in milliseconds.
#[derive(Default)]
struct Found {
    first: Vec<f64>,
    later: Vec<f64>,
    /// MiB that the first page takes beyond what is in use before it.
    extra: Vec<f64>,
    at_once: Vec<f64>,
    /// Polls a second, the longest time without one, and the former in relation.
    quiet: Vec<f64>,
    read: Vec<f64>,
    quiet_gap: Vec<f64>,
    read_gap: Vec<f64>,
    ratio: Vec<f64>,
}

/// Measures all and prints what came of it.
pub(crate) fn measure(rounds: usize) -> io::Result<()> {
    let mut found = Found::default();
    for _ in 0..rounds {
        find(&mut found)?;
    }
    print(found);
    Ok(())
}

fn find(found: &mut Found) -> io::Result<()> {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let server = Server::start(TICKETS, FOR_EVER)?;
    let place = Place::new(&server, &format!("[server]\nlisten = \"{address}\"\n"), APP)?;
    place.list(&list_of(0..TICKETS as u64))?;
    let mut daemon = place.start(&[])?;
    daemon.wait("the first polls", |_| server.queries() > 1000);
    wait_until_written(&place, TICKETS)?;
    let (time, extra) = first_page(&daemon, address)?;
    found.first.push(time);
    found.extra.push(extra);
    let later = (0..PAGES).map(|_| load(address)).collect::<io::Result<_>>()?;
    found.later.push(Spread::new(later).median);
    let (quiet, quiet_gap) = polls(&server);
    let readers: Vec<_> = (0..READERS).map(|_| thread::spawn(move || read(address))).collect();
    let (read, read_gap) = polls(&server);
    let mut times = Vec::new();
    for reader in readers {
        times.extend(reader.join().map_err(|_| io::Error::other("a reader failed"))??);
    }
    found.at_once.push(Spread::new(times).median);
    found.quiet.push(quiet);
    found.read.push(read);
    found.quiet_gap.push(quiet_gap);
    found.read_gap.push(read_gap);
    found.ratio.push(read / quiet);
    assert!(daemon.stop());
    Ok(())
}

/// Its time, and the memory that it takes at most beyond what is in use before it.
fn first_page(daemon: &Daemon, address: SocketAddr) -> io::Result<(f64, f64)> {
    daemon.forget_peak()?;
    let before = daemon.memory("VmRSS");
    let time = load(address)?;
    Ok((time, daemon.memory("VmHWM") - before))
}

/// Polls a second, and the longest time without one in milliseconds.
fn polls(server: &Server) -> (f64, f64) {
    let (before, began) = (server.queries(), Instant::now());
    server.longest_gap();
    thread::sleep(COUNTED);
    let rate = (server.queries() - before) as f64 / began.elapsed().as_secs_f64();
    (rate, server.longest_gap().as_secs_f64() * 1000.0)
}

/// Loads the page again and again for as long as polls are counted.
fn read(address: SocketAddr) -> io::Result<Vec<f64>> {
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < COUNTED {
        times.push(load(address)?);
    }
    Ok(times)
}

/// Loads the page once; says how many milliseconds that took.
fn load(address: SocketAddr) -> io::Result<f64> {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut page = Vec::new();
    stream.read_to_end(&mut page)?;
    let took = began.elapsed();
    let is_whole = page.starts_with(b"HTTP/1.1 200 ") && page.trim_ascii_end().ends_with(b"</html>");
    assert!(is_whole, "no page: {}", String::from_utf8_lossy(&page[..page.len().min(200)]));
    Ok(took.as_secs_f64() * 1000.0)
}

fn print(found: Found) {
    println!("\n### The page\n\n| {TICKETS} tickets | |\n|---|---|");
    let row = |name: &str, figure: String| println!("| {name} | {figure} |");
    let [first, later, extra, at_once] =
        [found.first, found.later, found.extra, found.at_once].map(Spread::new);
    let [quiet, read, quiet_gap, read_gap, ratio] =
        [found.quiet, found.read, found.quiet_gap, found.read_gap, found.ratio].map(Spread::new);
    row("first page, ms", format!("{first:.0}"));
    row("a later page, ms", format!("{later:.0}"));
    row("memory of the first page, MiB", format!("{extra:.1}"));
    row("a page while four are loaded at once, ms", format!("{at_once:.0}"));
    row("polls a second without readers", format!("{quiet:.0}"));
    row("polls a second with four", format!("{read:.0}"));
    row("longest time without a poll, without readers, ms", format!("{quiet_gap:.0}"));
    row("longest time without a poll, with four, ms", format!("{read_gap:.0}"));
    row("polls with four, in relation, pair by pair", format!("{ratio:.3}"));
    println!();
    println!("{}", judged("first page under 200 ms", &format!("{:.0}", first.median), first.median < 200.0));
    println!("{}", judged("first page under 16 MiB", &format!("{:.1}", extra.median), extra.median < 16.0));
    let goal = "polls within 5 % while four are loaded";
    println!("{}", judged(goal, &format!("{:.3}", ratio.median), ratio.median >= 0.95));
}
