//! The way from an order to its file.

use std::{io::Read, time::Duration};

use export_simulator::{Disposition, Job, Life, Scenario};
use serde_json::json;

use crate::client::{Bench, DOCUMENT, TICKET, read, send};

fn path(file_token: &str) -> String {
    format!("/open-apis/drive/v1/export_tasks/file/{file_token}/download")
}

fn finished(shape: impl FnOnce(Job) -> Job) -> (Bench, String) {
    let bench = Bench::with_job(|job| shape(job.succeeds_after(Duration::ZERO)));
    let file_token = bench.simulator.jobs()[0].file_token.clone();
    (bench, path(&file_token))
}

#[test]
fn an_order_becomes_a_file() {
    let bench = Bench::new(Scenario { life: Life::Forever, ..Scenario::default() });
    let order = json!({"file_extension": "pdf", "token": DOCUMENT, "type": "docx"});
    let reply = bench.post("/open-apis/drive/v1/export_tasks", &order);
    let ticket = reply.json()["data"]["ticket"].as_str().unwrap().to_owned();
    assert_eq!((reply.status, ticket.len()), (200, 19));
    let query = crate::client::query_path(&ticket);
    assert_eq!(bench.get(&query).result()["job_status"], 1);
    bench.simulator.finish_job(&ticket);
    let result = bench.get(&query).result();
    let file = bench.get(&path(result["file_token"].as_str().unwrap()));
    assert_eq!(file.status, 200);
    assert_eq!(file.body.len() as i64, result["file_size"].as_i64().unwrap());
    let tickets: Vec<_> =
        bench.simulator.requests().into_iter().map(|request| request.ticket.unwrap()).collect();
    assert!(
        tickets.iter().all(|recorded| **recorded == *ticket),
        "create, queries and download: {tickets:?}"
    );
}

#[test]
fn a_body_that_is_no_order_is_refused() {
    let bench = Bench::new(Scenario::default());
    assert_eq!(bench.create(&json!("no order")).status_and_code(), (400, 99_992_402));
}

#[test]
fn the_file_is_gone_after_its_time_or_for_others() {
    let (bench, file) = finished(|mut job| {
        job.age = Duration::from_secs(599);
        job
    });
    assert_eq!(bench.get(&file).status, 200);
    bench.simulator.switch(|switches| switches.download.lifetime = Duration::from_secs(599));
    assert_eq!(bench.get(&file).status_and_code(), (400, 1_060_001));
    assert_eq!(bench.get(&path("boxcnunknown")).status_and_code(), (400, 1_060_001));
    bench
        .simulator
        .switch(|switches| (switches.download.gone_status, switches.download.gone_code) = (404, 1_061_003));
    assert_eq!(bench.get(&file).status_and_code(), (404, 1_061_003));
    bench.simulator.set_life(TICKET, Life::Forever);
    assert_eq!(bench.get(&file).status, 404, "no file before the end");
}

#[test]
fn headers_of_a_download_follow_the_switches() {
    let (bench, file) = finished(|mut job| {
        (job.file_name, job.file_size) = ("周报".to_owned(), 1_000);
        job
    });
    let reply = bench.get(&file);
    assert_eq!((reply.header("Content-Length"), reply.header("Content-Disposition")), (Some("1000"), None));
    bench.simulator.switch(|switches| {
        switches.download.content_length = false;
        switches.download.range = true;
        switches.download.cap = 500;
        switches.download.disposition = Disposition::Extended;
    });
    let reply = bench.get(&file);
    assert_eq!((reply.header("Content-Length"), reply.body.len()), (None, 500));
    assert!(
        reply.header("Content-Disposition").unwrap().ends_with("filename*=UTF-8''%E5%91%A8%E6%8A%A5.docx")
    );
    bench.simulator.switch(|switches| switches.download.disposition = Disposition::Filename);
    assert!(bench.get(&file).header("Content-Disposition").unwrap().contains("filename=\"周报.docx\""));
    let bearer = format!("Bearer {}", bench.token);
    let headers = [("Authorization", bearer.as_str()), ("Range", "bytes=260-269")];
    let part = read(send(bench.simulator.address(), &format!("GET {file}"), &headers, "").unwrap()).unwrap();
    assert_eq!((part.status, part.header("Content-Range")), (206, Some("bytes 260-269/500")));
    let whole: Vec<u8> = bench.simulator.file_of(TICKET).pieces().flatten().collect();
    assert_eq!((&*part.body, whole.len()), (&whole[260..270], 500));
}

/// Promise: a client that compares with `file_of` finds the bytes that were sent, of each format.
#[test]
fn a_file_begins_as_its_format_does_and_is_the_expected_one() {
    for (extension, first) in
        [("docx", &b"PK\x03\x04"[..]), ("xlsx", b"PK\x03\x04"), ("pdf", b"%PDF-1.7\n"), ("csv", b"69")]
    {
        let (bench, file) = finished(|mut job| {
            (job.file_extension, job.file_size) = (extension.to_owned(), 200_000);
            job
        });
        let body = bench.get(&file).body;
        assert!(body.starts_with(first), "{extension}");
        let expected = bench.simulator.file_of(TICKET);
        assert_eq!(expected.size(), 200_000);
        assert!(body == expected.pieces().flatten().collect::<Vec<u8>>(), "{extension}");
    }
}

/// Promise: the length of a file costs neither memory nor time before its first byte.
#[test]
fn a_file_larger_than_memory_begins_at_once() {
    const SIZE: u64 = 50 << 30;
    let (bench, file) = finished(|mut job| {
        job.file_size = SIZE as i64;
        job
    });
    bench.simulator.switch(|switches| switches.download.range = true);
    let bearer = format!("Bearer {}", bench.token);
    let line = format!("GET {file}");
    let mut stream = send(bench.simulator.address(), &line, &[("Authorization", &bearer)], "").unwrap();
    let mut begin = vec![0; 1 << 20];
    stream.read_exact(&mut begin).unwrap();
    assert!(String::from_utf8_lossy(&begin).contains(&format!("Content-Length: {SIZE}\r\n")));
    let range = format!("bytes={}-", SIZE - 10);
    let headers = [("Authorization", bearer.as_str()), ("Range", &range)];
    let end = read(send(bench.simulator.address(), &line, &headers, "").unwrap()).unwrap();
    assert_eq!((end.status, end.body.len()), (206, 10));
}

/// Promise: what the query says of the size and what the download sends can differ, as a job wants.
#[test]
fn the_answered_size_may_be_wrong_negative_or_missing() {
    for (file_size, omit_file_size, true_size, answered, sent) in [
        (1_000, false, None, json!(1_000), 1_000),
        (1_000, false, Some(1_500), json!(1_000), 1_500),
        (-7, false, Some(1_500), json!(-7), 1_500),
        (-7, false, None, json!(-7), 0),
        (1_000, true, None, json!(null), 1_000),
        (i64::MAX, false, Some(0), json!(i64::MAX), 0),
    ] {
        let (bench, file) = finished(|job| Job { file_size, omit_file_size, true_size, ..job });
        assert_eq!(bench.query().result()["file_size"], answered);
        let reply = bench.get(&file);
        assert_eq!((reply.header("Content-Length"), reply.body.len()), (Some(&*sent.to_string()), sent));
        assert_eq!(bench.simulator.file_of(TICKET).size(), sent as u64);
    }
}
