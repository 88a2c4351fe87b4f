//! Every fault, as it looks on the wire.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use export_simulator::{Endpoint, Fault, Life, Scenario, Simulator, Target};

use crate::client::{APP, Bench, PATIENCE, Reply, TICKET, query_path, send};

fn bench() -> Bench {
    Bench::with_job(|job| job.life(Life::Forever))
}

/// The answer to a query that `fault` strikes; the next one is in good order again.
fn struck(fault: Fault) -> io::Result<Reply> {
    let bench = bench();
    bench.simulator.fault(TICKET, 1, fault);
    let reply = bench.try_query();
    assert_eq!(bench.query().code(), 0);
    let requests = bench.simulator.requests();
    assert_eq!(requests.iter().map(|request| request.faulty).collect::<Vec<_>>(), [true, false]);
    let status = reply.as_ref().ok().map(|reply| reply.status);
    assert_eq!(requests[0].status, status, "the journal knows what was sent");
    reply
}

#[test]
fn a_reset_is_a_reset() {
    assert_eq!(struck(Fault::Reset).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_close_comes_without_an_answer() {
    assert_eq!(struck(Fault::Close).unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn answers_that_are_no_answers() {
    let reply = struck(Fault::WrongJson).unwrap();
    assert!(reply.status == 200 && serde_json::from_slice::<serde_json::Value>(&reply.body).is_err());
    let reply = struck(Fault::InvalidUtf8).unwrap();
    assert!(reply.status == 200 && String::from_utf8(reply.body).is_err());
    let reply = struck(Fault::Empty { status: 200 }).unwrap();
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    let reply = struck(Fault::Html { status: 502 }).unwrap();
    assert!(reply.status == 502 && reply.body.starts_with(b"<html>"));
    assert_eq!(reply.header("Content-Type"), Some("text/html"));
    let reply = struck(Fault::PageNotFound).unwrap();
    assert_eq!((reply.status, &*reply.body), (404, &b"404 page not found"[..]));
    let raw = Fault::Raw { status: 504, content_type: "text/plain".to_owned(), body: "late".to_owned() };
    assert_eq!(&*struck(raw).unwrap().body, b"late");
}

#[test]
fn answers_with_headers() {
    let reply = struck(Fault::Unavailable { retry_after: Some(7) }).unwrap();
    assert_eq!((reply.status, reply.header("Retry-After")), (503, Some("7")));
    let location = "http://127.0.0.1:1/elsewhere".to_owned();
    let reply = struck(Fault::Redirect { status: 302, location: location.clone() }).unwrap();
    assert_eq!((reply.status, reply.header("Location")), (302, Some(&*location)));
    let headers = vec![("x-ogw-ratelimit-reset".to_owned(), "3".to_owned())];
    let reply =
        struck(Fault::Answer { status: 429, code: 99_991_400, msg: "wait".to_owned(), headers }).unwrap();
    assert_eq!(
        (reply.status_and_code(), reply.header("X-Ogw-Ratelimit-Reset")),
        ((429, 99_991_400), Some("3"))
    );
    assert_eq!(reply.json()["error"]["log_id"].as_str(), reply.header("X-Tt-Logid"));
    assert_eq!(struck(Fault::answer(500, 1_069_901, "")).unwrap().json()["msg"], "internal error");
}

#[test]
fn half_a_body_is_less_than_promised() {
    let reply = struck(Fault::HalfBody).unwrap();
    let promised: usize = reply.header("Content-Length").unwrap().parse().unwrap();
    assert_eq!((reply.status, reply.body.len()), (200, promised / 2));
}

#[test]
fn slow_and_late_answers_are_true_ones() {
    let begun = Instant::now();
    assert_eq!(struck(Fault::Delay { by: Duration::from_millis(50) }).unwrap().code(), 0);
    assert!(begun.elapsed() >= Duration::from_millis(50));
    let begun = Instant::now();
    assert_eq!(struck(Fault::Slow { bytes: 20, every: Duration::from_millis(5) }).unwrap().code(), 0);
    assert!(begun.elapsed() >= Duration::from_millis(30), "some 180 bytes");
}

#[test]
fn a_huge_body_is_streamed_whole() {
    let reply = struck(Fault::Huge { bytes: 3_000_000, content_length: false }).unwrap();
    assert_eq!((reply.header("Content-Length"), reply.body.len()), (None, 3_000_000));
    let reply = struck(Fault::Huge { bytes: 3_000_000, content_length: true }).unwrap();
    assert_eq!((reply.header("Content-Length"), reply.body.len()), (Some("3000000"), 3_000_000));
}

#[test]
fn a_huge_body_may_be_left_half_way() {
    let bench = bench();
    bench.simulator.fault(TICKET, 1, Fault::Huge { bytes: 256 << 20, content_length: true });
    let mut stream = open(&bench);
    let mut some = vec![0; 1 << 20];
    stream.read_exact(&mut some).unwrap();
    drop(stream);
    assert_eq!(bench.query().code(), 0);
}

fn open(bench: &Bench) -> TcpStream {
    let bearer = format!("Bearer {}", bench.token);
    let line = format!("GET {}", query_path(TICKET));
    send(bench.simulator.address(), &line, &[("Authorization", &bearer)], "").unwrap()
}

#[test]
fn a_hanging_request_ends_when_its_client_leaves() {
    let bench = bench();
    bench.simulator.fault(TICKET, 1, Fault::Hang);
    let stream = open(&bench);
    assert!(bench.simulator.wait_until(PATIENCE, |journal| journal.waiting_count() == 1));
    drop(stream);
    assert!(bench.simulator.wait_until(PATIENCE, |journal| journal.waiting_count() == 0));
    let request = &bench.simulator.polls_of(TICKET)[0];
    assert!(request.abandoned_at.is_some() && request.status.is_none());
}

#[test]
fn stopping_the_server_ends_hanging_requests() {
    let bench = bench();
    bench.simulator.fault(TICKET, 1, Fault::Hang);
    let mut stream = open(&bench);
    assert!(bench.simulator.wait_until(PATIENCE, |journal| journal.waiting_count() == 1));
    let address = bench.simulator.address();
    drop(bench);
    assert!(!matches!(stream.read(&mut [0; 1]), Ok(1..)));
    assert!(TcpStream::connect(address).is_err());
    let again = Simulator::spawn(Scenario { port: address.port(), ..Scenario::default() }).unwrap();
    assert_eq!(again.address(), address, "a stopped port can be had again");
}

#[test]
fn a_server_that_is_down_comes_back_with_all_it_knew() {
    let bench = bench();
    assert_eq!(bench.query().code(), 0);
    bench.simulator.stop_listening();
    let refused = bench.try_query().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    bench.simulator.listen_again().unwrap();
    assert_eq!(bench.query().code(), 0);
    assert_eq!(bench.simulator.polls_of(TICKET).len(), 2);
}

#[test]
fn a_stalled_body_stays_open() {
    let bench = bench();
    bench.simulator.fault(TICKET, 1, Fault::Stall);
    let mut stream = open(&bench);
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let rest = stream.read_to_end(&mut Vec::new()).unwrap_err();
    assert!(matches!(rest.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
}

#[test]
fn faults_strike_by_range_app_and_endpoint() {
    let bench = bench();
    let bad = Fault::Html { status: 502 };
    bench.simulator.fault(TICKET, 2..=3, bad.clone());
    let statuses: Vec<u16> = (0..4).map(|_| bench.query().status).collect();
    assert_eq!(statuses, [200, 502, 502, 200]);
    let tokens = bench.simulator.fault(Endpoint::TenantToken, .., bad.clone());
    assert_eq!((bench.fetch_own_token().status, bench.query().status), (502, 200));
    bench.simulator.clear_fault(tokens);
    bench.simulator.fault(Target::endpoint(Endpoint::Query).of_app(APP), 1.., bad.clone());
    assert_eq!((bench.fetch_own_token().status, bench.query().status), (200, 502));
    bench.simulator.clear_faults();
    bench.simulator.fault(Target::everything(), .., bad);
    assert_eq!((bench.fetch_own_token().status, bench.get("/").status), (502, 502));
}

#[test]
fn a_reset_spares_other_connections_and_keep_alive_goes_on() {
    let bench = bench();
    bench.simulator.fault(TICKET, 2, Fault::Reset);
    let mut stream = TcpStream::connect(bench.simulator.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        query_path(TICKET),
        bench.token
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    stream.write_all(request.as_bytes()).unwrap();
    let end = stream.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    assert_eq!(bench.query().code(), 0);
}
