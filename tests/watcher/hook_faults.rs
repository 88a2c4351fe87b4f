//! Several hooks at once, sound ones beside such as fail in every way: each event reaches each sound hook, and one that
//! fails holds up nothing. Asserted by order: what must not be held up is done while the hook still holds its calls.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use export_simulator::Job;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Bench, Ended, Running, events};
use crate::receiver::{Received, SIGNING_KEY};
use crate::saved::{DOWNLOAD, done};

mod commands;
mod webhooks;

pub(crate) use self::commands::TAKE;

/// Events that hooks take here.
pub(crate) const TAKEN: [&str; 7] = [
    "ticket.completed",
    "ticket.failed",
    "ticket.removed",
    "document.created",
    "document.again",
    "document.failed",
    "file.saved",
];

/// Calls of a hook at once, at most.
const AT_ONCE: usize = 4;

/// Tickets whose jobs are done, and tickets whose jobs failed.
const DONE: usize = 20;
const FAILED: usize = 3;

/// Verdicts and files of these.
const EXPECTED: usize = 2 * DONE + FAILED;

/// A hook of the configuration that takes all of these; `keys` say what it calls.
pub(crate) fn hook(name: &str, keys: &str) -> String {
    let wanted = TAKEN.map(|event| format!("\"{event}\"")).join(", ");
    format!("[[hook]]\nname = \"{name}\"\nevents = [{wanted}]\n{keys}\n")
}

/// The keys of a command that a shell reads from a file of the bench, for which `$D` is a folder of its own.
pub(crate) fn script(bench: &Bench, name: &str, lines: &str) -> String {
    let folder = bench.path(name);
    fs::create_dir_all(&folder).unwrap();
    let file = format!("{name}.sh");
    bench.write(&file, &format!("D='{}'\n{lines}\n", folder.display()));
    // Not the file itself: one that was just written can't be run while a process that is being started has it open.
    format!("command = [\"/bin/sh\", \"{}\"]", bench.path(&file).display())
}

/// Events as hooks got them, over all tries, hooks and processes: an id always has the same words, and words the same id.
#[derive(Default)]
pub(crate) struct Identities {
    words: BTreeMap<String, Value>,
    ids: BTreeMap<String, String>,
}

impl Identities {
    /// Notes what a hook got; returns its id.
    pub(crate) fn note(&mut self, body: &[u8]) -> String {
        let event: Value = serde_json::from_slice(body).unwrap();
        let id = event["id"].as_str().unwrap().to_owned();
        let words = without(&event, "id");
        let known_id = self.ids.entry(words.to_string()).or_insert_with(|| id.clone());
        assert_eq!(*known_id, id, "two ids of one event: {words}");
        let known_words = self.words.entry(id.clone()).or_insert_with(|| words.clone());
        assert_eq!(*known_words, words, "two events of one id: {id}");
        id
    }

    /// Notes a request, which bears the same id in its head and a signature that is right; returns the id.
    pub(crate) fn note_request(&mut self, request: &Received) -> String {
        request.verify();
        let id = self.note(&request.body);
        assert_eq!(request.header("webhook-id"), id);
        id
    }

    /// The id under which some hook got these words.
    pub(crate) fn id_of(&self, words: &Value) -> Option<&str> {
        self.ids.get(&words.to_string()).map(String::as_str)
    }

    /// An event by its id, without that.
    pub(crate) fn words_of(&self, id: &str) -> &Value {
        &self.words[id]
    }
}

/// An object without a member.
pub(crate) fn without(object: &Value, member: &str) -> Value {
    let mut object = object.clone();
    // The others keep their order.
    object.as_object_mut().unwrap().shift_remove(member);
    object
}

/// What the log says of the events that hooks take here, as hooks are given it.
fn said(lines: &[Value]) -> BTreeSet<String> {
    let is_taken = |line: &&Value| line["event"].as_str().is_some_and(|event| TAKEN.contains(&event));
    lines.iter().filter(is_taken).map(|line| without(line, "target").to_string()).collect()
}

/// A hook took each of these events once: nothing died that would explain more.
fn assert_each_once(name: &str, identities: &Identities, ids: &[String], said: &BTreeSet<String>) {
    let taken: BTreeSet<_> = ids.iter().map(|id| identities.words_of(id).to_string()).collect();
    let missed: Vec<_> = taken.symmetric_difference(said).collect();
    assert!(missed.is_empty(), "only {name} has these, or only the log: {missed:#?}");
    assert_eq!(ids.len(), taken.len(), "{name} took an event twice");
}

/// A bench with jobs that have ended, downloads, and these hooks.
fn bench_with(hooks: impl FnOnce(&Bench) -> String) -> Bench {
    let bench = Bench::new();
    bench.secret("hook_secret", SIGNING_KEY);
    let hooks = hooks(&bench);
    bench.configure(&format!("{hooks}{DOWNLOAD}"));
    let failed = |number| Job::new(format!("9{number}"), format!("doc9{number}"));
    bench.jobs((0..DONE).map(|number| done(&format!("7{number:02}"))));
    bench.jobs((0..FAILED).map(|number| failed(number).fails_after(Duration::ZERO, 107)));
    bench
}

/// All tickets end, all files are saved and all of it is in the log; then the same with one more ticket, after a reload.
fn assert_not_held_up(bench: &Bench, running: &Running) {
    let ended = |done: usize| {
        running.wait_event("ticket.failed", FAILED);
        running.wait_event("file.saved", done);
        let rows = bench.wait_tickets("every file", |rows| {
            rows.iter().filter(|row| row["file"]["state"] == "saved").count() == done
        });
        assert!(rows.iter().all(|row| row["state"] != "pending"), "{rows:#?}");
    };
    ended(DONE);
    bench.jobs([done("800")]);
    running.signal(Signal::HUP);
    running.wait_event("watchlist.loaded", 2);
    ended(DONE + 1);
}

/// The first failure of a hook.
fn failure_of(lines: &[Value], hook: &str) -> Option<Value> {
    events(lines, "hook.failed").find(|line| line["hook"] == hook).cloned()
}

/// What waits goes out with another process, to hooks that are all sound by now.
fn send_rest(bench: &Bench, hooks: &[&str]) -> Ended {
    for hook in hooks {
        assert_eq!(bench.output("retry", &["--hook", hook]).status.code(), Some(0), "{hook}");
    }
    let last = bench.run();
    assert_eq!(last.code, Some(10), "some tickets failed: {}", last.stderr);
    for hook in bench.status()["hooks"].as_array().unwrap() {
        assert_eq!((&hook["waiting"], &hook["failed"]), (&0.into(), &0.into()), "{hook}");
    }
    last
}
