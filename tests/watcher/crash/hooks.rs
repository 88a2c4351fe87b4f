//! The hooks of a crash test: whatever process died at whatever step, each event reaches each hook, with one id, and comes
//! again only where a death explains it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::memory::{Announcement, HookRow};
use crate::harness::{Bench, PATIENCE};
use crate::hook_faults::{Identities, TAKE, TAKEN, hook, script};
use crate::receiver::{OK, Receiver, Reply, SIGNING_KEY, UNAVAILABLE, webhook};
use crate::saved::files_below;

/// The webhook and the command.
const NAMES: [&str; 2] = ["web", "command"];

/// Calls of a hook at once, at most: so many events may be taken whose rows a death leaves.
const AT_ONCE: usize = 4;

/// What the hooks got, so far.
pub(super) struct Hooks {
    receiver: Receiver,
    identities: Identities,
    /// Requests, and files of the command, that were looked at.
    requests: usize,
    files: BTreeSet<PathBuf>,
    /// Processes that ended.
    processes: usize,
    /// By hook and id, the processes that delivered the event.
    taken: BTreeMap<(&'static str, i64), Vec<usize>>,
    /// Commands that got a part of their event, or nothing, before their watcher died.
    torn: usize,
}

impl Hooks {
    /// A receiver that takes seven of ten requests; the others are refused, cut, or never answered.
    pub(super) fn new(seed: u64) -> Self {
        let rng = Mutex::new(Rng::with_seed(seed));
        let receiver = Receiver::with(move |_| match rng.lock().unwrap().u8(..10) {
            0 => Reply::Head(UNAVAILABLE),
            1 => Reply::Half,
            2 => Reply::Nothing,
            _ => Reply::Head(OK),
        });
        let (identities, files, taken) = Default::default();
        Self { receiver, identities, requests: 0, files, processes: 0, taken, torn: 0 }
    }

    /// Their sections of the configuration.
    pub(super) fn sections(&self, bench: &Bench) -> String {
        bench.secret("hook_secret", SIGNING_KEY);
        // Two of ten are refused.
        let lines = format!("[ $(($$ % 10)) -gt 1 ] || [ -e \"$D.repaired\" ] || exit 1\n{TAKE}");
        hook(NAMES[0], &webhook(&self.receiver)) + &hook(NAMES[1], &script(bench, NAMES[1], &lines))
    }

    /// From now on both take everything, and what waits is sent at once.
    pub(super) fn repair(&self, bench: &Bench) {
        self.receiver.change(Reply::Head(OK));
        bench.write(&format!("{}.repaired", NAMES[1]), "");
        for name in NAMES {
            let asked = bench.output("retry", &["--hook", name]);
            assert_eq!(asked.status.code(), Some(0), "{}", String::from_utf8_lossy(&asked.stderr));
        }
    }

    /// After each death. What a hook got was durable by then, with these very words; what is gone from the state file
    /// was taken; and no process delivered an event twice.
    pub(super) fn judge(&mut self, bench: &Bench, rows: &[HookRow]) {
        let torn_before = self.torn;
        let durable: BTreeMap<_, _> = rows.iter().map(|row| ((&*row.hook, row.id), row)).collect();
        for (hook, id, is_taken) in self.look(bench) {
            let row = number_of(&id).and_then(|id| durable.get(&(hook, id)));
            let row = row.unwrap_or_else(|| panic!("{hook} got {id}, which was never in the state file"));
            assert_eq!(
                self.identities.words_of(&id),
                &row.payload,
                "{hook} got other words than the row has"
            );
            if is_taken {
                self.taken.entry((hook, row.id)).or_default().push(self.processes);
            }
        }
        for row in rows.iter().filter(|row| row.is_gone) {
            let hook = NAMES.into_iter().find(|hook| **hook == *row.hook).unwrap();
            assert!(
                self.taken.contains_key(&(hook, row.id)),
                "gone from the state file, and never taken: {row:?}"
            );
        }
        let twice =
            self.taken.iter().find(|(_, by)| by.iter().filter(|it| **it == self.processes).count() > 1);
        assert_eq!(twice, None, "delivered twice by one process");
        assert!(self.torn - torn_before <= AT_ONCE, "{} torn by one death", self.torn - torn_before);
        self.processes += 1;
    }

    /// What came since the last time: the hook, the id, and whether it took the event.
    fn look(&mut self, bench: &Bench) -> Vec<(&'static str, String, bool)> {
        wait_for_commands(bench);
        self.receiver.wait_quiet();
        let received = self.receiver.received();
        let mut got = Vec::new();
        for request in &received[self.requests..] {
            got.push((NAMES[0], self.identities.note_request(request), request.is_taken()));
        }
        self.requests = received.len();
        let folder = bench.path(NAMES[1]);
        for file in files_below(&folder).difference(&self.files.clone()) {
            let body = fs::read(folder.join(file)).unwrap();
            self.files.insert(file.clone());
            if body.ends_with(b"}") {
                let id = self.identities.note(&body);
                assert!(file.to_string_lossy().starts_with(&format!("{id}.")), "{id} in {}", file.display());
                got.push((NAMES[1], id, true));
            } else {
                self.torn += 1;
            }
        }
        got
    }

    /// At the end, when nothing waits. Each event was taken by each hook, each verdict of the log among them. What came more
    /// than once was on its way when a process died: so many at once at most.
    pub(super) fn conclude(&self, outbox: &[Announcement], rows: &[HookRow]) {
        for row in rows {
            assert!(row.is_gone, "not taken in the end: {row:?}");
        }
        let ids: BTreeSet<_> = rows.iter().map(|row| row.id).collect();
        let verdicts = outbox.iter().filter(|row| TAKEN.iter().any(|event| row.payload["event"] == *event));
        for payload in verdicts.map(|row| &row.payload) {
            let id = self.identities.id_of(payload).and_then(number_of);
            let id = id.unwrap_or_else(|| panic!("no hook got {payload}"));
            assert!(ids.contains(&id) && NAMES.iter().all(|hook| self.taken.contains_key(&(hook, id))));
        }
        for hook in NAMES {
            let of_hook = self.taken.iter().filter(|((name, _), _)| *name == hook);
            let mut again: BTreeMap<usize, usize> = BTreeMap::new();
            for by in of_hook.clone().map(|(_, by)| by) {
                by[..by.len() - 1].iter().for_each(|death| *again.entry(*death).or_default() += 1);
            }
            assert!(again.values().all(|events| *events <= AT_ONCE), "no death explains this: {again:?}");
            let (events, surplus) = (of_hook.count(), again.values().sum::<usize>());
            let (deaths, torn) = (again.len(), if hook == NAMES[1] { self.torn } else { 0 });
            assert_eq!(events, ids.len(), "of {hook}");
            println!("{hook}: {events} events; again: {surplus}, by {deaths} deaths; torn: {torn}");
        }
    }
}

/// The number at the end of an id.
fn number_of(id: &str) -> Option<i64> {
    id.rsplit_once('-')?.1.parse().ok()
}

/// Waits until no command of the bench runs: they outlive a watcher that is killed.
fn wait_for_commands(bench: &Bench) {
    let folder = bench.folder.path().to_string_lossy().into_owned();
    let is_command = |process: &Path| {
        let words = fs::read(process.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains(&folder)
    };
    let until = Instant::now() + PATIENCE;
    while fs::read_dir("/proc").unwrap().any(|process| is_command(&process.unwrap().path())) {
        assert!(Instant::now() < until, "a command does not end");
        std::thread::sleep(Duration::from_millis(1));
    }
}
