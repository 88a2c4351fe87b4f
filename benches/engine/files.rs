//! How fast files are fetched and saved by the whole watcher, beside `curl` and `sha256sum`, and how much memory that
//! takes.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, iter};

use tempfile::TempDir;

use crate::daemon::{Place, Spent, list_of, spent};
use crate::figures::{Spread, judged};
use crate::server::Server;

const MIB: u64 = 1 << 20;

/// So many files of so many bytes.
struct Set {
    name: &'static str,
    files: usize,
    size: u64,
}

const SETS: [Set; 2] = [
    Set { name: "one of 1 GiB", files: 1, size: 1024 * MIB },
    Set { name: "200 of 5 MiB", files: 200, size: 5 * MIB },
];

/// Files for which memory is measured, all in flight at once.
const AT_ONCE: usize = 32;

/// As shipped, and the number of curls at once.
const MAX_IN_FLIGHT: usize = 4;

/// No file waits for the budget.
const APP: &str = "rate_limit = { requests = 10000, per = \"60s\" }";

/// Who fetches the files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Means {
    Watcher,
    Curl,
    /// With the file synced, as the watcher does.
    CurlAndSync,
}

/// Measures all and prints what came of it.
pub(crate) fn measure(rounds: usize) -> io::Result<()> {
    println!(
        "\n### Files\n\n| | seconds | beside the watcher | processor seconds a GiB |\n|---|---|---|---|"
    );
    let mut goals = Vec::new();
    for (folder, name) in [(Path::new("/dev/shm"), "in memory"), (&env::temp_dir(), "on disk")] {
        for set in &SETS {
            let title = format!("{}, {name}", set.name);
            let ratios = compare(set, folder, &title, rounds)?;
            goals.extend(ratios.map(|(beside, ratio)| {
                judged(&format!("{title}: as fast as {beside}"), &format!("{ratio:.2}"), ratio.median >= 1.0)
            }));
        }
    }
    let memory = Spread::new((0..rounds).map(|_| memory()).collect::<io::Result<_>>()?);
    println!("\n{AT_ONCE} files of 256 MiB at once: at most {memory:.1} MiB of memory\n");
    goals.push(judged("memory at most 64 MiB", &format!("{memory:.1}"), memory.most <= 64.0));
    goals.iter().for_each(|goal| println!("{goal}"));
    Ok(())
}

/// Runs all means in turn, prints a row each, and returns how many times longer than the watcher the others took.
fn compare(
    set: &Set,
    folder: &Path,
    title: &str,
    rounds: usize,
) -> io::Result<impl Iterator<Item = (&'static str, Spread)>> {
    let all = [
        ("watcher", Means::Watcher),
        ("curl, sha256sum", Means::Curl),
        ("curl, sha256sum, sync", Means::CurlAndSync),
    ];
    let mut runs = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for ((_, means), runs) in all.iter().zip(&mut runs) {
            runs.push(fetch(set, folder, *means)?);
        }
    }
    let gibibytes = (set.files as u64 * set.size) as f64 / (1024 * MIB) as f64;
    let ratio = |runs: &[Spent], watcher: &[Spent]| {
        let pairs = runs.iter().zip(watcher);
        Spread::new(pairs.map(|(it, watcher)| it.time.as_secs_f64() / watcher.time.as_secs_f64()).collect())
    };
    let ratios = runs.each_ref().map(|it| ratio(it, &runs[0]));
    for (((name, _), runs), ratio) in all.iter().zip(&runs).zip(&ratios) {
        let time = Spread::new(runs.iter().map(|it| it.time.as_secs_f64()).collect());
        let processor = Spread::new(runs.iter().map(|it| it.processor.as_secs_f64() / gibibytes).collect());
        println!("| {title}: {name} | {time:.2} | {ratio:.2} | {processor:.2} |");
    }
    Ok(all.into_iter().map(|(name, _)| name).zip(ratios).skip(1))
}

fn fetch(set: &Set, folder: &Path, means: Means) -> io::Result<Spent> {
    let server = Server::with_files(set.files, 0, set.size)?;
    match means {
        Means::Watcher => watcher(set, folder, &server),
        Means::Curl => curl(set, folder, &server, ""),
        Means::CurlAndSync => curl(set, folder, &server, "&& sync $0"),
    }
}

/// A batch, from the start of the process to its end: access token, a poll and a download each, all files saved.
fn watcher(set: &Set, folder: &Path, server: &Server) -> io::Result<Spent> {
    let place = Place::below(folder, server, &section(MAX_IN_FLIGHT), APP)?;
    place.list(&list_of(0..set.files as u64))?;
    let spent = place.start(&["--until-done"])?.spent();
    check(set, &place.path("files"))?;
    Ok(spent)
}

/// `curl -o` and then `sha256sum` for each file, as many at once as the watcher has in flight.
fn curl(set: &Set, folder: &Path, server: &Server, then: &str) -> io::Result<Spent> {
    let folder = TempDir::new_in(folder)?;
    let each = format!("curl --silent --fail --output $0 {} && sha256sum $0 {then}", server.file_url());
    let all = format!("seq {} | xargs -P {MAX_IN_FLIGHT} -n 1 sh -c '{each}'", set.files);
    let started = Instant::now();
    let mut command = Command::new("sh");
    command.arg("-c").arg(all).current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::null());
    let spent = spent(&mut command.spawn()?, started);
    check(set, folder.path())?;
    Ok(spent)
}

/// The most memory that the watcher has while all files are in flight, in MiB.
fn memory() -> io::Result<f64> {
    let server = Server::with_files(AT_ONCE, 0, 256 * MIB)?;
    let place = Place::new(&server, &section(AT_ONCE), APP)?;
    place.list(&list_of(0..AT_ONCE as u64))?;
    let mut daemon = place.start(&[])?;
    daemon.wait("the files", |daemon| daemon.events("file.saved") == AT_ONCE);
    assert_eq!(server.most_at_once(), AT_ONCE);
    let most = daemon.memory("VmHWM");
    assert!(daemon.stop());
    Ok(most)
}

fn section(max_in_flight: usize) -> String {
    format!(
        "[download]\nfolder = \"files\"\nname = \"{{ticket}}.{{file_extension}}\"\nmax_in_flight = {max_in_flight}\n"
    )
}

/// All files are there and whole.
fn check(set: &Set, folder: &Path) -> io::Result<()> {
    let sizes: Vec<u64> =
        fs::read_dir(folder)?.map(|it| Ok(it?.metadata()?.len())).collect::<io::Result<_>>()?;
    assert!(sizes.into_iter().eq(iter::repeat_n(set.size, set.files)), "not all files are there");
    Ok(())
}
