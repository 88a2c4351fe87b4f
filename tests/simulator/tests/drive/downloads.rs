//! What can go wrong with a download, and what the journal keeps of it.

use std::time::Duration;

use export_simulator::{Endpoint, Fault, Job, Target};

use crate::client::{APP, Bench, DOCUMENT, TICKET};

const OTHER: &str = "6933093124755412346";

/// Long enough for many pieces, short enough for the sockets' buffers.
const SIZE: usize = 200_000;

fn finished(shape: impl FnOnce(Job) -> Job) -> Bench {
    Bench::with_job(|mut job| {
        job.file_size = SIZE as i64;
        shape(job.succeeds_after(Duration::ZERO))
    })
}

/// The path of a ticket's file.
fn path(bench: &Bench, ticket: &str) -> String {
    let job = bench.simulator.jobs().into_iter().find(|job| job.ticket == ticket).unwrap();
    format!("/open-apis/drive/v1/export_tasks/file/{}/download", job.file_token)
}

/// Promise: a fault can be aimed at the downloads of one file; queries and other files do not count.
#[test]
fn a_fault_strikes_the_nth_download_of_a_ticket() {
    let bench = finished(|job| job);
    bench.simulator.add_job(Job::new(OTHER, DOCUMENT).succeeds_after(Duration::ZERO));
    bench.simulator.fault(Target::download_of(TICKET), 2, Fault::Html { status: 502 });
    let (own, other) = (path(&bench, TICKET), path(&bench, OTHER));
    let statuses = [bench.query(), bench.get(&own), bench.get(&other), bench.get(&own), bench.get(&own)]
        .map(|r| r.status);
    assert_eq!(statuses, [200, 200, 200, 502, 200]);
    assert_eq!(bench.simulator.downloads_of(TICKET).len(), 3);
}

/// Promise: downloads have a window of their own, of 100 a minute; the journal names the ticket of refused ones too.
#[test]
fn downloads_fill_their_own_window() {
    let bench = finished(|job| job);
    let file = path(&bench, TICKET);
    for _ in 0..100 {
        assert_eq!(bench.get(&file).status, 200);
    }
    assert_eq!(bench.get(&file).status_and_code(), (429, 99_991_400));
    assert_eq!(bench.query().code(), 0);
    let downloads = bench.simulator.downloads_of(TICKET);
    assert_eq!(downloads.iter().filter(|download| download.throttled).count(), 1);
    assert_eq!(bench.simulator.max_in_window(APP, Endpoint::Download, Duration::from_secs(60)), 101);
}
