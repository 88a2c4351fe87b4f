//! Promise 7 in every test: app secrets and access tokens of a bench are looked for in whatever its processes
//! write, show and leave behind.
//!
//! `WATCHER_TESTS=traced` has every process log at its finest, where a test does not say itself how much.

mod forms;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use aho_corasick::AhoCorasick;
use export_simulator::Simulator;

/// The secret of every app that a test gives none of its own.
pub(crate) const APP_SECRET: &str = "c4naryAppSecretDoNotPrint";

/// A secret that the simulator does not accept.
pub(crate) const WRONG_SECRET: &str = "c4naryWrongSecretDoNotPrint";

/// A shorter one might stand anywhere by chance.
const LENGTH_MIN: usize = 12;

/// Whether this run is that at the finest level.
pub(crate) fn traced() -> bool {
    match std::env::var("WATCHER_TESTS").as_deref() {
        Err(_) | Ok("") => false,
        Ok("traced") => true,
        Ok(other) => panic!("WATCHER_TESTS={other}: there is only `traced`"),
    }
}

/// What must not be found, and where it may be: in the files that are there to hold it.
pub(crate) struct Canaries {
    sim: Arc<Simulator>,
    /// The simulator's, and those that it does not know.
    planted: Mutex<BTreeSet<String>>,
    held: Mutex<BTreeSet<(PathBuf, String)>>,
    /// Built anew when there is another secret.
    search: Mutex<Option<Arc<Search>>>,
}

/// All forms of some secrets.
struct Search {
    secrets: BTreeSet<String>,
    forms: AhoCorasick,
    /// The secret and the name of the form of each pattern.
    of_pattern: Vec<(String, &'static str)>,
}

impl Canaries {
    /// Those of the simulator, in processes that have all their files in this folder.
    pub(crate) fn new(sim: &Arc<Simulator>) -> Self {
        Self {
            sim: Arc::clone(sim),
            planted: Mutex::default(),
            held: Mutex::default(),
            search: Mutex::default(),
        }
    }

    /// This text must not be found from now on.
    pub(crate) fn plant(&self, secret: &str) {
        assert!(secret.len() >= LENGTH_MIN, "{secret:?} is too short to be looked for");
        self.planted.lock().unwrap().insert(secret.to_owned());
    }

    /// A file is there to hold a secret.
    pub(crate) fn plant_in(&self, file: &Path, secret: &str) {
        self.plant(secret);
        self.held.lock().unwrap().insert((file.to_owned(), secret.to_owned()));
    }

    /// Panics if one of them stands there in any form.
    #[track_caller]
    pub(crate) fn search(&self, place: &str, bytes: &[u8]) {
        let found = self.hits(bytes);
        assert!(found.is_empty(), "secrets in {place}: {found:?}");
    }

    /// Panics if one of them stands in a file below the folder that is not there to hold it. What is `/` for others
    /// is `root` here.
    #[track_caller]
    pub(crate) fn search_files(&self, root: &Path, folder: &Path) {
        let held = self.held.lock().unwrap().clone();
        let mut found = Vec::new();
        for_each_file(&root.join(folder.strip_prefix("/").unwrap()), &mut |path, bytes| {
            let path = Path::new("/").join(path.strip_prefix(root).unwrap());
            let hits = self.hits(bytes).into_iter();
            let astray = hits.filter(|(secret, _)| !held.contains(&(path.clone(), secret.clone())));
            found.extend(astray.map(|(secret, form)| (path.clone(), secret, form)));
        });
        assert!(found.is_empty(), "secrets in files: {found:?}");
    }

    /// Panics if one of them stands in the line of a request: proxies and servers keep these.
    #[track_caller]
    pub(crate) fn search_requests(&self) {
        for request in self.sim.requests() {
            self.search("the line of a request", request.line.as_bytes());
        }
    }

    /// The secrets in these bytes, and the form that each has there.
    fn hits(&self, bytes: &[u8]) -> BTreeSet<(String, &'static str)> {
        let search = self.newest_search();
        let hits = search.forms.find_overlapping_iter(bytes);
        hits.map(|hit| search.of_pattern[hit.pattern().as_usize()].clone()).collect()
    }

    fn newest_search(&self) -> Arc<Search> {
        let mut secrets = self.planted.lock().unwrap().clone();
        secrets.extend(self.sim.secrets());
        let mut newest = self.search.lock().unwrap();
        match &*newest {
            Some(search) if search.secrets == secrets => Arc::clone(search),
            _ => Arc::clone(newest.insert(Arc::new(Search::new(secrets)))),
        }
    }
}

impl Search {
    fn new(secrets: BTreeSet<String>) -> Self {
        let mut of_pattern = Vec::new();
        let mut patterns = Vec::new();
        for secret in &secrets {
            assert!(secret.len() >= LENGTH_MIN, "{secret:?} is too short to be looked for");
            for (name, form) in forms::all(secret) {
                of_pattern.push((secret.clone(), name));
                patterns.push(form);
            }
        }
        // The prefilter is slower than what it saves where it is not optimised.
        let forms = AhoCorasick::builder().prefilter(false).build(patterns).unwrap();
        Self { secrets, forms, of_pattern }
    }
}

/// Shows every file below a folder. Processes go on meanwhile: what vanished is left out. So is what a link leads
/// to, which is found under its own name, and what is a pipe or socket.
fn for_each_file(folder: &Path, look: &mut impl FnMut(&Path, &[u8])) {
    let Some(entries) = unless_gone(fs::read_dir(folder)) else { return };
    for entry in entries.map_while(Result::ok) {
        let path = entry.path();
        let Some(kind) = unless_gone(entry.file_type()) else { continue };
        if kind.is_dir() {
            for_each_file(&path, look);
        } else if kind.is_file()
            && let Some(bytes) = unless_gone(fs::read(&path))
        {
            look(&path, &bytes);
        }
    }
}

fn unless_gone<T>(result: io::Result<T>) -> Option<T> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        result => Some(result.unwrap()),
    }
}
