//! What the real binary sends to a service manager by sd_notify(3), whether or not that listens.

use std::io;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use export_simulator::{Endpoint, Fault, Job, Life};
use jiff::Timestamp;
use rustix::process::Signal;
use sd_notify::NotifyState;
use serde_json::Value;

use crate::call::Call;
use crate::canaries::Canaries;
use crate::harness::{Bench, PATIENCE, Running, events};

/// A message, and when it arrived.
#[derive(Clone, Debug)]
struct Message {
    text: String,
    at: Timestamp,
}

/// A service manager: a socket and a thread that reads it.
struct Manager {
    messages: Arc<(Mutex<Vec<Message>>, Condvar)>,
    name: String,
    canaries: Arc<Canaries>,
}

impl Manager {
    /// One that listens at a path in the bench's folder.
    fn at_path(bench: &Bench) -> Self {
        let path = bench.path("notify");
        Self::new(UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned(), bench)
    }

    /// One that listens in the abstract namespace, as managers in containers do.
    fn at_abstract_name(bench: &Bench) -> Self {
        let name = format!("{}/notify", bench.folder.path().display());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        Self::new(UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}"), bench)
    }

    fn new(socket: UnixDatagram, name: String, bench: &Bench) -> Self {
        let messages = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let shared = Arc::downgrade(&messages);
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            // Ends with the test.
            while let Some(shared) = shared.upgrade() {
                if let Ok(length) = socket.recv(&mut bytes) {
                    let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
                    shared.0.lock().unwrap().push(Message { text, at: Timestamp::now() });
                    shared.1.notify_all();
                }
            }
        });
        Self { messages, name, canaries: Arc::clone(&bench.canaries) }
    }

    /// Starts `run` under this manager.
    fn start(&self, bench: &Bench, arguments: &[&str]) -> Running {
        self.start_with(bench, arguments, &[])
    }

    fn start_with(&self, bench: &Bench, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        let mut command = under(bench, &self.name, arguments);
        command.envs(variables.iter().copied());
        Running::start(command)
    }

    /// Waits until the messages satisfy a condition; returns them.
    fn wait(&self, what: &str, condition: impl Fn(&[Message]) -> bool) -> Vec<Message> {
        let until = Instant::now() + PATIENCE;
        let mut messages = self.messages.0.lock().unwrap();
        while !condition(&messages) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain for {what}; the messages:\n{messages:#?}");
            messages = self.messages.1.wait_timeout(messages, left).unwrap().0;
        }
        messages.clone()
    }

    /// Waits until a text was sent so many times.
    fn wait_count(&self, text: &str, times: usize) -> Vec<Message> {
        self.wait(text, |messages| count(messages, text) >= times)
    }

    /// The messages so far.
    fn messages(&self) -> Vec<Message> {
        self.messages.0.lock().unwrap().clone()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            for message in self.messages() {
                self.canaries.search("what a service manager is sent", message.text.as_bytes());
            }
        }
    }
}

/// `run` with that notify socket, and no watchdog unless the test asks for one.
fn under(bench: &Bench, socket: &str, arguments: &[&str]) -> Call {
    let mut command = bench.command("run", arguments);
    command.env("NOTIFY_SOCKET", socket).env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID");
    command
}

fn count(messages: &[Message], text: &str) -> usize {
    messages.iter().filter(|message| message.text.contains(text)).count()
}

/// The messages about start, reloads and end, one word each.
fn life(messages: &[Message]) -> Vec<&str> {
    let words = messages.iter().map(|message| message.text.split('=').next().unwrap());
    words.filter(|word| !["STATUS", "WATCHDOG"].contains(word)).collect()
}

/// When a line was written to the log.
fn logged_at(line: &Value) -> Timestamp {
    line["timestamp"].as_str().unwrap().parse().unwrap()
}

fn endless() -> Bench {
    let bench = Bench::new();
    bench.jobs([Job::new("1", "doc1").life(Life::Forever)]);
    bench
}

/// READY=1 comes once, after the state is loaded, although nothing answers at the remote's address: a
/// service starts at boot without waiting for Feishu. And STOPPING=1 comes last.
#[test]
fn ready_does_not_wait_for_the_remote() {
    let bench = endless();
    // Takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    bench.reconfigure(&bench.sim.base_url(), &format!("http://{}", silent.local_addr().unwrap()));
    let manager = Manager::at_path(&bench);
    let run = manager.start(&bench, &[]);
    let messages = manager.wait_count("READY=1", 1);
    assert_eq!(
        messages[0].text, "STATUS=1 pending, 0 done, 0 failed\n",
        "a manager that waited for READY shows it"
    );
    run.wait_event("watcher.started", 1);
    let ended = run.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let messages = manager.wait_count("STOPPING=1", 1);
    assert_eq!(life(&messages), ["READY", "STOPPING"]);
    assert_eq!(messages.last().unwrap().text, "STOPPING=1\n");
    assert_eq!(messages[messages.len() - 2].text, "STATUS=stopping: 1 pending, 0 done, 0 failed\n");
    let started = logged_at(ended.events("watcher.started")[0]);
    let ready = messages.iter().find(|message| message.text == "READY=1\n").unwrap();
    assert!(started <= ready.at, "{messages:#?}");
}

/// A watcher that can't start never says that it is ready: bad configuration, or a state file that another
/// one holds.
#[test]
fn a_failed_start_is_not_ready() {
    let bench = endless();
    let holder = bench.start(&[]);
    holder.wait_event("watcher.started", 1);
    let manager = Manager::at_path(&bench);
    assert_eq!(manager.start(&bench, &[]).wait().code, Some(12));
    bench.reconfigure("[poll]", "[pol]");
    assert_eq!(manager.start(&bench, &[]).wait().code, Some(78));
    bench.reconfigure("[pol]", "[poll]");
    holder.stop();
    let run = manager.start(&bench, &[]);
    manager.wait_count("READY=1", 1);
    run.stop();
    assert_eq!(life(&manager.wait_count("STOPPING=1", 1)), ["READY", "STOPPING"], "of the last run alone");
}

/// A batch that is over at once, because nothing is pending, was ready all the same: a manager that never
/// received that would call it failed. In the abstract namespace, too.
#[test]
fn a_run_that_ends_by_itself_says_so() {
    let bench = Bench::new();
    bench.jobs([Job::new("1", "doc1").succeeds_after(Duration::ZERO)]);
    let manager = Manager::at_abstract_name(&bench);
    for run in 1..=2 {
        assert_eq!(manager.start(&bench, &["--until-done"]).wait().code, Some(0));
        manager.wait_count("STOPPING=1", run);
    }
    let messages = manager.messages();
    assert_eq!(life(&messages), ["READY", "STOPPING", "READY", "STOPPING"], "{messages:#?}");
    assert_eq!(count(&messages, "STATUS=stopping: 0 pending, 1 done, 0 failed\n"), 2, "{messages:#?}");
}

/// The line says how many tickets stand how, and which app is paused, for how long and why.
#[test]
fn the_line_says_what_there_is_to_do() {
    let bench = Bench::new();
    bench.jobs([
        Job::new("1", "doc1").life(Life::Forever),
        Job::new("2", "doc2").succeeds_after(Duration::ZERO),
        Job::new("3", "doc3").fails_after(Duration::ZERO, 107),
    ]);
    let manager = Manager::at_path(&bench);
    let run = manager.start(&bench, &[]);
    manager.wait_count("STATUS=1 pending, 1 done, 1 failed\n", 1);
    bench.sim.fault(Endpoint::Query, 1.., Fault::answer(400, 99_991_403, "quota"));
    let paused = |message: &Message| {
        message.text.starts_with("STATUS=1 pending, 1 done, 1 failed; app default paused ")
            && message.text.ends_with(": monthly quota used up\n")
    };
    manager.wait("the pause", |messages| messages.iter().any(paused));
    run.stop();
}

/// sd_notify(3): a reload is announced with its moment before it is done, and READY=1 follows when it is; a list
/// that is refused is no exception.
#[test]
fn a_reload_is_announced_from_beginning_to_end() {
    let bench = endless();
    bench.sim.add_job(Job::new("2", "doc2").life(Life::Forever));
    let manager = Manager::at_path(&bench);
    let run = manager.start(&bench, &[]);
    manager.wait_count("READY=1", 1);

    bench.list("watchlist.toml", [("1", "doc1"), ("2", "doc2")]);
    let before = monotonic();
    run.signal(Signal::HUP);
    let messages = manager.wait_count("READY=1", 2);
    assert_eq!(life(&messages), ["READY", "RELOADING", "READY"]);
    let reloading = messages.iter().find(|message| message.text.starts_with("RELOADING")).unwrap();
    let moment = reloading.text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim_end();
    assert!((before..=monotonic()).contains(&moment.parse().unwrap()), "{moment}");
    run.wait_event("watchlist.loaded", 2);
    let loaded = logged_at(events(&run.log(), "watchlist.loaded").last().unwrap());
    let ready = messages.iter().rfind(|message| message.text == "READY=1\n").unwrap().at;
    assert!(loaded <= ready, "READY=1 says that the new list is in force");

    bench.write("watchlist.toml", "[[ticket]]\nticket = 1\n");
    run.signal(Signal::HUP);
    let messages = manager.wait_count("READY=1", 3);
    assert_eq!(life(&messages), ["READY", "RELOADING", "READY", "RELOADING", "READY"]);
    run.wait_event("watchlist.rejected", 1);
    run.stop();
    assert_eq!(life(&manager.wait_count("STOPPING=1", 1)).last().unwrap(), &"STOPPING");
}

/// Signals that come while a reload is under way: however many, the last word is READY=1, and the newest
/// list is in force by then.
#[test]
fn reloads_that_overlap_end_with_ready() {
    let bench = endless();
    let manager = Manager::at_path(&bench);
    let run = manager.start(&bench, &[]);
    manager.wait_count("READY=1", 1);
    for ticket in 2..12 {
        bench.sim.add_job(Job::new(ticket.to_string(), "doc").life(Life::Forever));
        bench.list("watchlist.toml", (1..=ticket).map(|ticket| (ticket.to_string(), "doc1")));
        run.signal(Signal::HUP);
    }
    let all_announced = |messages: &[Message]| {
        let messages = life(messages);
        messages.len() > 2 && messages.last() == Some(&"READY")
    };
    run.wait_log("the newest list", |lines| {
        events(lines, "watchlist.loaded").last().is_some_and(|line| line["tickets"] == 11)
    });
    manager.wait("READY=1 after the last reload", all_announced);
    run.stop();
    let messages = manager.wait_count("STOPPING=1", 1);
    let messages = life(&messages);
    assert!(!messages.windows(2).any(|pair| pair == ["READY", "READY"]), "{messages:?}");
}

/// Promise 8: a healthy watcher keeps the watchdog content, and only where it is meant for this process.
#[test]
fn the_watchdog_gets_signs_of_progress() {
    let bench = endless();
    let manager = Manager::at_path(&bench);
    let run = manager.start_with(&bench, &[], &[("WATCHDOG_USEC", "3000000")]);
    let messages = manager.wait_count("WATCHDOG=1\n", 5);
    let place = |text| messages.iter().position(|message| message.text == text).unwrap();
    assert!(place("READY=1\n") < place("WATCHDOG=1\n"));
    let ended = run.stop();
    assert_eq!(ended.events("watchdog.warning").len(), 0);

    let others = Manager::at_abstract_name(&bench);
    let foreign = [("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", "1")];
    let run = others.start_with(&bench, &[], &foreign);
    // Later than any message to a watchdog would have come: the line shows a change after five seconds.
    others.wait_count("READY=1", 1);
    bench.sim.finish_job("1");
    others.wait_count("STATUS=0 pending, 1 done, 0 failed\n", 1);
    run.stop();
    assert_eq!(count(&others.messages(), "WATCHDOG"), 0);
}

/// A watchdog that is too impatient for this program is reported once; it is served as well as can be.
#[test]
fn a_watchdog_that_is_too_short_is_reported() {
    let bench = endless();
    let manager = Manager::at_path(&bench);
    let run = manager.start_with(&bench, &[], &[("WATCHDOG_USEC", "500000")]);
    manager.wait_count("WATCHDOG=1\n", 3);
    let ended = run.stop();
    let warnings = ended.events("watchdog.warning");
    assert_eq!(warnings.len(), 1);
    assert_eq!((&warnings[0]["level"], &warnings[0]["limit_ms"]), (&"WARN".into(), &500.into()));
}

/// Where nothing listens, nothing is disturbed: no socket, a socket whose owner is gone, a name that is none. It is
/// one line at the level debug.
#[test]
fn a_socket_that_refuses_is_ignored() {
    let bench = Bench::new();
    bench.jobs([Job::new("1", "doc1").succeeds_after(Duration::ZERO)]);
    drop(UnixDatagram::bind(bench.path("refuses")).unwrap());
    let path = |file| bench.path(file).to_str().unwrap().to_owned();
    for (socket, lines) in [
        (path("absent"), 1),
        (path("refuses"), 1),
        ("relative".to_owned(), 1),
        ("@".to_owned() + "nothing-listens", 1),
        (String::new(), 0),
    ] {
        let ended = Running::start(under(&bench, &socket, &["--until-done", "--log-level", "debug"])).wait();
        assert_eq!(ended.code, Some(0), "{socket}: {}", ended.stderr);
        let said = ended.events("notify.failed");
        assert_eq!(said.len(), lines, "{socket}: {said:#?}");
        assert!(said.iter().all(|line| line["level"] == "DEBUG"), "{said:#?}");
        let loud = |line: &&Value| ["WARN", "ERROR"].contains(&line["level"].as_str().unwrap());
        // The job's age is not known, so its verdict is loud.
        let others = ended.lines.iter().filter(|line| line["event"] != "ticket.completed");
        assert_eq!(others.clone().find(loud), None, "{socket}");
    }
}

/// A manager that never reads holds up neither the polls nor a reload nor the end.
#[test]
fn a_manager_that_hangs_holds_nothing_up() {
    let bench = endless();
    let path = bench.path("notify");
    let _hangs = UnixDatagram::bind(&path).unwrap();
    fill(&path);
    let mut command = under(&bench, path.to_str().unwrap(), &[]);
    command.env("WATCHDOG_USEC", "3000000");
    let run = Running::start(command);
    run.wait_event("watcher.started", 1);
    run.signal(Signal::HUP);
    run.wait_event("watchlist.loaded", 2);
    bench.sim.finish_job("1");
    run.wait_event("ticket.completed", 1);
    let ended = run.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let (stopping, stopped) = (ended.events("watcher.stopping"), ended.events("watcher.stopped"));
    assert_eq!((stopping.len(), stopped.len()), (1, 1));
}

/// Sends to a socket until it takes nothing from any sender: each has a bound of its own, too.
fn fill(path: &Path) {
    let send_all = || {
        let sender = UnixDatagram::unbound().unwrap();
        sender.set_nonblocking(true).unwrap();
        for sent in 0.. {
            if let Err(error) = sender.send_to(b"FILLER=1\n", path) {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                return sent;
            }
        }
        unreachable!("it takes everything")
    };
    while send_all() > 0 {}
}

/// The monotonic clock, in microseconds.
fn monotonic() -> i128 {
    match NotifyState::monotonic_usec_now() {
        Ok(NotifyState::MonotonicUsec(at)) => at,
        other => panic!("{other:?}"),
    }
}

/// With the loop held up from outside. Not compiled without the feature, as no release is.
#[cfg(feature = "hold-up")]
mod held_up {
    use std::fs;

    use super::*;

    const HOLD_UP: &str = "FEISHU_EXPORT_WATCHER_HOLD_UP";

    fn start_held(bench: &Bench, manager: &Manager) -> Running {
        let file = bench.path("hold-up");
        let variables = [(HOLD_UP, file.to_str().unwrap()), ("WATCHDOG_USEC", "3000000")];
        manager.start_with(bench, &[], &variables)
    }

    /// READY=1 says that the loop has run once; before that the list is not taken.
    #[test]
    fn not_ready_before_the_first_turn() {
        let bench = endless();
        bench.write("hold-up", "");
        let manager = Manager::at_path(&bench);
        let run = start_held(&bench, &manager);
        run.wait_event("watcher.started", 1);
        let released = Timestamp::now();
        assert_eq!(life(&manager.messages()), [""; 0]);
        fs::remove_file(bench.path("hold-up")).unwrap();
        let messages = manager.wait_count("READY=1", 1);
        assert!(messages[0].at >= released);
        run.stop();
    }

    /// Promise 8: while the loop stands still there is no WATCHDOG=1, however long, and the line says so; once it
    /// moves there is.
    #[test]
    fn a_loop_that_stands_still_stops_the_watchdog() {
        let bench = endless();
        let manager = Manager::at_path(&bench);
        let run = start_held(&bench, &manager);
        manager.wait_count("WATCHDOG=1", 3);
        bench.write("hold-up", "");
        let stands = "STATUS=1 pending, 0 done, 0 failed; the engine has stood still for ";
        let before = count(&manager.wait_count(stands, 1), "WATCHDOG=1");
        // The line is sent anew after five seconds, the watchdog is content with three.
        assert_eq!(count(&manager.wait_count(stands, 3), "WATCHDOG=1"), before);
        fs::remove_file(bench.path("hold-up")).unwrap();
        manager.wait_count("WATCHDOG=1", before + 3);
        run.stop();
    }

    /// A reload is over when the engine has taken the list: while that hangs there is no READY=1, and the
    /// service goes on when it can.
    #[test]
    fn a_reload_that_hangs_is_not_ready() {
        let bench = endless();
        let manager = Manager::at_path(&bench);
        let run = start_held(&bench, &manager);
        manager.wait_count("WATCHDOG=1", 1);
        bench.write("hold-up", "");
        manager.wait_count("the engine has stood still for ", 1);
        for reloads in 1..=3 {
            run.signal(Signal::HUP);
            manager.wait_count("RELOADING=1", reloads);
        }
        manager.wait_count("the engine has stood still for ", 2);
        let messages = manager.messages();
        assert_eq!(life(&messages), ["READY", "RELOADING", "RELOADING", "RELOADING"]);
        fs::remove_file(bench.path("hold-up")).unwrap();
        let messages = manager.wait_count("READY=1", 2);
        assert_eq!(life(&messages), ["READY", "RELOADING", "RELOADING", "RELOADING", "READY"]);
        assert_eq!(run.stop().code, Some(0));
    }
}
