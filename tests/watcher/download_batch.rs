//! A batch of the size that people have, with everything that is likely to go wrong in it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use export_simulator::{DEFAULT_APP_ID, Endpoint, Fault, Job, Life, Scenario};
use rustix::process::Signal;

use crate::harness::{Bench, Ended, default_app};
use crate::saved::{DOWNLOAD, assert_row_saved, done, download_of, files_below};

const TICKETS: usize = 300;

/// The platform's own limit; its minute is shortened, so that the test is short.
const REQUESTS: usize = 100;
const PER: Duration = Duration::from_secs(5);

/// Every twentieth file meets one of these in its first download.
fn faults() -> [Fault; 15] {
    let raw = |body: &str| Fault::Raw {
        status: 200,
        content_type: "application/json".to_owned(),
        body: body.to_owned(),
    };
    [
        Fault::HalfBody,
        Fault::Stall,
        Fault::Html { status: 502 },
        Fault::Reset,
        Fault::ShortFile { by: 100 },
        Fault::LongFile { by: 100 },
        Fault::WrongStart,
        Fault::Hang,
        raw(r#"{"code":1069901,"msg":"internal error"}"#),
        raw("[]"),
        Fault::Html { status: 200 },
        Fault::Redirect { status: 302, location: "http://127.0.0.1:1/".to_owned() },
        Fault::answer(400, 1_060_001, "invalid parameter"),
        Fault::answer(200, 99_991_663, "Invalid access token"),
        Fault::Unavailable { retry_after: Some(1) },
    ]
}

fn bench() -> Bench {
    let scenario = Scenario { seed: 7, ..Scenario::with_apps([default_app(REQUESTS, PER)]) };
    let bench = Bench::with(scenario);
    bench.configure(&format!("{DOWNLOAD}idle_timeout = \"2s\""));
    let limit = format!("rate_limit = {{ requests = {REQUESTS}, per = \"{}s\" }}\n", PER.as_secs());
    let config = bench.read("watcher.toml") + &limit;
    bench.write("watcher.toml", &config.replace("\"100ms\"", "\"2s\"").replace("\"1s\"\n", "\"20s\"\n"));
    let life = Life::Lognormal { median: Duration::from_secs(1), sigma: 1.0, failing: 0.0 };
    // Titles repeat, and so names do.
    bench.jobs((0..TICKETS).map(|number| Job {
        file_name: format!("周报 {}", number % 100),
        file_size: 20_000 + 1_000 * i64::try_from(number).unwrap(),
        life: Some(life.clone()),
        ..done(&ticket(number))
    }));
    for (number, fault) in (0..TICKETS).step_by(20).zip(faults()) {
        bench.sim.fault(download_of(&ticket(number)), 1, fault);
    }
    bench
}

fn ticket(number: usize) -> String {
    format!("69{number:04}")
}

/// Tickets that a log calls saved.
fn saved(ended: &Ended) -> Vec<String> {
    ended.events("file.saved").into_iter().map(|line| line["ticket"].to_string()).collect()
}

/// Promises 1, 5 and 6: three hundred exports under the platform's limits, 5 % of whose downloads fail, with a SIGTERM
/// and a SIGKILL in the middle: three hundred right files, each once, each announced, and no request too many.
#[test]
fn three_hundred_files_through_faults_and_deaths() {
    let bench = bench();
    let began = Instant::now();
    let stopped = bench.start(&["--until-done"]);
    stopped.wait_event("file.saved", 60);
    stopped.signal(Signal::TERM);
    let stopped = stopped.wait();
    assert_eq!(stopped.code, Some(11), "{}", stopped.stderr);
    let killed = bench.start(&["--until-done"]);
    killed.wait_event("file.saved", 60);
    let killed = killed.kill();
    let last = bench.run();
    assert_eq!(last.code, Some(0), "{}\n{:#?}", last.stderr, last.events("file.expired"));
    println!("{TICKETS} files in {:.1?}, {} downloads", began.elapsed(), bench.sim.count(Endpoint::Download));

    let rows = bench.tickets();
    assert_eq!(rows.len(), TICKETS);
    rows.iter().for_each(|row| assert_row_saved(&bench, row));
    let named: BTreeSet<_> =
        rows.iter().map(|row| Path::new(row["file"]["path"].as_str().unwrap()).to_owned()).collect();
    let there: BTreeSet<_> = files_below(&bench.path("exports"))
        .into_iter()
        .map(|path| bench.path("exports").join(path))
        .collect();
    assert_eq!(there, named, "each once, and nothing else");
    let announced: BTreeSet<_> = [&stopped, &killed, &last].into_iter().flat_map(saved).collect();
    assert_eq!(announced.len(), TICKETS);
    for endpoint in [Endpoint::Query, Endpoint::Download] {
        assert!(bench.sim.max_in_window(DEFAULT_APP_ID, endpoint, PER) <= REQUESTS, "{endpoint:?}");
    }
    assert_eq!(bench.sim.throttled_count(), 0);
    let struck = bench.sim.journal(|journal| journal.of(Endpoint::Download).filter(|it| it.faulty).count());
    assert_eq!(struck, faults().len());
}
