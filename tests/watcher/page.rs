//! The status page of a real run: what it shows is what the simulator did, and every link on it leads somewhere.

use std::time::Duration;

use export_simulator::{Job, Life};

use crate::canaries::WRONG_SECRET;
use crate::harness::Bench;
use crate::http::{get, request, send, served, wait_answer};

/// What stands between the quotes of each of these attributes.
fn links(page: &str) -> Vec<&str> {
    page.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

fn done(ticket: &str, title: &str) -> Job {
    let job = Job::new(ticket, format!("doc{ticket}")).succeeds_after(Duration::ZERO);
    Job { file_name: title.to_owned(), ..job }
}

/// Promise: the page shows tickets and apps as they are, foreign titles as text, and leads to the details of each ticket
/// and through every filter.
#[test]
fn a_run_is_shown() {
    let (bench, address) = served(Bench::new());
    bench.jobs([
        done("70", "weekly report"),
        done("71", "</script><img src=x onerror=alert(1)>\u{202e}fdp"),
        Job::new("72", "doc72").fails_after(Duration::ZERO, 107),
        Job::new("73", "doc73").life(Life::Forever),
    ]);
    let running = bench.start(&[]);
    let shown = wait_answer(address, "/", "the end of three tickets", |answer| {
        ["weekly report", "document_too_large", "\\u{202e}fdp"].iter().all(|part| answer.body.contains(part))
    });
    assert_eq!(shown.status, 200);
    for part in
        ["<h1>Status</h1>", "4 tickets, 1 to 4 shown", "completed", "pending", " in 60 s</td>", " proper"]
    {
        assert!(shown.body.contains(part), "no {part} in\n{}", shown.body);
    }
    assert!(!shown.body.contains("<img") && !shown.body.contains('\u{202e}'), "{}", shown.body);
    let token = bench.ticket("70")["file_token"].as_str().unwrap().to_owned();
    assert!(!shown.body.contains(&token), "a whole file token");
    let found = links(&shown.body);
    for ticket in ["70", "71", "72", "73"] {
        assert!(found.contains(&&*format!("/ticket/default/{ticket}")), "{found:?}");
    }
    for link in found.iter().filter(|link| link.starts_with('/')) {
        let path = link.replace("&#38;", "&");
        let path = path.split('#').next().unwrap();
        assert_eq!(get(address, path).status, 200, "{path}");
    }
    let details = get(address, "/ticket/default/72");
    for part in ["document_too_large", "split the document", "<bdi>ticket.failed</bdi>", "<bdi>doc72</bdi>"] {
        assert!(details.body.contains(part), "no {part} in\n{}", details.body);
    }
    let failed = get(address, "/?state=failed&document=doc72");
    assert!(failed.body.contains("1 ticket matches, 1 to 1 shown"), "{}", failed.body);
    assert_eq!(get(address, "/?state=broken").status, 400);
    let unknown = get(address, "/ticket/default/74");
    assert_eq!(unknown.status, 404);
    assert!(unknown.body.contains("href=\"/?document=74#tickets\""), "{}", unknown.body);
    assert_eq!(request(address, "HEAD", "/").body, "");
    for path in ["/", "/ticket/default/72"] {
        assert_eq!(request(address, "POST", path).status, 404, "{path}");
        let rebound = send(address, format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n").as_bytes());
        assert_eq!((rebound.status, rebound.body.as_str()), (404, "not found\n"), "{path}");
    }
    assert_eq!(running.stop().code, Some(0));
}

/// Promise: an app that is held up, and a watch list that is left out, come first, with what to do; once that is done, nothing
/// needs attention.
#[test]
fn what_needs_a_person_is_said() {
    let (bench, address) = served(Bench::new());
    bench.jobs([Job::new("70", "doc70").life(Life::Forever)]);
    bench.secret("app_secret", WRONG_SECRET);
    let good = bench.read("watchlist.toml");
    let running = bench.start(&[]);
    wait_answer(address, "/", "the app's pause", |answer| {
        ["app default is paused: ", "put the right app_id and secret", "paused</span>"]
            .iter()
            .all(|part| answer.body.contains(part))
    });
    bench.secret("app_secret", crate::canaries::APP_SECRET);
    bench.write("watchlist.toml", "[[ticket]]\nticket = 7\n");
    running.signal(rustix::process::Signal::HUP);
    wait_answer(address, "/", "the list that is left out", |answer| {
        answer.body.contains("watchlist.toml is left out") && answer.body.contains("watchlist.toml:2:")
    });
    bench.write("watchlist.toml", &good);
    running.signal(rustix::process::Signal::HUP);
    wait_answer(address, "/", "quiet", |answer| answer.body.contains("Nothing needs attention."));
    assert_eq!(running.stop().code, Some(0));
}
