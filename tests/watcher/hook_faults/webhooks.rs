//! Webhooks that refuse, redirect, end, hang, cut, and are away.

use super::{AT_ONCE, EXPECTED, Identities, assert_each_once, assert_not_held_up, bench_with};
use super::{failure_of, hook, said, send_rest};
use crate::receiver::{OK, Received, Receiver, Reply, UNAVAILABLE, webhook};

/// A way to fail, and the words that the log has for it.
const WAYS: [(&str, Reply, &str); 5] = [
    ("unavailable", Reply::Head(UNAVAILABLE), "answered 503"),
    ("redirect", Reply::Head("HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\n"), "answered 302"),
    ("gone", Reply::Head("HTTP/1.1 410 Gone\r\n"), "(410)"),
    ("cut", Reply::Half, ""),
    ("hanging", Reply::Nothing, ""),
];

fn taken(received: &[Received]) -> usize {
    received.iter().filter(|request| request.is_taken()).count()
}

/// Promise 4: each event reaches each sound webhook with the same id and a right signature, once where nothing dies; one
/// that was away when it is back, the others once they work. While one hangs, all tickets end, all files are saved, the
/// log says it, a list is read again, and the watcher stops.
#[test]
fn failing_webhooks_hold_up_nothing() {
    let sound = Receiver::new(|_| OK);
    let mut away = Receiver::new(|_| OK);
    away.go_away();
    let failing = WAYS.map(|(name, reply, _)| (name, Receiver::with(move |_| reply)));
    let bench = bench_with(|_| {
        // So long that the calls of the one that hangs are held to the end.
        let keys = |receiver: &Receiver| format!("{}\ntimeout = \"10m\"", webhook(receiver));
        let failing = failing.iter().map(|(name, receiver)| hook(name, &keys(receiver)));
        let others = [hook("sound", &keys(&sound)), hook("away", &keys(&away))];
        failing.chain(others).collect()
    });
    let hanging = &failing[4].1;
    let running = bench.start(&[]);
    hanging.wait(AT_ONCE);
    assert_not_held_up(&bench, &running);
    // One more ticket and its file.
    let all = EXPECTED + 2;
    sound.wait_until("every event", |received| taken(received) == all);
    running.wait_log("a try at the one that is away", |lines| failure_of(lines, "away").is_some());
    away.come_back();
    away.wait_until("every event", |received| taken(received) == all);
    assert_eq!(hanging.received().len(), AT_ONCE, "the first calls are still held");
    assert_each_is_said(&running.log());
    let first = running.stop();
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    hanging.wait_quiet();

    failing.iter().for_each(|(_, receiver)| receiver.change(Reply::Head(OK)));
    let last = send_rest(&bench, &["unavailable", "redirect", "gone", "cut", "hanging"]);
    let said = said(&[first.lines, last.lines].concat());
    assert_eq!(said.len(), all);
    let mut identities = Identities::default();
    let others = [("sound", &sound), ("away", &away)];
    for (name, receiver) in failing.iter().map(|(name, receiver)| (*name, receiver)).chain(others) {
        let received = receiver.received();
        assert!(received.iter().all(|request| request.line == "POST /hook HTTP/1.1"), "{name}: {received:?}");
        let ids: Vec<_> = received.iter().map(|request| identities.note_request(request)).collect();
        let taken = ids.into_iter().zip(&received).filter(|(_, request)| request.is_taken());
        assert_each_once(name, &identities, &taken.map(|(id, _)| id).collect::<Vec<_>>(), &said);
    }
}

/// Each hook that answered has its reason in the log; the one that ended itself is said once, at error.
fn assert_each_is_said(lines: &[serde_json::Value]) {
    for (name, _, words) in WAYS.iter().filter(|(name, ..)| *name != "hanging") {
        let failure = failure_of(lines, name).unwrap_or_else(|| panic!("nothing is said of {name}"));
        assert!(failure["message"].as_str().unwrap().contains(words), "{failure:#}");
        let level = if *name == "gone" { "ERROR" } else { "WARN" };
        assert_eq!(failure["level"], level, "{failure:#}");
    }
    assert_eq!(failure_of(lines, "hanging"), None);
    assert_eq!(failure_of(lines, "sound"), None);
}
