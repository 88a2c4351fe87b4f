//! `retry` beside a watcher that runs, while none does, and for tickets that it can't help.

use std::time::Duration;

use export_simulator::{Job, Life};

use crate::harness::Bench;
use crate::outputs::{stderr, stdout};

/// Job status "no permission".
const NO_PERMISSION: i64 = 110;

fn failing() -> Bench {
    let bench = Bench::new();
    bench.jobs([
        Job::new("6933093124755412345", "doc1").fails_after(Duration::ZERO, NO_PERMISSION),
        Job::new("6933093124755412346", "doc2").fails_after(Duration::ZERO, 107),
        Job::new("6933093124755412347", "doc3").life(Life::Forever),
    ]);
    bench
}

fn grant(bench: &Bench) {
    bench.sim.set_life("6933093124755412345", Life::Succeeds { after: Duration::ZERO });
}

/// Promise: a watcher that runs takes a request up, and nothing else is asked again.
#[test]
fn a_running_watcher_takes_it_up() {
    let bench = failing();
    let running = bench.start(&[]);
    running.wait_event("ticket.failed", 2);
    grant(&bench);
    let asked = bench.output("retry", &["--failed", "--kind", "no_permission"]);
    assert_eq!(
        (asked.status.code(), stdout(&asked).as_str(), stderr(&asked).as_str()),
        (
            Some(0),
            "1 ticket will be polled again:\n  default  6933093124755412345  failed: no_permission\n",
            "done: the watcher has taken the request up\n"
        )
    );
    running.wait_event("ticket.completed", 1);
    let ended = running.stop();
    assert_eq!(ended.events("ticket.retried").len(), 1);
    assert_eq!(ended.events("ticket.failed").len(), 2);
    assert_eq!(bench.sim.polls_of("6933093124755412346").len(), 1);
}

/// Promise: a request made while no watcher runs is taken up at the next start; `--dry-run` changes nothing.
#[test]
fn the_next_start_takes_it_up() {
    let bench = failing();
    let running = bench.start(&[]);
    running.wait_event("ticket.failed", 2);
    running.stop();
    grant(&bench);
    let rehearsed = bench.output("retry", &["6933093124755412345", "6933093124755412347", "--dry-run"]);
    assert_eq!(
        stderr(&rehearsed),
        "ticket 6933093124755412347 is pending already\nnothing was changed (--dry-run)\n"
    );
    assert!(stdout(&rehearsed).starts_with("1 ticket would be polled again:\n"));
    let running = bench.start(&[]);
    running.wait_event("watcher.started", 1);
    assert!(running.stop().events("ticket.retried").is_empty());

    let asked = bench.output("retry", &["6933093124755412345"]);
    let start =
        format!("feishu-export-watcher run --until-done --config {}", bench.path("watcher.toml").display());
    let expected = format!("asked: no watcher runs, the next start takes it up; to start one:\n  {start}\n");
    assert_eq!(stderr(&asked), expected);
    let running = bench.start(&[]);
    running.wait_event("ticket.completed", 1);
    running.stop();
    assert_eq!(bench.ticket("6933093124755412345")["state"], "completed");
}

/// Promise: what can't be retried is named with what was probably meant, ends with 2 and changes nothing.
#[test]
fn what_cannot_be_retried_is_named() {
    let bench = failing();
    let nothing_yet = bench.output("retry", &["--failed"]);
    assert_eq!(nothing_yet.status.code(), Some(0));
    assert!(stderr(&nothing_yet).starts_with("nothing ran yet: "), "{}", stderr(&nothing_yet));
    let running = bench.start(&[]);
    running.wait_event("ticket.failed", 2);
    bench.list("watchlist.toml", [("6933093124755412346", "doc2"), ("6933093124755412347", "doc3")]);
    running.signal(rustix::process::Signal::HUP);
    running.wait_event("watchlist.loaded", 2);
    running.stop();
    for (arguments, message) in [
        (
            &["6933093124755412354"][..],
            "unknown ticket or label 6933093124755412354; did you mean 6933093124755412345?",
        ),
        (&["6933093124755412345"], "ticket 6933093124755412345 left the watch list; list it again"),
        (&["--failed", "--app", "defualt"], "unknown app `defualt`; did you mean `default`?"),
        (&["--failed", "--kind", "no_permision"], "no such kind; did you mean no_permission?"),
        (&[], "required arguments were not provided"),
        (&["6933093124755412346", "--failed"], "cannot be used with"),
        (&["6933093124755412346", "--kind", "network"], "cannot be used with"),
    ] {
        let refused = bench.output("retry", arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&refused).contains(message), "{arguments:?}: {}", stderr(&refused));
    }
    let running = bench.start(&[]);
    running.wait_event("watcher.started", 1);
    assert!(running.stop().events("ticket.retried").is_empty());
}
