//! What can go wrong with a download, and what the journal keeps of it.

use std::{
    io::{ErrorKind, Read},
    time::{Duration, Instant},
};

use export_simulator::{Endpoint, Fault, Job, Journal, Sent, Target};
use serde_json::json;

use crate::client::{APP, Bench, DOCUMENT, PATIENCE, Reply, TICKET, send};

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

/// The first download that `fault` strikes, as it comes, and the bytes that were due; the second one is whole.
fn struck(bench: &Bench, fault: Fault) -> (Reply, Vec<u8>) {
    bench.simulator.fault(Target::download_of(TICKET), 1, fault);
    let (file, due) = (path(bench, TICKET), bench.simulator.file_of(TICKET).pieces().flatten().collect());
    let reply = bench.get(&file);
    assert!(bench.get(&file).body == due, "the next one is whole");
    (reply, due)
}

fn length(reply: &Reply) -> Option<usize> {
    reply.header("Content-Length").map(|length| length.parse().unwrap())
}

/// Promise: a cut download promises more than it sends.
#[test]
fn a_cut_download_breaks_its_promise() {
    let (reply, due) = struck(&finished(|job| job), Fault::HalfBody);
    assert_eq!((reply.status, length(&reply), reply.body.len()), (200, Some(SIZE), SIZE / 2));
    assert!(due.starts_with(&reply.body));
}

/// Promise: a chunked download that is cut lacks the last chunk, so that a client can tell it from a whole one.
#[test]
fn a_cut_download_without_length_has_no_last_chunk() {
    let bench = finished(|job| job);
    bench.simulator.switch(|switches| switches.download.content_length = false);
    let ends = |nth| {
        let bearer = format!("Bearer {}", bench.token);
        let line = format!("GET {}", path(&bench, TICKET));
        let mut stream = send(bench.simulator.address(), &line, &[("Authorization", &bearer)], "").unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let head = String::from_utf8_lossy(&bytes[..500]).into_owned();
        assert!(head.contains("Transfer-Encoding: chunked") && !head.contains("Content-Length"), "{nth}");
        (bytes.len() > SIZE, bytes.ends_with(b"\r\n0\r\n\r\n"))
    };
    bench.simulator.fault(Target::download_of(TICKET), 1, Fault::HalfBody);
    assert_eq!(ends("cut"), (false, false));
    assert_eq!(ends("whole"), (true, true));
}

/// Promise: a file that is short or long ends cleanly, and its `Content-Length` agrees with what is sent.
#[test]
fn a_short_or_long_download_is_consistent_in_itself() {
    let bench = finished(|job| job);
    let (reply, due) = struck(&bench, Fault::ShortFile { by: 1 });
    assert_eq!((length(&reply), reply.body.len()), (Some(SIZE - 1), SIZE - 1));
    assert!(due.starts_with(&reply.body));
    let (reply, _) = struck(&bench, Fault::ShortFile { by: u64::MAX });
    assert_eq!((length(&reply), reply.body.len()), (Some(0), 0));
    let (reply, due) = struck(&bench, Fault::LongFile { by: 100_000 });
    assert_eq!((length(&reply), reply.body.len()), (Some(SIZE + 100_000), SIZE + 100_000));
    assert!(reply.body.starts_with(&due));
    assert_eq!(bench.query().result()["file_size"], SIZE);
}

/// Promise: only the first bytes are wrong, and only those of a file.
#[test]
fn wrong_first_bytes_come_in_the_right_length() {
    let bench = finished(|job| job);
    let (reply, due) = struck(&bench, Fault::WrongStart);
    assert_eq!((reply.status, length(&reply), reply.body.len()), (200, Some(SIZE), SIZE));
    assert!(!reply.body.starts_with(b"PK") && reply.body[100..] == due[100..]);
    bench.simulator.fault(TICKET, 1, Fault::WrongStart);
    assert_eq!(bench.query().code(), 0);
}

/// Promise: a stalled download sends half and stays open.
#[test]
fn a_stalled_download_falls_silent_half_way() {
    let bench = finished(|job| job);
    bench.simulator.fault(Target::download_of(TICKET), 1, Fault::Stall);
    let bearer = format!("Bearer {}", bench.token);
    let line = format!("GET {}", path(&bench, TICKET));
    let mut stream = send(bench.simulator.address(), &line, &[("Authorization", &bearer)], "").unwrap();
    stream.read_exact(&mut vec![0; SIZE / 2]).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut rest = Vec::new();
    let silence = stream.read_to_end(&mut rest).unwrap_err();
    assert!(matches!(silence.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    assert!(rest.len() < 1_000, "the head's length is left over: {}", rest.len());
}

/// Promise: a download that drips is slow and whole.
#[test]
fn a_dripping_download_is_whole_in_the_end() {
    let begun = Instant::now();
    let (reply, due) =
        struck(&finished(|job| job), Fault::Slow { bytes: 20_000, every: Duration::from_millis(5) });
    assert!(reply.body == due && begun.elapsed() >= Duration::from_millis(50));
}

/// Promise: an answer in place of the file comes with the status, type and code that its fault names.
#[test]
fn something_else_may_come_in_place_of_the_file() {
    let bench = finished(|job| job);
    let answer = |fault| struck(&bench, fault).0;
    assert_eq!(answer(Fault::answer(200, 1_069_901, "")).status_and_code(), (200, 1_069_901));
    assert_eq!(answer(Fault::answer(400, 1_060_001, "")).status_and_code(), (400, 1_060_001));
    let no_envelope =
        Fault::Raw { status: 200, content_type: "application/json".to_owned(), body: "{\"a\":1}".to_owned() };
    let reply = answer(no_envelope);
    assert_eq!((reply.status, reply.json()), (200, json!({"a": 1})));
    let reply = answer(Fault::Html { status: 200 });
    assert_eq!((reply.status, reply.header("Content-Type")), (200, Some("text/html")));
    let location = "http://127.0.0.1:1/file".to_owned();
    let reply = answer(Fault::Redirect { status: 302, location: location.clone() });
    assert_eq!((reply.status, reply.header("Location")), (302, Some(&*location)));
}

/// Promise: the journal says how much of each download went out, and whether that was all of it.
#[test]
fn the_journal_counts_what_was_sent() {
    let bench = finished(|job| job);
    struck(&bench, Fault::HalfBody);
    struck(&bench, Fault::ShortFile { by: 50 });
    bench.query();
    assert!(bench.simulator.wait_until(PATIENCE, |journal| {
        journal.downloads_of(TICKET).filter(|download| download.sent.is_some()).count() == 4
    }));
    let sent: Vec<_> =
        bench.simulator.downloads_of(TICKET).iter().filter_map(|download| download.sent).collect();
    let of = |bytes: usize, whole| Sent { bytes: bytes as u64, whole };
    assert_eq!(sent, [of(SIZE / 2, false), of(SIZE, true), of(SIZE - 50, true), of(SIZE, true)]);
    assert!(bench.simulator.polls_of(TICKET).iter().all(|poll| poll.sent.is_none()));
}

/// Promise: the journal shows that a client left half way, and nothing is sent after that.
#[test]
fn a_download_that_its_client_leaves_is_not_whole() {
    let bench = finished(|mut job| {
        job.true_size = Some(50 << 30);
        job
    });
    let bearer = format!("Bearer {}", bench.token);
    let line = format!("GET {}", path(&bench, TICKET));
    let mut stream = send(bench.simulator.address(), &line, &[("Authorization", &bearer)], "").unwrap();
    stream.read_exact(&mut vec![0; 1 << 20]).unwrap();
    assert_eq!(bench.simulator.downloads_of(TICKET)[0].sent, None, "it goes on");
    drop(stream);
    let left = |journal: &Journal| journal.downloads_of(TICKET).any(|download| download.sent.is_some());
    assert!(bench.simulator.wait_until(PATIENCE, left));
    let sent = bench.simulator.downloads_of(TICKET)[0].sent.unwrap();
    assert!(!sent.whole && (1 << 19..50 << 30).contains(&sent.bytes), "{sent:?}");
}
