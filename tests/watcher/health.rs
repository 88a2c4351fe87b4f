//! The command that asks how a watcher is: its two answers, and what it does not need.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Output;
use std::time::{Duration, Instant};

use crate::harness::Bench;
use crate::http::{free_address, rest, served};
use crate::outputs::{stderr, stdout};
use crate::server::service;

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn code_and_errors(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), stderr(output))
}

/// Promise: `health` says 0 or 1 and, where it is 1, why; only a slip in the command line is another code.
#[test]
fn health_has_two_answers() {
    let bench = Bench::new();
    let (code, said) = code_and_errors(&bench.output("health", &[]));
    assert!(code == Some(1) && said.contains("watcher.toml has no [server] section"), "{said}");
    let (bench, address) = served(bench);
    // Neither of these is looked at.
    std::fs::remove_file(bench.path("app_secret")).unwrap();
    bench.write("watchlist.toml", "no list");
    let (code, said) = code_and_errors(&bench.output("health", &[]));
    assert!(code == Some(1) && said.contains(&format!("failed to reach the watcher at {address}")), "{said}");
    let other = TcpListener::bind(address).unwrap();
    let asked = Instant::now();
    let (code, said) = code_and_errors(&bench.output("health", &[]));
    assert!(code == Some(1) && said.contains("gave no answer within 5 s"), "{said}");
    assert!(asked.elapsed() < 8 * SECOND, "{:?}", asked.elapsed());
    let stranger = std::thread::spawn(move || {
        // The first is that of the call that waited in vain.
        for (mut socket, _) in [other.accept().unwrap(), other.accept().unwrap()] {
            let _ = socket.read(&mut [0; 1024]);
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
            rest(&mut socket);
        }
    });
    let (code, said) = code_and_errors(&bench.output("health", &[]));
    assert!(code == Some(1) && said.contains("is no watcher; another program has its port"), "{said}");
    stranger.join().unwrap();
    bench.reconfigure("listen = ", "listne = ");
    let (code, said) = code_and_errors(&bench.output("health", &[]));
    assert!(code == Some(1) && said.contains("did you mean `listen`?"), "{said}");
    assert_eq!(bench.output("health", &["--redy"]).status.code(), Some(2));
}

/// Promise: a mistake in watcher.toml makes no watcher that runs look ill, as long as the file says where to ask.
#[test]
fn health_needs_the_address_alone() {
    let (bench, address, _running) = service();
    for (right, wrong) in [("initial_interval", "intial_interval"), ("app_id", "app id"), ("[apps", "[app")] {
        bench.reconfigure(right, wrong);
        let health = bench.output("health", &[]);
        let (code, said) = code_and_errors(&health);
        assert!(code == Some(0) && stdout(&health).starts_with("the main loop last moved"), "{said}");
        assert!(said.contains("watcher.toml is invalid, `check` says why"), "{said}");
    }
    assert_eq!(bench.output("check", &[]).status.code(), Some(78));
    bench.reconfigure(&address.to_string(), &free_address().to_string());
    let (code, said) = code_and_errors(&bench.output("health", &[]));
    assert!(
        code == Some(1) && said.contains("another [server] listen was in force when it started"),
        "{said}"
    );
}

/// Promise: an answer that says nothing has its status named, so that a probe's log is never an empty line.
#[test]
fn health_is_never_silent() {
    let (bench, address) = served(Bench::new());
    let server = TcpListener::bind(address).unwrap();
    for (answer, expected) in [
        (
            "302 Found\r\nLocation: /\r\nContent-Length: 0",
            "answered 302 Found for /livez, with an empty body\n",
        ),
        ("204 No Content", "answered 204 No Content for /livez, with an empty body\n"),
        (
            "503 Service Unavailable\r\nContent-Length: 1",
            "answered 503 Service Unavailable for /livez, with an empty body\n",
        ),
        ("404 Not Found\r\nContent-Length: 4", "answered 404 Not Found for /livez: what\n"),
    ] {
        let answering = {
            let server = server.try_clone().unwrap();
            let body = if answer.starts_with('4') {
                "what"
            } else if answer.starts_with('5') {
                "\n"
            } else {
                ""
            };
            let answer = format!("HTTP/1.1 {answer}\r\nServer: feishu-export-watcher\r\n\r\n{body}");
            std::thread::spawn(move || {
                let (mut socket, _) = server.accept().unwrap();
                let _ = socket.read(&mut [0; 1024]);
                socket.write_all(answer.as_bytes()).unwrap();
            })
        };
        let (code, said) = code_and_errors(&bench.output("health", &[]));
        assert_eq!((code, said), (Some(1), format!("the watcher at {address} {expected}")));
        answering.join().unwrap();
    }
}
