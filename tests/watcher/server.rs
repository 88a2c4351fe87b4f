//! Health and status over HTTP: what they say, and that no client can misuse them.

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use export_simulator::{Endpoint, Fault, Job, Life};
use serde_json::Value;

use crate::canaries::{APP_SECRET, WRONG_SECRET};
use crate::full_disk::{MOUNT, bench_with_disk, fill, in_own_namespace, seen_by};
use crate::harness::{Bench, PATIENCE, Running};
use crate::health::code_and_errors;
use crate::http::{free_address, get, request, rest, send, served, serves, wait_answer, wait_status};
use crate::outputs::stdout;

const SECOND: Duration = Duration::from_secs(1);

/// A watcher with one running job, that serves and is ready.
pub(crate) fn service() -> (Bench, SocketAddr, Running) {
    let (bench, address) = served(Bench::new());
    bench.jobs([Job::new("70", "doc70").life(Life::Forever)]);
    let running = bench.start(&[]);
    running.wait_event("watcher.started", 1);
    wait_status(address, "/readyz", 200);
    (bench, address, running)
}

/// Promise: four paths and the page, to be read; whatever else is asked is not there, and nothing can be changed.
#[test]
fn four_paths_the_page_and_nothing_else() {
    let (bench, address, running) = service();
    assert_eq!(get(address, "/readyz").body, "ready\n");
    let live = get(address, "/livez");
    assert!(live.status == 200 && live.body.starts_with("the main loop last moved "), "{live:?}");
    for header in ["cache-control: no-store", "x-content-type-options: nosniff", "connection: close"] {
        assert!(live.head.contains(header), "{}", live.head);
    }
    let status = get(address, "/status");
    assert!(status.status == 200 && status.head.contains("content-type: application/json"), "{status:?}");
    for path in ["/livez", "/readyz", "/status", "/metrics", "/livez?verbose=1"] {
        let answer = request(address, "HEAD", path);
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
    }
    let before = bench.read("watcher.toml");
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        assert_eq!(request(address, method, "/livez").status, 404, "{method}");
        assert_eq!(request(address, method, "/status").status, 404, "{method}");
        assert_eq!(request(address, method, "/metrics").status, 404, "{method}");
    }
    for path in [
        "/ticket",
        "/ticket/default",
        "/ticket/default/",
        "/livez/",
        "/LIVEZ",
        "//livez",
        "/status/70",
        "/../livez",
        "/%6civez",
        "/metrics/",
        "*",
    ] {
        assert_eq!(get(address, path).status, 404, "{path}");
    }
    assert_eq!(bench.read("watcher.toml"), before);
    let ended = running.stop();
    assert_eq!(ended.code, Some(0));
    assert!(ended.events("server.listening")[0]["address"] == address.to_string(), "{}", ended.stdout);
    let about_server = ended.lines.iter().filter(|line| line["target"] == "feishu_export_watcher::http");
    assert_eq!(about_server.count(), 1, "no request is worth a line: {}", ended.stdout);
}

/// Promise: a page in a browser, whose own name leads to loopback, reads nothing.
#[test]
fn only_names_of_loopback_are_answered() {
    let (_bench, address, _running) = service();
    let asked =
        |path, line: &str| send(address, format!("GET {path} HTTP/1.1\r\n{line}\r\n").as_bytes()).status;
    let by = |line: &str| asked("/status", line);
    assert_eq!(by("Host: evil.example\r\n"), 404);
    assert_eq!(asked("/metrics", "Host: evil.example\r\n"), 404);
    assert_eq!(by(&format!("Host: evil.example:{}\r\n", address.port())), 404);
    assert_eq!(by(""), 404);
    assert_eq!(by("Host: localhost\r\nHost: evil.example\r\n"), 404);
    assert_eq!(by("Host: LOCALHOST\r\n"), 200);
    assert_eq!(send(address, b"GET /livez HTTP/1.0\r\n\r\n").status, 200);
}

/// Promise: `/status` is `status --format json`, in the same order, and the apps.
#[test]
fn status_is_what_the_command_prints() {
    let (bench, address) = served(Bench::new());
    bench.jobs([
        Job::new("9", "doc9").succeeds_after(Duration::ZERO),
        Job::new("10", "doc10").fails_after(Duration::ZERO, 107),
        Job::new("b", "docb").life(Life::Forever),
        Job::new("B", "docB").succeeds_after(Duration::ZERO),
    ]);
    let running = bench.start(&[]);
    running.wait_event("ticket.completed", 2);
    running.wait_event("ticket.failed", 1);
    let app = wait_settled(&bench, address);
    let keys: Vec<_> = app.as_object().unwrap().keys().collect();
    let expected =
        ["name", "state", "pause", "trouble", "pending", "budget_left", "rate_limit", "requests_this_month"];
    assert_eq!(keys, expected);
    assert_eq!(
        (&app["name"], &app["state"], &app["pending"]),
        (&"default".into(), &"active".into(), &1.into())
    );
    assert_eq!(app["pause"], Value::Null);
    assert_eq!(app["rate_limit"], serde_json::json!({ "requests": 100, "per_seconds": 60 }));
    let sent = bench.sim.count(Endpoint::Query) as u64;
    let counted = app["requests_this_month"].as_u64().unwrap();
    assert!((4..=sent).contains(&counted), "{counted} of {sent}");
    assert!(app["budget_left"].as_u64().unwrap() <= 96, "{app}");
}

/// Asks the command, the server and the command again, until nothing was written in between; compares, and
/// returns the app.
fn wait_settled(bench: &Bench, address: SocketAddr) -> Value {
    let everything = |mut status: Value| {
        status["generated_at"].take();
        status
    };
    for _ in 0..100 {
        let before = everything(bench.status());
        let answer = get(address, "/status");
        if everything(bench.status()) != before {
            continue;
        }
        let places = ["\"schema\"", "\"generated_at\"", "\"summary\"", "\"apps\"", "\"tickets\""];
        assert!(places.map(|key| answer.body.find(key)).is_sorted(), "{}", answer.body);
        let (mut shown, mut before) = (everything(answer.json()), before);
        let [apps, of_command] =
            [&mut shown, &mut before].map(|status| status.as_object_mut().unwrap().remove("apps").unwrap());
        assert_eq!(shown, before);
        assert_eq!(apps.as_array().unwrap().len(), 1);
        for field in ["name", "state", "pause", "trouble", "pending"] {
            assert_eq!(apps[0][field], of_command[0][field], "{field}");
        }
        return apps[0].clone();
    }
    panic!("the state file never rested");
}

/// Promise 8: what is wrong with an app makes the watcher neither dead nor, while another app goes on, unready.
/// `health` answers probes the same.
#[test]
fn an_app_at_fault_is_not_ready_and_lives() {
    let (bench, address) = served(Bench::new());
    bench.jobs([Job::new("70", "doc70").life(Life::Forever)]);
    bench.secret("app_secret", WRONG_SECRET);
    let running = bench.start(&[]);
    running.wait_event("app.paused", 1);
    // At first nothing is known of the state file either.
    let unready = wait_answer(address, "/readyz", "the pause alone", |answer| {
        answer.status == 503
            && answer.body.starts_with(
                "app default is paused: app id, secret or token is wrong: app secret invalid; put the right",
            )
    });
    assert_eq!(get(address, "/livez").status, 200);
    let app = &get(address, "/status").json()["apps"][0];
    assert_eq!((&app["state"], &app["pause"]["reason"]), (&"paused".into(), &"credentials_rejected".into()));
    assert_eq!(
        (&app["trouble"]["reason"], &app["trouble"]["endpoint"]),
        (&"credentials_rejected".into(), &"token".into())
    );
    assert!(app["trouble"]["message"].is_string(), "{app}");
    assert_eq!(app["pause"]["until"], Value::Null);
    assert!(app["pause"]["next"].as_str() >= app["pause"]["since"].as_str(), "{app}");
    assert_eq!(code_and_errors(&bench.output("health", &[])), (Some(0), String::new()));
    assert_eq!(code_and_errors(&bench.output("health", &["--ready"])), (Some(1), unready.body.clone()));

    bench.secret("app_secret", APP_SECRET);
    running.wait_event("app.resumed", 1);
    wait_status(address, "/readyz", 200);
    let ready = bench.output("health", &["--ready"]);
    assert_eq!((code_and_errors(&ready).0, stdout(&ready).as_str()), (Some(0), "ready\n"));
}

/// Promise: a server that can't be reached from the very start shows wherever people and programs look: in both
/// forms of the status, in readiness, and in the last words of a batch.
#[test]
fn a_server_that_is_not_reached_shows() {
    let (bench, address) = served(Bench::new());
    bench.jobs([Job::new("70", "doc70").life(Life::Forever)]);
    let nowhere = format!("http://{}", free_address());
    bench.reconfigure(&bench.sim.base_url(), &nowhere);
    let running = bench.start(&["--until-done"]);
    let unready = wait_answer(address, "/readyz", "the outage", |answer| {
        answer.status == 503 && answer.body.starts_with("app default is degraded: server not reached: ")
    });
    assert!(unready.body.contains("look at DNS, proxy and firewall"), "{unready:?}");
    assert_eq!(code_and_errors(&bench.output("health", &["--ready"])), (Some(1), unready.body.clone()));
    assert_eq!(get(address, "/livez").status, 200);
    let app = &get(address, "/status").json()["apps"][0];
    assert_eq!((&app["state"], &app["pause"]), (&"degraded".into(), &Value::Null));
    assert_eq!(
        (&app["trouble"]["reason"], &app["trouble"]["endpoint"]),
        (&"network".into(), &"token".into())
    );
    let until = Instant::now() + PATIENCE;
    while bench.status()["apps"][0]["state"] != "degraded" {
        assert!(Instant::now() < until, "not in the state file: {}", bench.status());
    }
    let table = stdout(&bench.output("status", &[]));
    let row = table.lines().nth(1).unwrap();
    assert!(row.contains("  network  ") && row.ends_with("  waits for its app"), "{table}");
    assert!(table.contains("\ndefault  1 pending; degraded for "), "{table}");
    assert!(table.contains(": server not reached: "), "{table}");
    let ended = running.stop();
    assert!(ended.stderr.contains("app default is degraded: server not reached: "), "{}", ended.stderr);
    assert_eq!(bench.status()["apps"][0]["state"], Value::Null, "no watcher runs");
}

/// Promise 8: a full disk is no reason for a restart, which would not help, but not ready.
#[test]
fn a_full_disk_is_not_ready_and_lives() {
    let Some(bench) = bench_with_disk() else { return };
    let (bench, address) = served(bench);
    bench.jobs([Job::new("70", "doc70").life(Life::Forever)]);
    let running = Running::start(in_own_namespace(&bench, &format!("{MOUNT} exec \"$0\" \"$@\""), &[]));
    wait_status(address, "/readyz", 200);
    wait_all_written(address, 1);
    let filler = seen_by(&running, &bench.path("disk/filler"));
    fill(&filler);
    let unready = wait_status(address, "/readyz", 503);
    assert!(unready.body.contains("the state file can't be written"), "{unready:?}");
    assert_eq!(get(address, "/livez").status, 200);
    assert_eq!(get(address, "/status").json()["summary"]["pending"], 1, "it can still be read");
    std::fs::remove_file(&filler).unwrap();
    wait_status(address, "/readyz", 200);
}

/// Promise: four hundred clients that say nothing and one that speaks slowly keep no probe waiting, and are
/// cut off.
#[test]
fn silent_and_slow_clients_are_cut_off() {
    let (bench, address, running) = service();
    let began = Instant::now();
    let mut silent: Vec<_> = (0..400).map(|_| TcpStream::connect(address).unwrap()).collect();
    for path in ["/livez", "/readyz", "/status"] {
        assert_eq!(get(address, path).status, 200);
    }
    assert!(began.elapsed() < 4 * SECOND, "not before the silent ones were cut off: {:?}", began.elapsed());
    assert_eq!(bench.output("health", &[]).status.code(), Some(0));
    let descriptors = format!("/proc/{}/fd", running.pid().as_raw_nonzero());
    let open = std::fs::read_dir(descriptors).unwrap().count();
    assert!(open < 320, "{open} descriptors");

    let mut slow = TcpStream::connect(address).unwrap();
    let spoke = Instant::now();
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n").unwrap();
    while slow.write_all(b"X-Slow: yes\r\n").is_ok() {
        assert!(spoke.elapsed() < 15 * SECOND, "never cut off");
        std::thread::sleep(Duration::from_millis(100));
    }
    for socket in &mut silent {
        socket.set_read_timeout(Some(10 * SECOND)).unwrap();
        assert!(rest(socket).is_empty());
    }
}

/// Promise: a client that asks and then ends its side, as `nc -N` does, is answered in full.
#[test]
fn half_a_connection_is_answered() {
    let (_bench, address, _running) = service();
    for path in ["/livez", "/status"] {
        let mut socket = TcpStream::connect(address).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let answer = rest(&mut socket);
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{path}: {}", String::from_utf8_lossy(&answer));
        assert!(path != "/status" || answer.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&answer));
    }
}

/// Promise: what is too large or makes no sense is cut off and harms no other client.
#[test]
fn oversized_and_garbled_requests_are_cut_off() {
    let (_bench, address, running) = service();
    let header = |length| {
        let filler = "x".repeat(length);
        send(
            address,
            format!("GET /livez HTTP/1.1\r\nHost: {address}\r\nX-Long: {filler}\r\n\r\n").as_bytes(),
        )
    };
    assert_eq!(header(6 << 10).status, 200);
    assert!([0, 431].contains(&header(64 << 10).status));
    assert!([0, 431].contains(&header(16 << 20).status));
    let many = "X-More: 1\r\n".repeat(1000);
    let many = send(address, format!("GET /livez HTTP/1.1\r\nHost: {address}\r\n{many}\r\n").as_bytes());
    assert!([0, 431].contains(&many.status), "{many:?}");
    for garbage in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], &[0xff; 3000], b"GET /livez\r\n\r\n"]
    {
        assert!([0, 400].contains(&send(address, &[garbage, b"\r\n\r\n"].concat()).status));
    }
    let good = format!("GET /livez HTTP/1.1\r\nHost: {address}\r\n\r\n");
    for tail in [&[0xff; 100_000][..], good.repeat(1000).as_bytes()] {
        let answer = send(address, &[good.as_bytes(), tail].concat());
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body.lines().count(), 1, "one answer a connection: {answer:?}");
    }
    let body = format!("POST /livez HTTP/1.1\r\nHost: {address}\r\nContent-Length: 99999999999\r\n\r\n");
    assert_eq!(send(address, body.as_bytes()).status, 404, "a body is not waited for");
    assert_eq!(get(address, "/livez").status, 200);
    assert_eq!(running.stop().code, Some(0));
}

/// Promise: one status at a time; a client that does not take it holds up neither probes nor a stop, nor does
/// it leave anything behind.
#[test]
fn a_status_without_a_reader_holds_up_nothing() {
    let (bench, address) = served(Bench::new());
    let label = "x".repeat(100);
    let list =
        |number| format!("[[ticket]]\nticket = \"69{number:05}\"\ntoken = \"d\"\nlabel = \"{label}\"\n");
    bench.write("watchlist.toml", &(0..30_000).map(list).collect::<String>());
    let running = bench.start(&[]);
    wait_all_written(address, 30_000);
    let mut stalled = TcpStream::connect(address).unwrap();
    stalled.write_all(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut first = [0; 1];
    stalled.peek(&mut first).unwrap();
    let second = get(address, "/status");
    assert!(second.status == 503 && second.head.contains("retry-after: 1"), "{second:?}");
    assert_eq!(get(address, "/livez").status, 200);
    assert_eq!(get(address, "/readyz").status, 200);
    let asked = Instant::now();
    assert_eq!(running.stop().code, Some(0));
    assert!(asked.elapsed() < 5 * SECOND, "{:?}", asked.elapsed());
    let left = std::fs::metadata(bench.path("state.db-wal")).map_or(0, |log| log.len());
    assert_eq!(left, 0, "a reader held back the log");
    let received = rest(&mut stalled);
    assert!(!received.ends_with(b"0\r\n\r\n"), "what was cut off must not look whole");
}

/// Promise: a client that has read a status to its end may ask for the next at once.
#[test]
fn one_status_after_another_is_answered() {
    let (_bench, address, _running) = service();
    for nth in 0..200 {
        let answer = get(address, "/status");
        assert_eq!(answer.status, 200, "{nth}: {answer:?}");
    }
}

fn wait_all_written(address: SocketAddr, count: usize) {
    let until = Instant::now() + PATIENCE;
    loop {
        let shown = wait_status(address, "/status", 200).json()["tickets"].as_array().unwrap().len();
        if shown == count {
            return;
        }
        assert!(Instant::now() < until, "{shown} of {count} tickets");
    }
}

/// Promise: a port that another process has is said with 1, before anything is started; the lock is free again.
#[test]
fn a_port_that_is_taken_is_reported() {
    let (bench, address) = served(Bench::new());
    bench.jobs([Job::new("70", "doc70").succeeds_after(Duration::ZERO)]);
    let other = TcpListener::bind(address).unwrap();
    let ended = bench.run();
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stdout, "");
    let expected =
        format!("error: failed to listen on {address}; another process has this port, stop it or give");
    assert!(ended.stderr.starts_with(&expected), "{}", ended.stderr);
    assert!(bench.sim.requests().is_empty());
    drop(other);
    assert_eq!(bench.run().code, Some(0));
    let nowhere = SocketAddr::new("192.0.2.1".parse().unwrap(), address.port());
    let remote = format!("listen = \"{nowhere}\"\nallow_remote = true");
    bench.reconfigure(&format!("listen = \"{address}\""), &remote);
    let ended = bench.run();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains(&format!("{nowhere}; this machine has no such address")),
        "{}",
        ended.stderr
    );
}

/// Promise: of two watchers on one state file and one port, the second reports the first.
#[test]
fn the_second_of_two_reports_the_first() {
    let (bench, address, _running) = service();
    let second = bench.run();
    assert_eq!((second.code, second.stdout.as_str()), (Some(12), ""), "{}", second.stderr);
    assert_eq!(get(address, "/livez").status, 200);
}

/// Promise: a watcher that stops is not ready, while polls in flight may still end.
#[test]
fn a_stop_is_not_ready_and_lives() {
    let (bench, address) = served(Bench::new());
    bench.jobs([Job::new("70", "doc70").life(Life::Forever)]);
    bench.sim.fault("70", 1, Fault::Delay { by: 2 * SECOND - Duration::from_millis(300) });
    let running = bench.start(&[]);
    assert!(bench.sim.wait_until(PATIENCE, |journal| journal.polls_of("70").count() > 0));
    running.signal(rustix::process::Signal::TERM);
    running.wait_event("watcher.stopping", 1);
    let unready = get(address, "/readyz");
    assert_eq!((unready.status, unready.body.as_str()), (503, "the watcher is stopping\n"));
    assert_eq!(get(address, "/livez").status, 200);
    assert_eq!(running.wait().code, Some(0));
    assert!(TcpStream::connect(address).is_err());
}

/// Promise: `check` says where health will be served, and refuses what other machines could reach.
#[test]
fn check_prints_the_address() {
    let (bench, address) = served(Bench::new());
    bench.jobs([]);
    let said = stdout(&bench.output("check", &[]));
    assert!(said.contains(&format!("server         {address}\n")), "{said}");
    bench.reconfigure(&address.to_string(), "0.0.0.0:9464");
    let check = bench.output("check", &[]);
    assert_eq!(check.status.code(), Some(78));
    assert!(
        stdout(&check).contains("watcher.toml:3:10: error: `listen`: other machines"),
        "{}",
        stdout(&check)
    );
    assert_eq!(bench.run().code, Some(78));
}

/// A container's way: reachable from outside, and asked by `health` on loopback.
#[test]
fn a_server_on_every_address_is_asked_on_loopback() {
    let bench = Bench::new();
    bench.jobs([Job::new("70", "doc70").life(Life::Forever)]);
    let address = free_address();
    serves(&bench, address);
    let server = format!("[server]\nlisten = \"0.0.0.0:{}\"\nallow_remote = true\n[poll]", address.port());
    bench.reconfigure("[poll]", &server);
    let _running = bench.start(&[]);
    wait_status(address, "/livez", 200);
    assert_eq!(code_and_errors(&bench.output("health", &[])), (Some(0), String::new()));
    let named = send(address, b"GET /livez HTTP/1.1\r\nHost: watcher.default.svc\r\n\r\n");
    assert_eq!(named.status, 200);
}

/// Promise 8: a loop that stands still shows within seconds, and so does its recovery; the server does not stand
/// still with it.
#[cfg(feature = "hold-up")]
#[test]
fn a_loop_that_stands_still_shows() {
    let (bench, address) = served(Bench::new());
    bench.jobs([Job::new("70", "doc70").life(Life::Forever)]);
    let mut command = bench.command("run", &[]);
    command.env("FEISHU_EXPORT_WATCHER_HOLD_UP", bench.path("hold"));
    let running = Running::start(command);
    wait_status(address, "/readyz", 200);
    wait_all_written(address, 1);
    bench.write("hold", "");
    let held = Instant::now();
    let dead = wait_status(address, "/livez", 503);
    assert!(held.elapsed() > 8 * SECOND && held.elapsed() < 20 * SECOND, "{:?}", held.elapsed());
    assert!(dead.body.starts_with("the main loop last moved 1"), "{dead:?}");
    let (code, said) = code_and_errors(&bench.output("health", &[]));
    assert!(code == Some(1) && said.starts_with("the main loop last moved 1"), "{said}");
    assert_eq!(get(address, "/readyz").status, 503);
    assert_eq!(get(address, "/status").json()["summary"]["pending"], 1);
    std::fs::remove_file(bench.path("hold")).unwrap();
    wait_status(address, "/livez", 200);
    wait_status(address, "/readyz", 200);
    assert_eq!(code_and_errors(&bench.output("health", &[])), (Some(0), String::new()));
    assert_eq!(running.stop().code, Some(0));
}
